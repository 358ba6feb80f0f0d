"""Centred clipping (Karimireddy et al. 2021) around the coordinate-wise median, in integers.

Each update is pulled towards the centre v until it is no farther away than the radius τ, then all are averaged:
v + mean(min(1, τ / ‖x − v‖)·(x − v)). τ is the (n − f)-th smallest distance, so that no honest majority is clipped
away by a constant that somebody guessed, and v is a robust rule's result, because clipping around zero lets a biased
update through whole.
"""

from __future__ import annotations

import numpy as np

from poft.training.fixed_point import IntVector

from .contract import Context, Updates, Weights
from .integers import divide_half_up, gram, mean, root
from .median import median

FACTOR_BITS = 22
"""Factors in units of 2^-22: |x − v| < 2^39, so a product stays below 2^61."""


def centred_clipping(updates: Updates, weights: Weights, context: Context) -> IntVector:
    """Mean of the updates after clipping their distance to the median."""
    centre = median(updates, weights, context)
    offsets = updates - centre
    distances = [root(int(square)) for square in np.diagonal(gram(offsets))]
    radius = sorted(distances)[updates.shape[0] - context.faulty - 1]
    clipped = np.stack(
        [
            divide_half_up(offset * (min(radius, distance) * (1 << FACTOR_BITS) // distance), 1 << FACTOR_BITS)
            for offset, distance in zip(offsets, distances, strict=True)
        ]
    )
    return centre + mean(clipped)
