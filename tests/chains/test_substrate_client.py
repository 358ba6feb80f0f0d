"""The Substrate client and devnet on a real chopsticks: the conformance kit, and what only this kind can suffer.

Forgeries here use the node's own `dev_setStorage`: whoever runs a node can put anything into its state.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from chains.substrate import SubstrateChain, SubstrateDevnet, chopsticks
from chains.substrate import runtime as runtime_module
from chains.substrate.genesis import keypair
from chains.substrate.rpc import NodeError, Rpc
from chains.substrate.runtime import Runtime, scale
from chains.substrate.sending import Payer
from poft.chain import ChainSpec, Outcome, Receipt
from poft.protocol.errors import Code, ConfigError, Rejected, Unreachable
from poft.verification.schemes.cmt1 import CommitteeGenesis

from .chain_kit import ChainConformance, DevnetConformance, free_port, label, refuses


def devnet() -> SubstrateDevnet:
    return SubstrateDevnet("chopsticks")


class TestSubstrateChain(ChainConformance):
    make_devnet = staticmethod(devnet)
    make_chain = SubstrateChain


class TestSubstrateDevnet(DevnetConformance):
    make_devnet = staticmethod(devnet)
    make_chain = SubstrateChain


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainSpec]:
    net, folder = devnet(), tmp_path_factory.mktemp("substrate")
    yield net.start(folder, "own cases", 0, [net.account("payer")])
    net.stop(folder)


@pytest.fixture
def chain(spec: ChainSpec) -> Iterator[SubstrateChain]:
    chain = SubstrateChain(spec)
    yield chain
    chain.close()


@pytest.fixture
def node(spec: ChainSpec) -> Iterator[Rpc]:
    rpc = Rpc(spec.rpc[0])
    yield rpc
    rpc.close()


def test_threads_read_while_others_connect(spec: ChainSpec) -> None:
    """The codec's classes are the process's: a connection that is being made must not decide what another one reads."""
    stop = threading.Event()

    def reads() -> int:
        chain, count = SubstrateChain(spec), 0
        expected = (chain.members(), chain.imports(), chain.outbox_size())
        while not stop.is_set():
            assert (chain.members(), chain.imports(), chain.outbox_size()) == expected
            count += 1
        chain.close()
        return count

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(reads) for _ in range(2)]
        for _ in range(3):
            SubstrateChain(spec).close()
        stop.set()
        assert all(reader.result() for reader in readers)


def pass_blocks(chain: SubstrateChain, count: int) -> None:
    for _ in range(count):
        chain.set_routes(label("pass the time"), [])


# --- evidence --------------------------------------------------------------------------------------------------------


@pytest.mark.devnet
def test_evidence_refused_of_a_development_node_without_the_flag(spec: ChainSpec) -> None:
    chain = SubstrateChain(replace(spec, development=False))
    with refuses(Code.DevelopmentChain):
        chain.finality_evidence(chain.final_height())
    chain.close()


@pytest.mark.devnet
def test_evidence_refused_storage_is_not_what_the_header_commits_to(chain: SubstrateChain, node: Rpc) -> None:
    pass_blocks(chain, 1)
    height = chain.height()
    honest = chain.finality_evidence(height)
    key = Runtime(node).storage_key("Bridge", "Outbox")
    forged = "0x" + (1).to_bytes(8, "little").hex() + "04" + label("forged").hex()
    block = node.text("chain_getBlockHash", height)
    node.ask("dev_setStorage", [[key, forged]], block)
    with refuses(Code.EvidenceDisagrees):
        chain.finality_evidence(height)
    node.ask("dev_setStorage", [[key, "0x" + bytes(9).hex()]], block)
    assert chain.finality_evidence(height) == honest


@pytest.mark.devnet
def test_evidence_refused_two_endpoints_tell_two_stories(spec: ChainSpec, tmp_path: Path) -> None:
    net = devnet()
    fork = net.start(tmp_path, spec.name, 0)
    try:
        assert fork.domain == spec.domain
        other = SubstrateChain(fork)
        pass_blocks(other, 2)
        other.close()
        both = SubstrateChain(replace(spec, rpc=(*spec.rpc, *fork.rpc)))
        pass_blocks(both, 2)
        assert both.finality_evidence(1).height == 1
        with refuses(Code.EvidenceDisagrees):
            both.finality_evidence(2)
        both.close()
    finally:
        net.stop(tmp_path)


@pytest.mark.devnet
def test_evidence_time_is_the_clocks_and_only_grows(chain: SubstrateChain) -> None:
    times = []
    for _ in range(6):
        pass_blocks(chain, 1)
        times.append(chain.finality_evidence(chain.height()).timestamp)
    assert times == sorted(times)
    assert abs(times[-1] - time.time()) < 5


# --- sending ---------------------------------------------------------------------------------------------------------


@pytest.mark.devnet
def test_refused_extrinsic_makes_no_block(chain: SubstrateChain) -> None:
    before = chain.height()
    with refuses(Code.UnknownTask):
        chain.start_round(label("no such task"))
    assert chain.height() == before


@pytest.mark.devnet
def test_payers_with_one_key_lose_no_extrinsic(spec: ChainSpec) -> None:
    receipts, failures = [], []

    def send() -> None:
        chain = SubstrateChain(spec)
        try:
            receipts.extend(chain.set_routes(label("race"), []) for _ in range(5))
        except Rejected as error:
            failures.append(error)
        chain.close()

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len({receipt.transaction for receipt in receipts}) == 15
    assert len({receipt.height for receipt in receipts}) == 15


@pytest.mark.devnet
def test_skipped_nonce_is_an_outcome_without_packet(chain: SubstrateChain, node: Rpc, spec: ChainSpec) -> None:
    source = label("source whose packet nobody takes")
    members = tuple(sorted(label("member", at)[:20] for at in range(4)))
    chain.create_client(source, b"CMT1", CommitteeGenesis(1, members).encode(), 60, 3600)
    payer = Payer(Runtime(node), keypair(spec.key))

    def skip(nonce: int, root: bool = True) -> Receipt:
        return payer.send("Bridge", "skip_packet", {"source_domain": scale(source), "nonce": nonce}, root)

    with refuses(Code.Unauthorised):
        skip(0, root=False)
    with refuses(Code.NonceGap):
        skip(1)
    assert chain.outcomes(source) == []
    receipt = skip(0)
    with refuses(Code.NonceReplayed):
        skip(0)
    assert chain.outcomes(source) == [
        Outcome(bytes(32), 0, receipt.height, dispatched=False, failure="skipped by governance")
    ]
    assert chain.next_nonce(source) == 1


@pytest.mark.devnet
def test_empty_wallet_is_rejected(spec: ChainSpec) -> None:
    chain = SubstrateChain(replace(spec, key="//poft//nobody gave it coins"))
    with pytest.raises(Rejected, match="payment"):
        chain.advance(label("task"))
    chain.close()


@pytest.mark.devnet
def test_extrinsic_sent_again_is_refused(chain: SubstrateChain, node: Rpc) -> None:
    chain.set_routes(label("once"), [])
    head = node.text("chain_getBlockHash")
    block = node.record("chain_getBlock", head)["block"]
    assert isinstance(block, dict) and isinstance(block["extrinsics"], list)
    with pytest.raises(NodeError, match=r"[Ss]tale"):
        node.ask("author_submitExtrinsic", block["extrinsics"][1])


@pytest.mark.devnet
def test_extrinsic_dies_when_no_block_takes_it(
    chain: SubstrateChain, node: Rpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_module, "LIFETIME", 4)
    runtime, stranger = Runtime(node), keypair(devnet().account("payer"))
    version = runtime.next()
    remark = version.compose("System", "remark", {"remark": "0x00"})
    late = runtime.sign(version, remark, stranger, 0)
    pass_blocks(chain, 5)
    # The block that it was signed for is not the one that its lifetime now begins with.
    with pytest.raises(NodeError, match="badProof"):
        node.ask("author_submitExtrinsic", "0x" + late.hex())
    alive = runtime.sign(version, remark, stranger, 0)
    node.ask("author_submitExtrinsic", "0x" + alive.hex())


@pytest.mark.devnet
def test_connection_without_a_key_only_reads(spec: ChainSpec) -> None:
    chain = SubstrateChain(replace(spec, key=""))
    assert chain.height() >= 1
    with pytest.raises(ConfigError, match="read only"):
        chain.advance(label("task"))
    chain.close()


@pytest.mark.parametrize("key", ["0x1234", "0x" + "zz" * 32, "Alice", "bottom drive obey lake"])
@pytest.mark.devnet
def test_connect_refused_malformed_key(spec: ChainSpec, key: str) -> None:
    with pytest.raises(ConfigError, match="key"):
        SubstrateChain(replace(spec, key=key))


@pytest.mark.devnet
def test_seed_pays_like_a_derivation(spec: ChainSpec, chain: SubstrateChain) -> None:
    # //Alice of the development phrase, as its seed.
    seed = "0xe5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a"
    by_seed = SubstrateChain(replace(spec, key=seed))
    assert by_seed.set_routes(label("seed"), []).height == chain.height()
    by_seed.close()


# --- a node of somebody else's ---------------------------------------------------------------------------------------


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[SubstrateChain]:
    """The same chain behind plain chopsticks: a pool, refused extrinsics in blocks, headers without our item."""
    net, port = devnet(), free_port()
    spec = net.start(tmp_path, "foreign", 0)
    net.stop(tmp_path)
    program = chopsticks.node_modules() / "@acala-network" / "chopsticks" / "chopsticks.cjs"
    genesis = str(tmp_path / "genesis.json")
    command = [chopsticks.node_binary(), str(program), "--chain-spec", genesis, "--port", str(port)]
    node = subprocess.Popen(
        [*command, "--build-block-mode", "Instant"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        chain = connected(replace(spec, rpc=(f"ws://127.0.0.1:{port}",)))
        yield chain
        chain.close()
    finally:
        node.terminate()
        node.wait()


def connected(spec: ChainSpec) -> SubstrateChain:
    """A connection to a node that may still be starting."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return SubstrateChain(spec)
        except Unreachable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@pytest.mark.devnet
def test_foreign_node_is_read_and_paid_alike(foreign: SubstrateChain) -> None:
    before = foreign.height()
    receipt = foreign.set_routes(label("task"), [(label("destination"), label("receiver"))])
    assert receipt.height == before + 1
    assert receipt.cost > 0
    assert foreign.ledger_bytes([receipt]) > receipt.sent_bytes
    # Included and refused: the block says why, of a call and of what sudo called.
    with refuses(Code.UnknownTask):
        foreign.start_round(label("no such task"))
    with refuses(Code.ZeroValue):
        foreign.set_routes(label("task"), [(bytes(32), bytes(32))])
    assert foreign.height() == before + 3
    stranger = SubstrateChain(replace(foreign.spec, key="//Bob"))
    with refuses(Code.Unauthorised):
        stranger.set_routes(label("task"), [])
    stranger.close()
    # The item that its headers lack is the one in storage.
    evidence = foreign.finality_evidence(receipt.height)
    assert (evidence.height, evidence.outbox_size) == (receipt.height, 0)


# --- life cycle ------------------------------------------------------------------------------------------------------


@pytest.mark.devnet
def test_connection_survives_a_restart_of_its_node(tmp_path: Path) -> None:
    net = devnet()
    spec = net.start(tmp_path, "restarted", 0)
    try:
        chain = SubstrateChain(spec)
        receipts = [chain.set_routes(label("before"), []) for _ in range(3)]
        # No pause: what was answered lies in the database.
        node = psutil.Process(net.status(tmp_path).pid)
        node.kill()
        psutil.wait_procs([node], 10)
        with pytest.raises(Unreachable):
            chain.set_routes(label("nobody there"), [])
        assert net.start(tmp_path, "restarted", 0, [net.account("late")]) == spec
        assert chain.ledger_bytes(receipts) > 0
        chain.set_routes(label("after"), [])
        assert chain.height() == receipts[-1].height + 2  # the late payer's coins, and this one
        late = SubstrateChain(replace(spec, key=net.account("late")))
        with refuses(Code.Unauthorised):
            late.set_routes(label("late"), [])
        late.close()
        chain.close()
    finally:
        net.stop(tmp_path)


@pytest.mark.devnet
def test_stop_ends_only_its_own_process(tmp_path: Path) -> None:
    net = devnet()
    net.start(tmp_path, "own process", 0)
    path = tmp_path / "devnet.json"
    pid = net.status(tmp_path).pid
    honest = path.read_text()
    path.write_text(honest.replace(f'"pid": {pid}', f'"pid": {os.getpid()}'))
    assert not net.status(tmp_path).running
    net.stop(tmp_path)
    assert psutil.pid_exists(os.getpid()) and psutil.pid_exists(pid)
    path.write_text(honest)
    net.stop(tmp_path)
    assert not net.status(tmp_path).running


def test_start_refused_folder_of_another_devnet(tmp_path: Path) -> None:
    (tmp_path / "devnet.json").write_text('{"kind": "evm", "name": "x", "more": 1}')
    with pytest.raises(ConfigError, match="evm devnet"):
        devnet().start(tmp_path, "x", free_port())
    (tmp_path / "devnet.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"devnet\.json"):
        devnet().start(tmp_path, "x", free_port())


def test_start_refused_tool_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, pytest.raises(ConfigError, match="Install Node 20"):
        patch.setenv("PATH", str(tmp_path))
        devnet().start(tmp_path / "a", "x", 0)
    monkeypatch.setattr(chopsticks, "_PACKAGE", "@acala-network/not-installed")
    with pytest.raises(ConfigError, match="make setup"):
        devnet().start(tmp_path / "b", "x", 0)


@pytest.mark.devnet
def test_start_refused_name_too_long_for_the_ledger_leaves_nothing_running(tmp_path: Path) -> None:
    net = devnet()
    with pytest.raises(ConfigError, match=r"node\.log"):
        net.start(tmp_path, "x" * 100_000, 0)
    assert not net.status(tmp_path).running
