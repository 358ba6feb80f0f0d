"""Acknowledgements: what became of packets, told to the chain that sent them (docs/protocol.md section 9).

The payload of a packet of kind 2 is `abi.encode(bytes32 carrier, (bytes32 packetId, uint8 fate)[])`. It travels as any
packet does, so the source believes it for the same reasons.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from .errors import Code, Refused
from .hashing import WORD, read_uint, word_bytes32, word_uint, words
from .packet import MAX_BATCH

_OFFSET = 2 * WORD
_HEAD_WORDS = 3


class Fate(IntEnum):
    """What became of a packet."""

    APPLIED = 0
    FAILED = 1
    EXPIRED = 2


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """One batch. `carrier` delivered it: an EVM address padded on the left, or an account of 32 bytes."""

    carrier: bytes
    fates: tuple[tuple[bytes, Fate], ...]

    def encode(self) -> bytes:
        """The payload.

        Raises:
            Refused: Oversize (more packets than a batch has).
        """
        if len(self.fates) > MAX_BATCH:
            raise Refused(Code.Oversize, "fates", f"{len(self.fates)} of at most {MAX_BATCH}")
        parts = [word_bytes32(self.carrier, "carrier"), word_uint(_OFFSET, 256), word_uint(len(self.fates), 64)]
        for packet_id, fate in self.fates:
            parts += [word_bytes32(packet_id, "packetId"), word_uint(fate, 8)]
        return b"".join(parts)


def decode_acknowledgement(data: bytes) -> Acknowledgement:
    """The inverse of `Acknowledgement.encode`; takes the one canonical encoding only.

    Raises:
        Refused: Malformed (length, offset, count, unknown fate, trailing bytes), Oversize (more than 32 packets).
    """
    if len(data) > (_HEAD_WORDS + 2 * MAX_BATCH) * WORD:
        raise Refused(Code.Oversize, "payload", f"{len(data)} bytes")
    parts = words(data, "payload")
    if len(parts) < _HEAD_WORDS:
        raise Refused(Code.Malformed, "payload", f"{len(data)} bytes")
    carrier, offset, length, *entries = parts
    if read_uint(offset, 256, "offset") != _OFFSET:
        raise Refused(Code.Malformed, "offset")
    if 2 * read_uint(length, 256, "fates.length") != len(entries):
        raise Refused(Code.Malformed, "fates.length", f"does not fit {len(data)} bytes")
    return Acknowledgement(carrier, tuple((entries[at], _fate(entries[at + 1])) for at in range(0, len(entries), 2)))


def _fate(word: bytes) -> Fate:
    value = read_uint(word, 8, "fate")
    if value > max(Fate):
        raise Refused(Code.Malformed, "fate", str(value))
    return Fate(value)
