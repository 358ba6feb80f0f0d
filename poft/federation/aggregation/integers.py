"""Integer arithmetic that all rules share: rounded division, weighted means, exact distances.

**Rounding.** A quotient is rounded to the nearest integer, halves up (towards +∞): ⌊(2a + b) / 2b⌋. It is translation
equivariant over whole numbers, and the same expression in any language with floor division.

**Distances.** Selection rules compare squared Euclidean distances, which need 2·38 + log2(d) bits. Each integer is
split into two signed limbs, x = 2^20·h + l, and the Gram matrix is summed from products of limb matrices by float64
BLAS: |x| < 2^39 (differences of updates too) makes |h|, |l| ≤ 2^19, so a block of 2^15 columns sums to at most 2^53
and every partial sum is an exact integer in whatever order it is added. Blocks are added as Python integers. So
there is no quantisation that an attacker could stretch with one huge coordinate, and thread counts cannot matter.
"""

from __future__ import annotations

from math import isqrt

import numpy as np
from numpy.typing import NDArray

from poft.training.fixed_point import IntVector

from .contract import MAX_WEIGHT_SUM, Updates, Weights

LIMB_BITS = 20
BLOCK_COLUMNS = 1 << 15
"""2^15 columns · 2^19 · 2^19 = 2^53, the last power of two up to which all integers are exact in float64."""

Exact = NDArray[np.object_]
"""Python integers."""


def divide_half_up(numerator: NDArray[np.int64], denominator: int) -> NDArray[np.int64]:
    """numerator / denominator to the nearest integer, halves up; 2·|numerator| + denominator must stay below 2^63."""
    return (2 * numerator + denominator) // (2 * denominator)


def mean(rows: Updates) -> IntVector:
    """Unweighted mean of up to 64 rows: sums stay below 2^44."""
    return divide_half_up(rows.sum(axis=0, dtype=np.int64), rows.shape[0])


def weighted_mean(rows: Updates, weights: Weights) -> IntVector:
    """Σ w·x / Σ w. With W = Σ w ≤ 2^24 and |x| < 2^38: 2·|Σ w·x| + W ≤ 2W·(2^38 − 1) + W = W·(2^39 − 1) < 2^63."""
    total = int(weights.sum())
    return divide_half_up(weights @ rows, total)


def gram(rows: Updates) -> Exact:
    """All inner products of rows, exact."""
    count, columns = rows.shape
    total: Exact = np.zeros((count, count), dtype=object)
    for at in range(0, columns, BLOCK_COLUMNS):
        block = rows[:, at : at + BLOCK_COLUMNS]
        high = (block + (1 << (LIMB_BITS - 1))) >> LIMB_BITS
        low = (block - (high << LIMB_BITS)).astype(np.float64)
        upper = high.astype(np.float64)
        cross = upper @ low.T
        total = total + (_exact(upper @ upper.T) << (2 * LIMB_BITS))
        total = total + ((_exact(cross) + _exact(cross.T)) << LIMB_BITS) + _exact(low @ low.T)
    return total


def squared_norm(vector: IntVector) -> int:
    """‖x‖², exact."""
    return int(gram(vector[None, :])[0, 0])


def squared_distances(products: Exact) -> Exact:
    """‖x_i − x_j‖² from the Gram matrix."""
    squares = np.diagonal(products)
    distances: Exact = squares[:, None] + squares[None, :] - 2 * products
    return distances


def nearest(distances: Exact, row: int, count: int) -> list[int]:
    """The `count` rows nearest to `row` (itself included), ascending; equals in row order."""
    order = sorted(range(len(distances)), key=lambda other: (distances[row][other], other))
    return sorted(order[:count])


def normalise(weights: list[int]) -> Weights:
    """Non-negative weights scaled down to a sum of at most 2^24, each rounded down; the largest stays positive."""
    total = sum(weights)
    return np.asarray([weight * MAX_WEIGHT_SUM // total for weight in weights], dtype=np.int64)


def root(square: int) -> int:
    """⌊√square⌋, at least 1, so that it may divide."""
    return max(1, isqrt(square))


def _exact(matrix: NDArray[np.float64]) -> Exact:
    return matrix.astype(np.int64).astype(object)
