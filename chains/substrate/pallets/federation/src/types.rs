//! What the federation stores.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use poft_primitives::{
    checkpoint::{Checkpoint, MAX_PARENTS},
    statements::{Update, MAX_MEMBERS},
    H160, H256,
};
use polkadot_sdk::frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;

/// Destinations of a task's exports.
pub const MAX_ROUTES: u32 = 32;

/// Something of every member.
pub type OfMembers<V> = BoundedVec<V, ConstU32<{ MAX_MEMBERS as u32 }>>;
/// Parents of a checkpoint.
pub type Parents = BoundedVec<H256, ConstU32<{ MAX_PARENTS as u32 }>>;
/// (destination domain, receiver) of a task's exports.
pub type RouteList = BoundedVec<(H256, H256), ConstU32<MAX_ROUTES>>;

/// A training request.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Task {
    /// keccak of the task's configuration.
    pub config_digest: H256,
    /// Rounds to be trained.
    pub rounds: u64,
    /// Steps of a round, all members together.
    pub steps_per_round: u32,
    /// The final checkpoint of every round divisible by this goes to every peer; 0 = never.
    pub export_every: u32,
    /// Blocks of a phase.
    pub phase_blocks: u32,
    /// Updates without which a round fails.
    pub min_trainers: u16,
}

/// Where a round stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Phase {
    /// Never started.
    None,
    /// Takes updates.
    Training,
    /// Takes verdicts.
    Verifying,
    /// Takes votes and the checkpoint.
    Aggregating,
    /// Has its checkpoint.
    Final,
    /// Has none; the task goes on with the next number.
    Failed,
}

/// A task and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct TaskRecord {
    /// The request.
    pub task: Task,
    /// The round that was started last, 0 = none.
    pub round: u64,
    /// Where that round stands.
    pub phase: Phase,
    /// The last round with a checkpoint.
    pub last_final_round: u64,
    /// Its checkpoint; at first the genesis.
    pub last_checkpoint: H256,
}

/// A round. Bit i of a bitmap = member i of the member set.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Round {
    /// Where it stands.
    pub phase: Phase,
    /// Number of its member set.
    pub member_set: u32,
    /// The block that started it.
    pub start_height: u64,
    /// The last block in which the phase takes statements.
    pub deadline: u64,
    /// Steps of every member.
    pub steps: OfMembers<u32>,
    /// Who has submitted an update.
    pub submitted: u64,
    /// Who has given a verdict.
    pub spoken: u64,
    /// Whose updates are accepted.
    pub accepted: u64,
    /// Who has voted.
    pub voted: u64,
    /// The final checkpoint, zero until there is one.
    pub checkpoint: H256,
}

/// A participant as of its last statement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct MembershipRecord {
    /// For whoever encrypts to it.
    pub encryption_key: H256,
    /// Samples per second, 0 = left.
    pub capacity: u32,
    /// Of its last statement.
    pub sequence: u64,
}

/// A member of a member set.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Member {
    /// Its training key's address.
    pub participant: H160,
    /// Samples per second.
    pub capacity: u32,
    /// For whoever encrypts to it.
    pub encryption_key: H256,
}

/// An update as it was submitted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct UpdateRecord {
    /// The statement.
    pub update: Update,
    /// Its EIP-712 digest.
    pub digest: H256,
}

/// A checkpoint that this chain knows.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct CheckpointRecord {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Its parents.
    pub parents: Parents,
    /// The block that made it final, or accepted it.
    pub height: u64,
    /// Where it came from; zero for this chain's own.
    pub source_domain: H256,
    /// The export before it; zero for this chain's own.
    pub previous: H256,
}

/// A federation on another chain whose checkpoints are taken.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Peer {
    /// Its task's genesis checkpoint.
    pub genesis_checkpoint: H256,
    /// Sends over there.
    pub endpoint: H256,
    /// Round of the last checkpoint that was accepted.
    pub last_round: u64,
}
