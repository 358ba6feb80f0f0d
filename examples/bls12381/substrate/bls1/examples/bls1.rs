//! BLS1 for the conformance kit: `poft plugin check BLS1` builds and asks it.

use poft_bls1::BlsVerifier;
use poft_primitives::harness::serve;

fn main() -> std::io::Result<()> {
    serve(&BlsVerifier)
}
