"""Two EVM chains follow each other: checkpoints cross in both directions and become parents on the other side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from eth_account import Account

from chains.evm import EvmChain, EvmDevnet
from poft.chain import Acknowledged, Peer
from poft.protocol.acknowledgement import Fate
from poft.protocol.domain import evm_endpoint
from poft.protocol.errors import Code
from poft.protocol.packet import PacketKind

from .chain_kit import carry, committee, create_task, link, memberships, people, play_round, refuses

pytestmark = pytest.mark.devnet


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[EvmChain, EvmChain]]:
    devnet = EvmDevnet()
    specs = [devnet.start(tmp_path / name, name, 0) for name in ("north", "south")]
    chains = [EvmChain(spec) for spec in specs]
    yield chains[0], chains[1]
    for name in ("north", "south"):
        devnet.stop(tmp_path / name)


def test_checkpoints_cross_both_ways_and_become_parents(pair: tuple[EvmChain, EvmChain]) -> None:
    members = people()
    attestors = {chain.domain: committee(chain.spec.name) for chain in pair}
    tasks = {}
    for chain in pair:
        chain.admit([person.address for person in members])
        chain.set_members(memberships(chain, members))
        tasks[chain.domain] = create_task(chain, chain.spec.name, export_every=1)
    north, south = pair
    link(north, *tasks[north.domain], south, attestors[north.domain])
    link(south, *tasks[south.domain], north, attestors[south.domain])
    imported: dict[bytes, list[bytes]] = {north.domain: [], south.domain: []}
    for _ in range(3):
        for source, destination in ((north, south), (south, north)):
            sent = play_round(source, tasks[source.domain][0], members, imported[source.domain])
            assert len(carry(source, destination, attestors[source.domain])) == 1
            record = destination.imports()[-1]
            assert (record.checkpoint, record.source_domain) == (sent, source.domain)
            assert destination.outcomes(source.domain)[-1].dispatched
            imported[destination.domain] = [sent.id]
    assert [len(chain.imports()) for chain in pair] == [3, 3]
    lineage = north.checkpoints(tasks[north.domain][0])
    assert lineage[-1].parents[1:] == (north.imports()[1].checkpoint.id,)
    # One chain's committee says nothing about the other.
    play_round(north, tasks[north.domain][0], members)
    with refuses(Code.CommitteeMismatch):
        carry(north, south, attestors[south.domain])


def test_acknowledgements_travel_back(pair: tuple[EvmChain, EvmChain]) -> None:
    """North's packets: one fails at first, one is taken. South tells north of both, and then of the retry."""
    north, south = pair
    members = people()
    attestors = {chain.domain: committee(chain.spec.name) for chain in pair}
    north.admit([person.address for person in members])
    north.set_members(memberships(north, members))
    task, genesis = create_task(north, "north", export_every=1)
    link(north, task, genesis, south, attestors[north.domain])
    link(south, task, genesis, north, attestors[south.domain])
    carrier = evm_endpoint(bytes.fromhex(Account.from_key(south.spec.key).address[2:]))
    for chain, peer in ((north, south), (south, north)):
        chain.set_acknowledgements(peer.domain, peer.inbox_endpoint)
    south.set_peer(Peer(north.domain, north.federation(), task, task, north.endpoint))
    play_round(north, task, members)
    (failed,) = carry(north, south, attestors[north.domain])
    assert not south.outcomes(north.domain)[0].dispatched
    south.set_peer(Peer(north.domain, north.federation(), task, genesis.id, north.endpoint))
    (entry,) = north.outbox_entries(0, 1)
    south.retry(entry.packet, entry.payload)
    play_round(north, task, members)
    (taken,) = carry(north, south, attestors[north.domain])
    assert [entry.packet.kind for entry in south.outbox_entries(0, 9)] == [PacketKind.ACKNOWLEDGEMENT] * 3
    assert north.acknowledgements(south.domain) == []
    carry(south, north, attestors[south.domain])
    assert north.acknowledgements(south.domain) == [
        Acknowledged(failed, Fate.APPLIED, carrier),
        Acknowledged(taken, Fate.APPLIED, carrier),
    ]
    assert all(outcome.dispatched for outcome in north.outcomes(south.domain))
    assert north.outbox_size() == 2, "nothing answers an acknowledgement"


def test_connect_refused_urls_swapped(pair: tuple[EvmChain, EvmChain]) -> None:
    north, south = pair
    with refuses(Code.WrongDomain):
        EvmChain(replace(north.spec, rpc=south.spec.rpc))
    # As the second endpoint it is found out when evidence is asked for.
    mixed = EvmChain(replace(north.spec, rpc=(*north.spec.rpc, *south.spec.rpc)))
    with refuses(Code.WrongDomain):
        mixed.finality_evidence(north.height())
