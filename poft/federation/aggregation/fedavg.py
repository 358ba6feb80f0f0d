"""FedAvg (McMahan et al. 2017): the mean weighted by samples. Withstands nobody: one update moves it anywhere."""

from __future__ import annotations

from poft.training.fixed_point import IntVector

from .contract import Context, Updates, Weights
from .integers import weighted_mean


def fedavg(updates: Updates, weights: Weights, context: Context) -> IntVector:  # noqa: ARG001 - one signature
    """Σ samples·update / Σ samples."""
    return weighted_mean(updates, weights)
