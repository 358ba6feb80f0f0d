//! The shared vectors (`tests/vectors/*.json`, docs/vectors.md): every case gets the verdict and the code it names.

use poft_primitives::{
    abi::AbiStruct,
    acknowledgement::{Acknowledgement, Fate},
    and1::{AgreementGenesis, AgreementProof, AgreementVerifier},
    bef1::{BeefyProof, BeefyVerifier},
    checkpoint::{Checkpoint, CheckpointPayload},
    code::Code,
    committee::{CommitteeGenesis, CommitteeProof, CommitteeVerifier},
    domain,
    esp1::StateProofVerifier,
    finality::Finality,
    log::{verify_consistency, verify_inclusion, Frontier},
    packed::Packed,
    packet::Packet,
    receive::{check_packet, Expectation, PacketProof, Verdict as Handling},
    state_proof::StateProof,
    statements::{Membership, Signed, Statement, Update, Verdict, Vote},
    testing::{self, Renamed},
    verifier::{FinalityVerifier, Limits, TrustState},
    H160, H256,
};
use serde_json::{json, Value};
use std::{fs, path::Path};

/// What a vector's field may be read as; `None` when the value does not fit the type.
trait Field: Sized {
    fn read(value: &Value) -> Option<Self>;
}

macro_rules! integer_field {
    ($($kind:ty),+) => {$(
        impl Field for $kind {
            fn read(value: &Value) -> Option<Self> {
                value.as_str()?.parse().ok()
            }
        }
    )+};
}

integer_field!(u8, u32, u64);

impl Field for bool {
    fn read(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

/// Bytes of any length.
struct Data(Vec<u8>);

impl Field for Data {
    fn read(value: &Value) -> Option<Self> {
        hex::decode(value.as_str()?.strip_prefix("0x")?).ok().map(Data)
    }
}

impl Field for H256 {
    fn read(value: &Value) -> Option<Self> {
        Data::read(value)?.0.try_into().ok().map(|bytes: [u8; 32]| H256(bytes))
    }
}

impl Field for H160 {
    fn read(value: &Value) -> Option<Self> {
        Data::read(value)?.0.try_into().ok().map(|bytes: [u8; 20]| H160(bytes))
    }
}

impl<F: Field> Field for Vec<F> {
    fn read(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(F::read).collect()
    }
}

fn maybe<F: Field>(of: &Value, name: &str) -> Result<F, Code> {
    F::read(&of[name]).ok_or(Code::Malformed)
}

fn get<F: Field>(of: &Value, name: &str) -> F {
    maybe(of, name).unwrap_or_else(|_| panic!("{name} in {of}"))
}

fn hexed(data: &[u8]) -> String {
    format!("0x{}", hex::encode(data))
}

/// Runs every case of a file; what `run` returns must equal what the case expects, or be its code.
fn each(file: &str, run: impl Fn(&str, &Value) -> Result<Value, Code>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/vectors").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let vectors: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(vectors["format"], "poft-vectors/1");
    let cases = vectors["cases"].as_array().expect("cases");
    let mut refused = 0;
    for case in cases {
        let name = case["name"].as_str().expect("name");
        match (run(name, &case["input"]), case["error"].as_str()) {
            (Ok(found), None) => assert_eq!(found, case["expect"], "{file}: {name}"),
            (Err(code), Some(expected)) => {
                assert_eq!(format!("{code:?}"), expected, "{file}: {name}");
                refused += 1;
            }
            (found, expected) => panic!("{file}: {name}: {found:?} where {expected:?} is due"),
        }
    }
    println!("{file}: {} good, {refused} bad", cases.len() - refused);
    assert!(refused > 0 && refused < cases.len());
}

#[test]
fn log() {
    each("log.json", |name, input| {
        if name.starts_with("build") {
            let leaves: Vec<Vec<u8>> = get::<Vec<Data>>(input, "leaves").into_iter().map(|leaf| leaf.0).collect();
            let mut frontier = Frontier::default();
            for leaf in &leaves {
                frontier.append(leaf)?;
            }
            assert_eq!(frontier.size, get::<u64>(input, "size"));
            assert_eq!(frontier.root(), testing::root(&leaves));
            let (index, from) = (get::<u64>(input, "index") as usize, get::<u64>(input, "fromSize") as usize);
            let inclusion = if leaves.is_empty() { Vec::new() } else { testing::inclusion(&leaves, index) };
            return Ok(json!({
                "root": hexed(frontier.root().as_bytes()),
                "inclusion": inclusion.iter().map(|node| hexed(node.as_bytes())).collect::<Vec<_>>(),
                "consistency":
                    testing::consistency(&leaves, from).iter().map(|node| hexed(node.as_bytes())).collect::<Vec<_>>(),
            }));
        }
        let proof: Vec<H256> = maybe(input, "proof")?;
        if name.starts_with("inclusion") {
            let leaf: Data = get(input, "leaf");
            verify_inclusion(&leaf.0, get(input, "index"), get(input, "size"), &proof, &get(input, "root"))?;
        } else {
            verify_consistency(
                get(input, "fromSize"),
                &get(input, "fromRoot"),
                get(input, "toSize"),
                &get(input, "toRoot"),
                &proof,
            )?;
        }
        Ok(json!({}))
    });
}

fn packet(of: &Value) -> Result<Packet, Code> {
    Ok(Packet {
        version: maybe(of, "version")?,
        kind: maybe(of, "kind")?,
        source_domain: maybe(of, "sourceDomain")?,
        dest_domain: maybe(of, "destDomain")?,
        nonce: maybe(of, "nonce")?,
        sender: maybe(of, "sender")?,
        receiver: maybe(of, "receiver")?,
        expires_at: maybe(of, "expiresAt")?,
        payload_hash: maybe(of, "payloadHash")?,
    })
}

#[test]
fn packets_and_domains() {
    each("packet.json", |name, input| {
        if name.starts_with("domain") {
            let made = domain::domain(get(input, "kind"), &get(input, "genesisHash"), &get(input, "networkId"))?;
            return Ok(json!({ "domain": hexed(made.as_bytes()) }));
        }
        let made = packet(input)?;
        Ok(json!({ "id": hexed(made.id().as_bytes()), "encoded": hexed(&made.encode_words()) }))
    });
}

fn checkpoint(of: &Value) -> Checkpoint {
    Checkpoint {
        federation: get(of, "federation"),
        task: get(of, "task"),
        round: get(of, "round"),
        model_root: get(of, "modelRoot"),
        model_bytes: get(of, "modelBytes"),
        manifest_hash: get(of, "manifestHash"),
        parents_hash: get(of, "parentsHash"),
        samples: get(of, "samples"),
        metrics_hash: get(of, "metricsHash"),
        training_root: get(of, "trainingRoot"),
        dataset_root: get(of, "datasetRoot"),
        locator_hash: get(of, "locatorHash"),
    }
}

#[test]
fn checkpoints_and_payloads() {
    each("checkpoint.json", |name, input| {
        if name.starts_with("payload") {
            let made = CheckpointPayload::decode(&get::<Data>(input, "payload").0)?;
            made.check_parents()?;
            assert_eq!(made.encode()?, get::<Data>(input, "payload").0);
            return Ok(json!({ "id": hexed(made.checkpoint.id().as_bytes()) }));
        }
        let made = CheckpointPayload {
            checkpoint: checkpoint(&input["checkpoint"]),
            parents: get(input, "parents"),
            previous: get(input, "previous"),
        };
        let encoded = made.encode()?;
        assert_eq!(CheckpointPayload::decode(&encoded)?, made);
        Ok(json!({ "id": hexed(made.checkpoint.id().as_bytes()), "encoded": hexed(&encoded) }))
    });
}

fn state(of: &Value) -> TrustState {
    TrustState {
        epoch: get(of, "epoch"),
        height: get(of, "height"),
        timestamp: get(of, "timestamp"),
        outbox_size: get(of, "outboxSize"),
        outbox_root: get(of, "outboxRoot"),
        authority: get(of, "authority"),
        small_committee: get(of, "smallCommittee"),
    }
}

fn state_json(state: &TrustState) -> Value {
    json!({
        "epoch": state.epoch.to_string(),
        "authority": hexed(state.authority.as_bytes()),
        "height": state.height.to_string(),
        "timestamp": state.timestamp.to_string(),
        "outboxSize": state.outbox_size.to_string(),
        "outboxRoot": hexed(state.outbox_root.as_bytes()),
        "smallCommittee": state.small_committee,
    })
}

/// A proof from its fields, and the bytes that stand beside them: one says what the other says.
fn proof(of: &Value) -> Result<(CommitteeProof, Vec<u8>), Code> {
    let said = &of["statement"];
    let signatures: Vec<Data> = get(of, "signatures");
    let made = CommitteeProof {
        statement: Finality {
            epoch: get(said, "epoch"),
            height: get(said, "height"),
            block_hash: get(said, "blockHash"),
            state_root: get(said, "stateRoot"),
            outbox_size: get(said, "outboxSize"),
            outbox_root: get(said, "outboxRoot"),
            timestamp: get(said, "timestamp"),
            next_committee: get(said, "nextCommittee"),
        },
        members: get(of, "members"),
        bitmap: get(of, "bitmap"),
        signature_count: signatures.len() as u8,
        signatures: signatures.into_iter().flat_map(|signature| signature.0).collect(),
        next_members: get(of, "nextMembers"),
        consistency: get(of, "consistency"),
    };
    let encoded = get::<Data>(of, "encoded").0;
    assert_eq!(made.encode()?, encoded);
    match CommitteeProof::decode(&encoded) {
        Ok(decoded) => assert_eq!(decoded, made),
        Err(code) => assert_eq!(code, Code::Oversize),
    }
    Ok((made, encoded))
}

#[test]
fn finality_proofs_and_evidence() {
    each("finality.json", |name, input| {
        if name.starts_with("initialise") {
            let genesis = &input["genesis"];
            let genesis = CommitteeGenesis {
                epoch: get(genesis, "epoch"),
                members: get(genesis, "members"),
                small_committee: get(genesis, "smallCommittee"),
            };
            let encoded = genesis.encode()?;
            assert_eq!(encoded, get::<Data>(input, "encoded").0, "{name}");
            let made = CommitteeVerifier.initialise(&encoded)?;
            return Ok(json!({ "newState": state_json(&made) }));
        }
        let (domain, state) = (get(input, "domain"), state(&input["state"]));
        if name.starts_with("misbehaviour") {
            let ((_, first), (_, second)) = (proof(&input["first"])?, proof(&input["second"])?);
            let signers = CommitteeVerifier.check_misbehaviour(&domain, &state, &first, &second)?;
            let signers: Vec<String> = signers.iter().map(|signer| hexed(signer.as_bytes())).collect();
            return Ok(json!({ "signers": signers }));
        }
        let (proof, encoded) = proof(input)?;
        let limits = Limits { now: get(input, "now"), max_drift: get(input, "maxDrift") };
        let (next, finalised) = CommitteeVerifier.verify(&domain, &state, &encoded, &limits)?;
        assert_eq!(finalised.outbox_root, proof.statement.outbox_root);
        let digest = proof.statement.digest(&domain);
        Ok(json!({ "digest": hexed(digest.as_bytes()), "newState": state_json(&next) }))
    });
}

const KNOWN: &[&dyn FinalityVerifier] = &[
    &CommitteeVerifier,
    &Renamed(*b"CMT2"),
    &Renamed(*b"CMT3"),
    &Renamed(*b"CMT4"),
    &Renamed(*b"CMT5"),
    &Renamed(*b"CMT6"),
    &Renamed(*b"CMT7"),
    &Renamed(*b"CMT8"),
    &StateProofVerifier(CommitteeVerifier),
];
const AGREEMENT: AgreementVerifier = AgreementVerifier::over(KNOWN);

#[test]
fn composed_schemes() {
    each("composed.json", |name, input| {
        if name.starts_with("initialise") {
            let genesis = get::<Data>(input, "genesis").0;
            let made = AGREEMENT.initialise(&genesis)?;
            assert_eq!(AgreementGenesis::decode(&genesis)?.encode()?, genesis);
            return Ok(json!({ "newState": state_json(&made) }));
        }
        let (domain, state) = (get(input, "domain"), state(&input["state"]));
        if name.starts_with("misbehaviour") {
            let (first, second) = (get::<Data>(input, "first").0, get::<Data>(input, "second").0);
            let signers = AGREEMENT.check_misbehaviour(&domain, &state, &first, &second)?;
            let signers: Vec<String> = signers.iter().map(|signer| hexed(signer.as_bytes())).collect();
            return Ok(json!({ "signers": signers }));
        }
        let proof = get::<Data>(input, "proof").0;
        let limits = Limits { now: get(input, "now"), max_drift: get(input, "maxDrift") };
        let (next, finalised) = AGREEMENT.verify(&domain, &state, &proof, &limits)?;
        let said = AgreementProof::decode(&proof)?;
        assert_eq!(said.encode()?, proof);
        // What is charged covers every scheme that is asked.
        let asked = said.schemes.iter().map(|part| CommitteeVerifier.work(part.proof).signatures).sum::<u64>();
        if !name.starts_with("shadow_named") && !name.starts_with("cmt1_and_esp1") {
            assert_eq!(AGREEMENT.work(&proof).signatures, asked, "{name}");
        }
        assert_eq!((finalised.height, finalised.outbox_root), (next.height, next.outbox_root));
        Ok(json!({
            "newState": state_json(&next),
            "blockHash": hexed(finalised.block_hash.as_bytes()),
            "stateRoot": hexed(finalised.state_root.as_bytes()),
            "dissent": finalised.dissent.to_string(),
        }))
    });
}

fn verified<S: Statement>(input: &Value, statement: S) -> Result<Value, Code> {
    let signed = Signed { index: 0, statement, signature: get::<Data>(input, "signature").0 };
    let digest = signed.verify(&get(input, "domain"))?;
    Ok(json!({ "digest": hexed(digest.as_bytes()) }))
}

#[test]
fn statements_and_ids() {
    each("federation.json", |name, input| {
        if name == "federation_id" {
            let label = input["name"].as_str().expect("name");
            let id = domain::federation_id(&get(input, "domain"), label.as_bytes());
            return Ok(json!({ "id": hexed(id.as_bytes()) }));
        }
        if name == "task_id" {
            let id = domain::task_id(&get(input, "federation"), &get(input, "configDigest"));
            return Ok(json!({ "id": hexed(id.as_bytes()) }));
        }
        let said = &input["statement"];
        match input["type"].as_str() {
            Some("Membership") => verified(
                input,
                Membership {
                    federation: get(said, "federation"),
                    participant: get(said, "participant"),
                    encryption_key: get(said, "encryptionKey"),
                    capacity: get(said, "capacity"),
                    sequence: get(said, "sequence"),
                },
            ),
            Some("Update") => verified(
                input,
                Update {
                    federation: get(said, "federation"),
                    task: get(said, "task"),
                    round: get(said, "round"),
                    trainer: get(said, "trainer"),
                    base: get(said, "base"),
                    update_root: get(said, "updateRoot"),
                    update_bytes: get(said, "updateBytes"),
                    samples: get(said, "samples"),
                    compute_millis: get(said, "computeMillis"),
                    steps: get(said, "steps"),
                    training_root: get(said, "trainingRoot"),
                    dataset_root: get(said, "datasetRoot"),
                    access_root: get(said, "accessRoot"),
                    cipher_hash: get(said, "cipherHash"),
                },
            ),
            Some("Verdict") => verified(
                input,
                Verdict {
                    federation: get(said, "federation"),
                    task: get(said, "task"),
                    round: get(said, "round"),
                    verifier: get(said, "verifier"),
                    accepted: get(said, "accepted"),
                    scores_root: get(said, "scoresRoot"),
                },
            ),
            Some("Vote") => verified(
                input,
                Vote {
                    federation: get(said, "federation"),
                    task: get(said, "task"),
                    round: get(said, "round"),
                    participant: get(said, "participant"),
                    checkpoint: get(said, "checkpoint"),
                },
            ),
            other => panic!("{name}: type {other:?}"),
        }
    });
}

fn delivery(input: &Value) -> Result<Value, Code> {
    let expected = &input["expectation"];
    let receivers: Vec<H256> = get(expected, "receivers");
    let [receiver] = receivers[..] else { panic!("one receiver is due") };
    let expectation = Expectation {
        own_domain: get(expected, "ownDomain"),
        source_domain: get(expected, "sourceDomain"),
        sender: get(expected, "sender"),
        receiver,
        inbox_peer: get(expected, "inboxPeer"),
        inbox: get(expected, "inbox"),
        next_nonce: get(expected, "nextNonce"),
        height: get(expected, "height"),
        outbox_size: get(expected, "outboxSize"),
        outbox_root: get(expected, "outboxRoot"),
    };
    let delivered = PacketProof {
        packet: packet(&input["packet"])?,
        payload: get::<Data>(input, "payload").0,
        leaf_index: get(input, "leafIndex"),
        proof: get(input, "proof"),
    };
    let handling = check_packet(&expectation, &delivered)?;
    Ok(json!({ "dispatched": handling == Handling::Dispatch }))
}

#[test]
fn deliveries() {
    each("inbox.json", |_, input| delivery(input));
}

#[test]
fn acknowledgements() {
    each("acknowledgement.json", |name, input| {
        if name.starts_with("deliver") {
            return delivery(input);
        }
        if name.starts_with("build") {
            let fates: Vec<u8> = get(input, "fates");
            let fates = fates.into_iter().map(Fate::try_from).collect::<Result<Vec<_>, _>>()?;
            let ids: Vec<H256> = get(input, "packetIds");
            let made = Acknowledgement { carrier: get(input, "carrier"), fates: ids.into_iter().zip(fates).collect() };
            let encoded = made.encode()?;
            assert_eq!(Acknowledgement::decode(&encoded), Ok(made));
            return Ok(json!({ "encoded": hexed(&encoded) }));
        }
        let made = Acknowledgement::decode(&get::<Data>(input, "payload").0)?;
        Ok(json!({
            "carrier": hexed(made.carrier.as_bytes()),
            "packetIds": made.fates.iter().map(|(id, _)| hexed(id.as_bytes())).collect::<Vec<_>>(),
            "fates": made.fates.iter().map(|(_, fate)| (*fate as u8).to_string()).collect::<Vec<_>>(),
        }))
    });
}

#[test]
fn state_proofs() {
    each("state_proof.json", |_, input| {
        let packed = get::<Data>(input, "proof").0;
        let mut rest = Packed::new(&packed);
        let proof = StateProof::read(&mut rest)?;
        rest.finish()?;
        let value = proof.slot(&get(input, "stateRoot"), &get(input, "account"), &get(input, "slot"))?;
        Ok(json!({ "value": hexed(value.as_bytes()) }))
    });
}

#[test]
fn outboxes_in_the_state() {
    let verifier = StateProofVerifier(CommitteeVerifier);
    each("esp1.json", |name, input| {
        let bytes = |field: &str| get::<Data>(input, field).0;
        match name.split('_').next() {
            Some("initialise") => Ok(json!({ "newState": state_json(&verifier.initialise(&bytes("genesis"))?) })),
            Some("epoch") => Ok(json!({ "epoch": verifier.epoch_of(&bytes("proof"))?.to_string() })),
            Some("misbehaviour") => {
                let (first, second) = (bytes("first"), bytes("second"));
                let signers =
                    verifier.check_misbehaviour(&get(input, "domain"), &state(&input["state"]), &first, &second)?;
                Ok(json!({ "signers": signers.iter().map(|who| hexed(who.as_bytes())).collect::<Vec<_>>() }))
            }
            _ => {
                let limits = Limits { now: get(input, "now"), max_drift: get(input, "maxDrift") };
                let known = state(&input["state"]);
                let (next, finalised) = verifier.verify(&get(input, "domain"), &known, &bytes("proof"), &limits)?;
                Ok(json!({ "newState": state_json(&next), "stateRoot": hexed(finalised.state_root.as_bytes()) }))
            }
        }
    });
}

#[test]
fn commitments_of_validators() {
    each("bef1.json", |name, input| {
        let bytes = |field: &str| get::<Data>(input, field).0;
        match name.split('_').next() {
            Some("initialise") => Ok(json!({ "newState": state_json(&BeefyVerifier.initialise(&bytes("genesis"))?) })),
            Some("epoch") => Ok(json!({ "epoch": BeefyVerifier.epoch_of(&bytes("proof"))?.to_string() })),
            Some("misbehaviour") => {
                let (first, second) = (bytes("first"), bytes("second"));
                let signers = BeefyVerifier.check_misbehaviour(
                    &get(input, "domain"),
                    &state(&input["state"]),
                    &first,
                    &second,
                )?;
                Ok(json!({ "signers": signers.iter().map(|who| hexed(who.as_bytes())).collect::<Vec<_>>() }))
            }
            _ => {
                let limits = Limits { now: get(input, "now"), max_drift: get(input, "maxDrift") };
                let known = state(&input["state"]);
                let proof = bytes("proof");
                let (next, finalised) = BeefyVerifier.verify(&get(input, "domain"), &known, &proof, &limits)?;
                let asked = BeefyProof::decode(&proof)?.signature_count as u64;
                assert_eq!(BeefyVerifier.work(&proof).signatures, asked, "{name}");
                assert_eq!((finalised.outbox_size, finalised.outbox_root), (next.outbox_size, next.outbox_root));
                Ok(json!({
                    "newState": state_json(&next),
                    "blockHash": hexed(finalised.block_hash.as_bytes()),
                    "stateRoot": hexed(finalised.state_root.as_bytes()),
                }))
            }
        }
    });
}
