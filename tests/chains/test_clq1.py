"""CLQ1 from a real network: four geth signers seal, a relayer's carrier reads, the scheme believes. No attestors.

The network is go-ethereum's own Clique; nothing here signs a header. What is carried is verified by the reference, and
by a Substrate chain in `tests/system/test_relay_clq1.py`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import cast

import pytest

from chains.evm import EvmChain, EvmDevnet
from chains.evm.network import EvmNetwork, create_network
from poft.chain import Chain, ClientStatus
from poft.protocol.errors import Code, Refused
from poft.protocol.merkle import consistency_proof
from poft.verification.api import Finalised, Limits, TrustState
from poft.verification.headers import Header
from poft.verification.schemes.clq1 import CliqueVerifier, sealer_of
from poft.verification.sealed import Anchor, SealedGenesis, SealedProof
from relayers.carriers import Advance, Supplies
from relayers.collect import Attestors
from relayers.log import Log
from relayers.queue import Queue
from relayers.sealed import CliqueCarrier
from relayers.service import Connection

from .chain_kit import create_task, memberships, people, play_round, until

pytestmark = [pytest.mark.trial, pytest.mark.built, pytest.mark.devnet, pytest.mark.slow]

CLQ1 = CliqueVerifier()


@dataclass(frozen=True, slots=True)
class World:
    """The network, one of its nodes, and a carrier that reads all four."""

    network: EvmNetwork
    chain: EvmChain
    carrier: CliqueCarrier
    task: bytes
    genesis: bytes

    @property
    def anchor(self) -> Anchor:
        return SealedGenesis.decode(self.genesis).anchor

    def advance(self, state: TrustState) -> Advance:
        """The newest safe block that this client does not know."""
        found: list[Advance] = []

        def asked() -> bool:
            step = self.carrier.watching(ClientStatus(b"CLQ1", state, 0, False, 60, 3600), ageing=True)
            if isinstance(step, Advance) and step.height > state.height:
                found.append(step)
            return bool(found)

        until(asked, "a safe block")
        return found[-1]

    def carried(self, state: TrustState) -> tuple[bytes, TrustState, Finalised]:
        """A proof of that block, and what comes of it."""
        step = self.advance(state)
        leaves = [entry.packet.id for entry in self.chain.outbox_entries(0, step.outbox_size)]
        path = consistency_proof(leaves, state.outbox_size) if 0 < state.outbox_size < step.outbox_size else []
        proof = step.prove(path)
        return proof, *CLQ1.verify(self.chain.domain, state, proof, Limits(step.timestamp, 0))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("clq1")
    network = create_network(folder / "network", "Sealed headers", 4, [EvmDevnet().account("stranger")])
    network.start()
    try:
        spec = network.spec(tuple(network.positions))
        chain = EvmChain(spec)
        crowd = people(4)
        chain.admit([person.address for person in crowd])
        chain.set_members(memberships(chain, crowd))
        task, _ = create_task(chain, "sealed", export_every=1)
        chain.set_routes(task, [(bytes([7]) * 32, bytes([8]) * 32)])
        named = chain.consortium()
        genesis = SealedGenesis(Anchor(chain.domain, named.outbox, named.code_hash, 0, 1), 1, named.signers)
        with closing(Queue(folder / "queue")) as queue, closing(Attestors(chain.domain, (), 1.0, _no_fault)) as nobody:
            connection = Connection(spec, lambda _: cast(Chain, chain))
            log = Log("test", stream=io.StringIO())
            supplies = Supplies("link", connection, nobody, (), queue, log, 3600.0)
            yield World(network, chain, CliqueCarrier(supplies), task, genesis.encode())
        chain.close()
    finally:
        network.stop()


def _no_fault(_url: str, _error: Exception) -> None:
    raise AssertionError("nobody is asked")


def test_packets_are_proven_by_the_signers_own_seals(world: World) -> None:
    state = CLQ1.initialise(world.genesis)
    play_round(world.chain, world.task, people(4))
    until(lambda: world.chain.final_height() >= world.chain.outbox_heights(0, world.chain.height())[-1], "finality")
    proof, after, finalised = world.carried(state)
    assert (after.outbox_size, after.epoch) == (1, 1)
    assert finalised.block_hash == world.chain.block_hash(finalised.height)
    headers = [Header.decode(raw) for raw in SealedProof.decode(proof).headers]
    # London's 16 fields; at least three of the four on top, each in EIP-225's words.
    assert {len(header.fields) for header in headers} == {16}
    assert len({sealer_of(header) for header in headers[1:]}) >= 3
    # The same again is a no-op; a later block follows it.
    assert CLQ1.verify(world.chain.domain, after, proof, Limits(after.timestamp, 0))[0] == after
    play_round(world.chain, world.task, people(4))
    until(lambda: world.advance(after).outbox_size == 2, "the second packet")
    _, later, _ = world.carried(after)
    assert later.outbox_size == 2 and later.height > after.height


def test_what_the_network_did_not_seal_is_refused(world: World) -> None:
    state = CLQ1.initialise(world.genesis)
    proof, after, _ = world.carried(state)
    brought = SealedProof.decode(proof)
    limits = Limits(after.timestamp, 0)

    def refused(code: Code, forged: SealedProof, known: TrustState = state) -> None:
        with pytest.raises(Refused) as info:
            CLQ1.verify(world.chain.domain, known, forged.encode(), limits)
        assert info.value.code is code

    refused(Code.QuorumNotReached, replace(brought, headers=brought.headers[:-1]))
    refused(Code.QuorumNotReached, replace(brought, headers=brought.headers[:1]))
    refused(Code.EvidenceDisagrees, replace(brought, headers=(brought.headers[0], *brought.headers[2:])))
    refused(Code.CommitmentMismatch, replace(brought, outbox_size=brought.outbox_size + 1))
    # A client of another network, whose outbox has another code: the same signers' headers prove nothing there.
    elsewhere = replace(world.anchor, code_hash=bytes([1]) * 32)
    genesis = SealedGenesis(elsewhere, 1, brought.signers)
    refused(Code.WrongDomain, replace(brought, anchor=elsewhere), CLQ1.initialise(genesis.encode()))
    late = replace(world.anchor, since=after.height)
    genesis = SealedGenesis(late, 1, brought.signers)
    refused(Code.StaleHeight, replace(brought, anchor=late), CLQ1.initialise(genesis.encode()))


def test_a_partition_replaces_blocks_but_none_that_was_proven(world: World) -> None:
    network, state = world.network, CLQ1.initialise(world.genesis)
    _, state, _ = world.carried(state)
    network.part([[0, 1], [2, 3]])
    until(lambda: max(one.peers for one in network.status()) == 1, "two halves")
    before = [world.chain.block_hash(height) for height in range(state.height + 1)]
    heads = [one.height for one in network.status()]
    # Two of four make a block or two each side, and never what the rule asks for.
    until(
        lambda: all(one.height >= height for one, height in zip(network.status(), heads, strict=True)), "two branches"
    )
    network.join()
    until(lambda: min(one.peers for one in network.status()) == 3, "one network")
    _, later, _ = world.carried(state)
    assert later.height > state.height
    assert [world.chain.block_hash(height) for height in range(state.height + 1)] == before


def test_a_dead_signer_is_survived(world: World) -> None:
    network, state = world.network, CLQ1.initialise(world.genesis)
    _, state, _ = world.carried(state)
    network.kill(3)
    _, state, _ = world.carried(state)
    network.start([3])
    _, later, _ = world.carried(state)
    assert later.height > state.height
