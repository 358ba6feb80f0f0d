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
    /// Schemes in shadow that did not agree: bit i = the i-th. Zero in every scheme but AND1.
    pub dissent: u32,
}

/// The host's side of a check: its own time in seconds and how far ahead of it a source may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Seconds.
    pub now: u64,
    /// Seconds.
    pub max_drift: u64,
}

/// What checking a proof costs, by its own lengths; the host charges for it before it looks inside. Work of another kind
/// is counted as the cheapest of these that costs at least as much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// secp256k1 signatures to recover.
    pub signatures: u64,
    /// Hashes of a few words.
    pub hashes: u64,
    /// Pairings of BLS12-381 points, with the hash to the curve and the checks of the points.
    pub pairings: u64,
}

impl Work {
    /// The larger of each kind.
    pub fn max(self, other: Self) -> Self {
        Self {
            signatures: self.signatures.max(other.signatures),
            hashes: self.hashes.max(other.hashes),
            pairings: self.pairings.max(other.pairings),
        }
    }

    /// Both, one after the other.
    pub fn plus(self, other: Self) -> Self {
        Self {
            signatures: self.signatures.saturating_add(other.signatures),
            hashes: self.hashes.saturating_add(other.hashes),
            pairings: self.pairings.saturating_add(other.pairings),
        }
    }
}

/// Bytes of a genesis or a proof; a host refuses more (`Oversize`) before it reads anything of them.
pub const MAX_ENCODED: usize = 65_536;

/// A verification scheme. Genesis and proof are bytes whose encoding the scheme documents: packed, the same on every
/// chain. Success is by returning; every failure is a [`Code`]. Nothing of it panics, whatever the bytes are.
pub trait FinalityVerifier: Send + Sync {
    /// Four bytes that name the scheme on every chain.
    fn scheme(&self) -> [u8; 4];

    /// What checking these bytes costs at most. Cheap, and bounded by the scheme's own limits whatever the bytes are: a
    /// host of several schemes charges the dearest of them before it knows which one is meant.
    fn work(&self, proof: &[u8]) -> Work;

    /// What checking this genesis costs at most beside reading and hashing its bytes, which the host charges by their
    /// number. Cheap, and bounded, as `work` is.
    fn genesis_work(&self, genesis: &[u8]) -> Work {
        let _ = genesis;
        Work::default()
    }

    /// The first state of a client; refuses an empty, zero or malformed genesis.
    fn initialise(&self, genesis: &[u8]) -> Result<TrustState, Code>;

    /// The state after a proof and what it established. The statement that was accepted last returns the state itself.
    fn verify(
        &self,
        source_domain: &H256,
        state: &TrustState,
        proof: &[u8],
        limits: &Limits,
    ) -> Result<(TrustState, Finalised), Code>;

    /// The epoch that a proof speaks for; decodes, and checks nothing else.
    fn epoch_of(&self, proof: &[u8]) -> Result<u64, Code>;

    /// The signers behind both halves of a contradiction in `state.epoch`; `NotMisbehaviour` when there is none. Both
    /// halves verify on their own. A scheme without addresses gives the last 20 bytes of keccak(key).
    fn check_misbehaviour(
        &self,
        source_domain: &H256,
        state: &TrustState,
        first: &[u8],
        second: &[u8],
    ) -> Result<Vec<H160>, Code>;
}

/// The schemes of a chain.
pub trait Schemes: 'static {
    /// All of them; no two have one name.
    fn all() -> &'static [&'static dyn FinalityVerifier];

    /// The scheme of this name; refuses with `UnknownScheme`.
    fn find(scheme: [u8; 4]) -> Result<&'static dyn FinalityVerifier, Code> {
        Self::all().iter().find(|verifier| verifier.scheme() == scheme).copied().ok_or(Code::UnknownScheme)
    }
}
