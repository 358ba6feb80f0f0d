//! AND1 for the conformance kit: `poft plugin check AND1` builds and asks it, over the schemes of this crate.

use poft_primitives::{
    and1::AgreementVerifier, committee::CommitteeVerifier, esp1::StateProofVerifier, harness::serve,
    verifier::FinalityVerifier,
};

const SINGLE: &[&dyn FinalityVerifier] = &[&CommitteeVerifier, &StateProofVerifier(CommitteeVerifier)];

fn main() -> std::io::Result<()> {
    serve(&AgreementVerifier::over(SINGLE))
}
