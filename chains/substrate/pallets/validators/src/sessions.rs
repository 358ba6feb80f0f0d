//! When sessions end, and who validates in the next one: what the session pallet asks of us.

use crate::pallet::*;
use alloc::vec::Vec;
use polkadot_sdk::{
    frame_support::{traits::EstimateNextSessionRotation, weights::Weight},
    frame_system::pallet_prelude::BlockNumberFor,
    pallet_session::{NextKeys, QueuedChanged, QueuedKeys, SessionManager, ShouldEndSession},
    sp_runtime::{traits::Zero, Permill},
};

impl<T: Config> Pallet<T> {
    /// Whether a session may end with this block.
    pub(crate) fn may_end(now: BlockNumberFor<T>) -> bool {
        let length = SessionLength::<T>::get();
        !length.is_zero() && (now % length).is_zero()
    }

    /// The members with keys, when they are others than those who are queued (or, while a session changes, than those who
    /// begin). A change of keys counts. Nobody is never wanted.
    pub(crate) fn wanted() -> Option<Vec<T::AccountId>> {
        let wanted: Vec<_> = Members::<T>::get()
            .into_iter()
            .filter_map(|member| NextKeys::<T>::get(&member).map(|keys| (member, keys)))
            .collect();
        (!wanted.is_empty() && wanted != QueuedKeys::<T>::get())
            .then(|| wanted.into_iter().map(|(member, _)| member).collect())
    }
}

impl<T: Config> ShouldEndSession<BlockNumberFor<T>> for Pallet<T> {
    fn should_end_session(now: BlockNumberFor<T>) -> bool {
        Self::may_end(now) && (QueuedChanged::<T>::get() || Self::wanted().is_some())
    }
}

impl<T: Config> SessionManager<T::AccountId> for Pallet<T> {
    fn new_session(_: u32) -> Option<Vec<T::AccountId>> {
        Self::wanted()
    }

    /// Those of the session pallet's genesis.
    fn new_session_genesis(_: u32) -> Option<Vec<T::AccountId>> {
        None
    }

    fn end_session(_: u32) {}

    fn start_session(_: u32) {}
}

/// Nobody in this runtime plans by it: sessions end when something is to change.
impl<T: Config> EstimateNextSessionRotation<BlockNumberFor<T>> for Pallet<T> {
    fn average_session_length() -> BlockNumberFor<T> {
        SessionLength::<T>::get()
    }

    fn estimate_current_session_progress(_: BlockNumberFor<T>) -> (Option<Permill>, Weight) {
        (None, Weight::zero())
    }

    fn estimate_next_session_rotation(_: BlockNumberFor<T>) -> (Option<BlockNumberFor<T>>, Weight) {
        (None, Weight::zero())
    }
}
