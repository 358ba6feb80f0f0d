"""The canonical stream of a model: tensors sorted by name, C order, little endian (docs/protocol.md section 4).

`describe` and `chunks` go from tensors to bytes, `Assembler` back. Both refuse what must not be hashed or loaded: NaN
and infinities, and tensors that share memory (their tie would be lost on the way, and training would diverge).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from poft.protocol.errors import Code, Refused

from .manifest import CHUNK_SIZE, DTYPES, Manifest, Tensor, TensorEntry, dtype_name


def describe(tensors: Mapping[str, Tensor], chunk_size: int = CHUNK_SIZE) -> Manifest:
    """The manifest of these tensors.

    Raises:
        Refused: NonFinite, TiedTensors, UnsupportedDtype (each names the tensor), and what a manifest is refused for.
    """
    entries, offset = [], 0
    for name in sorted(tensors, key=lambda name: name.encode(errors="surrogatepass")):
        entry = TensorEntry(name, dtype_name(name, tensors[name].dtype), tensors[name].shape, offset)
        entries.append(entry)
        offset = entry.end
    manifest = Manifest(tuple(entries), chunk_size)
    _check_ties(tensors)
    for name in (entry.name for entry in entries):
        check_finite(name, tensors[name])
    return manifest


def check_finite(name: str, tensor: Tensor) -> None:
    """Returns when every element is a number; `NonFinite` names the tensor."""
    if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
        raise Refused(Code.NonFinite, name, "NaN or infinity")


def _check_ties(tensors: Mapping[str, Tensor]) -> None:
    """Refuses tensors that share memory. Sorted by address, only neighbours whose extents overlap are looked at."""
    extents = sorted((*np.lib.array_utils.byte_bounds(t), name) for name, t in tensors.items())
    open_until: list[tuple[int, str]] = []
    for low, high, name in extents:
        open_until = [(end, other) for end, other in open_until if end > low]
        for _, other in open_until:
            if np.shares_memory(tensors[name], tensors[other]):
                raise Refused(Code.TiedTensors, name, f"shares memory with {other}")
        open_until.append((high, name))


def tensor_bytes(tensor: Tensor, entry: TensorEntry) -> memoryview:
    """A tensor's part of the stream; copies only what is not in C order and little endian."""
    flat = tensor.astype(DTYPES[entry.dtype], order="C", copy=False).reshape(-1)
    return flat.view(np.uint8).data


def chunks(manifest: Manifest, tensors: Mapping[str, Tensor]) -> Iterator[bytes]:
    """The stream, cut into chunks; holds one chunk beside the tensors."""
    buffer = bytearray()
    for entry in manifest.tensors:
        data = tensor_bytes(tensors[entry.name], entry)
        at = 0
        while at < len(data):
            taken = min(manifest.chunk_size - len(buffer), len(data) - at)
            buffer += data[at : at + taken]
            at += taken
            if len(buffer) == manifest.chunk_size:
                yield bytes(buffer)
                buffer.clear()
    if buffer:
        yield bytes(buffer)


class Assembler:
    """Makes tensors of a stream that arrives in order. Bytes must have been verified before they come here."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._at = 0
        self._next = 0
        self._tensors: dict[str, Tensor] = {}
        self._open: np.ndarray[tuple[int], np.dtype[np.uint8]] | None = None

    def write(self, data: bytes) -> None:
        """The next bytes of the stream.

        Raises:
            Refused: SizeMismatch (more bytes than the manifest has), NonFinite.
        """
        view = memoryview(data)
        while len(view):
            if self._next == len(self._manifest.tensors):
                raise Refused(Code.SizeMismatch, "stream", f"more than {self._manifest.total_bytes} bytes")
            entry = self._manifest.tensors[self._next]
            if self._open is None:
                # Memory is taken for a tensor when its first verified byte arrives, not for what a manifest claims.
                self._open = np.empty(entry.size, np.uint8)
            taken = min(entry.end - self._at, len(view))
            start = self._at - entry.offset
            self._open[start : start + taken] = np.frombuffer(view[:taken], np.uint8)
            self._at, view = self._at + taken, view[taken:]
            if self._at == entry.end:
                tensor: Tensor = self._open.view(DTYPES[entry.dtype]).reshape(entry.shape)
                check_finite(entry.name, tensor)
                self._tensors[entry.name] = tensor
                self._next, self._open = self._next + 1, None

    def finish(self) -> dict[str, Tensor]:
        """The tensors; `SizeMismatch` when bytes are missing."""
        if self._at != self._manifest.total_bytes:
            raise Refused(Code.SizeMismatch, "stream", f"{self._at} of {self._manifest.total_bytes} bytes")
        return self._tensors
