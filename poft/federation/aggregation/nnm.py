"""Nearest-neighbour mixing (Allouah et al. 2023): each update becomes the mean of its n − f nearest, itself included.

Mixing makes honest updates over label-skewed data look alike, so that the rule after it does not take a rare label
for an attack. The number of updates and the assumed f stay as they are.
"""

from __future__ import annotations

import numpy as np

from .contract import Context, Updates, Weights
from .integers import gram, mean, nearest, squared_distances


def nnm(updates: Updates, weights: Weights, context: Context) -> tuple[Updates, Weights, Context]:
    """All updates after mixing; weights stay with their rows."""
    count = updates.shape[0]
    distances = squared_distances(gram(updates))
    mixed = np.stack([mean(updates[nearest(distances, row, count - context.faulty)]) for row in range(count)])
    return mixed, weights, context
