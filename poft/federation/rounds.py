"""The pure functions of a round, in the order in which they are used: assign, train, judge, aggregate.

The runner calls them while a task runs, and `poft verify` calls them again afterwards: whatever they return follows
from the ledger, the artifact store and the task's config alone. A participant is its 20-byte address; wherever order
matters it is ascending.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import cos, isqrt, pi

import numpy as np

from poft.protocol.errors import Code, ConfigError, Refused
from poft.protocol.hashing import word_uint
from poft.protocol.merkle import log_root
from poft.training.data import Samples
from poft.training.fixed_point import Parameters, check_range, check_shapes, flatten, shapes_of, unflatten
from poft.training.local import StepConfig, train_local
from poft.training.networks import Network
from poft.training.philox import stream_key

from .aggregation import Context, get
from .aggregation.contract import MAX_UPDATES, MAX_WEIGHT_SUM
from .aggregation.integers import divide_half_up, squared_norm
from .scoring import Metrics, measure

PERMILLE = 1000
MAX_SERVER_PERMILLE = 10_000
"""10^4 · 2^38 < 2^52: scaling an update cannot overflow, only leave the range, which is refused."""
MAX_SAMPLES = MAX_WEIGHT_SUM // MAX_UPDATES
"""Samples behind one update that a verifier accepts. A trainer states the number itself; without a bound one of them
could push the sum beyond what an aggregation rule takes, and no member could compute the round's model."""
RATE_UNITS = 1 << 24
"""Learning rates are multiples of 2^-24, so that the last bit of a library's cosine cannot matter."""
CLOSING_SHARE = 1 / 1000
"""Of the learning rate, in the closing round. Not zero: an update that returns the base is refused."""


@dataclass(frozen=True, slots=True)
class RoundPolicy:
    """How a task trains and judges; part of its config digest."""

    learning_rate: float
    """Of the first round; falls along a half cosine to nearly zero in the last one."""
    batch_size: int
    proximal: float = 0.0
    momentum_permille: int = 500
    """β of the client momentum."""
    server_permille: int = 1000
    """Factor on the aggregated update: 1000 / (1 − β) makes client momentum heavy-ball momentum."""
    rule: str = "robust"
    faulty_permille: int = 300
    """Share of the accepted updates that the rule assumes dishonest, rounded down to whole updates."""
    floor_permille: int = 250
    """Least validation accuracy of base + update, as a share of the base's. Low on purpose: a label-skewed
    participant pulls so hard towards its own classes that honest updates alone lose up to half; this catches
    collapse, the rule withstands the rest."""
    norm_factor: int = 32
    """How many times longer than the round's median an update may be. Steps differ by capacity, and late in training
    most participants have next to nothing left to learn: honest ratios up to 12 were measured."""

    def __post_init__(self) -> None:
        if not 0 <= self.momentum_permille < PERMILLE:
            raise ConfigError(f"momentum_permille {self.momentum_permille} is not in 0 .. {PERMILLE - 1}")
        if not 1 <= self.server_permille <= MAX_SERVER_PERMILLE:
            raise ConfigError(f"server_permille {self.server_permille} is not in 1 .. {MAX_SERVER_PERMILLE}")
        if not 0 <= self.faulty_permille < PERMILLE // 2:
            raise ConfigError(
                f"faulty_permille {self.faulty_permille} is not in 0 .. {PERMILLE // 2 - 1}",
                "no rule withstands a dishonest half",
            )
        if not 0 <= self.floor_permille <= PERMILLE:
            raise ConfigError(f"floor_permille {self.floor_permille} is not in 0 .. {PERMILLE}")
        if self.norm_factor < 1:
            raise ConfigError(f"norm_factor {self.norm_factor} is below 1")
        get(self.rule)


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a participant posts for a round, before signing."""

    update: Parameters
    samples: int
    steps: int
    training_root: bytes
    dataset_root: bytes
    access_root: bytes


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verifier's finding on one update."""

    code: Code
    """`Ok`: accepted. Else the rule that the update broke."""
    score_ppm: int
    """Validation accuracy of base + update; zero when it could not be measured."""

    @property
    def accepted(self) -> bool:
        """Whether the verifier sets the bit."""
        return self.code is Code.Ok


def assign_steps(capacities: Mapping[bytes, int], total: int) -> dict[bytes, int]:
    """One step for every member; the others of `total` by capacity with largest remainder, ties to the lower address
    (docs/federation.md, `startRound`).

    Twins: `Assignment.sol`, the federation pallet. The result is in ascending order of address.
    """
    members = sorted(capacities)
    whole = sum(capacities.values())
    if not members or min(capacities.values()) < 1:
        raise Refused(Code.ZeroValue, "capacity", "a round has members, and members have capacity")
    spread = total - len(members)
    if spread < 0:
        raise Refused(Code.TooManyParticipants, "members", f"{len(members)} of them, {total} steps")
    steps = {member: 1 + spread * capacities[member] // whole for member in members}
    by_remainder = sorted(members, key=lambda member: (-(spread * capacities[member] % whole), member))
    for member in by_remainder[: total - sum(steps.values())]:
        steps[member] += 1
    return steps


def learning_rate(policy: RoundPolicy, round_number: int, rounds: int) -> float:
    """Rate of a round (from 1): half a cosine from the full rate towards zero, and next to nothing in the closing
    round.

    The last of several rounds is the closing one: it takes over what the last exchange merged and must not pull the
    networks apart again, so it trains at a thousandth of the rate and without momentum.
    """
    if round_number < 1:
        raise Refused(Code.WrongRound, "round", f"{round_number} of {rounds}")
    if is_closing(round_number, rounds):
        share = CLOSING_SHARE
    else:
        share = (1 + cos(pi * (round_number - 1) / max(1, rounds - 1))) / 2
    return round(policy.learning_rate * share * RATE_UNITS) / RATE_UNITS


def is_closing(round_number: int, rounds: int) -> bool:
    """Whether this is the task's closing round; a task of one round has none.

    A failed round uses its number up, so a closing round that failed is followed by one with a number beyond.
    """
    return rounds > 1 and round_number >= rounds


def train_participant(
    network: Network,
    base: Parameters,
    previous: Parameters | None,
    samples: Samples,
    steps: int,
    policy: RoundPolicy,
    round_number: int,
    rounds: int,
    *,
    seed: int,
    task: bytes,
    participant: bytes,
) -> Contribution:
    """Trains from `base` and folds the result into the participant's momentum.

    `previous` is its update in the last final round in which it was accepted, None if there is none: the state of the
    momentum is on the ledger and in the store, so a restarted participant goes on as if it had never stopped.
    """
    config = StepConfig(learning_rate(policy, round_number, rounds), policy.batch_size, policy.proximal)
    key = stream_key("train", seed, task, round_number, participant)
    result = train_local(network, base, samples, steps, config, key)
    momentum = 0 if is_closing(round_number, rounds) else policy.momentum_permille
    return Contribution(
        with_momentum(result.delta, previous, momentum),
        len(samples),
        steps,
        result.training_root,
        samples.root,
        result.access_root,
    )


def with_momentum(delta: Parameters, previous: Parameters | None, momentum_permille: int) -> Parameters:
    """m(r) = β·m(r − 1) + (1 − β)·delta, each integer rounded to the nearest, halves up; m = delta the first time.

    |β·m + (1 − β)·delta| < 1000 · 2^38, far inside int64, and a mean never leaves the range of its parts.
    """
    if previous is None:
        return delta
    check_shapes(previous, shapes_of(delta))
    return {
        name: divide_half_up(
            momentum_permille * previous[name] + (PERMILLE - momentum_permille) * delta[name], PERMILLE
        )
        for name in delta
    }


def judge_updates(
    network: Network,
    base: Parameters,
    updates: Mapping[bytes, Parameters],
    policy: RoundPolicy,
    validation: Samples,
) -> dict[bytes, Judgement]:
    """A verifier's findings on all updates whose bytes matched their digests, by ascending address.

    1. names, shapes and number types are the model's (`ManifestMismatch`, `UnsupportedDtype`); 2. integers are in
    range, and so is base + update (`OutOfRange`); 3. the update is not empty (`ZeroValue`: a free-rider returns the
    base); 4. it is no longer than `norm_factor` times the median length (`OutOfRange`); 5. base + update scores at
    least the set share of base's accuracy (`OutOfRange`).
    """
    sound: dict[bytes, int] = {}
    refusals: dict[bytes, Code] = {}
    for member in sorted(updates):
        try:
            sound[member] = _squared_length(base, updates[member])
        except Refused as refusal:
            refusals[member] = refusal.code
    # Lower median: with an even count the shorter of the two in the middle decides.
    lengths = sorted(sound.values())
    longest = policy.norm_factor**2 * lengths[(len(lengths) - 1) // 2] if lengths else 0
    floor = measure(network, base, validation).accuracy_ppm * policy.floor_permille // PERMILLE
    findings = {}
    for member in sorted(updates):
        if member in refusals:
            findings[member] = Judgement(refusals[member], 0)
            continue
        score = measure(network, apply(base, updates[member]), validation).accuracy_ppm
        ok = sound[member] <= longest and score >= floor
        findings[member] = Judgement(Code.Ok if ok else Code.OutOfRange, score)
    return findings


def accepted_bitmap(members: Sequence[bytes], findings: Mapping[bytes, Judgement]) -> int:
    """`Verdict.accepted`: bit i for member i of the round's list."""
    return sum(1 << i for i, member in enumerate(members) if member in findings and findings[member].accepted)


def scores_root(members: Sequence[bytes], findings: Mapping[bytes, Judgement]) -> bytes:
    """`Verdict.scoresRoot`: log over the judged members in order; leaf = index ‖ code ‖ score in ppm, one word
    each."""
    return log_root(
        word_uint(i, 32) + word_uint(findings[member].code, 8) + word_uint(findings[member].score_ppm, 32)
        for i, member in enumerate(members)
        if member in findings
    )


def aggregate_round(
    base: Parameters, accepted: Mapping[bytes, tuple[Parameters, int]], policy: RoundPolicy, seed: int
) -> Parameters:
    """The round's model: base + server factor · rule(accepted updates). `accepted` maps a participant to (update,
    samples).

    Every member computes this; the ledger takes what more than two thirds of them computed.
    """
    members = sorted(accepted)
    if not members:
        raise Refused(Code.TooFewParticipants, "updates", "nothing to aggregate")
    shapes = shapes_of(base)
    for member in members:
        check_shapes(accepted[member][0], shapes)
    rows = np.stack([flatten(accepted[member][0]) for member in members])
    weights = np.asarray([accepted[member][1] for member in members], dtype=np.int64)
    context = Context(len(members) * policy.faulty_permille // PERMILLE, seed)
    update = get(policy.rule)(rows, weights, context)
    scaled = divide_half_up(policy.server_permille * update, PERMILLE)
    return apply(base, unflatten(scaled, shapes))


def round_seed(seed: int, task: bytes, round_number: int) -> int:
    """Public randomness of a round for rules that draw."""
    return stream_key("aggregate", seed, task, round_number)


def round_metrics(network: Network, model: Parameters, validation: Samples) -> Metrics:
    """What a checkpoint claims of its model; its hash is the checkpoint's `metricsHash`."""
    return measure(network, model, validation)


def apply(base: Parameters, update: Parameters) -> Parameters:
    """base + update; refuses (`OutOfRange`) a sum outside of the range."""
    result = {name: base[name] + update[name] for name in sorted(base)}
    check_range(result)
    return result


def update_length(update: Parameters) -> int:
    """Euclidean length in grid units, rounded down."""
    return isqrt(squared_norm(flatten(update)))


def _squared_length(base: Parameters, update: Parameters) -> int:
    check_shapes(update, shapes_of(base))
    check_range(update)
    apply(base, update)
    square = squared_norm(flatten(update))
    if square == 0:
        raise Refused(Code.ZeroValue, "update", "returns the base unchanged")
    return square
