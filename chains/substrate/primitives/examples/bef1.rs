//! BEF1 for the conformance kit: `poft plugin check BEF1` builds and asks it.

use poft_primitives::{bef1::BeefyVerifier, harness::serve};

fn main() -> std::io::Result<()> {
    serve(&BeefyVerifier)
}
