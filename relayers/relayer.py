"""The relayer: carries packets and the proofs that they are final (docs/protocol.md sections 8 and 9).

Untrusted by everybody, and trusting nobody: it verifies what it carries as the destination will, and any number of
relayers may serve one link. One thread a link; what a step does is in `link.py`, what to do next in `plan.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path

from poft.chain import ChainSpec
from poft.protocol.errors import ChainError, Code, Refused, Rejected, Unreachable

from .collect import Attestors
from .config import LinkSettings, RelayerSettings, load_relayer
from .finality import FinalityWatch, follow
from .http import Query, Response, json_response, kick_route, metrics_route, serve
from .link import Link, Route, Step
from .log import Level, Log
from .metrics import Metrics
from .plan import backoff
from .queue import Queue
from .service import MAX_BACKOFF, Connection, Pulse, persist, stop_on_signals

FATAL = {Code.WrongDomain, Code.DevelopmentChain}
"""No later look can be better: another chain answers behind a URL."""
WAITING_STEPS = 8
"""The first wait for a quorum is an eighth of the poll interval."""
MUTE_SECONDS = 30.0
"""An attestor's same fault is logged once in so many seconds; the metrics count every one."""


@dataclass
class _Health:
    """What `/health` says. `trouble` by link."""

    links: tuple[str, ...]
    started: set[str] = field(default_factory=set)
    trouble: dict[str, str] = field(default_factory=dict)
    pending: dict[str, int] = field(default_factory=dict)
    finality: dict[str, str] = field(default_factory=dict)
    """What is the matter with chains that finalise nothing."""

    def page(self, _query: Query) -> Response:
        trouble, finality = dict(self.trouble), dict(self.finality)
        known = "trouble" if trouble or finality else "ok"
        word = known if len(self.started) == len(self.links) else "starting"
        record = {
            "service": "relayer",
            "status": word,
            "links": self.links,
            "pending": dict(self.pending),
            "trouble": trouble,
            "finality": finality,
            "detail": "; ".join([*finality.values(), *(f"{link}: {said}" for link, said in trouble.items())]),
        }
        return json_response(record, HTTPStatus.OK if word == "ok" else HTTPStatus.SERVICE_UNAVAILABLE)


class _Worker:
    """Runs one link until the service ends."""

    def __init__(
        self,
        settings: RelayerSettings,
        route: Route,
        gather: float,
        queue_path: Path,
        urls: tuple[str, ...],
        pulse: Pulse,
        health: _Health,
        metrics: Metrics,
        log: Log,
    ) -> None:
        self._settings, self._route, self._queue_path, self._urls = settings, route, queue_path, urls
        self._pulse, self._health, self._metrics, self._log = pulse, health, metrics, log
        self._gather = gather
        self._said: dict[str, tuple[str, float]] = {}
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name=route.name)

    def _run(self) -> None:
        """The thread: what ends it other than a stop is raised in the main thread."""
        try:
            self._work()
        except BaseException as error:
            if not self._pulse.stopped:
                self.error = error
        finally:
            self._pulse.stop()

    def _work(self) -> None:
        route, name = self._route, self._route.name
        with ExitStack() as stack:
            for connection in (route.source, route.destination):
                stack.callback(connection.drop)
                persist(self._pulse, connection.chain, self._unreachable, self._settings.timeout_seconds)
            queue = stack.enter_context(closing(Queue(self._queue_path)))
            attestors = stack.enter_context(
                closing(Attestors(route.source.spec.domain, self._urls, self._settings.attestor_seconds, self._fault))
            )
            link = Link(route, queue, attestors, self._metrics.link(name), self._log)
            self._health.started.add(name)
            failures, waits, poll = 0, 0, self._settings.poll_seconds
            while not self._pulse.stopped:
                beat = self._pulse.beat
                try:
                    step = link.step()
                except (ChainError, Refused) as error:
                    failures += 1
                    self._trouble(error)
                    self._pulse.wait(backoff(failures, poll, MAX_BACKOFF), beat)
                else:
                    failures = 0
                    self._well(link, step)
                    waits = waits + 1 if step is Step.WAITING else 0
                    if step is Step.IDLE:
                        self._pulse.wait(poll, beat)
                    elif step is Step.DELIVERED and not link.full:
                        self._pulse.wait(self._gather, beat)
                    elif step is Step.WAITING:
                        # Attestors sign moments after the block: ask them soon, then less and less often.
                        self._pulse.wait(backoff(waits, poll / WAITING_STEPS, poll), beat)

    def _well(self, link: Link, step: Step) -> None:
        name = self._route.name
        self._health.pending[name] = link.pending
        if self._health.trouble.pop(name, None) is not None:
            self._log("well again", link=name, step=step.value)

    def _trouble(self, error: ChainError | Refused) -> None:
        """Counts, tells `/health` and the log, and makes new connections where that may help."""
        if isinstance(error, Refused) and error.code in FATAL:
            raise error
        name, sentence = self._route.name, str(error)
        named = error.code if isinstance(error, Refused | Rejected) else None
        self._metrics.failures.labels(name, named.name if named is not None else type(error).__name__).inc()
        if isinstance(error, Unreachable):
            self._route.source.drop()
            self._route.destination.drop()
        if self._health.trouble.get(name) != sentence:
            level = Level.WARN if isinstance(error, Unreachable) else Level.ALARM
            self._log("trouble", level, link=name, detail=sentence)
        self._health.trouble[name] = sentence

    def _unreachable(self, error: BaseException) -> None:
        self._log("chain unreachable", Level.WARN, link=self._route.name, detail=str(error))

    def _fault(self, url: str, error: Refused | Unreachable) -> None:
        """An attestor that is dead, slow or hostile: counted, and told once in a while."""
        reason = error.code.name if isinstance(error, Refused) else "Unreachable"
        self._metrics.attestor_faults.labels(url, reason).inc()
        self._muted(url, reason, lambda: self._log("attestor fault", Level.WARN, attestor=url, detail=str(error)))

    def _muted(self, url: str, reason: str, tell: Callable[[], None]) -> None:

        now = time.monotonic()
        said, when = self._said.get(url, ("", 0.0))
        if said != reason or now - when > MUTE_SECONDS:
            self._said[url] = (reason, now)
            tell()


def run(config: Path, json: bool = False) -> int:
    """`poft relay --config FILE`: runs until SIGINT or SIGTERM, then returns 0.

    Raises:
        ConfigError: configuration, key file or port cannot work.
        Unreachable: a chain does not answer at the start.
        Refused: WrongDomain, another chain answers behind a URL.
        ArtifactError: the queue cannot be written.
    """
    settings = load_relayer(config)
    specs = {chain.name: chain.spec(config.parent) for chain in settings.chains}
    log, pulse, metrics = Log("relayer", json), Pulse(), Metrics()
    names = tuple(f"{link.source}-{link.destination}" for link in settings.links)
    health = _Health(names)
    paying = {name: threading.Lock() for name in specs}
    queue_path = config.parent / settings.state
    workers = [
        _Worker(
            settings,
            _route(settings, link, name, specs, paying[link.destination]),
            link.gather_seconds,
            queue_path,
            next(source.attestors for source in settings.sources if source.chain == link.source),
            pulse,
            health,
            metrics,
            log,
        )
        for link, name in zip(settings.links, names, strict=True)
    ]
    routes = {
        "GET /health": health.page,
        "GET /metrics": metrics_route(metrics.registry),
        "POST /kick": kick_route(pulse.kick),
    }
    with stop_on_signals(pulse), serve(settings.listen, routes) as url:
        log("started", url=url, links=", ".join(names))
        threads = [worker.thread for worker in workers]
        threads += [
            _finality(spec, settings.finality_seconds, pulse, health, metrics, log)
            for spec in specs.values()
            if not spec.development  # such chains make blocks on demand
        ]
        for thread in threads:
            thread.start()
        while not pulse.stopped:
            pulse.wait(3600.0)
        for thread in threads:
            thread.join()
        for worker in workers:
            if worker.error is not None:
                raise worker.error
        log("stopped")
    return 0


def _finality(
    spec: ChainSpec, patience: float, pulse: Pulse, health: _Health, metrics: Metrics, log: Log
) -> threading.Thread:
    """The thread that says when a chain's finality stops, whatever its links are busy with."""
    watch = FinalityWatch(patience)

    def show(trouble: str) -> None:
        metrics.final_height.labels(spec.name).set(max(watch.height, 0))
        metrics.finality_stopped.labels(spec.name).set(watch.stopped)
        if trouble:
            health.finality[spec.name] = trouble
        else:
            health.finality.pop(spec.name, None)

    arguments = (pulse, Connection(replace(spec, key="")), watch, log, time.monotonic, show)
    return threading.Thread(target=follow, args=arguments, name=f"finality {spec.name}")


def _route(
    settings: RelayerSettings, link: LinkSettings, name: str, specs: dict[str, ChainSpec], paying: threading.Lock
) -> Route:
    source = next(source for source in settings.sources if source.chain == link.source)
    return Route(
        name,
        Connection(specs[link.source]),
        Connection(specs[link.destination]),
        source.committees,
        link.max_batch,
        paying,
        settings.watch_seconds,
        source.listed(),
        source.validators,
    )
