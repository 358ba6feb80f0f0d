//! Acknowledgements (docs/protocol.md section 9): packets of kind 2 by which an inbox tells a source what became of its
//! packets, made and taken by the inbox itself. Twin: `Inbox.sol`.

use crate::{pallet::*, types::Acknowledged};
use alloc::vec::Vec;
use poft_primitives::{
    acknowledgement::{Acknowledgement, Fate},
    domain::pallet_endpoint,
    packet::KIND_ACKNOWLEDGEMENT,
    receive::ensure,
    Code, H256,
};

/// Name that the inbox's endpoint is derived from.
pub const INBOX: &[u8] = b"Bridge";

impl<T: Config> Pallet<T> {
    /// Sender and receiver of this chain's acknowledgements.
    pub fn inbox() -> H256 {
        pallet_endpoint(INBOX)
    }

    /// Turns acknowledgements of a source on, both ways, or off.
    pub(crate) fn connect_inbox(source_domain: H256, peer_inbox: H256) -> Result<(), Code> {
        ensure(!source_domain.is_zero(), Code::ZeroValue)?;
        ensure(source_domain != Domain::<T>::get(), Code::WrongDomain)?;
        if peer_inbox.is_zero() {
            Senders::<T>::remove(source_domain, Self::inbox());
        } else {
            Senders::<T>::insert(source_domain, Self::inbox(), peer_inbox);
        }
        Self::deposit_event(Event::AcknowledgementsSet { source_domain, peer_inbox });
        Ok(())
    }

    /// Tells a source what became of its packets, where that is wanted; returns whether it was told.
    pub(crate) fn acknowledge(source: H256, carrier: H256, fates: Vec<(H256, Fate)>) -> Result<bool, Code> {
        let Some(peer_inbox) = Senders::<T>::get(source, Self::inbox()).filter(|_| !fates.is_empty()) else {
            return Ok(false);
        };
        let payload = Acknowledgement { carrier, fates }.encode()?;
        Self::append(Self::inbox(), KIND_ACKNOWLEDGEMENT, source, peer_inbox, 0, &payload)?;
        Ok(true)
    }

    /// Takes an acknowledgement. That a packet was applied is the last word about it; what a source says of packets that
    /// this chain never sent harms nobody, as it is kept under that source alone.
    pub(crate) fn record_acknowledgement(source: H256, payload: &[u8]) -> Result<(), Code> {
        let Acknowledgement { carrier, fates } = Acknowledgement::decode(payload)?;
        let mut position = AcknowledgementCount::<T>::get(source);
        for (packet_id, fate) in fates {
            let known = Acknowledgements::<T>::get(source, packet_id);
            if known.is_some_and(|known| known.fate == Fate::Applied) {
                continue;
            }
            Acknowledgements::<T>::insert(source, packet_id, Acknowledged { fate, carrier, position });
            position = position.checked_add(1).ok_or(Code::Oversize)?;
            Self::deposit_event(Event::PacketAcknowledged { source_domain: source, packet_id, fate, carrier });
        }
        AcknowledgementCount::<T>::insert(source, position);
        Ok(())
    }
}
