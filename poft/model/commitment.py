"""What a ledger stores of a model: one root over manifest, sizes and chunks (docs/protocol.md section 4).

Leaf data = sha256(chunk), log as in section 3, and
`modelRoot = keccak(abi.encode(keccak("poft/model/v1"), manifestHash, totalBytes, chunkSize, chunkCount, treeRoot))`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from poft.protocol.checkpoint import Checkpoint
from poft.protocol.errors import Code, Refused
from poft.protocol.hashing import WORD, keccak, sha256, word_bytes32, word_uint
from poft.protocol.merkle import inclusion_proof, log_root

from .manifest import CHUNK_SIZE, Manifest, Tensor, parse_manifest
from .stream import chunks, describe

MODEL_TAG = keccak(b"poft/model/v1")


@dataclass(frozen=True, slots=True)
class ModelRef:
    """How a checkpoint names a model."""

    model_root: bytes
    manifest_hash: bytes
    model_bytes: int


def checkpoint_model(checkpoint: Checkpoint) -> ModelRef:
    """The model that a checkpoint announces."""
    return ModelRef(checkpoint.model_root, checkpoint.manifest_hash, checkpoint.model_bytes)


def model_root(manifest_hash: bytes, total_bytes: int, chunk_size: int, chunk_count: int, tree_root: bytes) -> bytes:
    """The root that ledgers store."""
    return keccak(
        MODEL_TAG
        + word_bytes32(manifest_hash, "manifestHash")
        + word_uint(total_bytes, 64, "totalBytes")
        + word_uint(chunk_size, 32, "chunkSize")
        + word_uint(chunk_count, 64, "chunkCount")
        + word_bytes32(tree_root, "treeRoot")
    )


@dataclass(frozen=True)
class ModelCommitment:
    """A manifest and the sha256 of every chunk: what a receiver needs to check bytes as they arrive."""

    manifest: Manifest
    chunk_hashes: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if len(self.chunk_hashes) != self.manifest.chunk_count:
            raise Refused(
                Code.SizeMismatch,
                "chunk list",
                f"{len(self.chunk_hashes)} hashes for {self.manifest.chunk_count} chunks",
            )

    @cached_property
    def tree_root(self) -> bytes:
        """Root of the log of chunk hashes."""
        return log_root(self.chunk_hashes)

    @cached_property
    def model_root(self) -> bytes:
        """The root that ledgers store."""
        return model_root(
            self.manifest.hash,
            self.manifest.total_bytes,
            self.manifest.chunk_size,
            self.manifest.chunk_count,
            self.tree_root,
        )

    @property
    def ref(self) -> ModelRef:
        """How a checkpoint names this model."""
        return ModelRef(self.model_root, self.manifest.hash, self.manifest.total_bytes)

    def chunk_proof(self, index: int) -> list[bytes]:
        """Proof that chunk `index` is part of this model, for a receiver without the chunk list."""
        return inclusion_proof(self.chunk_hashes, index)

    def chunk_list(self) -> bytes:
        """The chunk hashes as one byte string, 32 bytes for each chunk."""
        return b"".join(self.chunk_hashes)


def commit(tensors: Mapping[str, Tensor], chunk_size: int = CHUNK_SIZE) -> ModelCommitment:
    """The commitment to these tensors; raises `Refused` as `describe` does."""
    manifest = describe(tensors, chunk_size)
    return ModelCommitment(manifest, tuple(sha256(chunk) for chunk in chunks(manifest, tensors)))


def open_manifest(ref: ModelRef, data: bytes) -> Manifest:
    """The manifest that `ref` names, from bytes of a stranger.

    Raises:
        Refused: ManifestMismatch, SizeMismatch (the ledger's model size is another), and as `parse_manifest`.
    """
    if keccak(data) != ref.manifest_hash:
        raise Refused(Code.ManifestMismatch, "manifest")
    manifest = parse_manifest(data)
    if manifest.total_bytes != ref.model_bytes:
        raise Refused(
            Code.SizeMismatch,
            "modelBytes",
            f"the manifest has {manifest.total_bytes}, the ledger says {ref.model_bytes}",
        )
    return manifest


def open_chunk_list(ref: ModelRef, manifest: Manifest, data: bytes) -> ModelCommitment:
    """The commitment that `ref` names, from its manifest and a stranger's chunk list.

    Raises:
        Refused: SizeMismatch (length), ModelRootMismatch.
    """
    if len(data) != manifest.chunk_count * WORD:
        raise Refused(Code.SizeMismatch, "chunk list", f"{len(data)} bytes for {manifest.chunk_count} chunks")
    commitment = ModelCommitment(manifest, _split(data))
    if commitment.model_root != ref.model_root:
        raise Refused(Code.ModelRootMismatch, "chunk list")
    return commitment


def _split(data: bytes) -> tuple[bytes, ...]:
    pieces: Sequence[bytes] = [data[at : at + WORD] for at in range(0, len(data), WORD)]
    return tuple(pieces)
