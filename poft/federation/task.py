"""What a task trains, and how: the configuration whose digest stands on the ledger.

A third party that has this file, the ledgers and the artifact store repeats every decision of the task. All networks
of an experiment run tasks of one configuration; a `Share` says which part of the data a network holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pydantic import Field, model_validator

from poft.config import Settings, canonical
from poft.federation.merging import MergePolicy
from poft.federation.rounds import RoundPolicy
from poft.training import networks
from poft.training.data import DatasetSplits, Samples, load_dataset
from poft.training.networks import Network
from poft.training.partitions import by_label, dirichlet, iid


class DataSettings(Settings):
    """Which data, and who holds it.

    `by_label` deals whole classes out to networks and lets a share `leak` of each go to the others; `dirichlet` draws
    each class's shares with `alpha`; `iid` does not skew. Inside of a network, participants share by Dirichlet.
    """

    set: str = "digits"
    between_networks: Literal["by_label", "dirichlet", "iid"] = "by_label"
    leak: float = Field(default=0.05, ge=0, le=1)
    alpha: float = Field(default=0.1, gt=0)
    participant_alpha: float = Field(default=1.0, gt=0)
    participant_minimum: int = Field(default=30, ge=1)


class ExchangeSettings(Settings):
    """How a network goes on from what arrives: see `poft.federation.merging`."""

    every: int = Field(default=2, ge=1, description="rounds between exports")
    policy: Literal["replace", "by_samples", "alpha", "trunk"] = "by_samples"
    alpha_permille: int = Field(default=500, ge=0, le=1000)
    tolerance_ppm: int = Field(default=50_000, ge=0)


class TrainingSettings(Settings):
    """How a round trains and judges: see `poft.federation.rounds.RoundPolicy`."""

    network: str = "mlp"
    steps_per_round: int = Field(default=240, ge=1, lt=2**32)
    learning_rate: float = Field(default=0.5, gt=0)
    batch_size: int = Field(default=16, ge=1)
    proximal: float = Field(default=0.05, ge=0)
    momentum_permille: int = Field(default=500, ge=0, lt=1000)
    rule: str = "robust"
    server_permille: int = Field(default=1500, ge=1, le=10_000)
    faulty_permille: int = Field(default=200, ge=0, lt=500)
    floor_permille: int = Field(default=250, ge=0, le=1000)
    norm_factor: int = Field(default=32, ge=1)


class TaskSettings(Settings):
    """A task's whole configuration; its digest is the ledger's `configDigest`."""

    seed: int = Field(default=1, ge=0, lt=2**63)
    rounds: int = Field(default=13, ge=1)
    shares: tuple[tuple[int, ...], ...]
    """For every network the capacities (samples per second) of its participants."""
    data: DataSettings = DataSettings()
    training: TrainingSettings = TrainingSettings()
    exchange: ExchangeSettings = ExchangeSettings()

    @model_validator(mode="after")
    def _fits(self) -> TaskSettings:
        if not self.shares or any(not share or min(share) < 1 for share in self.shares):
            raise ValueError("every network needs participants, and every participant a capacity of at least 1")
        return self

    def round_policy(self) -> RoundPolicy:
        """The rounds' policy."""
        chosen = self.training.model_dump(exclude={"network", "steps_per_round"})
        return RoundPolicy(**chosen)

    def merge_policy(self) -> MergePolicy:
        """The imports' policy."""
        exchange = self.exchange
        return MergePolicy(
            kind=exchange.policy, alpha_permille=exchange.alpha_permille, tolerance_ppm=exchange.tolerance_ppm
        )


@dataclass(frozen=True, slots=True)
class Workspace:
    """A task's data and network, loaded: `holdings[network][participant]` are the samples that one of them holds."""

    settings: TaskSettings
    splits: DatasetSplits
    network: Network
    holdings: tuple[tuple[Samples, ...], ...]

    def pooled(self) -> tuple[Samples, ...]:
        """Every participant's samples, network by network: the one federation of the pooled baseline."""
        return tuple(samples for share in self.holdings for samples in share)


@lru_cache(maxsize=4)
def open_workspace(canonical_settings: bytes) -> Workspace:
    """The workspace of a configuration in its canonical encoding; kept, since every job of a worker asks for it."""
    settings = TaskSettings.model_validate_json(canonical_settings)
    for policy in (settings.round_policy, settings.merge_policy):
        policy()  # refuses what cannot work now, and not in the first round
    splits = load_dataset(settings.data.set, settings.seed)
    network = networks.build(settings.training.network, splits.input_shape, splits.classes)
    data, train = settings.data, splits.train
    count = len(settings.shares)
    least = data.participant_minimum * max(len(share) for share in settings.shares)
    if data.between_networks == "by_label":
        parts = by_label(train.labels, count, data.leak, settings.seed, least)
    elif data.between_networks == "dirichlet":
        parts = dirichlet(train.labels, count, data.alpha, settings.seed, least)
    else:
        parts = iid(train.labels, count, settings.seed, least)
    holdings = []
    for at, (part, share) in enumerate(zip(parts, settings.shares, strict=True)):
        owned = train.take(part)
        inner = dirichlet(
            owned.labels, len(share), data.participant_alpha, settings.seed + at + 1, data.participant_minimum
        )
        holdings.append(tuple(owned.take(indices) for indices in inner))
    return Workspace(settings, splits, network, tuple(holdings))


def workspace(settings: TaskSettings) -> Workspace:
    """The workspace of these settings."""
    return open_workspace(canonical(settings))
