"""An EVM chain gets new contracts while its links run: attestors and relayers as processes, two kinds of neighbours.

What was sent before arrives, what is sent during waits and arrives, and nothing that was signed or sent for the old
contracts is taken afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chains.evm import EvmChain
from chains.evm.upgrade import ContractUpgrade, Neighbour, Progress
from poft.chain import StateSource, connect
from poft.config import load
from poft.protocol.errors import Code, Refused, Rejected
from poft.protocol.finality import Finality, sign_finality
from poft.protocol.merkle import Log
from poft.verification.receive import PacketProof
from poft.verification.schemes.cmt1 import CommitteeGenesis, CommitteeProof
from poft.verification.schemes.esp1 import OutboxGenesis
from relayers.config import AttestorSettings, RelayerSettings, chain_settings, to_toml
from tests.chains.chain_kit import next_checkpoint

from .relaying import Network, Pair, linked_pair, start_all, wait_for

pytestmark = [pytest.mark.trial, pytest.mark.devnet, pytest.mark.slow, pytest.mark.timeout(900)]

PATIENCE = 240.0


def committee(network: Network, epoch: int) -> bytes:
    return CommitteeGenesis(epoch, tuple(attestor.address for attestor in network.attestors)).encode()


def neighbour(pair: Pair, scheme: bytes) -> Neighbour:
    """The right chain, as the left one is linked with it; it recovers into epoch 2."""
    trust = committee(pair.right, 1)
    if pair.left.chain.client(pair.right.chain.domain).scheme == b"ESP1":
        assert isinstance(pair.right.chain, StateSource)
        trust = OutboxGenesis(pair.right.chain.outbox_address, trust).encode()
    return Neighbour(pair.right.chain, trust, committee(pair.left, 2), scheme)


def restart_with_new_contracts(pair: Pair) -> None:
    """What operators do: attestors of the chain in epoch 2 with new journals, everybody with the new addresses."""
    pair.stop()
    chain = chain_settings(replace(pair.left.spec, key=""))
    for service in pair.left.services:
        path = pair.left.folder / service.name / "attest.toml"
        settings = load(path, AttestorSettings)
        path.write_text(to_toml(settings.model_copy(update={"epoch": 2, "chain": chain, "state": "journal-2.sqlite"})))
    for service in pair.relayers:
        path = pair.left.folder / service.name / "relay.toml"
        known = load(path, RelayerSettings)
        chains = [
            one.model_copy(update={"deployment": dict(chain.deployment)}) if one.name == "left" else one
            for one in known.chains
        ]
        sources = [
            one.model_copy(update={"committees": (*one.committees, one.committees[0].model_copy(update={"epoch": 2}))})
            if one.chain == "left"
            else one
            for one in known.sources
        ]
        path.write_text(to_toml(known.model_copy(update={"chains": tuple(chains), "sources": tuple(sources)})))
    start_all(pair.services)


def signed(network: Network, height: int, epoch: int) -> bytes:
    """What a quorum of a chain's attestors says of a block, as a proof."""
    said, domain = network.chain.finality_evidence(height), network.chain.domain
    statement = Finality(
        epoch, height, said.block_hash, said.state_root, said.outbox_size, said.outbox_root, said.timestamp, bytes(32)
    )
    members = tuple(attestor.address for attestor in network.attestors)
    signatures = tuple(sign_finality(attestor.key, domain, statement) for attestor in network.attestors[:3])
    return CommitteeProof(statement, members, 0b111, signatures).encode()


def proven(network: Network, index: int) -> tuple[int, list[PacketProof]]:
    """A packet of a chain's log in its present outbox."""
    size = network.chain.outbox_size()
    entries = network.chain.outbox_entries(0, size)
    log = Log(entry.packet.id for entry in entries)
    entry = entries[index]
    return size, [PacketProof(entry.packet, entry.payload, index, tuple(log.inclusion_path(index, size)))]


def finish_round(network: Network) -> None:
    """Presents the checkpoint that was voted for before."""
    checkpoint, parents = next_checkpoint(network.chain, network.task, ())
    network.chain.finalise(network.task, checkpoint, parents)
    network.exported.append(checkpoint.id)


def refused(code: Code, action: Callable[[], object]) -> None:
    with pytest.raises((Rejected, Refused)) as caught:
        action()
    assert isinstance(caught.value, Rejected | Refused) and caught.value.code is code, caught.value


@pytest.fixture(params=[("evm", b"ESP1"), ("substrate", b"CMT1")], ids=["evm", "substrate"])
def linked(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Pair, bytes]]:
    kind, scheme = request.param
    with linked_pair(tmp_path, ("evm", kind), scheme) as pair:
        yield pair, scheme


def test_links_go_on_across_new_contracts(linked: tuple[Pair, bytes], tmp_path: Path) -> None:
    pair, scheme = linked
    left, right = pair.left, pair.right
    start_all(pair.services)
    left.export(2)
    right.export(1)
    pair.assert_delivered_once(left, right)
    pair.assert_delivered_once(right, left)
    old_proof = signed(left, left.chain.final_height(), 1)

    # Something is under way when it begins, and nobody carries.
    pair.stop()
    left.export(1)
    right.export(1)
    upgrade = ContractUpgrade(left.spec, (neighbour(pair, scheme),), tmp_path)
    assert not any(one.done for one in upgrade.look())
    assert not (tmp_path / "upgrade.json").exists()
    told: list[Progress] = []
    refused(Code.DeadlineNotReached, lambda: upgrade.run(0, told.append))
    upgrade.close()
    done = len(told)
    assert done and "delivered" not in told[-1].step
    # The federation cannot export meanwhile; what it finalises then is not lost, its round waits.
    refused(Code.Unauthorised, lambda: left.export(1))

    # Given again, it goes on where it stood, now that there are carriers.
    start_all(pair.services)
    told.clear()
    upgrade = ContractUpgrade(left.spec, (neighbour(pair, scheme),), tmp_path)
    assert sum(one.done for one in upgrade.look()) >= done
    after = upgrade.run(PATIENCE, told.append)
    assert all(one.done for one in upgrade.look())
    upgrade.close()
    known = right.chain.client(left.chain.domain)
    assert (known.generation, known.state.epoch, known.state.outbox_size, known.scheme) == (1, 2, 0, scheme)

    old = left.chain
    assert isinstance(old, EvmChain)
    sent = old.outbox_size()
    left.spec, left.chain = after, connect(after)
    assert left.chain.outbox_size() == sent
    assert [entry.index for entry in left.chain.outbox_entries(0, sent)] == list(range(sent))
    # Nothing that was signed or sent for the old contracts is taken.
    if scheme == b"CMT1":
        refused(Code.WrongEpoch, lambda: right.chain.update_client(left.chain.domain, old_proof))
    size, packets = proven(left, 0)
    refused(Code.UnknownOutbox, lambda: right.chain.deliver(left.chain.domain, None, size, packets))
    size_there, packets_there = proven(right, 0)
    refused(Code.Halted, lambda: old.deliver(right.chain.domain, None, size_there, packets_there))
    if scheme == b"CMT1":
        right.chain.update_client(left.chain.domain, signed(left, left.chain.final_height(), 2))
        refused(Code.WrongSender, lambda: right.chain.deliver(left.chain.domain, None, size, packets))

    restart_with_new_contracts(pair)
    # The round that waited goes on, with what was signed before.
    finish_round(left)
    left.export(1)
    right.export(2)
    wait_for(lambda: len(right.imported()) >= len(left.exported), "what was sent before and after", PATIENCE)
    pair.assert_delivered_once(left, right)
    pair.assert_delivered_once(right, left)
    for service in pair.services:
        service.check()
    old.close()
