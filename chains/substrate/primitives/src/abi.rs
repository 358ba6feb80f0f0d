//! `abi.encode` of static values, and EIP-712 hashing of flat structs (docs/protocol.md section 2).
//!
//! A word is 32 bytes, big endian. Everything that is hashed on both kinds of chain goes through here.

use crate::{keccak, Code, H160, H256};
use alloc::vec::Vec;

/// Bytes of a word.
pub const WORD: usize = 32;

/// A value of one ABI word.
pub trait AbiWord: Sized {
    /// The value as a word.
    fn to_word(&self) -> [u8; WORD];

    /// The inverse; `Malformed` when bits above the type are set.
    fn from_word(word: &[u8; WORD]) -> Result<Self, Code>;
}

macro_rules! uint_word {
    ($($uint:ty),+) => {$(
        impl AbiWord for $uint {
            fn to_word(&self) -> [u8; WORD] {
                let mut word = [0; WORD];
                word[WORD - core::mem::size_of::<$uint>()..].copy_from_slice(&self.to_be_bytes());
                word
            }

            fn from_word(word: &[u8; WORD]) -> Result<Self, Code> {
                let (padding, value) = word.split_at(WORD - core::mem::size_of::<$uint>());
                if padding.iter().any(|byte| *byte != 0) {
                    return Err(Code::Malformed);
                }
                value.try_into().map(<$uint>::from_be_bytes).map_err(|_| Code::Malformed)
            }
        }
    )+};
}

uint_word!(u8, u16, u32, u64);

impl AbiWord for H256 {
    fn to_word(&self) -> [u8; WORD] {
        self.0
    }

    fn from_word(word: &[u8; WORD]) -> Result<Self, Code> {
        Ok(H256(*word))
    }
}

impl AbiWord for H160 {
    fn to_word(&self) -> [u8; WORD] {
        let mut word = [0; WORD];
        word[12..].copy_from_slice(&self.0);
        word
    }

    fn from_word(word: &[u8; WORD]) -> Result<Self, Code> {
        let (padding, address) = word.split_at(12);
        if padding.iter().any(|byte| *byte != 0) {
            return Err(Code::Malformed);
        }
        Ok(H160::from_slice(address))
    }
}

/// Splits bytes into words; a remainder is `Malformed`.
pub fn words(data: &[u8]) -> Result<Vec<[u8; WORD]>, Code> {
    if !data.len().is_multiple_of(WORD) {
        return Err(Code::Malformed);
    }
    data.chunks_exact(WORD).map(|chunk| chunk.try_into().map_err(|_| Code::Malformed)).collect()
}

/// A flat EIP-712 struct: one word a field.
pub trait AbiStruct: Sized {
    /// The EIP-712 type string.
    const TYPE: &'static str;
    /// Number of fields.
    const FIELDS: usize;

    /// `abi.encode` of the fields.
    fn encode_words(&self) -> Vec<u8>;

    /// The inverse of [`AbiStruct::encode_words`]; `Malformed` for another number of words and for dirty padding.
    fn decode_words(words: &[[u8; WORD]]) -> Result<Self, Code>;

    /// EIP-712 `hashStruct`: keccak(typeHash ‖ fields).
    fn struct_hash(&self) -> H256 {
        let mut data = Vec::with_capacity(WORD * (1 + Self::FIELDS));
        data.extend_from_slice(keccak(Self::TYPE.as_bytes()).as_bytes());
        data.extend_from_slice(&self.encode_words());
        keccak(&data)
    }
}

/// Declares a struct together with its [`AbiStruct`] implementation; the type string stands beside the fields.
#[macro_export]
macro_rules! abi_struct {
    (
        $(#[$meta:meta])*
        pub struct $name:ident = $type:literal {
            $($(#[$field_meta:meta])* pub $field:ident: $kind:ty,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(
            Clone,
            Debug,
            PartialEq,
            Eq,
            codec::Encode,
            codec::Decode,
            codec::DecodeWithMemTracking,
            codec::MaxEncodedLen,
            scale_info::TypeInfo,
        )]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $kind,)+
        }

        impl $crate::abi::AbiStruct for $name {
            const TYPE: &'static str = $type;
            const FIELDS: usize = [$(stringify!($field)),+].len();

            fn encode_words(&self) -> alloc::vec::Vec<u8> {
                let mut data = alloc::vec::Vec::with_capacity(Self::FIELDS * $crate::abi::WORD);
                $(data.extend_from_slice(&$crate::abi::AbiWord::to_word(&self.$field));)+
                data
            }

            fn decode_words(words: &[[u8; $crate::abi::WORD]]) -> Result<Self, $crate::Code> {
                if words.len() != Self::FIELDS {
                    return Err($crate::Code::Malformed);
                }
                let mut words = words.iter();
                Ok(Self {
                    $($field: $crate::abi::AbiWord::from_word(words.next().ok_or($crate::Code::Malformed)?)?,)+
                })
            }
        }
    };
}

/// EIP-712 separator over (name, version, salt); the salt is the domain of a chain.
pub fn separator(name: &str, version: &str, salt: &H256) -> H256 {
    let mut data = Vec::with_capacity(4 * WORD);
    data.extend_from_slice(keccak(b"EIP712Domain(string name,string version,bytes32 salt)").as_bytes());
    data.extend_from_slice(keccak(name.as_bytes()).as_bytes());
    data.extend_from_slice(keccak(version.as_bytes()).as_bytes());
    data.extend_from_slice(salt.as_bytes());
    keccak(&data)
}

/// What is signed: keccak(0x19 0x01 ‖ separator ‖ hashStruct).
pub fn typed_digest<S: AbiStruct>(separator: &H256, signed: &S) -> H256 {
    let mut data = Vec::with_capacity(2 + 2 * WORD);
    data.extend_from_slice(&[0x19, 0x01]);
    data.extend_from_slice(separator.as_bytes());
    data.extend_from_slice(signed.struct_hash().as_bytes());
    keccak(&data)
}
