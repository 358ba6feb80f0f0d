"""Data sets: real samples as float64 arrays, split once into train, validation and test, and committed sample by
sample.

- `train` is what networks and participants share out among themselves;
- `validation` is public: verifiers, score gates and tuning use it, its root belongs to the task;
- `test` is held out for reports: nothing is chosen with it.

The split is a permutation drawn from the seed, so it is the same on every machine. A participant commits to its
samples by a log (docs/protocol.md section 3) whose leaf is sha256 of the sample's canonical bytes: features as
float64, then the label as int64, little endian.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from poft.protocol.errors import ArtifactError, ConfigError
from poft.protocol.hashing import sha256
from poft.protocol.merkle import log_root

from .philox import permutation, stream_key

FASHION_MNIST_FOLDER = Path("/usr/share/datasets/fashion-mnist")
"""Where the Debian package dataset-fashion-mnist puts its files."""
FASHION_MNIST_VARIABLE = "POFT_FASHION_MNIST"
"""Environment variable that names another folder with the four IDX files."""

VALIDATION_SHARE, TEST_SHARE = 20, 25
"""Per cent of a data set without an own test part; 25 % of digits are 449 images, so a point is 4.5 of them."""
FASHION_VALIDATION = 5_000


@dataclass(frozen=True, slots=True)
class Samples:
    """Labelled samples in a fixed order; digests are computed when first asked for."""

    features: NDArray[np.float64]
    """[n, channels, height, width]"""
    labels: NDArray[np.int64]
    _digests: list[bytes] = field(default_factory=list, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.int64]) -> Samples:
        """These samples, in the order of `indices`."""
        return Samples(np.ascontiguousarray(self.features[indices]), self.labels[indices])

    def digest(self, index: int) -> bytes:
        """sha256 of the sample's canonical bytes."""
        return self.digests()[index]

    def digests(self) -> list[bytes]:
        """Leaf data of the data set's log, in order."""
        if len(self._digests) != len(self):
            features = self.features.astype("<f8", copy=False)
            labels = self.labels.astype("<i8", copy=False)
            self._digests[:] = [sha256(features[i].tobytes() + labels[i].tobytes()) for i in range(len(self))]
        return self._digests

    @property
    def root(self) -> bytes:
        """`datasetRoot`: root of the log over all samples."""
        return log_root(self.digests())


@dataclass(frozen=True, slots=True)
class DatasetSplits:
    """A data set in its three parts."""

    name: str
    input_shape: tuple[int, ...]
    classes: int
    train: Samples
    validation: Samples
    test: Samples


def load_dataset(name: str, seed: int) -> DatasetSplits:
    """The data set of this name, split by this seed.

    Raises:
        ConfigError: the name is unknown, or the data is not installed (the message says how to get it).
        ArtifactError: a file of the data set is damaged.
    """
    loaders: dict[str, Callable[[int], DatasetSplits]] = {
        "digits": _digits,
        "fashion-mnist": _fashion_mnist,
    }
    if name not in loaders:
        raise ConfigError(f"unknown data set {name!r}", f"known: {', '.join(sorted(loaders))}")
    return loaders[name](seed)


def _digits(seed: int) -> DatasetSplits:
    """1,797 images of 8×8 with 17 grey levels (Alpaydin and Kaynak 1998), in every scikit-learn."""
    try:
        from sklearn.datasets import load_digits  # type: ignore[import-untyped] # ships no types
    except ModuleNotFoundError as error:
        raise ConfigError("scikit-learn is not installed", "pip install 'poft[train]'") from error
    data = load_digits()
    # Sixteenths are exact in binary.
    everything = Samples(
        np.ascontiguousarray(data.images, dtype=np.float64)[:, None] / 16.0, data.target.astype(np.int64)
    )
    order = permutation(stream_key("split", "digits", seed), 0, len(everything))
    validation = len(everything) * VALIDATION_SHARE // 100
    test = len(everything) * TEST_SHARE // 100
    return DatasetSplits(
        "digits",
        (1, 8, 8),
        10,
        train=everything.take(order[validation + test :]),
        validation=everything.take(order[test : validation + test]),
        test=everything.take(order[:test]),
    )


def _fashion_mnist(seed: int) -> DatasetSplits:
    """70,000 images of 28×28 (Xiao et al. 2017); its own 10,000 test images stay the test part."""
    folder = Path(os.environ.get(FASHION_MNIST_VARIABLE, FASHION_MNIST_FOLDER))
    if not folder.is_dir():
        raise ConfigError(
            f"Fashion-MNIST is not at {folder}",
            "apt-get install dataset-fashion-mnist, or set "
            f"{FASHION_MNIST_VARIABLE} to a folder with the four *-ubyte.gz files",
        )
    known = Samples(
        _idx(folder / "train-images-idx3-ubyte.gz", 3)[:, None] / 255.0,
        _idx(folder / "train-labels-idx1-ubyte.gz", 1).astype(np.int64),
    )
    test = Samples(
        _idx(folder / "t10k-images-idx3-ubyte.gz", 3)[:, None] / 255.0,
        _idx(folder / "t10k-labels-idx1-ubyte.gz", 1).astype(np.int64),
    )
    order = permutation(stream_key("split", "fashion-mnist", seed), 0, len(known))
    return DatasetSplits(
        "fashion-mnist",
        (1, 28, 28),
        10,
        train=known.take(order[FASHION_VALIDATION:]),
        validation=known.take(order[:FASHION_VALIDATION]),
        test=test,
    )


def _idx(path: Path, dimensions: int) -> NDArray[np.float64]:
    """An IDX file of unsigned bytes: 0, 0, 0x08, dimensions, sizes as big-endian uint32, then the bytes."""
    try:
        data = gzip.decompress(path.read_bytes())
    except FileNotFoundError as error:
        raise ConfigError(f"{path} is missing", "apt-get install --reinstall dataset-fashion-mnist") from error
    except (OSError, EOFError) as error:
        raise ArtifactError(f"{path}: {error}") from error
    head = 4 + 4 * dimensions
    if len(data) < head or data[:4] != bytes((0, 0, 8, dimensions)):
        raise ArtifactError(f"{path} is not an IDX file of {dimensions} dimensions")
    shape = tuple(int.from_bytes(data[at : at + 4], "big") for at in range(4, head, 4))
    if len(data) - head != int(np.prod(shape)):
        raise ArtifactError(f"{path} holds {len(data) - head} bytes, its header says {shape}")
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape).astype(np.float64)
