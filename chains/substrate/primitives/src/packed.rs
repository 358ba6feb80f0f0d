//! Packed bytes: fields one behind the other, integers big endian, no padding. Genesis and proof of a scheme are encoded
//! so (docs/protocol.md section 8), whatever chain they are shown to.

use crate::{Code, H160, H256};
use alloc::vec::Vec;

/// Bytes that are read field by field, from the front. What is not there is `Malformed`.
#[derive(Clone, Debug)]
pub struct Packed<'a>(&'a [u8]);

impl<'a> Packed<'a> {
    /// Reads from the first of these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next bytes.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Code> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Code::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Code> {
        self.bytes(N)?.try_into().map_err(|_| Code::Malformed)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Result<u8, Code> {
        self.array().map(u8::from_be_bytes)
    }

    /// The next two bytes.
    pub fn u16(&mut self) -> Result<u16, Code> {
        self.array().map(u16::from_be_bytes)
    }

    /// The next four bytes.
    pub fn u32(&mut self) -> Result<u32, Code> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next eight bytes.
    pub fn u64(&mut self) -> Result<u64, Code> {
        self.array().map(u64::from_be_bytes)
    }

    /// The next 32 bytes.
    pub fn h256(&mut self) -> Result<H256, Code> {
        self.array().map(H256)
    }

    /// The next 20 bytes.
    pub fn address(&mut self) -> Result<H160, Code> {
        self.array().map(H160)
    }

    /// So many addresses of 20 bytes. The caller has bounded `count`.
    pub fn addresses(&mut self, count: usize) -> Result<Vec<H160>, Code> {
        (0..count).map(|_| self.address()).collect()
    }

    /// So many words of 32 bytes. The caller has bounded `count`.
    pub fn hashes(&mut self, count: usize) -> Result<Vec<H256>, Code> {
        (0..count).map(|_| self.h256()).collect()
    }

    /// Bytes that were not read yet.
    pub fn left(&self) -> usize {
        self.0.len()
    }

    /// Returns when every byte was read.
    pub fn finish(self) -> Result<(), Code> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Code::Malformed)
        }
    }
}
