//! Acknowledgements: what became of packets, told to the chain that sent them (docs/protocol.md section 9).
//!
//! The payload of a packet of kind 2 is `abi.encode(bytes32 carrier, (bytes32 packetId, uint8 fate)[])`. It travels as
//! any packet does, so the source believes it for the same reasons. Twins: `poft/protocol/acknowledgement.py`,
//! `Acknowledgements.sol`.

use crate::{
    abi::{words, AbiWord, WORD},
    packet::MAX_BATCH,
    Code, H256,
};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Carrier, offset, length.
const HEAD_WORDS: usize = 3;
/// Where the list begins: behind carrier and offset.
const OFFSET: u64 = 2 * WORD as u64;

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Fate {
    /// The application took it.
    Applied = 0,
    /// The application refused it; a retry may follow.
    Failed = 1,
    /// It came too late.
    Expired = 2,
}

impl TryFrom<u8> for Fate {
    type Error = Code;

    fn try_from(number: u8) -> Result<Self, Code> {
        [Self::Applied, Self::Failed, Self::Expired]
            .into_iter()
            .find(|fate| *fate as u8 == number)
            .ok_or(Code::Malformed)
    }
}

/// One batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Who delivered it: an EVM address padded on the left, or an account of 32 bytes.
    pub carrier: H256,
    /// What became of its packets, by id.
    pub fates: Vec<(H256, Fate)>,
}

impl Acknowledgement {
    /// The payload; `Oversize` for more packets than a batch has.
    pub fn encode(&self) -> Result<Vec<u8>, Code> {
        if self.fates.len() > MAX_BATCH {
            return Err(Code::Oversize);
        }
        let mut data = Vec::with_capacity(WORD * (HEAD_WORDS + 2 * self.fates.len()));
        data.extend_from_slice(self.carrier.as_bytes());
        data.extend_from_slice(&OFFSET.to_word());
        data.extend_from_slice(&(self.fates.len() as u64).to_word());
        for (packet_id, fate) in &self.fates {
            data.extend_from_slice(packet_id.as_bytes());
            data.extend_from_slice(&(*fate as u8).to_word());
        }
        Ok(data)
    }

    /// The inverse; takes the one canonical encoding only. `Oversize` for more than a batch, else `Malformed`.
    pub fn decode(data: &[u8]) -> Result<Self, Code> {
        if data.len() > WORD * (HEAD_WORDS + 2 * MAX_BATCH) {
            return Err(Code::Oversize);
        }
        let parts = words(data)?;
        let (head, entries) = parts.split_first_chunk::<HEAD_WORDS>().ok_or(Code::Malformed)?;
        let [carrier, offset, count] = head;
        let (pairs, rest) = entries.as_chunks::<2>();
        if u64::from_word(offset)? != OFFSET || u64::from_word(count)? != pairs.len() as u64 || !rest.is_empty() {
            return Err(Code::Malformed);
        }
        let fates = pairs.iter().map(|[id, fate]| Ok((H256(*id), u8::from_word(fate)?.try_into()?)));
        Ok(Self { carrier: H256(*carrier), fates: fates.collect::<Result<_, Code>>()? })
    }
}
