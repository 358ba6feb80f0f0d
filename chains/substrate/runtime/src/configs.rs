//! How the pallets are set up.

use crate::*;
use frame_support::{
    derive_impl,
    dispatch::DispatchClass,
    parameter_types,
    traits::{ConstBool, ConstU128, ConstU32, ConstU64, ConstU8, Get, VariantCountOf},
    weights::{
        constants::{ParityDbWeight, WEIGHT_REF_TIME_PER_MILLIS},
        IdentityFee, Weight,
    },
};
use frame_system::{
    limits::{BlockLength, BlockWeights},
    EnsureRoot,
};
use pallet_poft_validators::MAX_MEMBERS;
use pallet_transaction_payment::{ConstFeeMultiplier, FungibleAdapter, Multiplier};
use sp_consensus_aura::sr25519::AuthorityId as AuraId;
use sp_consensus_beefy::{ecdsa_crypto::AuthorityId as BeefyId, AncestryHelper, AncestryHelperWeightInfo, Commitment};
use sp_runtime::{
    traits::{Convert, ConvertInto, One, OpaqueKeys},
    Perbill,
};

/// Half a slot of one second for execution; the other half is for authoring and propagation.
const MAXIMUM_BLOCK_WEIGHT: Weight = Weight::from_parts(500 * WEIGHT_REF_TIME_PER_MILLIS, u64::MAX);
const MAXIMUM_BLOCK_LENGTH: u32 = 5 * 1024 * 1024;
const NORMAL_DISPATCH_RATIO: Perbill = Perbill::from_percent(75);

parameter_types! {
    pub const Version: sp_version::RuntimeVersion = VERSION;
    pub RuntimeBlockWeights: BlockWeights =
        BlockWeights::with_sensible_defaults(MAXIMUM_BLOCK_WEIGHT, NORMAL_DISPATCH_RATIO);
    pub RuntimeBlockLength: BlockLength =
        BlockLength::builder()
            .max_length(MAXIMUM_BLOCK_LENGTH)
            .modify_max_length_for_class(DispatchClass::Normal, |max| *max = NORMAL_DISPATCH_RATIO * *max)
            .build();
    pub FeeMultiplier: Multiplier = Multiplier::one();
}

#[derive_impl(frame_system::config_preludes::SolochainDefaultConfig)]
impl frame_system::Config for Runtime {
    type Block = Block;
    type BlockWeights = RuntimeBlockWeights;
    type BlockLength = RuntimeBlockLength;
    // What our node keeps its state in; the default charges nothing for it.
    type DbWeight = ParityDbWeight;
    type AccountId = AccountId;
    type Nonce = Nonce;
    type Hash = Hash;
    type BlockHashCount = ConstU32<2400>;
    type Version = Version;
    type AccountData = pallet_balances::AccountData<Balance>;
    type SS58Prefix = frame_support::traits::ConstU16<42>;
    type MaxConsumers = ConstU32<16>;
    type SingleBlockMigrations = migrations::Migrations;
}

impl pallet_timestamp::Config for Runtime {
    type Moment = u64;
    type OnTimestampSet = Aura;
    type MinimumPeriod = ConstU64<{ MILLI_SECS_PER_BLOCK / 2 }>;
    type WeightInfo = ();
}

impl pallet_aura::Config for Runtime {
    type AuthorityId = AuraId;
    type DisabledValidators = ();
    type MaxAuthorities = ConstU32<MAX_MEMBERS>;
    type AllowMultipleBlocksPerSlot = ConstBool<false>;
    type SlotDuration = pallet_aura::MinimumPeriodTimesTwo<Runtime>;
}

impl pallet_grandpa::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = ();
    type MaxAuthorities = ConstU32<MAX_MEMBERS>;
    type MaxNominators = ConstU32<0>;
    type MaxSetIdSessionEntries = ConstU64<0>;
    type KeyOwnerProof = sp_core::Void;
    type EquivocationReportSystem = ();
}

/// A validator is the account that set its session keys.
impl pallet_session::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type ValidatorId = AccountId;
    type ValidatorIdOf = ConvertInto;
    type ShouldEndSession = Validators;
    type NextSessionRotation = Validators;
    type SessionManager = Validators;
    type SessionHandler = <SessionKeys as OpaqueKeys>::KeyTypeIdProviders;
    type Keys = SessionKeys;
    type DisablingStrategy = ();
    type WeightInfo = pallet_session::weights::SubstrateWeight<Runtime>;
    type Currency = Balances;
    type KeyDeposit = ConstU128<0>;
}

impl pallet_beefy::Config for Runtime {
    type BeefyId = BeefyId;
    type MaxAuthorities = ConstU32<MAX_MEMBERS>;
    type MaxNominators = ConstU32<0>;
    type MaxSetIdSessionEntries = ConstU64<0>;
    type OnNewValidatorSet = Validators;
    type AncestryHelper = NoAncestry;
    type WeightInfo = ();
    type KeyOwnerProof = sp_core::Void;
    type EquivocationReportSystem = ();
}

/// Reports of votes for another chain are judged where it matters, by the other chains' clients (`submit_misbehaviour`):
/// this chain keeps no history to judge them by, and nothing to take from who cast them.
pub struct NoAncestry;

impl AncestryHelper<Header> for NoAncestry {
    type Proof = ();
    type ValidationContext = ();

    fn is_proof_optimal(_: &()) -> bool {
        false
    }

    fn extract_validation_context(_: Header) -> Option<()> {
        None
    }

    fn is_non_canonical(_: &Commitment<BlockNumber>, _: (), _: ()) -> bool {
        false
    }
}

impl AncestryHelperWeightInfo<Header> for NoAncestry {
    fn is_proof_optimal(_: &()) -> Weight {
        Weight::zero()
    }

    fn extract_validation_context() -> Weight {
        Weight::zero()
    }

    fn is_non_canonical(_: &()) -> Weight {
        Weight::zero()
    }
}

impl pallet_balances::Config for Runtime {
    type MaxLocks = ConstU32<50>;
    type MaxReserves = ();
    type ReserveIdentifier = [u8; 8];
    type Balance = Balance;
    type RuntimeEvent = RuntimeEvent;
    type DustRemoval = ();
    type ExistentialDeposit = ConstU128<500>;
    type AccountStore = System;
    type WeightInfo = pallet_balances::weights::SubstrateWeight<Runtime>;
    type FreezeIdentifier = RuntimeFreezeReason;
    type MaxFreezes = VariantCountOf<RuntimeFreezeReason>;
    type RuntimeHoldReason = RuntimeHoldReason;
    type RuntimeFreezeReason = RuntimeFreezeReason;
    type DoneSlashHandler = ();
}

impl pallet_transaction_payment::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type OnChargeTransaction = FungibleAdapter<Balances, ()>;
    type OperationalFeeMultiplier = ConstU8<5>;
    type WeightToFee = IdentityFee<Balance>;
    type LengthToFee = IdentityFee<Balance>;
    type FeeMultiplierUpdate = ConstFeeMultiplier<FeeMultiplier>;
    type WeightInfo = pallet_transaction_payment::weights::SubstrateWeight<Runtime>;
}

impl pallet_sudo::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type WeightInfo = pallet_sudo::weights::SubstrateWeight<Runtime>;
}

/// An account as the 32 bytes that it is.
pub struct AccountBytes;

impl Convert<AccountId, Hash> for AccountBytes {
    fn convert(account: AccountId) -> Hash {
        sp_core::H256(account.into())
    }
}

impl pallet_poft_bridge::Config for Runtime {
    type Governance = EnsureRoot<AccountId>;
    type Schemes = poft_schemes::RuntimeSchemes;
    type Time = Timestamp;
    type Receiver = Federation;
    type Carrier = AccountBytes;
    type WeightInfo = pallet_poft_bridge::weights::SubstrateWeight<Runtime>;
}

impl pallet_poft_federation::Config for Runtime {
    type Governance = EnsureRoot<AccountId>;
    type Bridge = Bridge;
    type WeightInfo = pallet_poft_federation::weights::SubstrateWeight<Runtime>;
}

/// The domain that the bridge has.
pub struct OwnDomain;

impl Get<Hash> for OwnDomain {
    fn get() -> Hash {
        pallet_poft_bridge::Domain::<Runtime>::get()
    }
}

impl pallet_poft_validators::Config for Runtime {
    type Governance = EnsureRoot<AccountId>;
    type Domain = OwnDomain;
    type Time = Timestamp;
    type WeightInfo = pallet_poft_validators::weights::SubstrateWeight<Runtime>;
}
