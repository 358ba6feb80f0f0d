//! What participants of a federation sign (docs/federation.md). A participant is its training key's address.
//!
//! Twins: `poft/protocol/statements.py`, `Statements.sol`.

use crate::{
    abi::{separator, typed_digest, AbiStruct},
    abi_struct,
    signature::verify_signer,
    Code, H160, H256,
};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

/// Members of one round: bitmaps are u64.
pub const MAX_MEMBERS: usize = 64;

/// A statement that names who has to sign it.
pub trait Statement: AbiStruct {
    /// Who has to sign this.
    fn signer(&self) -> &H160;
}

/// A statement as it travels. `index` is the signer's position in the round's member list; Membership ignores it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Signed<S> {
    /// Position in the member list.
    pub index: u32,
    /// What is said.
    pub statement: S,
    /// 65 bytes.
    pub signature: Vec<u8>,
}

impl<S: Statement> Signed<S> {
    /// The digest of a statement that its signer signed; refuses with `BadSignature`, `HighS`, `NotSigner`.
    pub fn verify(&self, chain_domain: &H256) -> Result<H256, Code> {
        let digest = statement_digest(chain_domain, &self.statement);
        verify_signer(&digest, &self.signature, self.statement.signer())?;
        Ok(digest)
    }
}

/// What a participant of a federation on the chain with this domain signs.
pub fn statement_digest<S: AbiStruct>(chain_domain: &H256, statement: &S) -> H256 {
    typed_digest(&separator("PoFT Federation", "1", chain_domain), statement)
}

abi_struct! {
    /// Join or change.
    pub struct Membership = "Membership(bytes32 federation,address participant,bytes32 encryptionKey,uint32 capacity,uint64 sequence)" {
        /// The federation.
        pub federation: H256,
        /// Who joins.
        pub participant: H160,
        /// For whoever encrypts to this participant.
        pub encryption_key: H256,
        /// Samples per second, 0 = leave.
        pub capacity: u32,
        /// Grows with every statement.
        pub sequence: u64,
    }
}

abi_struct! {
    /// What one trainer contributes to a round.
    pub struct Update = "Update(bytes32 federation,bytes32 task,uint64 round,address trainer,bytes32 base,bytes32 updateRoot,uint64 updateBytes,uint64 samples,uint64 computeMillis,uint32 steps,bytes32 trainingRoot,bytes32 datasetRoot,bytes32 accessRoot,bytes32 cipherHash)" {
        /// The federation.
        pub federation: H256,
        /// The task.
        pub task: H256,
        /// The round.
        pub round: u64,
        /// Who trained.
        pub trainer: H160,
        /// Id of the task's last final checkpoint.
        pub base: H256,
        /// Commitment to the update.
        pub update_root: H256,
        /// Bytes of the update.
        pub update_bytes: u64,
        /// Samples trained on.
        pub samples: u64,
        /// Time spent.
        pub compute_millis: u64,
        /// Steps done.
        pub steps: u32,
        /// Log root over the training steps.
        pub training_root: H256,
        /// Commitment to the data set.
        pub dataset_root: H256,
        /// Log root over the accessed chunks.
        pub access_root: H256,
        /// Commitment to the encrypted form, zero when there is none.
        pub cipher_hash: H256,
    }
}

abi_struct! {
    /// Which updates a verifier accepts.
    pub struct Verdict = "Verdict(bytes32 federation,bytes32 task,uint64 round,address verifier,uint64 accepted,bytes32 scoresRoot)" {
        /// The federation.
        pub federation: H256,
        /// The task.
        pub task: H256,
        /// The round.
        pub round: u64,
        /// Who verified.
        pub verifier: H160,
        /// Bit i = member i of the round.
        pub accepted: u64,
        /// Commitment to the scores.
        pub scores_root: H256,
    }
}

abi_struct! {
    /// The checkpoint that a participant computed for a round.
    pub struct Vote = "Vote(bytes32 federation,bytes32 task,uint64 round,address participant,bytes32 checkpoint)" {
        /// The federation.
        pub federation: H256,
        /// The task.
        pub task: H256,
        /// The round.
        pub round: u64,
        /// Who votes.
        pub participant: H160,
        /// Id of the checkpoint.
        pub checkpoint: H256,
    }
}

macro_rules! signed_by {
    ($($statement:ty: $field:ident),+) => {$(
        impl Statement for $statement {
            fn signer(&self) -> &H160 {
                &self.$field
            }
        }
    )+};
}

signed_by!(Membership: participant, Update: trainer, Verdict: verifier, Vote: participant);
