//! What the benchmarks of this pallet cost (`src/benchmarking.rs`): generated, not edited. README, Weights.
//!
//! Compiled WebAssembly on AMD EPYC, two cores shared with other builds, 2026-11-21:
//! the fastest run at each of several values, and half of it on top.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(missing_docs)]

use core::marker::PhantomData;
use polkadot_sdk::{
    frame_support::{
        traits::Get,
        weights::{constants::RocksDbWeight, Weight},
    },
    frame_system,
};

/// Weights of what is measured.
pub trait WeightInfo {
    fn admit(n: u32) -> Weight;
    fn expel(n: u32) -> Weight;
    fn create_task() -> Weight;
    fn set_peer() -> Weight;
    fn set_routes(n: u32) -> Weight;
    fn set_halted() -> Weight;
    fn set_members(n: u32) -> Weight;
    fn start_round() -> Weight;
    fn submit_updates(n: u32) -> Weight;
    fn submit_verdicts(n: u32) -> Weight;
    fn submit_votes(n: u32) -> Weight;
    fn finalise(p: u32, r: u32) -> Weight;
    fn advance_verifying() -> Weight;
    fn advance_aggregating() -> Weight;
    fn import() -> Weight;
}

/// With the runtime's own costs of storage.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    /// `n` from 1 to 64.
    fn admit(n: u32) -> Weight {
        Weight::from_parts(162_721_629, 6_098)
            .saturating_add(Weight::from_parts(17_553_214, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(2))
            .saturating_add(T::DbWeight::get().reads(2).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().writes(2))
            .saturating_add(T::DbWeight::get().writes(1).saturating_mul(n.into()))
    }
    /// `n` from 1 to 64.
    fn expel(n: u32) -> Weight {
        Weight::from_parts(140_589_549, 4_925)
            .saturating_add(Weight::from_parts(12_065_856, 29).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(2))
            .saturating_add(T::DbWeight::get().reads(1).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().writes(2))
            .saturating_add(T::DbWeight::get().writes(1).saturating_mul(n.into()))
    }
    fn create_task() -> Weight {
        Weight::from_parts(48_085_500, 73)
            .saturating_add(T::DbWeight::get().reads(2))
            .saturating_add(T::DbWeight::get().writes(3))
    }
    fn set_peer() -> Weight {
        Weight::from_parts(55_807_500, 201)
            .saturating_add(T::DbWeight::get().reads(3))
            .saturating_add(T::DbWeight::get().writes(2))
    }
    /// `n` from 0 to 32.
    fn set_routes(n: u32) -> Weight {
        Weight::from_parts(18_284_590, 128)
            .saturating_add(Weight::from_parts(1_217_602, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(1))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    fn set_halted() -> Weight {
        Weight::from_parts(8_968_500, 0)
            .saturating_add(T::DbWeight::get().writes(1))
    }
    /// `n` from 1 to 64.
    fn set_members(n: u32) -> Weight {
        Weight::from_parts(230_923_500, 6_181)
            .saturating_add(Weight::from_parts(160_452_072, 91).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(5))
            .saturating_add(T::DbWeight::get().reads(2).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().writes(2))
            .saturating_add(T::DbWeight::get().writes(1).saturating_mul(n.into()))
    }
    fn start_round() -> Weight {
        Weight::from_parts(91_081_500, 3_974)
            .saturating_add(T::DbWeight::get().reads(4))
            .saturating_add(T::DbWeight::get().writes(2))
    }
    /// `n` from 1 to 64.
    fn submit_updates(n: u32) -> Weight {
        Weight::from_parts(216_022_500, 4_592)
            .saturating_add(Weight::from_parts(139_087_627, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(6))
            .saturating_add(T::DbWeight::get().writes(2))
            .saturating_add(T::DbWeight::get().writes(1).saturating_mul(n.into()))
    }
    /// `n` from 1 to 64.
    fn submit_verdicts(n: u32) -> Weight {
        Weight::from_parts(400_321_906, 14_402)
            .saturating_add(Weight::from_parts(129_020_362, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(70))
            .saturating_add(T::DbWeight::get().writes(2))
            .saturating_add(T::DbWeight::get().writes(1).saturating_mul(n.into()))
    }
    /// `n` from 1 to 64.
    fn submit_votes(n: u32) -> Weight {
        Weight::from_parts(249_957_000, 4_586)
            .saturating_add(Weight::from_parts(165_693_054, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(6))
            .saturating_add(T::DbWeight::get().writes(2))
            .saturating_add(T::DbWeight::get().writes(1).saturating_mul(n.into()))
    }
    /// `p` from 1 to 8.
    /// `r` from 0 to 32.
    fn finalise(p: u32, r: u32) -> Weight {
        Weight::from_parts(3_920_434_410, 36_813)
            .saturating_add(Weight::from_parts(0, 708).saturating_mul(p.into()))
            .saturating_add(Weight::from_parts(103_209_813, 65).saturating_mul(r.into()))
            .saturating_add(T::DbWeight::get().reads(136))
            .saturating_add(T::DbWeight::get().reads(1).saturating_mul(p.into()))
            .saturating_add(T::DbWeight::get().reads(2).saturating_mul(r.into()))
            .saturating_add(T::DbWeight::get().writes(4))
            .saturating_add(T::DbWeight::get().writes(3).saturating_mul(r.into()))
    }
    fn advance_verifying() -> Weight {
        Weight::from_parts(906_871_500, 14_228)
            .saturating_add(T::DbWeight::get().reads(69))
            .saturating_add(T::DbWeight::get().writes(2))
    }
    fn advance_aggregating() -> Weight {
        Weight::from_parts(1_004_367_000, 13_870)
            .saturating_add(T::DbWeight::get().reads(70))
            .saturating_add(T::DbWeight::get().writes(2))
    }
    fn import() -> Weight {
        Weight::from_parts(112_366_500, 1_067)
            .saturating_add(T::DbWeight::get().reads(5))
            .saturating_add(T::DbWeight::get().writes(4))
    }
}

/// For mock runtimes: storage costs what RocksDB costs.
impl WeightInfo for () {
    /// `n` from 1 to 64.
    fn admit(n: u32) -> Weight {
        Weight::from_parts(162_721_629, 6_098)
            .saturating_add(Weight::from_parts(17_553_214, 0).saturating_mul(n.into()))
            .saturating_add(RocksDbWeight::get().reads(2))
            .saturating_add(RocksDbWeight::get().reads(2).saturating_mul(n.into()))
            .saturating_add(RocksDbWeight::get().writes(2))
            .saturating_add(RocksDbWeight::get().writes(1).saturating_mul(n.into()))
    }
    /// `n` from 1 to 64.
    fn expel(n: u32) -> Weight {
        Weight::from_parts(140_589_549, 4_925)
            .saturating_add(Weight::from_parts(12_065_856, 29).saturating_mul(n.into()))
            .saturating_add(RocksDbWeight::get().reads(2))
            .saturating_add(RocksDbWeight::get().reads(1).saturating_mul(n.into()))
            .saturating_add(RocksDbWeight::get().writes(2))
            .saturating_add(RocksDbWeight::get().writes(1).saturating_mul(n.into()))
    }
    fn create_task() -> Weight {
        Weight::from_parts(48_085_500, 73)
            .saturating_add(RocksDbWeight::get().reads(2))
            .saturating_add(RocksDbWeight::get().writes(3))
    }
    fn set_peer() -> Weight {
        Weight::from_parts(55_807_500, 201)
            .saturating_add(RocksDbWeight::get().reads(3))
            .saturating_add(RocksDbWeight::get().writes(2))
    }
    /// `n` from 0 to 32.
    fn set_routes(n: u32) -> Weight {
        Weight::from_parts(18_284_590, 128)
            .saturating_add(Weight::from_parts(1_217_602, 0).saturating_mul(n.into()))
            .saturating_add(RocksDbWeight::get().reads(1))
            .saturating_add(RocksDbWeight::get().writes(1))
    }
    fn set_halted() -> Weight {
        Weight::from_parts(8_968_500, 0)
            .saturating_add(RocksDbWeight::get().writes(1))
    }
    /// `n` from 1 to 64.
    fn set_members(n: u32) -> Weight {
        Weight::from_parts(230_923_500, 6_181)
            .saturating_add(Weight::from_parts(160_452_072, 91).saturating_mul(n.into()))
            .saturating_add(RocksDbWeight::get().reads(5))
            .saturating_add(RocksDbWeight::get().reads(2).saturating_mul(n.into()))
            .saturating_add(RocksDbWeight::get().writes(2))
            .saturating_add(RocksDbWeight::get().writes(1).saturating_mul(n.into()))
    }
    fn start_round() -> Weight {
        Weight::from_parts(91_081_500, 3_974)
            .saturating_add(RocksDbWeight::get().reads(4))
            .saturating_add(RocksDbWeight::get().writes(2))
    }
    /// `n` from 1 to 64.
    fn submit_updates(n: u32) -> Weight {
        Weight::from_parts(216_022_500, 4_592)
            .saturating_add(Weight::from_parts(139_087_627, 0).saturating_mul(n.into()))
            .saturating_add(RocksDbWeight::get().reads(6))
            .saturating_add(RocksDbWeight::get().writes(2))
            .saturating_add(RocksDbWeight::get().writes(1).saturating_mul(n.into()))
    }
    /// `n` from 1 to 64.
    fn submit_verdicts(n: u32) -> Weight {
        Weight::from_parts(400_321_906, 14_402)
            .saturating_add(Weight::from_parts(129_020_362, 0).saturating_mul(n.into()))
            .saturating_add(RocksDbWeight::get().reads(70))
            .saturating_add(RocksDbWeight::get().writes(2))
            .saturating_add(RocksDbWeight::get().writes(1).saturating_mul(n.into()))
    }
    /// `n` from 1 to 64.
    fn submit_votes(n: u32) -> Weight {
        Weight::from_parts(249_957_000, 4_586)
            .saturating_add(Weight::from_parts(165_693_054, 0).saturating_mul(n.into()))
            .saturating_add(RocksDbWeight::get().reads(6))
            .saturating_add(RocksDbWeight::get().writes(2))
            .saturating_add(RocksDbWeight::get().writes(1).saturating_mul(n.into()))
    }
    /// `p` from 1 to 8.
    /// `r` from 0 to 32.
    fn finalise(p: u32, r: u32) -> Weight {
        Weight::from_parts(3_920_434_410, 36_813)
            .saturating_add(Weight::from_parts(0, 708).saturating_mul(p.into()))
            .saturating_add(Weight::from_parts(103_209_813, 65).saturating_mul(r.into()))
            .saturating_add(RocksDbWeight::get().reads(136))
            .saturating_add(RocksDbWeight::get().reads(1).saturating_mul(p.into()))
            .saturating_add(RocksDbWeight::get().reads(2).saturating_mul(r.into()))
            .saturating_add(RocksDbWeight::get().writes(4))
            .saturating_add(RocksDbWeight::get().writes(3).saturating_mul(r.into()))
    }
    fn advance_verifying() -> Weight {
        Weight::from_parts(906_871_500, 14_228)
            .saturating_add(RocksDbWeight::get().reads(69))
            .saturating_add(RocksDbWeight::get().writes(2))
    }
    fn advance_aggregating() -> Weight {
        Weight::from_parts(1_004_367_000, 13_870)
            .saturating_add(RocksDbWeight::get().reads(70))
            .saturating_add(RocksDbWeight::get().writes(2))
    }
    fn import() -> Weight {
        Weight::from_parts(112_366_500, 1_067)
            .saturating_add(RocksDbWeight::get().reads(5))
            .saturating_add(RocksDbWeight::get().writes(4))
    }
}
