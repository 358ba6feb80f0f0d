//! Block headers of an EVM chain as they are hashed: RLP, every field bounded and in its one encoding.
//!
//! | field | bytes | field | bytes |
//! |---|---|---|---|
//! | 0 parent, 1 uncles | 32 | 12 `extraData` | any |
//! | 2 coinbase | 20 | 13 mix | 32 |
//! | 3 state root, 4 transactions, 5 receipts | 32 | 14 nonce | 8 |
//! | 6 bloom | 256 | 15 base fee (London) | number |
//! | 7 difficulty, 8 number, 9 gas limit, 10 gas used, 11 time | number | 16 withdrawals (Shanghai) | 32 |
//! | | | 17, 18 blob gas; 19 beacon root (Cancun), 20 requests | number; 32 |
//!
//! Who seals a block writes that into `extraData`, and signs the header with another `extraData`: one without the
//! signatures. Twin: `poft/verification/headers.py`.

use crate::{
    keccak,
    rlp::{listed, string, Item},
    Code, H256,
};

/// Bytes: QBFT's header with 64 validators and as many seals has 6,300.
pub const MAX_HEADER: usize = 8192;

const MIN_FIELDS: usize = 15;
/// Position of `extraData`.
const EXTRA: usize = 12;

/// What a field holds.
#[derive(Clone, Copy)]
enum Width {
    Bytes(usize),
    /// At most 8 bytes, no leading zero. Base fees of more do not occur.
    Number,
    Any,
}

/// Of each field; their number is the largest of a header.
const WIDTHS: [Width; 21] = {
    use Width::{Any, Bytes, Number};
    [
        Bytes(32),
        Bytes(32),
        Bytes(20),
        Bytes(32),
        Bytes(32),
        Bytes(32),
        Bytes(256),
        Number,
        Number,
        Number,
        Number,
        Number,
        Any,
        Bytes(32),
        Bytes(8),
        Number,
        Bytes(32),
        Number,
        Number,
        Bytes(32),
        Bytes(32),
    ]
};

/// A header and what schemes look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// As it is hashed.
    pub encoded: &'a [u8],
    /// Number of its fields.
    pub fields: usize,
    /// Hash of the block before.
    pub parent: H256,
    /// Root of its state.
    pub state_root: H256,
    /// Its weight.
    pub difficulty: u64,
    /// Its height.
    pub number: u64,
    /// Its time in seconds.
    pub timestamp: u64,
    /// `extraData`.
    pub extra: &'a [u8],
    /// The mix hash.
    pub mix: H256,
    before: &'a [u8],
    behind: &'a [u8],
}

impl<'a> Header<'a> {
    /// Reads a header strictly, or `Malformed`; nothing is hashed.
    pub fn decode(encoded: &'a [u8]) -> Result<Self, Code> {
        Self::read(encoded).ok_or(Code::Malformed)
    }

    fn read(encoded: &'a [u8]) -> Option<Self> {
        let items = Item::list(encoded)?;
        let sound = items.len() >= MIN_FIELDS && items.len() <= WIDTHS.len();
        if !sound || !items.iter().zip(WIDTHS).all(|(item, width)| fits(item, width)) {
            return None;
        }
        let content = Item::split(encoded)?.0.content;
        let start = items.iter().take(EXTRA).map(|item| item.size).sum();
        let (before, rest) = content.split_at_checked(start)?;
        let (extra, behind) = Item::split(rest)?;
        let [parent, _, _, state_root, _, _, _, difficulty, number, _, _, timestamp, _, mix, ..] = items.as_slice()
        else {
            return None;
        };
        Some(Self {
            encoded,
            fields: items.len(),
            parent: parent.hash()?,
            state_root: state_root.hash()?,
            difficulty: difficulty.integer()?,
            number: number.integer()?,
            timestamp: timestamp.integer()?,
            extra: extra.content,
            mix: mix.hash()?,
            before,
            behind,
        })
    }

    /// keccak of the whole.
    pub fn hash(&self) -> H256 {
        keccak(self.encoded)
    }

    /// keccak of the header with another `extraData`.
    pub fn hash_with(&self, extra: &[u8]) -> H256 {
        keccak(&listed(&[self.before, &string(extra), self.behind]))
    }
}

fn fits(item: &Item, width: Width) -> bool {
    !item.is_list
        && match width {
            Width::Any => true,
            Width::Bytes(count) => item.content.len() == count,
            Width::Number => item.number(8).is_some(),
        }
}
