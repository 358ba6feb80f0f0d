//! QBF1 for the conformance kit: `poft plugin check QBF1` builds and asks it.

use poft_primitives::{harness::serve, qbf1::QbftVerifier};

fn main() -> std::io::Result<()> {
    serve(&QbftVerifier)
}
