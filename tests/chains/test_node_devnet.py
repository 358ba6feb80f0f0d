"""Our own node as a development engine: the conformance kit, and what it has that the embedded engine has not."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chains.substrate import SubstrateChain, SubstrateDevnet
from chains.substrate.genesis import domain_of
from chains.substrate.headers import digest_of, header_hash
from chains.substrate.rpc import Rpc
from chains.substrate.runtime import octets
from poft.chain import ChainSpec
from poft.protocol.errors import Code, ConfigError, Unreachable

from .chain_kit import ChainConformance, DevnetConformance, label, refuses

pytestmark = [pytest.mark.built, pytest.mark.devnet]


def devnet() -> SubstrateDevnet:
    return SubstrateDevnet("node")


class TestNodeChain(ChainConformance):
    make_devnet = staticmethod(devnet)
    make_chain = SubstrateChain


class TestNodeDevnet(DevnetConformance):
    make_devnet = staticmethod(devnet)
    make_chain = SubstrateChain


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainSpec]:
    net, folder = devnet(), tmp_path_factory.mktemp("node")
    yield net.start(folder, "own cases", 0, [net.account("payer")])
    net.stop(folder)


@pytest.fixture
def chain(spec: ChainSpec) -> Iterator[SubstrateChain]:
    chain = SubstrateChain(spec)
    yield chain
    chain.close()


def test_domain_is_that_of_the_embedded_engine(spec: ChainSpec) -> None:
    assert spec.domain == domain_of("own cases")


def test_header_commits_to_digest_and_state(chain: SubstrateChain, spec: ChainSpec) -> None:
    receipt = chain.set_routes(label("task"), [])
    rpc = Rpc(spec.rpc[0])
    block = rpc.text("chain_getBlockHash", receipt.height)
    header = rpc.record("chain_getHeader", block)
    assert header_hash(header) == octets(block)
    assert octets(header["stateRoot"]) != bytes(32)
    assert b"POFT" in digest_of(header)
    assert rpc.record("state_getReadProof", ["0x3a636f6465"], block)["proof"]
    rpc.close()
    evidence = chain.finality_evidence(receipt.height)
    assert (evidence.height, evidence.state_root) == (receipt.height, octets(header["stateRoot"]))


def test_evidence_of_blocks_that_nobody_voted_for_is_refused_without_the_flag(spec: ChainSpec) -> None:
    rpc = Rpc(spec.rpc[0])
    genesis = rpc.text("chain_getBlockHash", 0)
    rpc.close()
    chain = SubstrateChain(replace(spec, development=False, deployment={"genesis": genesis}))
    chain.set_routes(label("task"), [])
    with refuses(Code.DevelopmentChain):
        chain.finality_evidence(chain.final_height())
    chain.close()


def test_block_is_final_at_once_and_carries_the_clocks_time(chain: SubstrateChain) -> None:
    time.sleep(1.1)  # a slot later, whatever came before
    receipt = chain.set_routes(label("task"), [])
    assert chain.final_height() >= receipt.height


def test_killed_node_resumes_with_what_it_answered(tmp_path: Path) -> None:
    net = devnet()
    spec = net.start(tmp_path, "killed", 0)
    try:
        chain = SubstrateChain(spec)
        receipts = [chain.set_routes(label("before"), []) for _ in range(3)]
        os.kill(net.status(tmp_path).pid, signal.SIGKILL)
        with pytest.raises(Unreachable):
            chain.height()
        # The engine that the folder began with, though nobody names it.
        assert SubstrateDevnet().start(tmp_path, "killed", 0) == spec
        assert net.status(tmp_path).engine.startswith("node ")
        assert chain.ledger_bytes(receipts) > 0
        assert chain.set_routes(label("after"), []).height > receipts[-1].height
        chain.close()
        with pytest.raises(ConfigError, match="engine 'node'"):
            SubstrateDevnet("chopsticks").start(tmp_path, "killed", 0)
    finally:
        net.stop(tmp_path)
    assert not net.status(tmp_path).running
