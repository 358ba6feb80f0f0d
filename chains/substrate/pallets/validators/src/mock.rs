//! A runtime of system, timestamp, balances, session, BEEFY and validators: sessions of ten blocks, BEEFY's key alone.

use crate as validators;
use poft_primitives::{keccak, H256};
use polkadot_sdk::{
    frame_support::{construct_runtime, derive_impl, parameter_types, traits::ConstU32, traits::ConstU64},
    frame_system::{mocking::MockBlock, EnsureRoot},
    pallet_beefy, pallet_session,
    sp_consensus_beefy::{ecdsa_crypto::AuthorityId, AncestryHelper, AncestryHelperWeightInfo, Commitment},
    sp_core::{ecdsa, Pair, Void},
    sp_runtime::{impl_opaque_keys, traits::ConvertInto, BuildStorage},
    *,
};

construct_runtime!(
    pub enum Test {
        System: frame_system,
        Timestamp: pallet_timestamp,
        Balances: pallet_balances,
        Session: pallet_session,
        Beefy: pallet_beefy,
        Validators: validators,
    }
);

impl_opaque_keys! {
    pub struct Keys {
        pub beefy: Beefy,
    }
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = MockBlock<Test>;
    type AccountData = pallet_balances::AccountData<u64>;
}

#[derive_impl(pallet_timestamp::config_preludes::TestDefaultConfig)]
impl pallet_timestamp::Config for Test {}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type AccountStore = System;
}

impl pallet_session::Config for Test {
    type RuntimeEvent = RuntimeEvent;
    type ValidatorId = u64;
    type ValidatorIdOf = ConvertInto;
    type ShouldEndSession = Validators;
    type NextSessionRotation = Validators;
    type SessionManager = Validators;
    type SessionHandler = (Beefy,);
    type Keys = Keys;
    type DisablingStrategy = ();
    type WeightInfo = ();
    type Currency = Balances;
    type KeyDeposit = ConstU64<0>;
}

/// Nobody proves ancestry here.
pub struct NoAncestry;

impl<Header: sp_runtime::traits::Header> AncestryHelper<Header> for NoAncestry {
    type Proof = ();
    type ValidationContext = ();

    fn is_proof_optimal(_: &()) -> bool {
        false
    }

    fn extract_validation_context(_: Header) -> Option<()> {
        None
    }

    fn is_non_canonical(_: &Commitment<Header::Number>, _: (), _: ()) -> bool {
        false
    }
}

impl<Header: sp_runtime::traits::Header> AncestryHelperWeightInfo<Header> for NoAncestry {
    fn is_proof_optimal(_: &()) -> frame_support::weights::Weight {
        Default::default()
    }

    fn extract_validation_context() -> frame_support::weights::Weight {
        Default::default()
    }

    fn is_non_canonical(_: &()) -> frame_support::weights::Weight {
        Default::default()
    }
}

impl pallet_beefy::Config for Test {
    type BeefyId = AuthorityId;
    type MaxAuthorities = ConstU32<64>;
    type MaxNominators = ConstU32<0>;
    type MaxSetIdSessionEntries = ConstU64<0>;
    type OnNewValidatorSet = Validators;
    type AncestryHelper = NoAncestry;
    type WeightInfo = ();
    type KeyOwnerProof = Void;
    type EquivocationReportSystem = ();
}

parameter_types! {
    pub const Domain: H256 = H256::repeat_byte(0xd0);
}

impl validators::Config for Test {
    type Governance = EnsureRoot<u64>;
    type Domain = Domain;
    type Time = Timestamp;
    type WeightInfo = ();
}

/// The BEEFY key of a member.
pub fn pair(member: u64) -> ecdsa::Pair {
    ecdsa::Pair::from_seed(&keccak(&member.to_be_bytes()).0)
}

pub fn keys(member: u64) -> Keys {
    Keys { beefy: pair(member).public().into() }
}

/// A chain with these members.
pub fn beginning(members: &[u64]) -> sp_io::TestExternalities {
    let genesis = RuntimeGenesisConfig {
        balances: pallet_balances::GenesisConfig {
            balances: (1..100).map(|who| (who, 1000)).collect(),
            ..Default::default()
        },
        session: pallet_session::GenesisConfig {
            keys: members.iter().map(|who| (*who, *who, keys(*who))).collect(),
            ..Default::default()
        },
        validators: validators::GenesisConfig { session_length: 10 },
        ..Default::default()
    };
    sp_io::TestExternalities::new(genesis.build_storage().expect("the genesis builds"))
}

#[cfg(feature = "runtime-benchmarks")]
pub fn fresh() -> sp_io::TestExternalities {
    beginning(&[1, 2, 3, 4])
}
