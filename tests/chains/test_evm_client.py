"""The EVM client and devnet on a real anvil: the conformance kit, and what only an EVM chain can be put through."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from eth_account import Account

from chains.evm import EvmChain, EvmDevnet, foundry, history, journal, sending
from chains.evm.abi import VERIFIERS, artifact, stored_digest, verifier_key
from chains.evm.artifacts import source_digest
from chains.evm.deploy import SENDER, deploy
from chains.evm.rpc import Rpc, hex_bytes
from chains.evm.sending import Payer
from poft.chain import Acknowledged, ChainSpec, free_port
from poft.protocol.acknowledgement import Acknowledgement, Fate
from poft.protocol.errors import ArtifactError, Code, ConfigError, Rejected, Unreachable
from poft.protocol.hashing import ZERO32, keccak
from poft.protocol.packet import PacketKind
from poft.verification.schemes.esp1 import OutboxGenesis

from .chain_kit import (
    ChainConformance,
    DevnetConformance,
    Source,
    Started,
    create_task,
    label,
    memberships,
    people,
    play_round,
    refuses,
)

pytestmark = pytest.mark.devnet


class TestEvmChain(ChainConformance):
    make_devnet = EvmDevnet
    make_chain = EvmChain


class TestEvmDevnet(DevnetConformance):
    make_devnet = EvmDevnet
    make_chain = EvmChain


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Started]:
    devnet = EvmDevnet()
    labels = ("stranger", "first", "second")
    spec = devnet.start(tmp_path, "client", free_port(), [devnet.account(name) for name in labels])
    yield Started(spec, EvmChain, devnet.account("stranger"), devnet, tmp_path)
    devnet.stop(tmp_path)


@pytest.fixture
def chain(net: Started) -> EvmChain:
    return EvmChain(net.spec)


def balance(spec: ChainSpec) -> int:
    """Wei of the spec's payer."""
    return Rpc(spec.rpc[0]).number("eth_getBalance", Account.from_key(spec.key).address, "latest")


def wait_for_pool(rpc: Rpc, transactions: int) -> None:
    """Until so many transactions wait for a block."""
    deadline = time.monotonic() + 10
    while (rpc.record("txpool_status") or {})["pending"] != hex(transactions):
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- artifacts and deployment ----------------------------------------------------------------------------------------


def test_artifacts_are_those_of_the_contracts() -> None:
    assert stored_digest() == source_digest(), "run python -m chains.evm.artifacts"


def test_deploy_attaches_to_any_url(net: Started) -> None:
    bare = ChainSpec(name="attached", kind="evm", rpc=net.spec.rpc, domain=b"", key=net.devnet.account("first"))
    spec = deploy(bare)
    attached = EvmChain(spec)
    assert attached.domain == net.spec.domain
    assert attached.federation() != EvmChain(net.spec).federation()
    with refuses(Code.WrongDomain):
        deploy(replace(bare, domain=label("another chain")))


def test_connect_refused_no_contracts(net: Started) -> None:
    with pytest.raises(ConfigError, match="Outbox"):
        EvmChain(replace(net.spec, deployment={**net.spec.deployment, "Outbox": "0x" + "12" * 20}))
    with pytest.raises(ConfigError, match="Federation"):
        EvmChain(replace(net.spec, deployment={"Outbox": net.spec.deployment["Outbox"]}))


def test_deploy_places_a_verifier_of_every_scheme(net: Started) -> None:
    rpc = Rpc(net.spec.rpc[0])
    for verifier in VERIFIERS:
        interface = artifact(verifier.contract)
        answer = rpc.call(net.spec.deployment[verifier_key(verifier.scheme)], interface.call("scheme"))
        assert interface.result("scheme", answer) == (verifier.scheme,)


def test_inbox_and_registry_alone_may_send(net: Started) -> None:
    rpc, authority = Rpc(net.spec.rpc[0]), artifact("Authority")
    for name in ("Inbox", "CheckpointRegistry", "LightClient", "Federation", "Outbox", "Authority"):
        call = authority.call("hasRole", SENDER, net.spec.deployment[name])
        may, _ = authority.result("hasRole", rpc.call(net.spec.deployment["Authority"], call))
        assert may == (name in ("Inbox", "CheckpointRegistry")), name


# --- governance of a link --------------------------------------------------------------------------------------------


def followed(chain: EvmChain, name: str) -> Source:
    """A source that the chain follows, with one packet on its way."""
    source = Source(name, chain.endpoint, chain.domain)
    chain.create_client(source.domain, b"CMT1", source.genesis.encode(), 60, 3600)
    chain.set_peer(source.peer)
    source.export(1, source.genesis_checkpoint)
    return source


def test_client_is_frozen_and_recovered_under_another_scheme(net: Started, chain: EvmChain) -> None:
    source = followed(chain, "changes its scheme")
    outsider = net.as_stranger()
    with refuses(Code.Unauthorised):
        outsider.freeze_client(source.domain)
    outsider.close()
    chain.freeze_client(source.domain)
    assert chain.client(source.domain).frozen
    with refuses(Code.Frozen):
        chain.deliver(source.domain, source.proof(0), 1, [source.delivery(0)])
    with refuses(Code.Frozen):
        chain.freeze_client(source.domain)
    source.hand_over()
    genesis = source.genesis.encode()
    with refuses(Code.UnknownScheme):
        chain.recover_client(source.domain, b"NONE", genesis)
    with refuses(Code.UnknownScheme):
        chain.create_client(label("new"), b"NONE", genesis, 60, 3600)
    with refuses(Code.Uninitialised):
        chain.recover_client(label("nobody"), b"CMT1", genesis)
    with refuses(Code.Oversize):
        chain.recover_client(source.domain, b"CMT1", bytes(65_537))
    chain.recover_client(source.domain, b"ESP1", OutboxGenesis(label("outbox")[:20], genesis).encode())
    status = chain.client(source.domain)
    assert (status.scheme, status.frozen, status.generation, status.state.epoch) == (b"ESP1", False, 1, 2)
    with refuses(Code.Malformed):
        chain.deliver(source.domain, source.proof(0), 1, [source.delivery(0)])
    source.hand_over()
    chain.recover_client(source.domain, b"CMT1", source.genesis.encode())
    chain.deliver(source.domain, source.proof(0), 1, [source.delivery(0)])
    assert (chain.client(source.domain).scheme, chain.next_nonce(source.domain)) == (b"CMT1", 1)


def test_halt_stops_one_source_until_lifted(net: Started, chain: EvmChain) -> None:
    source, other = followed(chain, "halted"), followed(chain, "goes on")
    outsider = net.as_stranger()
    with refuses(Code.Unauthorised):
        outsider.set_halted(source.domain, True)
    outsider.close()
    assert not chain.halted(source.domain)
    chain.set_halted(source.domain, True)
    assert (chain.halted(source.domain), chain.halted(other.domain)) == (True, False)
    with refuses(Code.Halted):
        chain.deliver(source.domain, source.proof(0), 1, [source.delivery(0)])
    with refuses(Code.NothingToRetry):
        chain.retry(*source.packets[0])
    # What is believed of the source goes on, and so does every other link.
    chain.update_client(source.domain, source.proof(0))
    chain.deliver(other.domain, other.proof(0), 1, [other.delivery(0)])
    chain.set_halted(source.domain, False)
    chain.deliver(source.domain, None, 1, [source.delivery(0)])
    assert (chain.next_nonce(source.domain), chain.next_nonce(other.domain)) == (1, 1)


def test_acknowledgements_of_a_peer_are_kept(net: Started, chain: EvmChain) -> None:
    source = followed(chain, "acknowledges")
    chain.deliver(source.domain, source.proof(0), 1, [source.delivery(0)])
    assert chain.outbox_size() == 0
    peer_inbox = label("inbox of the peer")
    for packet_id, fate, carrier in (("sent", Fate.FAILED, "first"), ("sent", Fate.APPLIED, "second")):
        payload = Acknowledgement(label(carrier), ((label(packet_id), fate),)).encode()
        packet = replace(
            source.packets[0][0],
            kind=PacketKind.ACKNOWLEDGEMENT,
            nonce=len(source.packets),
            sender=peer_inbox,
            receiver=chain.inbox_endpoint,
            payload_hash=keccak(payload),
        )
        source.packets.append((packet, payload))
        source.leaves.append(packet.id)
        source.height += 10
    proof, packets = source.proof(1), [source.delivery(1), source.delivery(2)]
    with refuses(Code.WrongReceiver):
        chain.deliver(source.domain, proof, 3, packets)
    outsider = net.as_stranger()
    with refuses(Code.Unauthorised):
        outsider.set_acknowledgements(source.domain, peer_inbox)
    outsider.close()
    chain.set_acknowledgements(source.domain, label("inbox of another"))
    with refuses(Code.WrongSender):
        chain.deliver(source.domain, proof, 3, packets)
    chain.set_acknowledgements(source.domain, peer_inbox)
    chain.deliver(source.domain, proof, 3, packets)
    assert chain.acknowledgements(source.domain) == [Acknowledged(label("sent"), Fate.APPLIED, label("second"))]
    assert [outcome.dispatched for outcome in chain.outcomes(source.domain)] == [True] * 3
    assert chain.outbox_size() == 0, "acknowledgements are not acknowledged"
    with refuses(Code.ZeroValue):
        chain.set_acknowledgements(ZERO32, peer_inbox)
    with refuses(Code.WrongDomain):
        chain.set_acknowledgements(chain.domain, peer_inbox)


def test_start_refused_without_anvil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foundry, "__file__", str(tmp_path / "foundry.py"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="make setup"):
        EvmDevnet().start(tmp_path / "devnet", "no tool", free_port())


# --- transactions ----------------------------------------------------------------------------------------------------


def test_refused_transaction_costs_nothing(chain: EvmChain, net: Started) -> None:
    height, coins = chain.height(), balance(net.spec)
    with refuses(Code.UnknownTask):
        chain.start_round(label("no task"))
    assert (chain.height(), balance(net.spec)) == (height, coins)


def test_send_refused_without_usable_key(net: Started) -> None:
    with pytest.raises(ConfigError, match="key"):
        EvmChain(replace(net.spec, key="")).admit([])
    with pytest.raises(ConfigError, match="key"):
        EvmChain(replace(net.spec, key="0x1234")).admit([])


def test_send_refused_empty_wallet(net: Started) -> None:
    poor = Payer(Rpc(net.spec.rpc[0]), net.devnet.account("nobody gave me coins"))
    with pytest.raises(Rejected, match=r"(?i)insufficient funds"):
        poor.send(poor.address, b"")


def test_two_payers_send_at_once(net: Started, chain: EvmChain) -> None:
    source = Source("raced", chain.endpoint, chain.domain)
    chain.create_client(source.domain, b"CMT1", source.genesis.encode(), 60, 3600)
    source.export(1, source.genesis_checkpoint)
    chain.deliver(source.domain, source.proof(0), 1, [])

    def carry(name: str) -> set[str]:
        own = EvmChain(replace(net.spec, key=net.devnet.account(name)))
        return {own.deliver(source.domain, None, 1, []).transaction for _ in range(15)}

    with ThreadPoolExecutor() as pool:
        first, second = pool.map(carry, ("first", "second"))
    assert len(first | second) == 30


def test_stuck_transaction_is_replaced(net: Started, chain: EvmChain, monkeypatch: pytest.MonkeyPatch) -> None:
    """An earlier process left a transaction in the pool, and no block takes ours for a while."""
    rpc = Rpc(net.spec.rpc[0])
    payer = Account.from_key(net.spec.key)
    rpc.ask("evm_setAutomine", False)
    stuck = payer.sign_transaction(
        {
            "nonce": rpc.number("eth_getTransactionCount", payer.address, "latest"),
            "to": payer.address,
            "gas": 21_000,
            "maxFeePerGas": 5 * 10**9,
            "maxPriorityFeePerGas": 2 * 10**9,
            "chainId": rpc.number("eth_chainId"),
            "type": 2,
        }
    )
    rpc.ask("eth_sendRawTransaction", hex_bytes(bytes(stuck.raw_transaction)))
    monkeypatch.setattr(sending, "REPLACE_SECONDS", 0.2)
    miner = threading.Timer(1.0, lambda: rpc.ask("evm_mine"))
    miner.start()
    receipt = chain.set_routes(label("task"), [(label("destination"), label("receiver"))])
    miner.join()
    rpc.ask("evm_setAutomine", True)
    assert receipt.height == chain.height()
    assert rpc.record("eth_getTransactionReceipt", hex_bytes(bytes(stuck.hash))) is None
    sent = rpc.record("eth_getTransactionByHash", receipt.transaction)
    assert sent is not None
    assert int(str(sent["maxFeePerGas"]), 16) > 5 * 10**9


def test_send_gives_up_when_no_block_comes(net: Started, chain: EvmChain, monkeypatch: pytest.MonkeyPatch) -> None:
    Rpc(net.spec.rpc[0]).ask("evm_setAutomine", False)
    monkeypatch.setattr(sending, "GIVE_UP_SECONDS", 0.3)
    with pytest.raises(Unreachable, match="no block"):
        chain.admit([label("participant")[:20]])


@pytest.fixture
def level_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two payers have both estimated before either sends."""
    barrier, fees = threading.Barrier(2, timeout=30), Payer._fees

    def after_both(payer: Payer) -> dict[str, int]:
        barrier.wait()
        return fees(payer)

    monkeypatch.setattr(Payer, "_fees", after_both)


def test_mined_failure_is_rejected(net: Started, request: pytest.FixtureRequest) -> None:
    """Between estimate and block the ledger moved: the same admission fails in the block of the first one."""
    rpc = Rpc(net.spec.rpc[0])
    first, second = (Payer(rpc, net.devnet.account(name)) for name in ("first", "second"))
    # A contract that takes one call: sload(0) is set ? revert : sstore(0, 1).
    runtime = "600054600c57600160005500" + "5b60006000fd"
    once = first.send(None, bytes.fromhex("6012600c60003960126000f3" + runtime))
    to = str(once.record["contractAddress"])
    rpc.ask("evm_setAutomine", False)
    request.getfixturevalue("level_start")
    with ThreadPoolExecutor() as pool:
        results = [pool.submit(payer.send, to, b"") for payer in (first, second)]
        wait_for_pool(rpc, 2)
        rpc.ask("evm_mine")
        errors = [result.exception() for result in results]
    assert sorted(type(error).__name__ for error in errors) == ["NoneType", "Rejected"]


def test_race_lost_in_the_block_names_the_code(net: Started, chain: EvmChain, request: pytest.FixtureRequest) -> None:
    """Two relayers carry one packet: both estimates succeed, one block takes both, the second is a replay there."""
    source = Source("raced", chain.endpoint, chain.domain)
    chain.create_client(source.domain, b"CMT1", source.genesis.encode(), 60, 3600)
    chain.set_peer(source.peer)
    source.export(1, source.genesis_checkpoint)
    proof = source.proof(0)
    rpc = Rpc(net.spec.rpc[0])
    rpc.ask("evm_setAutomine", False)
    relayers = [EvmChain(replace(net.spec, key=net.devnet.account(name))) for name in ("first", "second")]
    request.getfixturevalue("level_start")
    with ThreadPoolExecutor() as pool:
        sent = [pool.submit(one.deliver, source.domain, proof, 1, [source.delivery(0)]) for one in relayers]
        wait_for_pool(rpc, 2)
        rpc.ask("evm_mine")
        errors = [one.exception() for one in sent]
    (lost,) = [error for error in errors if error is not None]
    assert isinstance(lost, Rejected)
    assert lost.code is Code.NonceReplayed
    assert len(chain.imports()) == 1


def test_transactions_that_a_reorganisation_took_back_come_again_before_the_next(chain: EvmChain, net: Started) -> None:
    rpc, task, other = Rpc(net.spec.rpc[0]), label("task"), label("other task")
    first = chain.set_routes(task, [(label("destination"), label("receiver"))])
    second = chain.admit([label("participant")[:20]])
    height = chain.height()
    rpc.ask("anvil_reorg", 2, [])
    assert rpc.record("eth_getTransactionReceipt", first.transaction) is None
    chain.set_routes(other, [])
    for receipt in (first, second):
        record = rpc.record("eth_getTransactionReceipt", receipt.transaction)
        assert record is not None and int(str(record["blockNumber"]), 16) > height


def test_history_is_the_same_in_small_pages(chain: EvmChain, net: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    members = people(4)
    chain.admit([person.address for person in members])
    chain.set_members(memberships(chain, members))
    task, _ = create_task(chain, "paged", export_every=1)
    chain.set_routes(task, [(label("destination"), label("receiver"))])
    play_round(chain, task, members)
    whole = chain.round(task, 1), chain.outbox_entries(0, 9), chain.checkpoints(task)
    monkeypatch.setattr(history, "PAGE", 3)
    monkeypatch.setattr(history, "SETTLED", 0)
    paged = EvmChain(net.spec)
    for _ in range(2):
        assert (paged.round(task, 1), paged.outbox_entries(0, 9), paged.checkpoints(task)) == whole


# --- devnet ----------------------------------------------------------------------------------------------------------


def test_start_refused_port_in_use_names_the_process(net: Started, tmp_path: Path) -> None:
    port = int(net.spec.rpc[0].rsplit(":", 1)[1])
    with pytest.raises(
        ConfigError, match=rf"port {port} is in use by anvil \(pid {net.devnet.status(net.folder).pid}\)"
    ):
        EvmDevnet().start(tmp_path / "second", "second", port)
    assert (
        json.loads((tmp_path / "second" / "devnet.json").read_text())["anvil"] is None
        if (tmp_path / "second" / "devnet.json").exists()
        else True
    )


def test_start_refused_folder_of_another_chain(net: Started) -> None:
    with pytest.raises(ConfigError, match="client"):
        EvmDevnet().start(net.folder, "other name", free_port())
    with pytest.raises(ConfigError, match="runs on port"):
        EvmDevnet().start(net.folder, "client", free_port())
    (net.folder / "elsewhere").mkdir()
    (net.folder / "elsewhere" / "devnet.json").write_text('{"kind": "substrate", "name": "client"}')
    with pytest.raises(ConfigError, match="substrate"):
        EvmDevnet().start(net.folder / "elsewhere", "client", free_port())


def test_stop_spares_a_process_that_took_the_pid(tmp_path: Path) -> None:
    devnet = EvmDevnet()
    devnet.start(tmp_path, "spares", free_port())
    devnet.stop(tmp_path)
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        state = json.loads((tmp_path / "devnet.json").read_text())
        state["anvil"] = {"pid": bystander.pid, "started": psutil.Process(bystander.pid).create_time() - 100}
        (tmp_path / "devnet.json").write_text(json.dumps(state))
        assert not devnet.status(tmp_path).running
        devnet.stop(tmp_path)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_stop_leaves_no_process(net: Started) -> None:
    state = json.loads((net.folder / "devnet.json").read_text())
    pids = [state[name]["pid"] for name in ("anvil", "keeper")]
    assert all(psutil.pid_exists(pid) for pid in pids)
    net.devnet.stop(net.folder)
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_resume_drops_a_line_that_was_cut_off(net: Started, chain: EvmChain) -> None:
    height = chain.height()
    net.devnet.stop(net.folder)
    path = net.folder / "journal.jsonl"
    path.write_text(path.read_text()[:-20])
    port = int(net.spec.rpc[0].rsplit(":", 1)[1])
    assert net.devnet.start(net.folder, "client", port) == net.spec
    assert chain.height() == height - 1
    chain.admit([label("participant")[:20]])
    net.devnet.stop(net.folder)
    assert [block.height for block in journal.read(path)] == list(range(1, height + 1))


def test_resume_refused_journal_was_altered(net: Started) -> None:
    net.devnet.stop(net.folder)
    path = net.folder / "journal.jsonl"
    lines = path.read_text().splitlines()
    block = json.loads(lines[3])
    block[2] += 1  # its timestamp
    path.write_text("\n".join([*lines[:3], json.dumps(block), *lines[4:]]) + "\n")
    with pytest.raises(ArtifactError, match="block 4"):
        net.devnet.start(net.folder, "client", free_port())
    assert not net.devnet.status(net.folder).running
    path.write_text("\n".join([*lines[:3], "{", *lines[4:]]) + "\n")
    with pytest.raises(ArtifactError, match="line 4"):
        net.devnet.start(net.folder, "client", free_port())


def test_journal_follows_a_reorganisation(net: Started, chain: EvmChain) -> None:
    rpc = Rpc(net.spec.rpc[0])
    for n in range(3):
        chain.admit([label("taken back", n)[:20]])
    time.sleep(0.3)
    rpc.ask("anvil_reorg", 3, [])
    receipt = chain.set_routes(label("task"), [])
    chain.close()
    net.devnet.stop(net.folder)
    port = int(net.spec.rpc[0].rsplit(":", 1)[1])
    net.devnet.start(net.folder, "client", port)
    assert chain.height() == receipt.height
    assert rpc.record("eth_getTransactionReceipt", receipt.transaction) is not None


def test_clock_is_the_present(chain: EvmChain) -> None:
    receipt = chain.admit([label("participant")[:20]])
    assert abs(chain.finality_evidence(receipt.height).timestamp - time.time()) < 5


def test_node_killed_in_the_middle_is_unreachable(net: Started, chain: EvmChain) -> None:
    os.kill(net.devnet.status(net.folder).pid, signal.SIGKILL)
    with pytest.raises(Unreachable):
        chain.admit([label("participant")[:20]])


def test_other_service_behind_the_url_is_unreachable(net: Started) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()

        def answer() -> None:
            connection, _ = other.accept()
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(Unreachable):
            EvmChain(replace(net.spec, rpc=(f"http://127.0.0.1:{other.getsockname()[1]}",)))
