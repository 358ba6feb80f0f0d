"""One link of a relayer: source → destination, a step at a time.

A step reads the destination's light client and next nonce, then the source's outbox; plans; collects, proves, delivers.
Everything is read anew in every step, so that a crash at any moment, a deleted queue and other relayers on the same
link change nothing: the ledger consumes every nonce once, and what another relayer delivered is simply done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from threading import Lock
from typing import NoReturn

from poft.chain import Chain, ClientStatus, Receipt
from poft.protocol.errors import Code, Refused, Rejected, Unreachable
from poft.protocol.merkle import Log as MerkleLog

from .carriers import Advance, Carrier, Contradiction, Supplies
from .collect import Attestors
from .config import Committee
from .horizon import Horizon, look
from .log import Level, Log
from .metrics import LinkMetrics
from .plan import Collect, Delivery, Ends, Idle, LinkView, Watch, build_delivery, decide
from .queue import Queue, Status
from .schemes import carrier
from .service import Connection

ENTRIES = 256
"""Outbox entries in one question to the source."""
STALE = {Code.StaleClient, Code.UnknownOutbox}
"""The destination wants a newer finality update before it takes packets that it could prove."""

OPPOSED = {Code.InconsistentLog, Code.RootChanged, Code.SizeRegression}
"""A proven step, or the source's outbox, against what the destination accepted: has a quorum lied?"""


class Step(Enum):
    """How a step ended. Trouble is raised."""

    IDLE = "idle"
    WAITING = "waiting for a quorum"
    DELIVERED = "delivered"
    RACED = "another relayer was faster"
    REREAD = "the source's outbox was read again"


class SourceLog:
    """A source's outbox, as the source tells it, held against what a quorum says of it."""

    def __init__(self, queue: Queue, source: bytes) -> None:
        self._queue, self._source = queue, source
        self.log = MerkleLog(queue.leaves(source))

    def read(self, chain: Chain) -> None:
        """Takes over what is new; starts again when the source's outbox has become shorter (a reorganisation)."""
        size = chain.outbox_size()
        if size < len(self.log):
            self._forget()
        for start in range(len(self.log), size, ENTRIES):
            entries = chain.outbox_entries(start, min(start + ENTRIES, size))
            self._queue.add(self._source, entries)
            for entry in entries:
                self.log.append(entry.packet.id)

    def agree(self, chain: Chain, size: int, root: bytes) -> bool:
        """Whether the first `size` leaves had this certified root; if not, they have it now, read again.

        Raises:
            Refused: InconsistentLog, what the source tells is not what the quorum signed.
            Unreachable: the source's node is behind.
        """
        self.read(chain)
        if len(self.log) < size:
            raise Unreachable(f"{chain.spec.name}: the node has {len(self.log)} of {size} packets")
        if self.log.root(size) == root:
            return True
        self._forget()
        self.read(chain)
        if len(self.log) < size or self.log.root(size) != root:
            raise Refused(Code.InconsistentLog, "outbox", f"the source's {size} packets are not those that were signed")
        return False

    def _forget(self) -> None:
        self._queue.forget(self._source)
        self.log = MerkleLog()


@dataclass(frozen=True, slots=True)
class Route:
    """A link's fixed parts."""

    name: str
    source: Connection
    destination: Connection
    committees: tuple[Committee, ...]
    max_batch: int
    paying: Lock
    """Held while a transaction of this destination's payer is under way: one account has one row of nonces."""
    watch_seconds: float = 30.0
    """How often an idle link asks for a hand-over, and a link in doubt for evidence."""
    schemes: tuple[tuple[bytes, bool], ...] = ()
    """(name, whether in shadow) of the list that AND1 clients of this source believe."""
    validators: tuple[Committee, ...] = ()
    """Validator sets that no node knows any more (BEF1)."""


class Link:
    """The moving parts of one link; belongs to one thread."""

    def __init__(
        self,
        route: Route,
        queue: Queue,
        attestors: Attestors,
        metrics: LinkMetrics,
        log: Log,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._route, self._queue = route, queue
        self._metrics, self._log = metrics, log
        self._supplies = Supplies(
            route.name,
            route.source,
            attestors,
            route.committees,
            queue,
            log,
            route.watch_seconds,
            route.schemes,
            route.validators,
            metrics.reorganised.inc,
        )
        self._carriers: dict[bytes, Carrier] = {}
        self._outbox = SourceLog(queue, route.source.spec.domain)
        self._now = now
        self._refresh = False
        self._batch = route.max_batch
        self._watched = float("-inf")
        self._horizon: Horizon | None = None
        self.pending = 0
        self.full = False
        """Whether the last delivery took as many packets as it may: then more are likely to wait."""

    def step(self) -> Step:
        """One look, and at most one transaction.

        Raises:
            Refused: evidence or a packet breaks a rule; somebody has to look at it.
            Rejected: the destination refused, and not because another relayer was faster.
            Unreachable: a chain does not answer.
        """
        source, destination = self._route.source.chain(), self._route.destination.chain()
        with self._timed("read"):
            view = self._look(source, destination)
        self.pending = len(view.pending)
        self._metrics.pending.set(self.pending)
        self._metrics.client_height.set(view.client.state.height)
        try:
            return self._act(source, destination, view)
        except Refused as refused:
            if refused.code in OPPOSED:
                self._doubt(view.client, destination)
            raise
        except Unreachable:
            accepted = view.client.state
            if len(self._outbox.log) < accepted.outbox_size and accepted.height <= source.final_height():
                # The node is not behind: it has the block, and fewer packets than the destination accepted for it.
                self._doubt(view.client, destination)
            raise

    def _act(self, source: Chain, destination: Chain, view: LinkView) -> Step:
        action = decide(view)
        if isinstance(action, Idle):
            return Step.IDLE
        carrier, found = self._carrier(view.client), None
        if isinstance(action, Watch):
            self._watched = time.monotonic()
            with self._timed("collect"):
                found = carrier.watching(view.client, action.ageing)
            if found is None:
                return Step.IDLE
        if isinstance(action, Collect):
            with self._timed("collect"):
                found = carrier.covering(view.client, action.size)
            if found is None:
                if source.final_height() < view.client.state.height:
                    # Nothing can follow a height that the source has not reached: a lie, or a node behind.
                    self._doubt(view.client, destination)
                return Step.WAITING
        if isinstance(found, Contradiction):
            self._accuse(destination, found)
        state = view.client.state if found is None else found
        if not self._outbox.agree(source, state.outbox_size, state.outbox_root):
            return Step.REREAD
        with self._timed("prove"):
            ends = Ends(
                source.domain,
                destination.domain,
                source.endpoint,
                destination.endpoint,
                source.inbox_endpoint,
                destination.inbox_endpoint,
            )
            delivery = build_delivery(ends, view, self._outbox.log, carrier.verifier, found)
        return self._deliver(source, destination, view, delivery, found)

    def _look(self, source: Chain, destination: Chain) -> LinkView:
        client = destination.client(source.domain)
        next_nonce = destination.next_nonce(source.domain)
        self._notice(source, destination, next_nonce)
        self._outbox.read(source)
        self._queue.consumed(source.domain, destination.domain, next_nonce, "found delivered")
        pending = self._queue.pending(source.domain, destination.domain, next_nonce, self._route.max_batch)
        due = time.monotonic() - self._watched >= self._route.watch_seconds
        return LinkView(client, next_nonce, tuple(pending), self._batch, self._refresh, due, int(self._now()))

    def _notice(self, source: Chain, destination: Chain, next_nonce: int) -> None:
        """Says it when the destination took deliveries back; the step that follows delivers them again."""
        self._horizon, taken = look(self._horizon, next_nonce, destination.height, destination.final_height)
        if taken is None:
            return
        self._queue.taken_back(source.domain, destination.domain, next_nonce)
        self._metrics.taken_back.inc(taken.past - taken.first)
        event, level = "the destination took packets back; delivering again", Level.WARN
        if taken.below_finality:
            event, level = "reorganisation below finality: packets that were final are delivered again", Level.ALARM
        self._log(event, level, link=self._route.name, chain=destination.spec.name, first=taken.first, past=taken.past)

    def _carrier(self, client: ClientStatus) -> Carrier:
        """The client's scheme may change in a recovery."""
        if client.scheme not in self._carriers:
            self._carriers[client.scheme] = carrier(client.scheme, self._supplies)
        return self._carriers[client.scheme]

    def _doubt(self, client: ClientStatus, destination: Chain) -> None:
        """Freezes the client if there is evidence that what it accepted was a lie."""
        if (found := self._carrier(client).evidence(client)) is not None:
            self._accuse(destination, found)

    def _accuse(self, destination: Chain, found: Contradiction) -> NoReturn:
        """Freezes the client: signers that say two things must convince nobody."""
        with self._route.paying:
            receipt = destination.submit_misbehaviour(self._route.source.spec.domain, found.first, found.second)
        self._log("the source contradicts itself; client frozen", Level.ALARM, transaction=receipt.transaction)
        raise Refused(Code.Frozen, "client", f"contradiction at height {found.height}")

    def _deliver(
        self, source: Chain, destination: Chain, view: LinkView, delivery: Delivery, advance: Advance | None
    ) -> Step:
        for entry in delivery.batch:
            self._queue.mark(source.domain, entry.index, Status.SENT, "")
        try:
            with self._route.paying, self._timed("submit"):
                receipt = _carry(source, destination, delivery)
        except Rejected as rejected:
            return self._rejected(source, destination, view, delivery, rejected)
        for entry in delivery.batch:
            self._queue.mark(source.domain, entry.index, Status.DELIVERED, receipt.transaction)
        self._delivered(delivery, advance, receipt)
        return Step.DELIVERED

    def _delivered(self, delivery: Delivery, advance: Advance | None, receipt: Receipt) -> None:
        if advance is not None and advance.hands_over:
            # Another hand-over may have happened since.
            self._watched = float("-inf")
        self.full = len(delivery.batch) == self._batch
        self._refresh, self._batch = False, self._route.max_batch
        self._metrics.delivered.inc(len(delivery.batch))
        self._metrics.cost.inc(receipt.cost)
        self._metrics.sent_bytes.inc(receipt.sent_bytes)
        self._log(
            "delivered",
            link=self._route.name,
            packets=len(delivery.batch),
            nonce=delivery.batch[0].packet.nonce if delivery.batch else -1,
            update=advance.height if advance is not None else 0,
            cost=receipt.cost,
            bytes=receipt.sent_bytes,
            transaction=receipt.transaction,
        )

    def _rejected(
        self, source: Chain, destination: Chain, view: LinkView, delivery: Delivery, rejected: Rejected
    ) -> Step:
        """A race that another relayer won is no trouble; anything else is."""
        client, next_nonce = destination.client(source.domain), destination.next_nonce(source.domain)
        if (client, next_nonce) != (view.client, view.next_nonce):
            self._metrics.races.inc()
            self._queue.consumed(source.domain, destination.domain, next_nonce, "by another relayer")
            self._log("another relayer was faster", link=self._route.name, nonce=view.next_nonce)
            return Step.RACED
        for entry in delivery.batch:
            self._queue.mark(source.domain, entry.index, Status.QUEUED, str(rejected))
        if rejected.code in STALE and delivery.proof is None:
            self._refresh = True
            return Step.RACED
        if rejected.code is None:
            # No rule was named: the transaction as such did not fit. Half as many packets may.
            self._batch = max(1, self._batch // 2)
        raise rejected

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self._metrics.seconds.labels(part).inc(time.perf_counter() - started)


def _carry(source: Chain, destination: Chain, delivery: Delivery) -> Receipt:
    """One transaction. An update alone goes to the client, which takes it when it is stale, too."""
    if delivery.proof is not None and not delivery.packets:
        return destination.update_client(source.domain, delivery.proof)
    return destination.deliver(source.domain, delivery.proof, delivery.outbox_size, delivery.packets)
