"""Krum and Multi-Krum (Blanchard et al. 2017).

An update's score is the sum of its squared distances to its n − f − 2 nearest others. Krum takes the update of the
lowest score, Multi-Krum the mean of the n − f lowest. Both need n ≥ 2f + 3.
"""

from __future__ import annotations

from poft.protocol.errors import Code, Refused
from poft.training.fixed_point import IntVector

from .contract import Context, Updates, Weights
from .integers import gram, mean, squared_distances


def krum(updates: Updates, weights: Weights, context: Context) -> IntVector:  # noqa: ARG001
    """The one update that is closest to its neighbours."""
    chosen: IntVector = updates[ranking(updates, context)[0]].copy()
    return chosen


def multi_krum(updates: Updates, weights: Weights, context: Context) -> IntVector:  # noqa: ARG001
    """Mean of the n − f updates with the lowest scores."""
    return mean(updates[sorted(ranking(updates, context)[: updates.shape[0] - context.faulty])])


def ranking(updates: Updates, context: Context) -> list[int]:
    """Rows by Krum score, lowest first, equals in row order."""
    count = updates.shape[0]
    if count < 2 * context.faulty + 3:
        raise Refused(Code.TooFewParticipants, "krum", f"{count} updates, {2 * context.faulty + 3} needed")
    distances = squared_distances(gram(updates))
    neighbours = count - context.faulty - 2
    scores = [
        sum(sorted(distances[row][other] for other in range(count) if other != row)[:neighbours])
        for row in range(count)
    ]
    return sorted(range(count), key=lambda row: (scores[row], row))
