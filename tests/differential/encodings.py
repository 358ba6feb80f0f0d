"""The two wire forms of a question: SCALE as the pallet's calls carry it, ABI as calldata carries it.

Both are written out for the few types that occur here: eth_abi and a SCALE library take milliseconds for a case, the
three implementations together take two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields

from poft.protocol.hashing import WORD, keccak
from poft.protocol.structs import Struct

# --- SCALE -----------------------------------------------------------------------------------------------------------


def u64(value: int) -> bytes:
    return value.to_bytes(8, "little")


def compact(value: int) -> bytes:
    """A length; none here reaches 2^30."""
    if value < 1 << 6:
        return bytes([value << 2])
    return (value << 2 | 1).to_bytes(2, "little") if value < 1 << 14 else (value << 2 | 2).to_bytes(4, "little")


def octets(data: bytes) -> bytes:
    """`Vec<u8>`."""
    return compact(len(data)) + data


def listed(items: Sequence[bytes]) -> bytes:
    """`Vec` of items that are encoded already."""
    return compact(len(items)) + b"".join(items)


def scale_struct(struct: Struct) -> bytes:
    """A flat struct: integers little endian at their width, bytes as they are."""
    return b"".join(
        value if isinstance(value, bytes) else value.to_bytes(int(kind.removeprefix("uint")) // 8, "little")
        for value, (_, kind) in zip(_values(struct), struct.fields(), strict=True)
    )


def _values(struct: Struct) -> Iterable[int | bytes]:
    return (getattr(struct, field.name) for field in fields(struct))  # type: ignore[arg-type]


# --- ABI -------------------------------------------------------------------------------------------------------------


def word(value: int) -> bytes:
    return value.to_bytes(WORD, "big")


def selector(signature: str) -> bytes:
    return keccak(signature.encode())[:4]


def abi_bytes(data: bytes) -> bytes:
    """Length and content, padded to whole words."""
    return word(len(data)) + data + bytes(-len(data) % WORD)


def abi_words(nodes: Sequence[bytes]) -> bytes:
    """`bytes32[]` or any other list of static words."""
    return word(len(nodes)) + b"".join(nodes)


def abi_call(signature: str, head: bytes, *tails: bytes, after: bytes = b"") -> bytes:
    """Calldata: static head, one offset for each tail, static words after the offsets, the tails."""
    at = len(head) + WORD * len(tails) + len(after)
    offsets = b""
    for tail in tails:
        offsets += word(at)
        at += len(tail)
    return selector(signature) + head + offsets + after + b"".join(tails)


def abi_list(items: Sequence[bytes]) -> bytes:
    """`bytes[]`: length, offsets from behind the length, the items."""
    offsets, at = [], WORD * len(items)
    encoded = [abi_bytes(item) for item in items]
    for item in encoded:
        offsets.append(word(at))
        at += len(item)
    return word(len(items)) + b"".join(offsets) + b"".join(encoded)


def read_list(data: bytes) -> list[bytes]:
    """The inverse of a returned `bytes[]`."""
    start = int.from_bytes(data[:WORD], "big") + WORD
    count = int.from_bytes(data[start - WORD : start], "big")
    found = []
    for i in range(count):
        at = start + int.from_bytes(data[start + WORD * i : start + WORD * (i + 1)], "big")
        length = int.from_bytes(data[at : at + WORD], "big")
        found.append(data[at + WORD : at + WORD + length])
    return found
