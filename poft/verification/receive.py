"""Receiving a packet, in the order of docs/protocol.md section 9.

The ledgers do this themselves (`Inbox.sol`, the bridge pallet); here it serves the relayer, which does not pay for
what would be refused, and `poft verify`, which repeats it from the ledgers' records. Bounds come first, hashing last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from poft.protocol.errors import Code, Refused
from poft.protocol.hashing import ZERO32, keccak
from poft.protocol.merkle import MAX_PROOF, verify_inclusion
from poft.protocol.packet import MAX_PAYLOAD, VERSION, Packet, PacketKind


@dataclass(frozen=True, slots=True)
class PacketProof:
    """A packet as it is delivered: its payload, and where it stands in the source's outbox."""

    packet: Packet
    payload: bytes
    leaf_index: int
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the destination's own state says about the next packet of a source.

    `outbox_size` and `outbox_root` are a finalised outbox of the source. `receivers` are the endpoints of applications,
    which take packets of `sender`; acknowledgements go from `inbox_peer` (zero: none are taken) to `inbox`.
    """

    own_domain: bytes
    source_domain: bytes
    sender: bytes
    receivers: Sequence[bytes]
    next_nonce: int
    height: int
    outbox_size: int
    outbox_root: bytes
    inbox: bytes = ZERO32
    inbox_peer: bytes = ZERO32


def check_packet(expected: Expectation, delivered: PacketProof) -> bool:
    """True when the packet is to be dispatched, False when it is consumed because it expired.

    Raises:
        Refused: Oversize, WrongVersion, WrongKind, WrongSource, WrongDestination, WrongReceiver, WrongSender,
            NonceReplayed, NonceGap, and what an inclusion proof can be refused for; PayloadMismatch.
    """
    packet = delivered.packet
    if len(delivered.payload) > MAX_PAYLOAD:
        raise Refused(Code.Oversize, "payload", f"{len(delivered.payload)} bytes")
    if len(delivered.proof) > MAX_PROOF:
        raise Refused(Code.Oversize, "proof", f"{len(delivered.proof)} nodes")
    if packet.version != VERSION:
        raise Refused(Code.WrongVersion, "version", str(packet.version))
    if packet.kind not in (PacketKind.CHECKPOINT, PacketKind.ACKNOWLEDGEMENT):
        raise Refused(Code.WrongKind, "kind", str(packet.kind))
    if packet.source_domain != expected.source_domain:
        raise Refused(Code.WrongSource, "sourceDomain")
    if packet.dest_domain != expected.own_domain:
        raise Refused(Code.WrongDestination, "destDomain")
    registered = _registered(expected, packet)
    if registered == ZERO32:
        raise Refused(Code.WrongReceiver, "receiver")
    if packet.sender != registered:
        raise Refused(Code.WrongSender, "sender")
    if packet.nonce < expected.next_nonce:
        raise Refused(Code.NonceReplayed, "nonce", f"{packet.nonce} where {expected.next_nonce} is next")
    if packet.nonce > expected.next_nonce:
        raise Refused(Code.NonceGap, "nonce", f"{packet.nonce} where {expected.next_nonce} is next")
    verify_inclusion(packet.id, delivered.leaf_index, expected.outbox_size, delivered.proof, expected.outbox_root)
    if 0 < packet.expires_at < expected.height:
        return False
    if keccak(delivered.payload) != packet.payload_hash:
        raise Refused(Code.PayloadMismatch, "payload")
    return True


def _registered(expected: Expectation, packet: Packet) -> bytes:
    """The one sender whose packets of this kind the receiver takes; zero = none."""
    acknowledges = packet.kind == PacketKind.ACKNOWLEDGEMENT
    if acknowledges != (packet.receiver == expected.inbox):
        return ZERO32
    if acknowledges:
        return expected.inbox_peer
    return expected.sender if packet.receiver in expected.receivers else ZERO32
