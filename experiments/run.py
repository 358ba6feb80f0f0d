"""`poft run`: starts chains, attestors and relayers, lets the networks train, attacks the links, and reports.

Everything lives in the run's folder, so a run that was interrupted or killed goes on when it is started again:

    experiment.json     the resolved configuration
    chains/NETWORK/     a devnet's or a network's state, and spec.json: how to reach the chain
    store/NETWORK/      artifacts by digest
    services/NAME/      configuration, key, journal, log of an attestor or relayer
    history.jsonl       what happened
    faults.json         what was done to networks of several validators
    baselines.json, forgeries.json, report.*   results, written when they are complete

Several validators make blocks that can still be taken back. So what a network builds on is final: the set-up before
rounds begin, imports before they are merged, the end before it is measured. A chain that does not answer, or that
refuses what the next look shows to be done, is asked again through its next validator, for `relay.wait` seconds.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TypeVar

from experiments.baselines import Curve, isolated, pooled
from experiments.chains import Failover, engine_of, start_devnet, start_network, stop_chain, wait_until_final
from experiments.config import ExperimentSettings, NetworkSettings
from experiments.deliveries import require_delivered_once, sent_to
from experiments.faults import Faults, Target
from experiments.forgeries import Forgery, LinkUnderAttack, attack
from experiments.journal import Journal
from experiments.report import write_report
from experiments.services import (
    Attestor,
    Service,
    payer_secret,
    prepare_attestors,
    prepare_relayers,
    start_all,
    stop_all,
)
from experiments.trust import ATTESTED, Origin, genesis
from poft.chain import Chain, ChainSpec, Peer, Phase, devnet
from poft.chain_spec import read_spec, write_spec
from poft.config import canonical
from poft.federation import executors
from poft.federation.simulation import Network, Progress
from poft.federation.task import workspace
from poft.model.store import ArtifactStore
from poft.network import Network as RealNetwork
from poft.protocol.errors import ArtifactError, ChainError, Code, ConfigError, PoftError, Refused, Unreachable
from poft.topology import relay_plan, topology
from poft.whole_file import write_whole

IDLE_SECONDS = 0.05
RETRY_SECONDS = 0.5
WATCH_SECONDS = 0.2
"""How soon a service that was killed is noticed."""
PARTING_SECONDS = 10.0
"""How long a run that failed or was interrupted lets its threads finish what they are at."""
_T = TypeVar("_T")


class Interrupted(PoftError):
    """Somebody asked the run to stop; it can be resumed."""


class Run:
    """One run of an experiment in a folder. `stop` may be set from anywhere: the run then ends at its next step."""

    def __init__(
        self, settings: ExperimentSettings, folder: Path, journal: Journal, engines: Mapping[str, str]
    ) -> None:
        self.stop = threading.Event()
        self._engines = engines
        self._settings = settings
        self._task = settings.task()
        self._folder = folder
        self._journal = journal
        self._ways: dict[str, Failover] = {}
        self._specs: dict[str, ChainSpec] = {}
        self._real: dict[str, RealNetwork] = {}
        self._networks: dict[str, Network] = {}
        self._attestors: dict[str, list[Attestor]] = {}
        self._relayers: list[Service] = []
        self._executor = executors.get(settings.executor, settings.workers)
        self._links = [(link.source, link.destination) for link in settings.all_links()]
        self._schemes = {(link.source, link.destination): str(link.scheme) for link in settings.all_links()}
        self._faults = Faults(settings.faults, folder / "faults.json", journal, self.stop)

    def execute(self) -> Path:
        """Runs, or goes on with, the experiment; returns the report's JSON file. Stops what it started."""
        began = time.monotonic()
        # What is missing is found out before anything is started.
        workspace(self._task)
        for network in self._settings.networks:
            devnet(network.kind)
        with ExitStack() as open_things:
            open_things.callback(self._executor.close)
            pool = open_things.enter_context(_threads())
            baselines = pool.submit(self._baselines)
            specs = self._start_chains(open_things)
            services = self._start_services(specs, open_things)
            self._train(pool, services, baselines)
            curves = baselines.result()
            self._journal.say("time", part="total", seconds=time.monotonic() - began)
            struck = self._faults.struck()
            return write_report(
                self._folder, self._settings, self._networks, self._links, curves, self._executor, struck
            )

    # Chains

    def _start_chains(self, open_things: ExitStack) -> dict[str, ChainSpec]:
        self._journal.say("step", text="starting chains")
        chosen = self._settings.networks
        specs = {one.name: self._attach(one) for one in chosen if one.rpc}
        self._connect(specs, open_things)  # whether these answer is found out before others are started
        with ThreadPoolExecutor(len(chosen)) as starters:
            own = [one for one in chosen if not one.rpc]
            for one in own:
                open_things.callback(stop_chain, self._folder / "chains" / one.name, one.kind)
            futures = {one.name: starters.submit(self._start_chain, one) for one in own}
            started = {name: future.result() for name, future in futures.items()}
        self._connect(started, open_things)
        specs |= started
        if len({spec.domain for spec in specs.values()}) != len(specs):
            raise Refused(Code.WrongDomain, "networks", "two networks run on one chain")
        self._specs = {one.name: specs[one.name] for one in chosen}
        return self._specs

    def _connect(self, specs: Mapping[str, ChainSpec], open_things: ExitStack) -> None:
        for name, spec in specs.items():
            self._ways[name] = way = Failover(spec)
            open_things.callback(way.close)

    def _chain(self, name: str) -> Chain:
        """The connection to a network's chain as it is now."""
        return self._ways[name].chain

    def _attach(self, network: NetworkSettings) -> ChainSpec:
        spec = ChainSpec(
            network.name,
            network.kind,
            network.rpc,
            bytes.fromhex(network.domain.removeprefix("0x")),
            dict(network.deployment),
            network.key,
            network.finality,
        )
        place = self._folder / "chains" / network.name
        place.mkdir(parents=True, exist_ok=True)
        write_spec(place / "spec.json", spec)
        return spec

    def _start_chain(self, network: NetworkSettings) -> ChainSpec:
        place, services = self._folder / "chains" / network.name, self._folder / "services"
        payers = [
            payer_secret(services, i, network.name, network.kind, not network.validators)
            for i in range(self._settings.relay.relayers)
        ]
        if not network.validators:
            spec = start_devnet(place, network.kind, network.name, payers, self._engines.get(network.kind, ""))
            self._journal.say("step", text=f"{network.name} runs on {engine_of(place, network.kind)}")
            return spec
        spec, self._real[network.name] = start_network(place, network.kind, network.name, network.validators, payers)
        return spec

    # Services and governance

    def _start_services(self, specs: dict[str, ChainSpec], open_things: ExitStack) -> list[Service]:
        self._journal.say("step", text="starting attestors and relayers")
        relay = self._settings.relay
        folder = self._folder / "services"
        watchers: list[Service] = []
        for name, spec in specs.items():
            attested = any(link[0] == name and scheme in ATTESTED for link, scheme in self._schemes.items())
            self._attestors[name], services = prepare_attestors(
                folder,
                self._settings.seed,
                name,
                spec,
                relay.attestors if attested else 0,
                relay.finality_seconds,
            )
            watchers += services
        self._relayers = prepare_relayers(
            folder, specs, self._attestors, self._relay_plan(), finality_seconds=relay.finality_seconds
        )
        everyone = [*watchers, *self._relayers]
        open_things.callback(stop_all, everyone)
        for service in watchers:
            service.start()
        self._found()
        for service in self._relayers:
            service.start()
        for service in everyone:
            service.wait_ready()
        return everyone

    def _found(self) -> None:
        """Federations, tasks, clients, peers and routes, as far as they are not on the ledgers yet."""
        names = [network.name for network in self._settings.networks]
        for at, name in enumerate(names):
            chain = self._chain(name)
            store = ArtifactStore(
                str(self._folder / "store" / name),
                [str(self._folder / "store" / other) for other in names if other != name],
            )
            peers = [self._chain(a).domain for a, b in self._links if b == name]
            self._networks[name] = Network(
                name, at, self._task, chain, store, self._executor, self._journal.emit, peers
            )
            self._networks[name].enrol()
        for source, destination in self._links:
            self._trust(source, destination)
        for name in names:
            routes = [(self._chain(b).domain, self._chain(b).endpoint) for a, b in self._links if a == name]
            if routes:
                self._chain(name).set_routes(self._networks[name].task, routes)
        for name in names:
            wait_until_final(self._chain(name), self._settings.relay.wait)

    def _relay_plan(self) -> list[list[tuple[str, str]]]:
        """Who carries what; a relayer without a link is not started."""
        relay = self._settings.relay
        if relay.relayers == 0:
            return []
        graph = topology([network.name for network in self._settings.networks], self._links)
        plan = relay_plan(graph, relay.relayers, min(relay.copies, relay.relayers))
        return [links for links in plan if links]

    def _trust(self, source: str, destination: str) -> None:
        """The destination's client of the source, and the source's federation as its peer."""
        origin, chain, network = self._chain(source), self._chain(destination), self._networks[source]
        # The peer first, and each time: where a client is, a run that was killed in between finds its peer as well.
        chain.set_peer(Peer(origin.domain, network.federation, network.task, network.genesis().id, origin.endpoint))
        try:
            chain.client(origin.domain)
        except Refused as refused:
            if refused.code is not Code.Uninitialised:
                raise
            relay, scheme = self._settings.relay, self._schemes[source, destination]
            seats = tuple(attestor.address for attestor in self._attestors[source])
            if scheme in ATTESTED and not seats:
                remedy = "poft consortium found makes the clients; or let the run have attestors"
                raise ConfigError(f"{destination} does not follow {source}", remedy) from refused
            begins = genesis(scheme, Origin(origin, seats))
            chain.create_client(origin.domain, scheme.encode(), begins, relay.max_drift, relay.staleness)

    # Training

    def _train(self, pool: ThreadPoolExecutor, services: Sequence[Service], baselines: Future[list[Curve]]) -> None:
        self._play(pool, services)
        self._settle(services)
        self._watch([baselines], services)

    def _play(self, pool: ThreadPoolExecutor, services: Sequence[Service]) -> None:
        last_exchange = self._last_exchange()
        attacked = self._folder / "forgeries.json"
        faults = [pool.submit(self._faults.run, name, self._target(name)) for name in self._real]
        if self._settings.forgeries and last_exchange and not attacked.exists():
            # The packets of the last exchange stay in the outboxes while the links are under attack.
            self._until(pool, services, lambda network: _training(network, last_exchange))
            stop_all(self._relayers)
            self._until(pool, services, lambda network: _final(network, last_exchange))
            self._attack(attacked)
            start_all(self._relayers)
        self._until(pool, services, lambda _network: False)
        self._watch(faults, services)

    def _target(self, name: str) -> Target:
        return Target(self._real[name], self._specs[name], self._networks[name].task)

    def _last_exchange(self) -> int:
        """The last round whose export is merged by a later one, 0 when there is none."""
        every = self._task.exchange.every
        return (self._task.rounds - 1) // every * every

    def _until(self, pool: ThreadPoolExecutor, services: Sequence[Service], reached: Callable[[Network], bool]) -> None:
        """Steps all networks, each in a thread of its own, until each has reached its goal or is done."""
        work = [pool.submit(self._step, network, reached) for network in self._networks.values()]
        self._watch(work, services)

    def _watch(self, work: Sequence[Future[_T]], services: Sequence[Service]) -> None:
        """Waits for threads and looks after the services meanwhile; the first failure ends all of them."""
        pending = set(work)
        try:
            while pending:
                done, pending = wait(pending, WATCH_SECONDS, FIRST_EXCEPTION)
                for future in done:
                    future.result()
                self._look_after(services)
        except BaseException:
            self.stop.set()
            self._executor.close()
            wait(pending, PARTING_SECONDS)
            raise

    def _look_after(self, services: Sequence[Service]) -> None:
        for service in services:
            if (news := service.revive()) is not None:
                self._journal.say("step", text=news)

    def _settle(self, services: Sequence[Service]) -> None:
        """Waits until every packet has arrived for good: what was exported last is there for whoever goes on from here.

        Raises:
            Refused: NonceGap or NonceReplayed, a packet was lost, or taken twice.
        """
        deadline = time.monotonic() + self._settings.relay.wait
        for source, destination in self._links:
            sent = len(self._enduring(source, partial(sent_to, destination=self._chain(destination).domain)))
            while self._enduring(destination, partial(_taken, self._chain(source).domain)) < sent:
                if time.monotonic() > deadline:
                    raise self._late(destination)
                self._look_after(services)
                time.sleep(IDLE_SECONDS)
        for name in self._networks:
            self._enduring(name, lambda chain: wait_until_final(chain, self._settings.relay.wait))
        for source, destination in self._links:
            require_delivered_once(self._chain(source), self._chain(destination))

    def _late(self, network: str) -> ChainError:
        waited = self._settings.relay.wait
        logs = self._folder / "services"
        return Unreachable(f"{network} waited {waited:.0f} s for its peers' exports; see the relayers' logs in {logs}")

    def _step(self, network: Network, reached: Callable[[Network], bool]) -> None:
        waited = 0.0

        def look(chain: Chain) -> Progress:
            network.chain = chain
            return Progress.DONE if reached(network) else network.step()

        while True:
            if self.stop.is_set():
                raise Interrupted("interrupted")
            progress = self._enduring(network.name, look)
            if progress is Progress.DONE:
                break
            if progress is Progress.MOVED:
                if waited:
                    self._journal.say("time", network=network.name, part="relay", seconds=waited)
                waited = 0.0
                continue
            self.stop.wait(IDLE_SECONDS)
            waited += IDLE_SECONDS
            if waited > self._settings.relay.wait:
                raise self._late(network.name)

    def _enduring(self, name: str, work: Callable[[Chain], _T]) -> _T:
        """What `work` returns. With several validators it is done again, through the next of them, while that may help.

        Raises:
            whatever `work` raises, on a devnet at once, else after `relay.wait` seconds.
        """
        deadline, said = 0.0, ""
        while True:
            try:
                return work(self._chain(name))
            except (ChainError, Refused) as error:
                now = time.monotonic()
                deadline = deadline or now + self._settings.relay.wait
                if name not in self._real or not _passing(error) or now > deadline or self.stop.is_set():
                    raise
                if said != (said := str(error)):
                    self._journal.say("trouble", network=name, text=said)
                self.stop.wait(RETRY_SECONDS)
                if isinstance(error, Unreachable):
                    with suppress(Unreachable):  # nobody answers: the next try says so again
                        self._ways[name].next()

    def _attack(self, results: Path) -> None:
        self._journal.say("step", text="attacking the links")
        found: list[Forgery] = []
        measured: dict[str, dict[str, int]] = {}
        for source, destination in self._links:
            if (scheme := self._schemes[source, destination]) != "CMT1":
                said = f"{source} → {destination} is not attacked: the run's forgeries are of CMT1, not of {scheme}"
                self._journal.say("step", text=said)
                continue
            link = LinkUnderAttack(
                f"{source} → {destination}",
                self._chain(source),
                self._chain(destination),
                self._attestors[source],
                self._attestors[destination],
                self._folder / "store" / source,
            )
            forgeries, costs = attack(link)
            found += forgeries
            measured[destination] = costs
            for forgery in forgeries:
                self._journal.emit({"event": "forgery", **asdict(forgery)})
        record = {"forgeries": [asdict(one) for one in found], "costs": measured}
        write_whole(results, json.dumps(record, indent=1))
        if accepted := [one.name for one in found if not one.refused]:
            raise Refused(Code.Unauthorised, "forgeries", f"accepted: {', '.join(accepted)}")

    # Baselines

    def _baselines(self) -> list[Curve]:
        path = self._folder / "baselines.json"
        if path.exists():
            return [Curve(one["name"], tuple(one["accuracy_ppm"])) for one in json.loads(path.read_text())]
        if not self._settings.baselines:
            return []
        names = [network.name for network in self._settings.networks]

        def tick() -> None:
            if self.stop.is_set():
                raise Interrupted("interrupted")

        curves = [isolated(self._task, names, at, self._executor, tick) for at in range(len(names))]
        curves.append(pooled(self._task, names, self._executor, tick))
        write_whole(path, json.dumps([asdict(curve) for curve in curves]))
        return curves


def run_experiment(
    settings: ExperimentSettings, folder: Path, *, fresh: bool, as_json: bool, engines: Mapping[str, str]
) -> Path:
    """Runs an experiment in a folder, or resumes it; returns the report's JSON file. `engines` by kind of devnet.

    Raises:
        ConfigError: the folder holds another configuration's run, or another process runs in it.
    """
    if fresh and folder.exists():
        remove_run(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _exclusive(folder):
        described = canonical(settings).decode()
        marker = folder / "experiment.json"
        if marker.exists() and marker.read_text() != described:
            raise ConfigError(f"{folder} holds a run of another configuration", "Use --fresh or another --output")
        write_whole(marker, described)
        journal = Journal(folder / "history.jsonl", as_json)
        run = Run(settings, folder, journal, engines)
        try:
            return run.execute()
        except KeyboardInterrupt:
            journal.say("step", text="interrupted, and stopped; the same command goes on from here")
            raise
        except OSError as error:
            what = error.strerror or type(error).__name__
            raise ArtifactError(f"{error.filename or folder}: {what}. Free space, then start again") from error
        finally:
            run.stop.set()
            # Once more: the interrupt may have come in the midst of stopping.
            stop_chains(folder)
            journal.close()


def remove_run(folder: Path) -> None:
    """Removes a run's folder with everything that still runs in it; refuses a folder that is no run's."""
    if not any(folder.iterdir()):
        return
    if not (folder / "experiment.json").exists():
        raise ConfigError(f"{folder} is not the folder of a run", "Remove it yourself, or choose another --output")
    with _exclusive(folder):
        stop_chains(folder)
        shutil.rmtree(folder)


def stop_chains(folder: Path) -> None:
    """Stops the chains of a run that a kill left running."""
    for spec_path in sorted(folder.glob("chains/*/spec.json")):
        stop_chain(spec_path.parent, read_spec(spec_path).kind)


def _passing(error: ChainError | Refused) -> bool:
    """Whether another look, perhaps at a block that another branch has, may come out differently."""
    return isinstance(error, ChainError) or error.code in (Code.UnknownTask, Code.WrongRound, Code.Uninitialised)


def _taken(source: bytes, chain: Chain) -> int:
    """How many packets of a source its inbox has consumed."""
    return chain.next_nonce(source)


def _training(network: Network, round_number: int) -> bool:
    """Whether this round of the network's task has been started, or is over."""
    status = network.chain.task(network.task)
    started = status.round >= round_number and status.phase is not Phase.NONE
    return started or status.last_final_round >= round_number


def _final(network: Network, round_number: int) -> bool:
    return network.chain.task(network.task).last_final_round >= round_number


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Holds the folder's lock; the kernel drops it when the process ends, however that happens."""
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(f"another process runs in {folder}", "Wait for it, or end it") from error
        yield


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(thread_name_prefix="run")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
