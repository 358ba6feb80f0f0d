"""Rules by name: the built-in ones here, others from installed packages.

An entry point of group `poft.aggregators` is an `Aggregator`, one of `poft.preaggregators` a `PreAggregator`; its
name is what a task's config says. Built-in names cannot be taken over: the rule is part of what a task's
participants agreed to.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import entry_points

from poft.protocol.errors import ConfigError
from poft.training.fixed_point import IntVector

from .bucketing import bucketing
from .centred_clipping import centred_clipping
from .contract import Aggregator, Context, PreAggregator, Updates, Weights, check_updates
from .fedavg import fedavg
from .geometric_median import geometric_median
from .krum import krum, multi_krum
from .median import median
from .nnm import nnm
from .trimmed_mean import trimmed_mean

RULES: dict[str, Aggregator] = {
    "centred_clipping": centred_clipping,
    "fedavg": fedavg,
    "geometric_median": geometric_median,
    "krum": krum,
    "median": median,
    "multi_krum": multi_krum,
    "trimmed_mean": trimmed_mean,
}
PRE_AGGREGATIONS: dict[str, PreAggregator] = {"bucketing": bucketing, "nnm": nnm}
ALIASES = {"robust": "nnm+trimmed_mean"}


@dataclass(frozen=True, slots=True)
class Composition:
    """Pre-aggregations in order, then a rule; checks its input before anything else."""

    before: tuple[PreAggregator, ...]
    rule: Aggregator

    def __call__(self, updates: Updates, weights: Weights, context: Context) -> IntVector:
        check_updates(updates, weights, context)
        for step in self.before:
            updates, weights, context = step(updates, weights, context)
        return self.rule(updates, weights, context)


def get(name: str) -> Aggregator:
    """The rule of this name, `before+rule` for compositions; an unknown name is a `ConfigError`."""
    *before, rule = ALIASES.get(name, name).split("+")
    return Composition(tuple(_pre_aggregation(part) for part in before), _rule(rule))


def names() -> list[str]:
    """All rule names, installed ones included, without compositions."""
    return sorted({*RULES, *ALIASES, *(point.name for point in entry_points(group="poft.aggregators"))})


def _rule(name: str) -> Aggregator:
    if name in RULES:
        return RULES[name]
    for point in entry_points(group="poft.aggregators", name=name):
        loaded: Aggregator = point.load()
        return loaded
    raise ConfigError(f"unknown aggregation rule {name!r}", f"known: {', '.join(names())}")


def _pre_aggregation(name: str) -> PreAggregator:
    if name in PRE_AGGREGATIONS:
        return PRE_AGGREGATIONS[name]
    for point in entry_points(group="poft.preaggregators", name=name):
        loaded: PreAggregator = point.load()
        return loaded
    raise ConfigError(f"unknown pre-aggregation {name!r}", f"known: {', '.join(sorted(PRE_AGGREGATIONS))}")
