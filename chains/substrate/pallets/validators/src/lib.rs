//! Who validates a PoFT network (docs/protocol.md section 7, docs/operating.md).
//!
//! # Flow
//! 1. A member sets its session keys itself (`Session.set_keys`, with a proof that it has them).
//! 2. Governance sets the list of members (`set_members`). Who is in it and has keys is to validate.
//! 3. A session can end at every multiple of the session length, and ends there when keys or members are to change: at
//!    the first such block the new set is queued, at the second it begins to make blocks, to vote and to sign. While
//!    nothing is to change the set keeps its number, so that light clients have no hand-over to follow.
//! 4. Every header says who signs for BEEFY next, so that the current set hands over to the next one (`handover.rs`).
//!
//! # Limits
//! 64 members, as in every committee of the protocol. There is always a set: a list that would leave nobody, because all
//! its members have taken their keys back, changes nothing.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod handover;
pub mod migrations;
mod sessions;
pub mod weights;

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use handover::{committee, DIGEST_TAG};
pub use pallet::*;

/// The pallet.
#[polkadot_sdk::frame_support::pallet]
pub mod pallet {
    use crate::weights::WeightInfo;
    use alloc::{collections::BTreeSet, vec::Vec};
    use pallet_poft_bridge::Refusal;
    use poft_primitives::{Code, H256};
    use polkadot_sdk::{
        frame_support::{
            pallet_prelude::*,
            traits::{EnsureOrigin, Get, UnixTime},
        },
        frame_system::pallet_prelude::*,
        pallet_session,
        sp_runtime::traits::{TrailingZeroInput, Zero},
    };

    /// Members at most: those of a committee.
    pub const MAX_MEMBERS: u32 = 64;

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    /// The members.
    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// What the runtime decides.
    #[pallet::config]
    pub trait Config:
        polkadot_sdk::frame_system::Config
        + pallet_session::Config<ValidatorId = <Self as polkadot_sdk::frame_system::Config>::AccountId>
    {
        /// Who sets the members.
        type Governance: EnsureOrigin<Self::RuntimeOrigin>;
        /// This chain's domain.
        type Domain: Get<H256>;
        /// This chain's time.
        type Time: UnixTime;
        /// What the calls cost.
        type WeightInfo: WeightInfo;
    }

    /// What happened.
    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// Governance set the members.
        MembersSet {
            /// All of them.
            members: Vec<T::AccountId>,
        },
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

    /// The members, in the order that governance gave them.
    #[pallet::storage]
    pub type Members<T: Config> = StorageValue<_, BoundedVec<T::AccountId, ConstU32<MAX_MEMBERS>>, ValueQuery>;

    /// Sessions end at multiples of this, when something is to change; zero: never.
    #[pallet::storage]
    pub type SessionLength<T: Config> = StorageValue<_, BlockNumberFor<T>, ValueQuery>;

    /// Hash of the committee that signs for BEEFY after the current set.
    #[pallet::storage]
    pub type NextCommittee<T> = StorageValue<_, H256, ValueQuery>;

    /// What a chain's founder sets. The first members are those with keys in the session pallet's genesis.
    #[pallet::genesis_config]
    pub struct GenesisConfig<T: Config> {
        /// Blocks of a session.
        pub session_length: BlockNumberFor<T>,
    }

    impl<T: Config> Default for GenesisConfig<T> {
        fn default() -> Self {
            Self { session_length: 60u32.into() } // a minute
        }
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            assert!(!self.session_length.is_zero(), "validators.sessionLength must not be zero");
            let members = pallet_session::Validators::<T>::get();
            if !members.is_empty() {
                Pallet::<T>::check(&members).expect("session.keys must name each validator once, and 64 at most");
            }
            SessionLength::<T>::put(self.session_length);
            Members::<T>::put(BoundedVec::truncate_from(members));
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(now: BlockNumberFor<T>) -> Weight {
            let fixed = <T as Config>::WeightInfo::on_finalize();
            if Self::may_end(now) {
                fixed.saturating_add(<T as Config>::WeightInfo::compare(MAX_MEMBERS))
            } else {
                fixed
            }
        }

        fn on_finalize(_: BlockNumberFor<T>) {
            Self::deposit_handover();
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Sets who is to validate, from the end of the next session on.
        ///
        /// Refuses with `CommitteeInvalid` (nobody, an account twice), `Oversize`, `ZeroValue`, `NotRegistered` (an account
        /// without session keys).
        #[pallet::call_index(0)]
        #[pallet::weight(<T as Config>::WeightInfo::set_members(members.len() as u32))]
        pub fn set_members(origin: OriginFor<T>, members: Vec<T::AccountId>) -> DispatchResult {
            T::Governance::ensure_origin(origin)?;
            Self::check(&members).map_err(Error::<T>::from)?;
            Self::deposit_event(Event::MembersSet { members: members.clone() });
            Members::<T>::put(BoundedVec::truncate_from(members)); // as many as were checked
            Ok(())
        }
    }

    impl<T: Config> Pallet<T> {
        fn check(members: &[T::AccountId]) -> Result<(), Code> {
            if members.len() > MAX_MEMBERS as usize {
                return Err(Code::Oversize);
            }
            if members.is_empty() || members.iter().collect::<BTreeSet<_>>().len() != members.len() {
                return Err(Code::CommitteeInvalid);
            }
            let nobody = T::AccountId::decode(&mut TrailingZeroInput::zeroes()).ok();
            for member in members {
                if Some(member) == nobody.as_ref() {
                    return Err(Code::ZeroValue);
                }
                if !pallet_session::NextKeys::<T>::contains_key(member) {
                    return Err(Code::NotRegistered);
                }
            }
            Ok(())
        }
    }
}
