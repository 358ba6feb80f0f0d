//! The verification schemes that a client of the runtime may have: PoFT's own, and BLS1 alone and in agreement with them.

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

use poft_bls1::BlsVerifier;
use poft_primitives::{
    and1::AgreementVerifier,
    committee::CommitteeVerifier,
    esp1::StateProofVerifier,
    verifier::{FinalityVerifier, Schemes},
};

/// What AND1 may be composed of.
const SINGLE: &[&dyn FinalityVerifier] = &[&CommitteeVerifier, &StateProofVerifier(CommitteeVerifier), &BlsVerifier];
const AGREEMENT: AgreementVerifier = AgreementVerifier::over(SINGLE);

/// The list.
pub struct RuntimeSchemes;

impl Schemes for RuntimeSchemes {
    fn all() -> &'static [&'static dyn FinalityVerifier] {
        &[&CommitteeVerifier, &StateProofVerifier(CommitteeVerifier), &BlsVerifier, &AGREEMENT]
    }
}
