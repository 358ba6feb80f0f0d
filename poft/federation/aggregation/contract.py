"""What an aggregation rule is, and what is checked before any rule runs.

Rows are updates in ascending order of their participants (`poft.federation.rounds` sorts them), columns are
parameters. A rule must give the same bytes on every machine, whatever the thread count: integers, or floats that are
provably exact. Where a rule has to choose between equals, the earlier row wins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from poft.protocol.errors import Code, Refused
from poft.training.fixed_point import BOUND, IntVector

Updates = NDArray[np.int64]
"""[n, d], |integer| < 2^38."""
Weights = NDArray[np.int64]
"""[n], positive: the samples behind each update."""

MAX_UPDATES = 64
"""As many as a round has members (docs/federation.md)."""
MAX_WEIGHT_SUM = 1 << 24
"""Σ weight · 2^38 ≤ 2^62: a weighted sum stays inside int64 with a bit to spare for rounding."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a rule may know beside the updates, equal for all who aggregate."""

    faulty: int
    """f: how many of the updates are assumed dishonest at most."""
    seed: int = 0
    """128-bit key of the round's public randomness."""


class Aggregator(Protocol):
    """From updates to one update."""

    def __call__(self, updates: Updates, weights: Weights, context: Context) -> IntVector: ...


class PreAggregator(Protocol):
    """From updates to updates that a rule treats as if participants had sent them."""

    def __call__(self, updates: Updates, weights: Weights, context: Context) -> tuple[Updates, Weights, Context]: ...


def check_updates(updates: Updates, weights: Weights, context: Context) -> None:
    """Refuses what no rule may see.

    Raises:
        Refused: TooFewParticipants, TooManyParticipants, SizeMismatch, UnsupportedDtype, ZeroValue (a weight),
            OutOfRange (an integer, or the sum of the weights).
    """
    if updates.ndim != 2 or updates.shape[0] != weights.shape[0]:
        raise Refused(Code.SizeMismatch, "updates", f"shape {updates.shape} with {weights.shape[0]} weights")
    if updates.dtype != np.int64 or weights.dtype != np.int64:
        raise Refused(Code.UnsupportedDtype, "updates", f"{updates.dtype} and {weights.dtype}, due int64")
    count = updates.shape[0]
    if count < 1:
        raise Refused(Code.TooFewParticipants, "updates", "nothing to aggregate")
    if count > MAX_UPDATES:
        raise Refused(Code.TooManyParticipants, "updates", f"{count} of at most {MAX_UPDATES}")
    if weights.min() <= 0:
        raise Refused(Code.ZeroValue, "weights", "every update has samples behind it")
    # Python integers: the sum of int64 claims may not fit into int64.
    if sum(weights.tolist()) > MAX_WEIGHT_SUM:
        raise Refused(Code.OutOfRange, "weights", f"{sum(weights.tolist())} samples, at most {MAX_WEIGHT_SUM}")
    if updates.size and (updates.max() >= BOUND or updates.min() <= -BOUND):
        raise Refused(Code.OutOfRange, "updates", "an integer is not below 2^38")
    if not 0 <= context.faulty < count:
        raise Refused(Code.TooFewParticipants, "faulty", f"{context.faulty} of {count} assumed dishonest")
