//! Light clients: what this chain believes about others (docs/protocol.md section 8).
//!
//! The verifier judges proofs; state, replay, freshness and freezing are done here, for every scheme alike. Twin:
//! `LightClient.sol`.

use crate::{pallet::*, types::Client};
use alloc::vec::Vec;
use poft_primitives::{
    receive::ensure,
    verifier::{Limits, Schemes, TrustState, MAX_ENCODED},
    Code, H160, H256,
};
use polkadot_sdk::frame_support::{traits::UnixTime, weights::Weight};

/// Finalised outboxes that proofs are accepted against.
pub const HISTORY: u32 = 256;

impl<T: Config> Pallet<T> {
    pub(crate) fn known(source: &H256) -> Result<Client, Code> {
        Clients::<T>::get(source).ok_or(Code::Uninitialised)
    }

    pub(crate) fn active(source: &H256) -> Result<Client, Code> {
        let client = Self::known(source)?;
        ensure(!client.frozen, Code::Frozen)?;
        Ok(client)
    }

    pub(crate) fn create(
        source: H256,
        scheme: [u8; 4],
        genesis: &[u8],
        max_drift: u64,
        staleness: u64,
    ) -> Result<(), Code> {
        ensure(!source.is_zero() && staleness != 0, Code::ZeroValue)?;
        ensure(source != Domain::<T>::get(), Code::WrongDomain)?;
        let verifier = T::Schemes::find(scheme)?;
        ensure(!Clients::<T>::contains_key(source), Code::AlreadyInitialised)?;
        let state = verifier.initialise(bounded(genesis)?)?;
        Self::begin(source, scheme, state, 0, max_drift, staleness);
        Ok(())
    }

    /// A new trusted state in a new generation, which lifts a freeze. Its epoch is a later one: the old evidence and the
    /// old signatures are for earlier epochs. Nonces live in the inbox and go on: no packet is ever delivered twice.
    pub(crate) fn recover(source: H256, scheme: [u8; 4], genesis: &[u8]) -> Result<(), Code> {
        let client = Self::known(&source)?;
        let state = T::Schemes::find(scheme)?.initialise(bounded(genesis)?)?;
        ensure(state.epoch > client.state.epoch, Code::WrongEpoch)?;
        let generation = client.generation.checked_add(1).ok_or(Code::Oversize)?;
        Self::begin(source, scheme, state, generation, client.max_drift, client.staleness);
        Ok(())
    }

    fn begin(source: H256, scheme: [u8; 4], state: TrustState, generation: u32, max_drift: u64, staleness: u64) {
        Authorities::<T>::insert(source, (generation, state.epoch), state.authority);
        FinalisedOutboxes::<T>::insert(source, 0, (state.outbox_size, state.outbox_root));
        Self::deposit_event(Event::ClientTrusted {
            source_domain: source,
            scheme,
            generation,
            epoch: state.epoch,
            authority: state.authority,
        });
        let client = Client {
            scheme,
            state,
            generation,
            frozen: false,
            max_drift,
            staleness,
            newest: 0,
            held: 1,
            updated_at: Self::height(),
        };
        Clients::<T>::insert(source, client);
    }

    /// Takes a finality proof, and tells what checking it cost. The one that was accepted last is a no-op: racing relayers
    /// lose nothing but the fee.
    pub(crate) fn update(source: H256, proof: &[u8]) -> Result<Weight, Code> {
        let mut client = Self::active(&source)?;
        let limits = Limits { now: T::Time::now().as_secs(), max_drift: client.max_drift };
        let proof = bounded(proof)?;
        let verifier = T::Schemes::find(client.scheme)?;
        let (next, finalised) = verifier.verify(&source, &client.state, proof, &limits)?;
        let spent = Self::proof_weight(verifier.work(proof), proof);
        if next.height == client.state.height {
            return Ok(spent);
        }
        if next.epoch != client.state.epoch {
            Authorities::<T>::insert(source, (client.generation, next.epoch), next.authority);
        }
        if next.outbox_size != client.state.outbox_size {
            client.newest = client.newest.wrapping_add(1) % HISTORY;
            client.held = client.held.saturating_add(1).min(HISTORY);
            FinalisedOutboxes::<T>::insert(source, client.newest, (next.outbox_size, next.outbox_root));
        }
        Self::deposit_event(Event::ClientUpdated { source_domain: source, epoch: next.epoch, finalised });
        client.state = next;
        client.updated_at = Self::height();
        Clients::<T>::insert(source, client);
        Ok(spent)
    }

    /// Freezes a client whose source contradicts itself: two proofs of one epoch, now or later, that cannot both be true.
    pub(crate) fn freeze_for_evidence(source: H256, first: &[u8], second: &[u8]) -> Result<(), Code> {
        let client = Self::active(&source)?;
        let (first, second) = (bounded(first)?, bounded(second)?);
        let verifier = T::Schemes::find(client.scheme)?;
        let epoch = verifier.epoch_of(first)?;
        let authority = Authorities::<T>::get(source, (client.generation, epoch)).ok_or(Code::WrongEpoch)?;
        let state = TrustState { epoch, authority, ..client.state.clone() };
        let signers = verifier.check_misbehaviour(&source, &state, first, second)?;
        Self::freeze(source, client, epoch, signers);
        Ok(())
    }

    pub(crate) fn freeze(source: H256, mut client: Client, epoch: u64, signers: Vec<H160>) {
        client.frozen = true;
        Clients::<T>::insert(source, client);
        Self::deposit_event(Event::ClientFrozen { source_domain: source, epoch, signers });
    }

    /// Root of the source's outbox when it had this size; refuses when that is not known, or when the client is stale.
    pub(crate) fn finalised_root(source: &H256, client: &Client, size: u64) -> Result<H256, Code> {
        let state = &client.state;
        let root = if size == state.outbox_size { Some(state.outbox_root) } else { Self::find(source, client, size) };
        let root = root.ok_or(Code::UnknownOutbox)?;
        let until = state.timestamp.saturating_add(client.staleness);
        ensure(T::Time::now().as_secs() <= until, Code::StaleClient)?;
        Ok(root)
    }

    /// Sizes fall with age: halve the interval of ages.
    fn find(source: &H256, client: &Client, size: u64) -> Option<H256> {
        let (mut low, mut high) = (0, client.held);
        while low < high {
            let age = low.saturating_add(high) / 2;
            let position = client.newest.wrapping_add(HISTORY).wrapping_sub(age) % HISTORY;
            let (found, root) = FinalisedOutboxes::<T>::get(source, position)?;
            match found.cmp(&size) {
                core::cmp::Ordering::Equal => return Some(root),
                core::cmp::Ordering::Greater => low = age.saturating_add(1),
                core::cmp::Ordering::Less => high = age,
            }
        }
        None
    }
}

/// A genesis or a proof that is not longer than any may be.
pub(crate) fn bounded(encoded: &[u8]) -> Result<&[u8], Code> {
    ensure(encoded.len() <= MAX_ENCODED, Code::Oversize)?;
    Ok(encoded)
}
