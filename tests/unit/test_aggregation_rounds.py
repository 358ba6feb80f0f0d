"""A round: assignment as on the chain, momentum without hidden state, judging, aggregation in a fixed order."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poft.federation.rounds import (
    RoundPolicy,
    accepted_bitmap,
    aggregate_round,
    apply,
    assign_steps,
    judge_updates,
    learning_rate,
    round_metrics,
    scores_root,
    train_participant,
    with_momentum,
)
from poft.protocol.errors import Code, ConfigError, Refused
from poft.protocol.hashing import keccak
from poft.protocol.merkle import EMPTY_ROOT
from poft.training import networks
from poft.training.data import DatasetSplits, load_dataset
from poft.training.fixed_point import BOUND, Parameters, flatten, shapes_of, unflatten
from poft.training.partitions import dirichlet

pytest.importorskip("torch")
pytest.importorskip("sklearn")

POLICY = RoundPolicy(learning_rate=0.5, batch_size=16)
NETWORK = networks.build("mlp", (1, 8, 8), 10)


def address(index: int) -> bytes:
    return index.to_bytes(20, "big")


def zeros_like(base: Parameters, fill: int = 0) -> Parameters:
    return {name: np.full_like(values, fill) for name, values in base.items()}


@pytest.fixture(scope="module")
def splits() -> DatasetSplits:
    return load_dataset("digits", 1)


@pytest.fixture(scope="module")
def base(splits: DatasetSplits) -> Parameters:
    """A model half-way: good enough that a collapse shows."""
    start = networks.initial_parameters(NETWORK, 1)
    done = train_participant(
        NETWORK, start, None, splits.train, 120, POLICY, 1, 2, seed=1, task=b"t", participant=address(0)
    )
    return apply(start, done.update)


@pytest.fixture(scope="module")
def updates(splits: DatasetSplits, base: Parameters) -> dict[bytes, Parameters]:
    parts = dirichlet(splits.train.labels, 10, 0.5, 1, minimum=8)
    return {
        address(i + 1): train_participant(
            NETWORK,
            base,
            None,
            splits.train.take(part),
            4 + 6 * (i % 4),
            POLICY,
            1,
            2,
            seed=1,
            task=b"t",
            participant=address(i + 1),
        ).update
        for i, part in enumerate(parts)
    }


@given(
    st.dictionaries(st.binary(min_size=20, max_size=20), st.integers(1, 2**32 - 1), min_size=1), st.integers(0, 10**6)
)
def test_assignment_gives_one_step_to_all_and_the_others_by_capacity(capacities: dict[bytes, int], spread: int) -> None:
    total = len(capacities) + spread
    steps = assign_steps(capacities, total)
    assert list(steps) == sorted(capacities)
    assert sum(steps.values()) == total
    whole = sum(capacities.values())
    assert all(abs((steps[member] - 1) * whole - spread * capacities[member]) < whole for member in steps)


def test_assignment_breaks_ties_to_the_lower_address() -> None:
    assert list(assign_steps({address(i): 1 for i in (3, 1, 2)}, 5).items()) == [
        (address(1), 2),
        (address(2), 2),
        (address(3), 1),
    ]
    # One each, and 7·(1, 3, 4)/8 = 7/8, 2 5/8, 3 4/8: the two left-over steps go to the first and the second.
    assert list(assign_steps({address(1): 1, address(2): 3, address(3): 4}, 10).values()) == [2, 4, 4]


def test_assignment_leaves_a_step_to_everyone_however_much_one_claims() -> None:
    claims = {address(1): 1, address(2): 2**32 - 1, address(3): 1}
    assert list(assign_steps(claims, 100).values()) == [1, 98, 1]
    assert list(assign_steps(claims, 3).values()) == [1, 1, 1]


def test_assignment_refuses_more_members_than_steps() -> None:
    with pytest.raises(Refused) as refusal:
        assign_steps({address(1): 1, address(2): 1}, 1)
    assert refusal.value.code is Code.TooManyParticipants


@pytest.mark.parametrize("capacities", [{}, {address(1): 0, address(2): 3}])
def test_assignment_refuses_a_round_without_capacity(capacities: dict[bytes, int]) -> None:
    with pytest.raises(Refused) as refusal:
        assign_steps(capacities, 10)
    assert refusal.value.code is Code.ZeroValue


def test_learning_rate_falls_to_nearly_nothing_in_the_closing_round() -> None:
    assert learning_rate(POLICY, 1, 1) == 0.5
    rates = [learning_rate(POLICY, number, 13) for number in range(1, 14)]
    assert rates[0] == 0.5
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < 0.001
    assert all(rate * 2**24 == int(rate * 2**24) for rate in rates)
    assert learning_rate(POLICY, 14, 13) == rates[-1], "a closing round that failed is followed by one beyond"
    with pytest.raises(Refused) as refusal:
        learning_rate(POLICY, 0, 13)
    assert refusal.value.code is Code.WrongRound


def test_momentum_of_a_participant_is_its_last_update_and_nothing_else(base: Parameters) -> None:
    delta, before = zeros_like(base, 101), zeros_like(base, -60)
    assert with_momentum(delta, None, 900) is delta
    # 0.5·(−60) + 0.5·101 = 20.5, halves up.
    assert np.all(flatten(with_momentum(delta, before, 500)) == 21)
    # 0.5·(−61) + 0.5·0 = −30.5, halves up too.
    assert np.all(flatten(with_momentum(zeros_like(base), zeros_like(base, -61), 500)) == -30)


def test_training_follows_seed_task_round_and_participant(splits: DatasetSplits, base: Parameters) -> None:
    samples = splits.train.take(np.arange(60))

    def update(seed: int = 1, task: bytes = b"t", number: int = 1, who: int = 1) -> bytes:
        done = train_participant(
            NETWORK, base, None, samples, 3, POLICY, number, 9, seed=seed, task=task, participant=address(who)
        )
        assert (done.samples, done.steps, done.dataset_root) == (60, 3, samples.root)
        return flatten(done.update).tobytes() + done.training_root + done.access_root

    variants = [update(), update(seed=2), update(task=b"u"), update(number=2), update(who=2)]
    assert len(set(variants)) == 5
    assert update() == variants[0]


def test_honest_updates_over_skewed_data_are_all_accepted(
    splits: DatasetSplits, base: Parameters, updates: dict[bytes, Parameters]
) -> None:
    findings = judge_updates(NETWORK, base, updates, POLICY, splits.validation)
    assert [finding.code for finding in findings.values()] == [Code.Ok] * 10
    assert accepted_bitmap(list(updates), findings) == 0b1111111111


def test_verifier_refuses_each_bad_update_by_name_and_accepts_the_others(
    splits: DatasetSplits, base: Parameters, updates: dict[bytes, Parameters]
) -> None:
    honest = updates[address(4)]
    longer = {name: values * 50 for name, values in honest.items()}
    wrecking = {name: -values for name, values in base.items()}
    wrecking["output.bias"] = wrecking["output.bias"] + (1 << 24)
    posted = {
        **updates,
        address(2): zeros_like(base),
        address(3): {name: values for name, values in honest.items() if name != "output.bias"},
        address(5): zeros_like(base, BOUND),
        address(6): longer,
        address(7): {name: values.astype(np.int32) for name, values in honest.items()},
        address(8): wrecking,
    }
    findings = judge_updates(NETWORK, base, posted, POLICY, splits.validation)
    assert {member[-1]: finding.code for member, finding in findings.items() if not finding.accepted} == {
        2: Code.ZeroValue,
        3: Code.ManifestMismatch,
        5: Code.OutOfRange,
        6: Code.OutOfRange,
        7: Code.UnsupportedDtype,
        8: Code.OutOfRange,
    }
    assert accepted_bitmap(sorted(posted), findings) == 0b1100001001


def test_update_that_would_leave_the_range_with_its_base_is_refused(splits: DatasetSplits, base: Parameters) -> None:
    high = zeros_like(base, BOUND - 1)
    findings = judge_updates(NETWORK, high, {address(1): zeros_like(base, 1)}, POLICY, splits.validation)
    assert findings[address(1)].code is Code.OutOfRange


def test_scores_root_binds_index_code_and_score(
    splits: DatasetSplits, base: Parameters, updates: dict[bytes, Parameters]
) -> None:
    findings = judge_updates(NETWORK, base, updates, POLICY, splits.validation)
    members = sorted(updates)
    root = scores_root(members, findings)
    assert root != EMPTY_ROOT
    first = members[0]
    for other in (
        {**findings, first: replace(findings[first], score_ppm=findings[first].score_ppm + 1)},
        {**findings, first: replace(findings[first], code=Code.OutOfRange)},
    ):
        assert scores_root(members, other) != root
    assert scores_root([address(99), *members], findings) != root


def test_closing_round_drops_momentum_and_moves_the_model_little(splits: DatasetSplits, base: Parameters) -> None:
    samples = splits.train.take(np.arange(60))

    def moved(number: int, previous: Parameters | None) -> Parameters:
        return train_participant(
            NETWORK, base, previous, samples, 5, POLICY, number, 9, seed=1, task=b"t", participant=address(1)
        ).update

    before = moved(1, None)
    closing = moved(9, before)
    assert np.array_equal(flatten(closing), flatten(moved(9, None)))
    assert np.linalg.norm(flatten(closing)) < np.linalg.norm(flatten(before)) / 100


def test_server_factor_scales_the_aggregate(base: Parameters) -> None:
    accepted = {address(1): (zeros_like(base, 3), 1)}
    doubled = aggregate_round(base, accepted, replace(POLICY, server_permille=2000), 0)
    halved = aggregate_round(base, accepted, replace(POLICY, server_permille=500), 0)
    assert np.all(flatten(doubled) == flatten(base) + 6)
    assert np.all(flatten(halved) == flatten(base) + 2)


@pytest.mark.parametrize("rule", ["robust", "fedavg", "krum", "bucketing+median"])
def test_aggregate_does_not_depend_on_the_order_of_arrival(
    base: Parameters, updates: dict[bytes, Parameters], rule: str
) -> None:
    policy = replace(POLICY, rule=rule, faulty_permille=200)
    accepted = {member: (update, 10 + member[-1]) for member, update in updates.items()}
    backwards = dict(reversed(accepted.items()))
    one, two = aggregate_round(base, accepted, policy, 5), aggregate_round(base, backwards, policy, 5)
    assert flatten(one).tobytes() == flatten(two).tobytes()
    assert list(one) == sorted(base)


def test_sign_flipping_third_spoils_fedavg_and_not_the_robust_rule(
    splits: DatasetSplits, base: Parameters, updates: dict[bytes, Parameters]
) -> None:
    attacked = {
        member: ({name: -8 * values for name, values in update.items()} if member[-1] <= 3 else update, 50)
        for member, update in updates.items()
    }

    def accuracy(rule: str) -> int:
        policy = replace(POLICY, rule=rule, faulty_permille=300)
        return round_metrics(NETWORK, aggregate_round(base, attacked, policy, 0), splits.validation).accuracy_ppm

    start = round_metrics(NETWORK, base, splits.validation).accuracy_ppm
    assert accuracy("robust") > start - 20_000
    assert accuracy("fedavg") < start - 100_000


def test_aggregate_refuses_an_update_of_another_model_and_an_empty_round(base: Parameters) -> None:
    with pytest.raises(Refused) as refusal:
        aggregate_round(base, {address(1): (unflatten(np.zeros(2, np.int64), {"a": (2,)}), 1)}, POLICY, 0)
    assert refusal.value.code is Code.ManifestMismatch
    with pytest.raises(Refused) as refusal:
        aggregate_round(base, {}, POLICY, 0)
    assert refusal.value.code is Code.TooFewParticipants


def test_aggregate_outside_the_range_is_refused(base: Parameters) -> None:
    high = zeros_like(base, BOUND - 1)
    with pytest.raises(Refused) as refusal:
        aggregate_round(high, {address(1): (zeros_like(base, 1), 1)}, POLICY, 0)
    assert refusal.value.code is Code.OutOfRange


def test_metrics_hash_is_keccak_of_the_canonical_text(splits: DatasetSplits, base: Parameters) -> None:
    metrics = round_metrics(NETWORK, base, splits.validation)
    text = b'{"accuracyPpm":%d,"correct":%d,"total":359}' % (metrics.correct * 10**6 // 359, metrics.correct)
    assert metrics.encode() == text
    assert metrics.hash() == keccak(text)
    assert json.loads(text)["accuracyPpm"] == metrics.accuracy_ppm
    assert shapes_of(base) == dict(NETWORK.shapes)


@pytest.mark.parametrize(
    "broken",
    [
        {"rule": "best"},
        {"momentum_permille": 1000},
        {"faulty_permille": 500},
        {"norm_factor": 0},
        {"server_permille": 0},
        {"floor_permille": 1001},
    ],
)
def test_round_policy_refuses_nonsense(broken: dict[str, int | str]) -> None:
    with pytest.raises(ConfigError):
        replace(POLICY, **broken)  # type: ignore[arg-type]
