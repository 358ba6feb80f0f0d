//! The one Merkle log: RFC 9162 section 2 over keccak-256 (docs/protocol.md section 3).
//!
//! `leaf = H(0x00 ‖ data)`, `node = H(0x01 ‖ left ‖ right)`, root of the empty log = keccak(""). A proof's path is fixed
//! by (index, size), so it has exactly one valid length and order; lengths are checked before anything is hashed.
//! Twins: `poft/protocol/merkle.py`, `MerkleLog.sol`.

use crate::{keccak, Code, H256};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::{bounded::BoundedVec, ConstU32};

/// Nodes in the longest inclusion path: sizes are u64. A consistency proof has at most twice as many.
pub const MAX_PROOF: usize = 64;

/// Root of the empty log.
pub fn empty_root() -> H256 {
    keccak(b"")
}

/// Hash of a leaf with this data.
pub fn leaf_hash(data: &[u8]) -> H256 {
    let mut tagged = alloc::vec::Vec::with_capacity(1 + data.len());
    tagged.push(0);
    tagged.extend_from_slice(data);
    keccak(&tagged)
}

/// Hash of an inner node.
pub fn node_hash(left: &H256, right: &H256) -> H256 {
    let mut tagged = [1; 65];
    tagged[1..33].copy_from_slice(left.as_bytes());
    tagged[33..].copy_from_slice(right.as_bytes());
    keccak(&tagged)
}

/// A log as a chain stores it: its size and the roots of its perfect subtrees, largest first, one a set bit of the size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Frontier {
    /// Leaves in the log.
    pub size: u64,
    /// Roots of the perfect subtrees.
    pub peaks: BoundedVec<H256, ConstU32<64>>,
}

impl Frontier {
    /// Adds a leaf: amortised O(1) hashes, like carrying in binary addition. `Oversize` when the log is full.
    pub fn append(&mut self, data: &[u8]) -> Result<(), Code> {
        let next = self.size.checked_add(1).ok_or(Code::Oversize)?;
        let mut node = leaf_hash(data);
        for _ in 0..self.size.trailing_ones() {
            let peak = self.peaks.pop().ok_or(Code::Malformed)?;
            node = node_hash(&peak, &node);
        }
        self.peaks.try_push(node).map_err(|_| Code::Oversize)?;
        self.size = next;
        Ok(())
    }

    /// Root of the whole log: the peaks folded from the smallest to the largest.
    pub fn root(&self) -> H256 {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => empty_root(),
            Some(last) => peaks.fold(*last, |node, peak| node_hash(peak, &node)),
        }
    }
}

/// Root of the log with these leaves' data, in order.
pub fn log_root<'a>(leaves: impl IntoIterator<Item = &'a [u8]>) -> Result<H256, Code> {
    let mut log = Frontier::default();
    for leaf in leaves {
        log.append(leaf)?;
    }
    Ok(log.root())
}

/// The one valid number of nodes of an inclusion proof, for index < size.
///
/// Below the point where the paths of `index` and of the last leaf part, every level has a sibling; above it only those
/// where the path turns left, i.e. the set bits.
fn inclusion_length(index: u64, size: u64) -> usize {
    path_length(index, size.saturating_sub(1))
}

/// Siblings on the path of `index` in a tree whose last node on that level is `last`.
fn path_length(index: u64, last: u64) -> usize {
    let inner = u64::BITS - (index ^ last).leading_zeros();
    (inner + index.checked_shr(inner).unwrap_or(0).count_ones()) as usize
}

/// Returns when `leaf_data` is leaf `index` of the log of `size` leaves with this root.
///
/// Refuses with `IndexOutOfRange`, `ProofLength`, `RootMismatch`.
pub fn verify_inclusion(leaf_data: &[u8], index: u64, size: u64, proof: &[H256], root: &H256) -> Result<(), Code> {
    if index >= size {
        return Err(Code::IndexOutOfRange);
    }
    if proof.len() != inclusion_length(index, size) {
        return Err(Code::ProofLength);
    }
    let (mut index, mut last) = (index, size - 1);
    let mut node = leaf_hash(leaf_data);
    for sibling in proof {
        (index, last) = skip_levels_without_sibling(index, last);
        node = if index & 1 == 1 { node_hash(sibling, &node) } else { node_hash(&node, sibling) };
        (index, last) = (index >> 1, last >> 1);
    }
    if node == *root {
        Ok(())
    } else {
        Err(Code::RootMismatch)
    }
}

/// The right-most path has no sibling on the levels where its index is even.
fn skip_levels_without_sibling(mut index: u64, mut last: u64) -> (u64, u64) {
    while index & 1 == 0 && index == last && index > 0 {
        (index, last) = (index >> 1, last >> 1);
    }
    (index, last)
}

/// The first node of a consistency proof: the level at which the last old leaf's subtree is complete in the old log.
fn climb(from_size: u64, to_size: u64) -> (u64, u64) {
    let (index, last) = (from_size.saturating_sub(1), to_size.saturating_sub(1));
    let levels = index.trailing_ones();
    (index.checked_shr(levels).unwrap_or(0), last.checked_shr(levels).unwrap_or(0))
}

/// The one valid number of nodes of a consistency proof, for from_size ≤ to_size.
fn consistency_length(from_size: u64, to_size: u64) -> usize {
    if from_size == 0 || from_size == to_size {
        return 0;
    }
    let (index, last) = climb(from_size, to_size);
    usize::from(index > 0) + path_length(index, last)
}

/// Returns when the log (to_size, to_root) begins with the log (from_size, from_root).
///
/// Refuses with `SizeRegression`, `RootChanged` (same size, other root), `ProofLength`, `InconsistentLog`.
pub fn verify_consistency(
    from_size: u64,
    from_root: &H256,
    to_size: u64,
    to_root: &H256,
    proof: &[H256],
) -> Result<(), Code> {
    if from_size > to_size {
        return Err(Code::SizeRegression);
    }
    if from_size == to_size && from_root != to_root {
        return Err(Code::RootChanged);
    }
    if proof.len() != consistency_length(from_size, to_size) {
        return Err(Code::ProofLength);
    }
    if from_size == 0 {
        return if *from_root == empty_root() { Ok(()) } else { Err(Code::InconsistentLog) };
    }
    if from_size == to_size {
        return Ok(());
    }
    let (mut index, mut last) = climb(from_size, to_size);
    let mut nodes = proof.iter();
    // A complete old log is a subtree of the new one: its root is the first node, and is not sent.
    let first = if index > 0 { nodes.next().ok_or(Code::ProofLength)? } else { from_root };
    let (mut old, mut new) = (*first, *first);
    for sibling in nodes {
        (index, last) = skip_levels_without_sibling(index, last);
        if index & 1 == 1 {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
        } else {
            new = node_hash(&new, sibling);
        }
        (index, last) = (index >> 1, last >> 1);
    }
    if old == *from_root && new == *to_root {
        Ok(())
    } else {
        Err(Code::InconsistentLog)
    }
}
