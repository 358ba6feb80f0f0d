//! Builders of valid objects for tests and benchmarks: keys, logs with their proofs, committees. Feature `testing`.
//!
//! The log here is the recursive definition of RFC 9162, slow and obvious, so that it is an oracle for [`crate::log`].

use crate::{
    committee::{CommitteeGenesis, CommitteeProof, CommitteeVerifier},
    finality::Finality,
    keccak,
    log::{empty_root, leaf_hash, node_hash},
    packet::{Packet, KIND_CHECKPOINT, VERSION},
    receive::PacketProof,
    signature::recover,
    statements::{statement_digest, Signed, Statement},
    verifier::{Finalised, FinalityVerifier, Limits, TrustState, Work},
    Code, H160, H256,
};
use alloc::{format, vec, vec::Vec};
use sp_core::ecdsa;
#[cfg(feature = "std")]
use sp_core::Pair;

/// CMT1 under another name, as `tests/vectors/composed.py` has it.
pub struct Renamed(pub [u8; 4]);

impl FinalityVerifier for Renamed {
    fn scheme(&self) -> [u8; 4] {
        self.0
    }

    fn work(&self, proof: &[u8]) -> Work {
        CommitteeVerifier.work(proof)
    }

    fn initialise(&self, genesis: &[u8]) -> Result<TrustState, Code> {
        CommitteeVerifier.initialise(genesis)
    }

    fn verify(
        &self,
        source_domain: &H256,
        state: &TrustState,
        proof: &[u8],
        limits: &Limits,
    ) -> Result<(TrustState, Finalised), Code> {
        CommitteeVerifier.verify(source_domain, state, proof, limits)
    }

    fn epoch_of(&self, proof: &[u8]) -> Result<u64, Code> {
        CommitteeVerifier.epoch_of(proof)
    }

    fn check_misbehaviour(
        &self,
        source_domain: &H256,
        state: &TrustState,
        first: &[u8],
        second: &[u8],
    ) -> Result<Vec<H160>, Code> {
        CommitteeVerifier.check_misbehaviour(source_domain, state, first, second)
    }
}

/// A signing key for tests.
#[cfg(feature = "std")]
#[derive(Clone)]
pub struct Key(ecdsa::Pair);

/// A signing key for benchmarks: the runtime cannot sign, its host's keystore can.
#[cfg(not(feature = "std"))]
#[derive(Clone)]
pub struct Key(ecdsa::Public);

#[cfg(not(feature = "std"))]
const KEY_TYPE: sp_core::crypto::KeyTypeId = sp_core::crypto::KeyTypeId(*b"poft");

impl Key {
    /// The same key for the same label.
    #[cfg(feature = "std")]
    pub fn new(label: &str) -> Self {
        Self(ecdsa::Pair::from_seed(&keccak(label.as_bytes()).0))
    }

    /// The same key for the same label.
    #[cfg(not(feature = "std"))]
    pub fn new(label: &str) -> Self {
        // A secret in hex; a phrase would be stretched at every signature.
        let secret = format!("{:?}", keccak(label.as_bytes()));
        Self(sp_io::crypto::ecdsa_generate(KEY_TYPE, Some(secret.into_bytes())))
    }

    /// Signs 32 bytes blindly.
    pub fn sign(&self, digest: &H256) -> Vec<u8> {
        let mut signature = self.sign_prehashed(&digest.0).0.to_vec();
        signature[64] += 27;
        signature
    }

    #[cfg(feature = "std")]
    fn sign_prehashed(&self, digest: &[u8; 32]) -> ecdsa::Signature {
        self.0.sign_prehashed(digest)
    }

    #[cfg(not(feature = "std"))]
    fn sign_prehashed(&self, digest: &[u8; 32]) -> ecdsa::Signature {
        sp_io::crypto::ecdsa_sign_prehashed(KEY_TYPE, &self.0, digest).expect("the keystore made this key")
    }

    /// Its address.
    pub fn address(&self) -> H160 {
        recover(&H256::zero(), &self.sign(&H256::zero())).expect("an own signature recovers")
    }

    /// A statement signed by this key.
    pub fn say<S: Statement>(&self, chain_domain: &H256, index: u32, statement: S) -> Signed<S> {
        let signature = self.sign(&statement_digest(chain_domain, &statement));
        Signed { index, statement, signature }
    }
}

/// So many keys, sorted by address.
pub fn keys(label: &str, count: usize) -> Vec<Key> {
    let mut keys: Vec<Key> = (0..count).map(|i| Key::new(&format!("{label}/{i}"))).collect();
    keys.sort_by_cached_key(Key::address);
    keys
}

/// Their addresses.
pub fn addresses(keys: &[Key]) -> Vec<H160> {
    keys.iter().map(Key::address).collect()
}

/// A proof by the first `signers` of a committee.
pub fn committee_proof(
    source_domain: &H256,
    committee: &[Key],
    signers: usize,
    statement: Finality,
    consistency: Vec<H256>,
) -> CommitteeProof {
    let digest = statement.digest(source_domain);
    CommitteeProof {
        members: addresses(committee),
        bitmap: u64::MAX.checked_shr(64 - signers as u32).unwrap_or(0),
        signature_count: signers as u8,
        signatures: committee[..signers].iter().flat_map(|key| key.sign(&digest)).collect(),
        next_members: Vec::new(),
        consistency,
        statement,
    }
}

/// The largest power of two below `n`, for n > 1.
fn split_at(n: usize) -> usize {
    n.next_power_of_two() / 2
}

/// Root of the log with these leaves (RFC 9162 2.1.1).
pub fn root(leaves: &[Vec<u8>]) -> H256 {
    match leaves {
        [] => empty_root(),
        [leaf] => leaf_hash(leaf),
        _ => {
            let (left, right) = leaves.split_at(split_at(leaves.len()));
            node_hash(&root(left), &root(right))
        }
    }
}

/// Inclusion proof of a leaf (RFC 9162 2.1.3.1).
pub fn inclusion(leaves: &[Vec<u8>], index: usize) -> Vec<H256> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = split_at(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut path, sibling) =
        if index < k { (inclusion(left, index), root(right)) } else { (inclusion(right, index - k), root(left)) };
    path.push(sibling);
    path
}

/// Consistency proof from the first `from` leaves (RFC 9162 2.1.4.1); empty from an empty log.
pub fn consistency(leaves: &[Vec<u8>], from: usize) -> Vec<H256> {
    fn subproof(leaves: &[Vec<u8>], from: usize, whole: bool) -> Vec<H256> {
        if from == leaves.len() {
            return if whole { Vec::new() } else { vec![root(leaves)] };
        }
        let k = split_at(leaves.len());
        let (left, right) = leaves.split_at(k);
        let (mut path, sibling) = if from <= k {
            (subproof(left, from, whole), root(right))
        } else {
            (subproof(right, from - k, false), root(left))
        };
        path.push(sibling);
        path
    }
    if from == 0 {
        return Vec::new();
    }
    subproof(leaves, from, true)
}

/// Another chain: its outbox, and a committee that speaks for it.
pub struct Source {
    /// Its domain.
    pub domain: H256,
    /// The endpoint that sends there.
    pub sender: H256,
    /// Its committee.
    pub committee: Vec<Key>,
    /// The committee's epoch.
    pub epoch: u64,
    /// Height of its best block.
    pub height: u64,
    /// Time of its best block, in seconds.
    pub timestamp: u64,
    /// Its packets with their payloads; changed by [`Source::send`] and [`Source::alter`] only.
    pub packets: Vec<(Packet, Vec<u8>)>,
    leaves: Vec<Vec<u8>>,
}

impl Source {
    /// A chain whose committee has so many members.
    pub fn new(label: &str, members: usize, timestamp: u64) -> Self {
        Self {
            domain: keccak(label.as_bytes()),
            sender: keccak(b"sender"),
            committee: keys(label, members),
            epoch: 1,
            height: 10,
            timestamp,
            packets: Vec::new(),
            leaves: Vec::new(),
        }
    }

    /// What a client of this chain starts from.
    pub fn genesis(&self) -> CommitteeGenesis {
        CommitteeGenesis { epoch: self.epoch, members: addresses(&self.committee), small_committee: false }
    }

    /// Appends a packet with the nonce that is due.
    pub fn send(&mut self, dest_domain: H256, receiver: H256, payload: &[u8]) {
        let packet = Packet {
            version: VERSION,
            kind: KIND_CHECKPOINT,
            source_domain: self.domain,
            dest_domain,
            nonce: self.packets.len() as u64,
            sender: self.sender,
            receiver,
            expires_at: 0,
            payload_hash: keccak(payload),
        };
        self.leaves.push(packet.id().0.to_vec());
        self.packets.push((packet, payload.to_vec()));
    }

    /// Changes a packet as if it had been sent so.
    pub fn alter(&mut self, index: usize, change: impl FnOnce(&mut Packet)) {
        let (packet, _) = &mut self.packets[index];
        change(packet);
        self.leaves[index] = packet.id().0.to_vec();
    }

    /// Leaves of its outbox.
    pub fn size(&self) -> u64 {
        self.packets.len() as u64
    }

    /// What its committee says about its next block.
    pub fn statement(&mut self) -> Finality {
        self.height += 1;
        Finality {
            epoch: self.epoch,
            height: self.height,
            block_hash: keccak(&self.height.to_le_bytes()),
            state_root: keccak(b"state"),
            outbox_size: self.size(),
            outbox_root: root(&self.leaves),
            timestamp: self.timestamp,
            next_committee: H256::zero(),
        }
    }

    /// A proof of a statement by a quorum, for a client that knows the first `from` leaves.
    pub fn prove(&self, statement: Finality, from: u64) -> CommitteeProof {
        let signers = 2 * self.committee.len() / 3 + 1;
        let path = consistency(&self.leaves[..statement.outbox_size as usize], from as usize);
        committee_proof(&self.domain, &self.committee, signers, statement, path)
    }

    /// A proof of its next block.
    pub fn finality(&mut self, from: u64) -> CommitteeProof {
        let statement = self.statement();
        self.prove(statement, from)
    }

    /// A packet with its inclusion proof against the whole outbox.
    pub fn delivery(&self, index: usize) -> PacketProof {
        let (packet, payload) = self.packets[index].clone();
        PacketProof { packet, payload, leaf_index: index as u64, proof: inclusion(&self.leaves, index) }
    }
}
