"""One JSON-RPC endpoint of an EVM node, and what its errors mean.

`Rpc` is web3's HTTP provider behind three answers: a result, `Unreachable` (nothing came back), `NodeError` (the node
said no). A revert is a `NodeError` with data; `refusal` reads the ledger's code from it. Values stay as JSON-RPC has
them (0x strings): evidence hashes what the node sent, not what a formatter made of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import cast

import requests
from web3 import HTTPProvider, Web3
from web3.exceptions import Web3Exception
from web3.middleware import ExtraDataToPOAMiddleware
from web3.types import RPCEndpoint

from poft.protocol.errors import ChainError, Code, Rejected, Unreachable
from poft.protocol.hashing import keccak

Json = str | int | bool | None | list["Json"] | dict[str, "Json"]
Object = dict[str, Json]

TIMEOUT = 30.0
"""Seconds until an endpoint counts as gone. anvil answers in one millisecond, a loaded node in a few seconds."""

_METHOD_NOT_FOUND = -32601
_QUANTITY = re.compile("0x[0-9a-fA-F]{1,64}")
_REFUSED = keccak(b"Refused(uint8)")[:4]
_UNAUTHORISED = keccak(b"AccessManagedUnauthorized(address)")[:4]
_MANAGER_UNAUTHORISED = keccak(b"AccessManagerUnauthorizedAccount(address,uint64)")[:4]
_PANIC = keccak(b"Panic(uint256)")[:4]
_ERROR = keccak(b"Error(string)")[:4]


class NodeError(ChainError):
    """The node answered with an error: its number, its words, and a revert's data."""

    def __init__(self, number: int, message: str, data: bytes = b"") -> None:
        self.number = number
        self.data = data
        super().__init__(f"{message} ({number})")

    @property
    def unknown_method(self) -> bool:
        """Whether the node lacks the method that was called."""
        return self.number == _METHOD_NOT_FOUND


class Rpc:
    """One endpoint. `web3` is its web3.py instance, which also reads the headers of proof-of-authority chains."""

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        self.url = url
        self._session = requests.Session()
        self._provider = HTTPProvider(
            url, request_kwargs={"timeout": timeout}, session=self._session, exception_retry_configuration=None
        )
        self.web3 = Web3(self._provider)
        self.web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)

    def ask(self, method: str, *params: object) -> Json:
        """The result of one call.

        Raises:
            Unreachable: no answer, or something that is not JSON-RPC.
            NodeError: the node refused.
        """
        try:
            answer: object = self._provider.make_request(RPCEndpoint(method), list(params))
        except (requests.RequestException, Web3Exception, ValueError) as error:  # ValueError: the body was no JSON
            raise Unreachable(f"{self.url}: {method}: {error}") from error
        if not isinstance(answer, Mapping):
            raise Unreachable(f"{self.url}: {method}: the answer is no object")
        if "error" in answer:
            raise _node_error(answer["error"])
        if "result" not in answer:
            raise Unreachable(f"{self.url}: {method}: the answer has no result")
        return cast(Json, answer["result"])

    def number(self, method: str, *params: object) -> int:
        """The result of a call that answers with a 0x quantity."""
        return quantity(self.ask(method, *params))

    def text(self, method: str, *params: object) -> str:
        """The result of a call that answers with a string."""
        value = self.ask(method, *params)
        if not isinstance(value, str):
            raise Unreachable(f"{self.url}: {method} answered {value!r}")
        return value

    def record(self, method: str, *params: object) -> Object | None:
        """The result of a call that answers with an object, or with null when there is no such thing."""
        value = self.ask(method, *params)
        if value is not None and not isinstance(value, dict):
            raise Unreachable(f"{self.url}: {method} answered {value!r}")
        return value

    def records(self, method: str, *params: object) -> list[Object]:
        """The result of a call that answers with a list of objects."""
        value = self.ask(method, *params)
        if not isinstance(value, list):
            raise Unreachable(f"{self.url}: {method} answered {value!r}")
        return [item for item in value if isinstance(item, dict)]

    def call(self, to: str, data: bytes, block: int | None = None, sender: str | None = None) -> bytes:
        """Return data of a call without a transaction; a revert is `Rejected`, with the ledger's code."""
        transaction = {"to": to, "data": hex_bytes(data), **({"from": sender} if sender else {})}
        try:
            return read_bytes(self.text("eth_call", transaction, "latest" if block is None else hex(block)))
        except NodeError as error:
            raise refusal(error) from error

    def close(self) -> None:
        """Gives the endpoint's connections back."""
        self._session.close()


def refusal(error: NodeError) -> Rejected:
    """What a revert says: the ledger's code where it named one."""
    selector, rest = error.data[:4], error.data[4:]
    if selector == _REFUSED and len(rest) == 32 and int.from_bytes(rest, "big") in Code._value2member_map_:
        return Rejected("the ledger refused", Code(int.from_bytes(rest, "big")))
    if selector in (_UNAUTHORISED, _MANAGER_UNAUTHORISED):
        return Rejected(f"0x{rest[12:32].hex()} lacks the role", Code.Unauthorised)
    if selector == _PANIC:
        return Rejected(f"the contract panicked with 0x{int.from_bytes(rest, 'big'):02x}")
    if selector == _ERROR and len(rest) >= 64:
        length = int.from_bytes(rest[32:64], "big")
        return Rejected(rest[64 : 64 + length].decode(errors="replace"))
    return Rejected(f"{error}{f': 0x{error.data.hex()}' if error.data else ''}")


def quantity(value: Json) -> int:
    """A 0x quantity as an integer."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise Unreachable(f"{value!r} where a quantity is due")
    return int(value, 16)


def read_bytes(value: Json) -> bytes:
    """0x data as bytes."""
    if not isinstance(value, str) or not _is_hex(value):
        raise Unreachable(f"{value!r} where 0x data is due")
    return bytes.fromhex(value[2:])


def hex_bytes(value: bytes) -> str:
    """Bytes as 0x data."""
    return "0x" + value.hex()


def batch_ranges(first: int, last: int, width: int) -> Sequence[tuple[int, int]]:
    """[first, last] in consecutive ranges of at most `width` heights."""
    return [(start, min(start + width - 1, last)) for start in range(first, last + 1, width)]


def _node_error(error: object) -> NodeError:
    if not isinstance(error, Mapping):
        return NodeError(0, str(error))
    number, data = error.get("code", 0), error.get("data")
    if isinstance(data, Mapping):  # some clients wrap the revert's data once more
        data = data.get("data")
    raw = bytes.fromhex(data[2:]) if isinstance(data, str) and _is_hex(data) else b""
    return NodeError(number if isinstance(number, int) else 0, str(error.get("message", error)), raw)


def _is_hex(text: str) -> bool:
    digits = text.removeprefix("0x")
    return text.startswith("0x") and len(digits) % 2 == 0 and all(c in "0123456789abcdefABCDEF" for c in digits)
