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
    fn create_client(n: u32) -> Weight;
    fn recover_client(n: u32) -> Weight;
    fn freeze_client() -> Weight;
    fn set_halted() -> Weight;
    fn set_sending_halted() -> Weight;
    fn set_acknowledgements() -> Weight;
    fn skip_packet() -> Weight;
    fn update_client(s: u32, c: u32) -> Weight;
    fn hash_proof(b: u32) -> Weight;
    fn submit_misbehaviour(s: u32) -> Weight;
    fn deliver_none() -> Weight;
    fn deliver_one(n: u32, b: u32) -> Weight;
    fn acknowledge(a: u32) -> Weight;
    fn record_acknowledgement(a: u32) -> Weight;
    fn on_finalize() -> Weight;
}

/// With the runtime's own costs of storage.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    /// `n` from 1 to 64.
    fn create_client(n: u32) -> Weight {
        Weight::from_parts(62_585_733, 128)
            .saturating_add(Weight::from_parts(1_429_507, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(2))
            .saturating_add(T::DbWeight::get().writes(3))
    }
    /// `n` from 1 to 64.
    fn recover_client(n: u32) -> Weight {
        Weight::from_parts(52_588_509, 382)
            .saturating_add(Weight::from_parts(1_453_797, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(1))
            .saturating_add(T::DbWeight::get().writes(3))
    }
    fn freeze_client() -> Weight {
        Weight::from_parts(24_681_000, 382)
            .saturating_add(T::DbWeight::get().reads(1))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    fn set_halted() -> Weight {
        Weight::from_parts(12_903_000, 0)
            .saturating_add(T::DbWeight::get().writes(1))
    }
    fn set_sending_halted() -> Weight {
        Weight::from_parts(9_133_500, 0)
            .saturating_add(T::DbWeight::get().writes(1))
    }
    fn set_acknowledgements() -> Weight {
        Weight::from_parts(20_235_000, 128)
            .saturating_add(T::DbWeight::get().reads(1))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    fn skip_packet() -> Weight {
        Weight::from_parts(34_159_500, 382)
            .saturating_add(T::DbWeight::get().reads(2))
            .saturating_add(T::DbWeight::get().writes(2))
    }
    /// `s` from 1 to 64.
    /// `c` from 2 to 62.
    fn update_client(s: u32, c: u32) -> Weight {
        Weight::from_parts(167_371_420, 388)
            .saturating_add(Weight::from_parts(56_909_083, 0).saturating_mul(s.into()))
            .saturating_add(Weight::from_parts(416_601, 0).saturating_mul(c.into()))
            .saturating_add(T::DbWeight::get().reads(2))
            .saturating_add(T::DbWeight::get().writes(2))
    }
    /// `b` from 0 to 65536.
    fn hash_proof(b: u32) -> Weight {
        Weight::from_parts(10_419_552, 0)
            .saturating_add(Weight::from_parts(3_477, 0).saturating_mul(b.into()))
    }
    /// `s` from 4 to 64.
    fn submit_misbehaviour(s: u32) -> Weight {
        Weight::from_parts(505_623_000, 471)
            .saturating_add(Weight::from_parts(211_059_337, 0).saturating_mul(s.into()))
            .saturating_add(T::DbWeight::get().reads(2))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    fn deliver_none() -> Weight {
        Weight::from_parts(165_442_500, 3_146)
            .saturating_add(T::DbWeight::get().reads(15))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    /// `n` from 1 to 62.
    /// `b` from 0 to 4096.
    fn deliver_one(n: u32, b: u32) -> Weight {
        Weight::from_parts(167_444_143, 3_200)
            .saturating_add(Weight::from_parts(2_441_998, 0).saturating_mul(n.into()))
            .saturating_add(Weight::from_parts(13_633, 0).saturating_mul(b.into()))
            .saturating_add(T::DbWeight::get().reads(16))
            .saturating_add(T::DbWeight::get().writes(2))
    }
    /// `a` from 1 to 32.
    fn acknowledge(a: u32) -> Weight {
        Weight::from_parts(137_119_345, 2_294)
            .saturating_add(Weight::from_parts(2_566_734, 0).saturating_mul(a.into()))
            .saturating_add(T::DbWeight::get().reads(5))
            .saturating_add(T::DbWeight::get().writes(3))
    }
    /// `a` from 1 to 32.
    fn record_acknowledgement(a: u32) -> Weight {
        Weight::from_parts(28_287_000, 128)
            .saturating_add(Weight::from_parts(23_487_273, 0).saturating_mul(a.into()))
            .saturating_add(T::DbWeight::get().reads(1))
            .saturating_add(T::DbWeight::get().reads(1).saturating_mul(a.into()))
            .saturating_add(T::DbWeight::get().writes(1))
            .saturating_add(T::DbWeight::get().writes(1).saturating_mul(a.into()))
    }
    fn on_finalize() -> Weight {
        Weight::from_parts(65_046_000, 2_125)
            .saturating_add(T::DbWeight::get().reads(1))
    }
}

/// For mock runtimes: storage costs what RocksDB costs.
impl WeightInfo for () {
    /// `n` from 1 to 64.
    fn create_client(n: u32) -> Weight {
        Weight::from_parts(62_585_733, 128)
            .saturating_add(Weight::from_parts(1_429_507, 0).saturating_mul(n.into()))
            .saturating_add(RocksDbWeight::get().reads(2))
            .saturating_add(RocksDbWeight::get().writes(3))
    }
    /// `n` from 1 to 64.
    fn recover_client(n: u32) -> Weight {
        Weight::from_parts(52_588_509, 382)
            .saturating_add(Weight::from_parts(1_453_797, 0).saturating_mul(n.into()))
            .saturating_add(RocksDbWeight::get().reads(1))
            .saturating_add(RocksDbWeight::get().writes(3))
    }
    fn freeze_client() -> Weight {
        Weight::from_parts(24_681_000, 382)
            .saturating_add(RocksDbWeight::get().reads(1))
            .saturating_add(RocksDbWeight::get().writes(1))
    }
    fn set_halted() -> Weight {
        Weight::from_parts(12_903_000, 0)
            .saturating_add(RocksDbWeight::get().writes(1))
    }
    fn set_sending_halted() -> Weight {
        Weight::from_parts(9_133_500, 0)
            .saturating_add(RocksDbWeight::get().writes(1))
    }
    fn set_acknowledgements() -> Weight {
        Weight::from_parts(20_235_000, 128)
            .saturating_add(RocksDbWeight::get().reads(1))
            .saturating_add(RocksDbWeight::get().writes(1))
    }
    fn skip_packet() -> Weight {
        Weight::from_parts(34_159_500, 382)
            .saturating_add(RocksDbWeight::get().reads(2))
            .saturating_add(RocksDbWeight::get().writes(2))
    }
    /// `s` from 1 to 64.
    /// `c` from 2 to 62.
    fn update_client(s: u32, c: u32) -> Weight {
        Weight::from_parts(167_371_420, 388)
            .saturating_add(Weight::from_parts(56_909_083, 0).saturating_mul(s.into()))
            .saturating_add(Weight::from_parts(416_601, 0).saturating_mul(c.into()))
            .saturating_add(RocksDbWeight::get().reads(2))
            .saturating_add(RocksDbWeight::get().writes(2))
    }
    /// `b` from 0 to 65536.
    fn hash_proof(b: u32) -> Weight {
        Weight::from_parts(10_419_552, 0)
            .saturating_add(Weight::from_parts(3_477, 0).saturating_mul(b.into()))
    }
    /// `s` from 4 to 64.
    fn submit_misbehaviour(s: u32) -> Weight {
        Weight::from_parts(505_623_000, 471)
            .saturating_add(Weight::from_parts(211_059_337, 0).saturating_mul(s.into()))
            .saturating_add(RocksDbWeight::get().reads(2))
            .saturating_add(RocksDbWeight::get().writes(1))
    }
    fn deliver_none() -> Weight {
        Weight::from_parts(165_442_500, 3_146)
            .saturating_add(RocksDbWeight::get().reads(15))
            .saturating_add(RocksDbWeight::get().writes(1))
    }
    /// `n` from 1 to 62.
    /// `b` from 0 to 4096.
    fn deliver_one(n: u32, b: u32) -> Weight {
        Weight::from_parts(167_444_143, 3_200)
            .saturating_add(Weight::from_parts(2_441_998, 0).saturating_mul(n.into()))
            .saturating_add(Weight::from_parts(13_633, 0).saturating_mul(b.into()))
            .saturating_add(RocksDbWeight::get().reads(16))
            .saturating_add(RocksDbWeight::get().writes(2))
    }
    /// `a` from 1 to 32.
    fn acknowledge(a: u32) -> Weight {
        Weight::from_parts(137_119_345, 2_294)
            .saturating_add(Weight::from_parts(2_566_734, 0).saturating_mul(a.into()))
            .saturating_add(RocksDbWeight::get().reads(5))
            .saturating_add(RocksDbWeight::get().writes(3))
    }
    /// `a` from 1 to 32.
    fn record_acknowledgement(a: u32) -> Weight {
        Weight::from_parts(28_287_000, 128)
            .saturating_add(Weight::from_parts(23_487_273, 0).saturating_mul(a.into()))
            .saturating_add(RocksDbWeight::get().reads(1))
            .saturating_add(RocksDbWeight::get().reads(1).saturating_mul(a.into()))
            .saturating_add(RocksDbWeight::get().writes(1))
            .saturating_add(RocksDbWeight::get().writes(1).saturating_mul(a.into()))
    }
    fn on_finalize() -> Weight {
        Weight::from_parts(65_046_000, 2_125)
            .saturating_add(RocksDbWeight::get().reads(1))
    }
}
