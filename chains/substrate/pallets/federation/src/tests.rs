//! What participants, carriers and attackers meet. Sections: members, tasks, rounds, checkpoints, registry.

use crate::{mock::*, types::Phase, *};
use pallet_poft_bridge::{self as bridge, ports::PacketReceiver, types::Outcome};
use poft_primitives::{
    checkpoint::{parents_hash, Checkpoint, CheckpointPayload},
    keccak,
    statements::{Update, Verdict, Vote},
    testing::{addresses, keys, Key, Source},
    Code, H160, H256,
};
use polkadot_sdk::{
    frame_support::{assert_noop, assert_ok, dispatch::DispatchResult},
    sp_runtime::DispatchError,
};

fn refused(code: Code) -> Error<Test> {
    code.into()
}

// --- members ---

#[test]
fn members_are_admitted_registered_and_sorted_by_address() {
    run(|| {
        let world = World::new(5);
        let members = MemberSets::<Test>::get(MemberSetCount::<Test>::get());
        let found: Vec<H160> = members.iter().map(|member| member.participant).collect();
        assert_eq!(found, addresses(&world.keys));
        assert_eq!(members[4].capacity, 50);
        assert_ok!(Federation::set_members(signed(), vec![world.membership(2, 0, 2)]));
        assert_eq!(Federation::current_members().len(), 4);
        assert_ok!(Federation::expel(root(), vec![world.keys[0].address()]));
        assert_eq!(Federation::current_members().len(), 3);
        assert_ok!(Federation::admit(root(), vec![world.keys[0].address()]));
        assert_eq!(Federation::current_members()[0].participant, world.keys[0].address());
    });
}

#[test]
fn memberships_are_refused_by_name() {
    run(|| {
        let world = World::new(3);
        let set = |statement| Federation::set_members(signed(), vec![statement]);
        let stranger = World { keys: keys("stranger", 1), ..world_of(&world) };
        assert_noop!(set(stranger.membership(0, 1, 1)), refused(Code::NotAdmitted));
        assert_noop!(set(world.membership(0, 5, 1)), refused(Code::StaleSequence));
        let elsewhere = World { federation: keccak(b"x"), ..world_of(&world) };
        assert_noop!(set(elsewhere.membership(0, 5, 2)), refused(Code::WrongDomain));
        let other_chain = World { domain: keccak(b"x"), ..world_of(&world) };
        assert_noop!(set(other_chain.membership(0, 5, 2)), refused(Code::NotSigner));
        let mut statement = world.membership(0, 5, 2);
        statement.signature[64] = 0;
        assert_noop!(set(statement), refused(Code::BadSignature));
        assert_noop!(
            Federation::set_members(signed(), vec![world.membership(0, 5, 2), world.membership(1, 5, 1)]),
            refused(Code::StaleSequence)
        );
        assert_noop!(Federation::expel(root(), vec![H160::repeat_byte(9)]), refused(Code::NotAdmitted));
        assert_noop!(Federation::admit(root(), vec![H160::zero()]), refused(Code::ZeroValue));
        assert_noop!(Federation::admit(signed(), vec![H160::repeat_byte(9)]), DispatchError::BadOrigin);
    });
}

fn world_of(world: &World) -> World {
    World { domain: world.domain, federation: world.federation, task: world.task, keys: world.keys.clone() }
}

#[test]
fn there_are_at_most_64_members() {
    run(|| {
        let world = World::new(64);
        let late = World { keys: vec![Key::new("late")], ..world_of(&world) };
        assert_ok!(Federation::admit(root(), addresses(&late.keys)));
        let join = || Federation::set_members(signed(), vec![late.membership(0, 1, 1)]);
        assert_noop!(join(), refused(Code::TooManyParticipants));
        assert_ok!(Federation::set_members(signed(), vec![world.membership(63, 0, 2)]));
        assert_ok!(join());
    });
}

// --- tasks ---

#[test]
fn create_task_refuses_zero_values_repetition_and_foreign_genesis() {
    run(|| {
        let world = World::new(3);
        let create = |task, genesis| Federation::create_task(root(), task, genesis);
        assert_noop!(create(world.request(), world.genesis()), refused(Code::TaskExists));
        let mut task = world.request();
        task.config_digest = keccak(b"other");
        for zero in [
            |task: &mut types::Task| task.config_digest = H256::zero(),
            |task: &mut types::Task| task.rounds = 0,
            |task: &mut types::Task| task.steps_per_round = 0,
            |task: &mut types::Task| task.phase_blocks = 0,
            |task: &mut types::Task| task.min_trainers = 0,
        ] {
            let mut task = task.clone();
            zero(&mut task);
            assert_noop!(create(task, world.genesis()), refused(Code::ZeroValue));
        }
        let honest = Checkpoint {
            task: poft_primitives::domain::task_id(&world.federation, &task.config_digest),
            ..world.genesis()
        };
        let foreign = |change: &dyn Fn(&mut Checkpoint)| {
            let mut genesis = honest.clone();
            change(&mut genesis);
            create(task.clone(), genesis)
        };
        assert_noop!(foreign(&|g| g.model_root = H256::zero()), refused(Code::ZeroValue));
        assert_noop!(foreign(&|g| g.federation = keccak(b"x")), refused(Code::WrongDomain));
        assert_noop!(foreign(&|g| g.task = keccak(b"x")), refused(Code::WrongDomain));
        assert_noop!(foreign(&|g| g.round = 1), refused(Code::WrongRound));
        assert_noop!(foreign(&|g| g.parents_hash = H256::zero()), refused(Code::ParentsMismatch));
        assert_noop!(Federation::create_task(signed(), task.clone(), honest.clone()), DispatchError::BadOrigin);
        assert_ok!(create(task, honest));
    });
}

// --- rounds ---

#[test]
fn a_round_ends_with_its_checkpoint_and_every_second_one_is_exported() {
    run(|| {
        let world = World::new(4);
        world.start();
        assert_eq!(world.round().steps.to_vec(), [11, 20, 30, 39]);
        world.submit(0..4);
        assert_eq!(world.phase(), Phase::Verifying);
        world.judge(0..4, 0b1111);
        assert_eq!((world.phase(), world.round().accepted), (Phase::Aggregating, 0b1111));
        let (checkpoint, parents) = world.result(&[]);
        world.vote_for(0..4, checkpoint.id());
        assert_ok!(Federation::finalise(signed(), world.task, checkpoint.clone(), parents));
        assert_eq!((world.phase(), world.round().checkpoint), (Phase::Final, checkpoint.id()));
        assert_eq!(bridge::Outbox::<Test>::get().size, 0, "round 1 is not for export");
        let second = world.whole_round(&[]);
        let sent = bridge::Packets::<Test>::get(0).expect("round 2 is exported");
        let announced = CheckpointPayload::decode(&sent.payload).expect("canonical");
        assert_eq!((sent.packet.dest_domain, announced.checkpoint.id()), (THERE, second));
        assert_eq!((announced.previous, announced.parents), (world.genesis().id(), vec![checkpoint.id()]));
        world.whole_round(&[]);
        world.whole_round(&[]);
        let announced = CheckpointPayload::decode(&bridge::Packets::<Test>::get(1).expect("round 4").payload);
        assert_eq!(announced.expect("canonical").previous, second);
        assert_noop!(Federation::start_round(signed(), world.task), refused(Code::TaskComplete));
    });
}

#[test]
fn start_round_is_refused_by_name() {
    run(|| {
        let world = World::new(3);
        assert_noop!(Federation::start_round(signed(), keccak(b"x")), refused(Code::UnknownTask));
        assert_noop!(Federation::advance(signed(), world.task), refused(Code::WrongPhase));
        world.start();
        assert_noop!(Federation::start_round(signed(), world.task), refused(Code::WrongPhase));
        assert_ok!(Federation::expel(root(), addresses(&world.keys[1..])));
        later(PHASE + 1);
        assert_ok!(Federation::advance(signed(), world.task));
        assert_noop!(Federation::start_round(signed(), world.task), refused(Code::TooFewParticipants));
        assert_ok!(Federation::set_halted(root(), true));
        assert_noop!(Federation::start_round(signed(), world.task), refused(Code::Halted));
    });
}

#[test]
fn updates_are_refused_by_name() {
    run(|| {
        let world = World::new(4);
        let submit = |i: usize, index: u32, change: &dyn Fn(&mut Update)| -> DispatchResult {
            let mut update = world.update(i);
            change(&mut update);
            Federation::submit_updates(signed(), world.task, vec![world.keys[i].say(&world.domain, index, update)])
        };
        assert_noop!(Federation::submit_updates(signed(), world.task, vec![]), refused(Code::WrongPhase));
        world.start();
        assert_noop!(submit(0, 0, &|u| u.federation = keccak(b"x")), refused(Code::WrongDomain));
        assert_noop!(submit(0, 0, &|u| u.task = keccak(b"x")), refused(Code::WrongDomain));
        assert_noop!(submit(0, 0, &|u| u.round = 2), refused(Code::WrongRound));
        assert_noop!(submit(0, 1, &|_| ()), refused(Code::NotRegistered));
        assert_noop!(submit(0, 4, &|_| ()), refused(Code::NotRegistered));
        assert_noop!(submit(0, u32::MAX, &|_| ()), refused(Code::NotRegistered));
        assert_noop!(submit(0, 0, &|u| u.steps += 1), refused(Code::NotAssigned));
        assert_noop!(submit(0, 0, &|u| u.base = keccak(b"x")), refused(Code::WrongBase));
        assert_noop!(submit(0, 0, &|u| u.samples = 0), refused(Code::ZeroValue));
        assert_noop!(submit(0, 0, &|u| u.update_root = H256::zero()), refused(Code::ZeroValue));
        assert_noop!(submit(0, 0, &|u| u.update_bytes = 0), refused(Code::ZeroValue));
        let mut forged = world.keys[1].say(&world.domain, 0, world.update(0));
        let carry = |statement| Federation::submit_updates(signed(), world.task, vec![statement]);
        assert_noop!(carry(forged.clone()), refused(Code::NotSigner));
        forged.signature.pop();
        assert_noop!(carry(forged), refused(Code::BadSignature));
        assert_ok!(submit(0, 0, &|_| ()));
        assert_noop!(submit(0, 0, &|u| u.compute_millis += 1), refused(Code::AlreadySubmitted));
        later(PHASE + 1);
        assert_noop!(submit(1, 1, &|_| ()), refused(Code::DeadlinePassed));
    });
}

#[test]
fn a_claimed_capacity_shuts_nobody_out() {
    run(|| {
        let world = World::new(3);
        assert_ok!(Federation::set_members(signed(), vec![world.membership(2, u32::MAX, 2)]));
        world.start();
        assert_eq!(world.round().steps.to_vec(), [1, 1, 98]);
        let mut idle = world.update(0);
        idle.steps = 0;
        let idle = world.keys[0].say(&world.domain, 0, idle);
        assert_noop!(Federation::submit_updates(signed(), world.task, vec![idle]), refused(Code::NotAssigned));
        world.submit(0..3);
        assert_eq!(world.phase(), Phase::Verifying);
    });
}

#[test]
fn a_round_needs_a_step_for_every_member() {
    run(|| {
        let world = World::new(3);
        let mut record = world.task_record();
        record.task.steps_per_round = 2;
        Tasks::<Test>::insert(world.task, record.clone());
        let start = || Federation::start_round(signed(), world.task);
        assert_noop!(start(), refused(Code::TooManyParticipants));
        record.task.steps_per_round = 3;
        Tasks::<Test>::insert(world.task, record);
        assert_ok!(start());
        assert_eq!(world.round().steps.to_vec(), [1, 1, 1]);
    });
}

#[test]
fn verdicts_are_refused_by_name_and_more_than_two_thirds_decide() {
    run(|| {
        let world = World::new(4);
        world.start();
        world.submit(0..3);
        later(PHASE + 1);
        assert_ok!(Federation::advance(signed(), world.task));
        let judge = |i: usize, index: u32, change: &dyn Fn(&mut Verdict)| -> DispatchResult {
            let mut verdict = world.verdict(i, 0b011);
            change(&mut verdict);
            Federation::submit_verdicts(signed(), world.task, vec![world.keys[i].say(&world.domain, index, verdict)])
        };
        assert_noop!(judge(0, 0, &|v| v.round = 9), refused(Code::WrongRound));
        assert_noop!(judge(0, 0, &|v| v.task = keccak(b"x")), refused(Code::WrongDomain));
        assert_noop!(judge(0, 2, &|_| ()), refused(Code::NotRegistered));
        assert_noop!(judge(0, 0, &|v| v.accepted = 0b1000), refused(Code::BitmapMismatch));
        assert_noop!(judge(0, 0, &|v| v.accepted = 1 << 63), refused(Code::BitmapMismatch));
        for i in 0..3 {
            assert_ok!(judge(i, i as u32, &|v| v.accepted |= if i < 2 { 0b100 } else { 0 }));
        }
        assert_noop!(judge(0, 0, &|_| ()), refused(Code::AlreadySubmitted));
        assert_ok!(judge(3, 3, &|v| v.accepted = 0));
        // Updates 0 and 1 have three of four, update 2 has two of four.
        assert_eq!((world.phase(), world.round().accepted), (Phase::Aggregating, 0b011));
    });
}

#[test]
fn a_round_with_too_few_accepted_updates_fails_and_uses_its_number_up() {
    run(|| {
        let world = World::new(3);
        world.start();
        world.submit(0..3);
        world.judge(0..3, 0b001);
        assert_eq!(world.phase(), Phase::Failed);
        world.start();
        let record = world.task_record();
        assert_eq!((record.round, record.last_final_round), (2, 0));
        assert_eq!(Rounds::<Test>::get(world.task, 1).expect("kept").phase, Phase::Failed);
        assert_eq!((world.round().submitted, world.round().spoken), (0, 0));
        world.submit(0..3);
        world.judge(0..3, 0b111);
        let (checkpoint, parents) = world.result(&[]);
        world.vote_for(0..3, checkpoint.id());
        assert_ok!(Federation::finalise(signed(), world.task, checkpoint, parents));
        assert_eq!(world.task_record().last_final_round, 2);
        assert_eq!(bridge::Outbox::<Test>::get().size, 1, "round 2 is for export");
    });
}

#[test]
fn a_task_is_complete_when_the_last_final_number_reaches_its_rounds() {
    run(|| {
        let world = World::new(3);
        for _ in 0..4 {
            world.start();
            later(PHASE + 1);
            assert_ok!(Federation::advance(signed(), world.task));
        }
        world.whole_round(&[]);
        assert_eq!(world.task_record().last_final_round, 5);
        assert_noop!(Federation::start_round(signed(), world.task), refused(Code::TaskComplete));
    });
}

/// Statements that were signed for a failed round, carried into the next one.
#[test]
fn statements_of_a_failed_round_count_nowhere_else() {
    run(|| {
        let world = World::new(4);
        world.start();
        let updates: Vec<_> = (0..4).map(|i| world.keys[i].say(&world.domain, i as u32, world.update(i))).collect();
        let verdicts: Vec<_> =
            (0..4).map(|i| world.keys[i].say(&world.domain, i as u32, world.verdict(i, 0b1111))).collect();
        assert_ok!(Federation::submit_updates(signed(), world.task, updates.clone()));
        assert_ok!(Federation::submit_verdicts(signed(), world.task, verdicts.clone()));
        let (checkpoint, _) = world.result(&[]);
        let votes: Vec<_> =
            (0..2).map(|i| world.keys[i].say(&world.domain, i as u32, world.vote(i, checkpoint.id()))).collect();
        assert_ok!(Federation::submit_votes(signed(), world.task, votes.clone()));
        later(PHASE + 1);
        assert_ok!(Federation::advance(signed(), world.task));
        world.start();
        assert_noop!(Federation::submit_updates(signed(), world.task, updates), refused(Code::WrongRound));
        world.submit(0..4);
        assert_noop!(Federation::submit_verdicts(signed(), world.task, verdicts), refused(Code::WrongRound));
        world.judge(0..4, 0b1111);
        assert_noop!(Federation::submit_votes(signed(), world.task, votes), refused(Code::WrongRound));
    });
}

#[test]
fn a_checkpoint_with_a_quorum_is_given_time_to_be_finalised() {
    run(|| {
        let world = World::new(4);
        let advance = || Federation::advance(signed(), world.task);
        world.round_until_votes();
        let (checkpoint, parents) = world.result(&[]);
        world.vote_for(0..3, checkpoint.id());
        later(PHASE + 1);
        assert_noop!(advance(), refused(Code::DeadlineNotReached));
        later(PHASE - 1);
        assert_noop!(advance(), refused(Code::DeadlineNotReached));
        assert_ok!(Federation::finalise(signed(), world.task, checkpoint, parents));
        world.round_until_votes();
        let (checkpoint, _) = world.result(&[]);
        world.vote_for(0..4, checkpoint.id());
        later(2 * PHASE + 1);
        assert_ok!(advance());
        assert_eq!(world.phase(), Phase::Failed, "nobody finalised it");
        world.round_until_votes();
        let (checkpoint, _) = world.result(&[]);
        world.vote_for(0..2, checkpoint.id());
        world.vote_for(2..4, keccak(b"other"));
        later(PHASE + 1);
        assert_ok!(advance());
    });
}

#[test]
fn advance_waits_for_the_deadline_and_pushes_every_phase_on() {
    run(|| {
        let world = World::new(3);
        let advance = || Federation::advance(signed(), world.task);
        world.start();
        later(PHASE);
        assert_noop!(advance(), refused(Code::DeadlineNotReached));
        world.submit(0..1);
        later(1);
        assert_ok!(advance());
        assert_eq!(world.phase(), Phase::Failed, "one update, two are due");
        world.start();
        world.submit(0..2);
        later(PHASE + 1);
        assert_ok!(advance());
        assert_eq!(world.phase(), Phase::Verifying);
        world.judge(0..2, 0b011);
        later(PHASE + 1);
        assert_ok!(advance());
        assert_eq!(world.phase(), Phase::Failed, "two verdicts of three are no more than two thirds");
        world.start();
        world.submit(0..3);
        world.judge(0..3, 0b111);
        later(PHASE + 1);
        assert_ok!(advance());
        assert_eq!(world.phase(), Phase::Failed);
        assert_noop!(advance(), refused(Code::WrongPhase));
    });
}

#[test]
fn a_change_of_members_counts_from_the_next_round() {
    run(|| {
        let world = World::new(4);
        world.start();
        assert_ok!(Federation::expel(root(), vec![world.keys[0].address()]));
        assert_ok!(Federation::set_members(signed(), vec![world.membership(1, 999, 2)]));
        world.submit(0..4);
        assert_eq!(world.phase(), Phase::Verifying);
        let first = world.round().member_set;
        assert_eq!(MemberSets::<Test>::get(first).len(), 4);
        later(PHASE + 1);
        assert_ok!(Federation::advance(signed(), world.task));
        world.start();
        assert_eq!(MemberSets::<Test>::get(world.round().member_set).len(), 3);
    });
}

// --- checkpoints ---

#[test]
fn votes_and_checkpoints_are_refused_by_name() {
    run(|| {
        let world = World::new(4);
        world.round_until_votes();
        let (honest, parents) = world.result(&[]);
        let vote = |i: usize, index: u32, change: &dyn Fn(&mut Vote)| -> DispatchResult {
            let mut vote = world.vote(i, honest.id());
            change(&mut vote);
            Federation::submit_votes(signed(), world.task, vec![world.keys[i].say(&world.domain, index, vote)])
        };
        assert_noop!(vote(0, 0, &|v| v.round = 0), refused(Code::WrongRound));
        assert_noop!(vote(0, 0, &|v| v.federation = keccak(b"x")), refused(Code::WrongDomain));
        assert_noop!(vote(0, 1, &|_| ()), refused(Code::NotRegistered));
        assert_noop!(vote(0, 0, &|v| v.checkpoint = H256::zero()), refused(Code::ZeroValue));
        assert_ok!(vote(0, 0, &|_| ()));
        assert_noop!(vote(0, 0, &|v| v.checkpoint = keccak(b"x")), refused(Code::AlreadySubmitted));
        assert_ok!(vote(1, 1, &|_| ()));
        let finalise = |checkpoint: Checkpoint, parents: &[H256]| {
            Federation::finalise(signed(), world.task, checkpoint, parents.to_vec())
        };
        assert_noop!(finalise(honest.clone(), &parents), refused(Code::QuorumNotReached));
        assert_ok!(vote(2, 2, &|_| ()));
        let altered = |change: &dyn Fn(&mut Checkpoint)| {
            let mut checkpoint = honest.clone();
            change(&mut checkpoint);
            finalise(checkpoint, &parents)
        };
        assert_noop!(altered(&|c| c.federation = keccak(b"x")), refused(Code::WrongDomain));
        assert_noop!(altered(&|c| c.task = keccak(b"x")), refused(Code::WrongDomain));
        assert_noop!(altered(&|c| c.round = 2), refused(Code::WrongRound));
        assert_noop!(altered(&|c| c.model_root = H256::zero()), refused(Code::ZeroValue));
        assert_noop!(altered(&|c| c.model_bytes = 0), refused(Code::ZeroValue));
        assert_noop!(altered(&|c| c.manifest_hash = H256::zero()), refused(Code::ZeroValue));
        assert_noop!(altered(&|c| c.parents_hash = keccak(b"x")), refused(Code::ParentsMismatch));
        assert_noop!(altered(&|c| c.training_root = keccak(b"x")), refused(Code::TrainingRootMismatch));
        assert_noop!(altered(&|c| c.samples += 1), refused(Code::QuorumNotReached));
        let of = |parents: &[H256]| {
            finalise(Checkpoint { parents_hash: parents_hash(parents).unwrap_or_default(), ..honest.clone() }, parents)
        };
        assert_noop!(of(&[]), refused(Code::WrongPredecessor));
        assert_noop!(of(&[keccak(b"x")]), refused(Code::WrongPredecessor));
        assert_noop!(of(&[parents[0], keccak(b"x")]), refused(Code::UnknownParent));
        assert_noop!(of(&[parents[0], parents[0]]), refused(Code::UnknownParent));
        assert_noop!(of(&[parents[0]; 9]), refused(Code::Oversize));
        later(PHASE + 5);
        assert_ok!(finalise(honest.clone(), &parents));
        assert_noop!(finalise(honest.clone(), &parents), refused(Code::WrongPhase));
    });
}

// --- registry ---

/// A federation on another chain that this one takes checkpoints from.
struct Neighbour {
    source: Source,
    federation: H256,
    task: H256,
    genesis: H256,
}

impl Neighbour {
    fn new() -> Self {
        let source = Source::new("neighbour", 4, NOW);
        let made = Self {
            federation: keccak(b"their federation"),
            task: keccak(b"their task"),
            genesis: keccak(b"g"),
            source,
        };
        let genesis = made.source.genesis().encode().expect("a committee is short");
        assert_ok!(Bridge::create_client(root(), made.source.domain, *b"CMT1", genesis, 600, 3600));
        assert_ok!(made.peer(root()));
        made
    }

    fn peer(&self, origin: RuntimeOrigin) -> DispatchResult {
        let source = &self.source;
        Federation::set_peer(origin, source.domain, self.federation, self.task, self.genesis, source.sender)
    }

    fn announcement(&self, round: u64, previous: H256) -> CheckpointPayload {
        let parents = vec![keccak(&round.to_be_bytes())];
        CheckpointPayload {
            checkpoint: Checkpoint {
                federation: self.federation,
                task: self.task,
                round,
                model_root: keccak(b"model"),
                model_bytes: 10,
                manifest_hash: keccak(b"manifest"),
                parents_hash: parents_hash(&parents).expect("one parent"),
                samples: 1,
                metrics_hash: H256::zero(),
                training_root: H256::zero(),
                dataset_root: H256::zero(),
                locator_hash: H256::zero(),
            },
            parents,
            previous,
        }
    }

    /// Sends and delivers a payload, and tells what the registry said.
    fn deliver(&mut self, payload: &[u8]) -> Outcome {
        let (from, index) = (self.source.size(), self.source.packets.len());
        self.source.send(bridge::Domain::<Test>::get(), Federation::endpoint(), payload);
        let proof = self.source.finality(from).encode().expect("lists of a proof are short");
        let (size, packet) = (self.source.size(), self.source.delivery(index));
        assert_ok!(Bridge::deliver(signed(), self.source.domain, Some(proof), size, vec![packet]));
        bridge::Deliveries::<Test>::get(self.source.domain, index as u64).expect("delivered").outcome
    }

    fn announce(&mut self, announced: &CheckpointPayload) -> Outcome {
        self.deliver(&announced.encode().expect("few parents"))
    }
}

#[test]
fn imports_follow_the_peers_chain_of_exports() {
    run(|| {
        let mut them = Neighbour::new();
        let first = them.announcement(2, them.genesis);
        assert_eq!(them.announce(&first), Outcome::Dispatched);
        let second = them.announcement(4, first.checkpoint.id());
        assert_eq!(them.announce(&second), Outcome::Dispatched);
        assert_eq!(ImportCount::<Test>::get(), 2);
        assert_eq!(Imports::<Test>::get(1), Some(second.checkpoint.id()));
        let record = Checkpoints::<Test>::get(second.checkpoint.id()).expect("imported");
        assert_eq!((record.source_domain, record.previous), (them.source.domain, first.checkpoint.id()));
        let failed = |code| Outcome::Failed(code);
        assert_eq!(them.announce(&them.announcement(4, them.genesis)), failed(Code::RoundRegression));
        assert_eq!(them.announce(&them.announcement(3, them.genesis)), failed(Code::RoundRegression));
        assert_eq!(them.announce(&them.announcement(5, keccak(b"x"))), failed(Code::UnknownParent));
        let mut other = them.announcement(5, them.genesis);
        other.checkpoint.task = keccak(b"x");
        assert_eq!(them.announce(&other), failed(Code::UnknownPeer));
        let mut other = them.announcement(5, them.genesis);
        other.checkpoint.manifest_hash = H256::zero();
        assert_eq!(them.announce(&other), failed(Code::ZeroValue));
        let mut other = them.announcement(5, them.genesis);
        other.parents.push(keccak(b"x"));
        assert_eq!(them.announce(&other), failed(Code::ParentsMismatch));
        assert_eq!(them.deliver(b"nonsense"), failed(Code::Malformed));
        assert_eq!(them.deliver(&[0; 24 * 32]), failed(Code::Oversize));
        assert_eq!(ImportCount::<Test>::get(), 2);
        assert_eq!(them.announce(&them.announcement(5, second.checkpoint.id())), Outcome::Dispatched);
    });
}

#[test]
fn a_peer_with_another_genesis_counts_its_rounds_anew() {
    run(|| {
        let mut them = Neighbour::new();
        let forged = them.announcement(u64::MAX, them.genesis);
        assert_eq!(them.announce(&forged), Outcome::Dispatched);
        assert_ok!(them.peer(root()));
        let honest = them.announcement(1, them.genesis);
        assert_eq!(them.announce(&honest), Outcome::Failed(Code::RoundRegression), "the same genesis changes nothing");
        them.genesis = keccak(b"another");
        assert_ok!(them.peer(root()));
        let honest = them.announcement(1, them.genesis);
        assert_eq!(them.announce(&honest), Outcome::Dispatched);
        assert_eq!(them.announce(&forged), Outcome::Failed(Code::RoundRegression), "an import is accepted once");
        let again = them.announcement(2, keccak(b"g"));
        assert_eq!(them.announce(&again), Outcome::Failed(Code::UnknownParent));
    });
}

#[test]
fn a_round_merges_imports_that_came_before_it_started() {
    run(|| {
        let world = World::new(4);
        let mut them = Neighbour::new();
        let early = them.announcement(2, them.genesis);
        assert_eq!(them.announce(&early), Outcome::Dispatched);
        later(1);
        world.round_until_votes();
        later(1);
        let late = them.announcement(4, early.checkpoint.id());
        assert_eq!(them.announce(&late), Outcome::Dispatched);
        let (checkpoint, parents) = world.result(&[late.checkpoint.id()]);
        assert_noop!(Federation::finalise(signed(), world.task, checkpoint, parents), refused(Code::UnknownParent));
        let (checkpoint, parents) = world.result(&[early.checkpoint.id()]);
        world.vote_for(0..4, checkpoint.id());
        assert_ok!(Federation::finalise(signed(), world.task, checkpoint.clone(), parents.clone()));
        assert_eq!(Checkpoints::<Test>::get(checkpoint.id()).expect("final").parents.to_vec(), parents);
    });
}

#[test]
fn peers_and_routes_are_governed_and_checked() {
    run(|| {
        let world = World::new(2);
        let them = Neighbour::new();
        assert_noop!(them.peer(signed()), DispatchError::BadOrigin);
        let (a, own) = (keccak(b"a"), world.domain);
        let peer = |domain, federation| Federation::set_peer(root(), domain, federation, a, a, a);
        assert_noop!(peer(H256::zero(), a), refused(Code::ZeroValue));
        assert_noop!(peer(own, a), refused(Code::WrongDomain));
        assert_noop!(peer(a, world.federation), refused(Code::WrongDomain));
        let routes = |routes| Federation::set_routes(root(), world.task, routes);
        assert_noop!(routes(vec![(own, a)]), refused(Code::WrongDestination));
        assert_noop!(routes(vec![(a, H256::zero())]), refused(Code::ZeroValue));
        assert_noop!(routes(vec![(a, a); 33]), refused(Code::Oversize));
        assert_noop!(Federation::set_routes(signed(), world.task, vec![]), DispatchError::BadOrigin);
        assert_ok!(routes(vec![]));
    });
}

#[test]
fn a_halted_federation_takes_nothing_and_its_packets_wait_for_a_retry() {
    run(|| {
        let mut them = Neighbour::new();
        assert_ok!(Federation::set_halted(root(), true));
        let announced = them.announcement(2, them.genesis);
        assert_eq!(them.announce(&announced), Outcome::Failed(Code::Halted));
        assert_ok!(Federation::set_halted(root(), false));
        let (packet, payload) = them.source.packets[0].clone();
        assert_ok!(Bridge::retry(signed(), packet, payload));
        assert_eq!(ImportCount::<Test>::get(), 1);
    });
}
