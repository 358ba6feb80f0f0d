"""The manifest of a model: canonical JSON that says which tensors there are (docs/protocol.md section 4).

Canonical means one byte string for one model: UTF-8, keys sorted, no white space, no escapes beyond those that JSON
demands, tensors sorted by the bytes of their names and packed without holes. `parse_manifest` reads a stranger's
manifest: it bounds before it allocates, and takes nothing whose own encoding differs from what it read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from poft.protocol.errors import Code, Refused
from poft.protocol.hashing import keccak

VERSION = 1
CHUNK_SIZE = 65_536
"""Bytes of a chunk. Other sizes are for tests of the format; a receiver takes 1 byte to 1 MiB."""
MAX_CHUNK_SIZE = 1 << 20
MAX_MANIFEST = 1 << 20
"""Bytes of a manifest: 8,192 tensors at 128 bytes each."""
MAX_TENSORS = 8192
MAX_RANK = 8
MAX_NAME = 256
"""UTF-8 bytes of a tensor's name."""
MAX_TOTAL = 1 << 53
"""Bytes of a model: integers of JSON are exact up to here in every language."""

Tensor = npt.NDArray[np.generic]

DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
}
"""safetensors name → numpy type. No BF16 and F8 (numpy has none), no BOOL (a byte has 256 values for two truths)."""
_NAMES = {np.dtype(kind): name for name, kind in DTYPES.items()}
_RESERVED = "__metadata__"  # safetensors keeps this key of a container's header for itself
_TENSOR_KEYS = {"dtype", "name", "offset", "shape"}
_KEYS = {"chunkSize", "tensors", "totalBytes", "version"}


def dtype_name(name: str, dtype: np.dtype[np.generic]) -> str:
    """safetensors' name of a numpy type, whatever its byte order; `UnsupportedDtype` names the tensor."""
    found = _NAMES.get(dtype.newbyteorder("<"))
    if found is None:
        raise Refused(Code.UnsupportedDtype, name, f"{dtype} is not one of {', '.join(DTYPES)}")
    return found


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor: `offset` counts bytes of the canonical stream."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int

    @property
    def size(self) -> int:
        """Bytes in the stream."""
        return prod(self.shape) * np.dtype(DTYPES[self.dtype]).itemsize

    @property
    def end(self) -> int:
        """First byte of the stream that is not of this tensor."""
        return self.offset + self.size


@dataclass(frozen=True)
class Manifest:
    """A manifest that keeps every rule: there is no way to make another one (`Refused` from the constructor)."""

    tensors: tuple[TensorEntry, ...]
    chunk_size: int = CHUNK_SIZE

    def __post_init__(self) -> None:
        if not 1 <= self.chunk_size <= MAX_CHUNK_SIZE:
            raise Refused(Code.Oversize, "chunkSize", f"{self.chunk_size} is not in 1..{MAX_CHUNK_SIZE}")
        if not self.tensors:
            raise Refused(Code.ZeroValue, "tensors", "a model has at least one tensor")
        if len(self.tensors) > MAX_TENSORS:
            raise Refused(Code.Oversize, "tensors", f"{len(self.tensors)} of at most {MAX_TENSORS}")
        previous, offset = b"", 0
        for entry in self.tensors:
            previous = _check_name(entry.name, previous)
            _check_shape(entry)
            if entry.offset != offset:
                raise Refused(Code.Malformed, entry.name, f"offset {entry.offset} where {offset} is due")
            offset = entry.end
            if offset > MAX_TOTAL:
                raise Refused(Code.Oversize, entry.name, f"the model exceeds {MAX_TOTAL} bytes")
        if len(self.encode()) > MAX_MANIFEST:
            raise Refused(Code.Oversize, "manifest", f"more than {MAX_MANIFEST} bytes")

    @property
    def total_bytes(self) -> int:
        """Bytes of the canonical stream."""
        return self.tensors[-1].end

    @property
    def chunk_count(self) -> int:
        """Chunks of the stream; the last one may be shorter."""
        return -(-self.total_bytes // self.chunk_size)

    def chunk_length(self, index: int) -> int:
        """Bytes of chunk `index`."""
        if not 0 <= index < self.chunk_count:
            raise Refused(Code.IndexOutOfRange, f"chunk {index}", f"the model has {self.chunk_count}")
        return min(self.chunk_size, self.total_bytes - index * self.chunk_size)

    def encode(self) -> bytes:
        """The canonical bytes."""
        record = {
            "chunkSize": self.chunk_size,
            "tensors": [
                {"dtype": t.dtype, "name": t.name, "offset": t.offset, "shape": list(t.shape)} for t in self.tensors
            ],
            "totalBytes": self.total_bytes,
            "version": VERSION,
        }
        return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @cached_property
    def hash(self) -> bytes:
        """keccak of the canonical bytes."""
        return keccak(self.encode())


def _check_name(name: str, previous: bytes) -> bytes:
    """The name's bytes, when they may follow `previous`."""
    try:
        raw = name.encode()
    except UnicodeEncodeError as error:
        raise Refused(Code.Malformed, ascii(name), "not a string of Unicode characters") from error
    if not raw or name == _RESERVED:
        raise Refused(Code.Malformed, "tensor name", f"{name!r} is no name of a tensor")
    if len(raw) > MAX_NAME:
        raise Refused(Code.Oversize, "tensor name", f"{len(raw)} of at most {MAX_NAME} bytes")
    if raw == previous:
        raise Refused(Code.DuplicateTensor, name)
    if raw < previous:
        raise Refused(Code.Malformed, name, "tensors are not sorted by name")
    return raw


def _check_shape(entry: TensorEntry) -> None:
    if entry.dtype not in DTYPES:
        raise Refused(Code.UnsupportedDtype, entry.name, f"{entry.dtype[:16]} is not one of {', '.join(DTYPES)}")
    if len(entry.shape) > MAX_RANK:
        raise Refused(Code.Oversize, entry.name, f"{len(entry.shape)} dimensions of at most {MAX_RANK}")
    for length in entry.shape:
        if length < 1:
            raise Refused(Code.ZeroValue, entry.name, "a dimension has no elements")
        if length > MAX_TOTAL:
            raise Refused(Code.Oversize, entry.name, "a dimension exceeds the largest model")


def parse_manifest(data: bytes) -> Manifest:
    """Reads a stranger's manifest. Nothing is allocated for what it claims.

    Raises:
        Refused: Oversize, Malformed (not JSON, not canonical, holes, overlaps, order), WrongVersion, ZeroValue,
            UnsupportedDtype, DuplicateTensor, SizeMismatch (totalBytes is not what the tensors add up to).
    """
    if len(data) > MAX_MANIFEST:
        raise Refused(Code.Oversize, "manifest", f"{len(data)} of at most {MAX_MANIFEST} bytes")
    try:
        record: object = json.loads(data.decode(), parse_float=_no_number, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Refused(Code.Malformed, "manifest", "not UTF-8 JSON with integers") from error
    fields = _record(record, _KEYS, "manifest")
    if _integer(fields["version"], "version") != VERSION:
        raise Refused(Code.WrongVersion, "manifest", f"version {fields['version']}")
    manifest = Manifest(
        tuple(_entry(item) for item in _items(fields["tensors"], MAX_TENSORS, "tensors")),
        _integer(fields["chunkSize"], "chunkSize"),
    )
    claimed = _integer(fields["totalBytes"], "totalBytes")
    if claimed != manifest.total_bytes:
        raise Refused(Code.SizeMismatch, "totalBytes", f"{claimed} where the tensors have {manifest.total_bytes}")
    if manifest.encode() != data:
        raise Refused(Code.Malformed, "manifest", "not the canonical encoding of its content")
    return manifest


def _entry(item: object) -> TensorEntry:
    fields = _record(item, _TENSOR_KEYS, "tensor")
    name, dtype = fields["name"], fields["dtype"]
    if not isinstance(name, str) or not isinstance(dtype, str):
        raise Refused(Code.Malformed, "tensor", "name and dtype are strings")
    shape = tuple(_integer(n, "shape") for n in _items(fields["shape"], MAX_RANK, "shape"))
    return TensorEntry(name, dtype, shape, _integer(fields["offset"], "offset"))


def _record(value: object, keys: set[str], subject: str) -> dict[str, object]:
    if not isinstance(value, dict) or value.keys() != keys:
        raise Refused(Code.Malformed, subject, f"an object with {', '.join(sorted(keys))} is due")
    return value


def _items(value: object, bound: int, subject: str) -> Sequence[object]:
    if not isinstance(value, list):
        raise Refused(Code.Malformed, subject, "a list is due")
    if len(value) > bound:
        raise Refused(Code.Oversize, subject, f"{len(value)} of at most {bound}")
    return value


def _integer(value: object, subject: str) -> int:
    if type(value) is not int or value < 0:  # bool is an int to Python, and not to JSON
        raise Refused(Code.Malformed, subject, "an unsigned integer is due")
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:20]} is not an integer")
