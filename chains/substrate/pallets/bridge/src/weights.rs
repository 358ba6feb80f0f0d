//! What the calls cost. Every weight grows with what a call brings: signatures, hashes, packets, bytes.
//!
//! The constants are picoseconds: what `primitives/examples/cost.rs` measures natively (README, Weights), doubled for
//! what is done in host functions and taken four times for what is done in WebAssembly.

use poft_primitives::verifier::Work;
use polkadot_sdk::frame_support::weights::{constants::RocksDbWeight, Weight};

/// One secp256k1 recovery and the hash of its key.
const RECOVERY: u64 = 60_000_000;
/// One keccak of a few words, and the WebAssembly around it.
const HASH: u64 = 2_000_000;
/// One pairing of BLS12-381 in WebAssembly, without host functions for it.
const PAIRING: u64 = 20_000_000_000;
/// Decoding, copying and hashing one byte.
const BYTE: u64 = 5_000;
/// What any call of the pallet costs before it looks at its arguments.
const BASE: u64 = 20_000_000;

/// What the calls cost.
pub trait WeightInfo {
    /// Checking a finality proof of so many bytes and storing what it established.
    fn update(work: Work, bytes: u64) -> Weight;
    /// Checking and recording one packet, without what its application does.
    fn packet(proof_nodes: u64, payload_bytes: u64) -> Weight;
    /// Telling a source what became of so many packets: one packet in the outbox.
    fn acknowledge(packets: u64) -> Weight;
    /// Keeping what an acknowledgement of so many bytes says.
    fn record_acknowledgement(payload_bytes: u64) -> Weight;
    /// Finding the outbox that packets are proven against, and what else is looked up once a call.
    fn receive() -> Weight;
    /// A call that reads and writes a handful of values.
    fn fixed() -> Weight;
    /// Creating or recovering a client from a genesis of so many bytes.
    fn create(bytes: u64) -> Weight;
    /// The digest item of every block.
    fn on_finalize() -> Weight;
}

impl WeightInfo for () {
    fn update(work: Work, bytes: u64) -> Weight {
        let time = BASE
            .saturating_add(BYTE.saturating_mul(bytes))
            .saturating_add(RECOVERY.saturating_mul(work.signatures))
            .saturating_add(PAIRING.saturating_mul(work.pairings))
            .saturating_add(HASH.saturating_mul(work.hashes.saturating_add(8)));
        Weight::from_parts(time, 4_000).saturating_add(RocksDbWeight::get().reads_writes(4, 3))
    }

    fn packet(proof_nodes: u64, payload_bytes: u64) -> Weight {
        let time = BASE
            .saturating_add(HASH.saturating_mul(proof_nodes.saturating_add(4)))
            .saturating_add(BYTE.saturating_mul(payload_bytes));
        Weight::from_parts(time, 4_000).saturating_add(RocksDbWeight::get().reads_writes(3, 2))
    }

    fn acknowledge(packets: u64) -> Weight {
        // Id, payload and a leaf of the log are hashed; a packet's part of the payload has 64 bytes.
        let time = BASE
            .saturating_add(HASH.saturating_mul(64 + 8))
            .saturating_add(BYTE.saturating_mul(packets.saturating_mul(64)));
        // Sending halted, domain, nonce, log; nonce, log, packet.
        Weight::from_parts(time, 4_000).saturating_add(RocksDbWeight::get().reads_writes(4, 3))
    }

    fn record_acknowledgement(payload_bytes: u64) -> Weight {
        let fates = payload_bytes / 64;
        let accesses = fates.saturating_add(1);
        Weight::from_parts(BASE.saturating_add(HASH.saturating_mul(fates)), 4_000)
            .saturating_add(RocksDbWeight::get().reads_writes(accesses, accesses))
    }

    fn receive() -> Weight {
        // Domain, halt, client (three times), two senders and nonce; 8 halvings of the ring of 256.
        Weight::from_parts(BASE, 4_000).saturating_add(RocksDbWeight::get().reads_writes(8 + 8, 1))
    }

    fn fixed() -> Weight {
        Weight::from_parts(BASE, 4_000).saturating_add(RocksDbWeight::get().reads_writes(4, 4))
    }

    fn create(bytes: u64) -> Weight {
        // A scheme may check every key of its first committee: at 20 bytes a key, a hash each.
        let time = BYTE.saturating_add(HASH / 20).saturating_mul(bytes);
        Self::fixed().saturating_add(Weight::from_parts(time, 0))
    }

    fn on_finalize() -> Weight {
        // At most 64 peaks are folded into the root.
        Weight::from_parts(BASE.saturating_add(HASH.saturating_mul(64)), 3_000)
            .saturating_add(RocksDbWeight::get().reads_writes(2, 1))
    }
}
