"""Attacks on packets: one meaning, one encoding, one delivery, one place.

A packet's id is the leaf of the log, so whatever the id does not cover, a carrier may choose::

    Packet(version, kind, sourceDomain, destDomain, nonce, sender, receiver, expiresAt, payloadHash) -> id -> log
                         \\__________________/ \\___/ \\______________/
                          which pair of chains  once  which applications

The naive designs below leave one of these out.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import decode as abi_decode

from poft.protocol.checkpoint import Checkpoint, CheckpointPayload, decode_payload
from poft.protocol.errors import Code, Refused
from poft.protocol.hashing import U64_MAX, keccak, word_uint
from poft.protocol.merkle import inclusion_proof, log_root
from poft.protocol.packet import Packet
from poft.verification.receive import Expectation, PacketProof, check_packet
from tests.vectors.generate import OTHER, RECEIVER, SENDER, SOURCE, a_checkpoint, a_packet, filler

PAYLOAD = CheckpointPayload(a_checkpoint(4), (), filler("previous"))


def world(packet: Packet, payload: bytes, **state: object) -> tuple[Expectation, PacketProof]:
    """A destination at which `packet` is the third that its source logged, and final."""
    leaves = [filler("other", 0), filler("other", 1), packet.id]
    expected = Expectation(OTHER, SOURCE, SENDER, (RECEIVER,), 7, 500, 3, log_root(leaves))
    return replace(expected, **state), PacketProof(packet, payload, 2, tuple(inclusion_proof(leaves, 2)))  # type: ignore[arg-type]


def refusal(expected: Expectation, delivered: PacketProof) -> Code:
    with pytest.raises(Refused) as refused:
        check_packet(expected, delivered)
    return refused.value.code


def test_replay_under_a_second_encoding() -> None:
    """A bridge that remembers deliveries by the bytes it was given takes the same packet twice."""
    expected, delivered = world(a_packet(7, b"payload"), b"payload")
    seen: set[bytes] = set()

    def naive_takes(submission: bytes) -> bool:
        fresh = keccak(submission) not in seen
        seen.add(keccak(submission))
        return fresh

    assert naive_takes(delivered.packet.encode() + delivered.payload)
    assert naive_takes(delivered.packet.encode() + delivered.payload + b"\0")

    assert check_packet(expected, delivered)
    assert refusal(replace(expected, next_nonce=8), delivered) == Code.NonceReplayed
    assert refusal(expected, replace(delivered, payload=b"payload\0")) == Code.PayloadMismatch


@pytest.mark.parametrize("nonce", [8, 9, 2**32, U64_MAX])
def test_gap_would_let_a_carrier_drop_packets(nonce: int) -> None:
    assert refusal(*world(a_packet(nonce, b"payload"), b"payload")) == Code.NonceGap


def test_unbound_destination_delivers_on_every_chain() -> None:
    """An id without the destination's domain is the same leaf everywhere: one packet, as many effects as chains."""
    packet = a_packet(7, b"payload")

    def naive_id(packet: Packet) -> bytes:
        return keccak(word_uint(packet.nonce, 64) + packet.sender + packet.receiver + packet.payload_hash)

    elsewhere = replace(packet, dest_domain=filler("third chain"))
    assert naive_id(packet) == naive_id(elsewhere)

    assert packet.id != elsewhere.id
    assert refusal(*world(elsewhere, b"payload")) == Code.WrongDestination
    assert refusal(*world(packet, b"payload", own_domain=filler("third chain"))) == Code.WrongDestination


def test_unbound_source_lets_a_worthless_chain_speak_for_another() -> None:
    """The attacker's own chain logs a packet that names the right sender, whose address it may well hold there."""
    forged = a_packet(7, b"payload", source_domain=filler("attacker's chain"))
    assert refusal(*world(forged, b"payload")) == Code.WrongSource
    # It names the victim's chain instead: then the packet is in a log that is not final as that chain's.
    expected, delivered = world(a_packet(7, b"payload"), b"payload", outbox_root=filler("the real log"))
    assert refusal(expected, delivered) == Code.RootMismatch


def test_dirty_padding_gives_one_address_two_names() -> None:
    """A receiver compared by its last 20 bytes has 2^96 spellings, each with an id of its own."""
    dirty = b"\1" + SENDER[1:]
    assert dirty[12:] == SENDER[12:]

    assert refusal(*world(a_packet(7, b"payload", sender=dirty), b"payload")) == Code.WrongSender
    packet = a_packet(7, b"payload", receiver=b"\1" + RECEIVER[1:])
    assert refusal(*world(packet, b"payload")) == Code.WrongReceiver


@pytest.mark.parametrize(
    ("kind", "version", "code"), [(2, 1, "WrongReceiver"), (3, 1, "WrongKind"), (0, 1, "WrongKind")]
)
def test_kind_and_version_are_not_left_to_the_application(kind: int, version: int, code: str) -> None:
    assert refusal(*world(a_packet(7, b"p", kind=kind, version=version), b"p")).name == code
    for other in (0, 2, 255):
        assert refusal(*world(a_packet(7, b"p", version=other), b"p")) == Code.WrongVersion


def test_expiry_ends_after_its_height() -> None:
    assert check_packet(*world(a_packet(7, b"p", expires_at=500), b"p"))
    assert not check_packet(*world(a_packet(7, b"p", expires_at=499), b"p"))
    # A carrier that moves the expiry changes the id.
    expected, delivered = world(a_packet(7, b"p", expires_at=499), b"p")
    later = replace(delivered, packet=replace(delivered.packet, expires_at=0))
    assert refusal(expected, later) == Code.RootMismatch


def test_payload_with_more_than_one_encoding() -> None:
    """An ABI decoder follows any offset and ignores what trails: other bytes, the same checkpoint."""
    honest = PAYLOAD.encode()
    kinds = [*(kind for _, kind in Checkpoint.fields()), "bytes32[]", "bytes32"]
    words = [honest[at : at + 32] for at in range(0, len(honest), 32)]
    moved = b"".join((*words[:12], word_uint(15 * 32, 256), words[13], bytes(32), *words[14:]))
    for other in (honest + bytes(32), moved):
        assert abi_decode(kinds, other) == abi_decode(kinds, honest)

    assert decode_payload(honest) == PAYLOAD
    for other in (honest + bytes(32), moved, honest + b"\0", honest[:-1], honest[: 14 * 32]):
        with pytest.raises(Refused) as refused:
            decode_payload(other)
        assert refused.value.code == Code.Malformed
    with pytest.raises(Refused) as refused:
        decode_payload(honest + bytes(9 * 32))
    assert refused.value.code == Code.Oversize


def test_oversize_is_refused_before_anything_is_hashed() -> None:
    expected, delivered = world(a_packet(7, b"p"), b"p")
    assert refusal(expected, replace(delivered, payload=bytes(4097))) == Code.Oversize
    assert refusal(expected, replace(delivered, proof=(bytes(32),) * 65)) == Code.Oversize
