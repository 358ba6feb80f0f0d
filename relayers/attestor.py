"""The attestor: watches one chain, and signs what is final on it (docs/protocol.md section 8, CMT1).

It signs at every final block that changed the outbox and at every multiple of `every` blocks, so that honest attestors
sign equal statements without talking to each other. What it signs passed two independent checks: header, storage and
proof agree on every endpoint (`Chain.finality_evidence`), and the outbox extends what this key signed before
(`Journal.sign`). When one of them fails it abstains, says so, and looks again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from http import HTTPStatus
from math import inf
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge

from poft.chain import Chain
from poft.protocol.errors import ChainError, Code, Refused, Reorganised, Unreachable
from poft.protocol.finality import Finality, check_committee, committee_hash
from poft.protocol.hashing import ZERO32

from .config import AttestorSettings, HandOver, load_attestor
from .finality import FinalityWatch, News, tell
from .http import Query, Response, integer, json_response, kick_route, metrics_route, serve
from .journal import Journal, read_page
from .keys import read_signing_key
from .log import Level, Log
from .service import Connection, Pulse, persist, stop_on_signals
from .wire import Attestation, write_page

LOG_PAGE = 512
"""Outbox entries in one question to the chain."""
FATAL = {Code.DevelopmentChain, Code.WrongDomain}
"""No later look can be better: the configuration names a chain that must not be attested."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The part of a statement that the committee's own calendar decides."""

    epoch: int
    next_committee: bytes = ZERO32
    next_members: tuple[bytes, ...] = ()


def terms_at(height: int, epoch: int, hand_over: HandOver | None) -> Terms:
    """Epoch and hand-over of the statement for this height."""
    if hand_over is None or height < hand_over.height:
        return Terms(epoch)
    if height > hand_over.height:
        return Terms(epoch + 1)
    members = hand_over.addresses()
    return Terms(epoch, committee_hash(epoch + 1, members), members)


def due_heights(changed: Iterable[int], first: int, last: int, every: int, hand_over: int | None) -> list[int]:
    """Heights in [first, last] at which every honest attestor makes a statement, ascending."""
    regular = range(-(-first // every) * every, last + 1, every)
    heights = {*changed, *regular, *([] if hand_over is None else [hand_over])}
    return sorted(height for height in heights if max(first, 1) <= height <= last)


def first_height(final: int, signed: int, catch_up: int) -> int:
    """Where to go on: after the last statement, but not further back than nodes keep states."""
    return max(signed + 1, final - catch_up + 1, 1)


class Attestor:
    """Steps from one final block to the next. `step` is called again and again by `run`, and by tests."""

    def __init__(self, settings: AttestorSettings, journal: Journal) -> None:
        self._settings, self._journal = settings, journal
        last = journal.last()
        self.seen = 0 if last is None else last.height
        """Every due height up to here was signed (or skipped as too old)."""
        self.final = -1
        """The newest final block at the last look."""
        self._stood = -1

    def step(self, chain: Chain) -> Iterator[Attestation]:
        """Signs whatever became due; stops at the first height that it must not sign.

        Raises:
            Refused: the evidence of a height does not hold; it is looked at again in the next step.
            Reorganised: the block that was signed last is not on the chain any more; nothing is signed beside it.
            Unreachable: the chain does not answer.
        """
        settings, final = self._settings, chain.final_height()
        self.final = final
        if final > self._stood:
            self._require_standing(chain, final)
        first = max(first_height(final, self.seen, settings.catch_up), chain.first_height)
        if first > final:
            return
        hand_over = settings.hand_over.height if settings.hand_over else None
        due = due_heights(chain.outbox_heights(first, final), first, final, settings.every, hand_over)
        if hand_over is not None and self.seen < hand_over < first:
            # Without a quorum for this one statement the old committee could hand over to nobody, ever.
            due.insert(0, hand_over)
        for height in due:
            made = self._attest(chain, height)
            self.seen = height
            yield made
        self.seen = final

    def _require_standing(self, chain: Chain, final: int) -> None:
        """Returns when the chain still has the block that was signed last. A node that is behind says nothing."""
        last = self._journal.last()
        if last is not None and final >= last.height:
            found = chain.block_hash(last.height)
            if found != last.block_hash:
                raise Reorganised(chain.spec.name, last.height, last.block_hash, found)
        self._stood = final

    def _attest(self, chain: Chain, height: int) -> Attestation:
        evidence = chain.finality_evidence(height)
        if evidence.height != height:
            raise Refused(Code.EvidenceDisagrees, f"height {height}", f"evidence is about {evidence.height}")
        terms = terms_at(height, self._settings.epoch, self._settings.hand_over)
        statement = Finality(
            terms.epoch,
            height,
            evidence.block_hash,
            evidence.state_root,
            evidence.outbox_size,
            evidence.outbox_root,
            evidence.timestamp,
            terms.next_committee,
        )
        last = self._journal.last()
        known = 0 if last is None else last.outbox_size
        appended: list[bytes] = []
        for start in range(known, evidence.outbox_size, LOG_PAGE):
            stop = min(start + LOG_PAGE, evidence.outbox_size)
            appended += [entry.packet.id for entry in chain.outbox_entries(start, stop)]
        return self._journal.sign(statement, appended, terms.next_members)


class _Status:
    """What `/health` and `/metrics` say."""

    def __init__(self, attestor: bytes, chain: str) -> None:
        self.registry = CollectorRegistry()
        self.signed_height = Gauge("poft_attestor_signed_height", "Newest signed height", registry=self.registry)
        self.statements = Counter("poft_attestor_statements", "Statements signed", registry=self.registry)
        self.final_height = Gauge("poft_attestor_final_height", "Newest final block", registry=self.registry)
        self.finality_stopped = Gauge(
            "poft_attestor_finality_stopped", "1 while the chain finalises nothing", registry=self.registry
        )
        self.abstentions = Counter(
            "poft_attestor_abstentions", "Times it must not sign", ["code"], registry=self.registry
        )
        self.unreachable = Counter("poft_attestor_unreachable", "Chain did not answer", registry=self.registry)
        self._record: dict[str, object] = {
            "service": "attestor",
            "attestor": f"0x{attestor.hex()}",
            "chain": chain,
            "signedHeight": 0,
            "outboxSize": 0,
        }
        self._trouble = "starting"

    def health(self, _query: Query) -> Response:
        status = HTTPStatus.SERVICE_UNAVAILABLE if self._trouble else HTTPStatus.OK
        return json_response(
            {**self._record, "status": "trouble" if self._trouble else "ok", "detail": self._trouble}, status
        )

    def signed(self, statement: Finality) -> None:
        self._record = {**self._record, "signedHeight": statement.height, "outboxSize": statement.outbox_size}
        self.signed_height.set(statement.height)

    def well(self) -> None:
        self._trouble = ""

    def trouble(self, sentence: str) -> bool:
        """Whether this is another trouble than before."""
        changed, self._trouble = sentence != self._trouble, sentence
        return changed


def run(config: Path, json: bool = False) -> int:
    """`poft attest --config FILE`: runs until SIGINT or SIGTERM, then returns 0.

    Raises:
        ConfigError: configuration, key file, journal or port cannot work.
        Unreachable: the chain does not answer at the start.
        Refused: WrongDomain (another chain answers), DevelopmentChain (evidence that only devnets may lack is missing).
        ArtifactError: the journal cannot be written.
    """
    settings = load_attestor(config)
    folder = config.parent
    spec = settings.chain.spec(folder)
    if settings.hand_over is not None:
        check_committee(settings.hand_over.addresses(), small=spec.development)
    password = folder / settings.password_file if settings.password_file else None
    key = read_signing_key(folder / settings.key_file, password, spec.development)
    journal_path = folder / settings.state
    log, pulse, connection = Log(f"attestor {spec.name}", json), Pulse(), Connection(spec)
    with ExitStack() as stack:
        stack.enter_context(stop_on_signals(pulse))
        stack.callback(connection.drop)
        journal = stack.enter_context(closing(Journal(journal_path, spec.domain, key)))
        status = _Status(journal.attestor, spec.name)

        def statements(query: Query) -> Response:
            after = integer(query, "after")
            page = read_page(journal_path, after or 0, integer(query, "epoch"), integer(query, "before"))
            return Response(write_page(spec.domain, journal.attestor, page))

        routes = {
            "GET /statements": statements,
            "GET /health": status.health,
            "GET /metrics": metrics_route(status.registry),
            "POST /kick": kick_route(pulse.kick),
        }
        url = stack.enter_context(serve(settings.listen, routes))

        def unreachable(error: BaseException) -> None:
            connection.drop()
            status.unreachable.inc()
            if status.trouble(str(error)):
                log("chain unreachable", Level.WARN, detail=str(error))

        try:
            persist(pulse, connection.chain, unreachable, settings.timeout_seconds)
        except Unreachable:
            if pulse.stopped:
                return 0
            raise
        status.well()
        if spec.development:
            log("development setting: this chain's evidence is taken with less proof", Level.WARN)
        attestor = Attestor(settings, journal)
        log(
            "started",
            url=url,
            attestor=f"0x{journal.attestor.hex()}",
            domain=f"0x{spec.domain.hex()}",
            seen=attestor.seen,
        )
        # Development chains make blocks on demand.
        watch = FinalityWatch(inf if spec.development else settings.finality_seconds)
        _loop(attestor, connection, pulse, settings.poll_seconds, status, log, unreachable, watch)
        log("stopped")
    return 0


def _loop(
    attestor: Attestor,
    connection: Connection,
    pulse: Pulse,
    poll_seconds: float,
    status: _Status,
    log: Log,
    unreachable: Callable[[BaseException], None],
    watch: FinalityWatch,
) -> None:
    def look() -> None:
        chain = connection.chain()
        for made in attestor.step(chain):
            said = made.statement
            status.statements.inc()
            status.signed(said)
            log("signed", height=said.height, outbox=said.outbox_size, root=f"0x{said.outbox_root.hex()[:16]}")
        status.final_height.set(attestor.final)
        if not finality_stands(chain):
            status.well()

    def finality_stands(chain: Chain) -> bool:
        """Whether the chain finalises nothing; said when it begins and when it is over."""
        now = time.monotonic()
        news = watch.look(attestor.final, now)
        status.finality_stopped.set(watch.stopped)
        if watch.stopped or news is not News.NONE:
            best = chain.height()
            tell(news, watch, chain.spec.name, best, now, log)
            status.trouble(watch.sentence(chain.spec.name, best, now))
        return watch.stopped

    while not pulse.stopped:
        beat = pulse.beat
        try:
            persist(pulse, look, unreachable)
        except Unreachable:
            break  # only a stop ends the tries
        except Refused as refused:
            if refused.code in FATAL:
                raise
            reorganised = isinstance(refused, Reorganised)
            status.abstentions.labels(Reorganised.__name__ if reorganised else refused.code.name).inc()
            if status.trouble(str(refused)):
                event = "reorganisation below finality: abstains" if reorganised else "abstains"
                log(event, Level.ALARM, code=refused.code.name, detail=str(refused))
        except ChainError as error:
            # The node answered and said no: too many requests, a state that it dropped. Nothing was signed.
            if status.trouble(str(error)):
                log("chain refuses", Level.WARN, detail=str(error))
        pulse.wait(poll_seconds, beat)
