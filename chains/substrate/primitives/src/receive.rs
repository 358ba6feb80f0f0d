//! Receiving a packet, in the order of docs/protocol.md section 9: bounds first, hashing last.
//!
//! Twins: `poft/verification/receive.py`, `Inbox.sol`.

use crate::{
    keccak,
    log::{verify_inclusion, MAX_PROOF},
    packet::{Packet, KIND_ACKNOWLEDGEMENT, KIND_CHECKPOINT, MAX_PAYLOAD, VERSION},
    Code, H256,
};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

/// A packet as it is delivered: its payload, and where it stands in the source's outbox.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct PacketProof {
    /// The packet.
    pub packet: Packet,
    /// Its payload.
    pub payload: Vec<u8>,
    /// Its index in the source's outbox.
    pub leaf_index: u64,
    /// Inclusion proof.
    pub proof: Vec<H256>,
}

/// What the destination's own state says about the next packet of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// This chain.
    pub own_domain: H256,
    /// The source.
    pub source_domain: H256,
    /// Endpoint there whose packets the application takes, zero: of none.
    pub sender: H256,
    /// The application's endpoint.
    pub receiver: H256,
    /// Endpoint there whose acknowledgements the inbox takes, zero: of none.
    pub inbox_peer: H256,
    /// The inbox's endpoint.
    pub inbox: H256,
    /// The nonce that is next.
    pub next_nonce: u64,
    /// Height of this chain.
    pub height: u64,
    /// Size of a finalised outbox of the source.
    pub outbox_size: u64,
    /// Its root.
    pub outbox_root: H256,
}

/// What is to be done with a packet that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Give it to the application.
    Dispatch,
    /// Consume it without effect.
    Expired,
}

/// Judges a delivered packet.
///
/// Refuses with `Oversize`, `WrongVersion`, `WrongKind`, `WrongSource`, `WrongDestination`, `WrongReceiver`,
/// `WrongSender`, `NonceReplayed`, `NonceGap`, with what an inclusion proof can be refused for, and `PayloadMismatch`.
pub fn check_packet(expected: &Expectation, delivered: &PacketProof) -> Result<Verdict, Code> {
    let packet = &delivered.packet;
    ensure(delivered.payload.len() <= MAX_PAYLOAD, Code::Oversize)?;
    ensure(delivered.proof.len() <= MAX_PROOF, Code::Oversize)?;
    ensure(packet.version == VERSION, Code::WrongVersion)?;
    ensure([KIND_CHECKPOINT, KIND_ACKNOWLEDGEMENT].contains(&packet.kind), Code::WrongKind)?;
    ensure(packet.source_domain == expected.source_domain, Code::WrongSource)?;
    ensure(packet.dest_domain == expected.own_domain, Code::WrongDestination)?;
    let registered = registered(expected, packet);
    ensure(!registered.is_zero(), Code::WrongReceiver)?;
    ensure(packet.sender == registered, Code::WrongSender)?;
    ensure(packet.nonce >= expected.next_nonce, Code::NonceReplayed)?;
    ensure(packet.nonce == expected.next_nonce, Code::NonceGap)?;
    verify_inclusion(
        packet.id().as_bytes(),
        delivered.leaf_index,
        expected.outbox_size,
        &delivered.proof,
        &expected.outbox_root,
    )?;
    if packet.expires_at > 0 && packet.expires_at < expected.height {
        return Ok(Verdict::Expired);
    }
    ensure(keccak(&delivered.payload) == packet.payload_hash, Code::PayloadMismatch)?;
    Ok(Verdict::Dispatch)
}

/// The one sender whose packets of this kind the receiver takes; zero = none.
fn registered(expected: &Expectation, packet: &Packet) -> H256 {
    let acknowledges = packet.kind == KIND_ACKNOWLEDGEMENT;
    if acknowledges != (packet.receiver == expected.inbox) {
        return H256::zero();
    }
    if acknowledges {
        expected.inbox_peer
    } else if packet.receiver == expected.receiver {
        expected.sender
    } else {
        H256::zero()
    }
}

/// `Ok` when a rule holds, else its code.
pub fn ensure(holds: bool, code: Code) -> Result<(), Code> {
    if holds {
        Ok(())
    } else {
        Err(code)
    }
}
