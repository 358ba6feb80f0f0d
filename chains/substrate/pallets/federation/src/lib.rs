//! PoFT pallet.
#![cfg_attr(not(feature = "std"), no_std)]
pub use pallet::*;
/// The pallet.
#[polkadot_sdk::frame_support::pallet]
pub mod pallet {
    use polkadot_sdk::*;
    /// The pallet.
    #[pallet::pallet]
    pub struct Pallet<T>(_);
    /// Configuration.
    #[pallet::config]
    pub trait Config: polkadot_sdk::frame_system::Config {}
}
