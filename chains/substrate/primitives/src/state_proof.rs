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

use crate::{keccak, packed::Packed, receive::ensure, Code, H160, H256};
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
        self.word(state_root, account, slot).ok_or(Code::BadStateProof)
    }

    fn word(&self, state_root: &H256, account: &H160, slot: &H256) -> Option<H256> {
        let record = leaf(state_root, &keccak(account.as_bytes()), &self.account)?;
        let content = leaf(&storage_root(record)?, &keccak(slot.as_bytes()), &self.storage)?;
        let (number, rest) = Item::split(content)?;
        // A slot that holds zero is not stored.
        let bytes = number.number(32).filter(|bytes| rest.is_empty() && !bytes.is_empty())?;
        let mut word = [0; 32];
        word[32 - bytes.len()..].copy_from_slice(bytes);
        Some(H256(word))
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

/// One RLP item. `size` counts its header as well.
#[derive(Clone, Copy)]
struct Item<'a> {
    is_list: bool,
    content: &'a [u8],
    size: usize,
}

impl<'a> Item<'a> {
    /// The first item in its shortest encoding (Yellow Paper, appendix B), and what follows it.
    fn split(data: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&first, behind) = data.split_first()?;
        if first < 0x80 {
            return Some((Item { is_list: false, content: data.get(..1)?, size: 1 }, behind));
        }
        let is_list = first >= 0xc0;
        let kind = usize::from(first) - if is_list { 0xc0 } else { 0x80 };
        let (digits, behind) = behind.split_at_checked(kind.saturating_sub(55))?;
        let length = match digits.first() {
            None => kind,
            Some(0) => return None,
            Some(_) => {
                digits.iter().try_fold(0usize, |high, byte| high.checked_mul(256)?.checked_add((*byte).into()))?
            }
        };
        let (content, rest) = behind.split_at_checked(length)?;
        let minimal = (digits.is_empty() || length > 55) && (is_list || length != 1 || *content.first()? >= 0x80);
        minimal.then_some((Item { is_list, content, size: data.len() - rest.len() }, rest))
    }

    /// The items of a list that is all of `data`.
    fn list(data: &'a [u8]) -> Option<Vec<Self>> {
        let (whole, behind) = Item::split(data)?;
        if !whole.is_list || !behind.is_empty() {
            return None;
        }
        let (mut items, mut rest) = (Vec::with_capacity(BRANCH), whole.content);
        while !rest.is_empty() {
            let (item, behind) = Item::split(rest)?;
            items.push(item);
            rest = behind;
        }
        Some(items)
    }

    fn string(&self) -> Option<&'a [u8]> {
        (!self.is_list).then_some(self.content)
    }

    fn hash(&self) -> Option<H256> {
        self.string()?.try_into().ok().map(H256)
    }

    /// A number without leading zeros, of at most `size` bytes.
    fn number(&self, size: usize) -> Option<&'a [u8]> {
        self.string().filter(|bytes| bytes.len() <= size && bytes.first() != Some(&0))
    }

    /// What may stand beside the way in a branch: nothing, a hash, or a node too short to be hashed.
    fn is_child(&self) -> bool {
        if self.is_list {
            self.size < 32
        } else {
            matches!(self.content.len(), 0 | 32)
        }
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
                let sound = children.iter().all(Item::is_child) && value.string()?.is_empty();
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

/// Of an account: exactly nonce, balance, storage root, code hash.
fn storage_root(record: &[u8]) -> Option<H256> {
    let items = Item::list(record)?;
    let [nonce, balance, root, code] = items.as_slice() else { return None };
    nonce.number(8)?;
    balance.number(32)?;
    code.hash()?;
    root.hash()
}
