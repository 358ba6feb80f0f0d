//! What this pallet costs: database accesses, which are nearly all of it, and a bound for the rest. `compare` runs once a
//! session and `set_members` at governance's call, each over 64 accounts at most: what they do beside the database is to
//! decode and compare 64 sets of keys of 97 bytes. `on_finalize` reads what the block has read already, and appends 76
//! bytes. `build_runtime.sh --weights` measures them (`src/benchmarking.rs`) and rewrites this file.

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
    fn set_members(n: u32) -> Weight;
    fn compare(n: u32) -> Weight;
    fn on_finalize() -> Weight;
}

/// With the runtime's own costs of storage.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn set_members(n: u32) -> Weight {
        Weight::from_parts(20_000_000, 128)
            .saturating_add(T::DbWeight::get().reads(n.into()))
            .saturating_add(T::DbWeight::get().writes(1))
    }

    fn compare(n: u32) -> Weight {
        Weight::from_parts(20_000_000, 128).saturating_add(T::DbWeight::get().reads(u64::from(n).saturating_add(4)))
    }

    fn on_finalize() -> Weight {
        Weight::from_parts(10_000_000, 128).saturating_add(T::DbWeight::get().reads(4))
    }
}

impl WeightInfo for () {
    fn set_members(n: u32) -> Weight {
        RocksDbWeight::get().reads_writes(n.into(), 1)
    }

    fn compare(n: u32) -> Weight {
        RocksDbWeight::get().reads(n.into())
    }

    fn on_finalize() -> Weight {
        RocksDbWeight::get().reads(4)
    }
}
