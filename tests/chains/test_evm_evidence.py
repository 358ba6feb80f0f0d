"""What a node says is believed only as far as it proves it: headers, state proofs, commitments, several endpoints.

Headers of five forks come from anvil, whose hashes are alloy's; the frontier header is Ethereum's block 0. Lying
endpoints are proxies in front of a real node that change one thing in one answer.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from chains.evm import EvmChain, EvmDevnet
from chains.evm.abi import artifact
from chains.evm.evidence import header_hash, proven_slot
from chains.evm.foundry import foundry_binary
from chains.evm.rpc import Object, Rpc, read_bytes
from poft.chain import ChainSpec, free_port
from poft.protocol.errors import Code, ConfigError, Refused, Unreachable
from poft.protocol.merkle import EMPTY_ROOT
from poft.verification.state_proof import COMMITMENT_SLOT, outbox_commitment

from .chain_kit import create_task, label, memberships, people, play_round, refuses

pytestmark = pytest.mark.devnet

EMPTY_TRIE = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
FRONTIER: Object = {
    "hash": "0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3",
    "parentHash": "0x" + "00" * 32,
    "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
    "miner": "0x" + "00" * 20,
    "stateRoot": "0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544",
    "transactionsRoot": EMPTY_TRIE,
    "receiptsRoot": EMPTY_TRIE,
    "logsBloom": "0x" + "00" * 256,
    "difficulty": "0x400000000",
    "number": "0x0",
    "gasLimit": "0x1388",
    "gasUsed": "0x0",
    "timestamp": "0x0",
    "extraData": "0x11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa",
    "mixHash": "0x" + "00" * 32,
    "nonce": "0x0000000000000042",
}
"""Block 0 of Ethereum, as the yellow paper's client implementations agree on it."""


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainSpec]:
    folder = tmp_path_factory.mktemp("evidence")
    devnet = EvmDevnet()
    spec = devnet.start(folder, "evidence", free_port())
    chain = EvmChain(spec)
    members = people(4)
    chain.admit([person.address for person in members])
    chain.set_members(memberships(chain, members))
    task, _ = create_task(chain, "evidence", export_every=1)
    chain.set_routes(task, [(label("destination"), label("receiver"))])
    play_round(chain, task, members)
    yield spec
    devnet.stop(folder)


@contextmanager
def lying(url: str, method: str, change: Callable[[Any], Any]) -> Iterator[str]:
    """An endpoint that is honest but for the results of one method."""

    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request) as answer:
                said = json.load(answer)
            if json.loads(body)["method"] == method:
                said = change(said)
            encoded = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def flipped(text: str) -> str:
    """0x data with its last bit flipped."""
    return text[:-1] + format(int(text[-1], 16) ^ 1, "x")


def altered(*path: str | int) -> Callable[[Any], Any]:
    """Flips a bit in one place of an answer's result."""

    def change(said: Any) -> Any:
        place = said
        for step in ("result", *path)[:-1]:
            place = place[step]
        last = ("result", *path)[-1]
        place[last] = flipped(place[last])
        return said

    return change


# --- headers ---------------------------------------------------------------------------------------------------------


def test_header_hash_of_a_frontier_header() -> None:
    assert header_hash(FRONTIER) == read_bytes(FRONTIER["hash"])


@pytest.mark.parametrize(
    ("fork", "newest"),
    [
        ("berlin", "nonce"),
        ("london", "baseFeePerGas"),
        ("shanghai", "withdrawalsRoot"),
        ("cancun", "parentBeaconBlockRoot"),
        ("prague", "requestsHash"),
    ],
)
def test_header_hash_of_every_fork(fork: str, newest: str) -> None:
    port = free_port()
    node = subprocess.Popen(
        [foundry_binary("anvil"), "--port", str(port), "--hardfork", fork, "--accounts", "1"], stdout=subprocess.DEVNULL
    )
    try:
        rpc = Rpc(f"http://127.0.0.1:{port}")
        deadline = time.monotonic() + 10
        while True:
            try:
                rpc.ask("evm_mine")
                break
            except Unreachable:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        header = rpc.record("eth_getBlockByNumber", "0x1", False)
        assert header is not None
        assert newest in header
        assert header_hash(header) == read_bytes(header["hash"])
        with refuses(Code.EvidenceDisagrees):
            header_hash({key: value for key, value in header.items() if key != "stateRoot"})
    finally:
        node.terminate()
        node.wait()


# --- state proofs ----------------------------------------------------------------------------------------------------


def test_proof_refused_when_anything_in_it_is_altered(spec: ChainSpec) -> None:
    rpc = Rpc(spec.rpc[0])
    outbox = read_bytes(spec.deployment["Outbox"])
    chain = EvmChain(spec)
    height = chain.outbox_heights(0, chain.height())[-1]
    said = chain.finality_evidence(height)
    slot = "0x" + rpc.call(spec.deployment["Outbox"], artifact("Outbox").call("COMMITMENT_SLOT")).hex()
    assert read_bytes(slot) == COMMITMENT_SLOT
    proof = rpc.record("eth_getProof", spec.deployment["Outbox"], [slot], hex(height))
    assert proof is not None
    commitment = proven_slot(said.state_root, outbox, COMMITMENT_SLOT, proof)
    assert commitment == outbox_commitment(said.outbox_size, said.outbox_root)
    text = json.dumps(proof)
    nodes = [*proof["accountProof"], *proof["storageProof"][0]["proof"]]  # type: ignore[index, call-overload, misc]
    for node in nodes:
        for forged in (flipped(str(node)), str(node)[:-2], str(node) + "00", "0x"):
            with refuses(Code.EvidenceDisagrees):
                proven_slot(said.state_root, outbox, COMMITMENT_SLOT, json.loads(text.replace(str(node), forged)))
    for account, at, root in (
        (bytes(20), COMMITMENT_SLOT, said.state_root),
        (outbox, COMMITMENT_SLOT[:-1] + b"\1", said.state_root),
        (outbox, COMMITMENT_SLOT, said.block_hash),
    ):
        with refuses(Code.EvidenceDisagrees):
            proven_slot(root, account, at, proof)


def test_proof_refused_absence_offered_as_presence(spec: ChainSpec) -> None:
    rpc = Rpc(spec.rpc[0])
    chain = EvmChain(spec)
    said = chain.finality_evidence(chain.height())
    empty_slot = "0x" + "11" * 32
    proof = rpc.record("eth_getProof", spec.deployment["Outbox"], [empty_slot], hex(said.height))
    assert proof is not None
    with refuses(Code.EvidenceDisagrees):
        proven_slot(said.state_root, read_bytes(spec.deployment["Outbox"]), read_bytes(empty_slot), proof)
    nobody = "0x" + "11" * 20
    proof = rpc.record("eth_getProof", nobody, [empty_slot], hex(said.height))
    assert proof is not None
    with refuses(Code.EvidenceDisagrees):
        proven_slot(said.state_root, read_bytes(nobody), read_bytes(empty_slot), proof)


# --- endpoints -------------------------------------------------------------------------------------------------------


def test_evidence_agrees_on_two_honest_endpoints(spec: ChainSpec) -> None:
    one, two = EvmChain(spec), EvmChain(replace(spec, rpc=spec.rpc * 2))
    height = one.height()
    assert one.finality_evidence(height) == two.finality_evidence(height)
    assert one.finality_evidence(height).outbox_size == 1
    assert one.finality_evidence(one.outbox_heights(0, height)[0] - 1).outbox_root == EMPTY_ROOT


@pytest.mark.parametrize(
    ("method", "change"),
    [
        pytest.param("eth_getBlockByNumber", altered("stateRoot"), id="state root"),
        pytest.param("eth_getBlockByNumber", altered("timestamp"), id="timestamp"),
        pytest.param("eth_getProof", altered("accountProof", 0), id="account proof"),
        pytest.param("eth_getProof", altered("storageProof", 0, "proof", 0), id="storage proof"),
    ],
)
def test_evidence_refused_one_of_two_endpoints_lies(spec: ChainSpec, method: str, change: Callable[[Any], Any]) -> None:
    def later(said: Any) -> Any:
        """Honest about block 0, which tells the domain."""
        return change(said) if said["result"].get("number") != "0x0" else said

    with lying(spec.rpc[0], method, later) as liar:
        chain = EvmChain(replace(spec, rpc=(*spec.rpc, liar)))
        with refuses(Code.EvidenceDisagrees):
            chain.finality_evidence(chain.height())


def test_evidence_refused_contract_state_is_not_what_is_committed(spec: ChainSpec) -> None:
    def another_root(said: Any) -> Any:
        """96 bytes are the answer of `Outbox.state()`."""
        result = said["result"]
        return {**said, "result": result[:66] + "11" * 32 + result[130:]} if len(result) == 2 + 192 else said

    with lying(spec.rpc[0], "eth_call", another_root) as liar:
        chain = EvmChain(replace(spec, rpc=(*spec.rpc, liar)))
        with refuses(Code.EvidenceDisagrees):
            chain.finality_evidence(chain.height())


def test_evidence_refused_one_endpoint_is_behind(spec: ChainSpec) -> None:
    def behind(said: Any) -> Any:
        return {**said, "result": hex(int(said["result"], 16) - 3)}

    with lying(spec.rpc[0], "eth_blockNumber", behind) as slow:
        chain = EvmChain(replace(spec, rpc=(*spec.rpc, slow)))
        assert chain.finality_evidence(chain.height() - 3)
        with refuses(Code.NotFinal):
            chain.finality_evidence(chain.height())


def test_evidence_refused_where_the_node_gives_no_proofs(spec: ChainSpec) -> None:
    def lacking(said: Any) -> Any:
        return {"jsonrpc": "2.0", "id": said["id"], "error": {"code": -32601, "message": "Method not found"}}

    with lying(spec.rpc[0], "eth_getProof", lacking) as poor:
        chain = EvmChain(replace(spec, rpc=(poor,)))
        with refuses(Code.DevelopmentChain):
            chain.finality_evidence(chain.height())


def test_evidence_refused_before_the_outbox_existed(spec: ChainSpec) -> None:
    with refuses(Code.EvidenceDisagrees):
        EvmChain(spec).finality_evidence(1)


# --- finality --------------------------------------------------------------------------------------------------------


def test_final_height_follows_the_setting(spec: ChainSpec) -> None:
    head = EvmChain(spec).height()
    assert EvmChain(spec).final_height() == head
    assert EvmChain(replace(spec, finality="confirmations 3")).final_height() == head - 3
    # anvil was started with epochs of one block, and finality is two epochs behind.
    tagged = EvmChain(replace(spec, finality="finalized"))
    assert tagged.final_height() == head - 2
    with pytest.raises(Refused) as caught:
        tagged.finality_evidence(head - 1)
    assert caught.value.code is Code.NotFinal
    assert tagged.finality_evidence(head - 2).height == head - 2


def test_final_height_refused_chain_has_no_finalized_tag(spec: ChainSpec) -> None:
    def unknown(said: Any) -> Any:
        error = {"code": -39001, "message": "unknown block"}
        return {"jsonrpc": "2.0", "id": said["id"], "error": error} if said["result"]["number"] != "0x0" else said

    with lying(spec.rpc[0], "eth_getBlockByNumber", unknown) as clique:
        chain = EvmChain(replace(spec, rpc=(clique,), finality="finalized"))
        with pytest.raises(ConfigError, match=r"no finalized block.*confirmations"):
            chain.final_height()
