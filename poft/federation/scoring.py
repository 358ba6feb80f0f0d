"""What is claimed, hashed and compared about a model's quality: integers in one canonical JSON text.

`metricsHash` of a checkpoint = keccak of `{"accuracyPpm":…,"correct":…,"total":…}` (UTF-8, sorted keys, no white
space) measured on the task's public validation set.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from poft.protocol.hashing import keccak
from poft.training.data import Samples
from poft.training.evaluate import score
from poft.training.fixed_point import Parameters
from poft.training.networks import Network


@dataclass(frozen=True, slots=True)
class Metrics:
    """Validation result of a model."""

    accuracy_ppm: int
    correct: int
    total: int

    def encode(self) -> bytes:
        """The canonical text."""
        record = {"accuracyPpm": self.accuracy_ppm, "correct": self.correct, "total": self.total}
        return json.dumps(record, sort_keys=True, separators=(",", ":")).encode()

    def hash(self) -> bytes:
        """`metricsHash`."""
        return keccak(self.encode())


def measure(network: Network, parameters: Parameters, samples: Samples) -> Metrics:
    """Metrics of a model on these samples."""
    result = score(network, parameters, samples.features, samples.labels)
    return Metrics(result.ppm, result.correct, result.total)
