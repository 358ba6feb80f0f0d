//! Runs the benchmarks of a runtime that was built with `runtime-benchmarks`, and writes what they cost.
//!
//!     poft-bencher RUNTIME.wasm PALLET WEIGHTS.rs [MACHINE]
//!
//! The runtime runs as on a node: compiled by wasmtime, with the host functions of a node, over a state in memory that
//! counts what is read and written. Every component of a benchmark goes from its least to its greatest value in
//! [`STEPS`] steps while the others stay at their greatest, so that a fit knows each slope.

mod machine;
mod writing;

use frame_benchmarking::{BenchmarkParameter, BenchmarkResult};
use machine::Machine;
use std::{env, error::Error, fs, path::Path};
use writing::{fitted, source, Measured};

/// Values of a component that are measured.
const STEPS: u32 = 6;
/// Runs of each, of which the fastest counts: whatever else a machine does makes a run slower, never faster.
const REPETITIONS: u32 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let ([runtime, pallet, output], rest) = arguments.split_first_chunk().ok_or("RUNTIME.wasm PALLET WEIGHTS.rs")?;
    let machine = Machine::new(&fs::read(runtime)?)?;
    let mut measured = Vec::new();
    for benchmark in machine.benchmarks(pallet)? {
        let mut results = Vec::new();
        for components in combinations(&benchmark.components) {
            machine.verify(pallet, &benchmark.name, &components)?;
            let mut result = machine.count(pallet, &benchmark.name, &components)?;
            result.extrinsic_time = machine.fastest(pallet, &benchmark.name, &components, REPETITIONS)?;
            results.push(result);
        }
        let name = String::from_utf8(benchmark.name)?;
        eprintln!("{pallet}::{name}: {}", summary(&results));
        measured.push(Measured { name, ranges: benchmark.components, cost: fitted(&results)? });
    }
    let place = rest.first().map_or("an unnamed machine", String::as_str);
    fs::write(Path::new(output), source(&measured, place))?;
    Ok(())
}

/// Each component in steps, the others at their greatest.
fn combinations(ranges: &[(BenchmarkParameter, u32, u32)]) -> Vec<Vec<(BenchmarkParameter, u32)>> {
    let greatest: Vec<_> = ranges.iter().map(|(name, _, high)| (*name, *high)).collect();
    if ranges.is_empty() {
        return vec![greatest];
    }
    let mut all = Vec::new();
    for (position, (_, low, high)) in ranges.iter().enumerate() {
        let steps = STEPS.min(high - low).max(1);
        for step in 0..=steps {
            let mut one = greatest.clone();
            one[position].1 = low + (high - low) * step / steps;
            all.push(one);
        }
    }
    all
}

fn summary(results: &[BenchmarkResult]) -> String {
    let times = results.iter().map(|result| result.extrinsic_time);
    let (least, most) = (times.clone().min().unwrap_or(0), times.max().unwrap_or(0));
    format!("{} to {} µs", least / 1000, most / 1000)
}
