//! CMT1 for the conformance kit: `poft plugin check CMT1` builds and asks it.

use poft_primitives::{committee::CommitteeVerifier, harness::serve};

fn main() -> std::io::Result<()> {
    serve(&CommitteeVerifier)
}
