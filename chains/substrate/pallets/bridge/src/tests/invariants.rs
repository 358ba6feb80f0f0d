//! Random sequences of everything that anybody can do to the pallet, and what holds after each step:
//!
//! - a call that refuses changes nothing, and none panics, whatever its bytes are;
//! - a nonce is consumed once, in order, and only for the packet that the source's outbox has there;
//! - what is believed of a source is a prefix of its log;
//! - a frozen client or a halted link takes nothing in;
//! - the own log only grows, and its root is that of its leaves;
//! - the application sees what was dispatched, nothing else.
//!
//! A failure names its seed and step; the sequence is the same each time.

use super::*;
use crate::types::{Client, Delivery};
use poft_primitives::{
    acknowledgement::{Acknowledgement, Fate},
    testing::{consistency, inclusion, root as log_root},
    verifier::TrustState,
};
use polkadot_sdk::{sp_runtime::StateVersion, *};

const SEEDS: u64 = 8;
const STEPS: usize = 300;

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.below(most + 1);
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// Another chain, honest unless a step says otherwise, and what this chain did with its packets.
struct Link {
    source: Source,
    inbox: H256,
    /// Nonces that governance skipped.
    skipped: Vec<u64>,
}

impl Link {
    fn new(label: &str) -> Self {
        let source = Source::new(label, 1, NOW);
        let link = Self { inbox: keccak(label.as_bytes()), source, skipped: Vec::new() };
        assert_ok!(Bridge::create_client(root(), link.source.domain, CMT1, link.genesis(), DRIFT, STALENESS));
        assert_ok!(Bridge::accept_from(link.source.domain, Application::endpoint(), link.source.sender));
        assert_ok!(Bridge::set_acknowledgements(root(), link.source.domain, link.inbox));
        link
    }

    fn genesis(&self) -> Vec<u8> {
        CommitteeGenesis { small_committee: true, ..self.source.genesis() }.encode().expect("short")
    }

    fn client(&self) -> Client {
        Clients::<Test>::get(self.source.domain).expect("created")
    }

    fn leaves(&self) -> Vec<Vec<u8>> {
        self.source.packets.iter().map(|(packet, _)| packet.id().0.to_vec()).collect()
    }

    /// A proof of the whole outbox for a client that knows what this one knows.
    fn proof(&mut self) -> CommitteeProof {
        let known = self.client().state.outbox_size;
        self.source.timestamp = now();
        self.source.finality(known)
    }

    /// Packets from `first` on, proven against the first `size` leaves.
    fn batch(&self, first: usize, count: usize, size: usize) -> Vec<PacketProof> {
        let leaves = &self.leaves()[..size];
        (first..size.min(first + count))
            .map(|index| PacketProof { proof: inclusion(leaves, index), ..self.source.delivery(index) })
            .collect()
    }

    fn next(&self) -> usize {
        NextNonce::<Test>::get(self.source.domain) as usize
    }
}

fn now() -> u64 {
    pallet_timestamp::Now::<Test>::get() / 1000
}

/// What one step may change, read before and after it.
#[derive(PartialEq, Eq)]
struct Seen {
    next: u64,
    outbox: u64,
    state: TrustState,
    frozen: bool,
    halted: bool,
}

impl Seen {
    fn of(link: &Link) -> Self {
        let client = link.client();
        Self {
            next: link.next() as u64,
            outbox: Outbox::<Test>::get().size,
            state: client.state,
            frozen: client.frozen,
            halted: Halted::<Test>::get(link.source.domain),
        }
    }
}

/// Changes a byte or the length of an encoding.
fn spoiled(random: &mut Random, mut data: Vec<u8>) -> Vec<u8> {
    match (random.below(4), data.len()) {
        (_, 0) | (0, _) => data.push(random.next() as u8),
        (1, length) => data.truncate(random.below(length)),
        (_, length) => data[random.below(length)] ^= 1 << random.below(8),
    }
    data
}

/// The packets that are due, the last of them changed; empty where none is finalised.
fn forged(random: &mut Random, link: &Link, size: usize) -> Vec<PacketProof> {
    let mut batch = link.batch(link.next(), 1 + random.below(3), size);
    if let Some(last) = batch.last_mut() {
        match random.below(8) {
            0 => last.packet.nonce ^= 1 << random.below(64),
            1 => last.packet.sender.0[random.below(32)] ^= 1,
            2 => last.packet.receiver = keccak(b"nobody"),
            3 => last.packet.kind ^= 1 << random.below(8),
            4 => last.packet.expires_at ^= 1 << random.below(64),
            // Of a packet that expired nobody reads the payload.
            5 if last.packet.expires_at == 0 => last.payload = spoiled(random, last.payload.clone()),
            6 => last.leaf_index ^= 1 << random.below(64),
            _ => last.proof.push(H256::zero()),
        }
    }
    batch
}

/// One step; returns what the call said, and whether it must refuse.
fn step(random: &mut Random, link: &mut Link) -> (DispatchResultWithPostInfo, bool) {
    let domain = link.source.domain;
    let client = link.client();
    let known = client.state.outbox_size as usize;
    let blocked = client.frozen || Halted::<Test>::get(domain);
    let plain =
        |result: polkadot_sdk::frame_support::dispatch::DispatchResult| result.map(Into::into).map_err(Into::into);
    match random.below(24) {
        0..=3 => {
            let payload = random.bytes(60);
            link.source.send(own(), Application::endpoint(), &payload);
            if random.below(4) == 0 {
                let (last, expires_at) = (link.source.packets.len() - 1, System::block_number() + random.next() % 3);
                link.source.alter(last, |packet| packet.expires_at = expires_at);
            }
            (Ok(().into()), false)
        }
        4 => {
            let id = keccak(&[random.next() as u8 % 4]);
            let fate = [Fate::Applied, Fate::Failed, Fate::Expired][random.below(3)];
            let said = Acknowledgement { carrier: domain, fates: vec![(id, fate)] }.encode().expect("short");
            let payload = if random.below(2) == 0 { said } else { random.bytes(200) };
            link.source.send(own(), Bridge::inbox(), &payload);
            let (last, inbox) = (link.source.packets.len() - 1, link.inbox);
            link.source.alter(last, |packet| (packet.kind, packet.sender) = (2, inbox));
            (Ok(().into()), false)
        }
        5..=7 => {
            let proof = link.proof();
            (Bridge::update_client(signed(), domain, packed(&proof)), client.frozen)
        }
        8 => {
            let proof = packed(&link.proof());
            let proof = spoiled(random, proof);
            (Bridge::update_client(signed(), domain, proof), true)
        }
        9 => {
            let bytes = random.bytes(400);
            (Bridge::update_client(signed(), domain, bytes), true)
        }
        10..=12 => {
            let batch = link.batch(link.next(), 1 + random.below(4), known);
            (Bridge::deliver(signed(), domain, None, known as u64, batch), blocked)
        }
        13 => {
            let proof = packed(&link.proof());
            let size = link.source.packets.len();
            let batch = link.batch(link.next(), 1 + random.below(40), size);
            (Bridge::deliver(signed(), domain, Some(proof), size as u64, batch), blocked)
        }
        14 => {
            let batch = forged(random, link, known);
            let empty = batch.is_empty();
            (Bridge::deliver(signed(), domain, None, known as u64, batch), blocked || !empty)
        }
        15 if link.next() > 0 => {
            let replayed = link.batch(random.below(link.next()), 1, known);
            let some = !replayed.is_empty();
            (Bridge::deliver(signed(), domain, None, known as u64, replayed), blocked || some)
        }
        16 if random.below(3) == 0 => {
            let (a, b) = (link.source.statement(), link.source.statement());
            let b = Finality { height: a.height, block_hash: keccak(&b.height.to_le_bytes()), ..b };
            let (a, b) = (packed(&link.source.prove(a, 0)), packed(&link.source.prove(b, 0)));
            let (a, b) = if random.below(3) == 0 { (spoiled(random, a), b) } else { (a, b) };
            (plain(Bridge::submit_misbehaviour(signed(), domain, a, b)), client.frozen)
        }
        17 if random.below(3) == 0 => (plain(Bridge::freeze_client(root(), domain)), client.frozen),
        18 => {
            let old = link.genesis();
            assert!(Bridge::recover_client(root(), domain, CMT1, old).is_err());
            let scheme = [CMT1, *b"DIS1"][random.below(2)];
            let garbage = random.bytes(100);
            assert!(Bridge::recover_client(root(), domain, scheme, garbage).is_err());
            link.source.epoch += 1;
            (plain(Bridge::recover_client(root(), domain, scheme, link.genesis())), false)
        }
        19 => (plain(Bridge::set_halted(root(), domain, random.below(4) == 0)), false),
        20 => {
            let inbox = if random.below(8) == 0 { H256::zero() } else { link.inbox };
            assert_ok!(Bridge::set_sending_halted(root(), random.below(8) == 0));
            (plain(Bridge::set_acknowledgements(root(), domain, inbox)), false)
        }
        21 => {
            Application::refuse((random.below(4) == 0).then_some(Code::UnknownParent));
            System::set_block_number(System::block_number() + 1);
            set_time(now() + random.next() % 40);
            (Ok(().into()), false)
        }
        22 if link.next() > 0 => {
            let (packet, payload) = link.source.packets[random.below(link.next())].clone();
            let payload = if random.below(4) == 0 { random.bytes(60) } else { payload };
            (plain(Bridge::retry(signed(), packet, payload)), blocked)
        }
        23 if random.below(4) == 0 => {
            let nonce = link.next() as u64;
            if link.source.packets.len() as u64 <= nonce {
                link.source.send(own(), keccak(b"nobody"), b"for nobody");
            }
            link.skipped.push(nonce);
            (plain(Bridge::skip_packet(root(), domain, nonce)), false)
        }
        _ => {
            let sent = Bridge::send(Application::endpoint(), 1, domain, keccak(b"there"), 0, &random.bytes(60));
            assert_eq!(sent.err(), SendingHalted::<Test>::get().then_some(Code::Halted));
            (Ok(().into()), false)
        }
    }
}

fn check(link: &Link, before: &Seen, refused: bool) {
    let after = Seen::of(link);
    // Nonces: in order, each for the packet that the source has there.
    assert!(after.next >= before.next);
    let skipped_now = link.skipped.contains(&before.next) && after.next == before.next + 1;
    if before.halted || before.frozen {
        assert!(after.next == before.next || skipped_now, "taken in while blocked");
    }
    for nonce in before.next..after.next {
        let Delivery { packet_id, outcome, .. } =
            Deliveries::<Test>::get(link.source.domain, nonce).expect("a consumed nonce has a record");
        let skipped = link.skipped.contains(&nonce);
        assert_eq!(outcome == Outcome::Skipped, skipped);
        let sent = if skipped { H256::zero() } else { link.source.packets[nonce as usize].0.id() };
        assert_eq!(packet_id, sent, "a packet that its source did not send");
    }
    assert!(Deliveries::<Test>::get(link.source.domain, after.next).is_none());
    // Belief: a prefix of the source's log, of a later epoch after a recovery.
    let size = after.state.outbox_size as usize;
    if before.state != after.state {
        assert_eq!(after.state.outbox_root, log_root(&link.leaves()[..size]));
    }
    if before.frozen && after.frozen {
        assert!(before.state == after.state, "learnt while frozen");
    }
    if after.state.epoch == before.state.epoch {
        assert!(after.state.height >= before.state.height && size as u64 >= before.state.outbox_size);
    }
    assert!(after.outbox >= before.outbox);
    if refused {
        assert!(*before == after, "a refusal changed something");
    }
}

/// The whole of the own log, and what the application took.
fn check_all(links: &[Link], leaves: &mut Vec<Vec<u8>>) {
    let log = Outbox::<Test>::get();
    for (index, leaf) in leaves.iter().enumerate() {
        assert_eq!(Packets::<Test>::get(index as u64).expect("kept").packet.id().0.to_vec(), *leaf, "a leaf changed");
    }
    let earlier = leaves.len();
    leaves.extend((earlier as u64..log.size).map(|i| Packets::<Test>::get(i).expect("kept").packet.id().0.to_vec()));
    assert_eq!(log.root(), log_root(leaves));
    let path = consistency(leaves, earlier);
    let before = log_root(&leaves[..earlier]);
    let grown = poft_primitives::log::verify_consistency(earlier as u64, &before, log.size, &log.root(), &path);
    assert_eq!(grown, Ok(()));
    let dispatched = |link: &Link| {
        (0..link.next())
            .filter(|nonce| !link.skipped.contains(&(*nonce as u64)))
            .filter(|nonce| link.source.packets[*nonce].0.kind == 1)
            .filter_map(|nonce| Deliveries::<Test>::get(link.source.domain, nonce as u64))
            .filter(|delivery| delivery.outcome == Outcome::Dispatched)
            .count() as u32
    };
    assert_eq!(Application::taken(), links.iter().map(dispatched).sum::<u32>());
}

#[test]
fn random_sequences_keep_every_promise() {
    let (mut taken, mut refusals, mut accepted) = (0, 0, 0);
    for seed in 0..SEEDS {
        run(|| {
            let mut random = Random(seed);
            let mut links = [Link::new("first"), Link::new("second")];
            let mut leaves = Vec::new();
            for at in 0..STEPS {
                let link = &mut links[random.below(2)];
                let before = Seen::of(link);
                // The whole state, now and then: its root is the dearest part of a step.
                let storage = || (at % 4 == 0).then(|| sp_io::storage::root(StateVersion::V1));
                let stored = storage();
                let (result, must_refuse) = step(&mut random, link);
                assert!(result.is_err() || !must_refuse, "seed {seed}, step {at}: taken");
                if result.is_err() {
                    assert_eq!(stored, storage(), "seed {seed}, step {at}");
                    refusals += 1;
                } else {
                    accepted += 1;
                }
                check(link, &before, result.is_err());
                if at % 25 == 24 {
                    check_all(&links, &mut leaves);
                }
            }
            taken += Application::taken();
        });
    }
    println!("{accepted} accepted, {refusals} refused, {taken} packets dispatched");
    // The sequences reach what they are about.
    assert!(taken > 100 && refusals > 200 && accepted > 1000);
}
