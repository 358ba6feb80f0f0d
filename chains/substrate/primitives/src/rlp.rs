//! RLP, read strictly: one encoding for each value, nothing left over (Yellow Paper, appendix B). Whoever reads says with
//! which code it refuses what is `None` here: the nodes of a trie and the fields of a header offend different rules.
//!
//! Twin: `poft/verification/rlp.py`.

use crate::H256;
use alloc::vec::Vec;

/// One item. `size` counts its header as well.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// Whether `content` are encoded items.
    pub is_list: bool,
    /// A string's bytes, or a list's encoded items.
    pub content: &'a [u8],
    /// Bytes of the whole.
    pub size: usize,
}

impl<'a> Item<'a> {
    /// The first item in its shortest encoding, and what follows it.
    pub fn split(data: &'a [u8]) -> Option<(Self, &'a [u8])> {
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

    /// The items that make up a list's content.
    pub fn items(content: &'a [u8]) -> Option<Vec<Self>> {
        let (mut items, mut rest) = (Vec::new(), content);
        while !rest.is_empty() {
            let (item, behind) = Item::split(rest)?;
            items.push(item);
            rest = behind;
        }
        Some(items)
    }

    /// The items of a list that is all of `data`.
    pub fn list(data: &'a [u8]) -> Option<Vec<Self>> {
        let (whole, behind) = Item::split(data)?;
        (whole.is_list && behind.is_empty()).then_some(whole.content).and_then(Item::items)
    }

    /// A string's bytes.
    pub fn string(&self) -> Option<&'a [u8]> {
        (!self.is_list).then_some(self.content)
    }

    /// A string of 32 bytes.
    pub fn hash(&self) -> Option<H256> {
        self.string()?.try_into().ok().map(H256)
    }

    /// A number without leading zeros, of at most `size` bytes.
    pub fn number(&self, size: usize) -> Option<&'a [u8]> {
        self.string().filter(|bytes| bytes.len() <= size && bytes.first() != Some(&0))
    }

    /// A number of at most eight bytes.
    pub fn integer(&self) -> Option<u64> {
        Some(self.number(8)?.iter().fold(0, |high, byte| high << 8 | u64::from(*byte)))
    }
}

/// A string's encoding.
pub fn string(content: &[u8]) -> Vec<u8> {
    if let [byte @ 0..=0x7f] = content {
        return alloc::vec![*byte];
    }
    [&head(0x80, content.len()), content].concat()
}

/// The encoding of a list of items that are encoded already.
pub fn listed(encoded: &[&[u8]]) -> Vec<u8> {
    let content = encoded.concat();
    [head(0xc0, content.len()), content].concat()
}

fn head(kind: u8, length: usize) -> Vec<u8> {
    if length <= 55 {
        // Nothing is lost: the sum is below 256.
        return alloc::vec![kind + length as u8];
    }
    let digits: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    [&[kind + 55 + digits.len() as u8][..], &digits].concat()
}
