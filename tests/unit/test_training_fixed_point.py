"""Fixed point: the grid is exact, and what is not a small finite number is refused by tensor name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poft.protocol.errors import Code, Refused
from poft.training.fixed_point import (
    BOUND,
    SCALE,
    Parameters,
    check_range,
    check_shapes,
    flatten,
    from_floats,
    shapes_of,
    to_floats,
    unflatten,
)


@given(st.lists(st.integers(-BOUND + 1, BOUND - 1), min_size=1))
def test_integers_survive_the_way_through_float64(integers: list[int]) -> None:
    parameters = {"w": np.asarray(integers, dtype=np.int64)}
    assert from_floats(to_floats(parameters))["w"].tolist() == integers


@given(st.lists(st.floats(-1023.9, 1023.9), min_size=1))
def test_rounding_moves_a_value_by_at_most_half_a_grid_unit(values: list[float]) -> None:
    tensor = np.asarray(values)
    back = to_floats(from_floats({"w": tensor}))["w"]
    assert np.all(np.abs(back - tensor) <= 0.5 / SCALE)


def test_minus_zero_becomes_plus_zero() -> None:
    back = to_floats(from_floats({"w": np.asarray([-0.0, -1e-12])}))["w"]
    assert not np.any(np.signbit(back))


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (float("nan"), Code.NonFinite),
        (float("inf"), Code.NonFinite),
        (-float("inf"), Code.NonFinite),
        (1024.0, Code.OutOfRange),
        (-1024.0, Code.OutOfRange),
        (1e300, Code.OutOfRange),
    ],
)
def test_value_off_the_grid_is_refused_and_names_the_tensor(value: float, code: Code) -> None:
    with pytest.raises(Refused) as refusal:
        from_floats({"fine": np.zeros(2), "layer.weight": np.asarray([0.0, value])})
    assert (refusal.value.code, refusal.value.subject) == (code, "layer.weight")


@pytest.mark.parametrize("integer", [BOUND, -BOUND, (1 << 63) - 1, -(1 << 63)])
def test_integer_outside_the_bound_is_refused(integer: int) -> None:
    with pytest.raises(Refused) as refusal:
        check_range({"a": np.zeros(1, np.int64), "b": np.asarray([0, integer])})
    assert (refusal.value.code, refusal.value.subject) == (Code.OutOfRange, "b")


def test_flat_view_has_tensors_in_name_order() -> None:
    parameters: Parameters = {
        "b": np.asarray([[3, 4], [5, 6]], dtype=np.int64),
        "a": np.asarray([1, 2], dtype=np.int64),
    }
    vector = flatten(parameters)
    assert vector.tolist() == [1, 2, 3, 4, 5, 6]
    back = unflatten(vector, shapes_of(parameters))
    assert list(back) == ["a", "b"]
    assert back["b"].tolist() == [[3, 4], [5, 6]]


def test_vector_of_another_length_is_refused() -> None:
    with pytest.raises(Refused) as refusal:
        unflatten(np.zeros(5, np.int64), {"a": (2,), "b": (2, 2)})
    assert refusal.value.code is Code.SizeMismatch


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"a": np.zeros(2, np.int64)}, Code.ManifestMismatch),
        ({"a": np.zeros(2, np.int64), "c": np.zeros(3, np.int64)}, Code.ManifestMismatch),
        ({"a": np.zeros(2, np.int64), "b": np.zeros(4, np.int64)}, Code.ManifestMismatch),
        ({"a": np.zeros(2, np.int64), "b": np.zeros(3, np.int32)}, Code.UnsupportedDtype),
    ],
)
def test_parameters_of_another_model_are_refused(parameters: Parameters, code: Code) -> None:
    with pytest.raises(Refused) as refusal:
        check_shapes(parameters, {"a": (2,), "b": (3,)})
    assert refusal.value.code is code
