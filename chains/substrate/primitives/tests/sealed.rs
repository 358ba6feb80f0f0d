//! CLQ1 and QBF1 against the shared vectors (`tests/vectors/{clq1,qbf1}.json`, docs/vectors.md), and what no vector can say.

use poft_primitives::{
    clq1::{fewest_sealers, is_safe, pause, CliqueVerifier},
    code::Code,
    qbf1::{quorum, QbftVerifier},
    verifier::{FinalityVerifier, Limits, TrustState, Work},
    H256,
};
use serde_json::{json, Value};

fn cases(file: &str) -> Vec<Value> {
    let path = format!("{}/../../../tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("the vectors")).expect("JSON");
    vectors["cases"].as_array().expect("cases").clone()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().and_then(|text| text.strip_prefix("0x")).expect("0x")).expect("hex")
}

fn hash(value: &Value) -> H256 {
    H256::from_slice(&bytes(value))
}

fn number(value: &Value) -> u64 {
    value.as_str().and_then(|text| text.parse().ok()).expect("a number")
}

fn hexed(data: &[u8]) -> String {
    format!("0x{}", hex::encode(data))
}

fn state(of: &Value) -> TrustState {
    TrustState {
        epoch: number(&of["epoch"]),
        height: number(&of["height"]),
        timestamp: number(&of["timestamp"]),
        outbox_size: number(&of["outboxSize"]),
        outbox_root: hash(&of["outboxRoot"]),
        authority: hash(&of["authority"]),
        small_committee: of["smallCommittee"].as_bool().expect("a flag"),
    }
}

fn shown(state: &TrustState) -> Value {
    json!({
        "epoch": state.epoch.to_string(),
        "height": state.height.to_string(),
        "timestamp": state.timestamp.to_string(),
        "outboxSize": state.outbox_size.to_string(),
        "outboxRoot": hexed(state.outbox_root.as_bytes()),
        "authority": hexed(state.authority.as_bytes()),
        "smallCommittee": state.small_committee,
    })
}

fn answer(verifier: &dyn FinalityVerifier, input: &Value) -> Result<Value, Code> {
    match input["call"].as_str() {
        Some("scheme") => Ok(json!({ "scheme": hexed(&verifier.scheme()) })),
        Some("initialise") => Ok(json!({ "state": shown(&verifier.initialise(&bytes(&input["genesis"]))?) })),
        Some("epochOf") => Ok(json!({ "epoch": verifier.epoch_of(&bytes(&input["proof"]))?.to_string() })),
        Some("verify") => {
            let limits = Limits { now: number(&input["now"]), max_drift: number(&input["maxDrift"]) };
            let (domain, known, proof) = (hash(&input["domain"]), state(&input["state"]), bytes(&input["proof"]));
            let (next, finalised) = verifier.verify(&domain, &known, &proof, &limits)?;
            Ok(json!({
                "state": shown(&next),
                "blockHash": hexed(finalised.block_hash.as_bytes()),
                "stateRoot": hexed(finalised.state_root.as_bytes()),
                "dissent": finalised.dissent.to_string(),
            }))
        }
        Some("checkMisbehaviour") => {
            let (first, second) = (bytes(&input["first"]), bytes(&input["second"]));
            let (domain, known) = (hash(&input["domain"]), state(&input["state"]));
            let signers = verifier.check_misbehaviour(&domain, &known, &first, &second)?;
            Ok(json!({ "signers": signers.iter().map(|who| hexed(who.as_bytes())).collect::<Vec<_>>() }))
        }
        _ => panic!("an unknown call"),
    }
}

fn replay(file: &str, verifier: &dyn FinalityVerifier) {
    for case in cases(file) {
        let name = &case["name"];
        match answer(verifier, &case["input"]) {
            Ok(result) => assert_eq!(result, case["expect"], "{name}"),
            Err(code) => assert_eq!(json!(format!("{code:?}")), case["error"], "{name}"),
        }
    }
}

#[test]
fn clique() {
    replay("clq1.json", &CliqueVerifier);
}

#[test]
fn qbft() {
    replay("qbf1.json", &QbftVerifier);
}

/// The rule as it is written, over whole numbers that may be negative.
#[test]
fn the_rule_is_the_one_that_is_written() {
    for signers in 1..=64i64 {
        for dishonest in 0..=signers {
            for distinct in 0..=signers {
                for weight in 0..=260i64 {
                    let written = distinct > signers + dishonest - signers / 2 - 1
                        && weight > 2 * (signers - distinct + dishonest);
                    let said = is_safe(distinct as usize, weight as u64, signers as usize, dishonest as usize);
                    assert_eq!(said, written, "N {signers}, f {dishonest}, k {distinct}, W {weight}");
                }
            }
            let fewest = (signers + dishonest - signers / 2).max(signers / 2 + 1);
            assert_eq!(fewest_sealers(signers as usize, dishonest as usize) as i64, fewest);
        }
        assert_eq!(pause(signers as usize) as i64, signers / 2 + 1);
        assert_eq!(quorum(signers as usize) as i64, (2 * signers + 2) / 3);
    }
}

#[test]
fn work_counts_what_is_done_and_nothing_where_nothing_is() {
    let honest = |file: &str| {
        let found = cases(file).into_iter().find(|case| case["name"] == "an update with history");
        bytes(&found.expect("the case")["input"]["proof"])
    };
    let (clique, qbft) = (honest("clq1.json"), honest("qbf1.json"));
    assert_eq!(CliqueVerifier.work(&clique).signatures, 4);
    let counted = QbftVerifier.work(&qbft).signatures;
    assert!((3..=16).contains(&counted), "{counted} signatures for 3");
    // A chain of headers is no proof of QBFT's: it is refused before anything is recovered.
    assert_eq!(QbftVerifier.work(&clique).signatures, 0);
    for end in (0..clique.len()).step_by(97) {
        assert_eq!(CliqueVerifier.work(&clique[..end]), Work::default());
    }
}
