//! Finality statements and committees (docs/protocol.md section 8). A statement says something about its source alone,
//! so one signature serves every destination. Twins: `poft/protocol/finality.py`, `Statements.sol`.

use crate::{
    abi::{separator, typed_digest, AbiWord, WORD},
    abi_struct, keccak,
    receive::ensure,
    signature::{verify_signer, SIGNATURE_BYTES},
    Code, H160, H256,
};
use alloc::vec::Vec;

/// Members of a committee: a bitmap is a u64.
pub const MAX_COMMITTEE: usize = 64;
/// 3f + 1 with f = 1; fewer only in a client that was created with the devnet flag.
pub const MIN_COMMITTEE: usize = 4;

abi_struct! {
    /// `(height, outbox, ...)` is final on the source.
    pub struct Finality = "Finality(uint64 epoch,uint64 height,bytes32 blockHash,bytes32 stateRoot,uint64 outboxSize,bytes32 outboxRoot,uint64 timestamp,bytes32 nextCommittee)" {
        /// The committee's epoch.
        pub epoch: u64,
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
        /// Zero, or the hash of the next epoch's committee.
        pub next_committee: H256,
    }
}

impl Finality {
    /// What an attestor of the chain with this domain signs.
    pub fn digest(&self, source_domain: &H256) -> H256 {
        typed_digest(&separator("PoFT Finality", "1", source_domain), self)
    }
}

/// Returns when these addresses may form a committee, else `CommitteeInvalid`: sorted ascending, unique, not zero, at
/// most 64, and at least 4 unless `small` (the client's devnet flag) is set.
pub fn check_committee(members: &[H160], small: bool) -> Result<(), Code> {
    let least = if small { 1 } else { MIN_COMMITTEE };
    let mut previous = H160::zero();
    for member in members {
        if *member <= previous {
            return Err(Code::CommitteeInvalid);
        }
        previous = *member;
    }
    if members.len() < least || members.len() > MAX_COMMITTEE {
        return Err(Code::CommitteeInvalid);
    }
    Ok(())
}

/// `keccak(abi.encode(uint64 epoch, address[] members))`.
pub fn committee_hash(epoch: u64, members: &[H160]) -> H256 {
    let mut data = Vec::with_capacity(WORD * (3 + members.len()));
    data.extend_from_slice(&epoch.to_word());
    data.extend_from_slice(&(2 * WORD as u64).to_word());
    data.extend_from_slice(&(members.len() as u64).to_word());
    for member in members {
        data.extend_from_slice(&member.to_word());
    }
    keccak(&data)
}

/// The members whose bits are set.
pub fn chosen(members: &[H160], bitmap: u64) -> impl Iterator<Item = &H160> {
    members.iter().enumerate().filter(move |(i, _)| bitmap.checked_shr(*i as u32).unwrap_or(0) & 1 == 1).map(|(_, m)| m)
}

/// Returns when more than two thirds of the members signed, each bit of the bitmap with its own signature; refuses with
/// `BitmapMismatch`, `QuorumNotReached`, `BadSignature`, `HighS`, `NotSigner`. `signatures` are 65 bytes for each of `k`.
pub fn check_quorum(digest: &H256, members: &[H160], bitmap: u64, k: usize, signatures: &[u8]) -> Result<(), Code> {
    let n = members.len();
    let beyond = bitmap.checked_shr(n as u32).unwrap_or(0);
    ensure(beyond == 0 && bitmap.count_ones() as usize == k, Code::BitmapMismatch)?;
    ensure(3 * k > 2 * n, Code::QuorumNotReached)?;
    ensure(signatures.len() == k * SIGNATURE_BYTES, Code::BadSignature)?;
    for (signer, signature) in chosen(members, bitmap).zip(signatures.chunks(SIGNATURE_BYTES)) {
        verify_signer(digest, signature, signer)?;
    }
    Ok(())
}
