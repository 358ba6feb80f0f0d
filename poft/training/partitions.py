"""Who holds which samples: label- and size-skewed partitions of a data set, for networks and for the participants in
one.

Every function returns one ascending index array per part; the parts are disjoint and cover all samples, and each
holds at least `minimum` of them. Drawn from Philox by seed. Used first over the networks and then, with another
seed, inside each network.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from poft.protocol.errors import ConfigError

from .philox import generator

Indices = NDArray[np.int64]


def iid(labels: NDArray[np.int64], parts: int, seed: int, minimum: int = 1) -> list[Indices]:
    """Equal parts drawn without regard to labels."""
    return by_size(labels, [1] * parts, seed, minimum)


def by_size(labels: NDArray[np.int64], shares: Sequence[int], seed: int, minimum: int = 1) -> list[Indices]:
    """Parts in proportion to `shares`, drawn without regard to labels."""
    if not shares or min(shares) < 0 or sum(shares) == 0:
        raise ConfigError(f"sizes {list(shares)} are not shares", "give non-negative numbers, not all zero")
    order = generator("partition", "size", seed).permutation(len(labels))
    cuts = np.cumsum(shares)[:-1] * len(labels) // sum(shares)
    return _finish([list(part) for part in np.split(order, cuts)], minimum)


def dirichlet(labels: NDArray[np.int64], parts: int, alpha: float, seed: int, minimum: int = 1) -> list[Indices]:
    """Every class is shared out by a draw from Dirichlet(alpha) (Hsu et al. 2019): small alpha, strong skew."""
    if not 0 < alpha < float("inf"):
        raise ConfigError(f"Dirichlet alpha {alpha} is not a positive number")
    draw = generator("partition", "dirichlet", seed)
    owned: list[list[int]] = [[] for _ in range(parts)]
    for label in np.unique(labels):
        members = draw.permutation(np.flatnonzero(labels == label))
        cuts = (np.cumsum(draw.dirichlet([alpha] * parts))[:-1] * len(members)).astype(np.int64)
        for part, chunk in zip(owned, np.split(members, cuts), strict=True):
            part.extend(chunk)
    return _finish(owned, minimum)


def by_label(labels: NDArray[np.int64], parts: int, leak: float, seed: int, minimum: int = 1) -> list[Indices]:
    """Classes are dealt out to the parts, lower ones first; a share `leak` of each class goes evenly to the others.

    With ten classes and two parts, part 0 holds classes 0 to 4 and a little of 5 to 9; leak 0 means nothing of them.
    """
    if not 0 <= leak <= 1:
        raise ConfigError(f"leak {leak} is not a share between 0 and 1")
    draw = generator("partition", "label", seed)
    classes = np.unique(labels)
    owned: list[list[int]] = [[] for _ in range(parts)]
    for rank, label in enumerate(classes):
        owner = rank * parts // len(classes)
        others = [part for part in range(parts) if part != owner]
        members = draw.permutation(np.flatnonzero(labels == label))
        leaked = int(len(members) * leak) if others else 0
        owned[owner].extend(members[leaked:])
        for at, index in enumerate(members[:leaked]):
            owned[others[at % len(others)]].append(index)
    return _finish(owned, minimum)


def _finish(owned: list[list[int]], minimum: int) -> list[Indices]:
    """Lifts every part to `minimum` by taking, one at a time, from the part that is then largest."""
    if sum(len(part) for part in owned) < minimum * len(owned):
        raise ConfigError(
            f"{sum(len(part) for part in owned)} samples cannot give {len(owned)} parts {minimum} each",
            "fewer participants, a smaller minimum or a larger data set",
        )
    for part in owned:
        while len(part) < minimum:
            largest = max(owned, key=len)
            part.append(largest.pop())
    return [np.sort(np.asarray(part, dtype=np.int64)) for part in owned]
