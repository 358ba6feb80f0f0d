"""What the exchange is compared with: every network alone, and all participants in one federation.

Both use the same jobs, seeds, steps and rules as the networks on their chains; only ledger and exchange are absent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from poft.config import canonical
from poft.federation.executors import Executor
from poft.federation.rounds import assign_steps
from poft.federation.simulation import Trainer, trainers
from poft.federation.task import TaskSettings, workspace
from poft.federation.work import AggregateJob, JudgeJob, MeasureJob, TrainJob, aggregate, judge, test_accuracy, train
from poft.training.fixed_point import Parameters
from poft.training.networks import initial_parameters


@dataclass(frozen=True, slots=True)
class Place:
    """A trainer and the network whose data it holds a part of."""

    trainer: Trainer
    network: int


@dataclass(frozen=True, slots=True)
class Curve:
    """Test accuracy (ppm) after every round, round 0 first."""

    name: str
    accuracy_ppm: tuple[int, ...]


def isolated(
    settings: TaskSettings, names: Sequence[str], at: int, executor: Executor, tick: Callable[[], None]
) -> Curve:
    """Network `at` without any exchange."""
    places = [Place(one, at) for one in trainers(settings, at, names[at])]
    return _train(f"{names[at]} alone", settings, places, settings.training.steps_per_round, executor, tick)


def pooled(settings: TaskSettings, names: Sequence[str], executor: Executor, tick: Callable[[], None]) -> Curve:
    """One federation of all participants; its rounds have the steps of all networks together."""
    places = [Place(one, at) for at, name in enumerate(names) for one in trainers(settings, at, name)]
    steps = settings.training.steps_per_round * len(names)
    return _train("pooled", settings, places, steps, executor, tick)


def _train(
    name: str,
    settings: TaskSettings,
    places: Sequence[Place],
    steps: int,
    executor: Executor,
    tick: Callable[[], None],
) -> Curve:
    encoded, space = canonical(settings), workspace(settings)
    by_address = {place.trainer.address: place for place in sorted(places, key=lambda place: place.trainer.address)}
    assigned = assign_steps({address: place.trainer.capacity for address, place in by_address.items()}, steps)
    model = initial_parameters(space.network, settings.seed)
    momentum: dict[bytes, Parameters] = {}
    models = [model]
    for round_number in range(1, settings.rounds + 1):
        working = [address for address, share in assigned.items() if share]
        jobs = [
            TrainJob(
                encoded,
                by_address[address].network,
                by_address[address].trainer.holding,
                by_address[address].trainer.name.encode(),
                round_number,
                assigned[address],
                model,
                momentum.get(address),
            )
            for address in working
        ]
        made = dict(zip(working, executor.map(train, jobs), strict=True))
        updates = {address: one.update for address, one in made.items()}
        findings = executor.map(judge, [JudgeJob(encoded, model, updates)])[0]
        accepted = {a: (one.update, one.samples) for a, one in made.items() if findings[a].accepted}
        momentum.update({address: update for address, (update, _) in accepted.items()})
        model, _ = executor.map(aggregate, [AggregateJob(encoded, model, accepted, round_number)])[0]
        models.append(model)
        tick()
    scores = executor.map(test_accuracy, [MeasureJob(encoded, one) for one in models])
    return Curve(name, tuple(score.accuracy_ppm for score in scores))
