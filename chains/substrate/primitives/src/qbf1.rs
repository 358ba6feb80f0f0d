//! QBF1: a block that a quorum of a QBFT network's validators committed (docs/protocol.md section 8).
//!
//! A QBFT block is final at once: `extraData` is RLP [vanity 32, validators, vote, round, committed seals], and at least
//! ceil(2N/3) of the N validators that it lists have sealed it. A committed seal signs keccak of the header with the same
//! `extraData` without the seals; the hash by which the chain knows the block leaves the round out as well (round 0). What
//! [`crate::sealed`] says about the network, its outbox and the state comes with it.
//!
//! A block lists the validators who commit it. A new list is believed when a quorum of it has committed the block, and a
//! quorum of the *old* list is among them.
//!
//! Checked against headers that were made for the tests, by the encoding of Besu's QBFT; it has never met a running Besu.
//! Twin: `poft/verification/schemes/qbf1.py`; the order of checks is the same.

use crate::{
    finality::{check_committee, MAX_COMMITTEE},
    header::Header,
    receive::ensure,
    rlp::{listed, Item},
    sealed::{from_recovery_id, misbehaviour_sealed, verify_sealed, work_sealed, Finding, SealedGenesis, SealedProof},
    signature::{recover, SIGNATURE_BYTES},
    verifier::{Finalised, FinalityVerifier, Limits, TrustState, Work},
    Code, H160, H256,
};
use alloc::vec::Vec;

/// The end of "Istanbul practical byzantine fault tolerance": the mix hash by which BFT headers are known.
pub const BFT_MIX: H256 = H256(*b"ctical byzantine fault tolerance");

const VANITY: usize = 32;
const ADDRESS: usize = 20;
const MAX_ROUND: usize = 4;
const EMPTY_LIST: &[u8] = &[0xc0];
const ROUND_0: &[u8] = &[0x80];

/// ceil(2N/3).
pub fn quorum(validators: usize) -> usize {
    (2 * validators).div_ceil(3)
}

/// The scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QbftVerifier;

impl FinalityVerifier for QbftVerifier {
    fn scheme(&self) -> [u8; 4] {
        *b"QBF1"
    }

    fn work(&self, proof: &[u8]) -> Work {
        // No more than fit, and no more than are read; more than one header is refused before.
        work_sealed(proof, |headers| match headers {
            [header] => (header.len() / SIGNATURE_BYTES).min(MAX_COMMITTEE) as u64,
            _ => 0,
        })
    }

    fn initialise(&self, genesis: &[u8]) -> Result<TrustState, Code> {
        let first = SealedGenesis::decode(genesis)?;
        let state = first.state()?;
        check_committee(&first.signers, first.small_committee)?;
        ensure(first.anchor.dishonest == 0, Code::CommitteeInvalid)?;
        Ok(state)
    }

    fn verify(
        &self,
        source_domain: &H256,
        state: &TrustState,
        proof: &[u8],
        limits: &Limits,
    ) -> Result<(TrustState, Finalised), Code> {
        verify_sealed(source_domain, state, proof, limits, find_committed)
    }

    fn epoch_of(&self, proof: &[u8]) -> Result<u64, Code> {
        Ok(SealedProof::decode(proof)?.epoch)
    }

    fn check_misbehaviour(
        &self,
        source_domain: &H256,
        state: &TrustState,
        first: &[u8],
        second: &[u8],
    ) -> Result<Vec<H160>, Code> {
        misbehaviour_sealed(source_domain, state, first, second, find_committed)
    }
}

/// Who committed the one header, once they are a quorum.
fn find_committed(proof: &SealedProof, headers: &[Header], small: bool) -> Result<Finding, Code> {
    let [block] = headers else { return Err(Code::Malformed) };
    ensure(block.mix == BFT_MIX, Code::Malformed)?;
    let known = &proof.signers;
    let extra = Extra::decode(block.extra)?;
    if extra.validators != *known {
        check_committee(&extra.validators, small)?;
    }
    ensure(extra.seals.len() >= quorum(extra.validators.len()), Code::QuorumNotReached)?;
    let digest = block.hash_with(&listed(&[extra.head, extra.round, EMPTY_LIST]));
    let mut sealers: Vec<H160> = Vec::with_capacity(extra.seals.len());
    for seal in &extra.seals {
        let sealer = recover(&digest, &from_recovery_id(seal)?)?;
        ensure(extra.validators.contains(&sealer) && !sealers.contains(&sealer), Code::NotSigner)?;
        sealers.push(sealer);
    }
    // A new list is the old one's word.
    let vouching = sealers.iter().filter(|sealer| known.contains(sealer)).count();
    ensure(vouching >= quorum(known.len()), Code::QuorumNotReached)?;
    let block_hash = block.hash_with(&listed(&[extra.head, ROUND_0, EMPTY_LIST]));
    Ok(Finding { block_hash, sealers, signers: extra.validators })
}

/// `extraData`. `head` are vanity, validators and vote, `round` the round, as they are encoded.
struct Extra<'a> {
    head: &'a [u8],
    round: &'a [u8],
    validators: Vec<H160>,
    seals: Vec<&'a [u8]>,
}

impl<'a> Extra<'a> {
    /// Reads strictly; refuses with `Malformed`, or `Oversize` (more validators or seals than a committee has members).
    fn decode(data: &'a [u8]) -> Result<Self, Code> {
        let items = Item::list(data).ok_or(Code::Malformed)?;
        let [vanity, validators, vote, at_round, seals] = items.as_slice() else { return Err(Code::Malformed) };
        let sound = vanity.string().is_some_and(|bytes| bytes.len() == VANITY)
            && vote.is_list
            && is_vote(vote)
            && at_round.number(MAX_ROUND).is_some();
        ensure(sound, Code::Malformed)?;
        let content = Item::split(data).ok_or(Code::Malformed)?.0.content;
        let (head, rest) =
            content.split_at_checked(vanity.size + validators.size + vote.size).ok_or(Code::Malformed)?;
        let round = rest.get(..at_round.size).ok_or(Code::Malformed)?;
        let validators = strings(validators, ADDRESS)?.into_iter().map(H160::from_slice).collect();
        Ok(Self { head, round, validators, seals: strings(seals, SIGNATURE_BYTES)? })
    }
}

/// Nothing, or (whom, 0xff to add or nothing to drop).
fn is_vote(vote: &Item) -> bool {
    match Item::items(vote.content).as_deref() {
        Some([]) => true,
        Some([whom, what]) => {
            whom.string().is_some_and(|bytes| bytes.len() == ADDRESS)
                && what.string().is_some_and(|bytes| matches!(bytes, [] | [0xff]))
        }
        _ => false,
    }
}

/// A list of strings of this many bytes.
fn strings<'a>(item: &Item<'a>, width: usize) -> Result<Vec<&'a [u8]>, Code> {
    let items = Item::items(item.content).ok_or(Code::Malformed)?;
    ensure(items.len() <= MAX_COMMITTEE, Code::Oversize)?;
    ensure(item.is_list, Code::Malformed)?;
    let fitting = |one: &Item<'a>| one.string().filter(|bytes| bytes.len() == width).ok_or(Code::Malformed);
    items.iter().map(fitting).collect()
}
