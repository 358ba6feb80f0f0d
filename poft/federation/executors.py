"""Where the heavy work of many participants runs: in this process, or in one process a core.

An executor maps a function over arguments and returns results in the order of the arguments, so that what is hashed
does not depend on who finished first. Functions and arguments are picklable; a failure is raised where it is awaited.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Protocol, TypeVar

from poft.protocol.errors import ConfigError

A = TypeVar("A")
R = TypeVar("R")


class Executor(Protocol):
    """Maps work over participants."""

    def map(self, work: Callable[[A], R], items: Sequence[A]) -> list[R]:
        """`[work(item) for item in items]`, wherever it runs."""
        ...

    def close(self) -> None:
        """Ends whatever was started."""
        ...


class SerialExecutor:
    """In this process, one after the other: the plain loop that the others must equal."""

    def map(self, work: Callable[[A], R], items: Sequence[A]) -> list[R]:
        """`[work(item) for item in items]`."""
        return [work(item) for item in items]

    def close(self) -> None:
        """Nothing was started."""


class ProcessExecutor:
    """A pool of worker processes, started by spawning so that no thread's state is inherited half-way.

    Workers leave Ctrl-C to their parent, and end with it.
    """

    def __init__(self, workers: int = 0) -> None:
        self._pool = ProcessPoolExecutor(
            workers or os.cpu_count() or 1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_ignore_interrupts,
        )

    def map(self, work: Callable[[A], R], items: Sequence[A]) -> list[R]:
        """`[work(item) for item in items]`, spread over the workers."""
        return list(self._pool.map(work, items))

    def close(self) -> None:
        """Drops work that has not begun and ends the workers."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def get(name: str, workers: int = 0) -> Executor:
    """The executor of this name: `serial` or `process`."""
    if name == "serial":
        return SerialExecutor()
    if name == "process":
        return ProcessExecutor(workers)
    raise ConfigError(f"no executor {name!r}", "Choose serial or process")


def _ignore_interrupts() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
