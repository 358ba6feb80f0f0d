"""What another network can announce, and that none of it stops a round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from poft.chain import CheckpointRecord
from poft.federation.aggregation.contract import MAX_UPDATES
from poft.federation.lineage import MAX_IMPORT, fetch_imports
from poft.federation.merging import MergePolicy
from poft.federation.rounds import MAX_SAMPLES, RoundPolicy, aggregate_round
from poft.model.store import ArtifactStore
from poft.protocol.checkpoint import Checkpoint, parents_hash
from poft.protocol.errors import ArtifactError, Code
from poft.protocol.hashing import ZERO32, keccak
from poft.training.fixed_point import BOUND, SCALE

BY_SAMPLES = MergePolicy("by_samples")
Tensors = Mapping[str, NDArray[np.float64] | NDArray[np.float32]]


def record(store: ArtifactStore, tensors: Tensors, **changes: int | bytes) -> CheckpointRecord:
    """A checkpoint whose model is in the store."""
    ref = store.put_model(tensors).ref
    made = Checkpoint(
        keccak(b"federation"),
        keccak(b"task"),
        2,
        ref.model_root,
        ref.model_bytes,
        ref.manifest_hash,
        parents_hash(()),
        90,
        ZERO32,
        ZERO32,
        ZERO32,
        ZERO32,
    )
    return CheckpointRecord(replace(made, **changes), (), 7, keccak(b"source"))  # type: ignore[arg-type]


def weights(value: float) -> Tensors:
    return {"output.bias": np.full(4, value)}


def test_an_import_that_cannot_enter_a_merge_is_refused_and_the_others_are_taken(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    own, good = record(store, weights(0.5)), record(store, weights(0.25))
    bad = {
        Code.OutOfRange: record(store, weights(2.0 * BOUND / SCALE)),
        Code.Oversize: record(store, weights(0.125), model_bytes=MAX_IMPORT + 1),
        # Only `trunk` takes another architecture, and then its numbers have to be float64.
        Code.ManifestMismatch: record(store, {"output.bias": np.zeros(5)}),
    }
    taken, refused = fetch_imports(store, own, [good, *bad.values()], BY_SAMPLES)
    assert [one.checkpoint for one in taken] == [good.checkpoint.id]
    assert [(one.checkpoint, one.code) for one in refused] == [(r.checkpoint.id, code) for code, r in bad.items()]
    assert not any(one.adopted for one in refused)


def test_a_wrong_size_is_refused_before_a_byte_is_fetched(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    own = record(store, weights(0.5))
    _, refused = fetch_imports(store, own, [record(store, weights(0.25), model_bytes=33)], BY_SAMPLES)
    assert [one.code for one in refused] == [Code.ManifestMismatch]


def test_trunk_takes_another_architecture_and_refuses_other_numbers(tmp_path: Path) -> None:
    store, trunk = ArtifactStore(str(tmp_path)), MergePolicy("trunk")
    own, wider = record(store, weights(0.5)), record(store, {"output.bias": np.zeros(5)})
    halves = record(store, {"output.bias": np.zeros(4, np.float32)})
    taken, refused = fetch_imports(store, own, [wider, halves], trunk)
    assert [one.checkpoint for one in taken] == [wider.checkpoint.id]
    assert [one.code for one in refused] == [Code.UnsupportedDtype]


def test_missing_bytes_are_a_fault_and_no_finding(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "own"))
    own = record(store, weights(0.5))
    elsewhere = record(ArtifactStore(str(tmp_path / "elsewhere")), weights(0.25))
    with pytest.raises(ArtifactError):
        fetch_imports(store, own, [elsewhere], BY_SAMPLES)


def test_the_most_samples_that_verifiers_accept_can_be_aggregated() -> None:
    base = {"output.bias": np.zeros(4, np.int64)}
    update = {"output.bias": np.full(4, 8, np.int64)}
    accepted = {bytes([1 + i]) * 20: (update, MAX_SAMPLES) for i in range(MAX_UPDATES)}
    made = aggregate_round(base, accepted, RoundPolicy(0.1, 8, rule="fedavg"), 1)
    assert made["output.bias"].tolist() == [8] * 4
