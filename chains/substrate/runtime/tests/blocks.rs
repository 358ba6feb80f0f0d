//! The runtime as a node meets it: genesis from the preset, blocks through `Executive`, weights against the limits.

use codec::Encode;
use poft_primitives::{
    committee::CommitteeProof, domain::substrate_domain, packet::MAX_PAYLOAD, receive::PacketProof, testing::Source,
    H160, H256,
};
use poft_runtime::{
    presets, BlockNumber, Executive, Header, Runtime, RuntimeCall, RuntimeGenesisConfig, RuntimeOrigin, SessionKeys,
    System, UncheckedExtrinsic,
};
use polkadot_sdk::{
    frame_support::{dispatch::GetDispatchInfo, genesis_builder_helper::build_state},
    sp_core::Pair,
    sp_keyring::{Ed25519Keyring, Sr25519Keyring},
    sp_runtime::{
        generic::Digest,
        traits::{Dispatchable, Header as _},
        DigestItem,
    },
    *,
};
use serde_json::Value;

const SLOT: u64 = 1_800_000_000;

/// Objects merge, everything else replaces.
fn merge(base: &mut Value, patch: Value) {
    match (base, patch) {
        (Value::Object(base), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, patch) => *base = patch,
    }
}

/// A chain that was started from the development preset with these settings on top.
fn started(settings: Value) -> sp_io::TestExternalities {
    let mut config = serde_json::to_value(RuntimeGenesisConfig::default()).expect("JSON");
    let preset = presets::get_preset(&presets::DEVELOPMENT.into()).expect("the preset exists");
    merge(&mut config, serde_json::from_slice(&preset).expect("JSON"));
    merge(&mut config, settings);
    let mut chain = sp_io::TestExternalities::new_empty();
    chain.execute_with(|| build_state::<RuntimeGenesisConfig>(config.to_string().into_bytes()).expect("it builds"));
    chain
}

/// Makes block `number` with its timestamp and returns its header.
fn block(number: BlockNumber, parent: H256) -> Header {
    let slot = SLOT + u64::from(number);
    let digest = Digest { logs: vec![DigestItem::PreRuntime(sp_consensus_aura::AURA_ENGINE_ID, slot.encode())] };
    Executive::initialize_block(&Header::new(number, H256::zero(), H256::zero(), parent, digest));
    let timestamp = RuntimeCall::Timestamp(pallet_timestamp::Call::set { now: slot * 1000 });
    let applied = Executive::apply_extrinsic(UncheckedExtrinsic::new_bare(timestamp));
    assert_eq!(applied.expect("valid"), Ok(()));
    Executive::finalize_block()
}

#[test]
fn genesis_takes_the_networks_name_into_the_domain() {
    started(serde_json::json!({ "bridge": { "networkName": b"alpha" }, "federation": { "name": b"alpha" } }))
        .execute_with(|| {
            let domain = substrate_domain(&H256::repeat_byte(0x45), b"alpha").expect("not zero");
            assert_eq!(pallet_poft_bridge::Domain::<Runtime>::get(), domain);
            let federation = poft_primitives::domain::federation_id(&domain, b"alpha");
            assert_eq!(pallet_poft_federation::FederationId::<Runtime>::get(), federation);
        });
}

#[test]
fn every_header_has_each_item_exactly_once_and_storage_agrees() {
    started(serde_json::json!({})).execute_with(|| {
        let mut parent = H256::zero();
        for number in 1..4 {
            let header = block(number, parent);
            let [DigestItem::PreRuntime(..), DigestItem::Other(item), DigestItem::Other(handover)] =
                &header.digest.logs[..]
            else {
                panic!("{:?}", header.digest)
            };
            let log = pallet_poft_bridge::Outbox::<Runtime>::get();
            assert_eq!(*item, [&b"POFT"[..], &log.size.to_le_bytes(), log.root().as_bytes()].concat());
            let domain = pallet_poft_bridge::Domain::<Runtime>::get();
            let next = pallet_poft_validators::NextCommittee::<Runtime>::get();
            let seconds = (SLOT + u64::from(number)).to_be_bytes();
            assert!(!domain.is_zero() && !next.is_zero());
            assert_eq!(*handover, [&b"POFB"[..], domain.as_bytes(), &seconds, next.as_bytes()].concat());
            assert_eq!(System::digest(), header.digest);
            parent = header.hash();
        }
    });
}

/// The longest legal proof: 64 members, all of whom signed, a hand-over to 64, 128 nodes.
fn longest_proof() -> Vec<u8> {
    let mut source = Source::new("source", 4, SLOT);
    let proof = CommitteeProof {
        statement: source.statement(),
        members: vec![H160::zero(); 64],
        bitmap: u64::MAX,
        signature_count: 64,
        signatures: vec![0; 65 * 64],
        next_members: vec![H160::zero(); 64],
        consistency: vec![H256::zero(); 128],
    };
    proof.encode().expect("the counts fit")
}

#[test]
fn the_largest_calls_fit_into_a_block() {
    let weights = <Runtime as frame_system::Config>::BlockWeights::get();
    let limit = weights.get(frame_support::dispatch::DispatchClass::Normal).max_extrinsic.expect("a limit");
    let mut source = Source::new("source", 4, SLOT);
    source.send(H256::zero(), H256::zero(), &[0; MAX_PAYLOAD]);
    let packet = PacketProof { proof: vec![H256::zero(); 64], ..source.delivery(0) };
    let deliver = RuntimeCall::Bridge(pallet_poft_bridge::Call::deliver {
        source_domain: H256::zero(),
        proof: Some(longest_proof()),
        outbox_size: 1,
        packets: vec![packet; 32],
    });
    // Acknowledgements of 32 packets each: every word is an entry of its own.
    let mut told = PacketProof { payload: vec![0; 67 * 32], proof: vec![H256::zero(); 64], ..source.delivery(0) };
    told.packet.kind = 2;
    let acknowledged = RuntimeCall::Bridge(pallet_poft_bridge::Call::deliver {
        source_domain: H256::zero(),
        proof: Some(longest_proof()),
        outbox_size: 1,
        packets: vec![told; 32],
    });
    let evidence = RuntimeCall::Bridge(pallet_poft_bridge::Call::submit_misbehaviour {
        source_domain: H256::zero(),
        first: longest_proof(),
        second: longest_proof(),
    });
    let vote = poft_primitives::statements::Vote {
        federation: H256::zero(),
        task: H256::zero(),
        round: 1,
        participant: H160::zero(),
        checkpoint: H256::zero(),
    };
    let vote = poft_primitives::statements::Signed { index: 0, statement: vote, signature: vec![0; 65] };
    let votes = RuntimeCall::Federation(pallet_poft_federation::Call::submit_votes {
        task: H256::zero(),
        votes: vec![vote; 64],
    });
    let calls = [
        ("deliver", deliver),
        ("deliver acknowledgements", acknowledged),
        ("submit_misbehaviour", evidence),
        ("submit_votes", votes),
    ];
    for (name, call) in calls {
        let weight = call.get_dispatch_info().call_weight;
        println!("{name}: {} ms of {} ms", weight.ref_time() / 1_000_000_000, limit.ref_time() / 1_000_000_000);
        assert!(weight.all_lte(limit), "{name}: {weight:?}");
        // One such call leaves room for others.
        assert!(weight.ref_time() < limit.ref_time() / 2, "{name}: {weight:?}");
    }
}

/// The charge comes before any look inside: whatever the bytes are, no scheme of the list makes a call impossible or free.
#[test]
fn what_the_database_takes_is_charged() {
    let database = <Runtime as frame_system::Config>::DbWeight::get();
    assert!(database.read > 0 && database.write > database.read);
}

#[test]
fn garbage_is_charged_within_a_block() {
    let weights = <Runtime as frame_system::Config>::BlockWeights::get();
    let limit = weights.get(frame_support::dispatch::DispatchClass::Normal).max_extrinsic.expect("a limit");
    let honest = longest_proof();
    let mut charged = Vec::new();
    for fill in [0, 1, 2, 0x20, 0x40, 0x80, 0xff] {
        for length in [0, 1, 173, 174, 65_536, 65_537, 1 << 20] {
            charged.push(vec![fill; length]);
            charged.push([&honest[..], &vec![fill; length]].concat());
            charged.push([&[fill; 174], &honest[..]].concat());
        }
    }
    for proof in charged {
        let bytes = proof.len() as u64;
        let call = RuntimeCall::Bridge(pallet_poft_bridge::Call::update_client { source_domain: H256::zero(), proof });
        let weight = call.get_dispatch_info().call_weight;
        assert!(weight.all_lte(limit) && weight.ref_time() > bytes, "{bytes} bytes: {weight:?}");
    }
}

/// Alice founds the development chain; a second validator comes, and Alice goes.
#[test]
fn sets_of_all_three_engines_change_together() {
    let settings = serde_json::json!({ "validators": { "sessionLength": 4 } });
    started(settings).execute_with(|| {
        let sets = || {
            let aura = pallet_aura::Authorities::<Runtime>::get().len();
            let grandpa = pallet_grandpa::Pallet::<Runtime>::grandpa_authorities().len();
            let beefy = pallet_beefy::Authorities::<Runtime>::get().len();
            (aura, grandpa, beefy, pallet_grandpa::CurrentSetId::<Runtime>::get())
        };
        let bob = Sr25519Keyring::Bob.to_account_id();
        let keys = SessionKeys {
            aura: Sr25519Keyring::Bob.public().into(),
            grandpa: Ed25519Keyring::Bob.public().into(),
            beefy: sp_core::ecdsa::Pair::from_seed(&[7; 32]).public().into(),
        };
        let mut parent = block(1, H256::zero()).hash();
        // Without the proof that a member gives; the pallet's own tests have it.
        pallet_session::NextKeys::<Runtime>::insert(&bob, keys);
        for members in [vec![Sr25519Keyring::Alice.to_account_id(), bob.clone()], vec![bob]] {
            let set = pallet_poft_validators::Call::<Runtime>::set_members { members: members.clone() };
            let before = sets();
            assert!(RuntimeCall::Validators(set).dispatch(RuntimeOrigin::root()).is_ok());
            let first = System::block_number() + 1;
            for number in first..first + 8 {
                let header = block(number, parent);
                parent = header.hash();
                let changes = |engine| {
                    let said = |item: &&DigestItem| matches!(item, DigestItem::Consensus(by, _) if *by == engine);
                    header.digest.logs.iter().filter(said).count()
                };
                // Announced at 4 and 12, done at 8 and 16.
                let done = usize::from(number % 8 == 0);
                assert_eq!(changes(sp_consensus_grandpa::GRANDPA_ENGINE_ID), done, "{number}");
                assert_eq!(changes(sp_consensus_aura::AURA_ENGINE_ID), done, "{number}");
                assert_eq!(changes(sp_consensus_beefy::BEEFY_ENGINE_ID), usize::from(number % 4 == 0), "{number}");
            }
            assert_eq!(sets(), (members.len(), members.len(), members.len(), before.3 + 1));
        }
    });
}

#[test]
fn alice_of_the_preset_is_the_well_known_one() {
    started(serde_json::json!({})).execute_with(|| {
        let alice = sp_core::ecdsa::Pair::from_string("//Alice", None).expect("a derivation").public();
        assert_eq!(pallet_beefy::Authorities::<Runtime>::get().into_inner(), [alice.into()]);
        assert_eq!(pallet_poft_validators::SessionLength::<Runtime>::get(), 60);
    });
}
