//! From results to Rust.

use frame_benchmarking::{Analysis, BenchmarkParameter, BenchmarkResult, BenchmarkSelector};
use std::{error::Error, fmt::Write};

/// In hundredths: a validator's machine may be slower than this one, and calls have more to load than benchmarks.
const MARGIN: u128 = 150;

/// A benchmark and what it costs.
pub struct Measured {
    /// Its name.
    pub name: String,
    /// Its components with their least and greatest value.
    pub ranges: Vec<(BenchmarkParameter, u32, u32)>,
    /// By selector.
    pub cost: Cost,
}

/// A value and what each component adds to it.
pub struct Line {
    base: u128,
    slopes: Vec<(String, u128)>,
}

/// Picoseconds, reads, writes, bytes of proof.
pub struct Cost {
    time: Line,
    reads: Line,
    writes: Line,
    proof: Line,
}

/// The lines through what was measured.
pub fn fitted(results: &[BenchmarkResult]) -> Result<Cost, Box<dyn Error>> {
    let line = |selector| -> Result<Line, Box<dyn Error>> {
        let found = Analysis::min_squares_iqr(&results.to_vec(), selector).map_err(|error| error.to_string())?;
        Ok(Line { base: found.base, slopes: found.names.into_iter().zip(found.slopes).collect() })
    };
    let mut time = line(BenchmarkSelector::ExtrinsicTime)?;
    time.base = time.base * MARGIN / 100;
    for (_, slope) in &mut time.slopes {
        *slope = *slope * MARGIN / 100;
    }
    Ok(Cost {
        time,
        reads: line(BenchmarkSelector::Reads)?,
        writes: line(BenchmarkSelector::Writes)?,
        proof: line(BenchmarkSelector::ProofSize)?,
    })
}

/// A module with the trait and its two implementations.
pub fn source(measured: &[Measured], place: &str) -> String {
    let mut text = format!(
        "//! What the benchmarks of this pallet cost (`src/benchmarking.rs`): generated, not edited. README, Weights.\n\
         //!\n\
         //! Compiled WebAssembly on {place}:\n\
         //! the fastest run at each of several values, and half of it on top.\n\n\
         #![cfg_attr(rustfmt, rustfmt_skip)]\n\
         #![allow(missing_docs)]\n\n\
         use core::marker::PhantomData;\n\
         use polkadot_sdk::{{\n    frame_support::{{\n        traits::Get,\n        weights::{{constants::RocksDbWeight, Weight}},\n    }},\n    \
         frame_system,\n}};\n\n\
         /// Weights of what is measured.\npub trait WeightInfo {{\n"
    );
    for one in measured {
        let _ = writeln!(text, "    fn {}({}) -> Weight;", one.name, arguments(one, |_| false));
    }
    text += "}\n\n/// With the runtime's own costs of storage.\npub struct SubstrateWeight<T>(PhantomData<T>);\n\n";
    text += "impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {\n";
    for one in measured {
        text += &function(one, "T::DbWeight::get()");
    }
    text += "}\n\n/// For mock runtimes: storage costs what RocksDB costs.\nimpl WeightInfo for () {\n";
    for one in measured {
        text += &function(one, "RocksDbWeight::get()");
    }
    text + "}\n"
}

fn function(one: &Measured, storage: &str) -> String {
    let Cost { time, reads, writes, proof } = &one.cost;
    let used = |name: &str| [time, reads, writes, proof].iter().any(|line| line.slope(name) > 0);
    let mut text = String::new();
    for (name, low, high) in &one.ranges {
        let _ = writeln!(text, "    /// `{name}` from {low} to {high}.");
    }
    let _ = writeln!(text, "    fn {}({}) -> Weight {{", one.name, arguments(one, |name| !used(name)));
    let _ = write!(text, "        Weight::from_parts({}, {})", digits(time.base), digits(proof.base));
    let mut add = |term: String| {
        let _ = write!(text, "\n            .saturating_add({term})");
    };
    for (name, _, _) in &one.ranges {
        let (name, each) = (name.to_string(), (time.slope(&name.to_string()), proof.slope(&name.to_string())));
        if each != (0, 0) {
            let parts = format!("Weight::from_parts({}, {})", digits(each.0), digits(each.1));
            add(format!("{parts}.saturating_mul({name}.into())"));
        }
    }
    for (line, kind) in [(reads, "reads"), (writes, "writes")] {
        if line.base > 0 {
            add(format!("{storage}.{kind}({})", line.base));
        }
        for (name, slope) in line.slopes.iter().filter(|(_, slope)| *slope > 0) {
            add(format!("{storage}.{kind}({slope}).saturating_mul({name}.into())"));
        }
    }
    text + "\n    }\n"
}

fn arguments(one: &Measured, unused: impl Fn(&str) -> bool) -> String {
    let argument = |(name, _, _): &(BenchmarkParameter, u32, u32)| {
        let name = name.to_string();
        format!("{}{name}: u32", if unused(&name) { "_" } else { "" })
    };
    one.ranges.iter().map(argument).collect::<Vec<_>>().join(", ")
}

/// 1234567 as 1_234_567.
fn digits(number: u128) -> String {
    let plain = number.to_string();
    let mut text = String::new();
    for (position, digit) in plain.chars().enumerate() {
        if position > 0 && (plain.len() - position) % 3 == 0 {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

impl Line {
    fn slope(&self, component: &str) -> u128 {
        self.slopes.iter().find(|(name, _)| name == component).map_or(0, |(_, slope)| *slope)
    }
}
