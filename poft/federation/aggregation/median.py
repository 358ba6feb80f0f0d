"""Coordinate-wise median (Yin et al. 2018); with an even count the mean of the two in the middle, halves up."""

from __future__ import annotations

import numpy as np

from poft.training.fixed_point import IntVector

from .contract import Context, Updates, Weights
from .integers import mean


def median(updates: Updates, weights: Weights, context: Context) -> IntVector:  # noqa: ARG001 - one signature
    """The middle of each coordinate; samples do not count, since they are claims."""
    count = updates.shape[0]
    ordered = np.sort(updates, axis=0)
    return mean(ordered[(count - 1) // 2 : count // 2 + 1])
