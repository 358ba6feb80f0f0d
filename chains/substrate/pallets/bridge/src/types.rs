//! What the bridge stores.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use poft_primitives::{
    acknowledgement::Fate,
    packet::{Packet, MAX_PAYLOAD},
    verifier::TrustState,
    Code, H256,
};
use polkadot_sdk::frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;

/// A payload in storage.
pub type Payload = BoundedVec<u8, ConstU32<{ MAX_PAYLOAD as u32 }>>;

/// A leaf of the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct OutboxEntry {
    /// The packet.
    pub packet: Packet,
    /// Its payload.
    pub payload: Payload,
    /// The block that appended it.
    pub height: u64,
}

/// A light client of one source.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Client {
    /// The scheme that judges its proofs.
    pub scheme: [u8; 4],
    /// What is believed about the source.
    pub state: TrustState,
    /// Counts recoveries.
    pub generation: u32,
    /// The source contradicted itself; only a recovery lifts this.
    pub frozen: bool,
    /// Seconds that a source may be ahead of this chain.
    pub max_drift: u64,
    /// Seconds after which a client without news serves no deliveries.
    pub staleness: u64,
    /// Position of the newest outbox in the ring.
    pub newest: u32,
    /// Entries of the ring that count.
    pub held: u32,
    /// The block of this chain that took the newest proof, or the genesis: there the proof is found again, since blocks
    /// keep no index of events. 0: taken before this was kept.
    pub updated_at: u64,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Outcome {
    /// The application took it.
    Dispatched,
    /// It came too late, and had no effect.
    Expired,
    /// The application refused it; `retry` is open.
    Failed(Code),
    /// Governance skipped its nonce; which packet it was is not known.
    Skipped,
}

/// A packet that was received, or a nonce that was skipped.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Delivery {
    /// The packet's id, zero for a skipped nonce.
    pub packet_id: H256,
    /// The generation of the client that vouched for it.
    pub generation: u32,
    /// The block that received it.
    pub height: u64,
    /// What became of it.
    pub outcome: Outcome,
}

/// What a destination said became of a packet.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Acknowledged {
    /// What became of it.
    pub fate: Fate,
    /// Who delivered it there.
    pub carrier: H256,
    /// Orders what this destination said.
    pub position: u64,
}
