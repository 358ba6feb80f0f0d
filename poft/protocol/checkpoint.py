"""Checkpoints, their lineage, and the payload that announces one (docs/protocol.md section 5, docs/federation.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .errors import Code, Refused
from .hashing import WORD, keccak, read_uint, word_bytes32, word_uint, words
from .structs import U64, Bytes32, Struct, decode_fields

MAX_PARENTS = 8
"""Parents of one checkpoint: the local predecessor and an import from each of up to seven peers in one round."""

_HEAD_WORDS = 14
_OFFSET = _HEAD_WORDS * WORD


@dataclass(frozen=True, slots=True)
class Checkpoint(Struct):
    """A digest of a model and of how it came to be. Round 0 is a task's genesis and has no parents."""

    federation: Bytes32
    task: Bytes32
    round: U64
    model_root: Bytes32
    model_bytes: U64
    manifest_hash: Bytes32
    parents_hash: Bytes32
    samples: U64
    metrics_hash: Bytes32
    training_root: Bytes32
    dataset_root: Bytes32
    locator_hash: Bytes32

    @property
    def id(self) -> bytes:
        """The checkpoint's id."""
        return self.struct_hash()


def parents_hash(parents: Sequence[bytes]) -> bytes:
    """`keccak(abi.encode(bytes32[] parents))`: the local predecessor first, then every import that was merged."""
    if len(parents) > MAX_PARENTS:
        raise Refused(Code.Oversize, "parents", f"{len(parents)} of at most {MAX_PARENTS}")
    head = word_uint(WORD, 256) + word_uint(len(parents), 64)
    return keccak(head + b"".join(word_bytes32(parent, "parent") for parent in parents))


@dataclass(frozen=True, slots=True)
class CheckpointPayload:
    """Payload of a checkpoint packet. `previous` is the export before it to the same destination, or the genesis."""

    checkpoint: Checkpoint
    parents: tuple[bytes, ...]
    previous: bytes

    def encode(self) -> bytes:
        """`abi.encode(12 fields, bytes32[] parents, bytes32 previous)`."""
        if len(self.parents) > MAX_PARENTS:
            raise Refused(Code.Oversize, "parents", f"{len(self.parents)} of at most {MAX_PARENTS}")
        return (
            self.checkpoint.encode()
            + word_uint(_OFFSET, 256)
            + word_bytes32(self.previous, "previous")
            + word_uint(len(self.parents), 64)
            + b"".join(word_bytes32(parent, "parent") for parent in self.parents)
        )


def decode_payload(data: bytes) -> CheckpointPayload:
    """The inverse of `CheckpointPayload.encode`; takes the one canonical encoding only.

    Raises:
        Refused: Malformed (length, offset, dirty padding, trailing bytes), Oversize (more than 8 parents),
            ParentsMismatch (the parents are not those that the checkpoint names).
    """
    if len(data) > (_HEAD_WORDS + 1 + MAX_PARENTS) * WORD:
        raise Refused(Code.Oversize, "payload", f"{len(data)} bytes")
    parts = list(words(data, "payload"))
    if len(parts) < _HEAD_WORDS + 1:
        raise Refused(Code.Malformed, "payload", f"{len(data)} bytes")
    if read_uint(parts[12], 256, "offset") != _OFFSET:
        raise Refused(Code.Malformed, "offset")
    count = read_uint(parts[14], 256, "parents.length")
    if count != len(parts) - _HEAD_WORDS - 1:
        raise Refused(Code.Malformed, "parents.length", f"{count} does not fit {len(data)} bytes")
    checkpoint = Checkpoint(*decode_fields(Checkpoint, parts[:12]))  # type: ignore[arg-type]
    parents = tuple(parts[15:])
    if parents_hash(parents) != checkpoint.parents_hash:
        raise Refused(Code.ParentsMismatch, "parents")
    return CheckpointPayload(checkpoint, parents, parts[13])
