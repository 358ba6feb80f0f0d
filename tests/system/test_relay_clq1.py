"""Four geth signers convince a Substrate pallet by their own seals: a relayer process, no attestors.

A real Clique network on the left; on the right the embedded development chain, whose runtime has the scheme.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from chains.evm import EvmDevnet
from chains.evm.network import EvmNetwork, create_network
from experiments.services import Service, prepare_relayers, relayer_account, start_all
from experiments.trust import Origin, genesis
from poft.chain import Chain, Peer, connect, devnet
from poft.protocol.errors import Code, Refused, Rejected, Unreachable
from poft.verification.headers import Header
from poft.verification.sealed import SealedProof
from poft.verification.state_proof import StateProof
from relayers.carriers import Advance, Supplies
from relayers.collect import Attestors
from relayers.log import Log
from relayers.queue import Queue
from relayers.sealed import CliqueCarrier
from relayers.service import Connection
from tests.chains.chain_kit import create_task, memberships, people, play_round

from .relaying import wait_for

pytestmark = [pytest.mark.trial, pytest.mark.built, pytest.mark.devnet, pytest.mark.slow]

PATIENCE = 180.0


@dataclass(frozen=True, slots=True)
class World:
    """A network that seals, the chain that follows it, and the one service between them."""

    network: EvmNetwork
    source: Chain
    destination: Chain
    task: bytes
    relayer: Service

    def delivered(self, count: int) -> None:
        """Waits until so many checkpoints arrived; in order, once each."""
        domain = self.source.domain
        wait_for(lambda: self.destination.next_nonce(domain) >= count, f"{count} packets", PATIENCE)
        outcomes = self.destination.outcomes(domain)
        assert [one.nonce for one in outcomes] == list(range(count))
        assert all(one.dispatched and not one.failure for one in outcomes)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("clq1")
    network = create_network(folder / "network", "Sealers", 4, [EvmDevnet().account("stranger")])
    right = devnet("substrate")
    network.start()
    try:
        spec = network.spec(tuple(network.positions))
        there = right.start(folder / "right", "right", 0, [relayer_account("substrate", 0)])
        source, destination = connect(spec), connect(there)
        crowd = people(4)
        source.admit([person.address for person in crowd])
        source.set_members(memberships(source, crowd))
        task, first = create_task(source, "sealed", export_every=1)
        source.set_routes(task, [(destination.domain, destination.endpoint)])
        destination.create_client(source.domain, b"CLQ1", genesis("CLQ1", Origin(source, ())), 60, 3600)
        destination.set_peer(Peer(source.domain, source.federation(), task, first.id, source.endpoint))
        specs = {"left": spec, "right": there}
        (relayer,) = prepare_relayers(folder, specs, {"left": (), "right": ()}, [[("left", "right")]])
        start_all([relayer])
        try:
            yield World(network, source, destination, task, relayer)
        finally:
            relayer.stop()
            source.close()
            destination.close()
    finally:
        network.stop()
        right.stop(folder / "right")


def test_checkpoints_arrive_by_seals_alone(world: World) -> None:
    for _ in range(2):
        play_round(world.source, world.task, people(4))
    world.delivered(2)
    client = world.destination.client(world.source.domain)
    assert (client.scheme, client.state.epoch, client.state.outbox_size) == (b"CLQ1", 1, 2)
    assert httpx.get(f"{world.relayer.url}/health").json()["status"] == "ok"


def test_links_go_on_while_a_signer_is_dead_and_after_a_partition(world: World) -> None:
    done = world.destination.next_nonce(world.source.domain)
    world.network.kill(3)
    play_round(world.source, world.task, people(4))
    world.delivered(done + 1)
    world.network.start([3])
    world.network.part([[0, 1], [2, 3]])
    wait_for(lambda: max(one.peers for one in world.network.status()) == 1, "two halves", PATIENCE)
    world.network.join()
    play_round(world.source, world.task, people(4))
    world.delivered(done + 2)


def test_the_pallet_refuses_what_is_not_sealed_enough(world: World, tmp_path: Path) -> None:
    before = world.destination.client(world.source.domain)
    honest = SealedProof.decode(_proof(world, tmp_path))
    for forged, code in (
        (replace(honest, headers=honest.headers[:-1]), Code.QuorumNotReached),
        (replace(honest, headers=honest.headers[:1]), Code.QuorumNotReached),
        (replace(honest, headers=(honest.headers[0], *honest.headers[2:])), Code.EvidenceDisagrees),
        (replace(honest, anchor=replace(honest.anchor, dishonest=0)), Code.CommitteeMismatch),
        (replace(honest, outbox_root=bytes([1]) * 32), Code.RootChanged),
        (replace(honest, state=StateProof((), ())), Code.BadStateProof),
    ):
        with pytest.raises(Rejected) as refused:
            world.destination.update_client(world.source.domain, forged.encode())
        assert refused.value.code is code
    assert world.destination.client(world.source.domain) == before
    world.destination.update_client(world.source.domain, honest.encode())
    assert world.destination.client(world.source.domain).state.height == Header.decode(honest.headers[0]).number


def _proof(world: World, folder: Path) -> bytes:
    """Of a block that the client does not know, with nothing new in the outbox."""
    client, found = world.destination.client(world.source.domain), list[Advance]()
    connection = Connection(world.source.spec, lambda _: world.source)
    with closing(Queue(folder / "queue")) as queue, closing(Attestors(world.source.domain, (), 1.0, _asked)) as nobody:
        carrier = CliqueCarrier(
            Supplies("link", connection, nobody, (), queue, Log("test", stream=io.StringIO()), 3600.0)
        )

        def safe() -> bool:
            step = carrier.watching(client, ageing=True)
            found.extend([step] if isinstance(step, Advance) else [])
            return bool(found)

        wait_for(safe, "a safe block", PATIENCE)
        return found[-1].prove(())


def _asked(url: str, _error: Refused | Unreachable) -> None:
    raise AssertionError(f"{url} was asked")
