//! The outbox (docs/protocol.md sections 1, 6 and 7): appending packets, and the header's commitment.

use crate::{
    pallet::*,
    ports::{Bridge, PacketReceiver},
    types::OutboxEntry,
};
use alloc::vec::Vec;
use poft_primitives::{
    keccak,
    packet::{Packet, KIND_CHECKPOINT, MAX_PAYLOAD, VERSION},
    receive::ensure,
    Code, H256,
};
use polkadot_sdk::{frame_system, sp_runtime::DigestItem};

/// First bytes of the digest item.
pub const DIGEST_TAG: &[u8; 4] = b"POFT";

impl<T: Config> Pallet<T> {
    /// `"POFT" ‖ u64 size LE ‖ root`: 44 bytes, in every block, because whoever finalises the header needs it even where
    /// the outbox did not change.
    pub(crate) fn deposit_commitment() {
        let log = Outbox::<T>::get();
        let mut item = Vec::with_capacity(44);
        item.extend_from_slice(DIGEST_TAG);
        item.extend_from_slice(&log.size.to_le_bytes());
        item.extend_from_slice(log.root().as_bytes());
        frame_system::Pallet::<T>::deposit_log(DigestItem::Other(item));
    }

    /// Appends a packet; whoever calls this answers for sender and kind.
    pub(crate) fn append(
        sender: H256,
        kind: u8,
        dest_domain: H256,
        receiver: H256,
        expires_at: u64,
        payload: &[u8],
    ) -> Result<H256, Code> {
        ensure(!SendingHalted::<T>::get(), Code::Halted)?;
        let own = Domain::<T>::get();
        ensure(!dest_domain.is_zero() && !receiver.is_zero() && !sender.is_zero(), Code::ZeroValue)?;
        ensure(dest_domain != own, Code::WrongDestination)?;
        ensure(payload.len() <= MAX_PAYLOAD, Code::Oversize)?;
        let nonce = NextSendNonce::<T>::get(dest_domain);
        let packet = Packet {
            version: VERSION,
            kind,
            source_domain: own,
            dest_domain,
            nonce,
            sender,
            receiver,
            expires_at,
            payload_hash: keccak(payload),
        };
        let id = packet.id();
        let mut log = Outbox::<T>::get();
        let index = log.size;
        log.append(id.as_bytes())?;
        let entry = OutboxEntry {
            packet,
            payload: payload.to_vec().try_into().map_err(|_| Code::Oversize)?,
            height: Self::height(),
        };
        NextSendNonce::<T>::insert(dest_domain, nonce.checked_add(1).ok_or(Code::Oversize)?);
        Packets::<T>::insert(index, entry);
        Self::deposit_event(Event::PacketSent {
            index,
            packet_id: id,
            dest_domain,
            outbox_size: log.size,
            outbox_root: log.root(),
        });
        Outbox::<T>::put(log);
        Ok(id)
    }
}

impl<T: Config> Bridge for Pallet<T> {
    fn domain() -> H256 {
        Domain::<T>::get()
    }

    fn send(
        sender: H256,
        kind: u8,
        dest_domain: H256,
        receiver: H256,
        expires_at: u64,
        payload: &[u8],
    ) -> Result<H256, Code> {
        // No inbox takes another kind of an application, and a packet that is refused blocks all that follow it.
        ensure(kind == KIND_CHECKPOINT, Code::WrongKind)?;
        Self::append(sender, kind, dest_domain, receiver, expires_at, payload)
    }

    fn accept_from(source_domain: H256, receiver: H256, sender: H256) -> Result<(), Code> {
        ensure(!source_domain.is_zero() && !sender.is_zero(), Code::ZeroValue)?;
        ensure(source_domain != Domain::<T>::get(), Code::WrongDomain)?;
        ensure(receiver == T::Receiver::endpoint(), Code::WrongReceiver)?;
        Senders::<T>::insert(source_domain, receiver, sender);
        Self::deposit_event(Event::SenderAccepted { source_domain, receiver, sender });
        Ok(())
    }
}
