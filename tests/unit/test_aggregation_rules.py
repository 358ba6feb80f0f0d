"""What every aggregation rule promises, and what a dishonest minority cannot do.

1. order: coordinate rules give the same bytes whatever the order of rows (rounds sort them anyway)
2. range: no coordinate leaves what the updates span; f dishonest updates cannot drag a robust rule out of the
   honest span
3. translation: shifting all updates shifts the result
4. exactness: Gram matrices and means equal those of Python's integers, at the largest values too, on any thread count
5. refusals: what no rule may see is refused by name
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from poft.federation.aggregation import Context, get
from poft.federation.aggregation.integers import divide_half_up, gram, squared_norm, weighted_mean
from poft.protocol.errors import Code, ConfigError, Refused
from poft.training.fixed_point import BOUND

RULES = ["centred_clipping", "fedavg", "geometric_median", "krum", "median", "multi_krum", "robust", "trimmed_mean"]
ROBUST = ["robust", "trimmed_mean", "median", "nnm+median"]
LARGEST = BOUND - 1


def matrices(
    rows: tuple[int, int] = (5, 12), columns: int = 6, largest: int = LARGEST
) -> st.SearchStrategy[NDArray[np.int64]]:
    """Update matrices with small, large and equal entries."""
    values = st.one_of(st.integers(-largest, largest), st.integers(-3, 3), st.sampled_from([largest, -largest]))
    return st.integers(*rows).flatmap(
        lambda count: st.lists(
            st.lists(values, min_size=columns, max_size=columns), min_size=count, max_size=count
        ).map(lambda table: np.asarray(table, dtype=np.int64))
    )


def ones(updates: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.ones(len(updates), dtype=np.int64)


@pytest.mark.parametrize("name", RULES)
@given(updates=matrices())
@settings(max_examples=30, deadline=None)
def test_rule_stays_inside_the_span_of_the_updates(name: str, updates: NDArray[np.int64]) -> None:
    result = get(name)(updates, ones(updates), Context(faulty=1))
    # One unit: centred clipping rounds offsets and their mean separately.
    assert np.all(result <= updates.max(axis=0) + 1)
    assert np.all(result >= updates.min(axis=0) - 1)
    assert result.dtype == np.int64


@pytest.mark.parametrize("name", RULES)
@given(updates=matrices(rows=(5, 9), largest=1 << 30), shift=st.integers(-(1 << 30), 1 << 30))
@settings(max_examples=30, deadline=None)
def test_rule_is_translation_equivariant(name: str, updates: NDArray[np.int64], shift: int) -> None:
    context = Context(faulty=1)
    plain = get(name)(updates, ones(updates), context)
    shifted = get(name)(updates + shift, ones(updates), context)
    assert np.array_equal(shifted, plain + shift)


@pytest.mark.parametrize("name", ["fedavg", "median", "trimmed_mean"])
@given(updates=matrices(), order=st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_coordinate_rules_do_not_depend_on_row_order(name: str, updates: NDArray[np.int64], order: object) -> None:
    rows = list(range(len(updates)))
    order.shuffle(rows)  # type: ignore[attr-defined]
    weights = np.arange(1, len(updates) + 1, dtype=np.int64)
    context = Context(faulty=1)
    assert np.array_equal(get(name)(updates, weights, context), get(name)(updates[rows], weights[rows], context))


@pytest.mark.parametrize("name", ROBUST)
@given(honest=matrices(rows=(7, 7), largest=1 << 20), wild=matrices(rows=(3, 3)))
@settings(max_examples=60, deadline=None)
def test_three_of_ten_cannot_move_a_robust_rule_out_of_the_honest_range(
    name: str, honest: NDArray[np.int64], wild: NDArray[np.int64]
) -> None:
    updates = np.vstack([wild, honest])
    result = get(name)(updates, ones(updates), Context(faulty=3))
    if name.startswith(("robust", "nnm")):
        # A dishonest row that displaced an honest one among the nearest was no farther away than that one: at most the
        # diameter of the honest values, √columns · 2 · 2^20.
        width = np.sqrt(updates.shape[1]) * (2 << 20) + 1
        assert np.all(result <= honest.max(axis=0) + width)
        assert np.all(result >= honest.min(axis=0) - width)
    else:
        assert np.all(result <= honest.max(axis=0))
        assert np.all(result >= honest.min(axis=0))


@pytest.mark.parametrize("name", ["krum", "multi_krum", "geometric_median", "centred_clipping"])
def test_three_of_ten_far_away_barely_move_a_selection_rule(name: str) -> None:
    draw = np.random.Generator(np.random.Philox(7))
    honest = draw.integers(-(1 << 16), 1 << 16, (7, 400))
    updates = np.vstack([honest, np.full((3, 400), LARGEST)])
    result = get(name)(updates, ones(updates), Context(faulty=3))
    centre = np.median(honest, axis=0)
    # The geometric median's bound for a share a of outliers is 2(1 − a) / (1 − 2a) (Minsker 2015): 3.5 for 0.3.
    assert np.linalg.norm(result - centre) < 3.5 * np.linalg.norm(honest - centre, axis=1).max()


def test_fedavg_follows_a_single_attacker() -> None:
    updates = np.vstack([np.zeros((9, 4), dtype=np.int64), np.full((1, 4), LARGEST)])
    moved = get("fedavg")(updates, ones(updates), Context(faulty=3))
    assert np.all(moved > LARGEST // 11)


@given(updates=matrices(rows=(1, 6)))
@settings(max_examples=40, deadline=None)
def test_gram_matrix_equals_python_integers(updates: NDArray[np.int64]) -> None:
    table = updates.tolist()
    expected = [[sum(a * b for a, b in zip(left, right, strict=True)) for right in table] for left in table]
    assert gram(updates).tolist() == expected


def test_gram_matrix_is_exact_at_the_largest_values_over_several_blocks() -> None:
    columns = (1 << 15) + 3
    updates = np.full((2, columns), 2 * LARGEST, dtype=np.int64)
    updates[1] *= -1
    assert gram(updates).tolist() == [
        [columns * 4 * LARGEST**2, -columns * 4 * LARGEST**2],
        [-columns * 4 * LARGEST**2, columns * 4 * LARGEST**2],
    ]
    assert squared_norm(updates[0]) == columns * 4 * LARGEST**2


@given(numerator=st.integers(-(1 << 61), 1 << 61), denominator=st.integers(1, 1 << 24))
def test_division_rounds_to_nearest_halves_up(numerator: int, denominator: int) -> None:
    result = int(divide_half_up(np.asarray([numerator]), denominator)[0])
    error = Fraction(numerator, denominator) - result
    assert Fraction(-1, 2) <= error < Fraction(1, 2)


def test_weighted_mean_does_not_overflow_at_its_limits() -> None:
    weights = np.full(64, (1 << 24) // 64, dtype=np.int64)
    for value in (LARGEST, -LARGEST):
        assert weighted_mean(np.full((64, 2), value, dtype=np.int64), weights).tolist() == [value, value]


def test_geometric_median_is_the_middle_point_of_a_line() -> None:
    updates = np.asarray([[0, 0], [10 << 20, 0], [11 << 20, 0], [12 << 20, 0], [1000 << 20, 0]], dtype=np.int64)
    result = get("geometric_median")(updates, ones(updates), Context(faulty=1))
    assert abs(int(result[0]) - (11 << 20)) < 1 << 19
    assert result[1] == 0


def test_bucketing_draws_buckets_from_the_seed_alone() -> None:
    updates = np.arange(10, dtype=np.int64)[:, None] ** 2
    rule = get("bucketing+median")
    first = [int(rule(updates, ones(updates), Context(1, seed))[0]) for seed in range(8)]
    again = [int(rule(updates, ones(updates), Context(1, seed))[0]) for seed in range(8)]
    assert first == again
    assert len(set(first)) > 1


THREADS = """
import hashlib, numpy as np
from poft.federation.aggregation import Context, get
draw = np.random.Generator(np.random.Philox(3))
updates = draw.integers(-2**37, 2**37, (20, 70_000))
weights = draw.integers(1, 1000, 20)
digest = hashlib.sha256()
for name in ("robust", "krum", "geometric_median", "centred_clipping", "fedavg"):
    digest.update(get(name)(updates, weights, Context(6, 5)).tobytes())
print(digest.hexdigest())
"""


def test_aggregates_are_the_same_bytes_on_one_and_two_threads() -> None:
    digests = set()
    for threads in ("1", "2"):
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
        done = subprocess.run(
            [sys.executable, "-c", THREADS], env={**os.environ, **limits}, capture_output=True, text=True, check=True
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1
    assert len(digests.pop()) == hashlib.sha256().digest_size * 2


@pytest.mark.parametrize(
    ("updates", "weights", "faulty", "code"),
    [
        (np.zeros((0, 3), np.int64), np.zeros(0, np.int64), 0, Code.TooFewParticipants),
        (np.zeros((65, 3), np.int64), np.ones(65, np.int64), 0, Code.TooManyParticipants),
        (np.zeros((4, 3), np.int64), np.ones(3, np.int64), 0, Code.SizeMismatch),
        (np.zeros((4, 3), np.float64), np.ones(4, np.int64), 0, Code.UnsupportedDtype),
        (np.zeros((4, 3), np.int64), np.asarray([1, 1, 0, 1]), 0, Code.ZeroValue),
        (np.zeros((4, 3), np.int64), np.asarray([1, 1, 1, 1 << 24]), 0, Code.OutOfRange),
        (np.zeros((4, 3), np.int64), np.full(4, (1 << 63) - 1), 0, Code.OutOfRange),
        (np.full((4, 3), BOUND, np.int64), np.ones(4, np.int64), 0, Code.OutOfRange),
        (np.full((4, 3), -(1 << 63), np.int64), np.ones(4, np.int64), 0, Code.OutOfRange),
        (np.zeros((4, 3), np.int64), np.ones(4, np.int64), 4, Code.TooFewParticipants),
        (np.zeros((4, 3), np.int64), np.ones(4, np.int64), 2, Code.TooFewParticipants),
    ],
)
def test_robust_rule_refuses_what_no_rule_may_see(
    updates: NDArray[np.int64], weights: NDArray[np.int64], faulty: int, code: Code
) -> None:
    with pytest.raises(Refused) as refusal:
        get("robust")(updates, weights, Context(faulty))
    assert refusal.value.code is code


def test_krum_refuses_fewer_than_two_f_plus_three() -> None:
    updates = np.zeros((8, 2), dtype=np.int64)
    with pytest.raises(Refused) as refusal:
        get("krum")(updates, ones(updates), Context(faulty=3))
    assert refusal.value.code is Code.TooFewParticipants


@pytest.mark.parametrize("name", ["mean", "nnm", "mixing+median", "robust+krum", ""])
def test_unknown_rule_is_a_config_error_that_lists_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigError, match="known:"):
        get(name)
