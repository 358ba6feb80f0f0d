//! What this pallet costs at its bounds. Feature `runtime-benchmarks`; how the weights are generated: README, Weights.

use crate::pallet::*;
use alloc::vec::Vec;
use codec::Decode;
use polkadot_sdk::{
    frame_benchmarking::v2::*,
    frame_support::{
        traits::{EnsureOrigin, OnFinalize},
        BoundedVec,
    },
    frame_system::{self, pallet_prelude::OriginFor},
    pallet_session::{NextKeys, QueuedKeys},
    sp_runtime::traits::{TrailingZeroInput, Zero},
};

fn governance<T: Config>() -> Result<OriginFor<T>, BenchmarkError> {
    T::Governance::try_successful_origin().map_err(|()| BenchmarkError::Weightless)
}

/// As many accounts, each with session keys (of no use, since nobody signs with them here).
fn members<T: Config>(count: u32) -> Result<Vec<(T::AccountId, T::Keys)>, BenchmarkError> {
    (0..count)
        .map(|at| {
            let member: T::AccountId = account("member", at, 0);
            let keys = T::Keys::decode(&mut TrailingZeroInput::new(&at.to_be_bytes()))
                .map_err(|_| BenchmarkError::Stop("keys are arrays of bytes"))?;
            NextKeys::<T>::insert(&member, keys.clone());
            Ok((member, keys))
        })
        .collect()
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn set_members(n: Linear<1, MAX_MEMBERS>) -> Result<(), BenchmarkError> {
        let who: Vec<_> = members::<T>(n)?.into_iter().map(|(member, _)| member).collect();
        let origin = governance::<T>()?;
        #[extrinsic_call]
        _(origin as OriginFor<T>, who.clone());
        assert_eq!(Members::<T>::get(), who);
        Ok(())
    }

    /// Whether anything is to change, when nothing is but the last member's keys.
    #[benchmark]
    fn compare(n: Linear<1, MAX_MEMBERS>) -> Result<(), BenchmarkError> {
        let mut known = members::<T>(n)?;
        Members::<T>::put(BoundedVec::truncate_from(known.iter().map(|(member, _)| member.clone()).collect()));
        known.pop();
        QueuedKeys::<T>::put(known);
        let found;
        #[block]
        {
            found = Pallet::<T>::wanted();
        }
        assert_eq!(found.map(|who| who.len()), Some(n as usize));
        Ok(())
    }

    #[benchmark]
    fn on_finalize() {
        #[block]
        {
            Pallet::<T>::on_finalize(Zero::zero());
        }
        assert_eq!(frame_system::Pallet::<T>::digest().logs.len(), 1);
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::fresh(), crate::mock::Test);
}
