//! What a source learns of its packets, and what it takes from whom.

use super::*;
use crate::types::Acknowledged;
use poft_primitives::{
    acknowledgement::{Acknowledgement, Fate},
    packet::Packet,
};

const CARRIER: H256 = H256::repeat_byte(0xca);

fn peer() -> H256 {
    keccak(b"the source's inbox")
}

fn connect(source: &Source) {
    assert_ok!(Bridge::set_acknowledgements(root(), source.domain, peer()));
}

/// Packets that this chain sent: (destination, nonce, kind).
fn sent() -> Vec<(H256, u64, u8)> {
    (0..Outbox::<Test>::get().size)
        .map(|index| Packets::<Test>::get(index).expect("sent").packet)
        .map(|packet| (packet.dest_domain, packet.nonce, packet.kind))
        .collect()
}

/// The acknowledgement at this index of the outbox, after a look at its envelope.
fn acknowledgement(index: u64, destination: H256) -> Acknowledgement {
    let entry = Packets::<Test>::get(index).expect("sent");
    let expected = Packet {
        kind: 2,
        dest_domain: destination,
        sender: keccak(b"poft/pallet/Bridge"),
        receiver: peer(),
        expires_at: 0,
        payload_hash: keccak(&entry.payload),
        ..entry.packet.clone()
    };
    assert_eq!(entry.packet, expected);
    Acknowledgement::decode(&entry.payload).expect("the inbox encodes well")
}

/// The source sends an acknowledgement of what this chain sent.
fn answer(source: &mut Source, fates: &[(H256, Fate)]) {
    let payload = Acknowledgement { carrier: CARRIER, fates: fates.to_vec() }.encode().expect("at most a batch");
    answer_with(source, &payload);
}

fn answer_with(source: &mut Source, payload: &[u8]) {
    source.send(own(), Bridge::inbox(), payload);
    let last = source.packets.len() - 1;
    source.alter(last, |packet| (packet.kind, packet.sender) = (2, peer()));
}

fn told(source: &Source, packet_id: H256) -> Option<Acknowledged> {
    Acknowledgements::<Test>::get(source.domain, packet_id)
}

/// Finalises the whole outbox of a source and delivers its packet of this nonce.
fn bring(source: &mut Source, nonce: usize) -> Outcome {
    let known = Clients::<Test>::get(source.domain).expect("created").state.outbox_size;
    let proof = source.finality(known);
    assert_ok!(update(source, proof));
    assert_ok!(deliver(source, vec![source.delivery(nonce)]));
    Deliveries::<Test>::get(source.domain, nonce as u64).expect("delivered").outcome
}

#[test]
fn a_batch_is_answered_by_one_packet_that_tells_what_became_of_it() {
    run(|| {
        let mut source = source(3);
        connect(&source);
        source.alter(1, |packet| packet.expires_at = 1);
        let proof = source.finality(0);
        assert_ok!(update(&source, proof));
        System::set_block_number(2);
        assert_ok!(deliver(&source, vec![source.delivery(0), source.delivery(1)]));
        Application::refuse(Some(Code::UnknownParent));
        assert_ok!(deliver(&source, vec![source.delivery(2)]));
        assert_eq!(sent(), [(source.domain, 0, 2), (source.domain, 1, 2)]);
        let id = |index: usize| source.packets[index].0.id();
        let carrier = H256::from_low_u64_be(1);
        let fates = vec![(id(0), Fate::Applied), (id(1), Fate::Expired)];
        assert_eq!(acknowledgement(0, source.domain), Acknowledgement { carrier, fates });
        let fates = vec![(id(2), Fate::Failed)];
        assert_eq!(acknowledgement(1, source.domain), Acknowledgement { carrier, fates });
        // A retry tells again, when it succeeds, and names who retried.
        let (packet, payload) = source.packets[2].clone();
        let retry = || Bridge::retry(RuntimeOrigin::signed(7), packet.clone(), payload.clone());
        assert_noop!(retry(), refused(Code::UnknownParent));
        Application::refuse(None);
        assert_ok!(retry());
        let fates = vec![(id(2), Fate::Applied)];
        let again = Acknowledgement { carrier: H256::from_low_u64_be(7), fates };
        assert_eq!(acknowledgement(2, source.domain), again);
        assert_eq!(Outbox::<Test>::get().size, 3);
    });
}

#[test]
fn governance_turns_acknowledgements_on_and_off() {
    run(|| {
        let source = finalised(3);
        let set = |origin, domain, inbox| Bridge::set_acknowledgements(origin, domain, inbox);
        assert_noop!(set(signed(), source.domain, peer()), DispatchError::BadOrigin);
        assert_noop!(set(root(), own(), peer()), refused(Code::WrongDomain));
        assert_noop!(set(root(), H256::zero(), peer()), refused(Code::ZeroValue));
        let off = deliver(&source, vec![source.delivery(0)]).expect("valid").actual_weight.expect("told");
        assert_eq!(sent(), []);
        assert_ok!(set(root(), source.domain, peer()));
        let on = deliver(&source, vec![source.delivery(1)]).expect("valid").actual_weight.expect("told");
        assert_eq!(sent().len(), 1);
        assert!(off.ref_time() < on.ref_time(), "what is not sent is not paid for");
        assert_ok!(set(root(), source.domain, H256::zero()));
        assert_ok!(deliver(&source, vec![source.delivery(2)]));
        assert_eq!(sent().len(), 1);
    });
}

#[test]
fn an_acknowledgement_is_kept_and_not_acknowledged() {
    run(|| {
        let mut source = source(0);
        connect(&source);
        let (a, b) = (keccak(b"a"), keccak(b"b"));
        answer(&mut source, &[(a, Fate::Applied), (b, Fate::Failed)]);
        assert_eq!(bring(&mut source, 0), Outcome::Dispatched);
        assert_eq!(sent(), []);
        assert_eq!(Application::taken(), 0, "the application is not asked");
        let said = |fate, position| Some(Acknowledged { fate, carrier: CARRIER, position });
        assert_eq!(told(&source, a), said(Fate::Applied, 0));
        assert_eq!(told(&source, b), said(Fate::Failed, 1));
        assert_eq!(Acknowledgements::<Test>::get(keccak(b"another chain"), a), None);
        let event = Event::PacketAcknowledged {
            source_domain: source.domain,
            packet_id: b,
            fate: Fate::Failed,
            carrier: CARRIER,
        };
        System::assert_has_event(event.into());
        // Beside a checkpoint in one batch: the checkpoint alone is acknowledged.
        answer(&mut source, &[(b, Fate::Applied)]);
        source.send(own(), Application::endpoint(), b"checkpoint");
        let proof = source.finality(1);
        assert_ok!(update(&source, proof));
        assert_ok!(deliver(&source, vec![source.delivery(1), source.delivery(2)]));
        let fates = vec![(source.packets[2].0.id(), Fate::Applied)];
        assert_eq!(acknowledgement(0, source.domain).fates, fates);
        assert_eq!(sent().len(), 1);
        assert_eq!(told(&source, b), said(Fate::Applied, 2));
    });
}

#[test]
fn that_a_packet_was_applied_is_the_last_word() {
    run(|| {
        let mut source = source(0);
        connect(&source);
        let id = keccak(b"packet");
        let words = [Fate::Expired, Fate::Failed, Fate::Applied, Fate::Failed, Fate::Expired, Fate::Applied];
        let mut known = Vec::new();
        for (nonce, fate) in words.into_iter().enumerate() {
            answer(&mut source, &[(id, fate)]);
            assert_eq!(bring(&mut source, nonce), Outcome::Dispatched);
            known.push(told(&source, id).expect("known").fate);
        }
        assert_eq!(known, [Fate::Expired, Fate::Failed, Fate::Applied, Fate::Applied, Fate::Applied, Fate::Applied]);
        assert_eq!(AcknowledgementCount::<Test>::get(source.domain), 3);
    });
}

#[test]
fn an_acknowledgement_is_refused_by_name_unless_the_peers_inbox_sent_it_to_this_one() {
    run(|| {
        let mut source = finalised(0);
        let one = Acknowledgement { carrier: CARRIER, fates: vec![(keccak(b"a"), Fate::Applied)] };
        let payload = one.encode().expect("short");
        let of_application = source.sender;
        let forged = |change: &dyn Fn(&mut Packet)| {
            // One log for every forgery: the refusal comes before the inclusion proof is looked at.
            let mut source = Source::new("source", 4, NOW - 5);
            answer_with(&mut source, &payload);
            source.alter(0, |packet| change(packet));
            Bridge::deliver(signed(), source.domain, None, 0, vec![source.delivery(0)])
        };
        let receiver = Application::endpoint();
        assert_noop!(forged(&|_| ()), refused(Code::WrongReceiver));
        connect(&source);
        assert_noop!(forged(&|p| p.sender = keccak(b"stranger")), refused(Code::WrongSender));
        assert_noop!(forged(&|p| p.sender = of_application), refused(Code::WrongSender));
        assert_noop!(forged(&|p| p.sender = H256::zero()), refused(Code::WrongSender));
        assert_noop!(forged(&|p| p.receiver = receiver), refused(Code::WrongReceiver));
        assert_noop!(forged(&|p| (p.receiver, p.sender) = (receiver, of_application)), refused(Code::WrongReceiver));
        assert_noop!(forged(&|p| p.kind = 1), refused(Code::WrongReceiver));
        assert_noop!(forged(&|p| (p.kind, p.sender) = (1, of_application)), refused(Code::WrongReceiver));
        assert_noop!(forged(&|p| p.kind = 3), refused(Code::WrongKind));
        assert_noop!(forged(&|_| ()), refused(Code::IndexOutOfRange));
        answer(&mut source, &one.fates);
        assert_eq!(bring(&mut source, 0), Outcome::Dispatched);
        assert_noop!(deliver(&source, vec![source.delivery(0)]), refused(Code::NonceReplayed));
    });
}

#[test]
fn a_malformed_acknowledgement_is_consumed_and_changes_nothing() {
    run(|| {
        let mut source = source(0);
        connect(&source);
        let fates: Vec<_> = (0..32u8).map(|i| (keccak(&[i]), Fate::Applied)).collect();
        let good = Acknowledgement { carrier: CARRIER, fates }.encode().expect("a batch");
        let mut many = [&good[..], &good[96..160]].concat();
        many[95] = 33;
        let mut fate_3 = good.clone();
        fate_3[159] = 3;
        let mut dirty = good.clone();
        dirty[128] = 1;
        let cases = [
            (many, Code::Oversize),
            ([&good[..160], &[0]].concat(), Code::Malformed),
            ([&good[..160], &[0; 32]].concat(), Code::Malformed),
            (good[..good.len() - 32].to_vec(), Code::Malformed),
            (fate_3, Code::Malformed),
            (dirty, Code::Malformed),
            (vec![], Code::Malformed),
        ];
        for (nonce, (payload, code)) in cases.into_iter().enumerate() {
            answer_with(&mut source, &payload);
            assert_eq!(bring(&mut source, nonce), Outcome::Failed(code), "case {nonce}");
            let (packet, payload) = source.packets[nonce].clone();
            assert_noop!(Bridge::retry(signed(), packet, payload), refused(code));
        }
        assert_eq!(AcknowledgementCount::<Test>::get(source.domain), 0);
        answer_with(&mut source, &good);
        let last = source.packets.len() - 1;
        assert_eq!(bring(&mut source, last), Outcome::Dispatched);
        assert_eq!(AcknowledgementCount::<Test>::get(source.domain), 32);
    });
}

#[test]
fn one_outbox_acknowledges_to_two_sources_and_numbers_each_densely() {
    run(|| {
        let first = finalised(2);
        let mut second = Source::new("second", 4, NOW - 5);
        second.send(own(), Application::endpoint(), b"one");
        assert_ok!(Bridge::create_client(root(), second.domain, CMT1, trust(&second), DRIFT, STALENESS));
        assert_ok!(Bridge::accept_from(second.domain, Application::endpoint(), second.sender));
        connect(&first);
        connect(&second);
        let (me, there) = (Application::endpoint(), keccak(b"their application"));
        assert_ok!(deliver(&first, vec![first.delivery(0)]));
        assert_ok!(Bridge::send(me, 1, first.domain, there, 0, b"checkpoint"));
        assert_eq!(bring(&mut second, 0), Outcome::Dispatched);
        assert_ok!(deliver(&first, vec![first.delivery(1)]));
        let (a, b) = (first.domain, second.domain);
        assert_eq!(sent(), [(a, 0, 2), (a, 1, 1), (b, 0, 2), (a, 2, 2)]);
        assert_eq!(acknowledgement(2, b).fates, [(second.packets[0].0.id(), Fate::Applied)]);
    });
}

#[test]
fn what_cannot_be_acknowledged_is_not_taken() {
    run(|| {
        let source = finalised(2);
        assert_ok!(Bridge::set_sending_halted(root(), true));
        assert_ok!(deliver(&source, vec![source.delivery(0)]));
        connect(&source);
        assert_noop!(deliver(&source, vec![source.delivery(1)]), refused(Code::Halted));
        assert_ok!(Bridge::set_sending_halted(root(), false));
        assert_ok!(deliver(&source, vec![source.delivery(1)]));
        assert_eq!(Application::taken(), 2);
    });
}
