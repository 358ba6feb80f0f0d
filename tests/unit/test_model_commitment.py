"""Manifest, stream and commitment of a model: properties, and what a hostile manifest or tensor is refused for.

1. Round trip: tensors → chunks → tensors, bit for bit.
2. One root per model: order of insertion, memory layout and byte order do not matter, every bit of content does.
3. A manifest parses to what it was made of, and nothing else parses.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from poft.model.commitment import ModelRef, commit, open_chunk_list, open_manifest
from poft.model.manifest import DTYPES, MAX_MANIFEST, Manifest, Tensor, TensorEntry, parse_manifest
from poft.model.stream import Assembler, chunks, describe
from poft.protocol.errors import Code, Refused
from poft.protocol.hashing import keccak

names = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12).filter(
    lambda name: name != "__metadata__"
)


@st.composite
def models(draw: st.DrawFn) -> dict[str, Tensor]:
    made: dict[str, Tensor] = {}
    for name in draw(st.lists(names, min_size=1, max_size=4, unique=True)):
        dtype = np.dtype(draw(st.sampled_from(sorted(DTYPES.values()))))
        shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, max_side=5))
        size = int(np.prod(shape)) * dtype.itemsize
        tensor = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), dtype).reshape(shape).copy()
        if dtype.kind == "f":
            tensor[~np.isfinite(tensor)] = 1
        made[name] = tensor
    return made


def refused(code: Code, action: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as caught:
        action()
    assert caught.value.code is code, caught.value
    return caught.value


@given(models(), st.sampled_from([1, 3, 16, 64, 65536]))
def test_stream_round_trips_bit_for_bit(tensors: dict[str, Tensor], chunk_size: int) -> None:
    manifest = describe(tensors, chunk_size)
    pieces = list(chunks(manifest, tensors))
    assert [len(piece) for piece in pieces] == [manifest.chunk_length(i) for i in range(manifest.chunk_count)]
    assembler = Assembler(manifest)
    for piece in pieces:
        assembler.write(piece)
    back = assembler.finish()
    assert list(back) == sorted(tensors, key=str.encode)
    for name, tensor in tensors.items():
        assert back[name].shape == tensor.shape
        assert back[name].tobytes() == tensor.tobytes()


@given(models())
def test_manifest_round_trips_canonical_bytes(tensors: dict[str, Tensor]) -> None:
    manifest = describe(tensors)
    assert parse_manifest(manifest.encode()) == manifest


@given(models())
def test_root_ignores_insertion_order_and_memory_layout(tensors: dict[str, Tensor]) -> None:
    other = {name: np.array(t, t.dtype.newbyteorder(">"), order="F") for name, t in reversed(tensors.items())}
    assert commit(other).model_root == commit(tensors).model_root


@given(models(), st.data())
def test_root_changes_with_every_bit(tensors: dict[str, Tensor], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(tensors)))
    raw = bytearray(tensors[name].tobytes())
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8
    changed = {**tensors, name: np.frombuffer(bytes(raw), tensors[name].dtype).reshape(tensors[name].shape)}
    try:
        assert commit(changed).model_root != commit(tensors).model_root
    except Refused as refusal:
        assert refusal.code is Code.NonFinite


@given(models(), st.data())
@settings(max_examples=200)
def test_mutated_manifest_is_refused_or_means_something_else(tensors: dict[str, Tensor], data: st.DataObject) -> None:
    honest = describe(tensors)
    raw = bytearray(honest.encode())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255).filter(lambda b: b != raw[at]))
    try:
        parsed = parse_manifest(bytes(raw))
    except Refused:
        return
    assert parsed != honest and parsed.encode() == bytes(raw)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_escape_refusal(raw: bytes) -> None:
    with pytest.raises(Refused):
        parse_manifest(raw)


def test_root_is_that_of_the_protocol_text() -> None:
    manifest = describe({"b": np.zeros(2, np.float32), "a": np.ones((3, 4), np.float32)})
    assert manifest.encode() == (
        b'{"chunkSize":65536,"tensors":[{"dtype":"F32","name":"a","offset":0,"shape":[3,4]},'
        b'{"dtype":"F32","name":"b","offset":48,"shape":[2]}],"totalBytes":56,"version":1}'
    )
    assert manifest.hash == keccak(manifest.encode())


# --- tensors that must not be hashed ---------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_commit_refuses_non_finite_naming_the_tensor(value: float, dtype: type[np.floating[np.float64]]) -> None:  # type: ignore[type-var]
    bad = np.zeros((2, 3), dtype)
    bad[1, 2] = value
    assert refused(Code.NonFinite, lambda: commit({"good": np.zeros(1), "conv.bias": bad})).subject == "conv.bias"


def test_commit_refuses_tied_tensors() -> None:
    shared = np.arange(12.0)
    assert refused(Code.TiedTensors, lambda: commit({"a": shared, "b": shared})).subject in "ab"
    refused(Code.TiedTensors, lambda: commit({"a": shared, "z": shared[3:5], "m": np.zeros(2)}))


def test_commit_takes_interleaved_views_that_share_nothing() -> None:
    base = np.arange(8.0)
    assert commit({"even": base[::2], "odd": base[1::2]}).manifest.total_bytes == 64


@pytest.mark.parametrize("dtype", ["bool", "complex128", "O", "S4", "M8[s]"])
def test_commit_refuses_unsupported_dtype_naming_the_tensor(dtype: str) -> None:
    assert refused(Code.UnsupportedDtype, lambda: commit({"w": np.zeros(2, dtype)})).subject == "w"


def test_commit_refuses_empty_models_and_empty_tensors() -> None:
    refused(Code.ZeroValue, lambda: commit({}))
    refused(Code.ZeroValue, lambda: commit({"w": np.zeros((3, 0))}))


@pytest.mark.parametrize("name", ["", "__metadata__", "\ud800"])
def test_commit_refuses_impossible_names(name: str) -> None:
    refused(Code.Malformed, lambda: commit({name: np.zeros(1)}))


# --- hostile manifests -----------------------------------------------------------------------------------------------

HONEST = describe({"a": np.zeros((2, 3), np.float32), "b": np.zeros(4, np.int64)})


def altered(change: Callable[[dict], None]) -> bytes:  # type: ignore[type-arg]
    record = json.loads(HONEST.encode())
    change(record)
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def tensor(at: int, **changes: object) -> Callable[[dict], None]:  # type: ignore[type-arg]
    return lambda record: record["tensors"][at].update(changes)


HOSTILE = {
    "total_bytes_up": (Code.SizeMismatch, altered(lambda r: r.update(totalBytes=57))),
    "total_bytes_down": (Code.SizeMismatch, altered(lambda r: r.update(totalBytes=24))),
    "total_bytes_zero": (Code.SizeMismatch, altered(lambda r: r.update(totalBytes=0))),
    "overlapping_offsets": (Code.Malformed, altered(tensor(1, offset=16))),
    "hole": (Code.Malformed, altered(tensor(1, offset=32))),
    "first_offset": (Code.Malformed, altered(tensor(0, offset=8))),
    "negative_offset": (Code.Malformed, altered(tensor(0, offset=-1))),
    "huge_shape": (Code.Oversize, altered(tensor(0, shape=[2**62, 2**62]))),
    "huge_product": (Code.Oversize, altered(tensor(1, shape=[2**30, 2**30]))),
    "zero_dimension": (Code.ZeroValue, altered(tensor(0, shape=[0, 2**52]))),
    "many_dimensions": (Code.Oversize, altered(tensor(0, shape=[1] * 9))),
    "bool_dimension": (Code.Malformed, altered(tensor(0, shape=[True, 6]))),
    "float_dimension": (Code.Malformed, altered(tensor(0, shape=[2.0, 3]))),
    "string_dimension": (Code.Malformed, altered(tensor(0, shape=["2", 3]))),
    "unknown_dtype": (Code.UnsupportedDtype, altered(tensor(0, dtype="BF16"))),
    "numpy_dtype": (Code.UnsupportedDtype, altered(tensor(0, dtype="<f4"))),
    "dtype_number": (Code.Malformed, altered(tensor(0, dtype=4))),
    "duplicate_name": (Code.DuplicateTensor, altered(tensor(1, name="a"))),
    "unsorted": (Code.Malformed, altered(lambda r: r["tensors"].reverse())),
    "swapped_names": (Code.Malformed, altered(lambda r: (tensor(0, name="b")(r), tensor(1, name="a")(r)))),
    "long_name": (Code.Oversize, altered(tensor(1, name="x" * 257))),
    "no_tensors": (Code.ZeroValue, altered(lambda r: r.update(tensors=[]))),
    "tensors_object": (Code.Malformed, altered(lambda r: r.update(tensors={}))),
    "many_tensors": (Code.Oversize, altered(lambda r: r.update(tensors=[0] * 8193))),
    "extra_key": (Code.Malformed, altered(lambda r: r.update(note="x"))),
    "extra_tensor_key": (Code.Malformed, altered(tensor(0, note="x"))),
    "missing_key": (Code.Malformed, altered(lambda r: r.pop("chunkSize"))),
    "version_2": (Code.WrongVersion, altered(lambda r: r.update(version=2))),
    "chunk_size_zero": (Code.Oversize, altered(lambda r: r.update(chunkSize=0))),
    "chunk_size_huge": (Code.Oversize, altered(lambda r: r.update(chunkSize=2**40))),
    "trailing_byte": (Code.Malformed, HONEST.encode() + b" "),
    "trailing_object": (Code.Malformed, HONEST.encode() + b"{}"),
    "white_space": (Code.Malformed, json.dumps(json.loads(HONEST.encode()), sort_keys=True).encode()),
    "escaped_name": (Code.Malformed, HONEST.encode().replace(b'"a"', b'"\\u0061"')),
    "lone_surrogate": (Code.Malformed, HONEST.encode().replace(b'"a"', b'"\\ud800"')),
    "repeated_key": (Code.Malformed, HONEST.encode().replace(b'"version":1', b'"version":1,"version":1')),
    "leading_zero": (Code.Malformed, HONEST.encode().replace(b'"version":1', b'"version":01')),
    "nan": (Code.Malformed, HONEST.encode().replace(b'"version":1', b'"version":NaN')),
    "long_integer": (Code.Malformed, HONEST.encode().replace(b'"version":1', b'"version":' + b"1" * 9999)),
    "deep": (Code.Malformed, b"[" * 100_000),
    "not_utf8": (Code.Malformed, b"\xff" + HONEST.encode()),
    "empty": (Code.Malformed, b""),
    "null": (Code.Malformed, b"null"),
    "too_long": (Code.Oversize, b" " * (MAX_MANIFEST + 1)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_parse_refuses_hostile_manifest(name: str) -> None:
    code, raw = HOSTILE[name]
    refused(code, lambda: parse_manifest(raw))


def test_open_manifest_refuses_another_manifest_and_another_size() -> None:
    made = commit({"a": np.zeros(3)})
    other = commit({"a": np.zeros(4)})
    refused(Code.ManifestMismatch, lambda: open_manifest(made.ref, other.manifest.encode()))
    lied = ModelRef(made.model_root, made.manifest.hash, made.ref.model_bytes + 1)
    refused(Code.SizeMismatch, lambda: open_manifest(lied, made.manifest.encode()))


def test_open_chunk_list_refuses_altered_truncated_padded_and_reordered() -> None:
    made = commit({"a": np.arange(9.0)}, 16)
    honest = made.chunk_list()
    assert open_chunk_list(made.ref, made.manifest, honest) == made
    flipped = bytes([honest[0] ^ 1]) + honest[1:]
    swapped = honest[32:64] + honest[:32] + honest[64:]
    refused(Code.ModelRootMismatch, lambda: open_chunk_list(made.ref, made.manifest, flipped))
    refused(Code.ModelRootMismatch, lambda: open_chunk_list(made.ref, made.manifest, swapped))
    refused(Code.SizeMismatch, lambda: open_chunk_list(made.ref, made.manifest, honest[:-1]))
    refused(Code.SizeMismatch, lambda: open_chunk_list(made.ref, made.manifest, honest + bytes(32)))


def test_assembler_refuses_short_long_and_non_finite_streams() -> None:
    manifest = Manifest((TensorEntry("w", "F32", (2,), 0),))
    short, long, infinite = Assembler(manifest), Assembler(manifest), Assembler(manifest)
    short.write(bytes(7))
    refused(Code.SizeMismatch, short.finish)
    refused(Code.SizeMismatch, lambda: long.write(bytes(9)))
    bad = np.array([0, np.inf], "<f4").tobytes()
    assert refused(Code.NonFinite, lambda: infinite.write(bad)).subject == "w"
