"""The artifact store and streaming verification: what is stored comes back, and what mirrors may try is refused.

Mirrors are real folders (and a real HTTP server) whose files were altered after an honest store wrote them.
"""

from __future__ import annotations

import resource
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from poft.model.commitment import ModelCommitment, ModelRef, commit
from poft.model.manifest import Tensor
from poft.model.store import ArtifactStore
from poft.model.stream import chunks
from poft.model.verifier import prover, receive, verify_chunk
from poft.protocol.errors import ArtifactError, Code, ConfigError, Refused
from poft.protocol.hashing import keccak

MODEL: dict[str, Tensor] = {
    "conv.weight": np.arange(40_000, dtype=np.float64).reshape(200, 200),
    "conv.bias": np.ones(7, np.float32),
    "steps": np.array(12, np.int64),
}


def refused(code: Code, action: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as caught:
        action()
    assert caught.value.code is code, caught.value
    return caught.value


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(a[n].tobytes() == b[n].tobytes() for n in a)


def container(folder: Path, ref: ModelRef) -> Path:
    return folder / "models" / ref.model_root.hex() / "model.safetensors"


def flip(path: Path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


@pytest.fixture
def filled(tmp_path: Path) -> tuple[Path, ModelCommitment]:
    folder = tmp_path / "origin"
    return folder, ArtifactStore(str(folder)).put_model(MODEL)


# --- what is stored comes back ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["{}", "file://{}", "memory://{}"])
def test_model_and_blob_round_trip(scheme: str, tmp_path: Path) -> None:
    store = ArtifactStore(scheme.format(tmp_path / "store"))
    made = store.put_model(MODEL)
    assert made == commit(MODEL) and store.has_model(made.ref)
    assert same(store.get_model(made.ref), MODEL)
    digest = store.put_blob(b"update")
    assert digest == keccak(b"update") and store.has_blob(digest) and store.get_blob(digest) == b"update"
    assert store.get_blob(store.put_blob(b"")) == b""


def test_container_is_a_safetensors_file(filled: tuple[Path, ModelCommitment]) -> None:
    folder, made = filled
    assert same(load_file(container(folder, made.ref)), MODEL)


def test_fetch_copies_from_a_mirror_into_the_own_folder(filled: tuple[Path, ModelCommitment], tmp_path: Path) -> None:
    folder, made = filled
    store = ArtifactStore(str(tmp_path / "own"), [str(folder)])
    assert not store.has_model(made.ref)
    store.fetch_model(made.ref)
    assert same(ArtifactStore(str(tmp_path / "own")).get_model(made.ref), MODEL)


def test_put_again_heals_a_corrupted_own_copy(filled: tuple[Path, ModelCommitment]) -> None:
    folder, made = filled
    flip(container(folder, made.ref), -1)
    store = ArtifactStore(str(folder))
    refused(Code.ChunkMismatch, lambda: store.get_model(made.ref))
    store.put_model(MODEL)
    assert same(store.get_model(made.ref), MODEL)


# --- a mirror lies ---------------------------------------------------------------------------------------------------


def swap_chunks(path: Path) -> None:
    raw = path.read_bytes()
    body = len(raw) - commit(MODEL).manifest.total_bytes
    data = raw[body:]
    path.write_bytes(raw[:body] + data[65536:131072] + data[:65536] + data[131072:])


CORRUPTIONS: dict[str, tuple[str, Callable[[Path], None], Code]] = {
    "bit_flipped": ("model.safetensors", lambda p: flip(p, -1), Code.ChunkMismatch),
    "first_byte_of_stream": ("model.safetensors", lambda p: flip(p, -320_036), Code.ChunkMismatch),
    "chunks_swapped": ("model.safetensors", swap_chunks, Code.ChunkMismatch),
    "truncated": ("model.safetensors", lambda p: p.write_bytes(p.read_bytes()[:-1]) and None, Code.ChunkMismatch),
    "emptied": ("model.safetensors", lambda p: p.write_bytes(b"") and None, Code.ChunkMismatch),
    "shifted": ("model.safetensors", lambda p: p.write_bytes(b" " + p.read_bytes()) and None, Code.ChunkMismatch),
    "manifest_altered": ("manifest.json", lambda p: flip(p, 40), Code.ManifestMismatch),
    "manifest_endless": ("manifest.json", lambda p: p.write_bytes(bytes(3 << 20)) and None, Code.ManifestMismatch),
    "chunk_list_altered": ("chunks", lambda p: flip(p, 5), Code.ModelRootMismatch),
    "chunk_list_truncated": ("chunks", lambda p: p.write_bytes(p.read_bytes()[:-32]) and None, Code.SizeMismatch),
    "chunk_list_padded": ("chunks", lambda p: p.write_bytes(p.read_bytes() + bytes(32)) and None, Code.SizeMismatch),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corrupted_mirror_is_refused_and_the_next_one_serves(
    name: str, filled: tuple[Path, ModelCommitment], tmp_path: Path
) -> None:
    folder, made = filled
    liar = tmp_path / "liar"
    shutil.copytree(folder, liar)
    file, corrupt, code = CORRUPTIONS[name]
    corrupt(liar / "models" / made.model_root.hex() / file)
    refused(code, lambda: ArtifactStore(str(liar)).get_model(made.ref))

    heard: list[tuple[str, Code]] = []

    def report(place: str, fault: Refused | ArtifactError) -> None:
        if isinstance(fault, Refused):
            heard.append((place, fault.code))

    own = ArtifactStore(str(tmp_path / "own"), [str(liar), str(folder)], report)
    own.fetch_model(made.ref)
    assert same(ArtifactStore(str(tmp_path / "own")).get_model(made.ref), MODEL)
    assert (str(liar), code) in heard


def test_bad_chunk_is_named_and_nothing_of_it_is_written(filled: tuple[Path, ModelCommitment], tmp_path: Path) -> None:
    folder, made = filled
    start = container(folder, made.ref).stat().st_size - made.manifest.total_bytes
    flip(container(folder, made.ref), start + 3 * 65536)
    own = ArtifactStore(str(tmp_path / "own"), [str(folder)])
    assert refused(Code.ChunkMismatch, lambda: own.fetch_model(made.ref)).subject == "chunk 3"
    assert [p for p in (tmp_path / "own").rglob("*") if p.is_file()] == []


def test_two_half_corrupted_mirrors_serve_together(filled: tuple[Path, ModelCommitment], tmp_path: Path) -> None:
    folder, made = filled
    mirrors = [tmp_path / "first", tmp_path / "second"]
    for mirror, at in zip(mirrors, (-320_000, -1), strict=True):
        shutil.copytree(folder, mirror)
        flip(container(mirror, made.ref), at)
    store = ArtifactStore(str(tmp_path / "own"), [str(m) for m in mirrors])
    assert same(store.get_model(made.ref), MODEL)


def test_blob_with_other_bytes_is_refused_and_the_next_mirror_serves(tmp_path: Path) -> None:
    good, bad = ArtifactStore(str(tmp_path / "good")), tmp_path / "bad"
    digest = good.put_blob(b"update")
    (bad / "blobs").mkdir(parents=True)
    (bad / "blobs" / digest.hex()).write_bytes(b"forged")
    refused(Code.ChunkMismatch, lambda: ArtifactStore(str(bad)).get_blob(digest))
    assert ArtifactStore(str(bad), [str(tmp_path / "good")]).get_blob(digest) == b"update"
    refused(Code.Oversize, lambda: good.get_blob(digest, max_bytes=5))


def test_model_above_the_readers_bound_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    ref = ModelRef(bytes(32), bytes(32), 2**60)
    refused(Code.Oversize, lambda: ArtifactStore(str(tmp_path)).get_model(ref))


def test_non_finite_model_of_a_hostile_author_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    bits = np.array([0x7FC00000], np.uint32)
    made = store.put_model({"w": bits})
    # The same stream, declared as F32 by an author who does not run this code.
    from poft.model.manifest import Manifest, TensorEntry

    lie = ModelCommitment(Manifest((TensorEntry("w", "F32", (1,), 0),)), made.chunk_hashes)
    folder = tmp_path / "models" / lie.model_root.hex()
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_bytes(lie.manifest.encode())
    (folder / "chunks").write_bytes(lie.chunk_list())
    (folder / "model.safetensors").write_bytes(container_bytes(lie, bits.tobytes()))
    assert refused(Code.NonFinite, lambda: store.get_model(lie.ref)).subject == "w"


def container_bytes(commitment: ModelCommitment, data: bytes) -> bytes:
    from poft.model.container import container_header

    return container_header(commitment.manifest) + data


# --- chunks and proofs -----------------------------------------------------------------------------------------------


@dataclass
class Pieces:
    name: str
    stream: bytes

    def read(self, offset: int, length: int) -> bytes:
        return self.stream[offset : offset + length]


def test_verify_chunk_refuses_swapped_truncated_padded_and_unknown() -> None:
    made = commit(MODEL)
    parts = list(chunks(made.manifest, MODEL))
    assert verify_chunk(made, 1, parts[1]) == parts[1]
    for index, bad in ((0, parts[1]), (2, parts[2][:-1]), (4, parts[4] + b"\0"), (1, b"")):
        assert refused(Code.ChunkMismatch, lambda i=index, b=bad: verify_chunk(made, i, b)).subject == f"chunk {index}"  # type: ignore[misc]
    refused(Code.IndexOutOfRange, lambda: verify_chunk(made, len(parts), b""))


def test_chunk_proofs_stand_in_for_the_chunk_list() -> None:
    made = commit(MODEL)
    check = prover(made.ref, made.manifest, made.tree_root)
    parts = list(chunks(made.manifest, MODEL))
    for index, part in enumerate(parts):
        assert check.verify(index, part, made.chunk_proof(index)) == part
    refused(Code.ChunkMismatch, lambda: check.verify(1, parts[2], made.chunk_proof(1)))
    refused(Code.ChunkMismatch, lambda: check.verify(1, parts[1], made.chunk_proof(0)))
    refused(Code.ProofLength, lambda: check.verify(1, parts[1], made.chunk_proof(1)[:-1]))
    refused(Code.ModelRootMismatch, lambda: prover(made.ref, made.manifest, bytes(32)))


def test_receive_asks_the_source_that_served_last_first() -> None:
    made = commit(MODEL)
    stream = b"".join(chunks(made.manifest, MODEL))
    complaints: list[str] = []
    sources = [Pieces("liar", bytes(len(stream))), Pieces("honest", stream)]
    got = b"".join(receive(made, sources, lambda name, _fault: complaints.append(name)))
    assert got == stream and complaints == ["liar"]


# --- storage fails ---------------------------------------------------------------------------------------------------


def test_missing_model_is_an_artifact_error_that_names_place_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"models/.*/manifest.json: missing. Add a mirror"):
        ArtifactStore(str(tmp_path)).get_model(commit(MODEL).ref)
    with pytest.raises(ArtifactError, match=r"blobs/00.*missing.*; .*second.*missing"):
        ArtifactStore(str(tmp_path), [str(tmp_path / "second")]).get_blob(bytes(32))


def test_missing_container_is_an_artifact_error(filled: tuple[Path, ModelCommitment]) -> None:
    folder, made = filled
    container(folder, made.ref).unlink()
    with pytest.raises(ArtifactError, match="chunk 0 is nowhere"):
        ArtifactStore(str(folder)).get_model(made.ref)


def test_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "store"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (100_000, before[1])
    )  # a file-size limit fails writes as a full disk does
    try:
        with pytest.raises(ArtifactError, match=r"no room\. Free space"):
            store.put_model(MODEL)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    assert not store.has_model(commit(MODEL).ref)


def test_folder_that_is_a_file_is_an_artifact_error(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(ArtifactError, match="store/blobs"):
        ArtifactStore(str(tmp_path / "store")).put_blob(b"x")


def test_unknown_protocol_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="is no artifact store"):
        ArtifactStore("carrier-pigeon://loft")


# --- over HTTP -------------------------------------------------------------------------------------------------------


class RangeHandler(SimpleHTTPRequestHandler):
    """A static file server that honours `Range`."""

    def do_GET(self) -> None:
        path, wanted = Path(self.translate_path(self.path)), self.headers.get("Range")
        if wanted is None or not path.is_file():
            return super().do_GET()
        first, last = (int(n) for n in wanted.removeprefix("bytes=").split("-"))
        raw = path.read_bytes()
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{min(last, len(raw) - 1)}/{len(raw)}")
        body = raw[first : last + 1]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None

    def log_message(self, format: str, *args: object) -> None:
        """Keeps the test's output clean."""


@pytest.fixture
def serve() -> Iterator[Callable[[Path, type[SimpleHTTPRequestHandler]], str]]:
    servers: list[ThreadingHTTPServer] = []

    def start(folder: Path, handler: type[SimpleHTTPRequestHandler]) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_http_mirror_serves_and_a_dead_one_is_passed_over(
    serve: Callable[[Path, type[SimpleHTTPRequestHandler]], str],
    filled: tuple[Path, ModelCommitment],
    tmp_path: Path,
) -> None:
    folder, made = filled
    store = ArtifactStore(str(tmp_path / "own"), ["http://127.0.0.1:9", serve(folder, RangeHandler)])
    store.fetch_model(made.ref)
    assert same(ArtifactStore(str(tmp_path / "own")).get_model(made.ref), MODEL)
    with pytest.raises(ArtifactError, match="missing"):
        store.get_blob(bytes(32))
