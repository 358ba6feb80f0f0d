"""The local training step of the `exact` profile, and what a trainer commits to about it.

A step is: draw the batch, take the float64 gradient of the mean cross-entropy (plus the FedProx pull towards the
start, Li et al. 2020), subtract `learning rate · gradient`, round to the 2^-28 grid. There is no optimiser state:
everything that step t + 1 depends on is the parameters after step t and the public stream key, so an auditor replays
one step from one opened state. The subtraction is done in numpy, one rounded operation at a time, because fused
multiply-add would round differently by machine.

Batches: epoch e of the data is the permutation of block e of the key's stream, and step s takes positions s·B ..
(s+1)·B − 1 of the epochs laid end to end. A log of the steps and a log of the samples read are built on the way:

- leaf s of the step log (`trainingRoot`) = keccak(STEP_TYPE ‖ step ‖ digest before ‖ digest of the batch's indices ‖
  digest after), one ABI word each; a state's digest is sha256 of its integers (int64, little endian, tensors in name
  order).
- leaf j of the access log (`accessRoot`) = index of the j-th sample that was read for the first time (one word) ‖
  its digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from poft.protocol.errors import Code, ConfigError, Refused
from poft.protocol.hashing import keccak, sha256, word_uint
from poft.protocol.merkle import log_root

from .data import Samples
from .fixed_point import SCALE, IntVector, Parameters, check_magnitude, flatten, shapes_of, unflatten
from .networks import Network
from .philox import permutation
from .threads import one_thread

if TYPE_CHECKING:
    from torch import Tensor

STEP_TYPE = keccak(b"Step(uint32 step,bytes32 before,bytes32 batch,bytes32 after)")


@dataclass(frozen=True, slots=True)
class StepConfig:
    """What a step does; part of the task's config digest."""

    learning_rate: float
    batch_size: int
    proximal: float = 0.0
    """Weight of FedProx's pull towards the round's base, 0 = plain gradient descent."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.learning_rate < float("inf"):
            raise ConfigError(f"learning_rate {self.learning_rate} is not a finite number ≥ 0")
        if not 0.0 <= self.proximal < float("inf"):
            raise ConfigError(f"proximal {self.proximal} is not a finite number ≥ 0")
        if self.batch_size < 1:
            raise ConfigError(f"batch_size {self.batch_size} is below 1")


@dataclass(frozen=True, slots=True)
class LocalResult:
    """Outcome of one participant's training: the difference to the base and the two logs' leaves."""

    delta: Parameters
    step_leaves: tuple[bytes, ...]
    access_leaves: tuple[bytes, ...]

    @property
    def training_root(self) -> bytes:
        """Root of the step log."""
        return log_root(self.step_leaves)

    @property
    def access_root(self) -> bytes:
        """Root of the access log."""
        return log_root(self.access_leaves)


def train_local(
    network: Network, base: Parameters, samples: Samples, steps: int, config: StepConfig, key: int
) -> LocalResult:
    """Trains `steps` steps from `base`; `key` is the stream of this (seed, task, round, participant).

    Raises:
        Refused: NonFinite or OutOfRange when training diverges, ZeroValue for an empty data set.
    """
    shapes = shapes_of(base)
    start = flatten(base)
    state, before = start, state_digest(start)
    step_leaves, access_leaves = [], []
    seen: set[int] = set()
    batches = _Batches(key, len(samples), config.batch_size)
    with one_thread():
        trainer = _Trainer(network, samples, start, config)
        for step in range(steps):
            batch = batches.at(step)
            state = trainer.step(state, batch)
            after = state_digest(state)
            step_leaves.append(step_leaf(step, before, batch, after))
            before = after
            for index in batch.tolist():
                if index not in seen:
                    seen.add(index)
                    access_leaves.append(word_uint(index, 64) + samples.digest(index))
    return LocalResult(unflatten(state - start, shapes), tuple(step_leaves), tuple(access_leaves))


def replay_step(
    network: Network,
    base: Parameters,
    state: Parameters,
    samples: Samples,
    step: int,
    config: StepConfig,
    key: int,
) -> Parameters:
    """The state after one step from an opened `state`: what an auditor compares with the trainer's next leaf."""
    with one_thread():
        trainer = _Trainer(network, samples, flatten(base), config)
        batch = _Batches(key, len(samples), config.batch_size).at(step)
        return unflatten(trainer.step(flatten(state), batch), shapes_of(base))


def state_digest(state: IntVector) -> bytes:
    """sha256 of the integers, little endian."""
    return sha256(state.astype("<i8", copy=False).tobytes())


def step_leaf(step: int, before: bytes, batch: NDArray[np.int64], after: bytes) -> bytes:
    """Leaf of the step log."""
    return keccak(STEP_TYPE + word_uint(step, 32) + before + sha256(batch.astype("<i8", copy=False).tobytes()) + after)


def batch_indices(key: int, size: int, batch_size: int, step: int) -> NDArray[np.int64]:
    """Indices of the samples that step `step` reads, out of `size`."""
    return _Batches(key, size, batch_size).at(step)


class _Batches:
    """Random access to the batches of a stream; keeps the permutations it has drawn."""

    def __init__(self, key: int, size: int, batch_size: int) -> None:
        if size < 1:
            raise Refused(Code.ZeroValue, "samples", "a participant without data cannot train")
        self._key, self._size, self._batch = key, size, batch_size
        self._epochs: dict[int, NDArray[np.int64]] = {}

    def at(self, step: int) -> NDArray[np.int64]:
        first = step * self._batch
        epochs = range(first // self._size, (first + self._batch - 1) // self._size + 1)
        for epoch in epochs:
            if epoch not in self._epochs:
                self._epochs[epoch] = permutation(self._key, epoch, self._size)
        order: Sequence[NDArray[np.int64]] = [self._epochs[epoch] for epoch in epochs]
        at = first - epochs[0] * self._size
        return np.concatenate(order)[at : at + self._batch]


class _Trainer:
    """Gradient steps over one flat float64 vector that torch sees as named tensors."""

    def __init__(self, network: Network, samples: Samples, base: IntVector, config: StepConfig) -> None:
        import torch

        self._network, self._config = network, config
        self._base = base * (1.0 / SCALE)
        self._values = np.empty_like(self._base)
        whole = torch.from_numpy(self._values)
        self._tensors: dict[str, Tensor] = {}
        at = 0
        for name, shape in network.shapes.items():
            size = int(np.prod(shape))
            self._tensors[name] = whole[at : at + size].view(shape).requires_grad_()
            at += size
        self._features = torch.from_numpy(samples.features)
        self._labels = torch.from_numpy(samples.labels)

    def step(self, state: IntVector, batch: NDArray[np.int64]) -> IntVector:
        """The integers after one step on the samples `batch`."""
        import torch
        from torch.nn.functional import cross_entropy

        np.multiply(state, 1.0 / SCALE, out=self._values)
        chosen = torch.from_numpy(batch)
        logits = self._network.forward(self._tensors, self._features[chosen])
        loss = cross_entropy(logits, self._labels[chosen])
        gradients = torch.autograd.grad(loss, list(self._tensors.values()))
        change = torch.cat([gradient.reshape(-1) for gradient in gradients]).numpy()
        if self._config.proximal:
            change = change + (self._values - self._base) * self._config.proximal
        scaled = np.rint((self._values - change * self._config.learning_rate) * SCALE)
        check_magnitude("state", scaled)
        return scaled.astype(np.int64)
