//! The runtime's interface as types, without the runtime.
//!
//! The client is generic over the runtime APIs that it calls. `impl_runtime_apis` makes that type (`RuntimeApi`) from an
//! implementation, of which nothing else is used: calls go to the WebAssembly of the chain. So the bodies never run.
//! A runtime may lack an API that stands here (BEEFY's, for instance): a call of it then answers with an error.

#![allow(dead_code)] // only the types that the macro makes are used

use sp_consensus_aura::sr25519::AuthorityId as AuraId;
use sp_consensus_beefy::ecdsa_crypto::{AuthorityId as BeefyId, Signature as BeefySignature};
use sp_consensus_grandpa::AuthorityId as GrandpaId;
use sp_core::OpaqueMetadata;
use sp_runtime::{
    generic,
    traits::{BlakeTwo256, Block as BlockT, NumberFor},
    transaction_validity::{TransactionSource, TransactionValidity},
    AccountId32, ApplyExtrinsicResult, OpaqueExtrinsic,
};

pub type BlockNumber = u32;
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
/// The node does not look into extrinsics.
pub type Block = generic::Block<Header, OpaqueExtrinsic>;
pub type Hash = <Block as BlockT>::Hash;
pub type AccountId = AccountId32;
pub type Nonce = u32;

/// Names the implementation below.
pub struct Runtime;

fn in_wasm() -> ! {
    unreachable!("runtime calls go to the WebAssembly of the chain")
}

sp_api::impl_runtime_apis! {
    impl sp_api::Core<Block> for Runtime {
        fn version() -> sp_version::RuntimeVersion {
            in_wasm()
        }

        fn execute_block(_: <Block as BlockT>::LazyBlock) {
            in_wasm()
        }

        fn initialize_block(_: &<Block as BlockT>::Header) -> sp_runtime::ExtrinsicInclusionMode {
            in_wasm()
        }
    }

    impl sp_api::Metadata<Block> for Runtime {
        fn metadata() -> OpaqueMetadata {
            in_wasm()
        }

        fn metadata_at_version(_: u32) -> Option<OpaqueMetadata> {
            in_wasm()
        }

        fn metadata_versions() -> Vec<u32> {
            in_wasm()
        }
    }

    impl sp_block_builder::BlockBuilder<Block> for Runtime {
        fn apply_extrinsic(_: <Block as BlockT>::Extrinsic) -> ApplyExtrinsicResult {
            in_wasm()
        }

        fn finalize_block() -> <Block as BlockT>::Header {
            in_wasm()
        }

        fn inherent_extrinsics(_: sp_inherents::InherentData) -> Vec<<Block as BlockT>::Extrinsic> {
            in_wasm()
        }

        fn check_inherents(
            _: <Block as BlockT>::LazyBlock,
            _: sp_inherents::InherentData,
        ) -> sp_inherents::CheckInherentsResult {
            in_wasm()
        }
    }

    impl sp_transaction_pool::runtime_api::TaggedTransactionQueue<Block> for Runtime {
        fn validate_transaction(
            _: TransactionSource,
            _: <Block as BlockT>::Extrinsic,
            _: <Block as BlockT>::Hash,
        ) -> TransactionValidity {
            in_wasm()
        }
    }

    impl sp_consensus_aura::AuraApi<Block, AuraId> for Runtime {
        fn slot_duration() -> sp_consensus_aura::SlotDuration {
            in_wasm()
        }

        fn authorities() -> Vec<AuraId> {
            in_wasm()
        }
    }

    impl sp_session::SessionKeys<Block> for Runtime {
        fn generate_session_keys(_: Vec<u8>, _: Option<Vec<u8>>) -> sp_session::OpaqueGeneratedSessionKeys {
            in_wasm()
        }

        fn decode_session_keys(_: Vec<u8>) -> Option<Vec<(Vec<u8>, sp_core::crypto::KeyTypeId)>> {
            in_wasm()
        }
    }

    impl sp_consensus_grandpa::GrandpaApi<Block> for Runtime {
        fn grandpa_authorities() -> sp_consensus_grandpa::AuthorityList {
            in_wasm()
        }

        fn current_set_id() -> sp_consensus_grandpa::SetId {
            in_wasm()
        }

        fn submit_report_equivocation_unsigned_extrinsic(
            _: sp_consensus_grandpa::EquivocationProof<<Block as BlockT>::Hash, NumberFor<Block>>,
            _: sp_consensus_grandpa::OpaqueKeyOwnershipProof,
        ) -> Option<()> {
            in_wasm()
        }

        fn generate_key_ownership_proof(
            _: sp_consensus_grandpa::SetId,
            _: GrandpaId,
        ) -> Option<sp_consensus_grandpa::OpaqueKeyOwnershipProof> {
            in_wasm()
        }
    }

    impl sp_consensus_beefy::BeefyApi<Block, BeefyId> for Runtime {
        fn beefy_genesis() -> Option<BlockNumber> {
            in_wasm()
        }

        fn validator_set() -> Option<sp_consensus_beefy::ValidatorSet<BeefyId>> {
            in_wasm()
        }

        fn submit_report_double_voting_unsigned_extrinsic(
            _: sp_consensus_beefy::DoubleVotingProof<BlockNumber, BeefyId, BeefySignature>,
            _: sp_consensus_beefy::OpaqueKeyOwnershipProof,
        ) -> Option<()> {
            in_wasm()
        }

        fn submit_report_fork_voting_unsigned_extrinsic(
            _: sp_consensus_beefy::ForkVotingProof<
                <Block as BlockT>::Header,
                BeefyId,
                sp_runtime::OpaqueValue,
            >,
            _: sp_consensus_beefy::OpaqueKeyOwnershipProof,
        ) -> Option<()> {
            in_wasm()
        }

        fn submit_report_future_block_voting_unsigned_extrinsic(
            _: sp_consensus_beefy::FutureBlockVotingProof<BlockNumber, BeefyId>,
            _: sp_consensus_beefy::OpaqueKeyOwnershipProof,
        ) -> Option<()> {
            in_wasm()
        }

        fn generate_key_ownership_proof(
            _: sp_consensus_beefy::ValidatorSetId,
            _: BeefyId,
        ) -> Option<sp_consensus_beefy::OpaqueKeyOwnershipProof> {
            in_wasm()
        }
    }

    impl frame_system_rpc_runtime_api::AccountNonceApi<Block, AccountId, Nonce> for Runtime {
        fn account_nonce(_: AccountId) -> Nonce {
            in_wasm()
        }
    }
}
