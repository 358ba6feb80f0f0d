"""Jobs: what is computed for a round, in a form that any executor can carry to another process.

A job names its task's configuration; the process that runs it loads data and network once (`open_workspace`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from poft.federation.merging import Adoption, Import, adopt
from poft.federation.rounds import (
    Contribution,
    Judgement,
    aggregate_round,
    judge_updates,
    round_seed,
    train_participant,
)
from poft.federation.scoring import Metrics, measure
from poft.federation.task import open_workspace
from poft.training.fixed_point import Parameters


@dataclass(frozen=True, slots=True)
class TrainJob:
    """One participant's training in one round. `name` is its stable name: the key of its random stream."""

    settings: bytes
    network: int
    participant: int
    name: bytes
    round: int
    steps: int
    base: Parameters
    previous: Parameters | None


def train(job: TrainJob) -> Contribution:
    """Runs a `TrainJob`. The random stream does not depend on chain or task id, so baselines train alike."""
    space = open_workspace(job.settings)
    return train_participant(
        space.network,
        job.base,
        job.previous,
        space.holdings[job.network][job.participant],
        job.steps,
        space.settings.round_policy(),
        job.round,
        space.settings.rounds,
        seed=space.settings.seed,
        task=b"",
        participant=job.name,
    )


def timed_train(job: TrainJob) -> tuple[Contribution, int]:
    """Runs a `TrainJob`; also the milliseconds that it took, at least 1."""
    began = time.monotonic()
    made = train(job)
    return made, max(1, round(1000 * (time.monotonic() - began)))


@dataclass(frozen=True, slots=True)
class JudgeJob:
    """A verifier's work on a round: all updates whose bytes matched their digests."""

    settings: bytes
    base: Parameters
    updates: Mapping[bytes, Parameters]


def judge(job: JudgeJob) -> dict[bytes, Judgement]:
    """Runs a `JudgeJob`."""
    space = open_workspace(job.settings)
    return judge_updates(space.network, job.base, job.updates, space.settings.round_policy(), space.splits.validation)


@dataclass(frozen=True, slots=True)
class AdoptJob:
    """The gate before a round: the own last model and the imports that are due."""

    settings: bytes
    local: Parameters
    local_samples: int
    imports: Sequence[Import]


def adoption(job: AdoptJob) -> tuple[Parameters, tuple[Adoption, ...]]:
    """Runs an `AdoptJob`: the base of the round and the word on each import."""
    space = open_workspace(job.settings)
    return adopt(
        space.network,
        job.local,
        job.local_samples,
        job.imports,
        space.settings.merge_policy(),
        space.splits.validation,
    )


@dataclass(frozen=True, slots=True)
class AggregateJob:
    """The end of a round: accepted updates with their samples, by participant."""

    settings: bytes
    base: Parameters
    accepted: Mapping[bytes, tuple[Parameters, int]]
    round: int


def aggregate(job: AggregateJob) -> tuple[Parameters, Metrics]:
    """Runs an `AggregateJob`: the round's model and what its checkpoint claims of it."""
    space = open_workspace(job.settings)
    seed = round_seed(space.settings.seed, b"", job.round)
    model = aggregate_round(job.base, job.accepted, space.settings.round_policy(), seed)
    return model, measure(space.network, model, space.splits.validation)


@dataclass(frozen=True, slots=True)
class MeasureJob:
    """Accuracy on the held-out test set: for reports, never for decisions."""

    settings: bytes
    model: Parameters


def test_accuracy(job: MeasureJob) -> Metrics:
    """Runs a `MeasureJob`."""
    space = open_workspace(job.settings)
    return measure(space.network, job.model, space.splits.test)
