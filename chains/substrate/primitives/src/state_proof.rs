//! What an EVM chain's state holds, proven from a state root: EIP-1186 proofs (docs/protocol.md section 8, ESP1).
//!
//! A proof is two walks down Merkle-Patricia tries: from the state root to the account, from the account's storage root
//! to the slot. Encoded: for each walk one byte with the number of nodes, then each node behind its length in two bytes.
//! Keys are hashes, so every key has 64 nibbles: no node above a leaf has a value, and the leaf of an account or of a
//! word that is a hash is too long to be embedded in its parent. So each node on the way is listed and hashed. RLP is
//! read strictly: one encoding for each value, nothing left over.
//!
//! Twins: `poft/verification/state_proof.py`, `StateProof.sol`. Whatever the nodes are, the three give one answer: the
//! word, or `BadStateProof`.

use crate::{keccak, packed::Packed, receive::ensure, rlp::Item, Code, H160, H256};
use alloc::vec::Vec;

/// Nodes of one walk: a node takes at least one of 64 nibbles. Real tries are below 12 deep.
pub const MAX_NODES: usize = 64;
/// Bytes of the largest node, a branch with 16 children: 3 of header, 16 · 33 of hashes, 1 of an empty value.
pub const MAX_NODE: usize = 532;

const NIBBLES: usize = 64;
const BRANCH: usize = 17;

/// The nodes of both walks, each from the root down, as `eth_getProof` lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateProof<'a> {
    /// From the state root to the account.
    pub account: Vec<&'a [u8]>,
    /// From the account's storage root to the slot.
    pub storage: Vec<&'a [u8]>,
}

impl<'a> StateProof<'a> {
    /// Reads both walks: one byte with the number of nodes, then each node behind its length. `Malformed`, or `Oversize`.
    pub fn read(rest: &mut Packed<'a>) -> Result<Self, Code> {
        Ok(Self { account: nodes(rest)?, storage: nodes(rest)? })
    }

    /// The word in a storage slot of an account that both exist under this state root, or `BadStateProof`.
    pub fn slot(&self, state_root: &H256, account: &H160, slot: &H256) -> Result<H256, Code> {
        Ok(self.contract(state_root, account, slot)?.1)
    }

    /// The hash of the account's code and the word in its slot, both under this state root, or `BadStateProof`.
    pub fn contract(&self, state_root: &H256, account: &H160, slot: &H256) -> Result<(H256, H256), Code> {
        self.found(state_root, account, slot).ok_or(Code::BadStateProof)
    }

    fn found(&self, state_root: &H256, account: &H160, slot: &H256) -> Option<(H256, H256)> {
        let record = leaf(state_root, &keccak(account.as_bytes()), &self.account)?;
        let (storage_root, code_hash) = contents(record)?;
        let content = leaf(&storage_root, &keccak(slot.as_bytes()), &self.storage)?;
        let (number, rest) = Item::split(content)?;
        // A slot that holds zero is not stored.
        let bytes = number.number(32).filter(|bytes| rest.is_empty() && !bytes.is_empty())?;
        let mut word = [0; 32];
        word[32 - bytes.len()..].copy_from_slice(bytes);
        Some((code_hash, H256(word)))
    }
}

fn nodes<'a>(rest: &mut Packed<'a>) -> Result<Vec<&'a [u8]>, Code> {
    let count = usize::from(rest.u8()?);
    ensure(count <= MAX_NODES, Code::Oversize)?;
    let mut found = Vec::with_capacity(count);
    for _ in 0..count {
        let length = usize::from(rest.u16()?);
        ensure(length <= MAX_NODE, Code::Oversize)?;
        found.push(rest.bytes(length)?);
    }
    Ok(found)
}

/// What may stand beside the way in a branch: nothing, a hash, or a node too short to be hashed.
fn is_child(item: &Item) -> bool {
    if item.is_list {
        item.size < 32
    } else {
        matches!(item.content.len(), 0 | 32)
    }
}

/// What the trie with this root holds under a 32-byte key.
fn leaf<'a>(root: &H256, key: &H256, nodes: &[&'a [u8]]) -> Option<&'a [u8]> {
    let path: Vec<u8> = key.as_bytes().iter().flat_map(|byte| [byte >> 4, byte & 15]).collect();
    let (mut expected, mut rest) = (*root, &path[..]);
    for (index, node) in nodes.iter().enumerate() {
        if keccak(node) != expected {
            return None;
        }
        let items = Item::list(node)?;
        match (items.as_slice(), items.len()) {
            ([children @ .., value], BRANCH) => {
                // No key ends in a branch.
                let sound = children.iter().all(is_child) && value.string()?.is_empty();
                let (nibble, behind) = rest.split_first()?;
                expected = children.get(usize::from(*nibble)).filter(|_| sound)?.hash()?;
                rest = behind;
            }
            ([part, target], 2) => {
                let (is_leaf, part) = compact(part.string()?)?;
                rest = rest.strip_prefix(part.as_slice())?;
                if is_leaf {
                    let last = rest.is_empty() && index + 1 == nodes.len();
                    return target.string().filter(|_| last);
                }
                expected = target.hash().filter(|_| !part.is_empty())?;
            }
            _ => return None,
        }
    }
    None
}

/// Hex-prefix encoding: (is it a leaf's, nibbles). The high nibble is 2·leaf + odd; the low one is the first, or 0.
fn compact(encoded: &[u8]) -> Option<(bool, Vec<u8>)> {
    let (head, tail) = encoded.split_first()?;
    let (flags, first) = (head >> 4, head & 15);
    let odd = flags & 1 == 1;
    if flags > 3 || !(odd || first == 0) || 2 * tail.len() + usize::from(odd) > NIBBLES {
        return None;
    }
    let start = odd.then_some(first).into_iter();
    Some((flags > 1, start.chain(tail.iter().flat_map(|byte| [byte >> 4, byte & 15])).collect()))
}

/// Storage root and code hash of an account: exactly nonce, balance, storage root, code hash.
fn contents(record: &[u8]) -> Option<(H256, H256)> {
    let items = Item::list(record)?;
    let [nonce, balance, root, code] = items.as_slice() else { return None };
    nonce.number(8)?;
    balance.number(32)?;
    Some((root.hash()?, code.hash()?))
}
