"""Coordinate-wise trimmed mean (Yin et al. 2018): without the f smallest and the f largest values of each coordinate.

With at most f dishonest updates, every coordinate of the result lies between the smallest and the largest honest
value. numpy's sort is used because it is eight times as fast as torch's on matrices of this form.
"""

from __future__ import annotations

import numpy as np

from poft.protocol.errors import Code, Refused
from poft.training.fixed_point import IntVector

from .contract import Context, Updates, Weights
from .integers import mean


def trimmed_mean(updates: Updates, weights: Weights, context: Context) -> IntVector:  # noqa: ARG001
    """Mean of the n − 2f middle values; samples do not count, since they are claims."""
    count, trim = updates.shape[0], context.faulty
    if count <= 2 * trim:
        raise Refused(Code.TooFewParticipants, "trimmed_mean", f"{count} updates, more than {2 * trim} needed")
    return mean(np.sort(updates, axis=0)[trim : count - trim])
