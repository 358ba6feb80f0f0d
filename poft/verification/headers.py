"""Block headers of an EVM chain as they are hashed: RLP, every field bounded and in its one encoding.

    0 parent 32 · 1 uncles 32 · 2 coinbase 20 · 3 state root 32 · 4 transactions 32 · 5 receipts 32 · 6 bloom 256
    7 difficulty · 8 number · 9 gas limit · 10 gas used · 11 time · 12 extraData · 13 mix 32 · 14 nonce 8
    15 base fee (London) · 16 withdrawals 32 (Shanghai) · 17, 18 blob gas · 19 beacon root 32 (Cancun) · 20 requests 32

Who seals a block writes that into `extraData`, and signs the header with another `extraData`: one without the
signatures. Twin: `primitives/src/header.rs`.
"""

from __future__ import annotations

from dataclasses import dataclass

from poft.protocol.errors import Code, Refused
from poft.protocol.hashing import keccak
from poft.verification.rlp import Item, listed, read_list, string

MIN_FIELDS, MAX_FIELDS = 15, 21
MAX_HEADER = 8192
"""Bytes: QBFT's header with 64 validators and as many seals has 6,300."""

_NUMBER = 0
"""Stands for a number in `_WIDTHS`: at most 8 bytes, no leading zero. Base fees of more do not occur."""
_EXTRA_WIDTH = -1
_WIDTHS = (32, 32, 20, 32, 32, 32, 256, *[_NUMBER] * 5, _EXTRA_WIDTH, 32, 8, _NUMBER, 32, _NUMBER, _NUMBER, 32, 32)
_PARENT, _STATE, _DIFFICULTY, _HEIGHT, _TIME, _EXTRA, _MIX = 0, 3, 7, 8, 11, 12, 13


@dataclass(frozen=True, slots=True)
class Header:
    """A header and what schemes look at. `fields` are its encoded items."""

    encoded: bytes
    fields: tuple[bytes, ...]
    parent: bytes
    state_root: bytes
    difficulty: int
    number: int
    timestamp: int
    extra: bytes
    mix: bytes

    @classmethod
    def decode(cls, encoded: bytes) -> Header:
        """Strict; nothing is hashed.

        Raises:
            Refused: Malformed.
        """
        items = read_list(encoded, Code.Malformed)
        if not MIN_FIELDS <= len(items) <= MAX_FIELDS:
            raise Refused(Code.Malformed, "header", f"{len(items)} fields")
        for at, (item, width) in enumerate(zip(items, _WIDTHS, strict=False)):
            if not _fits(item, width):
                raise Refused(Code.Malformed, "header", f"field {at}")

        def number(at: int) -> int:
            return int.from_bytes(items[at].content, "big")

        return cls(
            encoded,
            tuple(_encoded(items, encoded)),
            items[_PARENT].content,
            items[_STATE].content,
            number(_DIFFICULTY),
            number(_HEIGHT),
            number(_TIME),
            items[_EXTRA].content,
            items[_MIX].content,
        )

    @property
    def hash(self) -> bytes:
        """keccak of the whole."""
        return keccak(self.encoded)

    def hash_with(self, extra: bytes) -> bytes:
        """keccak of the header with another `extraData`."""
        return keccak(listed([*self.fields[:_EXTRA], string(extra), *self.fields[_EXTRA + 1 :]]))


def _fits(item: Item, width: int) -> bool:
    if item.is_list:
        return False
    if width == _NUMBER:
        return len(item.content) <= 8 and item.content[:1] != b"\0"
    return width in (_EXTRA_WIDTH, len(item.content))


def _encoded(items: list[Item], encoded: bytes) -> list[bytes]:
    """Each item with its header, as it stands in the list."""
    parts, at = [], len(encoded) - sum(item.size for item in items)
    for item in items:
        parts.append(encoded[at : at + item.size])
        at += item.size
    return parts


__all__ = ["MAX_FIELDS", "MAX_HEADER", "MIN_FIELDS", "Header"]
