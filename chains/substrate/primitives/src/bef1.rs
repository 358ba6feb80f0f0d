//! BEF1: more than two thirds of a Substrate chain's validators signed a BEEFY commitment (docs/protocol.md section 8).
//!
//! The epoch is the validator set's id + 1; the authority commits to the committee of this epoch and to that of the next,
//! which takes over by signing for itself. Twins: `poft/verification/schemes/bef1.py`, `BeefyVerifier.sol`; encoding and
//! order of checks are the same in the three, so that a forgery is refused for the same reason everywhere.

use crate::{
    finality::{check_committee, check_quorum, chosen, committee_hash, MAX_COMMITTEE},
    keccak,
    log::{empty_root, verify_consistency, MAX_PROOF},
    packed::Packed,
    receive::ensure,
    verifier::{Finalised, FinalityVerifier, Limits, TrustState, Work},
    Code, H160, H256,
};
use alloc::vec::Vec;

/// Bytes of a commitment.
pub const COMMITMENT: usize = 193;
/// Where the counts of a proof stand: bitmap (8), n (1), k (1), bytes of all signatures (2), c (1).
const COUNTS: usize = COMMITMENT + 64;
/// Bytes of a proof before its lists.
const HEAD: usize = COUNTS + 13;
/// Bytes of a genesis before its members.
const GENESIS: usize = 10;
/// Nodes of a consistency proof.
const MAX_NODES: usize = 2 * MAX_PROOF;
/// One payload entry, its id, the compact length 176.
const PAYLOAD: &[u8] = b"\x04pf\xc1\x02";

/// What a validator set says of a block: the fields of the 193 bytes that its members sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// Hash of the block.
    pub block_hash: H256,
    /// Its state root.
    pub state_root: H256,
    /// Leaves in its outbox.
    pub outbox_size: u64,
    /// Root of its outbox.
    pub outbox_root: H256,
    /// Domain of the chain.
    pub domain: H256,
    /// Time of the block in seconds.
    pub timestamp: u64,
    /// Committee of the set after the one that signs.
    pub next_committee: H256,
    /// Number of the block.
    pub height: u64,
    /// Id of the set that signs.
    pub set_id: u64,
}

impl Commitment {
    /// Strict SCALE: `0x04 ‖ "pf" ‖ 0xc1 0x02`, the payload's fields big-endian, block number and set id little-endian.
    pub fn decode(encoded: &[u8]) -> Result<Self, Code> {
        let mut rest = Packed::new(encoded);
        ensure(rest.bytes(PAYLOAD.len())? == PAYLOAD, Code::Malformed)?;
        let commitment = Self {
            block_hash: rest.h256()?,
            state_root: rest.h256()?,
            outbox_size: rest.u64()?,
            outbox_root: rest.h256()?,
            domain: rest.h256()?,
            timestamp: rest.u64()?,
            next_committee: rest.h256()?,
            height: rest.u32()?.swap_bytes().into(),
            set_id: rest.u64()?.swap_bytes(),
        };
        rest.finish()?;
        Ok(commitment)
    }
}

/// A commitment and who signed it; a view of the packed bytes.
///
/// Packed: commitment (193), current and next committee (32, 32), bitmap (8), n (1), k (1), bytes of all signatures (2),
/// c (1), then n members of 20 bytes, the signatures, c nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeefyProof<'a> {
    /// The signed bytes.
    pub encoded: &'a [u8],
    /// The same, read.
    pub commitment: Commitment,
    /// Committee of the client's epoch.
    pub current_committee: H256,
    /// Committee of the epoch after it.
    pub next_committee: H256,
    /// Bit i = member i signed.
    pub bitmap: u64,
    /// Number of signatures.
    pub signature_count: usize,
    /// The whole set that signs.
    pub members: Vec<H160>,
    /// Signatures in the order of the bits, 65 bytes each; another length is `BadSignature`.
    pub signatures: &'a [u8],
    /// Consistency proof from the size that was accepted last.
    pub consistency: Vec<H256>,
}

impl<'a> BeefyProof<'a> {
    /// Refuses with `Malformed` (a short head, another commitment), `Oversize` (a count), `Malformed` (another length
    /// than the counts say), in this order.
    pub fn decode(encoded: &'a [u8]) -> Result<Self, Code> {
        ensure(encoded.len() >= HEAD, Code::Malformed)?;
        let mut rest = Packed::new(encoded);
        let signed = rest.bytes(COMMITMENT)?;
        let commitment = Commitment::decode(signed)?;
        let current_committee = rest.h256()?;
        let next_committee = rest.h256()?;
        let bitmap = rest.u64()?;
        let n = usize::from(rest.u8()?);
        let signature_count = usize::from(rest.u8()?);
        let signature_bytes = usize::from(rest.u16()?);
        let c = usize::from(rest.u8()?);
        ensure(n.max(signature_count) <= MAX_COMMITTEE && c <= MAX_NODES, Code::Oversize)?;
        let proof = Self {
            encoded: signed,
            commitment,
            current_committee,
            next_committee,
            bitmap,
            signature_count,
            members: rest.addresses(n)?,
            signatures: rest.bytes(signature_bytes)?,
            consistency: rest.hashes(c)?,
        };
        rest.finish()?;
        Ok(proof)
    }
}

/// The authority of a client: `keccak(abi.encode(bytes32 currentCommittee, bytes32 nextCommittee))`.
pub fn beefy_authority(current_committee: &H256, next_committee: &H256) -> H256 {
    keccak(&[current_committee.as_bytes(), next_committee.as_bytes()].concat())
}

/// The scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeefyVerifier;

impl FinalityVerifier for BeefyVerifier {
    fn scheme(&self) -> [u8; 4] {
        *b"BEF1"
    }

    fn work(&self, proof: &[u8]) -> Work {
        // n, k, two bytes of length, c; what is over a bound is refused before the work is done.
        let Some([n, k, _, _, c]) = proof.get(HEAD - 5..HEAD) else { return Work::default() };
        let members = |count: u8| usize::from(count).min(MAX_COMMITTEE) as u64;
        Work {
            signatures: members(*k),
            // The committee's hash reads a word a member, a consistency node is hashed at most twice; the commitment has
            // two blocks of keccak, an authority one, and there are two of them.
            hashes: members(*n) + 2 * usize::from(*c).min(MAX_NODES) as u64 + 4,
            pairings: 0,
        }
    }

    fn initialise(&self, genesis: &[u8]) -> Result<TrustState, Code> {
        ensure(genesis.len() >= GENESIS, Code::Malformed)?;
        let mut rest = Packed::new(genesis);
        let epoch = rest.u64()?;
        let flag = rest.u8()?;
        let n = usize::from(rest.u8()?);
        ensure(n <= MAX_COMMITTEE, Code::Oversize)?;
        ensure(flag <= 1, Code::Malformed)?;
        let members = rest.addresses(n)?;
        let next_committee = rest.h256()?;
        rest.finish()?;
        let small_committee = flag == 1;
        ensure(epoch != 0, Code::ZeroValue)?;
        check_committee(&members, small_committee)?;
        ensure(!next_committee.is_zero(), Code::ZeroValue)?;
        Ok(TrustState {
            epoch,
            height: 0,
            timestamp: 0,
            outbox_size: 0,
            outbox_root: empty_root(),
            authority: beefy_authority(&committee_hash(epoch, &members), &next_committee),
            small_committee,
        })
    }

    fn verify(
        &self,
        source_domain: &H256,
        state: &TrustState,
        proof: &[u8],
        limits: &Limits,
    ) -> Result<(TrustState, Finalised), Code> {
        let proof = &BeefyProof::decode(proof)?;
        let said = &proof.commitment;
        let takes_over = require_set(source_domain, state, proof)?;
        let finalised = Finalised {
            height: said.height,
            block_hash: said.block_hash,
            state_root: said.state_root,
            outbox_size: said.outbox_size,
            outbox_root: said.outbox_root,
            timestamp: said.timestamp,
            dissent: 0,
        };
        if !takes_over && is_repetition(state, said) {
            check_signatures(proof)?;
            return Ok((state.clone(), finalised));
        }
        // The commitment follows what is known.
        ensure(said.height > state.height, Code::StaleHeight)?;
        ensure(said.outbox_size >= state.outbox_size, Code::SizeRegression)?;
        ensure(said.outbox_size > state.outbox_size || said.outbox_root == state.outbox_root, Code::RootChanged)?;
        ensure(said.timestamp >= state.timestamp, Code::TimestampRegression)?;
        ensure(said.timestamp <= limits.now.saturating_add(limits.max_drift), Code::TimestampDrift)?;
        // A quorum said so.
        check_signatures(proof)?;
        // History was only appended to.
        verify_consistency(
            state.outbox_size,
            &state.outbox_root,
            said.outbox_size,
            &said.outbox_root,
            &proof.consistency,
        )?;
        // Hand-over.
        let (epoch, authority) = hand_over(state, proof, takes_over)?;
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
        BeefyProof::decode(proof)?.commitment.set_id.checked_add(1).ok_or(Code::WrongEpoch)
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
        let (a, b) = (&first.commitment, &second.commitment);
        let one_height = a.height == b.height && first.encoded != second.encoded;
        let one_size = a.outbox_size == b.outbox_size && a.outbox_root != b.outbox_root;
        ensure(one_height || one_size, Code::NotMisbehaviour)?;
        Ok(chosen(&first.members, first.bitmap & second.bitmap).copied().collect())
    }
}

/// Whether the next set signs, when the proof is one of a set that the client knows, about this source.
fn require_set(source_domain: &H256, state: &TrustState, proof: &BeefyProof) -> Result<bool, Code> {
    let authority = beefy_authority(&proof.current_committee, &proof.next_committee);
    ensure(authority == state.authority, Code::CommitteeMismatch)?;
    let said = &proof.commitment;
    let takes_over = said.set_id == state.epoch;
    let epoch = said.set_id.checked_add(1);
    ensure(takes_over || epoch == Some(state.epoch), Code::WrongEpoch)?;
    // No epoch follows the last.
    let epoch = epoch.ok_or(Code::BadHandover)?;
    let committee = if takes_over { proof.next_committee } else { proof.current_committee };
    ensure(committee_hash(epoch, &proof.members) == committee, Code::CommitteeMismatch)?;
    ensure(said.domain == *source_domain, Code::WrongDomain)?;
    Ok(takes_over)
}

/// What was accepted last: it changes nothing, and is taken so that racing relayers do not fail.
fn is_repetition(state: &TrustState, said: &Commitment) -> bool {
    state.height > 0
        && (said.height, said.outbox_size, said.outbox_root) == (state.height, state.outbox_size, state.outbox_root)
}

/// A half of some evidence that holds on its own; evidence is of one epoch.
fn check_half<'a>(source_domain: &H256, state: &TrustState, encoded: &'a [u8]) -> Result<BeefyProof<'a>, Code> {
    let half = BeefyProof::decode(encoded)?;
    ensure(!require_set(source_domain, state, &half)?, Code::WrongEpoch)?;
    check_signatures(&half)?;
    Ok(half)
}

fn check_signatures(proof: &BeefyProof) -> Result<(), Code> {
    let digest = keccak(proof.encoded);
    check_quorum(&digest, &proof.members, proof.bitmap, proof.signature_count, proof.signatures)
}

/// (epoch, authority) after the proof.
fn hand_over(state: &TrustState, proof: &BeefyProof, takes_over: bool) -> Result<(u64, H256), Code> {
    let announced = &proof.commitment.next_committee;
    if !takes_over {
        // A set names its successor once.
        ensure(*announced == proof.next_committee, Code::BadHandover)?;
        return Ok((state.epoch, state.authority));
    }
    check_committee(&proof.members, state.small_committee)?;
    ensure(!announced.is_zero(), Code::BadHandover)?;
    let following = state.epoch.checked_add(1).ok_or(Code::BadHandover)?;
    Ok((following, beefy_authority(&proof.next_committee, announced)))
}
