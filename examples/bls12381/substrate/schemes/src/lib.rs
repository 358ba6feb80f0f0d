//! The verification schemes that a client of the runtime may have: PoFT's own, and BLS1.

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

use poft_bls1::BlsVerifier;
use poft_primitives::{
    committee::CommitteeVerifier,
    verifier::{FinalityVerifier, Schemes},
};

/// The list.
pub struct RuntimeSchemes;

impl Schemes for RuntimeSchemes {
    fn all() -> &'static [&'static dyn FinalityVerifier] {
        &[&CommitteeVerifier, &BlsVerifier]
    }
}
