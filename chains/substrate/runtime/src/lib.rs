//! The runtime of a PoFT network: a standard Aura, GRANDPA and BEEFY chain with the bridge, the federation and the
//! validators pallet.

#![cfg_attr(not(feature = "std"), no_std)]
#![allow(missing_docs)] // `construct_runtime` and the runtime APIs generate undocumented items.

extern crate alloc;

mod apis;
#[cfg(feature = "runtime-benchmarks")]
mod benchmarks;
mod configs;
pub mod migrations;
pub mod presets;

use alloc::{borrow::Cow, vec::Vec};
use polkadot_sdk::*;

use sp_runtime::{
    generic, impl_opaque_keys,
    traits::{BlakeTwo256, IdentifyAccount, Verify},
    MultiAddress, MultiSignature,
};
use sp_version::RuntimeVersion;

pub use frame_system::Call as SystemCall;

/// Length of a slot, and so of a block.
pub const MILLI_SECS_PER_BLOCK: u64 = 1000;

pub type Signature = MultiSignature;
pub type AccountId = <<Signature as Verify>::Signer as IdentifyAccount>::AccountId;
pub type Balance = u128;
pub type Nonce = u32;
pub type Hash = sp_core::H256;
pub type BlockNumber = u32;
pub type Address = MultiAddress<AccountId, ()>;
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
pub type Block = generic::Block<Header, UncheckedExtrinsic>;
pub type UncheckedExtrinsic = generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;

/// What substrate-interface signs: the standard set. `CheckMetadataHash` encodes one byte (off) for signers that do not
/// know it, and is left out because substrate-interface 1.8.1 does not write that byte.
pub type TxExtension = (
    frame_system::CheckNonZeroSender<Runtime>,
    frame_system::CheckSpecVersion<Runtime>,
    frame_system::CheckTxVersion<Runtime>,
    frame_system::CheckGenesis<Runtime>,
    frame_system::CheckEra<Runtime>,
    frame_system::CheckNonce<Runtime>,
    frame_system::CheckWeight<Runtime>,
    pallet_transaction_payment::ChargeTransactionPayment<Runtime>,
);

pub type Executive =
    frame_executive::Executive<Runtime, Block, frame_system::ChainContext<Runtime>, Runtime, AllPalletsWithSystem>;

impl_opaque_keys! {
    pub struct SessionKeys {
        pub aura: Aura,
        pub grandpa: Grandpa,
        pub beefy: Beefy,
    }
}

#[sp_version::runtime_version]
pub const VERSION: RuntimeVersion = RuntimeVersion {
    spec_name: Cow::Borrowed("poft"),
    impl_name: Cow::Borrowed("poft"),
    authoring_version: 1,
    spec_version: 2,
    impl_version: 1,
    apis: apis::RUNTIME_API_VERSIONS,
    transaction_version: 1,
    system_version: 1,
};

#[frame_support::runtime]
mod runtime {
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeFreezeReason,
        RuntimeHoldReason,
        RuntimeSlashReason,
        RuntimeLockId,
        RuntimeTask,
        RuntimeViewFunction
    )]
    pub struct Runtime;

    #[runtime::pallet_index(0)]
    pub type System = polkadot_sdk::frame_system;

    #[runtime::pallet_index(1)]
    pub type Timestamp = polkadot_sdk::pallet_timestamp;

    #[runtime::pallet_index(2)]
    pub type Aura = polkadot_sdk::pallet_aura;

    #[runtime::pallet_index(3)]
    pub type Grandpa = polkadot_sdk::pallet_grandpa;

    #[runtime::pallet_index(4)]
    pub type Balances = polkadot_sdk::pallet_balances;

    #[runtime::pallet_index(5)]
    pub type TransactionPayment = polkadot_sdk::pallet_transaction_payment;

    #[runtime::pallet_index(6)]
    pub type Sudo = polkadot_sdk::pallet_sudo;

    #[runtime::pallet_index(7)]
    pub type Session = polkadot_sdk::pallet_session;

    #[runtime::pallet_index(8)]
    pub type Beefy = polkadot_sdk::pallet_beefy;

    #[runtime::pallet_index(10)]
    pub type Bridge = pallet_poft_bridge;

    #[runtime::pallet_index(11)]
    pub type Federation = pallet_poft_federation;

    #[runtime::pallet_index(12)]
    pub type Validators = pallet_poft_validators;
}
