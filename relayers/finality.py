"""Whether a chain's finality goes on: what both services say when it stops, instead of waiting without a word.

A network that has lost too many validators may go on with its blocks, and finalises none of them; nothing is attested
then, and nothing is carried from it. That is told once when it begins, once when it is over, and shown in between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from poft.protocol.errors import ChainError, Refused

from .log import Level, Log
from .service import Connection, Pulse

LOOK_SECONDS = 1.0
"""How often a relayer asks a chain for its newest final block."""


class News(Enum):
    """What a look at the final height tells."""

    NONE = "nothing new"
    STOPPED = "finality stopped"
    RESUMED = "finality goes on"


@dataclass(slots=True)
class FinalityWatch:
    """Remembers the newest final height and since when it is that; `patience` in seconds. `now` is any steady clock."""

    patience: float
    height: int = -1
    since: float = 0.0
    stopped: bool = False

    def look(self, final: int, now: float) -> News:
        """Takes a look's result. A height below the newest one is a node that is behind: no progress."""
        if final > self.height:
            resumed, self.stopped = self.stopped, False
            self.height, self.since = final, now
            return News.RESUMED if resumed else News.NONE
        if not self.stopped and now - self.since > self.patience:
            self.stopped = True
            return News.STOPPED
        return News.NONE

    def sentence(self, chain: str, best: int, now: float) -> str:
        """What stands where, for people."""
        return (
            f"finality of {chain} stands at block {self.height} for {now - self.since:.0f} s, its best block is {best}"
        )


def tell(news: News, watch: FinalityWatch, chain: str, best: int, now: float, log: Log) -> None:
    """Logs what is new."""
    if news is News.STOPPED:
        log(news.value, Level.ALARM, chain=chain, final=watch.height, best=best, since=f"{now - watch.since:.0f}s")
    elif news is News.RESUMED:
        log(news.value, chain=chain, final=watch.height)


def follow(
    pulse: Pulse,
    connection: Connection,
    watch: FinalityWatch,
    log: Log,
    clock: Callable[[], float],
    show: Callable[[str], None],
) -> None:
    """Watches one chain until the service ends. `show` hears after every look what is the matter: empty, nothing."""
    name, best = connection.spec.name, 0
    # Patience begins now: a chain that cannot be asked yet has not stopped.
    watch.since = clock()
    try:
        while not pulse.stopped:
            final = watch.height
            try:
                chain = connection.chain()
                final, best = chain.final_height(), chain.height()
            except (ChainError, Refused):
                # That it cannot be asked is said by the links. It finalises nothing that anybody here could see.
                connection.drop()
            tell(watch.look(final, clock()), watch, name, best, clock(), log)
            show(watch.sentence(name, best, clock()) if watch.stopped else "")
            pulse.wait(LOOK_SECONDS)
    finally:
        connection.drop()
