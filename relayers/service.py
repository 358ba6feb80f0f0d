"""What both services share: stopping on signals, waiting with a kick, and chain connections that heal."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from poft.chain import Chain, ChainSpec, connect
from poft.protocol.errors import Unreachable

MAX_BACKOFF = 30.0
"""Seconds between two tries of something that keeps failing."""

T = TypeVar("T")


class Pulse:
    """Waits that a kick or a stop cuts short, for any number of threads."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._beat = 0
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether the service is to end."""
        return self._stopped

    @property
    def beat(self) -> int:
        """Counts kicks; take it before looking, so that no kick is lost while looking."""
        return self._beat

    def kick(self) -> None:
        """Ends all waits now."""
        with self._condition:
            self._beat += 1
            self._condition.notify_all()

    def stop(self) -> None:
        """Ends the service."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()

    def wait(self, seconds: float, seen: int | None = None) -> None:
        """Waits until the time is over, a kick came after beat `seen`, or the service is to end."""
        seen = self._beat if seen is None else seen
        with self._condition:
            self._condition.wait_for(lambda: self._stopped or self._beat != seen, seconds)


@contextmanager
def stop_on_signals(pulse: Pulse) -> Iterator[None]:
    """SIGINT and SIGTERM stop the service; a second one has its default effect."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(_number: int, _frame: FrameType | None) -> None:
        for number, handler in before.items():
            signal.signal(number, handler)
        # Not from the handler itself: the main thread may hold the lock that `stop` takes.
        threading.Thread(target=pulse.stop, daemon=True).start()

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Connection:
    """A chain of one thread; made when it is first used, and anew after `drop`."""

    def __init__(self, spec: ChainSpec, connector: Callable[[ChainSpec], Chain] = connect) -> None:
        self.spec = spec
        self._connector = connector
        self._chain: Chain | None = None

    def chain(self) -> Chain:
        """The chain; raises as `poft.chain.connect` does."""
        if self._chain is None:
            self._chain = self._connector(self.spec)
        return self._chain

    def drop(self) -> None:
        """Ends the connection, so that the next use makes a new one."""
        if self._chain is not None:
            self._chain.close()
            self._chain = None


def persist(
    pulse: Pulse, attempt: Callable[[], T], failed: Callable[[BaseException], None], limit_seconds: float | None = None
) -> T:
    """What `attempt` returns, tried again while it raises `Unreachable`, with growing random pauses.

    `failed` hears of every failure. With a limit, or when the service is stopped, the last failure is raised.
    """

    def over(state: RetryCallState) -> bool:
        elapsed = state.seconds_since_start or 0.0
        return pulse.stopped or (limit_seconds is not None and elapsed >= limit_seconds)

    def tell(state: RetryCallState) -> None:
        if state.outcome is not None and (error := state.outcome.exception()) is not None:
            failed(error)

    return Retrying(
        retry=retry_if_exception_type(Unreachable),
        wait=wait_random_exponential(multiplier=0.2, max=MAX_BACKOFF),
        stop=over,
        before_sleep=tell,
        sleep=pulse.wait,
        reraise=True,
    )(attempt)
