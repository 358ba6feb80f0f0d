//! CLQ1 for the conformance kit: `poft plugin check CLQ1` builds and asks it.

use poft_primitives::{clq1::CliqueVerifier, harness::serve};

fn main() -> std::io::Result<()> {
    serve(&CliqueVerifier)
}
