//! What CLQ1 and QBF1 share: a block that its chain's own signers sealed, and the outbox in the state below it
//! (docs/protocol.md section 8).
//!
//! A client trusts a list of signers of *one* network. Nothing in a Clique or QBFT header names its chain, so two networks
//! with the same signers make headers that look alike. What tells them apart is in the state: an outbox contract has the
//! domain of its chain in its code, so the hash of that code, which the account proof shows, is another on every chain. A
//! client is created for (domain, outbox, code hash), and every proof and every half of some evidence has to lead to that
//! code at that address, else `WrongDomain`. Seals do not name an epoch either: blocks up to `since` prove nothing.
//!
//! Genesis: domain (32), outbox (20), code hash (32), since (8), dishonest (1), epoch (8), the devnet flag (1: 0 or 1), n
//! (1), n signers of 20 bytes. Proof, packed:
//!
//! | bytes | field |
//! |---|---|
//! | 32 20 32 8 1 | domain, outbox, code hash, since, dishonest: with the signers, the preimage of the authority |
//! | 8 8 32 | epoch, outbox size, outbox root |
//! | 1 1 1 | number of signers n, of consistency nodes c, of headers h |
//! | 20 n, 32 c | signers, consistency proof from the last accepted size |
//! | (2, l)* | the headers, each behind its length: first the block that is final |
//! | 1, (2, l)* | number of nodes from the state root to the outbox's account, each node behind its length |
//! | 1, (2, l)* | the same from the account's storage root to the commitment |
//!
//! Twin: `poft/verification/sealed.py`; encoding and order of checks are the same.

use crate::{
    abi::AbiWord,
    esp1::{outbox_commitment, COMMITMENT_SLOT},
    finality::{committee_hash, MAX_COMMITTEE},
    header::{Header, MAX_HEADER},
    keccak,
    log::{empty_root, verify_consistency, MAX_PROOF},
    packed::Packed,
    receive::ensure,
    state_proof::StateProof,
    verifier::{Finalised, Limits, TrustState, Work},
    Code, H160, H256,
};
use alloc::vec::Vec;

/// CLQ1 with 64 signers of whom 21 are dishonest needs at most 66.
pub const MAX_HEADERS: usize = 128;
/// Nodes of a consistency proof.
const MAX_NODES: usize = 2 * MAX_PROOF;

/// Reading 532 bytes of a node or a header and hashing them, in hashes of a few words (`examples/cost.rs`).
const HASHES_A_PIECE: u64 = 8;
const PIECE: usize = 532;

/// The one network, and the one contract in it, that a client believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The source.
    pub domain: H256,
    /// Its outbox.
    pub outbox: H160,
    /// keccak of the outbox's code.
    pub code_hash: H256,
    /// Blocks up to this height prove nothing.
    pub since: u64,
    /// CLQ1's f; 0 in QBF1.
    pub dishonest: u8,
}

impl Anchor {
    fn read(rest: &mut Packed) -> Result<Self, Code> {
        Ok(Self {
            domain: rest.h256()?,
            outbox: rest.address()?,
            code_hash: rest.h256()?,
            since: rest.u64()?,
            dishonest: rest.u8()?,
        })
    }

    /// The authority of a client that trusts these signers in this epoch.
    pub fn authority(&self, epoch: u64, signers: &[H160]) -> H256 {
        let words = [
            self.domain.to_word(),
            self.outbox.to_word(),
            self.code_hash.to_word(),
            self.since.to_word(),
            u64::from(self.dishonest).to_word(),
            committee_hash(epoch, signers).to_word(),
        ];
        keccak(&words.concat())
    }
}

/// Whom a client trusts first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedGenesis {
    /// Where.
    pub anchor: Anchor,
    /// Epochs count from 1.
    pub epoch: u64,
    /// The devnet flag.
    pub small_committee: bool,
    /// Who seals.
    pub signers: Vec<H160>,
}

impl SealedGenesis {
    /// Reads the packed bytes; refuses with `Malformed`, `Oversize`.
    pub fn decode(encoded: &[u8]) -> Result<Self, Code> {
        let mut rest = Packed::new(encoded);
        let (anchor, epoch, flag) = (Anchor::read(&mut rest)?, rest.u64()?, rest.u8()?);
        let n = usize::from(rest.u8()?);
        ensure(n <= MAX_COMMITTEE, Code::Oversize)?;
        ensure(flag <= 1, Code::Malformed)?;
        let signers = rest.addresses(n)?;
        rest.finish()?;
        Ok(Self { anchor, epoch, small_committee: flag == 1, signers })
    }

    /// The first state of a client, or `ZeroValue`. Signers are checked by the scheme.
    pub fn state(&self) -> Result<TrustState, Code> {
        let at = &self.anchor;
        let named = !at.domain.is_zero() && !at.outbox.is_zero() && !at.code_hash.is_zero() && self.epoch != 0;
        ensure(named, Code::ZeroValue)?;
        Ok(TrustState {
            epoch: self.epoch,
            height: 0,
            timestamp: 0,
            outbox_size: 0,
            outbox_root: empty_root(),
            authority: at.authority(self.epoch, &self.signers),
            small_committee: self.small_committee,
        })
    }
}

/// A block, who sealed it, and the outbox in its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedProof<'a> {
    /// Where.
    pub anchor: Anchor,
    /// The epoch that it speaks for.
    pub epoch: u64,
    /// Leaves in the outbox.
    pub outbox_size: u64,
    /// Root of the outbox.
    pub outbox_root: H256,
    /// Who may seal, as the client knows it.
    pub signers: Vec<H160>,
    /// Consistency proof from the size that was accepted last.
    pub consistency: Vec<H256>,
    /// The block that is final, and what makes it so.
    pub headers: Vec<&'a [u8]>,
    /// From the state root to the commitment.
    pub state: StateProof<'a>,
}

impl<'a> SealedProof<'a> {
    /// Reads the packed bytes: sizes are checked and every byte belongs to a field; headers are read by the scheme.
    /// `Malformed`, or `Oversize`.
    pub fn decode(encoded: &'a [u8]) -> Result<Self, Code> {
        let mut rest = Packed::new(encoded);
        let anchor = Anchor::read(&mut rest)?;
        let (epoch, outbox_size, outbox_root) = (rest.u64()?, rest.u64()?, rest.h256()?);
        let [n, c, h] = [rest.u8()?, rest.u8()?, rest.u8()?].map(usize::from);
        ensure(n <= MAX_COMMITTEE && c <= MAX_NODES && h <= MAX_HEADERS, Code::Oversize)?;
        let (signers, consistency) = (rest.addresses(n)?, rest.hashes(c)?);
        let mut headers = Vec::with_capacity(h);
        for _ in 0..h {
            let length = usize::from(rest.u16()?);
            ensure(length <= MAX_HEADER, Code::Oversize)?;
            headers.push(rest.bytes(length)?);
        }
        let state = StateProof::read(&mut rest)?;
        rest.finish()?;
        Ok(Self { anchor, epoch, outbox_size, outbox_root, signers, consistency, headers, state })
    }

    /// What checking this costs, but for the signatures.
    fn hashes(&self) -> u64 {
        let nodes = self.state.account.len() + self.state.storage.len();
        // A header is hashed as it is, and as it was sealed.
        let headers: usize = self.headers.iter().map(|header| 2 * (1 + header.len() / PIECE)).sum();
        let lists = 3 * self.signers.len() + 2 * self.consistency.len();
        lists as u64 + HASHES_A_PIECE * (nodes + headers) as u64
    }
}

/// What the seals say: the block's hash, who vouched for it, and who may seal from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// By which the chain knows the block.
    pub block_hash: H256,
    /// No one twice.
    pub sealers: Vec<H160>,
    /// In their order.
    pub signers: Vec<H160>,
}

/// A scheme's rule: from a proof, its headers and the devnet flag to a finding.
pub type Seals = fn(&SealedProof, &[Header], bool) -> Result<Finding, Code>;

/// What checking these bytes costs at most, with so many signatures in the headers. What does not decode costs nothing.
pub fn work_sealed(encoded: &[u8], signatures: fn(&[&[u8]]) -> u64) -> Work {
    let Ok(proof) = SealedProof::decode(encoded) else { return Work::default() };
    Work { signatures: signatures(&proof.headers), hashes: proof.hashes(), pairings: 0 }
}

/// The state after this proof and what it established. The block that was accepted last is a no-op.
pub fn verify_sealed(
    source_domain: &H256,
    state: &TrustState,
    encoded: &[u8],
    limits: &Limits,
    seals: Seals,
) -> Result<(TrustState, Finalised), Code> {
    let proof = SealedProof::decode(encoded)?;
    let (headers, block) = read(source_domain, state, &proof)?;
    let repeated = state.height > 0
        && (proof.epoch, block.number, proof.outbox_size, proof.outbox_root)
            == (state.epoch, state.height, state.outbox_size, state.outbox_root);
    if !repeated {
        check_step(state, &proof, &block, limits)?;
    }
    let finding = seals(&proof, &headers, state.small_committee)?;
    check_outbox(&proof, &block)?;
    let finalised = Finalised {
        height: block.number,
        block_hash: finding.block_hash,
        state_root: block.state_root,
        outbox_size: proof.outbox_size,
        outbox_root: proof.outbox_root,
        timestamp: block.timestamp,
        dissent: 0,
    };
    if repeated {
        return Ok((state.clone(), finalised));
    }
    // History was only appended to.
    verify_consistency(
        state.outbox_size,
        &state.outbox_root,
        proof.outbox_size,
        &proof.outbox_root,
        &proof.consistency,
    )?;
    let (mut epoch, mut authority) = (state.epoch, state.authority);
    if finding.signers != proof.signers {
        epoch = epoch.checked_add(1).ok_or(Code::BadHandover)?;
        authority = proof.anchor.authority(epoch, &finding.signers);
    }
    let next = TrustState {
        epoch,
        height: block.number,
        timestamp: block.timestamp,
        outbox_size: proof.outbox_size,
        outbox_root: proof.outbox_root,
        authority,
        small_committee: state.small_committee,
    };
    Ok((next, finalised))
}

/// The signers who vouched for both of two blocks of which one cannot be the chain's: two of one height, or two roots of
/// one size. Each half is a proof that would convince a client, but for what the client knew before: without the state
/// proof, the blocks of another network with the same signers would be evidence.
pub fn misbehaviour_sealed(
    source_domain: &H256,
    state: &TrustState,
    first: &[u8],
    second: &[u8],
    seals: Seals,
) -> Result<Vec<H160>, Code> {
    let first = half(source_domain, state, first, seals)?;
    let second = half(source_domain, state, second, seals)?;
    let one_height = first.number == second.number && first.finding.block_hash != second.finding.block_hash;
    let one_size = first.outbox.0 == second.outbox.0 && first.outbox.1 != second.outbox.1;
    ensure(one_height || one_size, Code::NotMisbehaviour)?;
    let both = |signer: &&H160| first.finding.sealers.contains(signer) && second.finding.sealers.contains(signer);
    Ok(first.signers.iter().filter(both).copied().collect())
}

/// A half of some evidence that holds on its own.
struct Half {
    number: u64,
    outbox: (u64, H256),
    signers: Vec<H160>,
    finding: Finding,
}

fn half(source_domain: &H256, state: &TrustState, encoded: &[u8], seals: Seals) -> Result<Half, Code> {
    let proof = SealedProof::decode(encoded)?;
    let (headers, block) = read(source_domain, state, &proof)?;
    ensure(proof.epoch == state.epoch, Code::WrongEpoch)?;
    ensure(block.number > proof.anchor.since, Code::StaleHeight)?;
    let finding = seals(&proof, &headers, state.small_committee)?;
    check_outbox(&proof, &block)?;
    let outbox = (proof.outbox_size, proof.outbox_root);
    Ok(Half { number: block.number, outbox, signers: proof.signers, finding })
}

/// The headers of a proof for this client, by its authority, about its source; and the first of them.
fn read<'a>(
    source_domain: &H256,
    state: &TrustState,
    proof: &SealedProof<'a>,
) -> Result<(Vec<Header<'a>>, Header<'a>), Code> {
    let headers = proof.headers.iter().map(|header| Header::decode(header)).collect::<Result<Vec<_>, _>>()?;
    let block = headers.first().cloned().ok_or(Code::Malformed)?;
    ensure(proof.anchor.authority(state.epoch, &proof.signers) == state.authority, Code::CommitteeMismatch)?;
    ensure(proof.anchor.domain == *source_domain, Code::WrongDomain)?;
    Ok((headers, block))
}

/// The block follows what is known.
fn check_step(state: &TrustState, proof: &SealedProof, block: &Header, limits: &Limits) -> Result<(), Code> {
    ensure(proof.epoch == state.epoch, Code::WrongEpoch)?;
    ensure(block.number > state.height.max(proof.anchor.since), Code::StaleHeight)?;
    ensure(proof.outbox_size >= state.outbox_size, Code::SizeRegression)?;
    ensure(proof.outbox_size != state.outbox_size || proof.outbox_root == state.outbox_root, Code::RootChanged)?;
    ensure(block.timestamp >= state.timestamp, Code::TimestampRegression)?;
    ensure(block.timestamp <= limits.now.saturating_add(limits.max_drift), Code::TimestampDrift)
}

/// The block's state has the outbox of this client's network, and in it the commitment that the proof opens.
fn check_outbox(proof: &SealedProof, block: &Header) -> Result<(), Code> {
    let (code_hash, word) = proof.state.contract(&block.state_root, &proof.anchor.outbox, &COMMITMENT_SLOT)?;
    ensure(code_hash == proof.anchor.code_hash, Code::WrongDomain)?;
    ensure(word == outbox_commitment(proof.outbox_size, &proof.outbox_root), Code::CommitmentMismatch)
}

/// A seal ends in 0 or 1 where a signature of this protocol ends in 27 or 28; anything else is `BadSignature`.
pub fn from_recovery_id(seal: &[u8]) -> Result<[u8; 65], Code> {
    let mut signature: [u8; 65] = seal.try_into().map_err(|_| Code::BadSignature)?;
    let [.., v] = &mut signature;
    ensure(*v <= 1, Code::BadSignature)?;
    *v += 27;
    Ok(signature)
}
