//! What the versions of the bridge's storage changed, and the way from one to the next.
//!
//! | version | change |
//! |---|---|
//! | 1 | no way leads from it: no chain of it was ever kept |
//! | 2 | clients name their scheme, senders are kept by receiver, halting by source |
//! | 3 | a client keeps the block that took its newest proof |
//!
//! A migration runs in the first block of the new runtime, before anything else of that block, and never again. It
//! changes how something is kept and never what is believed: outbox, nonces, trusted states and generations are the same
//! before and after, so the links go on.

use crate::{pallet::*, types::Client};
use codec::{Decode, Encode};
use core::marker::PhantomData;
use poft_primitives::verifier::TrustState;
use polkadot_sdk::frame_support::{
    migrations::VersionedMigration,
    traits::UncheckedOnRuntimeUpgrade,
    weights::{constants::RocksDbWeight, Weight},
};

/// From version 2 to version 3; on a chain of another version it does nothing.
pub type ToVersion3<T> = VersionedMigration<2, 3, KeepBlockOfProof<T>, Pallet<T>, RocksDbWeight>;

/// A client as version 2 kept it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ClientOfVersion2 {
    /// See [`Client::scheme`].
    pub scheme: [u8; 4],
    /// See [`Client::state`].
    pub state: TrustState,
    /// See [`Client::generation`].
    pub generation: u32,
    /// See [`Client::frozen`].
    pub frozen: bool,
    /// See [`Client::max_drift`].
    pub max_drift: u64,
    /// See [`Client::staleness`].
    pub staleness: u64,
    /// See [`Client::newest`].
    pub newest: u32,
    /// See [`Client::held`].
    pub held: u32,
}

impl From<ClientOfVersion2> for Client {
    fn from(old: ClientOfVersion2) -> Self {
        let ClientOfVersion2 { scheme, state, generation, frozen, max_drift, staleness, newest, held } = old;
        // Which block took the newest proof, nothing in the state tells.
        Self { scheme, state, generation, frozen, max_drift, staleness, newest, held, updated_at: 0 }
    }
}

/// Gives every client its new field. One block suffices: governance creates clients one by one, a handful of them.
pub struct KeepBlockOfProof<T>(PhantomData<T>);

impl<T: Config> UncheckedOnRuntimeUpgrade for KeepBlockOfProof<T> {
    fn on_runtime_upgrade() -> Weight {
        let mut clients = 0u64;
        Clients::<T>::translate::<ClientOfVersion2, _>(|_, old| {
            clients = clients.saturating_add(1);
            Some(old.into())
        });
        // Each step finds the next key, and the last finds that there is none.
        RocksDbWeight::get().reads_writes(clients.saturating_mul(2).saturating_add(1), clients)
    }
}
