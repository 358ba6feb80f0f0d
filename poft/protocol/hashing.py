"""Hash functions and ABI words (docs/protocol.md section 2).

Everything that is hashed on both kinds of chain is `abi.encode` of static values, so a word is 32 bytes, big endian.
keccak-256 is the hash of the protocol; sha256 serves bulk data, where it is about four times as fast.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from Crypto.Hash import keccak as _keccak

from .errors import Code, Refused

WORD = 32
ZERO32 = bytes(WORD)
U64_MAX = 2**64 - 1


def keccak(data: bytes) -> bytes:
    """keccak-256 of `data`, 32 bytes."""
    return _keccak.new(digest_bits=256, data=data).digest()


def sha256(data: bytes | memoryview) -> bytes:
    """SHA-256 of `data`, 32 bytes."""
    return hashlib.sha256(data).digest()


def word_uint(value: int, bits: int, name: str = "integer") -> bytes:
    """An unsigned integer of `bits` bits as one ABI word; refuses values outside of its type."""
    if not 0 <= value < 1 << bits:
        raise Refused(Code.Malformed, name, f"{value} is not a uint{bits}")
    return value.to_bytes(WORD, "big")


def word_bytes32(value: bytes, name: str = "bytes32") -> bytes:
    """A bytes32 as one ABI word; refuses any other length."""
    if len(value) != WORD:
        raise Refused(Code.Malformed, name, f"{len(value)} bytes where 32 are due")
    return bytes(value)


def word_address(value: bytes, name: str = "address") -> bytes:
    """A 20-byte address as one ABI word, padded with zeros on the left."""
    if len(value) != 20:
        raise Refused(Code.Malformed, name, f"{len(value)} bytes where 20 are due")
    return bytes(12) + bytes(value)


def read_uint(word: bytes, bits: int, name: str = "integer") -> int:
    """The inverse of `word_uint`: bits above the type must be zero."""
    value = int.from_bytes(word, "big")
    if len(word) != WORD or value >> bits:
        raise Refused(Code.Malformed, name, f"not a uint{bits}")
    return value


def words(data: bytes, name: str = "data") -> Sequence[bytes]:
    """Splits `data` into 32-byte words; refuses a remainder."""
    if len(data) % WORD:
        raise Refused(Code.Malformed, name, f"{len(data)} bytes are not whole words")
    return [data[at : at + WORD] for at in range(0, len(data), WORD)]
