//! CMT1: more than two thirds of a committee signed a finality statement (docs/protocol.md section 8).
//!
//! Twins: `poft/verification/schemes/cmt1.py`, `CommitteeVerifier.sol`; the order of checks is the same in the three, so
//! that a forgery is refused for the same reason everywhere.

use crate::{
    finality::{check_committee, committee_hash, Finality, MAX_COMMITTEE},
    log::{empty_root, verify_consistency, MAX_PROOF},
    receive::ensure,
    signature::verify_signer,
    verifier::{Finalised, FinalityVerifier, Limits, TrustState, Work},
    Code, H160, H256,
};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

/// A client's first committee.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct CommitteeGenesis {
    /// Its epoch; epochs count from 1.
    pub epoch: u64,
    /// Its members.
    pub members: Vec<H160>,
    /// The devnet flag: fewer than four members are taken.
    pub small_committee: bool,
}

/// A statement and who signed it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct CommitteeProof {
    /// What is claimed.
    pub statement: Finality,
    /// The whole committee.
    pub members: Vec<H160>,
    /// Bit i = member i signed.
    pub bitmap: u64,
    /// Signatures in the order of the bits.
    pub signatures: Vec<Vec<u8>>,
    /// The next epoch's committee, only when the statement hands over.
    pub next_members: Vec<H160>,
    /// Consistency proof from the size that was accepted last.
    pub consistency: Vec<H256>,
}

/// The scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitteeVerifier;

impl FinalityVerifier for CommitteeVerifier {
    type Genesis = CommitteeGenesis;
    type Proof = CommitteeProof;

    const SCHEME: [u8; 4] = *b"CMT1";

    fn work(proof: &CommitteeProof) -> Work {
        Work {
            signatures: proof.signatures.len() as u64,
            // Each committee's hash reads a word a member, a consistency node is hashed at most twice.
            hashes: (proof.members.len() + proof.next_members.len() + 2 * proof.consistency.len()) as u64,
        }
    }

    fn initialise(genesis: &CommitteeGenesis) -> Result<TrustState, Code> {
        ensure(genesis.epoch != 0, Code::ZeroValue)?;
        check_committee(&genesis.members, genesis.small_committee)?;
        Ok(TrustState {
            epoch: genesis.epoch,
            height: 0,
            timestamp: 0,
            outbox_size: 0,
            outbox_root: empty_root(),
            authority: committee_hash(genesis.epoch, &genesis.members),
            small_committee: genesis.small_committee,
        })
    }

    fn verify(
        source_domain: &H256,
        state: &TrustState,
        proof: &CommitteeProof,
        limits: &Limits,
    ) -> Result<(TrustState, Finalised), Code> {
        let said = &proof.statement;
        check_sizes(proof)?;
        ensure(committee_hash(state.epoch, &proof.members) == state.authority, Code::CommitteeMismatch)?;
        let finalised = Finalised {
            height: said.height,
            block_hash: said.block_hash,
            state_root: said.state_root,
            outbox_size: said.outbox_size,
            outbox_root: said.outbox_root,
            timestamp: said.timestamp,
        };
        if is_repetition(state, said) {
            check_signatures(source_domain, proof)?;
            return Ok((state.clone(), finalised));
        }
        // The statement follows what is known.
        ensure(said.epoch == state.epoch, Code::WrongEpoch)?;
        ensure(said.height > state.height, Code::StaleHeight)?;
        ensure(said.outbox_size >= state.outbox_size, Code::SizeRegression)?;
        ensure(said.outbox_size > state.outbox_size || said.outbox_root == state.outbox_root, Code::RootChanged)?;
        ensure(said.timestamp >= state.timestamp, Code::TimestampRegression)?;
        ensure(said.timestamp <= limits.now.saturating_add(limits.max_drift), Code::TimestampDrift)?;
        // A quorum said so.
        check_signatures(source_domain, proof)?;
        // History was only appended to.
        verify_consistency(
            state.outbox_size,
            &state.outbox_root,
            said.outbox_size,
            &said.outbox_root,
            &proof.consistency,
        )?;
        // Hand-over.
        let (epoch, authority) = hand_over(state, proof)?;
        let next = TrustState {
            epoch,
            height: said.height,
            timestamp: said.timestamp,
            outbox_size: said.outbox_size,
            outbox_root: said.outbox_root,
            authority,
            small_committee: state.small_committee,
        };
        Ok((next, finalised))
    }

    fn check_misbehaviour(
        source_domain: &H256,
        state: &TrustState,
        first: &CommitteeProof,
        second: &CommitteeProof,
    ) -> Result<Vec<H160>, Code> {
        for half in [first, second] {
            check_sizes(half)?;
            ensure(committee_hash(state.epoch, &half.members) == state.authority, Code::CommitteeMismatch)?;
            ensure(half.statement.epoch == state.epoch, Code::WrongEpoch)?;
            check_signatures(source_domain, half)?;
        }
        let (a, b) = (&first.statement, &second.statement);
        let one_height = a.height == b.height && a != b;
        let one_size = a.outbox_size == b.outbox_size && a.outbox_root != b.outbox_root;
        ensure(one_height || one_size, Code::NotMisbehaviour)?;
        Ok(chosen(&first.members, first.bitmap & second.bitmap).copied().collect())
    }
}

/// The statement that was accepted last: it changes nothing, and is taken so that racing relayers do not fail.
fn is_repetition(state: &TrustState, said: &Finality) -> bool {
    state.height > 0
        && said.epoch == state.epoch
        && (said.height, said.outbox_size, said.outbox_root) == (state.height, state.outbox_size, state.outbox_root)
}

fn check_sizes(proof: &CommitteeProof) -> Result<(), Code> {
    let bounded = proof.members.len() <= MAX_COMMITTEE
        && proof.signatures.len() <= MAX_COMMITTEE
        && proof.next_members.len() <= MAX_COMMITTEE
        && proof.consistency.len() <= 2 * MAX_PROOF;
    ensure(bounded, Code::Oversize)
}

fn check_signatures(source_domain: &H256, proof: &CommitteeProof) -> Result<(), Code> {
    let (n, k) = (proof.members.len(), proof.signatures.len());
    let beyond = proof.bitmap.checked_shr(n as u32).unwrap_or(0);
    ensure(beyond == 0 && proof.bitmap.count_ones() as usize == k, Code::BitmapMismatch)?;
    ensure(3 * k > 2 * n, Code::QuorumNotReached)?;
    let digest = proof.statement.digest(source_domain);
    for (signer, signature) in chosen(&proof.members, proof.bitmap).zip(&proof.signatures) {
        verify_signer(&digest, signature, signer)?;
    }
    Ok(())
}

/// The members whose bits are set.
fn chosen(members: &[H160], bitmap: u64) -> impl Iterator<Item = &H160> {
    members.iter().enumerate().filter(move |(i, _)| bitmap.checked_shr(*i as u32).unwrap_or(0) & 1 == 1).map(|(_, m)| m)
}

/// (epoch, authority) after the proof.
fn hand_over(state: &TrustState, proof: &CommitteeProof) -> Result<(u64, H256), Code> {
    let named = proof.statement.next_committee;
    if named.is_zero() {
        ensure(proof.next_members.is_empty(), Code::BadHandover)?;
        return Ok((state.epoch, state.authority));
    }
    check_committee(&proof.next_members, state.small_committee)?;
    let following = state.epoch.checked_add(1).ok_or(Code::BadHandover)?;
    ensure(committee_hash(following, &proof.next_members) == named, Code::BadHandover)?;
    Ok((following, named))
}
