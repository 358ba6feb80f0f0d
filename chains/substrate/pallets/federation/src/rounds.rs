//! Tasks and rounds (docs/federation.md, Tasks and A round). Twin: `Federation.sol`.

use crate::{
    assignment::assign,
    pallet::*,
    types::{CheckpointRecord, Member, OfMembers, Parents, Phase, Round, Task, TaskRecord, UpdateRecord},
};
use alloc::vec::Vec;
use pallet_poft_bridge::ports::Bridge;
use poft_primitives::{
    checkpoint::{parents_hash, Checkpoint},
    domain::task_id,
    log::log_root,
    receive::ensure,
    statements::{Signed, Statement, Update, Verdict, Vote, MAX_MEMBERS},
    Code, H256,
};

/// A running round and everything that is fixed about it.
pub(crate) struct Open {
    id: H256,
    record: TaskRecord,
    round: Round,
    members: OfMembers<Member>,
    federation: H256,
    domain: H256,
}

impl<T: Config> Pallet<T> {
    pub(crate) fn new_task(task: Task, genesis: Checkpoint) -> Result<(), Code> {
        let set = !task.config_digest.is_zero()
            && task.rounds != 0
            && task.steps_per_round != 0
            && task.phase_blocks != 0
            && task.min_trainers != 0
            && !genesis.model_root.is_zero();
        ensure(set, Code::ZeroValue)?;
        let federation = FederationId::<T>::get();
        let id = task_id(&federation, &task.config_digest);
        ensure(!Tasks::<T>::contains_key(id), Code::TaskExists)?;
        ensure(genesis.federation == federation && genesis.task == id, Code::WrongDomain)?;
        ensure(genesis.round == 0, Code::WrongRound)?;
        ensure(genesis.parents_hash == parents_hash(&[])?, Code::ParentsMismatch)?;
        let checkpoint_id = Self::store_own(&genesis, Parents::default());
        let record = TaskRecord {
            task: task.clone(),
            round: 0,
            phase: Phase::None,
            last_final_round: 0,
            last_checkpoint: checkpoint_id,
        };
        Tasks::<T>::insert(id, record);
        Self::deposit_event(Event::TaskCreated { task_id: id, task, genesis });
        Ok(())
    }

    pub(crate) fn begin_round(id: H256) -> Result<(), Code> {
        let mut record = Self::known_task(&id)?;
        ensure(matches!(record.phase, Phase::None | Phase::Final | Phase::Failed), Code::WrongPhase)?;
        ensure(record.last_final_round < record.task.rounds, Code::TaskComplete)?;
        let members = Self::current_members();
        ensure(members.len() >= usize::from(record.task.min_trainers), Code::TooFewParticipants)?;
        // A failed round uses its number up: were it to come back, statements of the failed one would count again.
        record.round = record.round.checked_add(1).ok_or(Code::TaskComplete)?;
        record.phase = Phase::Training;
        let capacities: Vec<u32> = members.iter().map(|member| member.capacity).collect();
        let steps = assign(record.task.steps_per_round, &capacities)?;
        let steps = OfMembers::try_from(steps).map_err(|_| Code::TooManyParticipants)?;
        let start_height = Self::height();
        let round = Round {
            phase: Phase::Training,
            member_set: MemberSetCount::<T>::get(),
            start_height,
            deadline: start_height.saturating_add(u64::from(record.task.phase_blocks)),
            steps: steps.clone(),
            submitted: 0,
            spoken: 0,
            accepted: 0,
            voted: 0,
            checkpoint: H256::zero(),
        };
        Self::deposit_event(Event::RoundStarted {
            task_id: id,
            round: record.round,
            member_set: round.member_set,
            start_height,
            steps: steps.into_inner(),
        });
        Rounds::<T>::insert(id, record.round, round);
        Tasks::<T>::insert(id, record);
        Ok(())
    }

    pub(crate) fn take_updates(id: H256, updates: &[Signed<Update>]) -> Result<(), Code> {
        let mut open = Self::open(id, Phase::Training, updates.len())?;
        for signed in updates {
            let digest = Self::verify_update(&open, signed)?;
            open.round.submitted |= bit(signed.index);
            let (round, index) = (open.record.round, signed.index);
            let update = signed.statement.clone();
            Updates::<T>::insert((id, round, index), UpdateRecord { update: update.clone(), digest });
            Self::deposit_event(Event::UpdateSubmitted { task_id: id, round, index, digest, update });
        }
        if open.round.submitted.count_ones() as usize == open.members.len() {
            Self::enter(&mut open, Phase::Verifying);
        }
        Self::save(open);
        Ok(())
    }

    fn verify_update(open: &Open, signed: &Signed<Update>) -> Result<H256, Code> {
        let said = &signed.statement;
        Self::verify_about(open, &said.federation, &said.task, said.round)?;
        Self::verify_member(open, signed)?;
        ensure(open.round.steps.get(signed.index as usize) == Some(&said.steps), Code::NotAssigned)?;
        ensure(said.base == open.record.last_checkpoint, Code::WrongBase)?;
        ensure(open.round.submitted & bit(signed.index) == 0, Code::AlreadySubmitted)?;
        ensure(said.samples != 0 && !said.update_root.is_zero() && said.update_bytes != 0, Code::ZeroValue)?;
        signed.verify(&open.domain)
    }

    pub(crate) fn take_verdicts(id: H256, verdicts: &[Signed<Verdict>]) -> Result<(), Code> {
        let mut open = Self::open(id, Phase::Verifying, verdicts.len())?;
        for signed in verdicts {
            Self::verify_verdict(&open, signed)?;
            open.round.spoken |= bit(signed.index);
            let (round, index) = (open.record.round, signed.index);
            let verdict = signed.statement.clone();
            Verdicts::<T>::insert((id, round, index), verdict.clone());
            Self::deposit_event(Event::VerdictSubmitted { task_id: id, round, index, verdict });
        }
        if open.round.spoken.count_ones() as usize == open.members.len() {
            Self::tally(&mut open);
        }
        Self::save(open);
        Ok(())
    }

    fn verify_verdict(open: &Open, signed: &Signed<Verdict>) -> Result<(), Code> {
        let said = &signed.statement;
        Self::verify_about(open, &said.federation, &said.task, said.round)?;
        Self::verify_member(open, signed)?;
        ensure(open.round.spoken & bit(signed.index) == 0, Code::AlreadySubmitted)?;
        ensure(said.accepted & !open.round.submitted == 0, Code::BitmapMismatch)?;
        signed.verify(&open.domain).map(|_| ())
    }

    pub(crate) fn take_votes(id: H256, votes: &[Signed<Vote>]) -> Result<(), Code> {
        let mut open = Self::open(id, Phase::Aggregating, votes.len())?;
        for signed in votes {
            Self::verify_vote(&open, signed)?;
            open.round.voted |= bit(signed.index);
            let (round, index) = (open.record.round, signed.index);
            let vote = signed.statement.clone();
            Votes::<T>::insert((id, round, index), vote.clone());
            Self::deposit_event(Event::VoteSubmitted { task_id: id, round, index, vote });
        }
        Self::save(open);
        Ok(())
    }

    fn verify_vote(open: &Open, signed: &Signed<Vote>) -> Result<(), Code> {
        let said = &signed.statement;
        Self::verify_about(open, &said.federation, &said.task, said.round)?;
        Self::verify_member(open, signed)?;
        ensure(open.round.voted & bit(signed.index) == 0, Code::AlreadySubmitted)?;
        ensure(!said.checkpoint.is_zero(), Code::ZeroValue)?;
        signed.verify(&open.domain).map(|_| ())
    }

    /// Makes the checkpoint final that more than two thirds of the members voted for, after the deadline as well.
    pub(crate) fn finalise_round(id: H256, checkpoint: Checkpoint, parents: &[H256]) -> Result<(), Code> {
        let mut open = Self::current(id)?;
        ensure(open.round.phase == Phase::Aggregating, Code::WrongPhase)?;
        let checkpoint_id = Self::verify_final(&open, &checkpoint, parents)?;
        let parents = Parents::try_from(parents.to_vec()).map_err(|_| Code::Oversize)?;
        Self::store_own(&checkpoint, parents.clone());
        open.round.phase = Phase::Final;
        open.round.checkpoint = checkpoint_id;
        open.record.phase = Phase::Final;
        open.record.last_checkpoint = checkpoint_id;
        open.record.last_final_round = checkpoint.round;
        let every = u64::from(open.record.task.export_every);
        Self::deposit_event(Event::RoundFinal {
            task_id: id,
            round: open.record.round,
            checkpoint_id,
            checkpoint: checkpoint.clone(),
            parents: parents.to_vec(),
        });
        Self::save(open);
        if checkpoint.round.checked_rem(every) == Some(0) {
            Self::export(checkpoint, checkpoint_id, parents)?;
        }
        Ok(())
    }

    fn verify_final(open: &Open, checkpoint: &Checkpoint, parents: &[H256]) -> Result<H256, Code> {
        Self::verify_about(open, &checkpoint.federation, &checkpoint.task, checkpoint.round)?;
        let set =
            !checkpoint.model_root.is_zero() && checkpoint.model_bytes != 0 && !checkpoint.manifest_hash.is_zero();
        ensure(set, Code::ZeroValue)?;
        ensure(checkpoint.parents_hash == parents_hash(parents)?, Code::ParentsMismatch)?;
        let (predecessor, imports) = parents.split_first().ok_or(Code::WrongPredecessor)?;
        ensure(*predecessor == open.record.last_checkpoint, Code::WrongPredecessor)?;
        for import in imports {
            let record = Checkpoints::<T>::get(import).ok_or(Code::UnknownParent)?;
            let eligible = !record.source_domain.is_zero() && record.height <= open.round.start_height;
            ensure(eligible, Code::UnknownParent)?;
        }
        ensure(checkpoint.training_root == Self::training_root(open)?, Code::TrainingRootMismatch)?;
        let checkpoint_id = checkpoint.id();
        let votes = Self::votes(open).iter().filter(|vote| **vote == checkpoint_id).count();
        ensure(exceeds_two_thirds(votes, open), Code::QuorumNotReached)?;
        Ok(checkpoint_id)
    }

    /// The checkpoints that the members voted for.
    fn votes(open: &Open) -> Vec<H256> {
        Self::indices(open.round.voted)
            .filter_map(|i| Votes::<T>::get((open.id, open.record.round, i)))
            .map(|vote| vote.checkpoint)
            .collect()
    }

    /// Whether some checkpoint could be made final now.
    fn has_quorum(open: &Open) -> bool {
        let votes = Self::votes(open);
        votes.iter().any(|vote| exceeds_two_thirds(votes.iter().filter(|other| *other == vote).count(), open))
    }

    /// Root of the log over the digests of the accepted updates, in member order.
    fn training_root(open: &Open) -> Result<H256, Code> {
        let digests: Vec<H256> = Self::indices(open.round.accepted)
            .filter_map(|i| Updates::<T>::get((open.id, open.record.round, i)))
            .map(|record| record.digest)
            .collect();
        log_root(digests.iter().map(H256::as_bytes))
    }

    pub(crate) fn push_on(id: H256) -> Result<(), Code> {
        let mut open = Self::current(id)?;
        let phase = open.round.phase;
        ensure(matches!(phase, Phase::Training | Phase::Verifying | Phase::Aggregating), Code::WrongPhase)?;
        ensure(Self::height() > open.round.deadline, Code::DeadlineNotReached)?;
        // Whoever carries `finalise` must not be overtaken by someone who wants the round to fail.
        let grace = open.round.deadline.saturating_add(u64::from(open.record.task.phase_blocks));
        let awaited = phase == Phase::Aggregating && Self::height() <= grace && Self::has_quorum(&open);
        ensure(!awaited, Code::DeadlineNotReached)?;
        let enough = open.round.submitted.count_ones() >= u32::from(open.record.task.min_trainers);
        match phase {
            Phase::Verifying => Self::tally(&mut open),
            Phase::Training if enough => Self::enter(&mut open, Phase::Verifying),
            _ => Self::fail(&mut open),
        }
        Self::save(open);
        Ok(())
    }

    /// An update is accepted when more than two thirds of all members say so.
    fn tally(open: &mut Open) {
        let verdicts: Vec<u64> = Self::indices(open.round.spoken)
            .filter_map(|i| Verdicts::<T>::get((open.id, open.record.round, i)))
            .map(|verdict| verdict.accepted)
            .collect();
        open.round.accepted = Self::indices(open.round.submitted)
            .filter(|i| exceeds_two_thirds(verdicts.iter().filter(|verdict| *verdict & bit(*i) != 0).count(), open))
            .fold(0, |all, i| all | bit(i));
        Self::deposit_event(Event::RoundTallied {
            task_id: open.id,
            round: open.record.round,
            accepted: open.round.accepted,
        });
        if open.round.accepted.count_ones() < u32::from(open.record.task.min_trainers) {
            Self::fail(open);
        } else {
            Self::enter(open, Phase::Aggregating);
        }
    }

    fn enter(open: &mut Open, phase: Phase) {
        open.round.phase = phase;
        open.record.phase = phase;
        open.round.deadline = Self::height().saturating_add(u64::from(open.record.task.phase_blocks));
        Self::deposit_event(Event::PhaseEntered {
            task_id: open.id,
            round: open.record.round,
            phase,
            deadline: open.round.deadline,
        });
    }

    fn fail(open: &mut Open) {
        open.round.phase = Phase::Failed;
        open.record.phase = Phase::Failed;
        Self::deposit_event(Event::RoundFailed { task_id: open.id, round: open.record.round });
    }

    fn save(open: Open) {
        Rounds::<T>::insert(open.id, open.record.round, open.round);
        Tasks::<T>::insert(open.id, open.record);
    }

    pub(crate) fn known_task(id: &H256) -> Result<TaskRecord, Code> {
        Tasks::<T>::get(id).ok_or(Code::UnknownTask)
    }

    fn current(id: H256) -> Result<Open, Code> {
        let record = Self::known_task(&id)?;
        let round = Rounds::<T>::get(id, record.round).ok_or(Code::WrongPhase)?;
        let members = MemberSets::<T>::get(round.member_set);
        Ok(Open { id, record, round, members, federation: FederationId::<T>::get(), domain: T::Bridge::domain() })
    }

    /// The running round of a task in this phase, before its deadline, for so many statements.
    fn open(id: H256, phase: Phase, statements: usize) -> Result<Open, Code> {
        let open = Self::current(id)?;
        ensure(open.round.phase == phase, Code::WrongPhase)?;
        ensure(Self::height() <= open.round.deadline, Code::DeadlinePassed)?;
        ensure(statements <= MAX_MEMBERS, Code::Oversize)?;
        Ok(open)
    }

    fn verify_about(open: &Open, federation: &H256, task: &H256, round: u64) -> Result<(), Code> {
        ensure(*federation == open.federation && *task == open.id, Code::WrongDomain)?;
        ensure(round == open.record.round, Code::WrongRound)
    }

    fn verify_member<S: Statement>(open: &Open, signed: &Signed<S>) -> Result<(), Code> {
        let member = open.members.get(signed.index as usize).ok_or(Code::NotRegistered)?;
        ensure(member.participant == *signed.statement.signer(), Code::NotRegistered)
    }

    /// Positions of the set bits, ascending.
    fn indices(bitmap: u64) -> impl Iterator<Item = u32> {
        (0..u64::BITS).filter(move |i| bitmap & bit(*i) != 0)
    }

    /// Stores a checkpoint of this chain and returns its id.
    fn store_own(checkpoint: &Checkpoint, parents: Parents) -> H256 {
        let id = checkpoint.id();
        OwnCheckpoints::<T>::insert(checkpoint.task, checkpoint.round, id);
        let record = CheckpointRecord {
            checkpoint: checkpoint.clone(),
            parents,
            height: Self::height(),
            source_domain: H256::zero(),
            previous: H256::zero(),
        };
        Checkpoints::<T>::insert(id, record);
        id
    }
}

/// The bit of a member; zero beyond the last one that a bitmap can name.
fn bit(index: u32) -> u64 {
    1u64.checked_shl(index).unwrap_or(0)
}

fn exceeds_two_thirds(count: usize, open: &Open) -> bool {
    3 * count > 2 * open.members.len()
}
