//! CMT1: more than two thirds of a committee signed a finality statement (docs/protocol.md section 8).
//!
//! Twins: `poft/verification/schemes/cmt1.py`, `CommitteeVerifier.sol`; the order of checks is the same in the three, so
//! that a forgery is refused for the same reason everywhere.

use crate::{
    finality::{check_committee, check_quorum, chosen, committee_hash, Finality, MAX_COMMITTEE},
    log::{empty_root, verify_consistency, MAX_PROOF},
    packed::Packed,
    receive::ensure,
    verifier::{Finalised, FinalityVerifier, Limits, TrustState, Work},
    Code, H160, H256,
};
use alloc::vec::Vec;

/// Bytes of a proof before its lists.
const HEAD: usize = 174;
/// Nodes of a consistency proof.
const MAX_NODES: usize = 2 * MAX_PROOF;
/// Bytes of an address.
const ADDRESS: usize = 20;

/// A client's first committee.
///
/// Packed: epoch (8), the devnet flag (1: 0 or 1), n (1), n members of 20 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitteeGenesis {
    /// Its epoch; epochs count from 1.
    pub epoch: u64,
    /// Its members.
    pub members: Vec<H160>,
    /// The devnet flag: fewer than four members are taken.
    pub small_committee: bool,
}

impl CommitteeGenesis {
    /// The packed bytes; `Oversize` when the members cannot be counted in a byte.
    pub fn encode(&self) -> Result<Vec<u8>, Code> {
        let mut packed = Vec::with_capacity(10 + ADDRESS * self.members.len());
        packed.extend_from_slice(&self.epoch.to_be_bytes());
        packed.push(self.small_committee.into());
        packed.push(count(self.members.len())?);
        extend(&mut packed, &self.members);
        Ok(packed)
    }

    /// The inverse; refuses with `Malformed`, `Oversize`.
    pub fn decode(encoded: &[u8]) -> Result<Self, Code> {
        let mut rest = Packed::new(encoded);
        let epoch = rest.u64()?;
        let flag = rest.u8()?;
        let n = usize::from(rest.u8()?);
        ensure(n <= MAX_COMMITTEE, Code::Oversize)?;
        ensure(flag <= 1, Code::Malformed)?;
        let members = rest.addresses(n)?;
        rest.finish()?;
        Ok(Self { epoch, members, small_committee: flag == 1 })
    }
}

/// A statement and who signed it.
///
/// Packed, in this order: the statement's eight fields (8, 8, 32, 32, 8, 32, 8, 32), bitmap (8), n (1), k (1), length of
/// all signatures together (2), m (1), c (1), then n members of 20 bytes, the signatures, m next members, c nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitteeProof {
    /// What is claimed.
    pub statement: Finality,
    /// The whole committee.
    pub members: Vec<H160>,
    /// Bit i = member i signed.
    pub bitmap: u64,
    /// Number of signatures.
    pub signature_count: u8,
    /// Signatures in the order of the bits, 65 bytes each; another length is `BadSignature`.
    pub signatures: Vec<u8>,
    /// The next epoch's committee, only when the statement hands over.
    pub next_members: Vec<H160>,
    /// Consistency proof from the size that was accepted last.
    pub consistency: Vec<H256>,
}

impl CommitteeProof {
    /// The packed bytes; `Oversize` when a list is longer than its count can say.
    pub fn encode(&self) -> Result<Vec<u8>, Code> {
        let said = &self.statement;
        let mut packed = Vec::with_capacity(HEAD + self.signatures.len());
        packed.extend_from_slice(&said.epoch.to_be_bytes());
        packed.extend_from_slice(&said.height.to_be_bytes());
        packed.extend_from_slice(said.block_hash.as_bytes());
        packed.extend_from_slice(said.state_root.as_bytes());
        packed.extend_from_slice(&said.outbox_size.to_be_bytes());
        packed.extend_from_slice(said.outbox_root.as_bytes());
        packed.extend_from_slice(&said.timestamp.to_be_bytes());
        packed.extend_from_slice(said.next_committee.as_bytes());
        packed.extend_from_slice(&self.bitmap.to_be_bytes());
        packed.push(count(self.members.len())?);
        packed.push(self.signature_count);
        packed.extend_from_slice(&u16::try_from(self.signatures.len()).map_err(|_| Code::Oversize)?.to_be_bytes());
        packed.push(count(self.next_members.len())?);
        packed.push(count(self.consistency.len())?);
        extend(&mut packed, &self.members);
        packed.extend_from_slice(&self.signatures);
        extend(&mut packed, &self.next_members);
        extend(&mut packed, &self.consistency);
        Ok(packed)
    }

    /// The inverse; refuses with `Malformed` (a short head), `Oversize` (a count), `Malformed` (another length than the
    /// counts say), in this order.
    pub fn decode(encoded: &[u8]) -> Result<Self, Code> {
        let mut rest = Packed::new(encoded);
        let statement = Finality {
            epoch: rest.u64()?,
            height: rest.u64()?,
            block_hash: rest.h256()?,
            state_root: rest.h256()?,
            outbox_size: rest.u64()?,
            outbox_root: rest.h256()?,
            timestamp: rest.u64()?,
            next_committee: rest.h256()?,
        };
        let bitmap = rest.u64()?;
        let n = usize::from(rest.u8()?);
        let signature_count = rest.u8()?;
        let signature_bytes = usize::from(rest.u16()?);
        let m = usize::from(rest.u8()?);
        let c = usize::from(rest.u8()?);
        let bounded = n.max(m).max(signature_count.into()) <= MAX_COMMITTEE && c <= MAX_NODES;
        ensure(bounded, Code::Oversize)?;
        let proof = Self {
            statement,
            members: rest.addresses(n)?,
            bitmap,
            signature_count,
            signatures: rest.bytes(signature_bytes)?.to_vec(),
            next_members: rest.addresses(m)?,
            consistency: rest.hashes(c)?,
        };
        rest.finish()?;
        Ok(proof)
    }
}

fn count(length: usize) -> Result<u8, Code> {
    u8::try_from(length).map_err(|_| Code::Oversize)
}

fn extend(packed: &mut Vec<u8>, list: &[impl AsRef<[u8]>]) {
    for item in list {
        packed.extend_from_slice(item.as_ref());
    }
}

/// The scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitteeVerifier;

impl FinalityVerifier for CommitteeVerifier {
    fn scheme(&self) -> [u8; 4] {
        *b"CMT1"
    }

    fn work(&self, proof: &[u8]) -> Work {
        // n, k, two bytes of length, m, c; what is over a bound is refused before the work is done.
        let Some([n, k, _, _, m, c]) = proof.get(HEAD - 6..HEAD) else { return Work::default() };
        let members = |count: u8| usize::from(count).min(MAX_COMMITTEE) as u64;
        Work {
            signatures: members(*k),
            // Each committee's hash reads a word a member, a consistency node is hashed at most twice.
            hashes: members(*n) + members(*m) + 2 * usize::from(*c).min(MAX_NODES) as u64,
            pairings: 0,
        }
    }

    fn initialise(&self, genesis: &[u8]) -> Result<TrustState, Code> {
        let genesis = CommitteeGenesis::decode(genesis)?;
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
        &self,
        source_domain: &H256,
        state: &TrustState,
        proof: &[u8],
        limits: &Limits,
    ) -> Result<(TrustState, Finalised), Code> {
        let proof = &CommitteeProof::decode(proof)?;
        let said = &proof.statement;
        ensure(committee_hash(state.epoch, &proof.members) == state.authority, Code::CommitteeMismatch)?;
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

    fn epoch_of(&self, proof: &[u8]) -> Result<u64, Code> {
        Ok(CommitteeProof::decode(proof)?.statement.epoch)
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
        Ok(chosen(&first.members, first.bitmap & second.bitmap).copied().collect())
    }
}

/// The statement that was accepted last: it changes nothing, and is taken so that racing relayers do not fail.
fn is_repetition(state: &TrustState, said: &Finality) -> bool {
    state.height > 0
        && said.epoch == state.epoch
        && (said.height, said.outbox_size, said.outbox_root) == (state.height, state.outbox_size, state.outbox_root)
}

/// A half of some evidence that holds on its own.
fn check_half(source_domain: &H256, state: &TrustState, encoded: &[u8]) -> Result<CommitteeProof, Code> {
    let half = CommitteeProof::decode(encoded)?;
    ensure(committee_hash(state.epoch, &half.members) == state.authority, Code::CommitteeMismatch)?;
    ensure(half.statement.epoch == state.epoch, Code::WrongEpoch)?;
    check_signatures(source_domain, &half)?;
    Ok(half)
}

fn check_signatures(source_domain: &H256, proof: &CommitteeProof) -> Result<(), Code> {
    let digest = proof.statement.digest(source_domain);
    check_quorum(&digest, &proof.members, proof.bitmap, proof.signature_count.into(), &proof.signatures)
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
