"""Chooses the demo's training settings: the same rounds as on the chains, in memory, without chains.

    python -m experiments.tune --seeds 1 2 3 --rounds 13 --exchange-every 2     # validation accuracy: to choose with
    python -m experiments.tune --seeds 1 2 3 4 5 --on test                      # once, when everything is chosen

For each seed five networks train on the same samples from the same start: two isolated, two that exchange models, and
one pooled federation of all participants. Nothing here stands for a chain's rules: deadlines, votes and proofs do not
exist; updates are judged and imports pass the gate as in the runner.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field

import numpy as np

from poft.federation.merging import Import, MergePolicy, adopt
from poft.federation.rounds import (
    RoundPolicy,
    aggregate_round,
    assign_steps,
    judge_updates,
    round_metrics,
    round_seed,
    train_participant,
)
from poft.training import networks
from poft.training.data import DatasetSplits, Samples, load_dataset
from poft.training.fixed_point import Parameters
from poft.training.networks import Network
from poft.training.partitions import by_label, dirichlet

TASK = b"tune"


@dataclass(frozen=True, slots=True)
class Setting:
    """What is tuned; the defaults are the demo's."""

    dataset: str = "digits"
    network: str = "mlp"
    participants: int = 10
    """Per network; capacities are 1, 2, 3, 4, 1, 2, ... times the smallest."""
    leak: float = 0.05
    """Share of each label's samples that lie in the other network."""
    alpha: float = 1.0
    """Of the Dirichlet draw inside a network."""
    minimum: int = 30
    """Fewest samples of a participant."""
    rounds: int = 13
    exchange_every: int = 1
    steps: int = 240
    """Per network and round; the pooled federation has twice as many for twice the participants."""
    policy: RoundPolicy = field(
        default_factory=lambda: RoundPolicy(
            learning_rate=0.5, batch_size=16, momentum_permille=500, server_permille=2000, faulty_permille=300
        )
    )
    merge: MergePolicy = field(default_factory=MergePolicy)


@dataclass(frozen=True, slots=True)
class Member:
    """A participant: its samples and its capacity."""

    samples: Samples
    capacity: int


@dataclass(slots=True)
class Federation:
    """One network's state: the last final model and each member's last accepted update."""

    network: Network
    members: dict[bytes, Member]
    model: Parameters
    steps: int
    previous: dict[bytes, Parameters] = field(default_factory=dict)
    refused: int = 0

    @property
    def samples(self) -> int:
        """Weight of the model when networks merge."""
        return sum(len(member.samples) for member in self.members.values())

    def run_round(self, setting: Setting, number: int, base: Parameters, validation: Samples, seed: int) -> None:
        """One round from `base`."""
        policy = setting.policy
        steps = assign_steps({key: member.capacity for key, member in self.members.items()}, self.steps)
        updates = {
            key: train_participant(
                self.network,
                base,
                self.previous.get(key),
                self.members[key].samples,
                count,
                policy,
                number,
                setting.rounds,
                seed=seed,
                task=TASK,
                participant=key,
            ).update
            for key, count in steps.items()
            if count
        }
        findings = judge_updates(self.network, base, updates, policy, validation)
        accepted = {key: update for key, update in updates.items() if findings[key].accepted}
        self.refused += len(updates) - len(accepted)
        self.previous.update(accepted)
        weighted = {key: (update, len(self.members[key].samples)) for key, update in accepted.items()}
        self.model = aggregate_round(base, weighted, policy, round_seed(seed, TASK, number))


@dataclass(frozen=True, slots=True)
class Outcome:
    """Accuracies in per cent after the last round, and the worst change that an adopted or refused merge brought."""

    isolated: float
    cross: tuple[float, float]
    pooled: float
    worst_merge: float
    refused: int
    seconds: float

    @property
    def cross_mean(self) -> float:
        """Mean of the two networks that exchange."""
        return sum(self.cross) / 2


def partition(setting: Setting, splits: DatasetSplits, seed: int) -> list[dict[bytes, Member]]:
    """Members of the two networks: labels split between the networks, then a Dirichlet draw inside each."""
    nets = []
    for number, half in enumerate(by_label(splits.train.labels, 2, setting.leak, seed)):
        labels = splits.train.labels[half]
        parts = dirichlet(labels, setting.participants, setting.alpha, 10 * seed + number, setting.minimum)
        nets.append(
            {
                bytes([number + 1]) + i.to_bytes(19, "big"): Member(splits.train.take(half[part]), 1 + i % 4)
                for i, part in enumerate(parts)
            }
        )
    return nets


def run(setting: Setting, seed: int, report: str) -> Outcome:
    """All five networks of one seed, measured on the part of the data that `report` names."""
    started = time.perf_counter()
    splits = load_dataset(setting.dataset, seed)
    network = networks.build(setting.network, splits.input_shape, splits.classes)
    start = networks.initial_parameters(network, seed)
    halves = partition(setting, splits, seed)
    isolated = [Federation(network, half, start, setting.steps) for half in halves]
    cross = [Federation(network, half, start, setting.steps) for half in halves]
    pooled = Federation(network, {**halves[0], **halves[1]}, start, 2 * setting.steps)
    validation, worst = splits.validation, 100.0

    def percent(model: Parameters, samples: Samples) -> float:
        return round_metrics(network, model, samples).accuracy_ppm / 10_000

    for number in range(1, setting.rounds + 1):
        for federation in (*isolated, pooled):
            federation.run_round(setting, number, federation.model, validation, seed)
        bases = [federation.model for federation in cross]
        if number > 1 and (number - 1) % setting.exchange_every == 0:
            for at, (own, other) in enumerate(zip(cross, reversed(cross), strict=True)):
                claimed = round_metrics(network, other.model, validation).hash()
                offer = Import(bytes([2 - at]) * 32, other.model, other.samples, claimed)
                bases[at], (word,) = adopt(network, own.model, own.samples, [offer], setting.merge, validation)
                if word.merged is not None:
                    worst = min(worst, word.merged.accuracy_ppm / 10_000 - percent(own.model, validation))
        for federation, base in zip(cross, bases, strict=True):
            federation.run_round(setting, number, base, validation, seed)
    samples = splits.test if report == "test" else validation
    finals = [percent(federation.model, samples) for federation in (*isolated, *cross, pooled)]
    return Outcome(
        isolated=(finals[0] + finals[1]) / 2,
        cross=(finals[2], finals[3]),
        pooled=finals[4],
        worst_merge=worst,
        refused=sum(federation.refused for federation in (*isolated, *cross, pooled)),
        seconds=time.perf_counter() - started,
    )


def main() -> None:
    """Prints one line per seed and the means."""
    chosen = Setting()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--on", choices=("validation", "test"), default="validation")
    parser.add_argument("--dataset", default=chosen.dataset)
    parser.add_argument("--network", default=chosen.network)
    parser.add_argument("--leak", type=float, default=chosen.leak)
    parser.add_argument("--alpha", type=float, default=chosen.alpha)
    parser.add_argument("--rounds", type=int, default=chosen.rounds)
    parser.add_argument("--exchange-every", type=int, default=chosen.exchange_every)
    parser.add_argument("--steps", type=int, default=chosen.steps)
    parser.add_argument("--rate", type=float, default=chosen.policy.learning_rate)
    parser.add_argument("--batch", type=int, default=chosen.policy.batch_size)
    parser.add_argument("--proximal", type=float, default=chosen.policy.proximal)
    parser.add_argument("--momentum", type=int, default=chosen.policy.momentum_permille, help="permille")
    parser.add_argument("--server", type=int, default=chosen.policy.server_permille, help="permille")
    parser.add_argument("--rule", default=chosen.policy.rule)
    parser.add_argument("--faulty", type=int, default=chosen.policy.faulty_permille, help="permille")
    args = parser.parse_args()
    setting = Setting(
        dataset=args.dataset,
        network=args.network,
        leak=args.leak,
        alpha=args.alpha,
        rounds=args.rounds,
        exchange_every=args.exchange_every,
        steps=args.steps,
        policy=RoundPolicy(
            learning_rate=args.rate,
            batch_size=args.batch,
            proximal=args.proximal,
            momentum_permille=args.momentum,
            server_permille=args.server,
            rule=args.rule,
            faulty_permille=args.faulty,
        ),
    )
    print(f"{args.on} accuracy, per cent")
    print(" seed  isolated  cross A  cross B   pooled  gain   gap  worst merge  refused  seconds")
    outcomes = [run(setting, seed, args.on) for seed in args.seeds]
    for seed, one in zip(args.seeds, outcomes, strict=True):
        print(
            f"{seed:5d}  {one.isolated:8.2f} {one.cross[0]:8.2f} {one.cross[1]:8.2f} {one.pooled:8.2f} "
            f"{one.cross_mean - one.isolated:5.1f} {one.cross_mean - one.pooled:+5.2f} {one.worst_merge:+12.2f} "
            f"{one.refused:8d} {one.seconds:8.1f}"
        )
    gains = [one.cross_mean - one.isolated for one in outcomes]
    gaps = [one.cross_mean - one.pooled for one in outcomes]
    print(
        f"gain {np.mean(gains):.2f} (least {min(gains):.2f}), gap {np.mean(gaps):+.2f} (worst {min(gaps):+.2f}), "
        f"pooled {np.mean([one.pooled for one in outcomes]):.2f}"
    )


if __name__ == "__main__":
    main()
