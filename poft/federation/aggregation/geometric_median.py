"""Geometric median (Weiszfeld's iteration; RFA of Pillutla et al. 2022) in integers.

Every iterate is a weighted mean of the updates, so it is its integer weights a_j, and its distances follow from the
exact Gram matrix G alone: with A = Σ a_j, A²·‖z − x_j‖² = aᵀG a − 2A·(G a)_j + A²·G_jj. New weights are inverse
distances, by integer square root. A fixed number of iterations and Python integers make the result the same
everywhere; an iteration costs n² multiplications.
"""

from __future__ import annotations

from poft.training.fixed_point import IntVector

from .contract import Context, Updates, Weights
from .integers import gram, normalise, root, weighted_mean

ITERATIONS = 16
"""Weiszfeld converges linearly; beyond 16 steps the weights of 64 random updates move by less than their grid of
2^-24."""
RESOLUTION = 1 << 48
"""Numerator of the inverse distances, relative to the largest one."""


def geometric_median(updates: Updates, weights: Weights, context: Context) -> IntVector:  # noqa: ARG001
    """The point with the least sum of distances to all updates; samples do not count, since they are claims."""
    products = gram(updates)
    count = updates.shape[0]
    shares = normalise([1] * count)
    for _ in range(ITERATIONS):
        current = [int(share) for share in shares]
        total = sum(current)
        along = [sum(products[row][other] * current[other] for other in range(count)) for row in range(count)]
        square = sum(share * value for share, value in zip(current, along, strict=True))
        distances = [root(square - 2 * total * along[row] + total * total * products[row][row]) for row in range(count)]
        largest = max(distances)
        shares = normalise([RESOLUTION * largest // distance for distance in distances])
    return weighted_mean(updates, shares)
