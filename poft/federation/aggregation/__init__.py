"""Aggregation rules: pure functions from int64 updates, ordered by participant, to one int64 update.

`get("robust")` is the default: NNM, then the trimmed mean. Names compose with `+`, pre-aggregations first, as in
`"bucketing+krum"`. New rules come in through the entry-point groups `poft.aggregators` and `poft.preaggregators`.
"""

from .contract import Aggregator, Context, PreAggregator, Updates, Weights
from .registry import get, names

__all__ = ["Aggregator", "Context", "PreAggregator", "Updates", "Weights", "get", "names"]
