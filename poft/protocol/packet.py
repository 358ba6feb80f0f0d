"""Packets: what one chain announces to another (docs/protocol.md section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from .structs import U8, U64, Bytes32, Struct

VERSION = 1
MAX_PAYLOAD = 4096
"""Bytes of a payload: a checkpoint with 8 parents needs 23 words = 736."""
MAX_BATCH = 32
"""Packets in one delivery."""


class PacketKind(IntEnum):
    """What a packet's payload is."""

    CHECKPOINT = 1
    ACKNOWLEDGEMENT = 2
    GOVERNANCE = 3


@dataclass(frozen=True, slots=True)
class Packet(Struct):
    """One packet. `nonce` is dense from 0 per (source, destination); `expires_at` a destination height, 0 = never."""

    version: U8
    kind: U8
    source_domain: Bytes32
    dest_domain: Bytes32
    nonce: U64
    sender: Bytes32
    receiver: Bytes32
    expires_at: U64
    payload_hash: Bytes32

    @property
    def id(self) -> bytes:
        """The packet's id, which is its leaf data in the outbox."""
        return self.struct_hash()
