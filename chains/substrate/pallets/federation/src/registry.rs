//! The checkpoint registry: takes the checkpoints of peers in, and sends those of this chain out (docs/federation.md,
//! Checkpoint registry). Twin: `CheckpointRegistry.sol`.

use crate::{
    pallet::*,
    types::{CheckpointRecord, Parents, Peer, RouteList},
    weights::WeightInfo,
};
use alloc::vec::Vec;
use pallet_poft_bridge::ports::{Bridge, PacketReceiver};
use poft_primitives::{
    checkpoint::{Checkpoint, CheckpointPayload},
    domain::pallet_endpoint,
    packet::{Packet, KIND_CHECKPOINT},
    receive::ensure,
    Code, H256,
};
use polkadot_sdk::frame_support::weights::Weight;

impl<T: Config> Pallet<T> {
    /// Registers the task of a federation on another chain. Setting a peer again replaces the source's endpoint; its rounds
    /// go on unless another genesis is named, which is the way out after a forged checkpoint of a huge round.
    pub(crate) fn register_peer(
        source_domain: H256,
        federation: H256,
        task: H256,
        genesis_checkpoint: H256,
        endpoint: H256,
    ) -> Result<(), Code> {
        let set = [source_domain, federation, task, genesis_checkpoint, endpoint].iter().all(|value| !value.is_zero());
        ensure(set, Code::ZeroValue)?;
        // Not in the twin: this federation is nobody's peer, so an import can never take the place of an own checkpoint.
        ensure(federation != FederationId::<T>::get(), Code::WrongDomain)?;
        T::Bridge::accept_from(source_domain, Self::endpoint(), endpoint)?;
        let key = (source_domain, federation, task);
        let same = Peers::<T>::get(key).filter(|peer| peer.genesis_checkpoint == genesis_checkpoint);
        let last_round = same.map_or(0, |peer| peer.last_round);
        Peers::<T>::insert(key, Peer { genesis_checkpoint, endpoint, last_round });
        Self::deposit_event(Event::PeerSet { source_domain, federation, task, genesis_checkpoint, endpoint });
        Ok(())
    }

    pub(crate) fn replace_routes(task: H256, routes: Vec<(H256, H256)>) -> Result<(), Code> {
        ensure(!task.is_zero(), Code::ZeroValue)?;
        let routes = RouteList::try_from(routes).map_err(|_| Code::Oversize)?;
        let own = T::Bridge::domain();
        for (dest_domain, receiver) in &routes {
            ensure(!dest_domain.is_zero() && !receiver.is_zero(), Code::ZeroValue)?;
            ensure(*dest_domain != own, Code::WrongDestination)?;
        }
        Self::deposit_event(Event::RoutesSet { task_id: task, routes: routes.to_vec() });
        Routes::<T>::insert(task, routes);
        Ok(())
    }

    /// Sends a final checkpoint to every destination of its task.
    pub(crate) fn export(checkpoint: Checkpoint, checkpoint_id: H256, parents: Parents) -> Result<(), Code> {
        let task = checkpoint.task;
        let genesis = OwnCheckpoints::<T>::get(task, 0).ok_or(Code::UnknownTask)?;
        let mut payload = CheckpointPayload { checkpoint, parents: parents.into_inner(), previous: genesis };
        for (dest_domain, receiver) in Routes::<T>::get(task) {
            let previous = LastExport::<T>::get(task, dest_domain).unwrap_or(genesis);
            payload.previous = previous;
            let encoded = payload.encode()?;
            let packet_id = T::Bridge::send(Self::endpoint(), KIND_CHECKPOINT, dest_domain, receiver, 0, &encoded)?;
            LastExport::<T>::insert(task, dest_domain, checkpoint_id);
            Self::deposit_event(Event::CheckpointExported { checkpoint_id, dest_domain, packet_id, previous });
        }
        Ok(())
    }

    /// Judges an announced checkpoint; returns what is to be stored.
    fn verify_import(source_domain: H256, payload: &[u8]) -> Result<(H256, Peer, CheckpointRecord), Code> {
        let announced = CheckpointPayload::decode(payload)?;
        let checkpoint = &announced.checkpoint;
        let key = (source_domain, checkpoint.federation, checkpoint.task);
        let peer = Peers::<T>::get(key).ok_or(Code::UnknownPeer)?;
        let set =
            !checkpoint.model_root.is_zero() && checkpoint.model_bytes != 0 && !checkpoint.manifest_hash.is_zero();
        ensure(set, Code::ZeroValue)?;
        announced.check_parents()?;
        ensure(checkpoint.round > peer.last_round, Code::RoundRegression)?;
        let id = checkpoint.id();
        // One federation registered behind two domains must not import a checkpoint twice: a running round may name it.
        ensure(!Checkpoints::<T>::contains_key(id), Code::RoundRegression)?;
        let previous = announced.previous;
        ensure(previous == peer.genesis_checkpoint || Self::came_from(&previous, &key), Code::UnknownParent)?;
        let record = CheckpointRecord {
            checkpoint: announced.checkpoint,
            parents: Parents::try_from(announced.parents).map_err(|_| Code::Oversize)?,
            height: Self::height(),
            source_domain,
            previous,
        };
        Ok((id, peer, record))
    }

    fn came_from(id: &H256, (source_domain, federation, task): &(H256, H256, H256)) -> bool {
        Checkpoints::<T>::get(id).is_some_and(|record| {
            record.source_domain == *source_domain
                && record.checkpoint.federation == *federation
                && record.checkpoint.task == *task
        })
    }

    fn apply_import(id: H256, peer: Peer, record: CheckpointRecord) -> Result<(), Code> {
        let checkpoint = &record.checkpoint;
        let position = ImportCount::<T>::get();
        Peers::<T>::insert(
            (record.source_domain, checkpoint.federation, checkpoint.task),
            Peer { last_round: checkpoint.round, ..peer },
        );
        Imports::<T>::insert(position, id);
        ImportCount::<T>::put(position.checked_add(1).ok_or(Code::Oversize)?);
        Self::deposit_event(Event::CheckpointImported {
            checkpoint_id: id,
            source_domain: record.source_domain,
            checkpoint: checkpoint.clone(),
            parents: record.parents.to_vec(),
            previous: record.previous,
        });
        Checkpoints::<T>::insert(id, record);
        Ok(())
    }
}

impl<T: Config> PacketReceiver for Pallet<T> {
    fn endpoint() -> H256 {
        pallet_endpoint(b"Federation")
    }

    fn weight(_payload_bytes: usize) -> Weight {
        // The longest payload that is not refused for its length.
        T::WeightInfo::import()
    }

    fn receive(packet: &Packet, payload: &[u8]) -> Result<(), Code> {
        ensure(!Halted::<T>::get(), Code::Halted)?;
        let (id, peer, record) = Self::verify_import(packet.source_domain, payload)?;
        Self::apply_import(id, peer, record)
    }
}
