//! The verification schemes that a client of this runtime may have: the one list of them.

use poft_primitives::{
    committee::CommitteeVerifier,
    verifier::{FinalityVerifier, Schemes},
};

/// The list.
pub struct RuntimeSchemes;

impl Schemes for RuntimeSchemes {
    fn all() -> &'static [&'static dyn FinalityVerifier] {
        &[&CommitteeVerifier]
    }
}
