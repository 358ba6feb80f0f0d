"""Scores of a model on labelled samples, as integers: what is hashed or compared must not be a float.

Verifiers, score gates and reports share these functions. The validation set is public and part of a task, so anybody
recomputes a claimed score. A tie between logits goes to the lower class, a rounding difference in a logit does not
move a score unless two classes tie to the last bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .fixed_point import Parameters, to_floats
from .networks import Network
from .threads import one_thread

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Score:
    """Correct answers out of all."""

    correct: int
    total: int

    @property
    def ppm(self) -> int:
        """Accuracy in parts per million, rounded down; an empty set scores zero."""
        return self.correct * MILLION // self.total if self.total else 0


def predict(network: Network, parameters: Parameters, features: NDArray[np.float64]) -> NDArray[np.int64]:
    """The class with the largest logit for every sample, the lower class on a tie."""
    import torch

    with one_thread(), torch.no_grad():
        tensors = {name: torch.from_numpy(values) for name, values in to_floats(parameters).items()}
        logits = network.forward(tensors, torch.from_numpy(np.ascontiguousarray(features))).numpy()
    classes: NDArray[np.int64] = np.argmax(logits, axis=1).astype(np.int64)
    return classes


def score(network: Network, parameters: Parameters, features: NDArray[np.float64], labels: NDArray[np.int64]) -> Score:
    """How many of these samples the model classifies rightly."""
    return Score(int(np.count_nonzero(predict(network, parameters, features) == labels)), len(labels))


def accuracy(network: Network, parameters: Parameters, features: NDArray[np.float64], labels: NDArray[np.int64]) -> int:
    """Accuracy in parts per million."""
    return score(network, parameters, features, labels).ppm
