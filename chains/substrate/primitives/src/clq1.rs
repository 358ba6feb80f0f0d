//! CLQ1: a block that enough of a Clique network's signers built upon (EIP-225; docs/protocol.md section 8).
//!
//! Clique has no finality: a heavier branch replaces a lighter one. What makes a block safe is who built on top of it.
//! With N signers, of whom f may be dishonest, let k distinct signers have sealed blocks on top of it, of difficulties
//! that sum to W. No branch without the block can become heavier when `k > N + f - N/2 - 1` (N/2 rounded down) and
//! `W > 2 (N - k + f)`, because a branch needs N/2 + 1 signers to go on, and those who sealed on top of the block do not
//! seal beside it. So a proof is the block and the headers on top of it, linked by hashes, each sealed by a signer whose
//! turn and weight are as EIP-225 has them. What [`crate::sealed`] says about network, outbox and state comes with it.
//!
//! A checkpoint block lists the signers. A new list is believed when the block is safe by it, and when those of the old
//! list who sealed on top of it are as many as can make a block safe by the old one.
//!
//! Twin: `poft/verification/schemes/clq1.py`; the order of checks is the same.

use crate::{
    finality::check_committee,
    header::Header,
    receive::ensure,
    sealed::{from_recovery_id, misbehaviour_sealed, verify_sealed, work_sealed, Finding, SealedGenesis, SealedProof},
    signature::{recover, SIGNATURE_BYTES},
    verifier::{Finalised, FinalityVerifier, Limits, TrustState, Work},
    Code, H160, H256,
};
use alloc::vec::Vec;

const VANITY: usize = 32;
const ADDRESS: usize = 20;
/// Clique ended with London; no signer makes a header with blobs.
const MAX_FIELDS: usize = 17;

/// Whether no branch without a block can become heavier: k signers sealed blocks of weight W on top of it.
pub fn is_safe(distinct: usize, weight: u64, signers: usize, dishonest: usize) -> bool {
    // k > N + f - N/2 - 1 and W > 2 (N - k + f), without negative numbers.
    let enough = distinct + signers / 2 + 1 > signers + dishonest;
    enough && weight.saturating_add(2 * distinct as u64) > 2 * (signers + dishonest) as u64
}

/// A signer seals at most one of so many consecutive blocks.
pub fn pause(signers: usize) -> usize {
    signers / 2 + 1
}

/// The smallest number of signers who can make a block safe: enough for the rule, and to go on without others.
pub fn fewest_sealers(signers: usize, dishonest: usize) -> usize {
    (signers.div_ceil(2) + dishonest).max(pause(signers))
}

/// The scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CliqueVerifier;

impl FinalityVerifier for CliqueVerifier {
    fn scheme(&self) -> [u8; 4] {
        *b"CLQ1"
    }

    fn work(&self, proof: &[u8]) -> Work {
        work_sealed(proof, |headers| headers.len() as u64)
    }

    fn initialise(&self, genesis: &[u8]) -> Result<TrustState, Code> {
        let first = SealedGenesis::decode(genesis)?;
        let state = first.state()?;
        check_signers(&first.signers, first.anchor.dishonest.into(), first.small_committee)?;
        Ok(state)
    }

    fn verify(
        &self,
        source_domain: &H256,
        state: &TrustState,
        proof: &[u8],
        limits: &Limits,
    ) -> Result<(TrustState, Finalised), Code> {
        verify_sealed(source_domain, state, proof, limits, find_safe)
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
        misbehaviour_sealed(source_domain, state, first, second, find_safe)
    }
}

/// Returns when the rule can work with these signers, else `CommitteeInvalid`.
fn check_signers(signers: &[H160], dishonest: usize, small: bool) -> Result<(), Code> {
    check_committee(signers, small)?;
    let works = fewest_sealers(signers.len(), dishonest) <= signers.len() && (dishonest > 0 || small);
    ensure(works, Code::CommitteeInvalid)
}

/// Who sealed on top of the first header, once that makes it safe.
fn find_safe(proof: &SealedProof, headers: &[Header], small: bool) -> Result<Finding, Code> {
    let (known, dishonest) = (&proof.signers, usize::from(proof.anchor.dishonest));
    let block = headers.first().ok_or(Code::Malformed)?;
    let listed = listed(block)?;
    let signers = if listed.is_empty() { known.clone() } else { listed };
    if signers != *known {
        check_signers(&signers, dishonest, small)?;
    }
    let mut sealers: Vec<H160> = Vec::with_capacity(headers.len());
    let mut before: Option<&Header> = None;
    for header in headers {
        check_header(header, before, &signers)?;
        let sealer = sealer(header)?;
        let resting = sealers.iter().rev().take(pause(signers.len()).saturating_sub(1));
        let place = signers.iter().position(|signer| *signer == sealer).ok_or(Code::NotSigner)?;
        ensure(resting.into_iter().all(|earlier| *earlier != sealer), Code::NotSigner)?;
        let in_turn = header.number.checked_rem(signers.len() as u64) == Some(place as u64);
        ensure(header.difficulty == if in_turn { 2 } else { 1 }, Code::EvidenceDisagrees)?;
        sealers.push(sealer);
        before = Some(header);
    }
    let mut above: Vec<H160> = sealers.iter().skip(1).copied().collect();
    above.sort_unstable();
    above.dedup();
    let weight = headers.iter().skip(1).map(|header| header.difficulty).sum();
    let safe = is_safe(above.len(), weight, signers.len(), dishonest);
    // A new list is the old one's word.
    let vouching = above.iter().filter(|sealer| known.contains(sealer)).count();
    let vouched = signers == *known || vouching >= fewest_sealers(known.len(), dishonest);
    ensure(safe && vouched, Code::QuorumNotReached)?;
    Ok(Finding { block_hash: block.hash(), sealers: above, signers })
}

/// A header of Clique's form, on top of the one before.
fn check_header(header: &Header, before: Option<&Header>, signers: &[H160]) -> Result<(), Code> {
    ensure(header.fields <= MAX_FIELDS && header.mix.is_zero(), Code::Malformed)?;
    if let Some(before) = before {
        let next = before.number.checked_add(1) == Some(header.number);
        ensure(next && header.parent == before.hash(), Code::EvidenceDisagrees)?;
    }
    let listed = listed(header)?;
    ensure(listed.is_empty() || listed == signers, Code::CommitteeMismatch)
}

/// The signers that a checkpoint block lists between vanity and seal; any other block lists none.
fn listed(header: &Header) -> Result<Vec<H160>, Code> {
    let (front, _) = parts(header)?;
    let body = front.get(VANITY..).ok_or(Code::Malformed)?;
    ensure(body.len().is_multiple_of(ADDRESS), Code::Malformed)?;
    Ok(body.chunks_exact(ADDRESS).map(H160::from_slice).collect())
}

/// Who sealed: the signature covers every field, without itself.
fn sealer(header: &Header) -> Result<H160, Code> {
    let (front, seal) = parts(header)?;
    recover(&header.hash_with(front), &from_recovery_id(seal)?)
}

/// `extraData` without its seal, and the seal.
fn parts<'a>(header: &Header<'a>) -> Result<(&'a [u8], &'a [u8]), Code> {
    let end = header.extra.len().checked_sub(SIGNATURE_BYTES).ok_or(Code::Malformed)?;
    header.extra.split_at_checked(end).ok_or(Code::Malformed)
}
