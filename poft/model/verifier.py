"""Receiving a model from strangers, chunk by chunk (docs/protocol.md section 4).

Nothing is written before it is verified. A chunk that one source has wrong is asked for at the next one, so a single
honest source is enough. Memory: the chunk list (32 bytes for every 64 KiB) and one chunk, whatever the model's size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from poft.protocol.errors import ArtifactError, Code, Refused
from poft.protocol.hashing import sha256
from poft.protocol.merkle import verify_inclusion

from .commitment import ModelCommitment, ModelRef, model_root
from .manifest import Manifest


class ChunkSource(Protocol):
    """Where chunks come from. It may lie, fail or send another length, but never more than `length` + 1 bytes."""

    @property
    def name(self) -> str:
        """What messages call this source."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the canonical stream; `ArtifactError` when there are none to be had."""
        ...


def check_length(manifest: Manifest, index: int, chunk: bytes) -> None:
    """Returns when the chunk is as long as it should be, else `ChunkMismatch` (truncated or padded)."""
    due = manifest.chunk_length(index)
    if len(chunk) != due:
        raise Refused(Code.ChunkMismatch, f"chunk {index}", f"{len(chunk)} bytes where {due} are due")


def verify_chunk(commitment: ModelCommitment, index: int, chunk: bytes) -> bytes:
    """The chunk, when it is chunk `index` of the model; `ChunkMismatch` names it otherwise."""
    check_length(commitment.manifest, index, chunk)
    if sha256(chunk) != commitment.chunk_hashes[index]:
        raise Refused(Code.ChunkMismatch, f"chunk {index}")
    return chunk


@dataclass(frozen=True, slots=True)
class ChunkProver:
    """Verifies chunks by inclusion proofs, for whoever has no chunk list; made by `prover`."""

    manifest: Manifest
    tree_root: bytes

    def verify(self, index: int, chunk: bytes, proof: Sequence[bytes]) -> bytes:
        """The chunk, when the proof shows that it is chunk `index` of the model.

        Raises:
            Refused: IndexOutOfRange, ChunkMismatch (length, or another chunk), ProofLength, Malformed.
        """
        check_length(self.manifest, index, chunk)
        try:
            verify_inclusion(sha256(chunk), index, self.manifest.chunk_count, proof, self.tree_root)
        except Refused as refused:
            if refused.code is not Code.RootMismatch:
                raise
            raise Refused(Code.ChunkMismatch, f"chunk {index}") from refused
        return chunk


def prover(ref: ModelRef, manifest: Manifest, tree_root: bytes) -> ChunkProver:
    """A prover for the model that `ref` names, from its manifest and a stranger's tree root (`ModelRootMismatch`)."""
    claimed = model_root(manifest.hash, manifest.total_bytes, manifest.chunk_size, manifest.chunk_count, tree_root)
    if claimed != ref.model_root:
        raise Refused(Code.ModelRootMismatch, "treeRoot")
    return ChunkProver(manifest, tree_root)


def receive(
    commitment: ModelCommitment,
    sources: Sequence[ChunkSource],
    report: Callable[[str, Refused | ArtifactError], None],
) -> Iterator[bytes]:
    """Every chunk of the model, in order, verified. The source that served last is asked first.

    `report` hears of every source that failed to serve a chunk.

    Raises:
        Refused: ChunkMismatch when no source has the chunk and one at least sent something else.
        ArtifactError: no source has the chunk.
    """
    order = list(sources)
    for index in range(commitment.manifest.chunk_count):
        yield _fetch(commitment, index, order, report)


def _fetch(
    commitment: ModelCommitment,
    index: int,
    order: list[ChunkSource],
    report: Callable[[str, Refused | ArtifactError], None],
) -> bytes:
    """A verified chunk; moves the source that had it to the front of `order`."""
    refusal: Refused | None = None
    absent: list[str] = []
    for at, source in enumerate(order):
        try:
            length = commitment.manifest.chunk_length(index)
            chunk = verify_chunk(commitment, index, source.read(index * commitment.manifest.chunk_size, length))
        except Refused as fault:
            refusal = fault
            report(source.name, fault)
        except ArtifactError as fault:
            absent.append(str(fault))
            report(source.name, fault)
        else:
            order.insert(0, order.pop(at))
            return chunk
    if refusal is not None:
        raise refusal
    raise ArtifactError(f"chunk {index} is nowhere: {'; '.join(absent) or 'no source was given'}")
