"""One outbox for all destinations: three chains, acknowledgements on the way back, and halting in one direction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from experiments.services import relayer_account
from poft.chain import connect
from poft.protocol.acknowledgement import Fate
from poft.protocol.errors import Code, Rejected
from poft.protocol.merkle import inclusion_proof
from poft.protocol.packet import PacketKind
from poft.verification.receive import PacketProof

from .relaying import Mesh, Network, linked, start_all, wait_for

pytestmark = [pytest.mark.devnet, pytest.mark.slow]

KINDS = {"alpha": "evm", "beta": "substrate", "gamma": "evm"}
LINKS = [("alpha", "beta"), ("beta", "alpha"), ("alpha", "gamma"), ("gamma", "alpha")]


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    with linked(tmp_path_factory.mktemp("mesh"), KINDS, LINKS) as made:
        for here, there in LINKS:
            _acknowledge(made.networks[here], made.networks[there])
        start_all(made.services)
        yield made


def _acknowledge(source: Network, destination: Network) -> None:
    """The destination acknowledges the source's packets, and takes the source's acknowledgements."""
    destination.chain.set_acknowledgements(source.chain.domain, source.chain.inbox_endpoint)


def _acknowledged(source: Network, destination: Network) -> set[bytes]:
    """Packets of the source that the destination's inbox said were applied."""
    said = source.chain.acknowledgements(destination.chain.domain)
    assert all(one.fate is Fate.APPLIED and one.carrier != bytes(32) for one in said)
    return {one.packet_id for one in said}


def _sent(source: Network, destination: Network) -> set[bytes]:
    """Checkpoint packets in the source's outbox for this destination."""
    entries = source.chain.outbox_entries(0, source.chain.outbox_size())
    return {
        entry.packet.id
        for entry in entries
        if entry.packet.dest_domain == destination.chain.domain and entry.packet.kind == PacketKind.CHECKPOINT
    }


def test_one_outbox_serves_every_destination_and_hears_back(mesh: Mesh) -> None:
    networks = mesh.networks
    for name in KINDS:
        networks[name].export(2)
    for source, destination in LINKS:
        mesh.assert_delivered_once(networks[source], networks[destination])
    for source, destination in LINKS:
        here, there = networks[source], networks[destination]
        due = _sent(here, there)
        assert len(due) == 2
        wait_for(lambda a=here, b=there, ids=due: _acknowledged(a, b) >= ids, f"{source} to hear from {destination}")
        assert _acknowledged(here, there) == due


def test_acknowledgements_are_not_acknowledged(mesh: Mesh) -> None:
    alpha, beta = mesh.networks["alpha"], mesh.networks["beta"]
    wait_for(lambda: _acknowledged(alpha, beta) >= _sent(alpha, beta), "alpha to hear from beta")
    sizes = [network.chain.outbox_size() for network in mesh.networks.values()]
    alpha.export()
    wait_for(lambda: _acknowledged(alpha, beta) >= _sent(alpha, beta), "alpha to hear from beta once more")
    gamma = mesh.networks["gamma"]
    wait_for(lambda: _acknowledged(alpha, gamma) >= _sent(alpha, gamma), "alpha to hear from gamma")
    now = [network.chain.outbox_size() for network in mesh.networks.values()]
    grown = [after - before for after, before in zip(now, sizes, strict=True)]
    assert grown == [2, 1, 1]  # a checkpoint to each peer, an acknowledgement from each


def test_packet_for_one_destination_is_refused_by_the_other(mesh: Mesh) -> None:
    alpha, gamma = mesh.networks["alpha"].chain, mesh.networks["gamma"].chain
    beta = mesh.networks["beta"].chain
    state = gamma.client(alpha.domain).state
    entries = alpha.outbox_entries(0, state.outbox_size)
    leaves = [entry.packet.id for entry in entries]
    elsewhere = next(entry for entry in entries if entry.packet.dest_domain == beta.domain)
    stray = PacketProof(
        elsewhere.packet, elsewhere.payload, elsewhere.index, tuple(inclusion_proof(leaves, elsewhere.index))
    )
    with pytest.raises(Rejected) as refused:
        gamma.deliver(alpha.domain, None, state.outbox_size, [stray])
    assert refused.value.code is Code.WrongDestination


def test_halting_one_direction_leaves_the_others_and_a_query_confirms_it(mesh: Mesh) -> None:
    alpha, beta, gamma = (mesh.networks[name] for name in KINDS)
    for halted in (beta, gamma):
        halted.chain.set_halted(alpha.chain.domain, True)
        assert halted.chain.halted(alpha.chain.domain)
    beta.chain.set_halted(alpha.chain.domain, False)
    assert not beta.chain.halted(alpha.chain.domain)
    before = gamma.chain.next_nonce(alpha.chain.domain)
    alpha.export()
    gamma.export()
    mesh.assert_delivered_once(alpha, beta)
    mesh.assert_delivered_once(gamma, alpha)
    assert gamma.chain.next_nonce(alpha.chain.domain) == before
    gamma.chain.set_halted(alpha.chain.domain, False)
    mesh.kick()
    mesh.assert_delivered_once(alpha, gamma)


def test_a_stranger_governs_nothing(mesh: Mesh) -> None:
    for network in mesh.networks.values():
        stranger = connect(replace(network.spec, key=relayer_account(KINDS[network.name], 0)))
        source = next(other for other in mesh.networks.values() if other is not network).chain.domain
        with pytest.raises(Rejected):
            stranger.set_halted(source, True)
        with pytest.raises(Rejected):
            stranger.freeze_client(source)
        with pytest.raises(Rejected):
            stranger.set_acknowledgements(source, bytes(32))
        assert not network.chain.halted(source)
        stranger.close()
