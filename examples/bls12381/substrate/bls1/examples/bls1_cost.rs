//! Milliseconds on the processor of one verification and of one first committee, by the vectors that the gas is measured with:
//!
//! ```sh
//! cargo run --release --example bls1_cost
//! ```

use poft_bls1::BlsVerifier;
use poft_primitives::{
    verifier::{FinalityVerifier, Limits, TrustState},
    Code, H256,
};
use serde_json::Value;
use std::hint::black_box;

const TIMES: u32 = 50;

fn main() {
    let path = format!("{}/../../vectors/gas.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("vectors");
    let vectors: Value = serde_json::from_str(&text).expect("JSON");
    println!("members  proof           bytes  verify ms  initialise ms");
    for case in vectors["cases"].as_array().expect("a list of cases") {
        let (scheme, who) =
            case["name"].as_str().and_then(|name| name.split_once(' ')).expect("a scheme and who signs");
        if scheme != "BLS1" {
            continue;
        }
        let [genesis, first, then, domain] = ["genesis", "first", "then", "domain"]
            .map(|name| hex::decode(&case[name].as_str().expect("hex")[2..]).expect("hex"));
        let domain = H256::from_slice(&domain);
        let limits = Limits { now: case["now"].as_str().expect("text").parse().expect("a u64"), max_drift: 30 };
        let begun = BlsVerifier.initialise(&genesis).expect("a genesis");
        let update = |state: &TrustState, proof: &[u8]| BlsVerifier.verify(&domain, state, proof, &limits);
        let (known, _) = update(&begun, &first).expect("an update");
        let verify = milliseconds(TIMES, || update(&known, &then).map(|_| ()));
        let initialise = milliseconds(20, || BlsVerifier.initialise(&genesis).map(|_| ()));
        println!(
            "{:>7}  {who:<9}  {:>10}  {verify:>9.2}  {initialise:>13.1}",
            case["members"].as_str().expect("text"),
            then.len()
        );
    }
}

/// The median. Time on the processor, as Linux accounts for it: on a busy machine the clock tells of the others.
fn milliseconds(times: u32, run: impl Fn() -> Result<(), Code>) -> f64 {
    let mut taken: Vec<f64> = (0..times)
        .map(|_| {
            let start = on_processor();
            black_box(run()).expect("taken");
            (on_processor() - start) * 1e-6
        })
        .collect();
    taken.sort_by(f64::total_cmp);
    taken[taken.len() / 2]
}

/// Nanoseconds that this thread has run.
fn on_processor() -> f64 {
    let account = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    account.split(' ').next().and_then(|first| first.parse().ok()).expect("a number")
}
