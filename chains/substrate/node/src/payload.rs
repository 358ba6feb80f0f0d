//! What BEEFY signs: what the header says about the outbox, and who signs next (docs/protocol.md section 8, BEF1).
//!
//! One payload entry, id `pf`, 176 bytes, integers big endian:
//!
//! ```text
//! block hash 32 ‖ state root 32 ‖ outbox size 8 ‖ outbox root 32 ‖ domain 32 ‖ seconds 8 ‖ next committee 32
//! ```
//!
//! All of it stands in the header: the two items `POFT` and `POFB` of its digest, and the header itself. So a commitment
//! of the validators says what an attestor says about the same block, and its verifier needs no Merkle Mountain Range.
//! Twins: `pallets/bridge/src/outbox.rs` and `pallets/validators/src/handover.rs` deposit the items,
//! `chains/substrate/headers.py` reads them.

use crate::api::{Block, Header};
use sp_consensus_beefy::{BeefyPayloadId, Payload, PayloadProvider};
use sp_runtime::{traits::Header as _, DigestItem};

/// Id of the payload in a commitment.
pub const OUTBOX: BeefyPayloadId = *b"pf";

/// `"POFT" ‖ outbox size u64 little endian ‖ outbox root 32`, without the tag.
const OUTBOX_BYTES: usize = 40;
/// `"POFB" ‖ domain 32 ‖ seconds u64 big endian ‖ next committee 32`, without the tag.
const HANDOVER_BYTES: usize = 72;
/// Of the payload.
const PAYLOAD_BYTES: usize = 176;

/// Reads the payload off a header.
#[derive(Clone)]
pub struct OutboxPayload;

impl PayloadProvider<Block> for OutboxPayload {
    /// Nothing, and so no vote, for a header that lacks an item, has several, or one of another length: a validator signs
    /// only what every reader of the header reads alike.
    fn payload(&self, header: &Header) -> Option<Payload> {
        let outbox: [u8; OUTBOX_BYTES] = only(header, b"POFT")?;
        let handover: [u8; HANDOVER_BYTES] = only(header, b"POFB")?;
        let (size, root) = outbox.split_first_chunk::<8>()?;
        let mut payload = Vec::with_capacity(PAYLOAD_BYTES);
        payload.extend_from_slice(header.hash().as_bytes());
        payload.extend_from_slice(header.state_root().as_bytes());
        payload.extend_from_slice(&u64::from_le_bytes(*size).to_be_bytes());
        payload.extend_from_slice(root);
        payload.extend_from_slice(&handover);
        Some(Payload::from_single_entry(OUTBOX, payload))
    }
}

/// What follows the tag in the one item that has it.
fn only<const LENGTH: usize>(header: &Header, tag: &[u8; 4]) -> Option<[u8; LENGTH]> {
    let mut ours = header.digest.logs.iter().filter_map(|item| match item {
        DigestItem::Other(content) => content.strip_prefix(tag.as_slice()),
        _ => None,
    });
    match (ours.next(), ours.next()) {
        (Some(content), None) => content.try_into().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sp_consensus_beefy::Commitment;
    use sp_core::{Encode, H256};
    use sp_runtime::Digest;

    fn header(logs: Vec<DigestItem>) -> Header {
        Header {
            parent_hash: H256::repeat_byte(1),
            number: 7,
            state_root: H256::repeat_byte(2),
            extrinsics_root: H256::repeat_byte(3),
            digest: Digest { logs },
        }
    }

    fn payload(logs: Vec<DigestItem>) -> Option<Vec<u8>> {
        OutboxPayload.payload(&header(logs)).and_then(|payload| payload.get_raw(&OUTBOX).cloned())
    }

    fn item(tag: &[u8; 4], content: &[u8]) -> DigestItem {
        DigestItem::Other([tag.as_slice(), content].concat())
    }

    fn outbox() -> DigestItem {
        item(b"POFT", &[&5u64.to_le_bytes()[..], &[9; 32]].concat())
    }

    fn handover() -> DigestItem {
        item(b"POFB", &[&[4; 32][..], &1_800_000_000u64.to_be_bytes(), &[6; 32]].concat())
    }

    fn seal() -> DigestItem {
        DigestItem::Seal(*b"aura", vec![0; 64])
    }

    #[test]
    fn payload_is_what_the_header_says() {
        let logs = vec![DigestItem::PreRuntime(*b"aura", vec![0; 8]), outbox(), handover(), seal()];
        let expected = [
            header(logs.clone()).hash().as_bytes(),
            &[2; 32],
            &5u64.to_be_bytes(),
            &[9; 32],
            &[4; 32],
            &1_800_000_000u64.to_be_bytes(),
            &[6; 32],
        ]
        .concat();
        assert_eq!(expected.len(), PAYLOAD_BYTES);
        assert_eq!(payload(logs), Some(expected.clone()));
        assert_eq!(payload(vec![handover(), outbox()]).map(|said| said[32..].to_vec()), Some(expected[32..].to_vec()));
    }

    /// What verifiers on other chains take apart, byte by byte.
    #[test]
    fn commitment_is_193_bytes() {
        let header = header(vec![outbox(), handover()]);
        let payload = OutboxPayload.payload(&header).expect("both items are there");
        let raw = payload.get_raw(&OUTBOX).expect("its only entry").clone();
        let signed = Commitment { payload, block_number: header.number, validator_set_id: 3 }.encode();
        let expected = [&[0x04], &b"pf"[..], &[0xc1, 0x02], &raw, &7u32.to_le_bytes(), &3u64.to_le_bytes()].concat();
        assert_eq!(expected.len(), 193);
        assert_eq!(signed, expected);
    }

    #[test]
    fn no_payload_without_both_items() {
        assert_eq!(payload(vec![seal()]), None);
        assert_eq!(payload(vec![outbox(), seal()]), None);
        assert_eq!(payload(vec![handover(), seal()]), None);
        assert_eq!(payload(vec![outbox(), DigestItem::Other(b"POF".to_vec())]), None);
        let elsewhere = [&b"POFB"[..], &[0; HANDOVER_BYTES]].concat();
        assert_eq!(payload(vec![outbox(), DigestItem::Consensus(*b"POFB", elsewhere)]), None);
    }

    #[test]
    fn no_payload_of_two_items() {
        assert_eq!(payload(vec![outbox(), handover(), outbox()]), None);
        assert_eq!(payload(vec![outbox(), handover(), handover()]), None);
        assert_eq!(payload(vec![outbox(), handover(), item(b"POFT", &[1; OUTBOX_BYTES])]), None);
        assert_eq!(payload(vec![outbox(), handover(), item(b"POFB", &[])]), None);
    }

    #[test]
    fn no_payload_of_another_length() {
        for length in [0, OUTBOX_BYTES - 1, OUTBOX_BYTES + 1] {
            assert_eq!(payload(vec![item(b"POFT", &vec![0; length]), handover()]), None);
        }
        for length in [0, HANDOVER_BYTES - 1, HANDOVER_BYTES + 1] {
            assert_eq!(payload(vec![outbox(), item(b"POFB", &vec![0; length])]), None);
        }
    }
}
