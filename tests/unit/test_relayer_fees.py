"""An endpoint that makes up the price of gas cannot make a relayer pay it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from chains.evm.rpc import Rpc
from chains.evm.sending import MAX_FEE, MAX_FEE_WEI, Payer, fee_bound
from poft.protocol.errors import ConfigError, Rejected
from tests.ledgers import KEYS

TO = "0x" + "11" * 20


@contextmanager
def endpoint(**answers: object) -> Iterator[tuple[Rpc, list[str]]]:
    """A node that answers as it is told, and what it was asked to send."""
    sent: list[str] = []

    class Node(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if asked["method"] == "eth_sendRawTransaction":
                sent.append(asked["params"][0])
            reply = json.dumps({"jsonrpc": "2.0", "id": asked["id"], **self.result(asked["method"])}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def result(self, method: str) -> dict[str, object]:
            if method == "eth_sendRawTransaction":
                return {"error": {"code": -32000, "message": "transaction underpriced"}}
            return {"result": answers.get(method, "0x1")}

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Node)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Rpc(f"http://127.0.0.1:{server.server_port}"), sent
    finally:
        server.shutdown()
        server.server_close()


def pay(rpc: Rpc, bound: int = MAX_FEE_WEI) -> None:
    Payer(rpc, "0x" + KEYS[0].hex(), bound).send(TO, b"")


def test_a_gas_price_above_the_bound_is_refused_and_nothing_is_sent() -> None:
    with endpoint(eth_getBlockByNumber={}, eth_gasPrice=hex(MAX_FEE_WEI + 1)) as (rpc, sent):
        with pytest.raises(Rejected, match=f"{MAX_FEE_WEI + 1} wei a unit of gas.*set {MAX_FEE}"):
            pay(rpc)
        assert sent == []


def test_a_base_fee_above_the_bound_is_refused_and_nothing_is_sent() -> None:
    with endpoint(eth_getBlockByNumber={"baseFeePerGas": hex(MAX_FEE_WEI)}) as (rpc, sent):
        with pytest.raises(Rejected, match=f"more than {MAX_FEE_WEI}"):
            pay(rpc)
        assert sent == []


def test_calling_every_fee_too_low_raises_it_to_the_bound_and_no_further() -> None:
    with endpoint(eth_getBlockByNumber={"baseFeePerGas": "0x1"}) as (rpc, sent):
        with pytest.raises(Rejected, match="more than 2000000000"):
            pay(rpc, 2 * 10**9)
        assert len(sent) == 4  # 1, 1.25, 1.56 and 1.95 gwei


def test_a_deployment_names_its_own_bound() -> None:
    assert fee_bound({}) == MAX_FEE_WEI
    assert fee_bound({MAX_FEE: "0x3b9aca00"}) == 10**9
    for text in ("", "0x", "0x0", "1000", "0xzz", "0x" + "f" * 33):
        with pytest.raises(ConfigError, match=r"maxFeePerGas.*is not an amount of wei.*0x hex"):
            fee_bound({MAX_FEE: text})
