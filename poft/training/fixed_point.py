"""Parameters as 64-bit integers on a grid of 2^-28 (design of the `exact` profile).

A parameter set is a dict from tensor name to int64 array, **in ascending order of the names**; value = integer ·
2^-28. Every integer is smaller than 2^38 in absolute value, so |value| < 1024 and the conversion to float64 (53-bit
significand) and back is exact. Zero has one representation: integers have no −0. What is refused: NaN and infinities
(`NonFinite`), values outside of the range (`OutOfRange`); the refusal names the tensor.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from poft.protocol.errors import Code, Refused

GRID_BITS = 28
SCALE = float(1 << GRID_BITS)
BOUND = 1 << 38
"""Exclusive bound of |integer|: 10 bits before and 28 after the binary point. 64 of them sum to less than 2^44."""

IntVector = NDArray[np.int64]
Parameters = dict[str, NDArray[np.int64]]
Shapes = Mapping[str, tuple[int, ...]]


def to_floats(parameters: Mapping[str, NDArray[np.int64]]) -> dict[str, NDArray[np.float64]]:
    """The float64 tensors that these integers stand for, exact, in name order."""
    return {name: parameters[name].astype(np.float64) * (1.0 / SCALE) for name in sorted(parameters)}


def from_floats(tensors: Mapping[str, NDArray[np.float64]]) -> Parameters:
    """Rounds float64 tensors to the grid, halves to even.

    Raises:
        Refused: NonFinite, OutOfRange; the subject is the tensor's name.
    """
    return {name: round_to_grid(name, tensors[name]) for name in sorted(tensors)}


def round_to_grid(name: str, values: NDArray[np.float64]) -> NDArray[np.int64]:
    """One tensor rounded to the grid, halves to even; scaling by 2^28 is exact, so this rounds once."""
    if not np.all(np.isfinite(values)):
        raise Refused(Code.NonFinite, name)
    limit = BOUND / SCALE
    scaled = np.rint(np.clip(values, -limit, limit) * SCALE)
    check_magnitude(name, scaled)
    return scaled.astype(np.int64)


def check_magnitude(name: str, scaled: NDArray[np.float64]) -> None:
    """Refuses float64 grid counts that are no numbers or too large."""
    largest = float(np.max(np.abs(scaled), initial=0.0))
    if not np.isfinite(largest):
        raise Refused(Code.NonFinite, name)
    if largest >= BOUND:
        raise Refused(Code.OutOfRange, name, f"|value| {largest / SCALE:.6g} is not below {BOUND / SCALE:.0f}")


def check_range(parameters: Mapping[str, NDArray[np.int64]]) -> None:
    """Refuses (`OutOfRange`) integers that are not inside the bound; the subject is the tensor's name."""
    for name, values in parameters.items():
        # Two comparisons and no abs(): |-2^63| is not an int64.
        if values.size and (values.max() >= BOUND or values.min() <= -BOUND):
            raise Refused(Code.OutOfRange, name, "an integer is not below 2^38")


def shapes_of(parameters: Mapping[str, NDArray[np.int64]]) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor, in name order."""
    return {name: parameters[name].shape for name in sorted(parameters)}


def flatten(parameters: Mapping[str, NDArray[np.int64]]) -> IntVector:
    """All integers in one vector: tensors in name order, each in C order."""
    return np.concatenate([parameters[name].ravel() for name in sorted(parameters)] or [np.empty(0, np.int64)])


def unflatten(vector: IntVector, shapes: Shapes) -> Parameters:
    """The inverse of `flatten` for these shapes; another length is refused (`SizeMismatch`)."""
    sizes = {name: int(np.prod(shapes[name], dtype=np.int64)) for name in sorted(shapes)}
    if vector.shape != (sum(sizes.values()),):
        raise Refused(Code.SizeMismatch, "vector", f"shape {vector.shape} for {sum(sizes.values())} integers")
    parameters, at = {}, 0
    for name, size in sizes.items():
        parameters[name] = vector[at : at + size].reshape(shapes[name])
        at += size
    return parameters


def check_shapes(parameters: Mapping[str, NDArray[np.int64]], shapes: Shapes) -> None:
    """Refuses (`ManifestMismatch`) other tensor names, shapes or number types than the model's."""
    if sorted(parameters) != sorted(shapes):
        raise Refused(Code.ManifestMismatch, "tensors", f"{sorted(parameters)} where {sorted(shapes)} are due")
    for name in sorted(shapes):
        if parameters[name].dtype != np.int64:
            raise Refused(Code.UnsupportedDtype, name, f"{parameters[name].dtype} where int64 is due")
        if parameters[name].shape != tuple(shapes[name]):
            raise Refused(Code.ManifestMismatch, name, f"shape {parameters[name].shape}, due {shapes[name]}")
