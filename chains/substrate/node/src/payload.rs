//! What BEEFY signs: the commitment to the outbox that the runtime puts into every header.
//!
//! The digest item is `Other("POFT" ‖ size u64 little-endian ‖ root)`; its last 40 bytes are the payload, under the
//! id `pf`. So a commitment of the validators is a commitment to the whole log of outgoing packets, and its verifier
//! needs no Merkle Mountain Range. Twins: `pallets/bridge/src/outbox.rs` deposits the item,
//! `chains/substrate/evidence.py` reads it.

use crate::api::{Block, Header};
use sp_consensus_beefy::{BeefyPayloadId, Payload, PayloadProvider};
use sp_runtime::DigestItem;

/// Id of the payload in a commitment.
pub const OUTBOX: BeefyPayloadId = *b"pf";

const TAG: &[u8; 4] = b"POFT";
/// Eight bytes of the size, thirty-two of the root.
const LENGTH: usize = 40;

/// Reads the payload off a header.
#[derive(Clone)]
pub struct OutboxPayload;

impl PayloadProvider<Block> for OutboxPayload {
    /// Nothing, and so no vote, for a header without the item, with several, or with one of another length: a validator
    /// signs only what every reader of the header reads alike.
    fn payload(&self, header: &Header) -> Option<Payload> {
        let mut ours = header.digest.logs.iter().filter_map(|item| match item {
            DigestItem::Other(content) => content.strip_prefix(TAG.as_slice()),
            _ => None,
        });
        match (ours.next(), ours.next()) {
            (Some(commitment), None) if commitment.len() == LENGTH => {
                Some(Payload::from_single_entry(OUTBOX, commitment.to_vec()))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sp_core::H256;
    use sp_runtime::Digest;

    fn payload(logs: Vec<DigestItem>) -> Option<Vec<u8>> {
        let header = Header {
            parent_hash: H256::repeat_byte(1),
            number: 7,
            state_root: H256::repeat_byte(2),
            extrinsics_root: H256::repeat_byte(3),
            digest: Digest { logs },
        };
        OutboxPayload.payload(&header).and_then(|payload| payload.get_raw(&OUTBOX).cloned())
    }

    fn item(content: &[u8]) -> DigestItem {
        DigestItem::Other([TAG.as_slice(), content].concat())
    }

    fn seal() -> DigestItem {
        DigestItem::Seal(*b"aura", vec![0; 64])
    }

    #[test]
    fn payload_is_size_and_root() {
        let commitment = [[5; 8].as_slice(), &[9; 32]].concat();
        let logs = vec![DigestItem::PreRuntime(*b"aura", vec![0; 8]), item(&commitment), seal()];
        assert_eq!(payload(logs), Some(commitment));
    }

    #[test]
    fn no_payload_without_an_item() {
        assert_eq!(payload(vec![seal()]), None);
        assert_eq!(payload(vec![DigestItem::Other(b"POF".to_vec()), DigestItem::Other(vec![0; 44])]), None);
        let elsewhere = [TAG.as_slice(), &[0; LENGTH]].concat();
        assert_eq!(payload(vec![DigestItem::Consensus(*b"POFT", elsewhere)]), None);
    }

    #[test]
    fn no_payload_of_two_items() {
        assert_eq!(payload(vec![item(&[0; LENGTH]), item(&[0; LENGTH])]), None);
        assert_eq!(payload(vec![item(&[0; LENGTH]), item(&[1; LENGTH])]), None);
        assert_eq!(payload(vec![item(&[0; LENGTH]), item(&[])]), None);
    }

    #[test]
    fn no_payload_of_another_length() {
        assert_eq!(payload(vec![item(&[0; LENGTH - 1])]), None);
        assert_eq!(payload(vec![item(&[0; LENGTH + 1])]), None);
        assert_eq!(payload(vec![item(&[])]), None);
    }
}
