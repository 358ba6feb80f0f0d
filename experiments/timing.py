"""How benchmarks take time: the median over repetitions, after one that warms up."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median


def timed(work: Callable[[], object], repetitions: int = 5) -> float:
    """Median milliseconds of one call; the first call warms up and does not count."""
    work()
    samples = []
    for _ in range(repetitions):
        began = time.perf_counter()
        work()
        samples.append(1000 * (time.perf_counter() - began))
    return median(samples)
