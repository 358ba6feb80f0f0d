//! A protocol code inside a pallet's error.

use codec::{Decode, DecodeWithMemTracking, Encode};
use poft_primitives::Code;
use polkadot_sdk::frame_support::traits::PalletError;
use scale_info::TypeInfo;

/// Which rule was broken; encodes as the code's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Refusal(pub Code);

impl PalletError for Refusal {
    const MAX_ENCODED_SIZE: usize = 1;
}
