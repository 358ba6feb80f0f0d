//! A runtime of system, timestamp, bridge and federation, all real, and a task with its participants.

use crate::{
    self as federation,
    types::{Phase, Round, Task, TaskRecord},
};
use pallet_poft_bridge as bridge;
use poft_primitives::{
    checkpoint::{parents_hash, Checkpoint},
    committee::CommitteeVerifier,
    domain::{federation_id, task_id},
    keccak,
    statements::{Membership, Signed, Update, Verdict, Vote},
    testing::{addresses, keys, Key},
    verifier::{FinalityVerifier, Schemes},
    H256,
};
use polkadot_sdk::{
    frame_support::{assert_ok, construct_runtime, derive_impl},
    frame_system::{mocking::MockBlock, EnsureRoot},
    sp_runtime::{traits::Convert, BuildStorage},
    *,
};

construct_runtime!(
    pub enum Test {
        System: frame_system,
        Timestamp: pallet_timestamp,
        Bridge: bridge,
        Federation: federation,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = MockBlock<Test>;
}

#[derive_impl(pallet_timestamp::config_preludes::TestDefaultConfig)]
impl pallet_timestamp::Config for Test {}

pub struct Committees;

impl Schemes for Committees {
    fn all() -> &'static [&'static dyn FinalityVerifier] {
        &[&CommitteeVerifier]
    }
}

pub struct Carrier;

impl Convert<u64, H256> for Carrier {
    fn convert(account: u64) -> H256 {
        H256::from_low_u64_be(account)
    }
}

impl bridge::Config for Test {
    type Governance = EnsureRoot<u64>;
    type Schemes = Committees;
    type Time = Timestamp;
    type Receiver = Federation;
    type Carrier = Carrier;
    type WeightInfo = ();
}

impl federation::Config for Test {
    type Governance = EnsureRoot<u64>;
    type Bridge = Bridge;
    type WeightInfo = ();
}

/// Seconds at which the chain starts.
pub const NOW: u64 = 1_800_000_000;
/// Blocks of a phase.
pub const PHASE: u64 = 10;
/// The chain that exports go to.
pub const THERE: H256 = H256::repeat_byte(0xdd);

/// The chain at block 1.
pub fn fresh() -> sp_io::TestExternalities {
    let storage = RuntimeGenesisConfig::default().build_storage().expect("the default genesis builds");
    let mut chain = sp_io::TestExternalities::new(storage);
    chain.execute_with(|| {
        System::set_block_number(1);
        pallet_timestamp::Now::<Test>::put(NOW * 1000);
    });
    chain
}

pub fn run(test: impl FnOnce()) {
    fresh().execute_with(test);
}

pub fn signed() -> RuntimeOrigin {
    RuntimeOrigin::signed(1)
}

pub fn root() -> RuntimeOrigin {
    RuntimeOrigin::root()
}

/// A federation with a task that exports every second round to [`THERE`].
pub struct World {
    pub domain: H256,
    pub federation: H256,
    pub task: H256,
    pub keys: Vec<Key>,
}

impl World {
    /// Members sorted by address, with capacities 10, 20, 30 and so on.
    pub fn new(members: usize) -> Self {
        let domain = bridge::Domain::<Test>::get();
        let federation = federation_id(&domain, b"federation");
        let world = Self { domain, federation, task: task_id(&federation, &config()), keys: keys("member", members) };
        assert_ok!(Federation::admit(root(), addresses(&world.keys)));
        let statements = (0..members).map(|i| world.membership(i, 10 * (i as u32 + 1), 1)).collect();
        assert_ok!(Federation::set_members(signed(), statements));
        assert_ok!(Federation::create_task(root(), world.request(), world.genesis()));
        assert_ok!(Federation::set_routes(root(), world.task, vec![(THERE, keccak(b"there"))]));
        world
    }

    pub fn request(&self) -> Task {
        Task {
            config_digest: config(),
            rounds: 4,
            steps_per_round: 100,
            export_every: 2,
            phase_blocks: PHASE as u32,
            min_trainers: 2,
        }
    }

    /// A checkpoint of this task.
    pub fn checkpoint(&self, round: u64, parents: &[H256], training_root: H256) -> Checkpoint {
        Checkpoint {
            federation: self.federation,
            task: self.task,
            round,
            model_root: keccak(&round.to_le_bytes()),
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

    pub fn genesis(&self) -> Checkpoint {
        self.checkpoint(0, &[], H256::zero())
    }

    pub fn membership(&self, i: usize, capacity: u32, sequence: u64) -> Signed<Membership> {
        let statement = Membership {
            federation: self.federation,
            participant: self.keys[i].address(),
            encryption_key: keccak(&[i as u8]),
            capacity,
            sequence,
        };
        self.keys[i].say(&self.domain, 0, statement)
    }

    pub fn task_record(&self) -> TaskRecord {
        federation::Tasks::<Test>::get(self.task).expect("created")
    }

    pub fn round(&self) -> Round {
        federation::Rounds::<Test>::get(self.task, self.task_record().round).expect("started")
    }

    pub fn phase(&self) -> Phase {
        assert_eq!(self.task_record().phase, self.round().phase);
        self.round().phase
    }

    /// The honest update of a member, before it is signed.
    pub fn update(&self, i: usize) -> Update {
        let record = self.task_record();
        Update {
            federation: self.federation,
            task: self.task,
            round: record.round,
            trainer: self.keys[i].address(),
            base: record.last_checkpoint,
            update_root: keccak(&[i as u8, 1]),
            update_bytes: 100,
            samples: 50,
            compute_millis: 10,
            steps: self.round().steps[i],
            training_root: keccak(&[i as u8, 2]),
            dataset_root: keccak(&[i as u8, 3]),
            access_root: H256::zero(),
            cipher_hash: H256::zero(),
        }
    }

    pub fn verdict(&self, i: usize, accepted: u64) -> Verdict {
        Verdict {
            federation: self.federation,
            task: self.task,
            round: self.task_record().round,
            verifier: self.keys[i].address(),
            accepted,
            scores_root: H256::zero(),
        }
    }

    pub fn vote(&self, i: usize, checkpoint: H256) -> Vote {
        Vote {
            federation: self.federation,
            task: self.task,
            round: self.task_record().round,
            participant: self.keys[i].address(),
            checkpoint,
        }
    }

    pub fn start(&self) {
        assert_ok!(Federation::start_round(signed(), self.task));
    }

    /// These members submit updates.
    pub fn submit(&self, members: impl IntoIterator<Item = usize>) {
        let updates = members.into_iter().map(|i| self.keys[i].say(&self.domain, i as u32, self.update(i))).collect();
        assert_ok!(Federation::submit_updates(signed(), self.task, updates));
    }

    /// These members accept these updates.
    pub fn judge(&self, members: impl IntoIterator<Item = usize>, accepted: u64) {
        let verdicts =
            members.into_iter().map(|i| self.keys[i].say(&self.domain, i as u32, self.verdict(i, accepted))).collect();
        assert_ok!(Federation::submit_verdicts(signed(), self.task, verdicts));
    }

    pub fn vote_for(&self, members: impl IntoIterator<Item = usize>, checkpoint: H256) {
        let votes =
            members.into_iter().map(|i| self.keys[i].say(&self.domain, i as u32, self.vote(i, checkpoint))).collect();
        assert_ok!(Federation::submit_votes(signed(), self.task, votes));
    }

    /// The checkpoint that honest members compute for the running round.
    pub fn result(&self, imports: &[H256]) -> (Checkpoint, Vec<H256>) {
        let (record, round) = (self.task_record(), self.round());
        let digests: Vec<Vec<u8>> = (0..64u32)
            .filter(|i| round.accepted >> i & 1 == 1)
            .map(|i| (self.task, record.round, i))
            .map(|key| federation::Updates::<Test>::get(key).expect("accepted").digest.0.to_vec())
            .collect();
        let parents = [&[record.last_checkpoint][..], imports].concat();
        (self.checkpoint(record.round, &parents, poft_primitives::testing::root(&digests)), parents)
    }

    /// A round in which everyone is honest and present, up to the votes.
    pub fn round_until_votes(&self) {
        let n = self.keys.len();
        self.start();
        self.submit(0..n);
        self.judge(0..n, (1 << n) - 1);
    }

    pub fn whole_round(&self, imports: &[H256]) -> H256 {
        self.round_until_votes();
        let (checkpoint, parents) = self.result(imports);
        let id = checkpoint.id();
        self.vote_for(0..self.keys.len(), id);
        assert_ok!(Federation::finalise(signed(), self.task, checkpoint, parents));
        id
    }
}

pub fn config() -> H256 {
    keccak(b"config")
}

/// Goes so many blocks on.
pub fn later(blocks: u64) {
    System::set_block_number(System::block_number() + blocks);
}
