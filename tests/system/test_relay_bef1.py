"""A network of four validators is followed by anvil through BEF1: packets arrive, and no attestor runs anywhere.

Governance takes one validator out of the set and back in again; the client is handed over by the sets' own votes, and
the link goes on. Everything is real: four nodes, a contract, a relayer process that was told of no attestor.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from chains.evm import EvmChain, EvmDevnet
from chains.substrate import SubstrateChain
from chains.substrate.genesis import Beginning, keypair
from chains.substrate.network import SubstrateNetwork, create_network
from chains.substrate.node_spec import NodeSpec, write_node_spec
from chains.substrate.rpc import Rpc
from chains.substrate.runtime import Runtime
from chains.substrate.validator_keys import development_keys
from chains.substrate.validators import set_members
from experiments.services import Service, relayer_account
from poft.chain import Peer, connect, free_port
from poft.protocol.errors import Code, Rejected
from poft.protocol.finality import committee_hash
from poft.verification.beefy import Justification
from poft.verification.schemes.bef1 import BeefyGenesis, BeefyProof, build_proof
from poft.whole_file import write_private
from relayers.config import LinkSettings, RelayerSettings, SourceSettings, chain_settings, to_toml
from tests.chains.chain_kit import create_task, memberships, people, play_round

from .relaying import wait_for

pytestmark = [pytest.mark.trial, pytest.mark.built, pytest.mark.devnet, pytest.mark.slow, pytest.mark.timeout(600)]

NAME, SESSION, PATIENCE = "Validators", 12, 240.0


@dataclass
class World:
    """The network, anvil, and the relayer between them."""

    network: SubstrateNetwork
    source: SubstrateChain
    destination: EvmChain
    relayer: Service
    folder: Path
    task: bytes
    exported: list[bytes]

    def export(self, count: int = 1) -> None:
        members = people(4)
        for _ in range(count):
            self.exported.append(play_round(self.source, self.task, members).id)

    def assert_delivered_once(self) -> None:
        def imported() -> list[bytes]:
            return [record.checkpoint.id for record in self.destination.imports()]

        wait_for(lambda: len(imported()) >= len(self.exported), f"{len(self.exported)} imports", PATIENCE)
        assert imported() == self.exported

    def set_members(self, positions: Sequence[int]) -> None:
        """Governance says who is to validate; done at the end of the next session."""
        runtime = Runtime(Rpc(self.network.validators[0].rpc))
        accounts = [development_keys(NAME, position).public.account for position in positions]
        set_members(runtime, keypair(self.source.spec.key), accounts)
        runtime.rpc.close()

    def addresses(self, positions: Sequence[int]) -> tuple[bytes, ...]:
        return tuple(sorted(development_keys(NAME, position).public.address for position in positions))


@contextmanager
def running_network(folder: Path) -> Iterator[SubstrateNetwork]:
    """Four validators, with sessions of a few seconds."""
    network = create_network(folder, NAME, 4)
    keys = tuple(development_keys(NAME, position).public for position in range(4))
    write_node_spec(NodeSpec(Beginning(NAME), keys, session_length=SESSION), folder / "node-spec.json")
    network.start()
    try:
        yield network
    finally:
        network.stop()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("bef1")
    evm = EvmDevnet()
    with running_network(folder / "left") as network:
        spec = evm.start(folder / "right", "right", 0, [relayer_account("evm", 0)])
        source, destination = connect(network.spec((0, 1))), connect(spec)
        assert isinstance(source, SubstrateChain) and isinstance(destination, EvmChain)
        try:
            members = people(4)
            source.admit([person.address for person in members])
            source.set_members(memberships(source, members))
            task, genesis = create_task(source, "left", export_every=1)
            wait_for(lambda: source.committed_height() > 0, "a commitment", PATIENCE)
            committed = source.committed_height()
            validators = tuple(sorted(source.validators(committed)))
            trusted = BeefyGenesis(1, validators, source.next_committee(committed), small_committee=True)
            destination.create_client(source.domain, b"BEF1", trusted.encode(), 600, 86_400)
            destination.set_peer(Peer(source.domain, source.federation(), task, genesis.id, source.endpoint))
            source.set_routes(task, [(destination.domain, destination.endpoint)])
            relayer = _relayer(folder / "relayer", source, destination)
            relayer.start()
            relayer.wait_ready()
            try:
                yield World(network, source, destination, relayer, folder / "relayer", task, [])
            finally:
                relayer.stop()
        finally:
            source.close()
            destination.close()
            evm.stop(folder / "right")


def _relayer(folder: Path, source: SubstrateChain, destination: EvmChain) -> Service:
    """Its file: two chains, a source of which nothing is said but its name, a link."""
    folder.mkdir()
    listen = f"127.0.0.1:{free_port()}"
    left = chain_settings(replace(source.spec, name="left", key=""))
    right = chain_settings(replace(destination.spec, name="right", key=relayer_account("evm", 0)))
    settings = RelayerSettings(
        chains=(left, right),
        sources=(SourceSettings(chain="left"),),
        links=(LinkSettings(source="left", destination="right"),),
        listen=listen,
        state="queue.sqlite",
        watch_seconds=1,
    )
    write_private(folder / "relay.toml", to_toml(settings))
    return Service(folder, "relay", f"http://{listen}")


def test_packets_arrive_and_the_set_changes_twice_without_any_attestor(world: World) -> None:
    """One test, because a set's change is a story: before it, during it, after it, and back."""
    assert set(world.source.validators(world.source.committed_height())) == set(world.addresses(range(4)))
    world.export(2)
    world.assert_delivered_once()
    assert world.destination.client(world.source.domain).state.epoch == 1

    world.set_members([0, 1, 2])
    world.export(1)
    _wait_for_set(world, (0, 1, 2))
    world.export(1)
    world.assert_delivered_once()
    first = world.destination.client(world.source.domain).state.epoch
    assert first > 1

    # Without packets the take-over is carried all the same.
    world.set_members(range(4))
    _wait_for_set(world, range(4))
    wait_for(lambda: world.destination.client(world.source.domain).state.epoch > first, "the take-over", PATIENCE)
    world.export(1)
    world.assert_delivered_once()
    health = httpx.get(f"{world.relayer.url}/health").json()
    assert health["status"] == "ok", health


def test_a_relayer_that_was_away_leads_the_client_on(world: World) -> None:
    before = world.destination.client(world.source.domain).state.epoch
    world.relayer.stop()
    for positions in ((1, 2, 3), (0, 1, 2, 3)):
        world.set_members(positions)
        _wait_for_set(world, positions)
    world.export(1)
    (world.folder / "queue.sqlite").unlink()  # it remembers nothing
    world.relayer.start()
    world.assert_delivered_once()
    assert world.destination.client(world.source.domain).state.epoch >= before + 2


def test_what_the_chain_itself_refuses(world: World) -> None:
    """A real commitment: of the past, with a signature less, and under the name of another chain."""
    source, destination = world.source, world.destination
    state = destination.client(source.domain).state
    height = source.committed_height()
    justification = Justification.decode(source.justifications(height)[0])
    said, members = justification.commitment, source.validators(height)
    committees = committee_hash(said.epoch, sorted(members)), said.next_committee
    proof = build_proof(said, committees, members, justification.signers(), ())
    assert said.epoch == state.epoch
    short = BeefyProof(
        proof.commitment, *committees, proof.members, proof.bitmap & (proof.bitmap - 1), proof.signatures[1:]
    )
    renamed = said.encode().replace(source.domain, destination.domain)
    other = BeefyProof(renamed, *committees, proof.members, proof.bitmap, proof.signatures)
    for forged, code in (
        (short, Code.QuorumNotReached),
        (other, Code.WrongDomain),
        (BeefyProof(b"\x08" + proof.commitment[1:], *committees, (), 0, ()), Code.Malformed),
    ):
        with pytest.raises(Rejected) as refused:
            destination.update_client(source.domain, forged.encode())
        assert refused.value.code is code
    assert destination.client(source.domain).state.epoch == state.epoch


def _wait_for_set(world: World, positions: Sequence[int]) -> None:
    """Until these sign: announced at the end of a session, done at the end of the next."""
    due, started = set(world.addresses(positions)), time.monotonic()
    while set(world.source.validators(world.source.committed_height())) != due:
        assert time.monotonic() - started < PATIENCE, "the set did not change"
        time.sleep(0.5)
