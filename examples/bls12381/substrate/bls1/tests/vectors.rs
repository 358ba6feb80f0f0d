//! The scheme against its vectors (`vectors/*.json`): the verdict, and the very code, of every case.

use ark_ec::AffineRepr;
use ark_ff::{BigInteger, PrimeField};
use poft_bls1::{curve::hash_to_g1, BlsVerifier};
use poft_primitives::{
    verifier::{FinalityVerifier, Limits, TrustState},
    Code, H256,
};
use serde_json::{json, Value};

fn cases(file: &str) -> Vec<Value> {
    let path = format!("{}/../../vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("vectors");
    let mut vectors: Value = serde_json::from_str(&text).expect("JSON");
    serde_json::from_value(vectors["cases"].take()).expect("a list of cases")
}

fn octets(value: &Value) -> Vec<u8> {
    hex::decode(&value.as_str().expect("text")[2..]).expect("hex")
}

fn word(value: &Value) -> H256 {
    H256::from_slice(&octets(value))
}

fn number(value: &Value) -> u64 {
    value.as_str().expect("text").parse().expect("a u64")
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
        outbox_root: word(&of["outboxRoot"]),
        authority: word(&of["authority"]),
        small_committee: of["smallCommittee"].as_bool().expect("bool"),
    }
}

fn answer(input: &Value) -> Result<Value, Code> {
    let domain = || word(&input["domain"]);
    match input["call"].as_str().expect("text") {
        "initialise" => Ok(json!({ "state": shown(&BlsVerifier.initialise(&octets(&input["genesis"]))?) })),
        "epochOf" => Ok(json!({ "epoch": BlsVerifier.epoch_of(&octets(&input["proof"]))?.to_string() })),
        "checkMisbehaviour" => {
            let (first, second) = (octets(&input["first"]), octets(&input["second"]));
            let signers = BlsVerifier.check_misbehaviour(&domain(), &state(&input["state"]), &first, &second)?;
            Ok(json!({ "signers": signers.iter().map(|one| hexed(one.as_bytes())).collect::<Vec<_>>() }))
        }
        _ => {
            let limits = Limits { now: number(&input["now"]), max_drift: number(&input["maxDrift"]) };
            let (next, _) =
                BlsVerifier.verify(&domain(), &state(&input["state"]), &octets(&input["proof"]), &limits)?;
            Ok(json!({ "state": shown(&next) }))
        }
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

#[test]
fn hash_to_g1_gives_the_points_of_the_rfc() {
    for case in cases("curve.json") {
        let point = hash_to_g1(&octets(&case["input"]["message"]), &octets(&case["input"]["tag"])).expect("a point");
        let (x, y) = point.xy().expect("not infinity");
        let packed = [x, y].map(|value| value.into_bigint().to_bytes_be()).concat();
        assert_eq!(packed, octets(&case["expect"]["point"]), "{}", case["name"]);
    }
}

#[test]
fn vectors_get_their_verdicts() {
    let cases = cases("bls1.json");
    assert!(!cases.is_empty());
    for case in cases {
        let name = &case["name"];
        match (answer(&case["input"]), case.get("error")) {
            (Ok(answer), None) => assert_eq!(answer, case["expect"], "{name}"),
            (Err(code), Some(expected)) => assert_eq!(format!("{code:?}"), expected.as_str().expect("text"), "{name}"),
            (got, expected) => panic!("{name}: {got:?} where {expected:?} was expected"),
        }
    }
}

#[test]
fn work_is_bounded_whatever_the_bytes_are() {
    let most = BlsVerifier.work(&[255; 65_536]);
    assert_eq!((most.signatures, most.pairings, most.hashes), (0, 3, 32 * 64 + 2 * 128));
    for length in 0..600 {
        let work = BlsVerifier.work(&vec![255; length]);
        assert!(work.pairings <= most.pairings && work.hashes <= most.hashes);
    }
}
