"""Four validators of our own node, one network for all tests: the conformance kit, blocks in turns, votes, deaths, and
what a lying endpoint cannot say about them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from chains.substrate import SubstrateChain, SubstrateDevnet
from chains.substrate.authorities import justified_block
from chains.substrate.evidence import finality_evidence
from chains.substrate.grandpa import ENGINE
from chains.substrate.network import SubstrateNetwork, create_network
from chains.substrate.rpc import Json, Rpc
from chains.substrate.runtime import Runtime, items
from poft.protocol.errors import Code, ConfigError, Refused

from .chain_kit import ChainConformance, Net, label, until

pytestmark = [pytest.mark.built, pytest.mark.devnet, pytest.mark.slow]

STRANGER = SubstrateDevnet().account("stranger")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SubstrateNetwork]:
    network = create_network(tmp_path_factory.mktemp("network"), "Four validators", 4, [STRANGER])
    network.start()
    try:
        until(lambda: min(final(network)) >= 3, "three final blocks")
        yield network
    finally:
        network.stop()


def final(network: SubstrateNetwork) -> list[int]:
    return [one.final for one in network.status() if one.running]


def heights(network: SubstrateNetwork) -> list[int]:
    return [one.height for one in network.status() if one.running]


@pytest.fixture
def chain(network: SubstrateNetwork) -> Iterator[SubstrateChain]:
    chain = SubstrateChain(network.spec())
    yield chain
    chain.close()


# --- the kit ---------------------------------------------------------------------------------------------------------


class TestFourValidators(ChainConformance):
    make_chain = SubstrateChain

    @pytest.fixture(scope="class")
    @classmethod
    def net(cls, network: SubstrateNetwork) -> Net:
        return Net(network.spec(), SubstrateChain, STRANGER)


# --- evidence --------------------------------------------------------------------------------------------------------


def test_evidence_has_digest_storage_proof_and_votes_in_agreement(chain: SubstrateChain) -> None:
    assert not chain.spec.development
    chain.set_routes(label("something happens"), [])
    height = chain.final_height()
    evidence = chain.finality_evidence(height)
    assert evidence.height == height
    assert evidence.outbox_size == chain.outbox_size()  # nobody exports now
    assert abs(evidence.timestamp - time.time()) < 30
    assert chain.finality_evidence(1).height == 1


def test_evidence_of_all_validators_is_one(network: SubstrateNetwork) -> None:
    chain = SubstrateChain(network.spec(network.positions))
    height = min(final(network))
    assert chain.finality_evidence(height).height == height
    chain.close()


def test_evidence_refused_before_finality(chain: SubstrateChain) -> None:
    with pytest.raises(Refused) as caught:
        chain.finality_evidence(chain.height() + 10)
    assert caught.value.code is Code.NotFinal


def test_evidence_refused_of_another_genesis(network: SubstrateNetwork) -> None:
    spec = replace(network.spec(), deployment={"genesis": "0x" + bytes(32).hex()})
    chain = SubstrateChain(spec)
    with pytest.raises(Refused) as caught:
        chain.finality_evidence(1)
    assert caught.value.code is Code.EvidenceDisagrees
    chain.close()


def test_evidence_wants_the_genesis_named(network: SubstrateNetwork) -> None:
    chain = SubstrateChain(replace(network.spec(), deployment={}))
    with pytest.raises(ConfigError, match="genesis"):
        chain.finality_evidence(1)
    chain.close()


class Liar(Rpc):
    """The network's own node, with one kind of answer replaced."""

    def __init__(self, url: str, method: str, lie: Callable[[Json], Json]) -> None:
        super().__init__(url)
        self._method, self._lie = method, lie

    def ask_all(self, calls: Sequence[tuple[str, Sequence[object]]]) -> list[Json]:
        answers = super().ask_all(calls)
        return [
            self._lie(answer) if method == self._method else answer
            for (method, _), answer in zip(calls, answers, strict=True)
        ]


def said(network: SubstrateNetwork, method: str, lie: Callable[[Json], Json], height: int) -> Code:
    rpc = Liar(network.validators[0].rpc, method, lie)
    runtime = Runtime(rpc)
    try:
        finality_evidence(runtime, height, network.spec())
    except Refused as error:
        return error.code
    finally:
        rpc.close()
    return Code.Ok


def justified_height(network: SubstrateNetwork) -> int:
    """A block that has GRANDPA's justification, and whose child is final."""
    runtime = Runtime(Rpc(network.validators[0].rpc))
    try:
        for height in range(min(final(network)) - 1, 0, -1):
            if justified_block(runtime, height).justification is not None:
                return height
    finally:
        runtime.rpc.close()
    raise AssertionError("no block has a justification")


def with_votes(change: Callable[[bytes], bytes]) -> Callable[[Json], Json]:
    def lie(answer: Json) -> Json:
        assert isinstance(answer, dict)
        found = [items(pair) for pair in items(answer["justifications"] or [])]
        votes: list[Json] = [
            [engine, list(change(bytes(raw)))]  # type: ignore[arg-type]
            for engine, raw in found
            if engine == list(ENGINE)
        ]
        return {**answer, "justifications": votes}

    return lie


def test_evidence_refused_of_a_node_that_lies_about_votes(network: SubstrateNetwork) -> None:
    height = justified_height(network)
    head, vote = 44, 132
    assert said(network, "chain_getBlock", with_votes(lambda raw: raw), height) is Code.Ok
    count = {3: 12, 4: 16}

    def fewer(raw: bytes) -> bytes:
        votes = raw[head] >> 2
        assert raw[head] == count[votes]
        return raw[:head] + bytes([2 << 2]) + raw[head + 1 : head + 1 + 2 * vote] + raw[head + 1 + votes * vote :]

    assert said(network, "chain_getBlock", with_votes(fewer), height) is Code.QuorumNotReached
    flipped = with_votes(lambda raw: raw[:100] + bytes([raw[100] ^ 1]) + raw[101:])
    assert said(network, "chain_getBlock", flipped, height) is Code.BadSignature
    another = with_votes(lambda raw: raw[:8] + bytes(32) + raw[40:])
    assert said(network, "chain_getBlock", another, height) is Code.EvidenceDisagrees
    later = with_votes(lambda raw: (int.from_bytes(raw[:8], "little") + 1).to_bytes(8, "little") + raw[8:])
    assert said(network, "chain_getBlock", later, height) is Code.BadSignature


def test_evidence_refused_of_a_node_that_shows_no_votes(network: SubstrateNetwork) -> None:
    def without(answer: Json) -> Json:
        assert isinstance(answer, dict)
        return {**answer, "justifications": None}

    assert said(network, "chain_getBlock", without, min(final(network)) - 1) is Code.DevelopmentChain


def test_evidence_refused_of_a_node_that_alters_headers_or_proofs(network: SubstrateNetwork) -> None:
    height = justified_height(network)

    def other_root(answer: Json) -> Json:
        assert isinstance(answer, dict)
        return {**answer, "stateRoot": "0x" + bytes(32).hex()}

    assert said(network, "chain_getHeader", other_root, height) is Code.EvidenceDisagrees

    def no_proof(answer: Json) -> Json:
        assert isinstance(answer, dict)
        return {**answer, "proof": []}

    assert said(network, "state_getReadProof", no_proof, height) is Code.EvidenceDisagrees


# --- deaths ----------------------------------------------------------------------------------------------------------


def test_finality_survives_one_death_stops_at_two_and_catches_up(network: SubstrateNetwork) -> None:
    network.kill(3)
    before = max(final(network))
    until(lambda: min(final(network)) >= before + 5, "finality with three of four")

    network.kill(2)
    time.sleep(3)  # what three of them had voted for may still arrive
    stopped, height = max(final(network)), max(heights(network))
    until(lambda: min(heights(network)) >= height + 3, "blocks with two of four")
    assert max(final(network)) == stopped

    network.start([2])
    until(lambda: min(final(network)) > height, "finality when the third is back")
    network.start([3])
    caught_up = max(final(network))
    until(lambda: len(final(network)) == 4 and min(final(network)) >= caught_up, "the fourth catches up")

    # Finality came in one leap: the blocks that it skipped are proven by the vote for a later one.
    chain = SubstrateChain(network.spec())
    for at in range(stopped, height + 1):
        assert chain.finality_evidence(at).height == at
    chain.close()


def test_finality_stops_in_a_partition_and_both_halves_agree_when_it_heals(network: SubstrateNetwork) -> None:
    network.part([[0, 1], [2, 3]])
    until(lambda: [one.peers for one in network.status()] == [1, 1, 1, 1], "two halves")
    time.sleep(3)  # what was voted for before may still arrive
    stopped, height = max(final(network)), max(heights(network))
    until(lambda: min(heights(network)) >= height + 3, "blocks of both halves")
    assert max(final(network)) == stopped

    network.join()
    until(lambda: min(final(network)) > height, "finality when the halves meet again")
    chain = SubstrateChain(network.spec(network.positions))
    assert chain.finality_evidence(height).height == height
    chain.close()


def test_networks_of_two_names_have_two_domains(network: SubstrateNetwork, tmp_path: Path) -> None:
    other = create_network(tmp_path, "Other validators", 4)
    with pytest.raises(ConfigError, match="never started"):
        other.spec()
    assert other.domain != network.domain
