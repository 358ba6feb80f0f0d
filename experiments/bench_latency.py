"""How long a packet takes over a link between two networks of four validators, and how many a link carries.

Real blocks at one a second, four GRANDPA validators and four Clique signers on this machine, an attestor beside each,
one relayer. A packet is *final* when the source's node calls the block that holds it final, and *accepted* when the
inbox has consumed it in the destination's best block; both are looked at every `LOOK_SECONDS`, from outside. The limit
is what blocks cost: a delivery waits for the next block of the destination, up to one block time, and the goal for the
95th percentile is twice the block times of both chains together.

`sustained` is what a link carries when packets never run out: a backlog is delivered, one packet a transaction or more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

from poft.chain import Chain, ChainSpec, Peer, connect
from poft.protocol.errors import Unreachable
from poft.verification.schemes.cmt1 import CommitteeGenesis

from .bursts import Exporter
from .chains import one_endpoint, start_network, stop_chain, wait_until_final
from .services import (
    GATHER_SECONDS,
    Attestor,
    Service,
    payer_secret,
    prepare_attestors,
    prepare_relayers,
    start_all,
    stop_all,
)

KINDS = {"alpha": "evm", "beta": "substrate"}
LINKS = (("alpha", "beta"), ("beta", "alpha"))
VALIDATORS = 4
ATTESTORS = 4
PACKETS = 100
"""Each way, one a second."""
BATCHES = {1: 16, 8: 64, 32: 128}
"""Packets in a transaction → packets of the backlog, each way."""
GATHERS = (0.0, GATHER_SECONDS)
"""Before and after: what it brings that the relayer pauses."""
BLOCK_SECONDS = 1.0
"""Of both chains."""
LOOK_SECONDS = 0.05
PATIENCE = 600.0
_DRIFT, _STALENESS = 3600, 86_400


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from final on the source to accepted on the destination, over all packets of one direction; and from the
    pool of the source to final, which is the source's own affair. `gather`: the relayer's pause after a delivery to
    Clique."""

    link: str
    packets: int
    p50: float
    p95: float
    longest: float
    goal: float
    gather: float
    to_final_p50: float


@dataclass(frozen=True, slots=True)
class Sustained:
    """Packets a second over one link whose backlog does not run out, at most so many in a transaction."""

    link: str
    batch: int
    packets: int
    per_second: float


@dataclass(slots=True)
class Side:
    """One network of the bench."""

    name: str
    spec: ChainSpec
    chain: Chain
    exporter: Exporter
    attestors: list[Attestor]


def _say(line: str) -> None:
    print(line, flush=True)


def measure(
    packets: int = PACKETS,
    batches: dict[int, int] | None = None,
    tell: Callable[[str], None] = _say,
) -> tuple[list[Latency], list[Sustained]]:
    """Both ways at once: first the latency, then what the link sustains with every size of a batch."""
    with ExitStack() as ending:
        folder = Path(ending.enter_context(TemporaryDirectory(prefix="poft-latency-")))
        tell("starting two networks of four validators")
        sides, services = _linked(folder, ending)
        found = []
        for gather in GATHERS:
            tell(f"{packets} packets each way, one a second, gathered for {gather} s")
            for one in _latency(folder, sides, packets, gather):
                tell(f"{one.link}: p50 {one.p50} s, p95 {one.p95} s, longest {one.longest} s")
                found.append(one)
        sustained = []
        for batch, backlog in (BATCHES if batches is None else batches).items():
            tell(f"a backlog of {backlog} packets each way, {batch} in a transaction")
            for rate in _sustained(folder, sides, services, batch, backlog):
                tell(f"{rate.link}: {rate.per_second} packets a second")
                sustained.append(rate)
        return found, sustained


def _linked(folder: Path, ending: ExitStack) -> tuple[dict[str, Side], list[Service]]:
    """Two networks that follow each other, their attestors running."""
    with ThreadPoolExecutor(len(KINDS)) as pool:
        sides = dict(zip(KINDS, pool.map(lambda name: _side(folder, name, ending), KINDS), strict=True))
    for source, destination in LINKS:
        _follow(sides[source], sides[destination])
    watchers: list[Service] = []
    for side in sides.values():
        side.attestors, services = prepare_attestors(folder / "services", 1, side.name, side.spec, ATTESTORS)
        watchers += services
    for source, destination in LINKS:
        members = tuple(attestor.address for attestor in sides[source].attestors)
        genesis = CommitteeGenesis(1, members).encode()
        sides[destination].chain.create_client(sides[source].chain.domain, b"CMT1", genesis, _DRIFT, _STALENESS)
    ending.callback(stop_all, watchers)
    start_all(watchers)
    for side in sides.values():
        wait_until_final(side.chain, PATIENCE)
    return sides, watchers


def _side(folder: Path, name: str, ending: ExitStack) -> Side:
    place, kind = folder / "chains" / name, KINDS[name]
    ending.callback(stop_chain, place, kind)
    payer = payer_secret(folder / "services", 0, name, kind, False)
    spec, _ = start_network(place, kind, name, VALIDATORS, [payer])
    chain = connect(one_endpoint(spec))
    ending.callback(chain.close)
    exporter = Exporter(chain)
    exporter.begin()
    ending.callback(exporter.close)
    return Side(name, spec, chain, exporter, [])


def _follow(source: Side, destination: Side) -> None:
    task = source.exporter
    destination.chain.set_peer(
        Peer(source.chain.domain, task.federation, task.task, task.genesis.id, source.chain.endpoint)
    )
    source.chain.set_routes(task.task, [(destination.chain.domain, destination.chain.endpoint)])


@contextmanager
def _relayer(folder: Path, sides: dict[str, Side], batch: int, gather: float = GATHER_SECONDS) -> Iterator[None]:
    """One relayer for both directions."""
    specs = {name: side.spec for name, side in sides.items()}
    attestors = {name: side.attestors for name, side in sides.items()}
    relayers = prepare_relayers(folder / "services", specs, attestors, [list(LINKS)], batch, gather)
    try:
        start_all(relayers)
        yield
    finally:
        stop_all(relayers)


@dataclass(slots=True)
class Times:
    """When the n-th packet of a direction was sent, final, accepted; by a steady clock."""

    sent: list[float]
    final: list[float]
    accepted: list[float]


class _Observer:
    """Looks at one direction from outside, with connections of its own, until it has seen so many packets accepted."""

    def __init__(self, source: Side, destination: Side, first: int, packets: int) -> None:
        self.times = Times([], [], [])
        self._source, self._destination, self._first, self._packets = source, destination, first, packets
        self._threads = [
            threading.Thread(target=self._finals, daemon=True),
            threading.Thread(target=self._accepts, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def wait(self) -> Times:
        """The times, when all packets were accepted."""
        for thread in self._threads:
            thread.join()
        if len(self.times.accepted) < self._packets or len(self.times.final) < self._packets:
            raise Unreachable(f"{self._destination.name} has not accepted {self._packets} packets in {PATIENCE:.0f} s")
        return self.times

    def _finals(self) -> None:
        chain, heights = connect(one_endpoint(self._source.spec)), list[int]()
        deadline = time.monotonic() + PATIENCE
        while len(self.times.final) < self._packets and time.monotonic() < deadline:
            final, now = chain.final_height(), time.monotonic()
            known, size = self._first + len(heights), chain.outbox_size()
            heights += [entry.height for entry in chain.outbox_entries(known, size)] if size > known else []
            done = sum(height <= final for height in heights[: self._packets])
            self.times.final += [now] * (done - len(self.times.final))
            time.sleep(LOOK_SECONDS)
        chain.close()

    def _accepts(self) -> None:
        chain, domain = connect(one_endpoint(self._destination.spec)), self._source.chain.domain
        deadline = time.monotonic() + PATIENCE
        while len(self.times.accepted) < self._packets and time.monotonic() < deadline:
            consumed, now = chain.next_nonce(domain) - self._first, time.monotonic()
            self.times.accepted += [now] * (min(consumed, self._packets) - len(self.times.accepted))
            time.sleep(LOOK_SECONDS)
        chain.close()


def _observers(sides: dict[str, Side], packets: int) -> dict[tuple[str, str], _Observer]:
    return {
        (a, b): _Observer(sides[a], sides[b], sides[b].chain.next_nonce(sides[a].chain.domain), packets)
        for a, b in LINKS
    }


def _export(side: Side, packets: int, pause: float, sent: list[float]) -> None:
    began = time.monotonic()
    for at in range(packets):
        sent.append(time.monotonic())
        side.exporter.export()
        time.sleep(max(0.0, began + pause * (at + 1) - time.monotonic()))


def _latency(folder: Path, sides: dict[str, Side], packets: int, gather: float) -> list[Latency]:
    with _relayer(folder, sides, 8, gather):
        observers = _observers(sides, packets)
        with ThreadPoolExecutor(len(LINKS)) as pool:
            for (source, _), observer in observers.items():
                pool.submit(_export, sides[source], packets, BLOCK_SECONDS, observer.times.sent)
        return [_figures(f"{a} → {b}", observer.wait(), gather) for (a, b), observer in observers.items()]


def _figures(link: str, times: Times, gather: float) -> Latency:
    seconds = [accepted - final for accepted, final in zip(times.accepted, times.final, strict=True)]
    to_final = [final - sent for final, sent in zip(times.final, times.sent, strict=True)]
    cuts = quantiles(seconds, n=100, method="inclusive")
    return Latency(
        link=link,
        packets=len(seconds),
        p50=round(cuts[49], 3),
        p95=round(cuts[94], 3),
        longest=round(max(seconds), 3),
        goal=2 * (BLOCK_SECONDS + BLOCK_SECONDS),
        gather=gather,
        to_final_p50=round(quantiles(to_final, n=100, method="inclusive")[49], 3),
    )


def _sustained(
    folder: Path, sides: dict[str, Side], services: Sequence[Service], batch: int, backlog: int
) -> list[Sustained]:
    with ThreadPoolExecutor(len(LINKS)) as pool:
        for source, _ in LINKS:
            pool.submit(_export, sides[source], backlog, 0.1, [])
    for side in sides.values():
        _until_sent(side)
    for service in services:
        service.check()
    observers = _observers(sides, backlog)
    with _relayer(folder, sides, batch):
        found = []
        for (a, b), observer in observers.items():
            accepted = observer.wait().accepted
            # From the first acceptance on: the relayer's start is not the link's.
            later = [at for at in accepted if at > accepted[0]]
            rate = len(later) / (accepted[-1] - accepted[0]) if later else float("inf")
            found.append(Sustained(f"{a} → {b}", batch, backlog, round(rate, 2)))
        return found


def _until_sent(side: Side) -> None:
    """Returns when the whole backlog is in the outbox for good."""
    deadline = time.monotonic() + PATIENCE
    wanted = side.exporter.exported
    while side.chain.outbox_size() < wanted:
        if time.monotonic() > deadline:
            raise Unreachable(f"{side.name}: {side.chain.outbox_size()} of {wanted} packets are in the outbox")
        time.sleep(LOOK_SECONDS)
    wait_until_final(side.chain, PATIENCE)
