"""Randomness for training: counter-based integers of Philox 4x64, named by what they are for.

A stream is named by its parts (seed, task, round, participant, ...), and any position of it can be computed alone,
so an auditor replays step 17 without steps 1 to 16. Only raw 64-bit integers are used where bytes must be equal on
every machine: numpy guarantees the bit stream of its bit generators, but not that of its distributions, and torch's
generators differ between instruction sets.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def stream_key(*parts: bytes | str | int) -> int:
    """The 128-bit Philox key of the stream with this name: sha256 over the length-prefixed parts, first 16 bytes.

    Integers, texts and bytes are told apart by a tag, and lengths are written, so two names never share a key by
    accident.
    """
    digest = hashlib.sha256(b"poft/philox/v1")
    for part in parts:
        if isinstance(part, int):
            tag, data = b"i", str(part).encode()
        elif isinstance(part, str):
            tag, data = b"s", part.encode()
        else:
            tag, data = b"b", part
        digest.update(tag + len(data).to_bytes(8, "big") + data)
    return int.from_bytes(digest.digest()[:16], "big")


def raw_integers(key: int, block: int, count: int) -> NDArray[np.uint64]:
    """`count` 64-bit integers of block `block` of a stream. Blocks are 2^64 counter steps apart and never overlap."""
    return np.random.Philox(key=key, counter=block << 64).random_raw(count)


def permutation(key: int, block: int, size: int) -> NDArray[np.int64]:
    """A permutation of 0 .. size-1: the stable order of `size` raw integers."""
    return np.argsort(raw_integers(key, block, size), kind="stable").astype(np.int64)


def generator(*parts: bytes | str | int) -> np.random.Generator:
    """A numpy generator for distributions whose result is committed afterwards (partitions), not recomputed."""
    return np.random.Generator(np.random.Philox(key=stream_key(*parts)))
