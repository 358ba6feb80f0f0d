//! ESP1 for the conformance kit: `poft plugin check ESP1` builds and asks it.

use poft_primitives::{committee::CommitteeVerifier, esp1::StateProofVerifier, harness::serve};

fn main() -> std::io::Result<()> {
    serve(&StateProofVerifier(CommitteeVerifier))
}
