"""Read proofs of a Substrate state trie (`state_getReadProof`): base 16, blake2b-256, layouts V0 and V1.

Written here because no package offers it for Python; the rules are those of sp-trie's node codec. A proof is a set of
nodes; a value is proven when the path of its key leads from the state root to it. A node or a value of 32 bytes and
more is named by its hash. In V1 a leaf or branch may name its value by hash; the value is then a member of the proof.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from poft.protocol.errors import Code, Refused

from .reader import Reader

_HASH = 32
_MAX_DEPTH = 64 * 2
"""Nibbles of the longest key asked for, 64 bytes: each step down consumes at least one."""


def proven(state_root: bytes, key: bytes, nodes: Sequence[bytes]) -> bytes:
    """The value of a storage key under a state root.

    Raises:
        Refused: EvidenceDisagrees, the nodes do not lead from the root to a value of this key.
    """
    value = proven_or_absent(state_root, key, nodes)
    if value is None:
        raise _refused("the key has no value in the trie")
    return value


def proven_or_absent(state_root: bytes, key: bytes, nodes: Sequence[bytes]) -> bytes | None:
    """The value of a storage key under a state root, or None when the nodes prove that it has none.

    Raises:
        Refused: EvidenceDisagrees, the nodes prove neither.
    """
    known = {_blake2(node): node for node in nodes}
    path = [nibble for byte in key for nibble in (byte >> 4, byte & 15)]
    node = _named(known, state_root)
    for _ in range(_MAX_DEPTH):
        kind, partial, reader = _open(node)
        if path[: len(partial)] != partial:
            return None
        path = path[len(partial) :]
        bitmap = int.from_bytes(reader.take(2), "little") if kind.branch else 0
        value = _value(kind, reader, known)
        if not path:
            return value
        child = path.pop(0)
        if not bitmap >> child & 1:
            return None
        for _ in range((bitmap & ((1 << child) - 1)).bit_count()):
            reader.octets()
        reference = reader.octets()
        node = _named(known, reference) if len(reference) == _HASH else reference
    raise _refused("the proof is deeper than any key")


class _Kind:
    """What a node's first byte says."""

    __slots__ = ("branch", "hashed", "mask", "valued")

    def __init__(self, first: int) -> None:
        if first >> 6 == 0b01:
            self.branch, self.valued, self.hashed, self.mask = False, True, False, 0x3F
        elif first >> 6 == 0b10:
            self.branch, self.valued, self.hashed, self.mask = True, False, False, 0x3F
        elif first >> 6 == 0b11:
            self.branch, self.valued, self.hashed, self.mask = True, True, False, 0x3F
        elif first >> 5 == 0b001:
            self.branch, self.valued, self.hashed, self.mask = False, True, True, 0x1F
        elif first >> 4 == 0b0001:
            self.branch, self.valued, self.hashed, self.mask = True, True, True, 0x0F
        else:
            raise _refused("an empty or unknown node")


def _open(node: bytes) -> tuple[_Kind, list[int], Reader]:
    """(kind, partial key, the rest) of a node."""
    reader = Reader(node, "read proof")
    first = reader.take(1)[0]
    kind = _Kind(first)
    count = first & kind.mask
    if count == kind.mask:
        more = 255
        while more == 255:
            more = reader.take(1)[0]
            count += more
    nibbles = [nibble for byte in reader.take((count + 1) // 2) for nibble in (byte >> 4, byte & 15)]
    return kind, nibbles[count & 1 :], reader


def _value(kind: _Kind, reader: Reader, known: dict[bytes, bytes]) -> bytes | None:
    if not kind.valued:
        return None
    return _named(known, reader.take(_HASH)) if kind.hashed else reader.octets()


def _named(known: dict[bytes, bytes], name: bytes) -> bytes:
    if name not in known:
        raise _refused("a node is missing")
    return known[name]


def _blake2(data: bytes) -> bytes:
    return blake2b(data, digest_size=_HASH).digest()


def _refused(detail: str) -> Refused:
    return Refused(Code.EvidenceDisagrees, "read proof", detail)


@dataclass(frozen=True, slots=True)
class DigestItem:
    """An item of a header's digest: its variant, the four bytes of its engine (where it has one), its content."""

    variant: int
    engine: bytes
    content: bytes


OTHER, CONSENSUS = 0, 4
"""Variants: what the runtime says to anybody, and what it says to an engine. 5 is a seal, 6 pre-runtime, 8 says that
the runtime was updated."""


def digest_items(data: bytes) -> Iterator[DigestItem]:
    """The items of a SCALE-encoded digest."""
    yield from next_digest(Reader(data, "digest"))


def next_digest(reader: Reader) -> Iterator[DigestItem]:
    """The items of the digest that begins where the reader stands."""
    for _ in range(reader.compact()):
        variant = reader.take(1)[0]
        engine = reader.take(4) if variant in (4, 5, 6) else b""
        yield DigestItem(variant, engine, reader.octets() if variant != 8 else b"")


def compact(value: int) -> bytes:
    """An integer below 2³⁰ in SCALE's compact form."""
    if value < 1 << 6:
        return (value << 2).to_bytes(1, "little")
    if value < 1 << 14:
        return (value << 2 | 1).to_bytes(2, "little")
    if value >= 1 << 30:
        raise _refused("a number beyond 2^30")
    return (value << 2 | 2).to_bytes(4, "little")
