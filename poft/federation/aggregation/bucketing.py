"""Bucketing (Karimireddy et al. 2022): means of pairs of updates that the round's public randomness drew.

A dishonest update spoils one bucket, so f of the about n/2 buckets may be dishonest. Weights of a bucket add up.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from poft.training.philox import permutation, stream_key

from .contract import Context, Updates, Weights
from .integers import weighted_mean

SIZE = 2
"""Larger buckets smooth more and tolerate fewer: f must stay below half of n/SIZE."""


def bucketing(updates: Updates, weights: Weights, context: Context) -> tuple[Updates, Weights, Context]:
    """Weighted means of buckets, in the order of their first rows."""
    count = updates.shape[0]
    order = permutation(stream_key("bucketing", context.seed), 0, count)
    buckets = sorted(sorted(order[at : at + SIZE].tolist()) for at in range(0, count, SIZE))
    means = np.stack([weighted_mean(updates[rows], weights[rows]) for rows in buckets])
    sums = np.asarray([weights[rows].sum() for rows in buckets], dtype=np.int64)
    return means, sums, replace(context, faulty=min(context.faulty, len(buckets) - 1))
