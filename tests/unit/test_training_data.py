"""Data: splits follow the seed and never overlap, partitions cover everything, missing data says how to get it."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poft.protocol.errors import ArtifactError, ConfigError
from poft.protocol.merkle import inclusion_proof, verify_inclusion
from poft.training import partitions
from poft.training.data import FASHION_MNIST_VARIABLE, load_dataset

pytest.importorskip("sklearn")

LABELS = np.repeat(np.arange(10, dtype=np.int64), 40)


def test_digits_split_into_three_disjoint_parts() -> None:
    splits = load_dataset("digits", 1)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (989, 359, 449)
    assert splits.train.features.shape[1:] == splits.input_shape == (1, 8, 8)
    assert splits.train.features.dtype == np.float64
    # Digits holds no image twice, so equal digests would be one sample in two parts.
    digests = [digest for part in (splits.train, splits.validation, splits.test) for digest in part.digests()]
    assert len(set(digests)) == 1797


def test_split_follows_the_seed() -> None:
    assert load_dataset("digits", 1).train.root == load_dataset("digits", 1).train.root
    assert load_dataset("digits", 1).train.root != load_dataset("digits", 2).train.root


def test_dataset_root_proves_a_sample_and_changes_with_a_label() -> None:
    samples = load_dataset("digits", 1).train.take(np.arange(50))
    verify_inclusion(samples.digest(7), 7, 50, inclusion_proof(samples.digests(), 7), samples.root)
    swapped = samples.take(np.arange(50))
    swapped.labels[7] = (swapped.labels[7] + 1) % 10
    assert swapped.root != samples.root


def test_unknown_data_set_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="digits, fashion-mnist"):
        load_dataset("mnist", 1)


def test_missing_fashion_mnist_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(FASHION_MNIST_VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(ConfigError, match="apt-get install dataset-fashion-mnist"):
        load_dataset("fashion-mnist", 1)


def _write_idx(path: Path, shape: tuple[int, ...], fill: int) -> None:
    head = bytes((0, 0, 8, len(shape))) + b"".join(size.to_bytes(4, "big") for size in shape)
    path.write_bytes(gzip.compress(head + bytes([fill]) * int(np.prod(shape))))


def test_fashion_mnist_is_read_from_the_package_s_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(FASHION_MNIST_VARIABLE, str(tmp_path))
    for part, count in (("train", 5_020), ("t10k", 10)):
        _write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", (count, 28, 28), 255)
        _write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", (count,), 3)
    splits = load_dataset("fashion-mnist", 1)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (20, 5_000, 10)
    assert splits.test.features.shape == (10, 1, 28, 28)
    assert splits.test.features.max() == 1.0
    assert set(splits.train.labels.tolist()) == {3}


@pytest.mark.parametrize("damage", [b"", b"not gzip", gzip.compress(b"\0\0\x08\x03" + bytes(12) + b"x")])
def test_damaged_fashion_mnist_file_is_an_artifact_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, damage: bytes
) -> None:
    monkeypatch.setenv(FASHION_MNIST_VARIABLE, str(tmp_path))
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(damage)
    with pytest.raises(ArtifactError, match="train-images"):
        load_dataset("fashion-mnist", 1)


@given(
    parts=st.integers(1, 12),
    seed=st.integers(0, 1000),
    minimum=st.integers(1, 30),
    kind=st.sampled_from(["iid", "dirichlet", "by_label", "by_size"]),
)
@settings(max_examples=60, deadline=None)
def test_parts_are_disjoint_cover_everything_and_hold_the_minimum(
    parts: int, seed: int, minimum: int, kind: str
) -> None:
    split = {
        "iid": lambda: partitions.iid(LABELS, parts, seed, minimum),
        "dirichlet": lambda: partitions.dirichlet(LABELS, parts, 0.1, seed, minimum),
        "by_label": lambda: partitions.by_label(LABELS, parts, 0.05, seed, minimum),
        "by_size": lambda: partitions.by_size(LABELS, range(1, parts + 1), seed, minimum),
    }[kind]
    result = split()
    assert len(result) == parts
    assert sorted(np.concatenate(result).tolist()) == list(range(len(LABELS)))
    assert min(len(part) for part in result) >= minimum
    assert all(np.array_equal(a, b) for a, b in zip(result, split(), strict=True))


def test_by_label_without_leak_gives_each_network_its_own_classes() -> None:
    low, high = partitions.by_label(LABELS, 2, 0.0, 1)
    assert set(LABELS[low].tolist()) == {0, 1, 2, 3, 4}
    assert set(LABELS[high].tolist()) == {5, 6, 7, 8, 9}
    low, high = partitions.by_label(LABELS, 2, 0.1, 1)
    assert np.count_nonzero(LABELS[low] >= 5) == 5 * 4
    assert np.count_nonzero(LABELS[high] < 5) == 5 * 4


def test_small_alpha_skews_more_than_large_alpha() -> None:
    def skew(alpha: float) -> float:
        parts = partitions.dirichlet(LABELS, 5, alpha, 3)
        return float(np.mean([np.bincount(LABELS[part], minlength=10).max() / len(part) for part in parts]))

    assert skew(0.1) > skew(100.0) + 0.1


def test_by_size_follows_the_shares() -> None:
    assert [len(part) for part in partitions.by_size(LABELS, [1, 3, 4], 1)] == [50, 150, 200]


@pytest.mark.parametrize(
    "broken",
    [
        lambda: partitions.iid(LABELS, 401, 1),
        lambda: partitions.iid(LABELS, 10, 1, minimum=41),
        lambda: partitions.dirichlet(LABELS, 3, 0.0, 1),
        lambda: partitions.dirichlet(LABELS, 3, float("nan"), 1),
        lambda: partitions.by_label(LABELS, 3, 1.5, 1),
        lambda: partitions.by_size(LABELS, [1, -1], 1),
        lambda: partitions.by_size(LABELS, [], 1),
    ],
)
def test_partition_that_cannot_be_made_is_a_config_error(broken: object) -> None:
    with pytest.raises(ConfigError):
        broken()  # type: ignore[operator]
