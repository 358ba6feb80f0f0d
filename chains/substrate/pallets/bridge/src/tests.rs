//! What a relayer and an attacker meet. Sections: outbox, clients, inbox, governance; acknowledgements and random
//! sequences are files of their own.

mod acknowledgements;
mod invariants;
mod migrations;

use crate::{mock::*, ports::Bridge as _, ports::PacketReceiver, types::Outcome, *};
use poft_primitives::{
    and1::{AgreementGenesis, AgreementProof, SchemeGenesis, SchemeProof, SchemeTrust},
    committee::{CommitteeGenesis, CommitteeProof, CommitteeVerifier},
    domain::substrate_domain,
    finality::{committee_hash, Finality},
    keccak,
    receive::PacketProof,
    testing::{addresses, keys, Source},
    verifier::{FinalityVerifier, Work, MAX_ENCODED},
    Code, H256,
};
use polkadot_sdk::{
    frame_support::{
        assert_noop, assert_ok,
        dispatch::{DispatchResultWithPostInfo, GetDispatchInfo},
        traits::{Hooks, OriginTrait},
    },
    sp_runtime::{DigestItem, DispatchError},
};

const CMT1: [u8; 4] = *b"CMT1";
const DRIFT: u64 = 600;
const STALENESS: u64 = 3600;

fn refused(code: Code) -> Error<Test> {
    code.into()
}

fn signed() -> RuntimeOrigin {
    RuntimeOrigin::signed(1)
}

fn root() -> RuntimeOrigin {
    RuntimeOrigin::root()
}

fn own() -> H256 {
    Domain::<Test>::get()
}

/// A source with a client here and so many packets for here.
fn source(packets: u8) -> Source {
    let mut source = Source::new("source", 4, NOW - 5);
    for i in 0..packets {
        source.send(own(), Application::endpoint(), &[i; 40]);
    }
    assert_ok!(Bridge::create_client(root(), source.domain, CMT1, trust(&source), DRIFT, STALENESS));
    assert_ok!(Bridge::accept_from(source.domain, Application::endpoint(), source.sender));
    source
}

fn packed(proof: &CommitteeProof) -> Vec<u8> {
    proof.encode().expect("lists of a proof are short")
}

fn trust(source: &Source) -> Vec<u8> {
    source.genesis().encode().expect("a committee is short")
}

fn update(source: &Source, proof: CommitteeProof) -> DispatchResultWithPostInfo {
    Bridge::update_client(signed(), source.domain, packed(&proof))
}

fn deliver(source: &Source, packets: Vec<PacketProof>) -> DispatchResultWithPostInfo {
    Bridge::deliver(signed(), source.domain, None, source.size(), packets)
}

/// A source whose whole outbox is finalised here.
fn finalised(packets: u8) -> Source {
    let mut source = source(packets);
    let proof = source.finality(0);
    assert_ok!(update(&source, proof));
    source
}

// --- outbox ---

#[test]
fn genesis_sets_the_domain_from_name_and_genesis_hash() {
    run(|| {
        let expected = substrate_domain(&H256::repeat_byte(0x45), b"poft-development").expect("not zero");
        assert_eq!(own(), expected);
    });
}

#[test]
fn every_header_carries_the_outbox_commitment_once() {
    run(|| {
        for block in 2..5u64 {
            System::initialize(&block, &H256::zero(), &Default::default());
            if block == 3 {
                assert_ok!(Bridge::send(keccak(b"me"), 1, keccak(b"there"), keccak(b"you"), 0, b"payload"));
            }
            Bridge::on_finalize(block);
            let log = Outbox::<Test>::get();
            assert_eq!(log.size, u64::from(block >= 3));
            let item = [&b"POFT"[..], &log.size.to_le_bytes(), log.root().as_bytes()].concat();
            assert_eq!(item.len(), 44);
            assert_eq!(System::digest().logs(), [DigestItem::Other(item)]);
        }
    });
}

#[test]
fn send_numbers_packets_densely_per_destination() {
    run(|| {
        let (me, a, b) = (keccak(b"me"), keccak(b"a"), keccak(b"b"));
        for dest in [a, b, a] {
            assert_ok!(Bridge::send(me, 1, dest, keccak(b"you"), 0, &[1, 2, 3]));
        }
        let sent: Vec<_> = (0..3).map(|i| Packets::<Test>::get(i).expect("sent").packet).collect();
        assert_eq!(sent.iter().map(|packet| packet.nonce).collect::<Vec<_>>(), [0, 0, 1]);
        assert!(sent.iter().all(|packet| packet.sender == me && packet.source_domain == own()));
        let leaves: Vec<Vec<u8>> = sent.iter().map(|packet| packet.id().0.to_vec()).collect();
        assert_eq!(Outbox::<Test>::get().root(), poft_primitives::testing::root(&leaves));
    });
}

#[test]
fn send_refuses_own_domain_zero_endpoints_other_kinds_and_oversize() {
    run(|| {
        let (me, there, you) = (keccak(b"me"), keccak(b"there"), keccak(b"you"));
        assert_eq!(Bridge::send(me, 1, own(), you, 0, &[]), Err(Code::WrongDestination));
        assert_eq!(Bridge::send(me, 1, H256::zero(), you, 0, &[]), Err(Code::ZeroValue));
        assert_eq!(Bridge::send(me, 1, there, H256::zero(), 0, &[]), Err(Code::ZeroValue));
        assert_eq!(Bridge::send(me, 1, there, you, 0, &[0; 4097]), Err(Code::Oversize));
        for kind in [0, 2, 3, u8::MAX] {
            assert_eq!(Bridge::send(me, kind, there, you, 0, &[]), Err(Code::WrongKind));
        }
        assert_noop!(Bridge::set_sending_halted(signed(), true), DispatchError::BadOrigin);
        assert_ok!(Bridge::set_sending_halted(root(), true));
        assert_eq!(Bridge::send(me, 1, there, you, 0, &[]), Err(Code::Halted));
        assert_ok!(Bridge::set_sending_halted(root(), false));
        assert_eq!(Outbox::<Test>::get().size, 0);
        assert_ok!(Bridge::set_halted(root(), there, true));
        assert_ok!(Bridge::send(me, 1, there, you, 0, &[]));
    });
}

// --- clients ---

#[test]
fn create_client_refuses_own_domain_zero_values_and_a_second_time() {
    run(|| {
        let genesis = Source::new("source", 4, NOW).genesis();
        let create = |domain, genesis: &CommitteeGenesis, staleness| {
            Bridge::create_client(root(), domain, CMT1, genesis.encode().expect("short"), DRIFT, staleness)
        };
        assert_noop!(create(own(), &genesis, STALENESS), refused(Code::WrongDomain));
        assert_noop!(create(H256::zero(), &genesis, STALENESS), refused(Code::ZeroValue));
        assert_noop!(create(keccak(b"a"), &genesis, 0), refused(Code::ZeroValue));
        let small = CommitteeGenesis { members: genesis.members[..3].to_vec(), ..genesis.clone() };
        assert_noop!(create(keccak(b"a"), &small, STALENESS), refused(Code::CommitteeInvalid));
        let made = |scheme, genesis| Bridge::create_client(root(), keccak(b"a"), scheme, genesis, DRIFT, STALENESS);
        assert_noop!(made(*b"CMT2", vec![]), refused(Code::UnknownScheme));
        assert_noop!(made(CMT1, vec![]), refused(Code::Malformed));
        assert_noop!(made(CMT1, vec![0; 65_537]), refused(Code::Oversize));
        assert_ok!(create(keccak(b"a"), &genesis, STALENESS));
        assert_noop!(create(keccak(b"a"), &genesis, STALENESS), refused(Code::AlreadyInitialised));
    });
}

#[test]
fn update_takes_a_quorum_and_a_repetition_changes_nothing() {
    run(|| {
        let mut source = source(3);
        let proof = source.finality(0);
        assert_ok!(update(&source, proof.clone()));
        let client = Clients::<Test>::get(source.domain).expect("created");
        assert_eq!((client.state.outbox_size, client.state.height, client.newest, client.held), (3, 11, 1, 2));
        assert_ok!(update(&source, proof));
        assert_eq!(Clients::<Test>::get(source.domain), Some(client));
    });
}

#[test]
fn update_refuses_forgeries_by_name() {
    run(|| {
        let mut source = source(3);
        let first = source.finality(0);
        assert_ok!(update(&source, first.clone()));
        source.send(own(), Application::endpoint(), b"more");
        let good = source.finality(3);
        let forged = |change: &dyn Fn(&mut CommitteeProof)| {
            let mut proof = good.clone();
            change(&mut proof);
            update(&source, proof)
        };
        assert_noop!(forged(&|p| p.signatures[64] = 29), refused(Code::BadSignature));
        assert_noop!(forged(&|p| p.signatures.truncate(64)), refused(Code::BadSignature));
        assert_noop!(forged(&|p| p.signatures.rotate_left(65)), refused(Code::NotSigner));
        assert_noop!(forged(&|p| p.statement.outbox_root = keccak(b"lie")), refused(Code::NotSigner));
        assert_noop!(forged(&|p| p.bitmap = 0b11), refused(Code::BitmapMismatch));
        assert_noop!(
            forged(&|p| {
                p.bitmap = 0b11;
                p.signature_count = 2;
                p.signatures.truncate(130);
            }),
            refused(Code::QuorumNotReached)
        );
        assert_noop!(forged(&|p| p.members = addresses(&keys("other", 4))), refused(Code::CommitteeMismatch));
        assert_noop!(forged(&|p| p.consistency.clear()), refused(Code::ProofLength));
        assert_noop!(forged(&|p| p.consistency[0].0[0] ^= 1), refused(Code::InconsistentLog));
        assert_noop!(forged(&|p| p.consistency = vec![H256::zero(); 129]), refused(Code::Oversize));
        // Statements that a quorum signed, and that are refused nevertheless.
        let said = |change: &dyn Fn(&mut Finality)| {
            let mut statement = good.statement.clone();
            change(&mut statement);
            update(&source, source.prove(statement, 3))
        };
        assert_noop!(said(&|s| s.epoch = 2), refused(Code::WrongEpoch));
        assert_noop!(said(&|s| s.height = first.statement.height), refused(Code::StaleHeight));
        assert_noop!(said(&|s| s.timestamp = NOW - 6), refused(Code::TimestampRegression));
        assert_noop!(said(&|s| s.timestamp = NOW + DRIFT + 1), refused(Code::TimestampDrift));
        assert_noop!(said(&|s| s.outbox_root = keccak(b"rewritten")), refused(Code::InconsistentLog));
        // Bytes that are no proof.
        let sent = |proof: Vec<u8>| Bridge::update_client(signed(), source.domain, proof);
        let encoded = packed(&good);
        assert_noop!(sent(vec![]), refused(Code::Malformed));
        assert_noop!(sent(encoded[..173].to_vec()), refused(Code::Malformed));
        assert_noop!(sent(encoded[..encoded.len() - 1].to_vec()), refused(Code::Malformed));
        assert_noop!(sent([&encoded[..], &[0]].concat()), refused(Code::Malformed));
        assert_noop!(sent(vec![0; 65_537]), refused(Code::Oversize));
        assert_ok!(update(&source, good.clone()));
        assert_noop!(update(&source, first.clone()), refused(Code::StaleHeight));
        let unknown = Bridge::update_client(signed(), keccak(b"nobody"), packed(&good));
        assert_eq!(unknown, Err(refused(Code::Uninitialised).into()));
    });
}

#[test]
fn hand_over_retires_the_old_committee() {
    run(|| {
        let mut source = source(2);
        let next = keys("next", 5);
        let mut statement = source.statement();
        statement.next_committee = committee_hash(2, &addresses(&next));
        let mut proof = source.prove(statement, 0);
        assert_noop!(update(&source, proof.clone()), refused(Code::CommitteeInvalid));
        proof.next_members = addresses(&next);
        assert_ok!(update(&source, proof));
        let stale = source.finality(2);
        assert_noop!(update(&source, stale), refused(Code::CommitteeMismatch));
        (source.committee, source.epoch) = (next, 2);
        let proof = source.finality(2);
        assert_ok!(update(&source, proof));
    });
}

#[test]
fn misbehaviour_freezes_until_governance_recovers() {
    run(|| {
        let mut source = finalised(2);
        let truth = source.statement();
        let mut lie = truth.clone();
        lie.block_hash = keccak(b"fork");
        let (truth, lie) = (source.prove(truth, 2), source.prove(lie, 2));
        let submit = |a: &CommitteeProof, b: &CommitteeProof| {
            Bridge::submit_misbehaviour(signed(), source.domain, packed(a), packed(b))
        };
        assert_noop!(submit(&truth, &truth), refused(Code::NotMisbehaviour));
        let later = Finality { epoch: 7, ..lie.statement.clone() };
        assert_noop!(submit(&source.prove(later.clone(), 2), &truth), refused(Code::WrongEpoch));
        assert_noop!(submit(&truth, &source.prove(later, 2)), refused(Code::WrongEpoch));
        let sent = |a, b| Bridge::submit_misbehaviour(signed(), source.domain, a, b);
        assert_noop!(sent(vec![], packed(&lie)), refused(Code::Malformed));
        assert_noop!(sent(packed(&truth), vec![0; 65_537]), refused(Code::Oversize));
        assert_ok!(submit(&truth, &lie));
        let signers = addresses(&source.committee)[..3].to_vec();
        System::assert_last_event(Event::ClientFrozen { source_domain: source.domain, epoch: 1, signers }.into());
        assert_noop!(update(&source, truth.clone()), refused(Code::Frozen));
        assert_noop!(deliver(&source, vec![source.delivery(0)]), refused(Code::Frozen));
        assert_noop!(submit(&truth, &lie), refused(Code::Frozen));
        // A stranger cannot lift it; governance can, with a committee of its choice.
        let old = source.genesis();
        source.committee = keys("recovered", 4);
        source.epoch = 2;
        let recover = |origin, genesis: CommitteeGenesis| {
            Bridge::recover_client(origin, source.domain, CMT1, genesis.encode().expect("short"))
        };
        assert_noop!(recover(signed(), source.genesis()), DispatchError::BadOrigin);
        assert_noop!(recover(root(), old), refused(Code::WrongEpoch));
        assert_noop!(recover(root(), CommitteeGenesis { epoch: 1, ..source.genesis() }), refused(Code::WrongEpoch));
        assert_ok!(recover(root(), source.genesis()));
        let again = Bridge::submit_misbehaviour(signed(), source.domain, packed(&truth), packed(&lie));
        assert_eq!(again, Err(refused(Code::WrongEpoch).into()));
        let client = Clients::<Test>::get(source.domain).expect("recovered");
        assert_eq!((client.generation, client.frozen, client.state.outbox_size), (1, false, 0));
        assert_noop!(update(&source, truth), refused(Code::CommitteeMismatch));
        let proof = source.finality(0);
        assert_ok!(update(&source, proof));
        assert_ok!(deliver(&source, vec![source.delivery(0)]));
    });
}

#[test]
fn evidence_of_a_retired_epoch_still_freezes() {
    run(|| {
        let mut source = source(2);
        let next = keys("next", 4);
        let (mut a, mut b) = (source.statement(), source.statement());
        b.height = a.height;
        b.state_root = keccak(b"fork");
        a.next_committee = committee_hash(2, &addresses(&next));
        let (mut first, second) = (source.prove(a, 0), source.prove(b, 0));
        first.next_members = addresses(&next);
        assert_ok!(update(&source, first.clone()));
        assert_ok!(Bridge::submit_misbehaviour(signed(), source.domain, packed(&first), packed(&second)));
        assert!(Clients::<Test>::get(source.domain).expect("created").frozen);
    });
}

#[test]
fn a_recovery_may_change_the_scheme_and_dissent_is_told() {
    run(|| {
        let mut source = source(1);
        let proof = source.finality(0);
        let dissent = || {
            let last = System::events().pop().expect("an event").event;
            let RuntimeEvent::Bridge(Event::ClientUpdated { finalised, .. }) = last else { panic!("{last:?}") };
            finalised.dissent
        };
        assert_ok!(update(&source, proof));
        assert_eq!(dissent(), 0);
        let recover = |scheme, genesis| Bridge::recover_client(root(), source.domain, scheme, genesis);
        let genesis = CommitteeGenesis { epoch: 2, ..source.genesis() }.encode().expect("short");
        assert_noop!(recover(*b"ESP9", genesis.clone()), refused(Code::UnknownScheme));
        assert_noop!(recover(*b"DIS1", vec![0; 65_537]), refused(Code::Oversize));
        assert_ok!(recover(*b"DIS1", genesis));
        source.epoch = 2;
        let proof = source.finality(0);
        assert_ok!(update(&source, proof));
        assert_eq!(dissent(), 0b10);
        assert_eq!(Clients::<Test>::get(source.domain).expect("created").scheme, *b"DIS1");
    });
}

/// Which scheme a proof is for is known after a look into storage: it is charged as the dearest, and the rest given back.
#[test]
fn a_proof_is_charged_as_the_dearest_scheme_and_paid_as_its_own() {
    run(|| {
        let mut source = source(1);
        let proof = source.finality(0);
        let encoded = packed(&proof);
        let call = Call::<Test>::update_client { source_domain: source.domain, proof: encoded.clone() };
        let charged = call.get_dispatch_info().call_weight;
        assert_eq!(charged, Bridge::proof_weight(Dissenting.work(&encoded), &encoded));
        let paid = update(&source, proof).expect("valid").actual_weight.expect("told");
        assert_eq!(paid, Bridge::proof_weight(CommitteeVerifier.work(&encoded), &encoded));
        assert!(paid.ref_time() < charged.ref_time());
    });
}

#[test]
fn a_genesis_is_charged_what_its_scheme_checks() {
    let charged = |scheme: [u8; 4], length: usize| {
        let genesis = vec![0; length];
        let (source_domain, max_drift, staleness) = (H256::repeat_byte(1), 0, 0);
        Call::<Test>::create_client { source_domain, scheme, genesis, max_drift, staleness }
            .get_dispatch_info()
            .call_weight
    };
    let own = charged(*b"CMT1", 100);
    let more = charges::create::<()>(Dissenting.genesis_work(&[]), 100);
    assert_eq!(own, charges::create::<()>(Work::default(), 100));
    assert!(more.all_gte(own) && more != own);
    assert_eq!(charged(*b"DIS1", 100), more);
    let recovered =
        Call::<Test>::recover_client { source_domain: H256::repeat_byte(1), scheme: *b"DIS1", genesis: vec![0; 100] };
    assert_eq!(recovered.get_dispatch_info().call_weight, more);
    // Refused unread: a name that is not known, and a genesis that is too long.
    assert_eq!(charged(*b"NONE", 100), own);
    assert_eq!(charged(*b"DIS1", MAX_ENCODED + 1), charges::create::<()>(Work::default(), MAX_ENCODED as u64 + 1));
}

/// Two committees that follow one source; the second is in shadow.
fn observed(epoch: u64, source: &mut Source, observer: &mut Source) -> Vec<u8> {
    (source.epoch, observer.epoch) = (epoch, epoch);
    let (first, second) = (trust(source), trust(observer));
    let schemes = vec![
        SchemeGenesis { scheme: CMT1, shadow: false, genesis: &first },
        SchemeGenesis { scheme: *b"CMT2", shadow: true, genesis: &second },
    ];
    AgreementGenesis { epoch, schemes }.encode().expect("two committees are short")
}

fn agreement(epoch: u64, parts: [(&Source, &[u8]); 2]) -> Vec<u8> {
    let schemes = parts.into_iter().enumerate().map(|(place, (source, proof))| SchemeProof {
        trust: SchemeTrust {
            scheme: if place == 0 { CMT1 } else { *b"CMT2" },
            shadow: place == 1,
            epoch: source.epoch,
            authority: committee_hash(source.epoch, &addresses(&source.committee)),
            small_committee: false,
        },
        proof,
    });
    AgreementProof { epoch, schemes: schemes.collect() }.encode().expect("two proofs are short")
}

#[test]
fn a_scheme_in_shadow_is_reported_and_decides_nothing() {
    run(|| {
        let (mut source, mut observer) = (Source::new("source", 4, NOW - 5), Source::new("source", 4, NOW - 5));
        observer.committee = keys("observer", 4);
        let (and1, domain) = (*b"AND1", source.domain);
        let genesis = observed(1, &mut source, &mut observer);
        assert_ok!(Bridge::create_client(root(), domain, and1, genesis.clone(), DRIFT, STALENESS));
        let update = |proof: Vec<u8>| Bridge::update_client(signed(), domain, proof);
        let dissent = || match System::events().pop().map(|record| record.event) {
            Some(RuntimeEvent::Bridge(Event::ClientUpdated { finalised, .. })) => finalised.dissent,
            other => panic!("{other:?}"),
        };
        let (decides, heard) = (packed(&source.finality(0)), packed(&observer.finality(0)));
        let both = agreement(1, [(&source, &decides), (&observer, &heard)]);
        assert_noop!(update(agreement(1, [(&source, &[]), (&observer, &heard)])), refused(Code::Malformed));
        assert_noop!(update(decides.clone()), refused(Code::Malformed));
        assert_ok!(update(both.clone()));
        assert_eq!(dissent(), 0);
        let decides = packed(&source.finality(0));
        assert_ok!(update(agreement(1, [(&source, &decides), (&observer, b"spoiled")])));
        assert_eq!(dissent(), 0b10);
        // Its signers may contradict each other: that is nobody's affair yet.
        let said = observer.statement();
        let fork = Finality { block_hash: keccak(b"fork"), ..said.clone() };
        let [one, other] = [said, fork].map(|said| packed(&observer.prove(said, 0)));
        let half = |proof: &[u8]| agreement(1, [(&source, &[]), (&observer, proof)]);
        let submit = Bridge::submit_misbehaviour(signed(), domain, half(&one), half(&other));
        assert_eq!(submit, Err(refused(Code::NotMisbehaviour).into()));
        // A recovery puts both into an epoch of which neither has signed anything.
        assert_noop!(Bridge::recover_client(root(), domain, and1, genesis), refused(Code::WrongEpoch));
        let later = observed(2, &mut source, &mut observer);
        assert_ok!(Bridge::recover_client(root(), domain, and1, later));
        assert_noop!(update(both), refused(Code::CommitteeMismatch));
        let (decides, heard) = (packed(&source.finality(0)), packed(&observer.finality(0)));
        assert_ok!(update(agreement(2, [(&source, &decides), (&observer, &heard)])));
        // A weight covers every scheme that is asked.
        let work = CommitteeVerifier.work(&decides).plus(CommitteeVerifier.work(&heard));
        let proof = agreement(2, [(&source, &decides), (&observer, &heard)]);
        let least = Bridge::proof_weight(work, &proof);
        let call = crate::Call::<Test>::update_client { source_domain: domain, proof };
        assert!(call.get_dispatch_info().call_weight.all_gte(least));
    });
}

// --- inbox ---

#[test]
fn deliver_takes_an_update_and_its_packets_in_one_call() {
    run(|| {
        let mut source = source(3);
        let proof = source.finality(0);
        let packets = (0..3).map(|i| source.delivery(i)).collect();
        assert_ok!(Bridge::deliver(signed(), source.domain, Some(packed(&proof)), 3, packets));
        assert_eq!(Application::taken(), 3);
        assert_eq!(NextNonce::<Test>::get(source.domain), 3);
        let delivery = Deliveries::<Test>::get(source.domain, 2).expect("delivered");
        assert_eq!((delivery.packet_id, delivery.outcome), (source.packets[2].0.id(), Outcome::Dispatched));
    });
}

#[test]
fn deliver_refuses_forgeries_by_name() {
    run(|| {
        let source = finalised(5);
        assert_ok!(deliver(&source, vec![source.delivery(0)]));
        let forged = |change: &dyn Fn(&mut PacketProof)| {
            let mut packet = source.delivery(1);
            change(&mut packet);
            deliver(&source, vec![packet])
        };
        assert_noop!(forged(&|p| p.packet.version = 2), refused(Code::WrongVersion));
        for kind in [0, 3, u8::MAX] {
            assert_noop!(forged(&|p| p.packet.kind = kind), refused(Code::WrongKind));
        }
        assert_noop!(forged(&|p| p.packet.kind = 2), refused(Code::WrongReceiver));
        assert_noop!(forged(&|p| p.packet.source_domain = keccak(b"x")), refused(Code::WrongSource));
        assert_noop!(forged(&|p| p.packet.dest_domain = keccak(b"x")), refused(Code::WrongDestination));
        assert_noop!(forged(&|p| p.packet.receiver = keccak(b"x")), refused(Code::WrongReceiver));
        assert_noop!(forged(&|p| p.packet.sender = keccak(b"x")), refused(Code::WrongSender));
        assert_noop!(forged(&|p| p.packet.expires_at = 9), refused(Code::RootMismatch));
        assert_noop!(forged(&|p| p.payload.push(0)), refused(Code::PayloadMismatch));
        assert_noop!(forged(&|p| p.payload = vec![0; 4097]), refused(Code::Oversize));
        assert_noop!(forged(&|p| p.proof = vec![H256::zero(); 65]), refused(Code::Oversize));
        assert_noop!(forged(&|p| p.proof.truncate(1)), refused(Code::ProofLength));
        assert_noop!(forged(&|p| p.proof[0].0[0] ^= 1), refused(Code::RootMismatch));
        assert_noop!(forged(&|p| p.leaf_index = 2), refused(Code::RootMismatch));
        assert_noop!(forged(&|p| p.leaf_index = 5), refused(Code::IndexOutOfRange));
        assert_noop!(deliver(&source, vec![source.delivery(0)]), refused(Code::NonceReplayed));
        assert_noop!(deliver(&source, vec![source.delivery(2)]), refused(Code::NonceGap));
        assert_noop!(deliver(&source, vec![source.delivery(1); 33]), refused(Code::Oversize));
        assert_noop!(
            Bridge::deliver(signed(), source.domain, None, 4, vec![source.delivery(1)]),
            refused(Code::UnknownOutbox)
        );
        assert_noop!(
            Bridge::deliver(signed(), keccak(b"x"), None, 5, vec![source.delivery(1)]),
            refused(Code::Uninitialised)
        );
        assert_ok!(deliver(&source, vec![source.delivery(1)]));
    });
}

#[test]
fn a_batch_is_all_or_nothing() {
    run(|| {
        let source = finalised(3);
        let batch = vec![source.delivery(0), source.delivery(2)];
        assert_noop!(deliver(&source, batch), refused(Code::NonceGap));
        assert_eq!(Application::taken(), 0);
    });
}

#[test]
fn a_packet_of_an_unregistered_source_is_refused() {
    run(|| {
        let source = finalised(1);
        Senders::<Test>::remove(source.domain, Application::endpoint());
        assert_noop!(deliver(&source, vec![source.delivery(0)]), refused(Code::WrongReceiver));
        // A sender that is registered for a source is one of that source alone.
        assert_ok!(Bridge::accept_from(keccak(b"other"), Application::endpoint(), source.sender));
        assert_noop!(deliver(&source, vec![source.delivery(0)]), refused(Code::WrongReceiver));
        let accept = |domain, receiver, sender| Bridge::accept_from(domain, receiver, sender);
        assert_eq!(accept(source.domain, keccak(b"nobody"), source.sender), Err(Code::WrongReceiver));
        assert_eq!(accept(source.domain, Bridge::inbox(), source.sender), Err(Code::WrongReceiver));
        assert_eq!(accept(own(), Application::endpoint(), source.sender), Err(Code::WrongDomain));
        assert_eq!(accept(source.domain, Application::endpoint(), H256::zero()), Err(Code::ZeroValue));
    });
}

#[test]
fn an_expired_packet_is_consumed_without_effect() {
    run(|| {
        let mut source = source(2);
        source.alter(0, |packet| packet.expires_at = 20);
        source.alter(1, |packet| packet.expires_at = 21);
        let proof = source.finality(0);
        assert_ok!(update(&source, proof));
        System::set_block_number(21);
        assert_ok!(deliver(&source, vec![source.delivery(0), source.delivery(1)]));
        let outcomes = [0, 1].map(|nonce| Deliveries::<Test>::get(source.domain, nonce).expect("consumed").outcome);
        assert_eq!(outcomes, [Outcome::Expired, Outcome::Dispatched]);
        assert_eq!(Application::taken(), 1);
    });
}

#[test]
fn a_refusing_application_blocks_nothing_and_may_be_retried() {
    run(|| {
        let source = finalised(2);
        Application::refuse(Some(Code::UnknownParent));
        assert_ok!(deliver(&source, vec![source.delivery(0)]));
        assert_eq!(Application::taken(), 0, "what the application wrote is undone");
        let failed = Outcome::Failed(Code::UnknownParent);
        assert_eq!(Deliveries::<Test>::get(source.domain, 0).expect("consumed").outcome, failed);
        let (packet, payload) = source.packets[0].clone();
        let retry = |payload: &[u8]| Bridge::retry(signed(), packet.clone(), payload.to_vec());
        assert_noop!(retry(&payload), refused(Code::UnknownParent));
        Application::refuse(None);
        assert_ok!(deliver(&source, vec![source.delivery(1)]));
        assert_noop!(retry(b"other"), refused(Code::PayloadMismatch));
        assert_ok!(retry(&payload));
        assert_eq!(Application::taken(), 2);
        assert_noop!(retry(&payload), refused(Code::NothingToRetry));
        let (other, payload) = source.packets[1].clone();
        assert_noop!(Bridge::retry(signed(), other, payload), refused(Code::NothingToRetry));
    });
}

/// What a lying committee left behind must not be dispatched when nobody believes it any more.
#[test]
fn a_failed_packet_is_not_retried_while_frozen_or_after_a_recovery() {
    run(|| {
        let mut source = finalised(1);
        Application::refuse(Some(Code::UnknownParent));
        assert_ok!(deliver(&source, vec![source.delivery(0)]));
        Application::refuse(None);
        let (packet, payload) = source.packets[0].clone();
        let retry = || Bridge::retry(signed(), packet.clone(), payload.clone());
        assert_ok!(Bridge::set_halted(root(), source.domain, true));
        assert_noop!(retry(), refused(Code::Halted));
        assert_ok!(Bridge::set_halted(root(), source.domain, false));
        assert_ok!(Bridge::freeze_client(root(), source.domain));
        assert_noop!(retry(), refused(Code::Frozen));
        source.epoch = 2;
        assert_ok!(Bridge::recover_client(root(), source.domain, CMT1, trust(&source)));
        assert_noop!(retry(), refused(Code::NothingToRetry));
        assert_eq!(Application::taken(), 0);
    });
}

#[test]
fn governance_skips_a_packet_that_blocks_its_link() {
    run(|| {
        let mut source = source(1);
        source.send(own(), keccak(b"nobody"), b"lost");
        source.send(own(), Application::endpoint(), b"after it");
        let proof = source.finality(0);
        assert_ok!(update(&source, proof));
        assert_ok!(deliver(&source, vec![source.delivery(0)]));
        assert_noop!(deliver(&source, vec![source.delivery(1)]), refused(Code::WrongReceiver));
        assert_noop!(deliver(&source, vec![source.delivery(2)]), refused(Code::NonceGap));
        let skip = |origin, nonce| Bridge::skip_packet(origin, source.domain, nonce);
        assert_noop!(skip(signed(), 1), DispatchError::BadOrigin);
        assert_noop!(skip(root(), 0), refused(Code::NonceReplayed));
        assert_noop!(skip(root(), 2), refused(Code::NonceGap));
        assert_noop!(Bridge::skip_packet(root(), keccak(b"x"), 0), refused(Code::Uninitialised));
        assert_ok!(skip(root(), 1));
        System::assert_last_event(Event::PacketSkipped { source_domain: source.domain, nonce: 1 }.into());
        assert_eq!(Deliveries::<Test>::get(source.domain, 1).expect("consumed").outcome, Outcome::Skipped);
        assert_noop!(deliver(&source, vec![source.delivery(1)]), refused(Code::WrongReceiver));
        let (packet, payload) = source.packets[1].clone();
        assert_noop!(Bridge::retry(signed(), packet, payload), refused(Code::NothingToRetry));
        assert_ok!(deliver(&source, vec![source.delivery(2)]));
        assert_eq!(Application::taken(), 2);
    });
}

/// The last number ends a link by name; it does not wrap.
#[test]
fn the_last_nonce_is_refused() {
    run(|| {
        let mut source = source(1);
        source.alter(0, |packet| packet.nonce = u64::MAX);
        let proof = source.finality(0);
        assert_ok!(update(&source, proof));
        NextNonce::<Test>::insert(source.domain, u64::MAX);
        assert_noop!(deliver(&source, vec![source.delivery(0)]), refused(Code::Oversize));
        assert_noop!(Bridge::skip_packet(root(), source.domain, u64::MAX), refused(Code::Oversize));
    });
}

#[test]
fn old_outboxes_serve_until_they_are_pruned() {
    run(|| {
        let mut source = source(1);
        let first = source.finality(0);
        assert_ok!(update(&source, first));
        let old = source.delivery(0);
        for size in 1..u64::from(HISTORY) {
            source.send(own(), Application::endpoint(), &size.to_le_bytes());
            let proof = source.finality(size);
            assert_ok!(update(&source, proof));
        }
        let client = Clients::<Test>::get(source.domain).expect("created");
        for size in [1, 2, 100, 255, 256] {
            assert_ok!(Bridge::finalised_root(&source.domain, &client, size));
        }
        source.send(own(), Application::endpoint(), b"one more");
        let proof = source.finality(u64::from(HISTORY));
        assert_ok!(update(&source, proof));
        assert_noop!(Bridge::deliver(signed(), source.domain, None, 1, vec![old]), refused(Code::UnknownOutbox));
        assert_ok!(deliver(&source, vec![source.delivery(0)]));
    });
}

#[test]
fn a_client_without_news_serves_nothing() {
    run(|| {
        let source = finalised(1);
        set_time(source.timestamp + STALENESS + 1);
        assert_noop!(deliver(&source, vec![source.delivery(0)]), refused(Code::StaleClient));
        set_time(source.timestamp + STALENESS);
        assert_ok!(deliver(&source, vec![source.delivery(0)]));
    });
}

// --- governance ---

#[test]
fn only_governance_halts_freezes_and_trusts() {
    run(|| {
        let mut source = finalised(1);
        let proof = source.finality(1);
        let genesis = trust(&source);
        assert_noop!(Bridge::set_halted(signed(), source.domain, true), DispatchError::BadOrigin);
        assert_noop!(Bridge::freeze_client(signed(), source.domain), DispatchError::BadOrigin);
        assert_noop!(
            Bridge::create_client(signed(), keccak(b"a"), CMT1, genesis, DRIFT, STALENESS),
            DispatchError::BadOrigin
        );
        assert_noop!(
            Bridge::update_client(OriginTrait::none(), source.domain, packed(&proof)),
            DispatchError::BadOrigin
        );
        assert_ok!(Bridge::set_halted(root(), source.domain, true));
        assert_noop!(deliver(&source, vec![source.delivery(0)]), refused(Code::Halted));
        assert_ok!(Bridge::set_halted(root(), source.domain, false));
        assert_ok!(Bridge::set_halted(root(), keccak(b"another link"), true));
        assert_ok!(deliver(&source, vec![source.delivery(0)]));
        assert_ok!(Bridge::freeze_client(root(), source.domain));
        assert_noop!(deliver(&source, vec![source.delivery(0)]), refused(Code::Frozen));
        assert_noop!(Bridge::freeze_client(root(), source.domain), refused(Code::Frozen));
    });
}
