//! A scheme behind a pipe, for the conformance kit (`poft plugin check`): questions on stdin, answers on stdout.
//!
//! The whole of a plug-in's harness is
//!
//! ```ignore
//! fn main() -> std::io::Result<()> {
//!     poft_primitives::harness::serve(&MyVerifier)
//! }
//! ```
//!
//! The frames are described in `poft/conformance/frames.py`, the twin of this module: packed, big-endian. A rule that
//! panics is answered with [`PANIC`] and ends its question only. Native only (feature `std`).

use crate::{
    packed::Packed,
    verifier::{Finalised, FinalityVerifier, Limits, TrustState},
    Code, H256,
};
use alloc::vec::Vec;
use std::{
    io::{self, Read, Write},
    panic::{catch_unwind, AssertUnwindSafe},
    time::Instant,
};

/// Answer to a rule that panicked; no code has this number.
pub const PANIC: u8 = 255;

type Answer = Result<Vec<u8>, Code>;

/// Answers every question on stdin, then returns.
pub fn serve(verifier: &dyn FinalityVerifier) -> io::Result<()> {
    // A panic is an answer here; its message would only be noise beside it.
    std::panic::set_hook(alloc::boxed::Box::new(|_| {}));
    let mut stdin = Vec::new();
    io::stdin().lock().read_to_end(&mut stdin)?;
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    let mut rest = &stdin[..];
    while !rest.is_empty() {
        let mut head = [0; 5];
        rest.read_exact(&mut head)?;
        let [a, b, c, d, tag] = head;
        let mut body = alloc::vec![0; u32::from_be_bytes([a, b, c, d]) as usize];
        rest.read_exact(&mut body)?;
        let (code, result) = match catch_unwind(AssertUnwindSafe(|| answer(verifier, tag, &body))) {
            Ok(Ok(result)) => (Code::Ok as u8, result),
            Ok(Err(code)) => (code as u8, Vec::new()),
            Err(_) => (PANIC, Vec::new()),
        };
        stdout.write_all(&(result.len() as u32).to_be_bytes())?;
        stdout.write_all(&[code])?;
        stdout.write_all(&result)?;
    }
    stdout.flush()
}

fn answer(verifier: &dyn FinalityVerifier, tag: u8, body: &[u8]) -> Answer {
    match tag {
        0 => Ok(verifier.scheme().to_vec()),
        1 => Ok(state_bytes(&verifier.initialise(body)?)),
        2 => {
            let (state, finalised) = verify(verifier, body)?;
            Ok([state_bytes(&state), finalised_bytes(&finalised)].concat())
        }
        3 => Ok(verifier.epoch_of(body)?.to_be_bytes().to_vec()),
        4 => misbehaviour(verifier, body),
        5 => timed(verifier, body),
        _ => Err(Code::Malformed),
    }
}

fn verify(verifier: &dyn FinalityVerifier, body: &[u8]) -> Result<(TrustState, Finalised), Code> {
    let mut rest = Packed::new(body);
    let (domain, state) = (rest.h256()?, read_state(&mut rest)?);
    let limits = Limits { now: rest.u64()?, max_drift: rest.u64()? };
    let proof = remaining(&mut rest)?;
    // A host asks this first, whatever the bytes are: it must not panic either.
    verifier.work(proof);
    verifier.verify(&domain, &state, proof, &limits)
}

fn misbehaviour(verifier: &dyn FinalityVerifier, body: &[u8]) -> Answer {
    let mut rest = Packed::new(body);
    let (domain, state) = (rest.h256()?, read_state(&mut rest)?);
    let length = rest.u32()? as usize;
    let (first, second) = (rest.bytes(length)?, remaining(&mut rest)?);
    let signers = verifier.check_misbehaviour(&domain, &state, first, second)?;
    Ok(signers.iter().flat_map(|signer| signer.0).collect())
}

/// The median of so many runs, in nanoseconds.
fn timed(verifier: &dyn FinalityVerifier, body: &[u8]) -> Answer {
    let mut rest = Packed::new(body);
    let (times, body) = (rest.u32()?, remaining(&mut rest)?);
    let mut taken = Vec::new();
    for _ in 0..times {
        let start = Instant::now();
        std::hint::black_box(verify(verifier, body)?);
        taken.push(start.elapsed().as_nanos() as u64);
    }
    taken.sort_unstable();
    let median = taken.get(taken.len() / 2).copied().ok_or(Code::Malformed)?;
    Ok(median.to_be_bytes().to_vec())
}

fn remaining<'a>(rest: &mut Packed<'a>) -> Result<&'a [u8], Code> {
    let left = rest.left();
    rest.bytes(left)
}

fn read_state(rest: &mut Packed) -> Result<TrustState, Code> {
    Ok(TrustState {
        epoch: rest.u64()?,
        height: rest.u64()?,
        timestamp: rest.u64()?,
        outbox_size: rest.u64()?,
        outbox_root: rest.h256()?,
        authority: rest.h256()?,
        small_committee: rest.u8()? != 0,
    })
}

fn state_bytes(state: &TrustState) -> Vec<u8> {
    let numbers = [state.epoch, state.height, state.timestamp, state.outbox_size];
    let hashes: [&H256; 2] = [&state.outbox_root, &state.authority];
    let mut packed: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    hashes.iter().for_each(|hash| packed.extend_from_slice(hash.as_bytes()));
    packed.push(state.small_committee.into());
    packed
}

fn finalised_bytes(finalised: &Finalised) -> Vec<u8> {
    let mut packed = finalised.height.to_be_bytes().to_vec();
    packed.extend_from_slice(finalised.block_hash.as_bytes());
    packed.extend_from_slice(finalised.state_root.as_bytes());
    packed.extend_from_slice(&finalised.outbox_size.to_be_bytes());
    packed.extend_from_slice(finalised.outbox_root.as_bytes());
    packed.extend_from_slice(&finalised.timestamp.to_be_bytes());
    packed.extend_from_slice(&finalised.dissent.to_be_bytes());
    packed
}
