//! What every header says beside the outbox: whose chain it is, when it was made, and who signs after the current set
//! (docs/protocol.md section 7). The node's payload provider reads it (`node/src/payload.rs`), and so does
//! `chains/substrate/headers.py`.

use crate::pallet::*;
use alloc::vec::Vec;
use poft_primitives::{finality::committee_hash, H160, H256};
use polkadot_sdk::{
    frame_support::{
        crypto::ecdsa::ECDSAExt,
        traits::{Get, UnixTime},
    },
    frame_system,
    sp_consensus_beefy::{ecdsa_crypto::AuthorityId, OnNewValidatorSet, ValidatorSet},
    sp_core::ecdsa,
    sp_runtime::DigestItem,
};

/// First bytes of the digest item.
pub const DIGEST_TAG: &[u8; 4] = b"POFB";

const LOG_TARGET: &str = "runtime::validators";

/// Hash of a BEEFY set as a committee: its epoch is the set's number and one, its members are the addresses of the keys,
/// in ascending order. Nothing when a key is no point of the curve.
pub fn committee(set: &ValidatorSet<AuthorityId>) -> Option<H256> {
    let addresses = set.validators().iter().map(|key| ecdsa::Public::from(key.clone()).to_eth_address());
    let mut members: Vec<H160> = addresses.map(|address| address.map(H160)).collect::<Result<_, _>>().ok()?;
    members.sort();
    Some(committee_hash(set.id().checked_add(1)?, &members))
}

impl<T: Config> Pallet<T> {
    /// `"POFB" ‖ domain 32 ‖ u64 seconds big endian ‖ next committee 32`: 76 bytes, in every block.
    pub(crate) fn deposit_handover() {
        let mut item = Vec::with_capacity(76);
        item.extend_from_slice(DIGEST_TAG);
        item.extend_from_slice(T::Domain::get().as_bytes());
        item.extend_from_slice(&T::Time::now().as_secs().to_be_bytes());
        item.extend_from_slice(NextCommittee::<T>::get().as_bytes());
        frame_system::Pallet::<T>::deposit_log(DigestItem::Other(item));
    }
}

impl<T: Config> OnNewValidatorSet<AuthorityId> for Pallet<T> {
    /// A key that is no point cannot get here: whoever sets keys signs with them. If it did, light clients would find the
    /// zero hash, which hands over to nobody.
    fn on_new_validator_set(_: &ValidatorSet<AuthorityId>, next: &ValidatorSet<AuthorityId>) {
        let committee = committee(next).unwrap_or_else(|| {
            log::error!(target: LOG_TARGET, "BEEFY set {} has a key that is no point", next.id());
            H256::zero()
        });
        NextCommittee::<T>::put(committee);
    }
}
