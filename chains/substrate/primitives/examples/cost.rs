//! What the parts of a call cost on this machine; the constants of the pallets' weights come from here.
//!
//!     cargo run --release -p poft-primitives --example cost

use poft_primitives::{
    committee::CommitteeVerifier,
    esp1::{OutboxProof, StateProofVerifier, COMMITMENT_SLOT},
    keccak,
    log::{leaf_hash, node_hash},
    receive::{check_packet, Expectation},
    statements::{Signed, Vote},
    testing::{committee_proof, keys, root, Key, Source},
    verifier::{FinalityVerifier, Limits, TrustState},
    H256,
};
use serde_json::Value;
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// Median of 15 batches, in nanoseconds per run.
fn measure<R>(name: &str, mut run: impl FnMut() -> R) -> u64 {
    let batch = Duration::from_millis(30);
    let mut medians: Vec<u64> = (0..15)
        .map(|_| {
            let (start, mut runs) = (Instant::now(), 0);
            while start.elapsed() < batch {
                black_box(run());
                runs += 1;
            }
            start.elapsed().as_nanos() as u64 / runs
        })
        .collect();
    medians.sort_unstable();
    println!("{name}: {} ns", medians[7]);
    medians[7]
}

/// An ESP1 proof of the shared vectors, its client's state and its source's domain.
fn vector(name: &str) -> (H256, TrustState, Vec<u8>) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/vectors/esp1.json");
    let text = std::fs::read_to_string(path).expect("the vectors");
    let vectors: Value = serde_json::from_str(&text).expect("JSON");
    let cases = vectors["cases"].as_array().expect("cases");
    let input = &cases.iter().find(|case| case["name"] == name).expect("the case")["input"];
    let bytes = |field: &Value| hex::decode(&field.as_str().expect("text")[2..]).expect("hex");
    let state = TrustState {
        epoch: 1,
        height: 0,
        timestamp: 1900,
        outbox_size: 0,
        outbox_root: H256::from_slice(&bytes(&input["state"]["outboxRoot"])),
        authority: H256::from_slice(&bytes(&input["state"]["authority"])),
        small_committee: false,
    };
    (H256::from_slice(&bytes(&input["domain"])), state, bytes(&input["proof"]))
}

fn main() {
    let (a, b) = (H256::repeat_byte(1), H256::repeat_byte(2));
    let key = Key::new("cost");
    let vote = Vote { federation: a, task: b, round: 1, participant: key.address(), checkpoint: a };
    let vote: Signed<Vote> = key.say(&a, 0, vote);
    measure("hash of a node", || node_hash(&a, &b));
    measure("hash of a leaf", || leaf_hash(a.as_bytes()));
    let page = [0; 4096];
    measure("hash of 4,096 bytes", || keccak(&page));
    measure("statement (digest and signature)", || vote.verify(&a));

    let mut source = Source::new("cost", 1, 1000);
    for i in 0..1000u32 {
        source.send(b, b, &i.to_le_bytes());
    }
    let statement = source.statement();
    for members in [4, 64] {
        source.committee = keys("committee", members);
        let state = CommitteeVerifier.initialise(&source.genesis().encode().expect("64 members")).expect("a committee");
        let proof = source.prove(statement.clone(), 0);
        let limits = Limits { now: 1000, max_drift: 0 };
        let signers = proof.signature_count;
        let proof = proof.encode().expect("bounded lists");
        assert!(CommitteeVerifier.verify(&source.domain, &state, &proof, &limits).is_ok());
        measure(&format!("finality proof, {signers} of {members}"), || {
            CommitteeVerifier.verify(&source.domain, &state, &proof, &limits)
        });
        let one = committee_proof(&source.domain, &source.committee, 1, statement.clone(), vec![]);
        let one = one.encode().expect("bounded lists");
        measure(&format!("finality proof, refused for want of a quorum of {members}"), || {
            CommitteeVerifier.verify(&source.domain, &state, &one, &limits)
        });
    }
    for name in ["honest_first", "honest_first_large"] {
        let (domain, state, proof) = vector(name);
        let verifier = StateProofVerifier(CommitteeVerifier);
        let limits = Limits { now: 2000, max_drift: 30 };
        assert!(verifier.verify(&domain, &state, &proof, &limits).is_ok());
        measure(&format!("ESP1, 3 of 4, {name}, {} bytes", proof.len()), || {
            verifier.verify(&domain, &state, &proof, &limits)
        });
        let decoded = OutboxProof::decode(&proof).expect("a proof");
        let nodes = decoded.state.account.len() + decoded.state.storage.len();
        let (_, finalised) = verifier.verify(&domain, &state, &proof, &limits).expect("a proof");
        measure(&format!("the {nodes} nodes of its state proof alone"), || {
            decoded.state.slot(&finalised.state_root, &decoded.outbox, &COMMITMENT_SLOT)
        });
    }
    let leaves: Vec<Vec<u8>> = source.packets.iter().map(|(packet, _)| packet.id().0.to_vec()).collect();
    let expected = Expectation {
        own_domain: b,
        source_domain: source.domain,
        sender: source.sender,
        receiver: b,
        inbox_peer: H256::zero(),
        inbox: a,
        next_nonce: 500,
        height: 1,
        outbox_size: 1000,
        outbox_root: root(&leaves),
    };
    let delivered = source.delivery(500);
    assert!(check_packet(&expected, &delivered).is_ok());
    measure("packet with an inclusion proof of 10 nodes", || check_packet(&expected, &delivered));
}
