"""A relayer's link in a test: ledgers in memory (`ledgers.py`), attestors behind real HTTP servers."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import cast

import pytest

from poft.chain import Chain
from poft.protocol.errors import Code, Refused, Unreachable
from relayers.collect import Attestors
from relayers.config import Committee
from relayers.http import Query, Response, integer, serve
from relayers.link import Link, Route, Step
from relayers.log import Log
from relayers.metrics import Metrics
from relayers.queue import Queue
from relayers.service import Connection
from relayers.wire import Attestation, write_page

from .ledgers import DESTINATION, MEMBERS, SOURCE, Destination, Source, attest, spec

COMMITTEE = Committee(epoch=1, members=tuple("0x" + member.hex() for member in MEMBERS))


def refused(code: Code, action: Callable[[], object]) -> None:
    with pytest.raises(Refused) as caught:
        action()
    assert caught.value.code is code, caught.value


@dataclass
class Board:
    """What the attestors of a test serve: one page each, by index."""

    pages: list[Callable[[], bytes]]
    urls: list[str]
    answers: dict[int, list[Attestation]] = field(default_factory=dict)
    """Attestors that heed the question, as the real ones do; else a page is served as it is."""

    def answer(self, i: int, query: Query) -> bytes:
        if i not in self.answers:
            return self.pages[i]()
        after, before = integer(query, "after") or 0, integer(query, "before") or 2**64
        asked = [
            x
            for x in self.answers[i]
            if after < x.statement.height < before and x.statement.epoch == integer(query, "epoch")
        ]
        return write_page(SOURCE, MEMBERS[i], sorted(asked, key=lambda x: x.statement.height)[-64:])

    def say(self, pages: Sequence[Sequence[Attestation]]) -> None:
        for i, page in enumerate(pages):
            self.pages[i] = lambda i=i, page=page: write_page(SOURCE, MEMBERS[i], page)  # type: ignore[misc]


@contextmanager
def attestors_board() -> Iterator[Board]:
    """Four servers that say nothing yet."""
    made = Board([lambda: write_page(SOURCE, bytes(20), [])] * 4, [])
    with ExitStack() as stack:
        for i in range(4):

            def route(query: Query, i: int = i) -> Response:
                return Response(made.answer(i, query))

            made.urls.append(stack.enter_context(serve("127.0.0.1:0", {"GET /statements": route})))
        yield made


@dataclass
class World:
    """A source, a destination, and links between them."""

    source: Source
    destination: Destination
    board: Board
    folder: Path
    faults: list[tuple[str, str]]
    stack: ExitStack
    said: io.StringIO = field(default_factory=io.StringIO)
    """What links log."""
    idle_seconds: float = 0.0
    """How far this machine's clock is beyond the source's newest block."""
    schemes: tuple[tuple[bytes, bool], ...] = ()
    """The list that the relayer is told of."""

    def link(self, name: str = "queue", max_batch: int = 8, seconds: float = 1.0, watch: float = 3600.0) -> Link:
        queue = Queue(self.folder / name)
        self.stack.callback(queue.close)

        def fault(url: str, error: Refused | Unreachable) -> None:
            reason = error.code.name if isinstance(error, Refused) else "Unreachable"
            self.faults.append((url, reason))

        attestors = Attestors(SOURCE, self.board.urls, seconds, fault)
        self.stack.callback(attestors.close)

        def now() -> float:
            return 1000.0 + self.source.best + self.idle_seconds

        route = Route(
            "source-destination",
            Connection(spec("source", SOURCE), lambda _: cast(Chain, self.source)),
            Connection(spec("destination", DESTINATION), lambda _: cast(Chain, self.destination)),
            (COMMITTEE,),
            max_batch,
            Lock(),
            watch,
            self.schemes,
        )
        return Link(route, queue, attestors, Metrics().link("link"), Log("test", stream=self.said), now)

    def emit(self, *payloads: bytes) -> None:
        """Packets, and the honest attestors' statement about the block of the last one."""
        for payload in payloads:
            self.source.emit(payload)
        self.board.say(attest(self.source.statement(self.source.best)))


@contextmanager
def linked_world(folder: Path, source: Source | None = None, destination: Destination | None = None) -> Iterator[World]:
    """A world of these ledgers; what it opened is closed afterwards."""
    with attestors_board() as board, ExitStack() as stack:
        yield World(source or Source(), destination or Destination(), board, folder, [], stack)


def drain(link: Link) -> list[Step]:
    """Steps until nothing is left to do."""
    steps: list[Step] = []
    while (step := link.step()) in (Step.DELIVERED, Step.RACED, Step.REREAD):
        steps.append(step)
    return steps
