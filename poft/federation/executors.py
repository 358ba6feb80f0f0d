"""Where the heavy work of many participants runs: in this process, or in one process a core.

An executor maps a function over arguments and returns results in the order of the arguments, so that what is hashed
does not depend on who finished first. Functions and arguments are picklable; a failure is raised where it is awaited.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
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
    """In this process, one after the other, whichever thread asks: the plain loop that the others must equal."""

    def __init__(self) -> None:
        # The number of torch's threads, which jobs set to one and back, belongs to the whole process.
        self._turn = threading.Lock()

    def map(self, work: Callable[[A], R], items: Sequence[A]) -> list[R]:
        """`[work(item) for item in items]`."""
        with self._turn:
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
            initializer=_prepare_worker,
        )

    def map(self, work: Callable[[A], R], items: Sequence[A]) -> list[R]:
        """`[work(item) for item in items]`, spread over the workers.

        Raises:
            ConfigError: a worker was killed; what it had computed is lost, and nothing else.
        """
        try:
            return list(self._pool.map(work, items))
        except BrokenProcessPool as error:
            remedy = "If memory ran out, use fewer workers or the serial executor; then start again"
            raise ConfigError("a worker process was killed", remedy) from error

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


def _prepare_worker() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()


def _end_with_parent() -> None:
    """Ends this worker when its parent is gone: one that was killed with -9 tells its workers nothing."""
    if (parent := multiprocessing.parent_process()) is not None:
        wait([parent.sentinel])
        os._exit(1)
