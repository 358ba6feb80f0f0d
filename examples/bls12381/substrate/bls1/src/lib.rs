//! BLS1: more than two thirds of a committee signed a finality statement, in one aggregate signature.
//!
//! The statement, its digest, the order of the checks and the codes are those of CMT1 (docs/protocol.md section 8), so
//! that the two schemes differ in one thing: how a quorum's word is shown. Who is present is told by who is absent: the
//! key under which the signature verifies is the sum of all keys, which the client's `authority` commits to, minus the
//! keys of the absent members, which the log of keys commits to. Twins: `poft_bls12381/scheme.py`,
//! `evm/contracts/BlsVerifier.sol`.
//!
//! A runtime that has the scheme names [`BlsVerifier`] in its list of schemes (README.md).

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod curve;
pub mod encoding;

use alloc::vec::Vec;
use ark_bls12_381::G2Affine;
use ark_ec::CurveGroup;
use curve::{read_sum, verifies, G1_BYTES, G2_BYTES};
use encoding::{check_aggregate, check_count, check_members, Genesis, Proof, STATEMENT};
use poft_primitives::{
    finality::{Finality, MAX_COMMITTEE},
    keccak,
    log::{empty_root, verify_consistency, verify_inclusion},
    receive::ensure,
    verifier::{Finalised, FinalityVerifier, Limits, TrustState, Work},
    Code, H160, H256,
};

/// Checking one signature: two pairings that share their final exponentiation, a hash to the curve, two subgroups.
const PAIRINGS: u64 = 2;
/// What an absent member costs beside the nodes of its path: decoding, and adding a point of G2.
const ABSENT_HASHES: u64 = 32;
/// Checking the next committee's sum.
const HANDOVER_PAIRINGS: u64 = 1;

/// The scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlsVerifier;

impl FinalityVerifier for BlsVerifier {
    fn scheme(&self) -> [u8; 4] {
        *b"BLS1"
    }

    fn work(&self, proof: &[u8]) -> Work {
        // n, a, m, c; what is over a bound is refused before the work is done.
        let Some([_, a, m, c]) = proof.get(STATEMENT..STATEMENT + 4) else { return Work::default() };
        let absent = u64::from(*a).min(MAX_COMMITTEE as u64);
        Work {
            signatures: 0,
            hashes: ABSENT_HASHES * absent + 2 * u64::from(*c).min(128),
            pairings: PAIRINGS + if *m > 0 { HANDOVER_PAIRINGS } else { 0 },
        }
    }

    /// A proof of possession for every member, and the sum of their keys.
    fn genesis_work(&self, genesis: &[u8]) -> Work {
        let members = (genesis.len() / (G2_BYTES + G1_BYTES)).min(MAX_COMMITTEE) as u64;
        Work { pairings: PAIRINGS * members + HANDOVER_PAIRINGS, ..Work::default() }
    }

    fn initialise(&self, genesis: &[u8]) -> Result<TrustState, Code> {
        let first = Genesis::decode(genesis)?;
        ensure(first.epoch != 0, Code::ZeroValue)?;
        let roll = check_members(&first.members, first.small_committee)?;
        Ok(TrustState {
            epoch: first.epoch,
            height: 0,
            timestamp: 0,
            outbox_size: 0,
            outbox_root: empty_root(),
            authority: roll.authority(first.epoch),
            small_committee: first.small_committee,
        })
    }

    fn verify(
        &self,
        source_domain: &H256,
        state: &TrustState,
        proof: &[u8],
        limits: &Limits,
    ) -> Result<(TrustState, Finalised), Code> {
        let proof = Proof::decode(proof)?;
        let said = &proof.statement;
        ensure(proof.roll.authority(state.epoch) == state.authority, Code::CommitteeMismatch)?;
        let finalised = Finalised {
            height: said.height,
            block_hash: said.block_hash,
            state_root: said.state_root,
            outbox_size: said.outbox_size,
            outbox_root: said.outbox_root,
            timestamp: said.timestamp,
            dissent: 0,
        };
        if is_repetition(state, said) {
            check_signature(source_domain, &proof)?;
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
        check_signature(source_domain, &proof)?;
        // History was only appended to.
        verify_consistency(
            state.outbox_size,
            &state.outbox_root,
            said.outbox_size,
            &said.outbox_root,
            &proof.consistency,
        )?;
        // Hand-over.
        let (epoch, authority) = hand_over(state, &proof)?;
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

    fn epoch_of(&self, proof: &[u8]) -> Result<u64, Code> {
        Ok(Proof::decode(proof)?.statement.epoch)
    }

    fn check_misbehaviour(
        &self,
        source_domain: &H256,
        state: &TrustState,
        first: &[u8],
        second: &[u8],
    ) -> Result<Vec<H160>, Code> {
        let first = check_half(source_domain, state, first)?;
        let second = check_half(source_domain, state, second)?;
        let (a, b) = (&first.statement, &second.statement);
        let one_height = a.height == b.height && a != b;
        let one_size = a.outbox_size == b.outbox_size && a.outbox_root != b.outbox_root;
        ensure(one_height || one_size, Code::NotMisbehaviour)?;
        let is_absent = |index: u8| first.absent.iter().chain(&second.absent).any(|one| one.index == index);
        let present = (0..first.roll.count).filter(|index| !is_absent(*index));
        Ok(present.map(|index| signer_of(&state.authority, index)).collect())
    }
}

/// The name of a member in evidence: the last 20 bytes of `keccak(authority ‖ index 1)`.
///
/// The keys of those who are present do not travel, so a name made from the key would need all of them in every piece of
/// evidence. The authority commits to them in their order, so whoever knows the committee knows who is meant.
pub fn signer_of(authority: &H256, index: u8) -> H160 {
    let mut data = authority.as_bytes().to_vec();
    data.push(index);
    H160::from(keccak(&data))
}

/// The statement that was accepted last: it changes nothing, and is taken so that racing relayers do not fail.
fn is_repetition(state: &TrustState, said: &Finality) -> bool {
    state.height > 0
        && said.epoch == state.epoch
        && (said.height, said.outbox_size, said.outbox_root) == (state.height, state.outbox_size, state.outbox_root)
}

/// A half of some evidence that holds on its own.
fn check_half(source_domain: &H256, state: &TrustState, encoded: &[u8]) -> Result<Proof, Code> {
    let half = Proof::decode(encoded)?;
    ensure(half.roll.authority(state.epoch) == state.authority, Code::CommitteeMismatch)?;
    ensure(half.statement.epoch == state.epoch, Code::WrongEpoch)?;
    check_signature(source_domain, &half)?;
    Ok(half)
}

/// Returns when more than two thirds are present, the absent are members, and the present signed.
fn check_signature(source_domain: &H256, proof: &Proof) -> Result<(), Code> {
    let (n, absent) = (usize::from(proof.roll.count), &proof.absent);
    let ascending = absent.iter().zip(absent.iter().skip(1)).all(|(first, second)| first.index < second.index);
    let members = absent.iter().all(|one| one.index < proof.roll.count);
    ensure(ascending && members, Code::BitmapMismatch)?;
    // Ascending indices below n: at most n of them.
    ensure(3 * n.saturating_sub(absent.len()) > 2 * n, Code::QuorumNotReached)?;
    for one in absent {
        verify_inclusion(keccak(&one.key).as_bytes(), one.index.into(), n as u64, &one.path, &proof.roll.root)?;
    }
    let key = present_key(proof).ok_or(Code::BadSignature)?;
    let digest = proof.statement.digest(source_domain);
    ensure(verifies(&key, digest.as_bytes(), &proof.signature), Code::BadSignature)
}

/// Sum of the present members' keys; none where a quorum handed over to keys that are no points.
fn present_key(proof: &Proof) -> Option<G2Affine> {
    let mut key = ark_bls12_381::G2Projective::from(read_sum(&proof.roll.aggregate)?);
    for one in &proof.absent {
        key -= read_sum(&one.key)?;
    }
    Some(key.into_affine())
}

/// (epoch, authority) after the proof.
fn hand_over(state: &TrustState, proof: &Proof) -> Result<(u64, H256), Code> {
    let named = proof.statement.next_committee;
    if named.is_zero() {
        ensure(proof.following.is_none(), Code::BadHandover)?;
        return Ok((state.epoch, state.authority));
    }
    let following = proof.following.as_ref().ok_or(Code::CommitteeInvalid)?;
    check_count(following.count, state.small_committee)?;
    check_aggregate(following)?;
    let epoch = state.epoch.checked_add(1).ok_or(Code::BadHandover)?;
    ensure(following.authority(epoch) == named, Code::BadHandover)?;
    Ok((epoch, named))
}
