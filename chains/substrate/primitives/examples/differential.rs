//! Answers the cases of `tests/differential`, which asks the three implementations the same questions.
//!
//! A case on stdin: its length (u32, little endian), a byte that names the rule, the arguments in SCALE as a call of
//! the pallet carries them. An answer on stdout: its length, a byte with the code (`PANIC` when the rule panicked),
//! and, after `Ok`, the result in SCALE.

use codec::{DecodeAll, Encode};
use poft_primitives::{
    and1::AgreementVerifier,
    bef1::BeefyVerifier,
    checkpoint::CheckpointPayload,
    clq1::CliqueVerifier,
    code::Code,
    committee::CommitteeVerifier,
    esp1::StateProofVerifier,
    log::{verify_consistency, verify_inclusion},
    packed::Packed,
    qbf1::QbftVerifier,
    receive::{check_packet, Expectation, PacketProof, Verdict as Handling},
    state_proof::StateProof,
    statements::{Membership, Signed, Statement, Update, Verdict, Vote},
    testing::Renamed,
    verifier::{FinalityVerifier, Limits, TrustState},
    H160, H256,
};
use std::io::{self, Read, Write};

/// Answer to a rule that panicked; no code has this number.
const PANIC: u8 = 255;

type Answer = Result<Vec<u8>, Code>;

/// Arguments as the pallet's decoder reads them: what it cannot read is `Malformed`, and so is what trails.
fn arguments<T: DecodeAll>(mut data: &[u8]) -> Result<T, Code> {
    T::decode_all(&mut data).map_err(|_| Code::Malformed)
}

fn inclusion(data: &[u8]) -> Answer {
    let (leaf, index, size, proof, root): (Vec<u8>, u64, u64, Vec<H256>, H256) = arguments(data)?;
    verify_inclusion(&leaf, index, size, &proof, &root)?;
    Ok(Vec::new())
}

fn consistency(data: &[u8]) -> Answer {
    let (from_size, from_root, to_size, to_root, proof): (u64, H256, u64, H256, Vec<H256>) = arguments(data)?;
    verify_consistency(from_size, &from_root, to_size, &to_root, &proof)?;
    Ok(Vec::new())
}

fn payload(data: &[u8]) -> Answer {
    let made = CheckpointPayload::decode(data)?;
    made.check_parents()?;
    Ok((made.checkpoint.id(), made.previous).encode())
}

fn finality(data: &[u8]) -> Answer {
    let (domain, state, proof, now, max_drift): (H256, TrustState, Vec<u8>, u64, u64) = arguments(data)?;
    Ok(CommitteeVerifier.verify(&domain, &state, &proof, &Limits { now, max_drift })?.encode())
}

fn misbehaviour(data: &[u8]) -> Answer {
    let (domain, state, first, second): (H256, TrustState, Vec<u8>, Vec<u8>) = arguments(data)?;
    Ok(CommitteeVerifier.check_misbehaviour(&domain, &state, &first, &second)?.encode())
}

fn statement<S: Statement>(data: &[u8]) -> Answer
where
    (H256, Signed<S>): DecodeAll,
{
    let (domain, signed): (H256, Signed<S>) = arguments(data)?;
    Ok(signed.verify(&domain)?.encode())
}

fn packet(data: &[u8]) -> Answer {
    type World = (H256, H256, H256, H256, u64, u64, u64, H256);
    let (world, delivered): (World, PacketProof) = arguments(data)?;
    let (own_domain, source_domain, sender, receiver, next_nonce, height, outbox_size, outbox_root) = world;
    let expected = Expectation {
        own_domain,
        source_domain,
        sender,
        receiver,
        inbox_peer: H256::zero(),
        inbox: H256::zero(),
        next_nonce,
        height,
        outbox_size,
        outbox_root,
    };
    let dispatched = check_packet(&expected, &delivered)? == Handling::Dispatch;
    // The nonce is the host's to count: as `pallets/bridge/src/inbox.rs` does.
    let due = next_nonce.checked_add(1).ok_or(Code::Oversize)?;
    Ok((dispatched, due).encode())
}

fn sealed(verifier: &dyn FinalityVerifier, data: &[u8]) -> Answer {
    let (domain, state, proof, now, max_drift): (H256, TrustState, Vec<u8>, u64, u64) = arguments(data)?;
    verifier.work(&proof);
    let (next, finalised) = verifier.verify(&domain, &state, &proof, &Limits { now, max_drift })?;
    Ok((next, finalised.block_hash, finalised.state_root).encode())
}

fn slot(data: &[u8]) -> Answer {
    let (state_root, account, slot, packed): (H256, H160, H256, Vec<u8>) = arguments(data)?;
    let mut rest = Packed::new(&packed);
    let proof = StateProof::read(&mut rest)?;
    rest.finish()?;
    Ok(proof.slot(&state_root, &account, &slot)?.encode())
}

fn outbox(data: &[u8]) -> Answer {
    let (domain, state, proof, now, max_drift): (H256, TrustState, Vec<u8>, u64, u64) = arguments(data)?;
    let limits = Limits { now, max_drift };
    let (next, finalised) = StateProofVerifier(CommitteeVerifier).verify(&domain, &state, &proof, &limits)?;
    Ok((next, finalised.state_root).encode())
}

/// CMT1 under four names.
const KNOWN: &[&dyn FinalityVerifier] =
    &[&CommitteeVerifier, &Renamed(*b"CMT2"), &Renamed(*b"CMT3"), &Renamed(*b"CMT4")];
const AGREEMENT: AgreementVerifier = AgreementVerifier::over(KNOWN);

fn agreement(data: &[u8]) -> Answer {
    let (domain, state, proof, now, max_drift): (H256, TrustState, Vec<u8>, u64, u64) = arguments(data)?;
    Ok(AGREEMENT.verify(&domain, &state, &proof, &Limits { now, max_drift })?.encode())
}

fn accusation(data: &[u8]) -> Answer {
    let (domain, state, first, second): (H256, TrustState, Vec<u8>, Vec<u8>) = arguments(data)?;
    Ok(AGREEMENT.check_misbehaviour(&domain, &state, &first, &second)?.encode())
}

fn commitment(data: &[u8]) -> Answer {
    let (domain, state, proof, now, max_drift): (H256, TrustState, Vec<u8>, u64, u64) = arguments(data)?;
    Ok(BeefyVerifier.verify(&domain, &state, &proof, &Limits { now, max_drift })?.encode())
}

fn contradiction(data: &[u8]) -> Answer {
    let (domain, state, first, second): (H256, TrustState, Vec<u8>, Vec<u8>) = arguments(data)?;
    Ok(BeefyVerifier.check_misbehaviour(&domain, &state, &first, &second)?.encode())
}

fn answer(rule: u8, data: &[u8]) -> Answer {
    match rule {
        0 => inclusion(data),
        1 => consistency(data),
        2 => payload(data),
        3 => finality(data),
        4 => misbehaviour(data),
        5 => statement::<Membership>(data),
        6 => statement::<Update>(data),
        7 => statement::<Verdict>(data),
        8 => statement::<Vote>(data),
        9 => packet(data),
        10 => slot(data),
        11 => outbox(data),
        12 => agreement(data),
        13 => accusation(data),
        14 => commitment(data),
        15 => contradiction(data),
        16 => sealed(&CliqueVerifier, data),
        17 => sealed(&QbftVerifier, data),
        _ => Err(Code::Malformed),
    }
}

fn main() -> io::Result<()> {
    let mut stdin = Vec::new();
    io::stdin().lock().read_to_end(&mut stdin)?;
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    let mut rest = &stdin[..];
    while !rest.is_empty() {
        let mut head = [0; 5];
        rest.read_exact(&mut head)?;
        let [a, b, c, d, rule] = head;
        let mut data = vec![0; u32::from_le_bytes([a, b, c, d]) as usize];
        rest.read_exact(&mut data)?;
        let (code, result) = match std::panic::catch_unwind(|| answer(rule, &data)) {
            Ok(Ok(result)) => (Code::Ok as u8, result),
            Ok(Err(code)) => (code as u8, Vec::new()),
            Err(_) => (PANIC, Vec::new()),
        };
        stdout.write_all(&(result.len() as u32).to_le_bytes())?;
        stdout.write_all(&[code])?;
        stdout.write_all(&result)?;
    }
    stdout.flush()
}
