"""Linked devnets with attestors and relayers as processes, for tests of what runs between chains.

Everything is real: contracts or pallets, services started as `poft attest` and `poft relay`, keys in files. A round of
a tiny federation exports one checkpoint.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from experiments.services import Attestor, Service, prepare_attestors, prepare_relayers, relayer_account, start_all
from poft.chain import Chain, ChainSpec, Outcome, Peer, StateSource, connect, devnet
from poft.protocol.checkpoint import Checkpoint
from poft.protocol.errors import ConfigError
from poft.verification.schemes.cmt1 import CommitteeGenesis
from poft.verification.schemes.esp1 import OutboxGenesis
from tests.chains.chain_kit import Person, create_task, memberships, people, play_round

PATIENCE = 60.0
NOTHING: Mapping[str, ChainSpec] = {}
RELAYERS = 2
ATTESTORS = 4


@dataclass
class Network:
    """One chain of a test with its federation and attestors."""

    name: str
    folder: Path
    spec: ChainSpec
    chain: Chain
    members: list[Person]
    task: bytes
    genesis: Checkpoint
    attestors: list[Attestor]
    services: list[Service]
    exported: list[bytes] = field(default_factory=list)

    def export(self, count: int = 1) -> None:
        """Plays rounds; each exports its checkpoint."""
        for _ in range(count):
            self.exported.append(play_round(self.chain, self.task, self.members).id)

    def imported(self) -> list[bytes]:
        """Ids of the checkpoints accepted here, in order."""
        return [record.checkpoint.id for record in self.chain.imports()]


@dataclass
class Mesh:
    """Networks and the relayers between them."""

    networks: dict[str, Network]
    relayers: list[Service]

    @property
    def services(self) -> list[Service]:
        return [service for network in self.networks.values() for service in network.services] + self.relayers

    def stop(self) -> None:
        for service in self.services:
            service.stop()

    def kick(self) -> None:
        for service in self.services:
            service.kick()

    def outcomes(self, source: Network, destination: Network) -> list[Outcome]:
        return destination.chain.outcomes(source.chain.domain)

    def assert_delivered_once(self, source: Network, destination: Network) -> None:
        """Every checkpoint that the source ever exported arrived, in order, once, and was taken."""
        ids = source.exported
        wait_for(lambda: len(_from(source, destination)) >= len(ids), f"{len(ids)} imports on {destination.name}")
        assert _from(source, destination) == list(ids)
        outcomes = self.outcomes(source, destination)
        assert [outcome.nonce for outcome in outcomes] == list(range(len(outcomes)))
        assert all(outcome.dispatched and not outcome.failure for outcome in outcomes)


@dataclass
class Pair(Mesh):
    """Two networks, linked both ways."""

    @property
    def left(self) -> Network:
        return self.networks["left"]

    @property
    def right(self) -> Network:
        return self.networks["right"]


def _from(source: Network, destination: Network) -> list[bytes]:
    """Ids of the checkpoints of a source that were accepted, in order."""
    records = destination.chain.imports()
    return [record.checkpoint.id for record in records if record.source_domain == source.chain.domain]


def wait_for(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Returns when the condition holds; fails with `what` otherwise."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"timed out waiting for {what}"
        time.sleep(0.1)


@contextmanager
def linked_pair(
    folder: Path, kinds: tuple[str, str], scheme: bytes = b"CMT1", running: Mapping[str, ChainSpec] = NOTHING
) -> Iterator[Pair]:
    """Two networks that follow each other; none of their services runs yet."""
    links = [("left", "right"), ("right", "left")]
    with linked(folder, dict(zip(("left", "right"), kinds, strict=True)), links, scheme, running) as mesh:
        yield Pair(mesh.networks, mesh.relayers)


@contextmanager
def linked(
    folder: Path,
    kinds: dict[str, str],
    links: list[tuple[str, str]],
    scheme: bytes = b"CMT1",
    running: Mapping[str, ChainSpec] = NOTHING,
) -> Iterator[Mesh]:
    """Devnets, federations, clients, peers and routes, and the files of all services; none of those runs yet.

    A chain in `running` is the caller's, and has the relayers' accounts.
    """
    started: list[tuple[str, Path]] = []
    try:
        networks = {}
        for name, kind in kinds.items():
            if name in running:
                networks[name] = _network(folder, name, running[name])
                continue
            home = folder / name
            started.append((kind, home))
            spec = devnet(kind).start(home, name, 0, [relayer_account(kind, i) for i in range(RELAYERS)])
            networks[name] = _network(folder, name, spec)
        for source, destination in links:
            _follow(networks[source], networks[destination], scheme)
        for name, network in networks.items():
            ends = [networks[b].chain for a, b in links if a == name]
            network.chain.set_routes(network.task, [(end.domain, end.endpoint) for end in ends])
        relayers = prepare_relayers(
            folder,
            {network.name: network.spec for network in networks.values()},
            {network.name: network.attestors for network in networks.values()},
            [links] * RELAYERS,
        )
        mesh = Mesh(networks, relayers)
        try:
            yield mesh
        finally:
            mesh.stop()
            for network in networks.values():
                network.chain.close()
    finally:
        for kind, home in started:
            with suppress(ConfigError):  # it never came as far as a state file
                devnet(kind).stop(home)


def _network(folder: Path, name: str, spec: ChainSpec) -> Network:
    chain = connect(spec)
    members = people(4)
    chain.admit([person.address for person in members])
    chain.set_members(memberships(chain, members))
    task, genesis = create_task(chain, name, export_every=1)
    attestors, services = prepare_attestors(folder, 7, name, spec, ATTESTORS)
    return Network(name, folder, spec, chain, members, task, genesis, attestors, services)


def trust(source: Network, scheme: bytes) -> tuple[bytes, bytes]:
    """(scheme, genesis) of a client that follows this source: of this scheme if the source's state can be proven."""
    genesis = CommitteeGenesis(1, tuple(attestor.address for attestor in source.attestors)).encode()
    if scheme == b"ESP1" and isinstance(source.chain, StateSource):
        return scheme, OutboxGenesis(source.chain.outbox_address, genesis).encode()
    return b"CMT1", genesis


def _follow(source: Network, destination: Network, scheme: bytes) -> None:
    """The destination trusts the source's attestors, and takes its checkpoints."""
    destination.chain.create_client(source.chain.domain, *trust(source, scheme), 43_200, 86_400)
    destination.chain.set_peer(
        Peer(source.chain.domain, source.chain.federation(), source.task, source.genesis.id, source.chain.endpoint)
    )


def kill(service: Service, folder: Path) -> None:
    """kill −9 of a service's process."""
    pid = int((folder / service.name / "pid").read_text())
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def answers(service: Service) -> bool:
    """Whether a service serves, well or not."""
    try:
        return httpx.get(f"{service.url}/health", timeout=2).status_code in (200, 503)
    except httpx.TransportError:
        return False


def page(service: Service, after: int = 0) -> list[dict[str, str]]:
    """What an attestor serves."""
    record = httpx.get(f"{service.url}/statements", params={"after": after}, timeout=5).json()
    statements: list[dict[str, str]] = record["statements"]
    return statements


__all__ = ["Mesh", "Network", "Pair", "answers", "kill", "linked", "linked_pair", "page", "start_all", "wait_for"]
