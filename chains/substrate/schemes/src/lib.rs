//! The verification schemes that a client of the runtime may have: the one list of them.
//!
//! A crate of its own, so that a network with other schemes replaces the list and nothing else (README, Adding a scheme).

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

use poft_primitives::{
    and1::AgreementVerifier,
    bef1::BeefyVerifier,
    clq1::CliqueVerifier,
    committee::CommitteeVerifier,
    esp1::StateProofVerifier,
    qbf1::QbftVerifier,
    verifier::{FinalityVerifier, Schemes},
};

/// What AND1 may be composed of: every other scheme.
const SINGLE: &[&dyn FinalityVerifier] =
    &[&CommitteeVerifier, &StateProofVerifier(CommitteeVerifier), &CliqueVerifier, &QbftVerifier, &BeefyVerifier];
const AGREEMENT: AgreementVerifier = AgreementVerifier::over(SINGLE);

/// The list.
pub struct RuntimeSchemes;

impl Schemes for RuntimeSchemes {
    fn all() -> &'static [&'static dyn FinalityVerifier] {
        &[
            &CommitteeVerifier,
            &StateProofVerifier(CommitteeVerifier),
            &CliqueVerifier,
            &QbftVerifier,
            &BeefyVerifier,
            &AGREEMENT,
        ]
    }
}
