//! What the calls cost at their bounds. Feature `runtime-benchmarks`; the test suite runs every one of them once on the mock
//! runtime. How the weights are generated: README, Weights. `charges.rs` adds the parts up to what a call is charged.

use crate::{
    ports::{Bridge, PacketReceiver},
    *,
};
use alloc::{vec, vec::Vec};
use poft_primitives::{
    acknowledgement::{Acknowledgement, Fate},
    committee::CommitteeGenesis,
    finality::Finality,
    keccak,
    log::{leaf_hash, node_hash, Frontier},
    packet::{Packet, KIND_CHECKPOINT, MAX_BATCH, MAX_PAYLOAD, VERSION},
    receive::PacketProof,
    testing::{addresses, committee_proof, keys, Key},
    verifier::MAX_ENCODED,
    H256,
};
use polkadot_sdk::{
    frame_benchmarking::v2::*,
    frame_support::{
        assert_ok,
        dispatch::RawOrigin,
        traits::{EnsureOrigin, UnixTime},
    },
    frame_system::pallet_prelude::OriginFor,
};

const SCHEME: [u8; 4] = *b"CMT1";
const SOURCE: H256 = H256::repeat_byte(0xaa);
const SENDER: H256 = H256::repeat_byte(0xab);
/// Clients start at time 0.
const STALENESS: u64 = u64::MAX;

fn governance<T: Config>() -> Result<OriginFor<T>, BenchmarkError> {
    T::Governance::try_successful_origin().map_err(|()| BenchmarkError::Weightless)
}

fn carrier<T: Config>() -> RawOrigin<T::AccountId> {
    RawOrigin::Signed(account("carrier", 0, 0))
}

/// A chain whose committee signs whatever it is asked to.
struct Source {
    committee: Vec<Key>,
    height: u64,
}

impl Source {
    /// With a client for it.
    fn new<T: Config>(members: u32) -> Result<Self, BenchmarkError> {
        let source = Self { committee: keys("committee", members as usize), height: 1 };
        assert_ok!(Pallet::<T>::create_client(governance::<T>()?, SOURCE, SCHEME, source.genesis(1), 0, STALENESS));
        Ok(source)
    }

    fn genesis(&self, epoch: u64) -> Vec<u8> {
        let members = addresses(&self.committee);
        CommitteeGenesis { epoch, members, small_committee: true }.encode().expect("at most 64")
    }

    /// A proof of the next block, signed by everyone.
    fn prove<T: Config>(&mut self, outbox_size: u64, outbox_root: H256, consistency: Vec<H256>) -> Vec<u8> {
        self.height += 1;
        let statement = Finality {
            epoch: 1,
            height: self.height,
            block_hash: keccak(b"block"),
            state_root: keccak(b"state"),
            outbox_size,
            outbox_root,
            timestamp: T::Time::now().as_secs(),
            next_committee: H256::zero(),
        };
        let proof = committee_proof(&SOURCE, &self.committee, self.committee.len(), statement, consistency);
        proof.encode().expect("within bounds")
    }

    /// Makes the client believe in an outbox.
    fn finalise<T: Config>(&mut self, outbox_size: u64, outbox_root: H256) {
        let proof = self.prove::<T>(outbox_size, outbox_root, Vec::new());
        assert_ok!(Pallet::<T>::update_client(carrier::<T>().into(), SOURCE, proof));
    }
}

/// Two logs of 2^c - 1 and 2^c leaves, and the proof of c + 1 nodes that one begins with the other: each node but two is
/// hashed twice.
fn consistent(c: u32) -> ((u64, H256), (u64, H256), Vec<H256>) {
    let path: Vec<H256> = (0..=c).map(|i| keccak(&i.to_le_bytes())).collect();
    let (mut old, mut new) = (path[0], node_hash(&path[0], &path[1]));
    for sibling in &path[2..] {
        old = node_hash(sibling, &old);
        new = node_hash(sibling, &new);
    }
    let size = 1u64 << c;
    ((size - 1, old), (size, new), path)
}

/// A packet for this chain's application that is the last leaf of a log of 2^n leaves, and that log's root.
fn delivery<T: Config>(n: u32, payload: Vec<u8>, nonce: u64) -> (PacketProof, H256) {
    let packet = Packet {
        version: VERSION,
        kind: KIND_CHECKPOINT,
        source_domain: SOURCE,
        dest_domain: Domain::<T>::get(),
        nonce,
        sender: SENDER,
        receiver: T::Receiver::endpoint(),
        expires_at: 0,
        payload_hash: keccak(&payload),
    };
    let proof: Vec<H256> = (0..n).map(|i| keccak(&i.to_le_bytes())).collect();
    let root = proof.iter().fold(leaf_hash(packet.id().as_bytes()), |node, sibling| node_hash(sibling, &node));
    (PacketProof { packet, payload, leaf_index: (1u64 << n) - 1, proof }, root)
}

/// Fills the ring with later outboxes, so that the one in place 0 is the last that a search finds.
fn fill_ring<T: Config>(size: u64) {
    for position in 1..HISTORY {
        FinalisedOutboxes::<T>::insert(SOURCE, position, (size + u64::from(position), keccak(b"later")));
    }
    Clients::<T>::mutate(SOURCE, |client| {
        if let Some(client) = client {
            client.newest = HISTORY - 1;
            client.held = HISTORY;
            client.state.outbox_size = size + u64::from(HISTORY) - 1;
        }
    });
}

/// A client whose oldest outbox has this size and root, and whose packets are taken.
fn linked<T: Config>(size: u64, root: H256) -> Result<(), BenchmarkError> {
    Source::new::<T>(4)?;
    FinalisedOutboxes::<T>::insert(SOURCE, 0, (size, root));
    fill_ring::<T>(size);
    assert_ok!(<Pallet<T> as Bridge>::accept_from(SOURCE, T::Receiver::endpoint(), SENDER));
    Ok(())
}

/// An outbox that the next packet folds into one tree.
fn long_outbox<T: Config>() {
    let peaks: Vec<H256> = (0..62u32).map(|i| keccak(&i.to_le_bytes())).collect();
    Outbox::<T>::put(Frontier { size: (1 << 62) - 1, peaks: peaks.try_into().expect("fewer than 64") });
}

fn fates(count: u32) -> Vec<(H256, Fate)> {
    (0..count).map(|i| (keccak(&i.to_le_bytes()), Fate::Applied)).collect()
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn create_client(n: Linear<1, 64>) -> Result<(), BenchmarkError> {
        let source = Source { committee: keys("committee", n as usize), height: 1 };
        let genesis = source.genesis(1);
        #[extrinsic_call]
        _(governance::<T>()?, SOURCE, SCHEME, genesis, 0, STALENESS);
        assert!(Clients::<T>::contains_key(SOURCE));
        Ok(())
    }

    #[benchmark]
    fn recover_client(n: Linear<1, 64>) -> Result<(), BenchmarkError> {
        let source = Source::new::<T>(n)?;
        let genesis = source.genesis(2);
        #[extrinsic_call]
        _(governance::<T>()?, SOURCE, SCHEME, genesis);
        assert_eq!(Clients::<T>::get(SOURCE).expect("created").generation, 1);
        Ok(())
    }

    #[benchmark]
    fn freeze_client() -> Result<(), BenchmarkError> {
        Source::new::<T>(4)?;
        #[extrinsic_call]
        _(governance::<T>()?, SOURCE);
        assert!(Clients::<T>::get(SOURCE).expect("created").frozen);
        Ok(())
    }

    #[benchmark]
    fn set_halted() -> Result<(), BenchmarkError> {
        #[extrinsic_call]
        _(governance::<T>()?, SOURCE, true);
        assert!(Halted::<T>::get(SOURCE));
        Ok(())
    }

    #[benchmark]
    fn set_sending_halted() -> Result<(), BenchmarkError> {
        #[extrinsic_call]
        _(governance::<T>()?, true);
        assert!(SendingHalted::<T>::get());
        Ok(())
    }

    #[benchmark]
    fn set_acknowledgements() -> Result<(), BenchmarkError> {
        #[extrinsic_call]
        _(governance::<T>()?, SOURCE, keccak(b"inbox"));
        assert!(Senders::<T>::contains_key(SOURCE, Pallet::<T>::inbox()));
        Ok(())
    }

    #[benchmark]
    fn skip_packet() -> Result<(), BenchmarkError> {
        Source::new::<T>(4)?;
        #[extrinsic_call]
        _(governance::<T>()?, SOURCE, 0);
        assert_eq!(NextNonce::<T>::get(SOURCE), 1);
        Ok(())
    }

    /// CMT1 with `s` members who all signed, and a consistency proof in which `c` nodes are hashed.
    #[benchmark]
    fn update_client(s: Linear<1, 64>, c: Linear<2, 62>) -> Result<(), BenchmarkError> {
        let mut source = Source::new::<T>(s)?;
        let (old, new, path) = consistent(c);
        source.finalise::<T>(old.0, old.1);
        let proof = source.prove::<T>(new.0, new.1, path);
        #[extrinsic_call]
        _(carrier::<T>(), SOURCE, proof);
        assert_eq!(Clients::<T>::get(SOURCE).expect("created").state.outbox_size, new.0);
        Ok(())
    }

    /// What a scheme may hash of a proof beyond what it counts: all of its bytes.
    #[benchmark]
    fn hash_proof(b: Linear<0, { MAX_ENCODED as u32 }>) -> Result<(), BenchmarkError> {
        let proof = vec![7; b as usize];
        let hashed;
        #[block]
        {
            hashed = keccak(&proof);
        }
        assert!(!hashed.is_zero());
        Ok(())
    }

    /// Two statements about one size, each signed by `s` members.
    #[benchmark]
    fn submit_misbehaviour(s: Linear<4, 64>) -> Result<(), BenchmarkError> {
        let mut source = Source::new::<T>(s)?;
        let first = source.prove::<T>(7, keccak(b"one"), Vec::new());
        let second = source.prove::<T>(7, keccak(b"another"), Vec::new());
        #[extrinsic_call]
        _(carrier::<T>(), SOURCE, first, second);
        assert!(Clients::<T>::get(SOURCE).expect("created").frozen);
        Ok(())
    }

    /// A delivery of nothing, against the outbox that takes longest to find.
    #[benchmark]
    fn deliver_none() -> Result<(), BenchmarkError> {
        linked::<T>(7, keccak(b"root"))?;
        #[extrinsic_call]
        deliver(carrier::<T>(), SOURCE, None, 7, Vec::new());
        assert_eq!(NextNonce::<T>::get(SOURCE), 0);
        Ok(())
    }

    /// The same with one packet: `n` nodes of inclusion proof, `b` bytes of payload that the application refuses at once.
    #[benchmark]
    fn deliver_one(n: Linear<1, 62>, b: Linear<0, { MAX_PAYLOAD as u32 }>) -> Result<(), BenchmarkError> {
        let (packet, root) = delivery::<T>(n, vec![7; b as usize], 0);
        let size = 1u64 << n;
        linked::<T>(size, root)?;
        #[extrinsic_call]
        deliver(carrier::<T>(), SOURCE, None, size, vec![packet]);
        assert!(Deliveries::<T>::contains_key(SOURCE, 0));
        Ok(())
    }

    /// Telling a source what became of `a` packets.
    #[benchmark]
    fn acknowledge(a: Linear<1, { MAX_BATCH as u32 }>) -> Result<(), BenchmarkError> {
        assert_ok!(Pallet::<T>::set_acknowledgements(governance::<T>()?, SOURCE, keccak(b"inbox")));
        long_outbox::<T>();
        let told;
        #[block]
        {
            told = Pallet::<T>::acknowledge(SOURCE, keccak(b"carrier"), fates(a));
        }
        assert_eq!(told, Ok(true));
        Ok(())
    }

    /// Keeping what a source says about `a` packets.
    #[benchmark]
    fn record_acknowledgement(a: Linear<1, { MAX_BATCH as u32 }>) -> Result<(), BenchmarkError> {
        let payload = Acknowledgement { carrier: keccak(b"carrier"), fates: fates(a) }.encode().expect("a batch");
        let taken;
        #[block]
        {
            taken = Pallet::<T>::record_acknowledgement(SOURCE, &payload);
        }
        assert_eq!(taken, Ok(()));
        assert_eq!(AcknowledgementCount::<T>::get(SOURCE), u64::from(a));
        Ok(())
    }

    /// The digest item, with as many peaks as there may be.
    #[benchmark]
    fn on_finalize() -> Result<(), BenchmarkError> {
        long_outbox::<T>();
        #[block]
        {
            Pallet::<T>::deposit_commitment();
        }
        Ok(())
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::fresh(), crate::mock::Test);
}
