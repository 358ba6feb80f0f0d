"""What is done to networks of several validators while they train, as the experiment's file has it.

A fault begins when its network has finalised a round, and lasts so many seconds: `kill` ends one validator as a power
cut does and starts it again; `partition` cuts the connections between groups of validators; `restart` ends all of them
as a power cut does and starts them from their disks. A fault ends when its network finalises blocks again. Faults of
one network follow each other, those of several run side by side. What was begun stands in `faults.json`: a run that is
resumed does not begin it again, because its networks are started whole and joined.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field, TypeAdapter, model_validator

from experiments.chains import Failover
from experiments.journal import Journal
from poft.chain import Chain, ChainSpec
from poft.config import Settings
from poft.network import Network
from poft.protocol.errors import Unreachable
from poft.whole_file import write_whole

POLL_SECONDS = 0.2


class FaultSettings(Settings):
    """One fault."""

    network: str
    kind: Literal["kill", "partition", "restart"]
    round: int = Field(ge=1)
    """It begins when the network has finalised this round."""
    seconds: float = Field(gt=0, le=3600)
    """How long it lasts."""
    validator: int | None = Field(default=None, ge=0)
    """Who is killed."""
    groups: tuple[tuple[int, ...], ...] = ()
    """Who still sees whom in a partition; together all validators, each once."""

    @model_validator(mode="after")
    def _fits_kind(self) -> FaultSettings:
        if (self.kind == "kill") != (self.validator is not None):
            raise ValueError("kill names a validator, and nothing else does")
        if (self.kind == "partition") != (len(self.groups) > 1):
            raise ValueError("partition names two groups or more, and nothing else does")
        return self

    def check(self, validators: int, rounds: int) -> None:
        """Returns when a network of so many validators, with so many rounds to train, can have this fault.

        Raises:
            ValueError: it cannot.
        """
        if not validators:
            raise ValueError(f"faults are for networks of several validators: {self.network} has none")
        if self.validator is not None and self.validator >= validators:
            raise ValueError(f"{self.network} has no validator {self.validator}")
        named = sorted(at for group in self.groups for at in group)
        if self.groups and named != list(range(validators)):
            raise ValueError(f"groups of a partition of {self.network} name each of its {validators} validators once")
        if self.round >= rounds:
            raise ValueError(f"a fault of {self.network} begins with round {self.round} of {rounds}: too late to show")

    def words(self) -> str:
        """What happens, for people."""
        if self.kind == "kill":
            return f"validator {self.validator} killed"
        if self.kind == "restart":
            return "all validators killed, restarted from disk"
        return "partition " + " | ".join(" ".join(map(str, group)) for group in self.groups)


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that began: when it did and when it ended, in seconds of the run, and how many seconds later the network
    finalised a new block. One that was cut short, with the run, has no end."""

    network: str
    what: str
    began: float
    ended: float = 0.0
    recovered: float = 0.0


@dataclass(frozen=True, slots=True)
class Target:
    """A network that faults befall, how to reach it, and the task whose rounds say when."""

    network: Network
    spec: ChainSpec
    task: bytes


class Faults:
    """The faults of one run. `run` is the body of one network's thread."""

    def __init__(self, faults: Sequence[FaultSettings], path: Path, journal: Journal, stop: threading.Event) -> None:
        self._faults = tuple(faults)
        self._path = path
        self._journal = journal
        self._stop = stop
        self._lock = threading.Lock()

    def of(self, network: str) -> list[int]:
        """Positions of a network's faults that have not begun, in the order in which they are due."""
        begun = self._stored().keys()
        due = [at for at, one in enumerate(self._faults) if one.network == network and at not in begun]
        return sorted(due, key=lambda at: self._faults[at].round)

    def struck(self) -> list[Struck]:
        """What happened so far, in the order of the file."""
        return [one for _, one in sorted(self._stored().items()) if one.ended]

    def run(self, name: str, target: Target) -> None:
        """Lets every fault of a network happen in its time; returns after the last, or when the run stops."""
        due = self.of(name)
        if not due:
            return
        way = Failover(target.spec)
        try:
            for at in due:
                self._until(way, partial(_reached, target.task, self._faults[at].round))
                if not self._stop.is_set():
                    self._strike(at, self._faults[at], target.network, way)
        finally:
            way.close()

    def _strike(self, at: int, fault: FaultSettings, network: Network, way: Failover) -> None:
        began = self._journal.elapsed()
        self._store(at, Struck(fault.network, fault.words(), began))
        self._journal.say("fault", network=fault.network, text=f"{fault.words()}, for {fault.seconds:.0f} s")
        heal = self._begin(fault, network)
        try:
            self._stop.wait(fault.seconds)
        finally:
            heal()
        ended, healed = self._journal.elapsed(), time.monotonic()
        heights: list[int] = []

        def finalises(chain: Chain) -> bool:
            heights.append(chain.height())
            return chain.final_height() > heights[0]

        self._until(way, finalises)
        recovered = round(time.monotonic() - healed, 3)
        self._store(at, Struck(fault.network, fault.words(), began, ended, recovered))
        self._journal.say("fault over", network=fault.network, text=f"a new block was final after {recovered:.1f} s")

    def _until(self, way: Failover, condition: Callable[[Chain], bool]) -> None:
        """Returns when it holds, through whichever validator answers, or when the run stops."""
        while not self._stop.is_set():
            try:
                if condition(way.chain):
                    return
            except Unreachable:
                with suppress(Unreachable):  # nobody answers: the next try says so again
                    way.next()
            self._stop.wait(POLL_SECONDS)

    def _begin(self, fault: FaultSettings, network: Network) -> Callable[[], None]:
        """Does it; returns what undoes it."""
        if fault.validator is not None:
            victim = fault.validator
            network.kill(victim)
            return lambda: network.start([victim])
        if fault.kind == "partition":
            network.part(fault.groups)
            return network.join
        for at in network.positions:
            network.kill(at)
        return network.start

    def _stored(self) -> dict[int, Struck]:
        return _RECORDS.validate_json(self._path.read_text()) if self._path.exists() else {}

    def _store(self, at: int, record: Struck) -> None:
        with self._lock:
            write_whole(self._path, _RECORDS.dump_json({**self._stored(), at: record}, indent=1).decode())


_RECORDS = TypeAdapter(dict[int, Struck])


def _reached(task: bytes, round_number: int, chain: Chain) -> bool:
    return chain.task(task).last_final_round >= round_number
