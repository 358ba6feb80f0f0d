//! A federation on a ledger: participants, tasks, rounds, and the registry of checkpoints (docs/federation.md).
//!
//! # Flow of a round
//! 1. `start_round`: the steps are assigned to the members by capacity.
//! 2. `submit_updates`: what each trainer signed; when all have spoken the phase moves on.
//! 3. `submit_verdicts`: which updates each member accepts; an update counts when more than two thirds accept it.
//! 4. `submit_votes`, `finalise`: the checkpoint that more than two thirds computed becomes the task's last one, with its
//!    lineage, and goes to every route when the round is one for export.
//! 5. `advance`: pushes on a phase whose deadline has passed; a round without a result fails, and its number is used up.
//!
//! A participant is its training key: what counts is who signed a statement, not which account carried it. The
//! statements of one call are all or nothing. Every call verifies first (`verify_*` only reads), then writes.
//!
//! # Storage
//! Member sets, updates, verdicts, votes and checkpoints are kept for ever: whoever replays a round needs all of them.
//!
//! # Limits
//! 64 members (bitmaps are u64), so at most 64 statements a call; 8 parents a checkpoint; 32 routes a task.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod assignment;
#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod members;
mod registry;
mod rounds;
pub mod types;
pub mod weights;

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use pallet::*;

/// The pallet.
#[polkadot_sdk::frame_support::pallet]
pub mod pallet {
    use crate::{
        types::{
            CheckpointRecord, Member, MembershipRecord, OfMembers, Peer, Phase, Round, RouteList, Task, TaskRecord,
            UpdateRecord, MAX_ROUTES,
        },
        weights::WeightInfo,
    };
    use alloc::vec::Vec;
    use pallet_poft_bridge::{ports::Bridge, Refusal};
    use poft_primitives::{
        checkpoint::Checkpoint,
        domain::federation_id,
        receive::ensure,
        statements::{Membership, Signed, Update, Verdict, Vote},
        Code, H160, H256,
    };
    use polkadot_sdk::{
        frame_support::{pallet_prelude::*, traits::EnsureOrigin},
        frame_system::{self, pallet_prelude::*},
        sp_runtime::traits::UniqueSaturatedInto,
    };

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    /// The federation.
    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// What the runtime decides.
    #[pallet::config]
    pub trait Config: polkadot_sdk::frame_system::Config {
        /// Who admits participants, creates tasks, names peers and routes, and halts the pallet.
        type Governance: EnsureOrigin<Self::RuntimeOrigin>;
        /// Sends checkpoints, and says whose are delivered.
        type Bridge: Bridge;
        /// What the calls cost.
        type WeightInfo: WeightInfo;
    }

    /// What happened.
    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    #[allow(missing_docs)] // Fields are the arguments and records of the same names.
    pub enum Event<T: Config> {
        /// A participant may join.
        ParticipantAdmitted { participant: H160 },
        /// That was taken back.
        ParticipantExpelled { participant: H160 },
        /// A participant joined, changed or left.
        MembershipChanged { membership: Membership },
        /// The member list changed; it counts from the next round that starts.
        MemberSetStored { number: u32 },
        /// Training was requested.
        TaskCreated { task_id: H256, task: Task, genesis: Checkpoint },
        /// A round was started.
        RoundStarted { task_id: H256, round: u64, member_set: u32, start_height: u64, steps: Vec<u32> },
        /// A round moved on.
        PhaseEntered { task_id: H256, round: u64, phase: Phase, deadline: u64 },
        /// A trainer contributed.
        UpdateSubmitted { task_id: H256, round: u64, index: u32, digest: H256, update: Update },
        /// A verifier spoke.
        VerdictSubmitted { task_id: H256, round: u64, index: u32, verdict: Verdict },
        /// The verdicts were counted.
        RoundTallied { task_id: H256, round: u64, accepted: u64 },
        /// A participant voted.
        VoteSubmitted { task_id: H256, round: u64, index: u32, vote: Vote },
        /// A round has its checkpoint.
        RoundFinal { task_id: H256, round: u64, checkpoint_id: H256, checkpoint: Checkpoint, parents: Vec<H256> },
        /// A round ended without one.
        RoundFailed { task_id: H256, round: u64 },
        /// Checkpoints of a federation elsewhere are taken.
        PeerSet { source_domain: H256, federation: H256, task: H256, genesis_checkpoint: H256, endpoint: H256 },
        /// Where a task's checkpoints go.
        RoutesSet { task_id: H256, routes: Vec<(H256, H256)> },
        /// A checkpoint was announced to another chain.
        CheckpointExported { checkpoint_id: H256, dest_domain: H256, packet_id: H256, previous: H256 },
        /// A checkpoint of another chain was accepted.
        CheckpointImported {
            checkpoint_id: H256,
            source_domain: H256,
            checkpoint: Checkpoint,
            parents: Vec<H256>,
            previous: H256,
        },
        /// Governance halted the pallet, or lifted that.
        HaltedSet { halted: bool },
    }

    /// Why a call was refused.
    #[pallet::error]
    pub enum Error<T> {
        /// A rule of the protocol.
        Refused(Refusal),
    }

    impl<T> From<Code> for Error<T> {
        fn from(code: Code) -> Self {
            Self::Refused(Refusal(code))
        }
    }

    /// Id of this federation. Set at genesis, for ever.
    #[pallet::storage]
    pub type FederationId<T> = StorageValue<_, H256, ValueQuery>;

    /// Its name.
    #[pallet::storage]
    pub type Name<T> = StorageValue<_, BoundedVec<u8, ConstU32<64>>, ValueQuery>;

    /// Who may join.
    #[pallet::storage]
    pub type Admitted<T> = StorageMap<_, Blake2_128Concat, H160, ()>;

    /// What participants said last.
    #[pallet::storage]
    pub type Memberships<T> = StorageMap<_, Blake2_128Concat, H160, MembershipRecord>;

    /// Number of the newest member set; 0 = the empty one.
    #[pallet::storage]
    pub type MemberSetCount<T> = StorageValue<_, u32, ValueQuery>;

    /// Member sets by number, each sorted by address.
    #[pallet::storage]
    pub type MemberSets<T> = StorageMap<_, Twox64Concat, u32, OfMembers<Member>, ValueQuery>;

    /// Tasks.
    #[pallet::storage]
    pub type Tasks<T> = StorageMap<_, Blake2_128Concat, H256, TaskRecord>;

    /// Every round that was started.
    #[pallet::storage]
    pub type Rounds<T> = StorageDoubleMap<_, Blake2_128Concat, H256, Twox64Concat, u64, Round>;

    /// Updates that were submitted, by (task, round, member index).
    #[pallet::storage]
    pub type Updates<T> = StorageNMap<
        _,
        (NMapKey<Blake2_128Concat, H256>, NMapKey<Twox64Concat, u64>, NMapKey<Twox64Concat, u32>),
        UpdateRecord,
    >;

    /// Verdicts that were submitted, by (task, round, member index).
    #[pallet::storage]
    pub type Verdicts<T> = StorageNMap<
        _,
        (NMapKey<Blake2_128Concat, H256>, NMapKey<Twox64Concat, u64>, NMapKey<Twox64Concat, u32>),
        Verdict,
    >;

    /// Votes that were submitted, by (task, round, member index).
    #[pallet::storage]
    pub type Votes<T> =
        StorageNMap<_, (NMapKey<Blake2_128Concat, H256>, NMapKey<Twox64Concat, u64>, NMapKey<Twox64Concat, u32>), Vote>;

    /// Every checkpoint that this chain knows, its own and imported ones.
    #[pallet::storage]
    pub type Checkpoints<T> = StorageMap<_, Blake2_128Concat, H256, CheckpointRecord>;

    /// Ids of this chain's own checkpoints by task and round; round 0 is the genesis.
    #[pallet::storage]
    pub type OwnCheckpoints<T> = StorageDoubleMap<_, Blake2_128Concat, H256, Twox64Concat, u64, H256>;

    /// How many checkpoints were imported.
    #[pallet::storage]
    pub type ImportCount<T> = StorageValue<_, u32, ValueQuery>;

    /// Ids of imported checkpoints in the order of acceptance.
    #[pallet::storage]
    pub type Imports<T> = StorageMap<_, Twox64Concat, u32, H256>;

    /// Federations on other chains by (source domain, federation, task).
    #[pallet::storage]
    pub type Peers<T> = StorageNMap<
        _,
        (NMapKey<Blake2_128Concat, H256>, NMapKey<Blake2_128Concat, H256>, NMapKey<Blake2_128Concat, H256>),
        Peer,
    >;

    /// Where a task's checkpoints are exported to.
    #[pallet::storage]
    pub type Routes<T> = StorageMap<_, Blake2_128Concat, H256, RouteList, ValueQuery>;

    /// The last checkpoint of a task that was exported to a destination.
    #[pallet::storage]
    pub type LastExport<T> = StorageDoubleMap<_, Blake2_128Concat, H256, Blake2_128Concat, H256, H256>;

    /// Whether governance halted the pallet.
    #[pallet::storage]
    pub type Halted<T> = StorageValue<_, bool, ValueQuery>;

    /// What a chain's founder sets.
    #[pallet::genesis_config]
    pub struct GenesisConfig<T: Config> {
        /// The federation's name.
        pub name: Vec<u8>,
        /// No field of the runtime's types.
        #[serde(skip)]
        pub _marker: core::marker::PhantomData<T>,
    }

    impl<T: Config> Default for GenesisConfig<T> {
        fn default() -> Self {
            Self { name: b"federation".to_vec(), _marker: Default::default() }
        }
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            assert!(!self.name.is_empty(), "federation.name must not be empty");
            let name = self.name.clone().try_into().expect("federation.name has at most 64 bytes");
            Name::<T>::put::<BoundedVec<u8, ConstU32<64>>>(name);
            // The bridge's genesis was built first: its index in the runtime is lower.
            FederationId::<T>::put(federation_id(&T::Bridge::domain(), &self.name));
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Allows these training keys to join; who has been admitted stays so. Refuses with `ZeroValue`,
        /// `TooManyParticipants`.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::admit(participants.len() as u32))]
        pub fn admit(origin: OriginFor<T>, participants: Vec<H160>) -> DispatchResult {
            T::Governance::ensure_origin(origin)?;
            Ok(Self::admit_all(&participants).map_err(Error::<T>::from)?)
        }

        /// Takes that back; effective with the next round. Refuses with `NotAdmitted`.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::expel(participants.len() as u32))]
        pub fn expel(origin: OriginFor<T>, participants: Vec<H160>) -> DispatchResult {
            T::Governance::ensure_origin(origin)?;
            Ok(Self::expel_all(&participants).map_err(Error::<T>::from)?)
        }

        /// Requests training. Refuses with `ZeroValue`, `TaskExists`, `WrongDomain`, `WrongRound`, `ParentsMismatch`.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::create_task())]
        pub fn create_task(origin: OriginFor<T>, task: Task, genesis: Checkpoint) -> DispatchResult {
            T::Governance::ensure_origin(origin)?;
            Ok(Self::new_task(task, genesis).map_err(Error::<T>::from)?)
        }

        /// Takes checkpoints of a federation on another chain. Refuses with `ZeroValue`, `WrongDomain`.
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::set_peer())]
        pub fn set_peer(
            origin: OriginFor<T>,
            source_domain: H256,
            federation: H256,
            task: H256,
            genesis_checkpoint: H256,
            endpoint: H256,
        ) -> DispatchResult {
            T::Governance::ensure_origin(origin)?;
            let done = Self::register_peer(source_domain, federation, task, genesis_checkpoint, endpoint);
            Ok(done.map_err(Error::<T>::from)?)
        }

        /// Replaces where a task's checkpoints go: (destination domain, receiver). Refuses with `ZeroValue`, `Oversize`,
        /// `WrongDestination`.
        #[pallet::call_index(4)]
        #[pallet::weight(T::WeightInfo::set_routes(routes.len() as u32))]
        pub fn set_routes(origin: OriginFor<T>, task: H256, routes: Vec<(H256, H256)>) -> DispatchResult {
            T::Governance::ensure_origin(origin)?;
            Ok(Self::replace_routes(task, routes).map_err(Error::<T>::from)?)
        }

        /// Halts everything but governance, or lifts that.
        #[pallet::call_index(5)]
        #[pallet::weight(T::WeightInfo::set_halted())]
        pub fn set_halted(origin: OriginFor<T>, halted: bool) -> DispatchResult {
            T::Governance::ensure_origin(origin)?;
            Halted::<T>::put(halted);
            Self::deposit_event(Event::HaltedSet { halted });
            Ok(())
        }

        /// Carries memberships. Refuses with `NotAdmitted`, `WrongDomain`, `StaleSequence`, `TooManyParticipants`, and what
        /// a signature is refused for.
        #[pallet::call_index(6)]
        #[pallet::weight(T::WeightInfo::set_members(statements.len() as u32))]
        pub fn set_members(origin: OriginFor<T>, statements: Vec<Signed<Membership>>) -> DispatchResult {
            Self::ensure_open(origin)?;
            Ok(Self::take_memberships(&statements).map_err(Error::<T>::from)?)
        }

        /// Starts the next round. Refuses with `UnknownTask`, `WrongPhase`, `TaskComplete`, `TooFewParticipants`,
        /// `TooManyParticipants`.
        #[pallet::call_index(7)]
        #[pallet::weight(T::WeightInfo::start_round())]
        pub fn start_round(origin: OriginFor<T>, task: H256) -> DispatchResult {
            Self::ensure_open(origin)?;
            Ok(Self::begin_round(task).map_err(Error::<T>::from)?)
        }

        /// Carries updates. Refuses with `UnknownTask`, `WrongPhase`, `DeadlinePassed`, and per update `WrongDomain`,
        /// `WrongRound`, `NotRegistered`, `NotAssigned`, `WrongBase`, `AlreadySubmitted`, `ZeroValue`, or for its signature.
        #[pallet::call_index(8)]
        #[pallet::weight(T::WeightInfo::submit_updates(updates.len() as u32))]
        pub fn submit_updates(origin: OriginFor<T>, task: H256, updates: Vec<Signed<Update>>) -> DispatchResult {
            Self::ensure_open(origin)?;
            Ok(Self::take_updates(task, &updates).map_err(Error::<T>::from)?)
        }

        /// Carries verdicts. Refuses like `submit_updates`, and with `BitmapMismatch`.
        #[pallet::call_index(9)]
        #[pallet::weight(T::WeightInfo::submit_verdicts(verdicts.len() as u32))]
        pub fn submit_verdicts(origin: OriginFor<T>, task: H256, verdicts: Vec<Signed<Verdict>>) -> DispatchResult {
            Self::ensure_open(origin)?;
            Ok(Self::take_verdicts(task, &verdicts).map_err(Error::<T>::from)?)
        }

        /// Carries votes. Refuses like `submit_updates`.
        #[pallet::call_index(10)]
        #[pallet::weight(T::WeightInfo::submit_votes(votes.len() as u32))]
        pub fn submit_votes(origin: OriginFor<T>, task: H256, votes: Vec<Signed<Vote>>) -> DispatchResult {
            Self::ensure_open(origin)?;
            Ok(Self::take_votes(task, &votes).map_err(Error::<T>::from)?)
        }

        /// Embeds the checkpoint that more than two thirds of the members voted for, and exports it where that is due.
        ///
        /// Refuses with `UnknownTask`, `WrongPhase`, `WrongDomain`, `WrongRound`, `ZeroValue`, `ParentsMismatch`, `Oversize`,
        /// `WrongPredecessor`, `UnknownParent`, `TrainingRootMismatch`, `QuorumNotReached`.
        #[pallet::call_index(11)]
        #[pallet::weight(T::WeightInfo::finalise(parents.len() as u32, MAX_ROUTES))]
        pub fn finalise(
            origin: OriginFor<T>,
            task: H256,
            checkpoint: Checkpoint,
            parents: Vec<H256>,
        ) -> DispatchResult {
            Self::ensure_open(origin)?;
            Ok(Self::finalise_round(task, checkpoint, &parents).map_err(Error::<T>::from)?)
        }

        /// Pushes an overdue round on. Refuses with `UnknownTask`, `WrongPhase`, `DeadlineNotReached`.
        #[pallet::call_index(12)]
        #[pallet::weight(T::WeightInfo::advance_verifying().max(T::WeightInfo::advance_aggregating()))]
        pub fn advance(origin: OriginFor<T>, task: H256) -> DispatchResult {
            Self::ensure_open(origin)?;
            Ok(Self::push_on(task).map_err(Error::<T>::from)?)
        }
    }

    impl<T: Config> Pallet<T> {
        pub(crate) fn height() -> u64 {
            frame_system::Pallet::<T>::block_number().unique_saturated_into()
        }

        fn ensure_open(origin: OriginFor<T>) -> DispatchResult {
            ensure_signed(origin)?;
            Ok(ensure(!Halted::<T>::get(), Code::Halted).map_err(Error::<T>::from)?)
        }
    }
}
