//! What the bridge and the applications on this chain need of each other.

use poft_primitives::{packet::Packet, Code, H256};
use polkadot_sdk::frame_support::weights::Weight;

/// An application behind the inbox.
pub trait PacketReceiver {
    /// Its endpoint.
    fn endpoint() -> H256;

    /// What one packet costs it at most.
    fn weight(payload_bytes: usize) -> Weight;

    /// Called once for a verified packet whose payload matches. A refusal undoes what the call did; it leaves the packet
    /// consumed, with the failure stored and open to `retry`.
    fn receive(packet: &Packet, payload: &[u8]) -> Result<(), Code>;
}

/// The bridge as an application sees it: only pallets of this runtime can call it, each for its own endpoint.
pub trait Bridge {
    /// This chain's domain.
    fn domain() -> H256;

    /// Appends a packet to the outbox and returns its id. `expires_at` is a height of the destination, 0 = never.
    ///
    /// Refuses with `WrongKind` (of all but checkpoints), `Halted`, `ZeroValue`, `WrongDestination` (this chain), `Oversize`.
    fn send(
        sender: H256,
        kind: u8,
        dest_domain: H256,
        receiver: H256,
        expires_at: u64,
        payload: &[u8],
    ) -> Result<H256, Code>;

    /// From now on `receiver`, an application of this runtime, takes packets of this sender on this source, and of no
    /// other there.
    ///
    /// Refuses with `ZeroValue`, `WrongDomain` (this chain), `WrongReceiver` (no application behind the inbox).
    fn accept_from(source_domain: H256, receiver: H256, sender: H256) -> Result<(), Code>;
}
