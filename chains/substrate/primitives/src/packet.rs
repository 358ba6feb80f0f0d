//! Packets: what one chain announces to another (docs/protocol.md section 6).

use crate::{abi::AbiStruct, abi_struct, H256};

/// The version of packets that this code makes and takes.
pub const VERSION: u8 = 1;
/// Bytes of a payload: a checkpoint with 8 parents needs 23 words = 736.
pub const MAX_PAYLOAD: usize = 4096;
/// Packets in one delivery.
pub const MAX_BATCH: usize = 32;
/// Kind of a packet that announces a checkpoint.
pub const KIND_CHECKPOINT: u8 = 1;
/// Kind of a packet that tells what became of packets.
pub const KIND_ACKNOWLEDGEMENT: u8 = 2;

abi_struct! {
    /// One packet.
    pub struct Packet = "Packet(uint8 version,uint8 kind,bytes32 sourceDomain,bytes32 destDomain,uint64 nonce,bytes32 sender,bytes32 receiver,uint64 expiresAt,bytes32 payloadHash)" {
        /// [`VERSION`].
        pub version: u8,
        /// What the payload is.
        pub kind: u8,
        /// Where it was appended.
        pub source_domain: H256,
        /// For whom it is.
        pub dest_domain: H256,
        /// Dense from 0 per (source, destination).
        pub nonce: u64,
        /// Endpoint on the source.
        pub sender: H256,
        /// Endpoint on the destination.
        pub receiver: H256,
        /// Destination height after which it has no effect, 0 = never.
        pub expires_at: u64,
        /// keccak of the payload.
        pub payload_hash: H256,
    }
}

impl Packet {
    /// The packet's id, which is its leaf data in the outbox.
    pub fn id(&self) -> H256 {
        self.struct_hash()
    }
}
