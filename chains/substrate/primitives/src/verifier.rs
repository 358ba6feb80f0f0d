//! The plug-in point: how a destination is convinced that something is final on a source (docs/protocol.md section 8).
//!
//! A verifier is stateless. Its host owns the [`TrustState`] and does replay, freshness, freeze and dispatch, so that a
//! scheme cannot forget them. Twins: `poft/verification/api.py`, `IFinalityVerifier.sol`.

use crate::{Code, H160, H256};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// What a destination believes about a source; owned by the host.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct TrustState {
    /// The epoch in which `authority` may convince.
    pub epoch: u64,
    /// Height of the last finalised block.
    pub height: u64,
    /// Its time in seconds.
    pub timestamp: u64,
    /// Leaves in its outbox.
    pub outbox_size: u64,
    /// Root of its outbox.
    pub outbox_root: H256,
    /// Commits to whoever may convince this client (CMT1: the committee's hash).
    pub authority: H256,
    /// The devnet flag that was set when the client was created; no proof can set it.
    pub small_committee: bool,
}

/// What a proof established about the source.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Finalised {
    /// Height of the final block.
    pub height: u64,
    /// Its hash.
    pub block_hash: H256,
    /// Its state root.
    pub state_root: H256,
    /// Leaves in its outbox.
    pub outbox_size: u64,
    /// Root of its outbox.
    pub outbox_root: H256,
    /// Its time in seconds.
    pub timestamp: u64,
}

/// The host's side of a check: its own time in seconds and how far ahead of it a source may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Seconds.
    pub now: u64,
    /// Seconds.
    pub max_drift: u64,
}

/// What checking a proof costs, by its own lengths; the host charges for it before it looks inside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Signatures to recover.
    pub signatures: u64,
    /// Hashes of a few words.
    pub hashes: u64,
}

/// A verification scheme. Success is by returning; every failure is a [`Code`].
pub trait FinalityVerifier {
    /// What a client starts from.
    type Genesis;
    /// What a relayer brings.
    type Proof;

    /// Four bytes that name the scheme on every chain.
    const SCHEME: [u8; 4];

    /// What checking this proof costs at most.
    fn work(proof: &Self::Proof) -> Work;

    /// The first state of a client; refuses an empty, zero or malformed genesis.
    fn initialise(genesis: &Self::Genesis) -> Result<TrustState, Code>;

    /// The state after a proof and what it established. The statement that was accepted last returns the state itself.
    fn verify(
        source_domain: &H256,
        state: &TrustState,
        proof: &Self::Proof,
        limits: &Limits,
    ) -> Result<(TrustState, Finalised), Code>;

    /// The signers behind both halves of a contradiction in `state.epoch`; `NotMisbehaviour` when there is none.
    fn check_misbehaviour(
        source_domain: &H256,
        state: &TrustState,
        first: &Self::Proof,
        second: &Self::Proof,
    ) -> Result<Vec<H160>, Code>;
}
