//! ESP1: another scheme finalises a header, the chain's own state says what its outbox is (docs/protocol.md section 8).
//!
//! The inner scheme (CMT1) is believed about the header only. Under the header's state root the outbox's account and its
//! commitment slot are proven (EIP-1186), and the commitment must be that of the outbox which the inner scheme announced.
//! A quorum that signs an outbox which its chain does not have is refused; it would have to invent a state root as well,
//! and with it a header that no node of that chain has.
//!
//! A genesis is `outbox 20 ‖ the inner genesis`. A proof is
//!
//! | bytes | field |
//! |---|---|
//! | 20, 32 | outbox, the inner scheme's authority |
//! | 2, n | length of the inner proof, the inner proof |
//! | 1, (2, l)* | number of nodes from the state root to the account, each node behind its length |
//! | 1, (2, l)* | the same from the account's storage root to the commitment |
//!
//! The client's authority is keccak(abi.encode(inner authority, outbox)): the outbox is trusted from the genesis on, and
//! no proof changes it. Twins: `poft/verification/schemes/esp1.py`, `StateProofVerifier.sol`.

use crate::{
    abi::AbiWord,
    keccak,
    packed::Packed,
    receive::ensure,
    state_proof::{StateProof, MAX_NODES},
    verifier::{Finalised, FinalityVerifier, Limits, TrustState, Work},
    Code, H160, H256,
};
use alloc::vec::Vec;

/// Slot of an outbox's commitment: the ERC-7201 slot of `poft.storage.OutboxCommitment` (`Outbox.sol`).
#[rustfmt::skip]
pub const COMMITMENT_SLOT: H256 = H256([
    0xe0, 0xdd, 0x4a, 0x65, 0x01, 0xc6, 0xc4, 0xf6, 0x26, 0x12, 0xcb, 0xc9, 0x7e, 0x9c, 0x3c, 0x49,
    0x96, 0x9f, 0x85, 0xab, 0x35, 0x87, 0x00, 0xdd, 0xba, 0x7e, 0x5a, 0x38, 0xad, 0xf5, 0x6e, 0x00,
]);

/// Bytes of an address.
const ADDRESS: usize = 20;

/// Reading a node and hashing its 532 bytes, in hashes of a few words (`examples/cost.rs`).
const HASHES_A_NODE: u64 = 8;

/// An inner proof, whom it is to convince, and the state proof under the header that it finalises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxProof<'a> {
    /// The outbox whose commitment is proven.
    pub outbox: H160,
    /// The inner scheme's authority.
    pub inner_authority: H256,
    /// The inner scheme's proof.
    pub inner: &'a [u8],
    /// From the state root to the commitment.
    pub state: StateProof<'a>,
}

impl<'a> OutboxProof<'a> {
    /// Reads the packed bytes: sizes are checked and every byte belongs to a field; nothing is hashed. `Malformed`, or
    /// `Oversize`.
    pub fn decode(encoded: &'a [u8]) -> Result<Self, Code> {
        let mut rest = Packed::new(encoded);
        let outbox = rest.address()?;
        let inner_authority = rest.h256()?;
        let length = rest.u16()?;
        let inner = rest.bytes(length.into())?;
        let state = StateProof::read(&mut rest)?;
        rest.finish()?;
        Ok(Self { outbox, inner_authority, inner, state })
    }

    /// The state as the inner scheme knows it.
    fn within(&self, state: &TrustState) -> Result<TrustState, Code> {
        ensure(outbox_authority(&self.inner_authority, &self.outbox) == state.authority, Code::CommitteeMismatch)?;
        Ok(TrustState { authority: self.inner_authority, ..state.clone() })
    }
}

/// `keccak(abi.encode(bytes32 inner, address outbox))`: who may convince, and about which outbox.
pub fn outbox_authority(inner: &H256, outbox: &H160) -> H256 {
    keccak(&[inner.to_word(), outbox.to_word()].concat())
}

/// What the commitment slot holds for an outbox of this size and root.
pub fn outbox_commitment(size: u64, root: &H256) -> H256 {
    keccak(&[size.to_word(), root.to_word()].concat())
}

/// The scheme over another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateProofVerifier<V>(pub V);

impl<V: FinalityVerifier> FinalityVerifier for StateProofVerifier<V> {
    fn scheme(&self) -> [u8; 4] {
        *b"ESP1"
    }

    fn work(&self, proof: &[u8]) -> Work {
        // What does not decode is refused before the work is done.
        let Ok(brought) = OutboxProof::decode(proof) else { return Work::default() };
        let nodes = (brought.state.account.len() + brought.state.storage.len()).min(2 * MAX_NODES) as u64;
        let inner = self.0.work(brought.inner);
        Work { hashes: inner.hashes.saturating_add(HASHES_A_NODE * nodes), ..inner }
    }

    fn initialise(&self, genesis: &[u8]) -> Result<TrustState, Code> {
        let (outbox, inner) = genesis.split_at_checked(ADDRESS).ok_or(Code::Malformed)?;
        let outbox = H160::from_slice(outbox);
        ensure(!outbox.is_zero(), Code::ZeroValue)?;
        let state = self.0.initialise(inner)?;
        Ok(TrustState { authority: outbox_authority(&state.authority, &outbox), ..state })
    }

    fn verify(
        &self,
        source_domain: &H256,
        state: &TrustState,
        proof: &[u8],
        limits: &Limits,
    ) -> Result<(TrustState, Finalised), Code> {
        let brought = OutboxProof::decode(proof)?;
        let (next, finalised) = self.0.verify(source_domain, &brought.within(state)?, brought.inner, limits)?;
        // The chain's own state says the same.
        let word = brought.state.slot(&finalised.state_root, &brought.outbox, &COMMITMENT_SLOT)?;
        ensure(word == outbox_commitment(next.outbox_size, &next.outbox_root), Code::CommitmentMismatch)?;
        Ok((TrustState { authority: outbox_authority(&next.authority, &brought.outbox), ..next }, finalised))
    }

    fn epoch_of(&self, proof: &[u8]) -> Result<u64, Code> {
        self.0.epoch_of(OutboxProof::decode(proof)?.inner)
    }

    /// State proofs are not looked at: a header that was made up has none.
    fn check_misbehaviour(
        &self,
        source_domain: &H256,
        state: &TrustState,
        first: &[u8],
        second: &[u8],
    ) -> Result<Vec<H160>, Code> {
        let first = OutboxProof::decode(first)?;
        let within = first.within(state)?;
        let second = OutboxProof::decode(second)?;
        second.within(state)?;
        self.0.check_misbehaviour(source_domain, &within, first.inner, second.inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sp_core::U256;

    #[test]
    fn slot_is_that_of_erc_7201() {
        let base = U256::from_big_endian(keccak(b"poft.storage.OutboxCommitment").as_bytes()) - 1;
        let mut expected = keccak(&base.to_big_endian());
        expected.0[31] = 0;
        assert_eq!(COMMITMENT_SLOT, expected);
    }
}
