"""Import policy: how a network goes on from its own last model and those that arrived from other networks.

`merge` is integer arithmetic, so every member and every later reader gets the same base bit for bit. `adopt` decides
which imports enter it. An import is a proposal, never an order: it must be what its checkpoint claims, and going on
from the merged model must not be worse than going on alone, measured on the public validation set. The gate looks at
the *merged* model, because a network that holds other labels makes a model that scores low alone and helps a lot once
merged.

Policies (`by_samples` is the default):
- `replace`: the mean of the imports, weighted by samples; the own model is dropped.
- `by_samples`: the mean of the own model and the imports, weighted by samples.
- `alpha`: (1 − α)·own + α·(mean of the imports weighted by samples).
- `trunk`: as `by_samples` for tensors that an import has with the same name and shape, and that are not named as
  head; the rest is kept. The only policy that takes imports of another architecture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from poft.protocol.errors import Code, ConfigError, Refused
from poft.training.data import Samples
from poft.training.fixed_point import Parameters, check_range, check_shapes, shapes_of
from poft.training.networks import Network

from .aggregation.contract import MAX_WEIGHT_SUM
from .aggregation.integers import divide_half_up, weighted_mean
from .scoring import Metrics, measure

PERMILLE = 1000
Kind = Literal["replace", "by_samples", "alpha", "trunk"]
KINDS: tuple[Kind, ...] = ("replace", "by_samples", "alpha", "trunk")


@dataclass(frozen=True, slots=True)
class MergePolicy:
    """How imports are merged, and how much the gate tolerates; part of the task's config digest."""

    kind: Kind = "by_samples"
    alpha_permille: int = 500
    """Weight of the imports under `alpha`."""
    head: tuple[str, ...] = ("output.",)
    """Name prefixes that `trunk` keeps."""
    tolerance_ppm: int = 50_000
    """How far the merged model's validation accuracy may fall below the own model's: five points. Honest merges cost
    up to one (`experiments.tune`, worst merge), which the next steps win back; noise or flipped signs cost far more."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"unknown merge policy {self.kind!r}", f"known: {', '.join(KINDS)}")
        if not 0 <= self.alpha_permille <= PERMILLE:
            raise ConfigError(f"alpha_permille {self.alpha_permille} is not between 0 and {PERMILLE}")
        if self.tolerance_ppm < 0:
            raise ConfigError(f"tolerance_ppm {self.tolerance_ppm} is negative")


@dataclass(frozen=True, slots=True)
class Import:
    """A checkpoint that the registry accepted, with the bytes that were verified against it."""

    checkpoint: bytes
    parameters: Parameters
    samples: int
    metrics_hash: bytes
    """What the exporting network claims of its model on the public validation set."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """The gate's word on one import."""

    checkpoint: bytes
    code: Code
    """`Ok`: adopted. Else why not; `OutOfRange` with a merged score stands for a merged model that is too bad."""
    own: Metrics | None
    """The import alone; None when it could not be measured."""
    merged: Metrics | None
    """The merge with what was adopted before it and this import; None when it never came to that."""

    @property
    def adopted(self) -> bool:
        """Whether it became a parent."""
        return self.code is Code.Ok


def merge(
    local: Parameters,
    local_samples: int,
    imports: Sequence[tuple[Parameters, int]],
    policy: MergePolicy,
) -> Parameters:
    """The model to go on from; without imports it is `local`.

    Raises:
        Refused: ManifestMismatch (an import of another architecture, except under `trunk`), OutOfRange (an integer,
        or
            more than 2^24 samples in all), ZeroValue (a model without samples).
    """
    check_range(local)
    for parameters, _ in imports:
        check_range(parameters)
        if policy.kind != "trunk":
            check_shapes(parameters, shapes_of(local))
    weights = [local_samples, *(samples for _, samples in imports)]
    if min(weights) < 1:
        raise Refused(Code.ZeroValue, "samples", "a model without samples has no weight")
    if sum(weights) > MAX_WEIGHT_SUM:
        raise Refused(Code.OutOfRange, "samples", f"{sum(weights)}, at most {MAX_WEIGHT_SUM}")
    if not imports:
        return dict(local)
    return {name: _merge_tensor(name, local, local_samples, imports, policy) for name in sorted(local)}


def adopt(
    network: Network,
    local: Parameters,
    local_samples: int,
    imports: Sequence[Import],
    policy: MergePolicy,
    validation: Samples,
) -> tuple[Parameters, tuple[Adoption, ...]]:
    """The base of the next round and the word on each import; imports are tried in ascending order of checkpoint id.

    Each is merged with those adopted before it, so one bad import costs itself alone. Deterministic: integers, and an
    accuracy that anybody recomputes.
    """
    floor = measure(network, local, validation).accuracy_ppm - policy.tolerance_ppm
    taken: list[tuple[Parameters, int]] = []
    base = merge(local, local_samples, taken, policy)
    verdicts = []
    for candidate in sorted(imports, key=lambda one: one.checkpoint):
        own = merged = None
        code = Code.Ok
        try:
            check_range(candidate.parameters)
            if policy.kind != "trunk":
                check_shapes(candidate.parameters, network.shapes)
                own = measure(network, candidate.parameters, validation)
                if own.hash() != candidate.metrics_hash:
                    raise Refused(Code.ReplayMismatch, "metrics", "the claimed metrics are not reproducible")
            proposal = merge(local, local_samples, [*taken, (candidate.parameters, candidate.samples)], policy)
            merged = measure(network, proposal, validation)
            if merged.accuracy_ppm < floor:
                raise Refused(Code.OutOfRange, "score", f"{merged.accuracy_ppm} ppm is below {floor}")
        except Refused as refusal:
            code = refusal.code
        else:
            taken.append((candidate.parameters, candidate.samples))
            base = proposal
        verdicts.append(Adoption(candidate.checkpoint, code, own, merged))
    return base, tuple(verdicts)


def _merge_tensor(
    name: str,
    local: Parameters,
    local_samples: int,
    imports: Sequence[tuple[Parameters, int]],
    policy: MergePolicy,
) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    own = local[name]
    fitting = [(one[name], samples) for one, samples in imports if name in one and one[name].shape == own.shape]
    if policy.kind == "trunk" and (not fitting or name.startswith(policy.head)):
        return own.copy()
    foreign = np.stack([values.ravel() for values, _ in fitting])
    weights = np.asarray([samples for _, samples in fitting], dtype=np.int64)
    if policy.kind in ("replace", "alpha"):
        result = weighted_mean(foreign, weights)
        if policy.kind == "alpha":
            kept = (PERMILLE - policy.alpha_permille) * own.ravel()
            result = divide_half_up(kept + policy.alpha_permille * result, PERMILLE)
    else:
        result = weighted_mean(
            np.vstack([own.ravel(), foreign]), np.concatenate([np.asarray([local_samples]), weights])
        )
    return result.reshape(own.shape)
