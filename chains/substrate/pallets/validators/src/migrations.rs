//! What a chain needs that had no sessions before this pallet came to it.
//!
//! Its authorities for blocks and votes stay where they are and go on. BEEFY keys it has none, and no migration can make
//! them: a key counts when its holder proves it. So nothing is carried over into sessions that would have to be made up;
//! the way there is docs/operating.md's: each validator sets its keys, governance sets the members, two sessions later
//! they make the blocks, and governance begins BEEFY (`Beefy.set_new_genesis`). Until then the list of members is empty,
//! no session ends, and headers name no committee.

use crate::pallet::*;
use core::marker::PhantomData;
use polkadot_sdk::{
    frame_support::{
        traits::OnRuntimeUpgrade,
        weights::{constants::RocksDbWeight, Weight},
    },
    sp_runtime::traits::Zero,
};

/// Gives sessions a length where they have none: with zero none would ever end, and no validator could come or go.
///
/// Storage versions cannot tell: FRAME gives a pallet that is new to a chain its present one. The length can, since no
/// genesis leaves it at zero.
pub struct BeginSessions<T>(PhantomData<T>);

impl<T: Config> OnRuntimeUpgrade for BeginSessions<T> {
    fn on_runtime_upgrade() -> Weight {
        if !SessionLength::<T>::get().is_zero() {
            return RocksDbWeight::get().reads(1);
        }
        SessionLength::<T>::put(GenesisConfig::<T>::default().session_length);
        RocksDbWeight::get().reads_writes(1, 1)
    }
}
