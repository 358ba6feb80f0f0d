//! What the calls cost. Every weight grows with what a call brings: statements, parents, bytes.
//!
//! The constants are picoseconds, obtained like those of the bridge (README, Weights).

use polkadot_sdk::frame_support::weights::{constants::RocksDbWeight, Weight};

/// One secp256k1 recovery, the hash of its key and the hashes of a statement.
const STATEMENT: u64 = 80_000_000;
/// What any call of the pallet costs before it looks at its arguments.
const BASE: u64 = 20_000_000;
/// Work for one of up to 64 members where a call goes through all of them.
const MEMBER: u64 = 3_000_000;
/// Making or checking one checkpoint payload and appending it to the outbox.
const CHECKPOINT: u64 = 100_000_000;

/// What the calls cost.
pub trait WeightInfo {
    /// A governance call over so many items.
    fn govern(items: u64) -> Weight;
    /// Statements of one call, and the change of phase that the last of them may cause.
    fn statements(count: u64) -> Weight;
    /// Starting a round.
    fn start_round() -> Weight;
    /// Finalising a round, with the longest list of routes.
    fn finalise() -> Weight;
    /// Pushing a phase on.
    fn advance() -> Weight;
    /// Taking in a checkpoint of a peer.
    fn import(payload_bytes: u64) -> Weight;
}

impl WeightInfo for () {
    fn govern(items: u64) -> Weight {
        Weight::from_parts(BASE, 10_000)
            .saturating_add(RocksDbWeight::get().reads_writes(4, 4))
            .saturating_add(RocksDbWeight::get().reads_writes(2, 2).saturating_mul(items))
    }

    fn statements(count: u64) -> Weight {
        Self::advance()
            .saturating_add(Weight::from_parts(STATEMENT.saturating_mul(count), 0))
            .saturating_add(RocksDbWeight::get().reads_writes(3, 2).saturating_mul(count))
    }

    fn start_round() -> Weight {
        Weight::from_parts(BASE.saturating_add(MEMBER.saturating_mul(64)), 10_000)
            .saturating_add(RocksDbWeight::get().reads_writes(6, 4))
    }

    fn finalise() -> Weight {
        // 64 updates and 64 votes are read, 32 routes get a packet each.
        let time = BASE.saturating_add(MEMBER.saturating_mul(128)).saturating_add(CHECKPOINT.saturating_mul(32));
        Weight::from_parts(time, 50_000).saturating_add(RocksDbWeight::get().reads_writes(150 + 32 * 4, 5 + 32 * 4))
    }

    fn advance() -> Weight {
        // A tally reads 64 verdicts.
        Weight::from_parts(BASE.saturating_add(MEMBER.saturating_mul(64)), 20_000)
            .saturating_add(RocksDbWeight::get().reads_writes(68, 2))
    }

    fn import(payload_bytes: u64) -> Weight {
        Weight::from_parts(CHECKPOINT.saturating_add(payload_bytes.saturating_mul(5_000)), 5_000)
            .saturating_add(RocksDbWeight::get().reads_writes(5, 4))
    }
}
