"""Validators that make blocks without a majority: blocks of the chain, sealed by keys of it, and never final.

Two of four are cut off, and go on by themselves, as somebody would who has stolen two keys; one of their nodes also
lies about what is final. Whoever asks it for evidence is refused; whoever asks another one as well is refused too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from chains.substrate import SubstrateChain
from chains.substrate.evidence import finality_evidence
from chains.substrate.network import SubstrateNetwork, create_network
from chains.substrate.rpc import Json, Rpc
from chains.substrate.runtime import Runtime
from poft.protocol.errors import Code, Refused

from .chain_kit import refuses, until

pytestmark = [pytest.mark.trial, pytest.mark.built, pytest.mark.devnet, pytest.mark.slow]

THIEF = 3
PATIENCE = 180.0


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SubstrateNetwork]:
    """Two halves, each of which has made blocks that the other does not have."""
    network = create_network(tmp_path_factory.mktemp("network"), "Forked", 4)
    network.start()
    try:
        until(lambda: min(one.final for one in network.status()) >= 2, "two final blocks", PATIENCE)
        network.part([[0, 1], [2, THIEF]])
        until(lambda: [one.peers for one in network.status()] == [1] * 4, "two halves", PATIENCE)
        parted = max(one.height for one in network.status())
        until(lambda: min(one.height for one in network.status()) >= parted + 2, "blocks of both", PATIENCE)
        yield network
    finally:
        network.stop()


class _FinalityIsMyHead(Rpc):
    """The thief's node, which calls its own head final."""

    def ask_all(self, calls: Sequence[tuple[str, Sequence[object]]]) -> list[Json]:
        return super().ask_all(
            [("chain_getBlockHash", ()) if method == "chain_getFinalizedHead" else (method, p) for method, p in calls]
        )


def _forked_height(network: SubstrateNetwork) -> int:
    """The thief's head: of this height the others have another block."""
    theirs, ours = Rpc(network.validators[THIEF].rpc), Rpc(network.validators[0].rpc)
    try:
        for _ in range(100):
            height = network.status()[THIEF].height
            if theirs.text("chain_getBlockHash", height) != ours.text("chain_getBlockHash", height):
                return height
            time.sleep(0.2)
    finally:
        theirs.close()
        ours.close()
    raise AssertionError("no fork")


@pytest.mark.parametrize("asked", [(THIEF,), (0, THIEF)], ids=["the thief", "the thief and another"])
def test_blocks_without_a_majority_are_not_final(network: SubstrateNetwork, asked: tuple[int, ...]) -> None:
    chain = SubstrateChain(network.spec(asked))
    with refuses(Code.NotFinal):
        chain.finality_evidence(_forked_height(network))
    chain.close()


def test_node_that_calls_its_own_branch_final_has_no_votes_for_it(network: SubstrateNetwork) -> None:
    rpc = _FinalityIsMyHead(network.validators[THIEF].rpc)
    with pytest.raises(Refused) as caught:
        finality_evidence(Runtime(rpc), _forked_height(network), network.spec([THIEF]))
    rpc.close()
    assert caught.value.code is Code.DevelopmentChain and caught.value.subject == "justification"


def test_another_networks_node_behind_the_url_is_refused(network: SubstrateNetwork) -> None:
    """The same program, the same runtime, another domain."""
    other = replace(network.spec(), domain=bytes([7]) * 32)
    with refuses(Code.WrongDomain):
        SubstrateChain(other)


def test_branch_is_given_up_when_the_others_are_back(network: SubstrateNetwork) -> None:
    height = _forked_height(network)
    network.join()
    until(lambda: network.status()[THIEF].final > height, "one branch", PATIENCE)
    chain = SubstrateChain(network.spec(network.positions))
    assert chain.finality_evidence(height).height == height
    chain.close()
