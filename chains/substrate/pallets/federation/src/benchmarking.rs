//! What the calls cost at their bounds: 64 members, 32 routes, 8 parents. Feature `runtime-benchmarks`; the test suite runs
//! every one of them once on the mock runtime. How the weights are generated: README, Weights.

use crate::{
    pallet::*,
    types::{Phase, Task, MAX_ROUTES},
};
use alloc::{vec, vec::Vec};
use pallet_poft_bridge::ports::{Bridge, PacketReceiver};
use poft_primitives::{
    checkpoint::{parents_hash, Checkpoint, CheckpointPayload, MAX_PARENTS},
    domain::task_id,
    keccak,
    log::log_root,
    packet::{Packet, KIND_CHECKPOINT, VERSION},
    statements::{Membership, Signed, Update, Verdict, Vote},
    testing::{addresses, keys, Key},
    H160, H256,
};
use polkadot_sdk::{
    frame_benchmarking::v2::*,
    frame_support::{assert_ok, dispatch::RawOrigin, traits::EnsureOrigin},
    frame_system::{self, pallet_prelude::OriginFor},
    sp_runtime::traits::UniqueSaturatedFrom,
};

const PHASE: u32 = 10;
const OVER_THERE: H256 = H256::repeat_byte(0xdd);

fn governance<T: Config>() -> Result<OriginFor<T>, BenchmarkError> {
    T::Governance::try_successful_origin().map_err(|()| BenchmarkError::Weightless)
}

fn anyone<T: Config>() -> OriginFor<T> {
    RawOrigin::Signed(account("carrier", 0, 0)).into()
}

/// A federation of 64 whose task exports to as many destinations as there may be, after every round.
struct World {
    domain: H256,
    federation: H256,
    task: H256,
    keys: Vec<Key>,
}

impl World {
    fn new<T: Config>() -> Result<Self, BenchmarkError> {
        let federation = FederationId::<T>::get();
        let task = task_id(&federation, &request().config_digest);
        let world = Self { domain: T::Bridge::domain(), federation, task, keys: keys("member", 64) };
        assert_ok!(Pallet::<T>::admit(governance::<T>()?, addresses(&world.keys)));
        assert_ok!(Pallet::<T>::set_members(anyone::<T>(), world.memberships(64, 1)));
        assert_ok!(Pallet::<T>::create_task(governance::<T>()?, request(), world.genesis()));
        assert_ok!(Pallet::<T>::set_routes(governance::<T>()?, world.task, routes(MAX_ROUTES)));
        Ok(world)
    }

    fn memberships(&self, count: usize, sequence: u64) -> Vec<Signed<Membership>> {
        let said = |participant| Membership {
            federation: self.federation,
            participant,
            encryption_key: keccak(b"key"),
            capacity: 10 + sequence as u32,
            sequence,
        };
        self.keys.iter().take(count).map(|key| key.say(&self.domain, 0, said(key.address()))).collect()
    }

    fn checkpoint(&self, round: u64, parents: &[H256], training_root: H256) -> Checkpoint {
        Checkpoint {
            federation: self.federation,
            task: self.task,
            round,
            model_root: keccak(b"model"),
            model_bytes: 1000,
            manifest_hash: keccak(b"manifest"),
            parents_hash: parents_hash(parents).expect("few parents"),
            samples: 100,
            metrics_hash: H256::zero(),
            training_root,
            dataset_root: H256::zero(),
            locator_hash: H256::zero(),
        }
    }

    fn genesis(&self) -> Checkpoint {
        self.checkpoint(0, &[], H256::zero())
    }

    fn last_checkpoint<T: Config>(&self) -> H256 {
        Tasks::<T>::get(self.task).expect("created").last_checkpoint
    }

    /// Statements of the members from `first` on.
    fn say<S>(&self, first: usize, what: impl Fn(usize, H160) -> S) -> Vec<Signed<S>>
    where
        S: poft_primitives::statements::Statement,
    {
        let members = self.keys.iter().enumerate().skip(first);
        members.map(|(i, key)| key.say(&self.domain, i as u32, what(i, key.address()))).collect()
    }

    fn updates<T: Config>(&self, first: usize) -> Vec<Signed<Update>> {
        let steps = Rounds::<T>::get(self.task, 1).expect("started").steps;
        let base = self.last_checkpoint::<T>();
        self.say(first, |i, trainer| Update {
            federation: self.federation,
            task: self.task,
            round: 1,
            trainer,
            base,
            update_root: keccak(&[i as u8]),
            update_bytes: 100,
            samples: 50,
            compute_millis: 10,
            steps: steps[i],
            training_root: keccak(b"training"),
            dataset_root: keccak(b"data"),
            access_root: H256::zero(),
            cipher_hash: H256::zero(),
        })
    }

    fn verdicts(&self, first: usize) -> Vec<Signed<Verdict>> {
        let (federation, task) = (self.federation, self.task);
        let scores_root = keccak(b"scores");
        self.say(first, |_, verifier| Verdict { federation, task, round: 1, verifier, accepted: u64::MAX, scores_root })
    }

    fn votes(&self, first: usize, checkpoint: impl Fn(usize) -> H256) -> Vec<Signed<Vote>> {
        let (federation, task) = (self.federation, self.task);
        self.say(first, |i, participant| Vote { federation, task, round: 1, participant, checkpoint: checkpoint(i) })
    }

    /// Round 1 up to the phase in which the last so many of the 64 still have to speak.
    fn until<T: Config>(&self, phase: Phase, missing: usize) {
        let before = 64 - missing;
        assert_ok!(Pallet::<T>::start_round(anyone::<T>(), self.task));
        let updates = self.updates::<T>(0);
        if phase == Phase::Training {
            assert_ok!(Pallet::<T>::submit_updates(anyone::<T>(), self.task, updates[..before].to_vec()));
            return;
        }
        assert_ok!(Pallet::<T>::submit_updates(anyone::<T>(), self.task, updates));
        let verdicts = self.verdicts(0);
        if phase == Phase::Verifying {
            assert_ok!(Pallet::<T>::submit_verdicts(anyone::<T>(), self.task, verdicts[..before].to_vec()));
            return;
        }
        assert_ok!(Pallet::<T>::submit_verdicts(anyone::<T>(), self.task, verdicts));
    }

    /// The phase as stored.
    fn phase<T: Config>(&self) -> Phase {
        Tasks::<T>::get(self.task).expect("created").phase
    }

    /// The root that a final checkpoint of round 1 must name.
    fn training_root<T: Config>(&self) -> H256 {
        let digests: Vec<H256> =
            (0..64u32).map(|i| Updates::<T>::get((self.task, 1, i)).expect("accepted").digest).collect();
        log_root(digests.iter().map(H256::as_bytes)).expect("few updates")
    }
}

fn request() -> Task {
    Task {
        config_digest: keccak(b"config"),
        rounds: 4,
        steps_per_round: 1000,
        export_every: 1,
        phase_blocks: PHASE,
        min_trainers: 2,
    }
}

fn routes(count: u32) -> Vec<(H256, H256)> {
    (0..count).map(|i| (keccak(&i.to_le_bytes()), keccak(b"there"))).collect()
}

fn later<T: Config>(blocks: u32) {
    let now = frame_system::Pallet::<T>::block_number();
    frame_system::Pallet::<T>::set_block_number(now + UniqueSaturatedFrom::unique_saturated_from(u64::from(blocks)));
}

/// A peer, and the payload and packet of its checkpoint of a round, with so many parents.
fn announcement<T: Config>(round: u64, parents: usize) -> Result<(Packet, Vec<u8>), BenchmarkError> {
    let (federation, task, genesis) = (keccak(b"federation"), keccak(b"task"), keccak(b"genesis"));
    let endpoint = keccak(b"endpoint");
    assert_ok!(Pallet::<T>::set_peer(governance::<T>()?, OVER_THERE, federation, task, genesis, endpoint));
    let parents = vec![keccak(b"parent"); parents];
    let checkpoint = Checkpoint {
        federation,
        task,
        round,
        model_root: keccak(b"model"),
        model_bytes: 1000,
        manifest_hash: keccak(b"manifest"),
        parents_hash: parents_hash(&parents).expect("few parents"),
        samples: 100,
        metrics_hash: H256::zero(),
        training_root: H256::zero(),
        dataset_root: H256::zero(),
        locator_hash: H256::zero(),
    };
    let previous = if round == 1 { genesis } else { announced_id::<T>() };
    let payload = CheckpointPayload { checkpoint, parents, previous }.encode().expect("few parents");
    let packet = Packet {
        version: VERSION,
        kind: KIND_CHECKPOINT,
        source_domain: OVER_THERE,
        dest_domain: T::Bridge::domain(),
        nonce: round,
        sender: endpoint,
        receiver: Pallet::<T>::endpoint(),
        expires_at: 0,
        payload_hash: keccak(&payload),
    };
    Ok((packet, payload))
}

/// The import that was accepted last.
fn announced_id<T: Config>() -> H256 {
    Imports::<T>::get(ImportCount::<T>::get().saturating_sub(1)).expect("one was accepted")
}

/// Imports that a round may name among its parents.
fn imports<T: Config>(count: usize) -> Result<Vec<H256>, BenchmarkError> {
    (1..=count as u64)
        .map(|round| {
            let (packet, payload) = announcement::<T>(round, MAX_PARENTS)?;
            assert_ok!(Pallet::<T>::receive(&packet, &payload));
            Ok(announced_id::<T>())
        })
        .collect()
}

#[benchmarks]
mod benchmarks {
    use super::*;

    /// The dearest: participants that were expelled return to the list with what they had said.
    #[benchmark]
    fn admit(n: Linear<1, 64>) -> Result<(), BenchmarkError> {
        let world = World::new::<T>()?;
        let participants = addresses(&world.keys[..n as usize]);
        assert_ok!(Pallet::<T>::expel(governance::<T>()?, participants.clone()));
        #[extrinsic_call]
        _(governance::<T>()?, participants);
        assert_eq!(Pallet::<T>::current_members().len(), 64);
        Ok(())
    }

    #[benchmark]
    fn expel(n: Linear<1, 64>) -> Result<(), BenchmarkError> {
        let world = World::new::<T>()?;
        let participants = addresses(&world.keys[..n as usize]);
        #[extrinsic_call]
        _(governance::<T>()?, participants);
        assert_eq!(Pallet::<T>::current_members().len(), 64 - n as usize);
        Ok(())
    }

    #[benchmark]
    fn create_task() -> Result<(), BenchmarkError> {
        let federation = FederationId::<T>::get();
        let task = task_id(&federation, &request().config_digest);
        let world = World { domain: T::Bridge::domain(), federation, task, keys: Vec::new() };
        let genesis = world.genesis();
        #[extrinsic_call]
        _(governance::<T>()?, request(), genesis);
        assert!(Tasks::<T>::contains_key(task));
        Ok(())
    }

    #[benchmark]
    fn set_peer() -> Result<(), BenchmarkError> {
        let [federation, task, genesis, endpoint] = [1, 2, 3, 4].map(H256::repeat_byte);
        #[extrinsic_call]
        _(governance::<T>()?, OVER_THERE, federation, task, genesis, endpoint);
        assert!(Peers::<T>::contains_key((OVER_THERE, federation, task)));
        Ok(())
    }

    #[benchmark]
    fn set_routes(n: Linear<0, MAX_ROUTES>) -> Result<(), BenchmarkError> {
        let task = keccak(b"task");
        #[extrinsic_call]
        _(governance::<T>()?, task, routes(n));
        assert_eq!(Routes::<T>::get(task).len(), n as usize);
        Ok(())
    }

    #[benchmark]
    fn set_halted() -> Result<(), BenchmarkError> {
        #[extrinsic_call]
        _(governance::<T>()?, true);
        assert!(Halted::<T>::get());
        Ok(())
    }

    #[benchmark]
    fn set_members(n: Linear<1, 64>) -> Result<(), BenchmarkError> {
        let world = World::new::<T>()?;
        let statements = world.memberships(n as usize, 2);
        #[extrinsic_call]
        _(RawOrigin::Signed(account("carrier", 0, 0)), statements);
        assert_eq!(Pallet::<T>::current_members()[0].capacity, 12);
        Ok(())
    }

    #[benchmark]
    fn start_round() -> Result<(), BenchmarkError> {
        let world = World::new::<T>()?;
        #[extrinsic_call]
        _(RawOrigin::Signed(account("carrier", 0, 0)), world.task);
        assert_eq!(world.phase::<T>(), Phase::Training);
        Ok(())
    }

    /// The last so many updates, which end the phase.
    #[benchmark]
    fn submit_updates(n: Linear<1, 64>) -> Result<(), BenchmarkError> {
        let world = World::new::<T>()?;
        world.until::<T>(Phase::Training, n as usize);
        let updates = world.updates::<T>(64 - n as usize);
        #[extrinsic_call]
        _(RawOrigin::Signed(account("carrier", 0, 0)), world.task, updates);
        assert_eq!(world.phase::<T>(), Phase::Verifying);
        Ok(())
    }

    /// The last so many verdicts, after which all 64 are counted.
    #[benchmark]
    fn submit_verdicts(n: Linear<1, 64>) -> Result<(), BenchmarkError> {
        let world = World::new::<T>()?;
        world.until::<T>(Phase::Verifying, n as usize);
        let verdicts = world.verdicts(64 - n as usize);
        #[extrinsic_call]
        _(RawOrigin::Signed(account("carrier", 0, 0)), world.task, verdicts);
        assert_eq!(world.phase::<T>(), Phase::Aggregating);
        Ok(())
    }

    #[benchmark]
    fn submit_votes(n: Linear<1, 64>) -> Result<(), BenchmarkError> {
        let world = World::new::<T>()?;
        world.until::<T>(Phase::Aggregating, 0);
        let votes = world.votes(64 - n as usize, |_| keccak(b"checkpoint"));
        #[extrinsic_call]
        _(RawOrigin::Signed(account("carrier", 0, 0)), world.task, votes);
        assert!(Votes::<T>::contains_key((world.task, 1, 63)));
        Ok(())
    }

    /// A checkpoint with `p` parents that goes to `r` destinations; 64 updates and 64 votes stand behind it.
    #[benchmark]
    fn finalise(p: Linear<1, 8>, r: Linear<0, MAX_ROUTES>) -> Result<(), BenchmarkError> {
        let world = World::new::<T>()?;
        assert_ok!(Pallet::<T>::set_routes(governance::<T>()?, world.task, routes(r)));
        let mut parents = vec![world.last_checkpoint::<T>()];
        parents.extend(imports::<T>(p as usize - 1)?);
        world.until::<T>(Phase::Aggregating, 0);
        let checkpoint = world.checkpoint(1, &parents, world.training_root::<T>());
        let id = checkpoint.id();
        assert_ok!(Pallet::<T>::submit_votes(anyone::<T>(), world.task, world.votes(0, |_| id)));
        #[extrinsic_call]
        _(RawOrigin::Signed(account("carrier", 0, 0)), world.task, checkpoint, parents);
        assert_eq!(world.phase::<T>(), Phase::Final);
        Ok(())
    }

    /// Overdue while verdicts are missing: those that there are get counted.
    #[benchmark]
    fn advance_verifying() -> Result<(), BenchmarkError> {
        let world = World::new::<T>()?;
        world.until::<T>(Phase::Verifying, 1);
        later::<T>(PHASE + 1);
        #[extrinsic_call]
        advance(RawOrigin::Signed(account("carrier", 0, 0)), world.task);
        assert_eq!(world.phase::<T>(), Phase::Aggregating);
        Ok(())
    }

    /// Overdue while votes are missing, and no two votes agree.
    #[benchmark]
    fn advance_aggregating() -> Result<(), BenchmarkError> {
        let world = World::new::<T>()?;
        world.until::<T>(Phase::Aggregating, 0);
        let votes = world.votes(0, |i| keccak(&[i as u8]));
        assert_ok!(Pallet::<T>::submit_votes(anyone::<T>(), world.task, votes));
        later::<T>(PHASE + 1);
        #[extrinsic_call]
        advance(RawOrigin::Signed(account("carrier", 0, 0)), world.task);
        assert_eq!(world.phase::<T>(), Phase::Failed);
        Ok(())
    }

    /// A peer's second checkpoint, with as many parents as there may be.
    #[benchmark]
    fn import() -> Result<(), BenchmarkError> {
        imports::<T>(1)?;
        let (packet, payload) = announcement::<T>(2, MAX_PARENTS)?;
        #[block]
        {
            assert_ok!(Pallet::<T>::receive(&packet, &payload));
        }
        assert_eq!(ImportCount::<T>::get(), 2);
        Ok(())
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::fresh(), crate::mock::Test);
}
