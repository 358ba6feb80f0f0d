//! The inbox: receiving packets in the order of docs/protocol.md section 9. Twin: `Inbox.sol`.
//!
//! A batch is all or nothing, and is verified whole before any application sees a packet of it.

use crate::{
    clients::bounded,
    pallet::*,
    ports::PacketReceiver,
    types::{Delivery, Outcome},
};
use alloc::{vec, vec::Vec};
use poft_primitives::{
    acknowledgement::Fate,
    keccak,
    log::MAX_PROOF,
    packet::{Packet, KIND_ACKNOWLEDGEMENT, MAX_BATCH, MAX_PAYLOAD},
    receive::{check_packet, ensure, Expectation, PacketProof, Verdict},
    Code, H256,
};
use polkadot_sdk::{
    frame_support::{storage::with_transaction_unchecked, weights::Weight},
    sp_runtime::TransactionOutcome,
};

impl<T: Config> Pallet<T> {
    /// Takes a batch; tells what checking the proof cost, and whether the source is told what became of its packets.
    pub(crate) fn receive(
        source: H256,
        proof: Option<&[u8]>,
        outbox_size: u64,
        packets: &[PacketProof],
        carrier: H256,
    ) -> Result<(Weight, bool), Code> {
        // 1. Halted or frozen?
        ensure(!Halted::<T>::get(source), Code::Halted)?;
        Self::active(&source)?;
        // 2. Size bounds.
        ensure(packets.len() <= MAX_BATCH, Code::Oversize)?;
        for delivered in packets {
            ensure(delivered.payload.len() <= MAX_PAYLOAD && delivered.proof.len() <= MAX_PROOF, Code::Oversize)?;
        }
        proof.map(bounded).transpose()?;
        // 3. The finalised outbox is known and fresh.
        let spent = proof.map_or(Ok(Weight::zero()), |proof| Self::update(source, proof))?;
        let client = Self::active(&source)?;
        let outbox_root = Self::finalised_root(&source, &client, outbox_size)?;
        // 4. to 10. of every packet: version, kind, domains, receiver, sender, nonce, inclusion, expiry, payload.
        let mut expected = Expectation {
            own_domain: Domain::<T>::get(),
            source_domain: source,
            sender: Senders::<T>::get(source, T::Receiver::endpoint()).unwrap_or_default(),
            receiver: T::Receiver::endpoint(),
            inbox_peer: Senders::<T>::get(source, Self::inbox()).unwrap_or_default(),
            inbox: Self::inbox(),
            next_nonce: NextNonce::<T>::get(source),
            height: Self::height(),
            outbox_size,
            outbox_root,
        };
        let mut verdicts = Vec::with_capacity(packets.len());
        for delivered in packets {
            verdicts.push(check_packet(&expected, delivered)?);
            expected.next_nonce = expected.next_nonce.checked_add(1).ok_or(Code::Oversize)?;
        }
        NextNonce::<T>::insert(source, expected.next_nonce);
        // 11. Dispatch in isolation. 12. Event with the outcome. 13. Acknowledgement.
        let mut fates = Vec::new();
        for (delivered, verdict) in packets.iter().zip(verdicts) {
            let (fate, outcome) = match verdict {
                Verdict::Expired => (Fate::Expired, Outcome::Expired),
                Verdict::Dispatch => match Self::dispatch(&delivered.packet, &delivered.payload) {
                    Ok(()) => (Fate::Applied, Outcome::Dispatched),
                    Err(code) => (Fate::Failed, Outcome::Failed(code)),
                },
            };
            let id = delivered.packet.id();
            Self::record(&delivered.packet, id, client.generation, outcome);
            if delivered.packet.kind != KIND_ACKNOWLEDGEMENT {
                fates.push((id, fate));
            }
        }
        Ok((spent, Self::acknowledge(source, carrier, fates)?))
    }

    /// Hands a packet whose application failed to it once more; refuses as the application does.
    pub(crate) fn dispatch_again(packet: &Packet, payload: &[u8], carrier: H256) -> Result<(), Code> {
        let id = packet.id();
        let delivery = Deliveries::<T>::get(packet.source_domain, packet.nonce).ok_or(Code::NothingToRetry)?;
        ensure(delivery.packet_id == id && matches!(delivery.outcome, Outcome::Failed(_)), Code::NothingToRetry)?;
        ensure(!Halted::<T>::get(packet.source_domain), Code::Halted)?;
        let client = Self::active(&packet.source_domain)?;
        // What a committee vouched for that governance has replaced since does not count any more.
        ensure(delivery.generation == client.generation, Code::NothingToRetry)?;
        let sender = Senders::<T>::get(packet.source_domain, packet.receiver);
        ensure(sender == Some(packet.sender), Code::WrongSender)?;
        ensure(payload.len() <= MAX_PAYLOAD, Code::Oversize)?;
        ensure(keccak(payload) == packet.payload_hash, Code::PayloadMismatch)?;
        Self::dispatch(packet, payload)?;
        Self::record(packet, id, client.generation, Outcome::Dispatched);
        if packet.kind != KIND_ACKNOWLEDGEMENT {
            Self::acknowledge(packet.source_domain, carrier, vec![(id, Fate::Applied)])?;
        }
        Ok(())
    }

    /// Consumes the next nonce of a source without effect: the way out for a link that a packet blocks which can never be
    /// taken here.
    pub(crate) fn skip(source: H256, nonce: u64) -> Result<(), Code> {
        let client = Self::known(&source)?;
        let next = NextNonce::<T>::get(source);
        ensure(nonce >= next, Code::NonceReplayed)?;
        ensure(nonce == next, Code::NonceGap)?;
        NextNonce::<T>::insert(source, nonce.checked_add(1).ok_or(Code::Oversize)?);
        let delivery = Delivery {
            packet_id: H256::zero(),
            generation: client.generation,
            height: Self::height(),
            outcome: Outcome::Skipped,
        };
        Deliveries::<T>::insert(source, nonce, delivery);
        Self::deposit_event(Event::PacketSkipped { source_domain: source, nonce });
        Ok(())
    }

    /// Gives a packet to its application, which is the inbox itself where it is an acknowledgement; whatever a refusing
    /// application did is undone.
    fn dispatch(packet: &Packet, payload: &[u8]) -> Result<(), Code> {
        let apply = || match packet.kind {
            KIND_ACKNOWLEDGEMENT => Self::record_acknowledgement(packet.source_domain, payload),
            _ => T::Receiver::receive(packet, payload),
        };
        with_transaction_unchecked(|| match apply() {
            Ok(()) => TransactionOutcome::Commit(Ok(())),
            Err(code) => TransactionOutcome::Rollback(Err(code)),
        })
    }

    fn record(packet: &Packet, packet_id: H256, generation: u32, outcome: Outcome) {
        let (source_domain, nonce) = (packet.source_domain, packet.nonce);
        let delivery = Delivery { packet_id, generation, height: Self::height(), outcome };
        Deliveries::<T>::insert(source_domain, nonce, delivery);
        Self::deposit_event(Event::PacketReceived { source_domain, nonce, packet_id, outcome });
    }
}
