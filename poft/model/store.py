"""The artifact store: models and blobs by digest, in one folder of one's own and any number of strangers' mirrors.

    models/ROOT/manifest.json       canonical manifest
    models/ROOT/chunks              sha256 of every chunk, 32 bytes each
    models/ROOT/model.safetensors   container whose data section is the canonical stream
    blobs/DIGEST                    any bytes, by their keccak digest

Own folder and mirrors are trusted alike, not at all: everything is verified when it is read, and what is missing or
corrupted in one place is taken from the next. `manifest.json` is written last, so a model is there when it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from typing import BinaryIO, TypeVar

from poft.protocol.errors import ArtifactError, Code, Refused
from poft.protocol.hashing import WORD, keccak, sha256

from .commitment import ModelCommitment, ModelRef, open_chunk_list, open_manifest
from .container import container_header
from .location import Location
from .manifest import CHUNK_SIZE, MAX_MANIFEST, Tensor
from .stream import Assembler, chunks, describe
from .verifier import receive, verify_chunk

MAX_MODEL = 16 << 30
"""Bytes of a model that a receiver takes unless told otherwise; the author of a checkpoint chose its size."""
MAX_BLOB = 256 << 20

T = TypeVar("T")
Report = Callable[[str, Refused | ArtifactError], None]


def _silent(_place: str, _fault: Refused | ArtifactError) -> None:
    """Reports nothing: the next place is tried, and the last fault is raised anyway."""


class ArtifactStore:
    """Reads from `url`, then from `mirrors` in their order; writes to `url` alone.

    `report` hears of every place that was missing something or had it corrupted.
    """

    def __init__(self, url: str, mirrors: Sequence[str] = (), report: Report = _silent) -> None:
        self._own = Location(url)
        self._places = (self._own, *map(Location, mirrors))
        self._report = report

    def put_blob(self, data: bytes) -> bytes:
        """Stores bytes; returns their digest."""
        digest = keccak(data)
        self._own.write(_blob(digest), [data])
        return digest

    def get_blob(self, digest: bytes, max_bytes: int = MAX_BLOB) -> bytes:
        """The bytes with this digest.

        Raises:
            Refused: Oversize, ChunkMismatch (no place has them, and one at least has other bytes).
            ArtifactError: no place has them.
        """

        def read(place: Location) -> bytes:
            data = place.read(_blob(digest), max_bytes)
            if len(data) > max_bytes:
                raise Refused(Code.Oversize, _blob(digest), f"more than {max_bytes} bytes")
            if keccak(data) != digest:
                raise Refused(Code.ChunkMismatch, _blob(digest), "other bytes than its name says")
            return data

        return self._first(read)

    def has_blob(self, digest: bytes) -> bool:
        """Whether the own folder has a blob of this name."""
        return self._own.exists(_blob(digest))

    def put_model(self, tensors: Mapping[str, Tensor], chunk_size: int = CHUNK_SIZE) -> ModelCommitment:
        """Stores a model; raises `Refused` as `commit` does, before anything is written."""
        manifest = describe(tensors, chunk_size)
        commitment = ModelCommitment(manifest, tuple(sha256(c) for c in chunks(manifest, tensors)))

        def verified() -> Iterator[bytes]:
            yield container_header(manifest)
            for index, chunk in enumerate(chunks(manifest, tensors)):
                # Another thread may have written to the tensors since they were hashed.
                yield verify_chunk(commitment, index, chunk)

        self._write(commitment, verified())
        return commitment

    def has_model(self, ref: ModelRef) -> bool:
        """Whether the own folder has a model of this name."""
        return self._own.exists(_model(ref.model_root, "manifest.json"))

    def commitment(self, ref: ModelRef, max_bytes: int = MAX_MODEL) -> ModelCommitment:
        """Manifest and chunk list of a model, verified against `ref`.

        Raises:
            Refused: Oversize, ManifestMismatch, ModelRootMismatch, SizeMismatch, or as `parse_manifest`.
            ArtifactError: no place has them.
        """
        if ref.model_bytes > max_bytes:
            raise Refused(Code.Oversize, "modelBytes", f"{ref.model_bytes} of at most {max_bytes}")
        manifest_name = _model(ref.model_root, "manifest.json")
        manifest = self._first(lambda place: open_manifest(ref, place.read(manifest_name, MAX_MANIFEST)))
        list_name, length = _model(ref.model_root, "chunks"), manifest.chunk_count * WORD
        return self._first(lambda place: open_chunk_list(ref, manifest, place.read(list_name, length)))

    def get_model(self, ref: ModelRef, max_bytes: int = MAX_MODEL) -> dict[str, Tensor]:
        """The tensors of a model, every chunk verified.

        Raises:
            Refused: as `commitment`; ChunkMismatch naming the chunk; NonFinite naming the tensor.
            ArtifactError: a part is nowhere to be had.
        """
        commitment = self.commitment(ref, max_bytes)
        assembler = Assembler(commitment.manifest)
        for chunk in self._chunks(commitment):
            assembler.write(chunk)
        return assembler.finish()

    def fetch_model(self, ref: ModelRef, max_bytes: int = MAX_MODEL) -> ModelCommitment:
        """Copies a model into the own folder in bounded memory; refuses and raises as `get_model`."""
        commitment = self.commitment(ref, max_bytes)
        self._write(commitment, chain([container_header(commitment.manifest)], self._chunks(commitment)))
        return commitment

    def _chunks(self, commitment: ModelCommitment) -> Iterator[bytes]:
        with ExitStack() as files:
            sources = [_Container(place, commitment, files) for place in self._places]
            yield from receive(commitment, sources, self._report)

    def _write(self, commitment: ModelCommitment, container: Iterator[bytes]) -> None:
        root = commitment.model_root
        self._own.write(_model(root, "model.safetensors"), container)
        self._own.write(_model(root, "chunks"), [commitment.chunk_list()])
        self._own.write(_model(root, "manifest.json"), [commitment.manifest.encode()])

    def _first(self, read: Callable[[Location], T]) -> T:
        """The first place's answer that is neither missing nor refused; refusals outrank absence."""
        refusal: Refused | None = None
        absent: list[str] = []
        for place in self._places:
            try:
                return read(place)
            except Refused as fault:
                refusal = fault
                self._report(place.url, fault)
            except ArtifactError as fault:
                absent.append(str(fault))
                self._report(place.url, fault)
        if refusal is not None:
            raise refusal
        raise ArtifactError("; ".join(absent))


class _Container:
    """A place's container as a source of chunks; opened when it is first asked."""

    def __init__(self, place: Location, commitment: ModelCommitment, files: ExitStack) -> None:
        self.name = place.url
        self._place, self._files = place, files
        self._path = _model(commitment.model_root, "model.safetensors")
        self._start = len(container_header(commitment.manifest))
        self._file: BinaryIO | None = None

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the canonical stream."""
        with self._place.typed(self._path):
            if self._file is None:
                self._file = self._files.enter_context(self._place.open(self._path))
            self._file.seek(self._start + offset)
            return self._file.read(length)


def _blob(digest: bytes) -> str:
    return f"blobs/{digest.hex()}"


def _model(root: bytes, file: str) -> str:
    return f"models/{root.hex()}/{file}"
