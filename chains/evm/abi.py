"""The contracts' interfaces: calls encoded, results and events decoded, by the ABI that artifacts.json holds.

eth_abi does the encoding; structs are tuples, addresses 0x strings, as it has them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

from eth_abi.abi import decode, encode
from eth_abi.exceptions import EncodingError
from eth_typing import ABI, ABIEvent, ABIFunction
from eth_utils.abi import (
    event_abi_to_log_topic,
    function_abi_to_4byte_selector,
    get_abi_input_types,
    get_abi_output_types,
)

from poft.protocol.errors import Code, Refused

from .rpc import Json, Object, quantity, read_bytes

CONTRACTS = (
    "Authority",
    "Outbox",
    "LightClient",
    "Inbox",
    "CheckpointRegistry",
    "Federation",
)
"""In the order of deployment; each stands under its name in a deployment."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """The contract that verifies a scheme.

    `inner` are schemes that come before it in the table and whose verifiers its constructor takes: one by one, or as an
    array when it is `composed` of any number of them.
    """

    scheme: bytes
    contract: str
    inner: tuple[bytes, ...] = ()
    composed: bool = False


SUCCESSORS = {
    "Outbox": "SuccessorOutbox",
    "Inbox": "SuccessorInbox",
    "CheckpointRegistry": "SuccessorRegistry",
}
"""What takes the place of a contract that is in use (`upgrade.py`); each answers to what the other did."""

VERIFIERS = (
    Verifier(b"CMT1", "CommitteeVerifier"),
    Verifier(b"ESP1", "StateProofVerifier", (b"CMT1",)),
    Verifier(b"BEF1", "BeefyVerifier"),
    Verifier(b"AND1", "AgreementVerifier", (b"CMT1", b"ESP1", b"BEF1"), composed=True),
)
"""Every scheme of this project, in the order of deployment."""


def verifier_key(scheme: bytes) -> str:
    """Where a deployment has the address of a scheme's verifier, a plug-in's as well: `verifier-CMT1`."""
    return f"verifier-{scheme.decode('ascii', 'replace')}"


ARTIFACTS = Path(__file__).parent / "artifacts.json"
"""Written by `artifacts.py`."""


@dataclass(frozen=True, slots=True)
class Log:
    """An event that a contract emitted: its arguments by name, structs as tuples, addresses as 0x strings."""

    event: str
    height: int
    position: int
    transaction: str
    arguments: dict[str, object]


@dataclass(frozen=True, slots=True)
class Artifact:
    """A contract's interface and creation code."""

    name: str
    abi: ABI
    bytecode: bytes

    def creation(self, *arguments: object) -> bytes:
        """Data of the transaction that creates the contract."""
        constructor = [item for item in self.abi if item["type"] == "constructor"]
        types = [_type(item) for item in cast(list[Object], constructor[0]["inputs"])] if constructor else []
        return self.bytecode + encode(types, arguments)

    def call(self, function: str, *arguments: object) -> bytes:
        """Data of a call; a value outside of its type is `Malformed`."""
        item = self._function(function)
        try:
            return function_abi_to_4byte_selector(item) + encode(get_abi_input_types(item), arguments)
        except EncodingError as error:
            raise Refused(Code.Malformed, function, str(error)) from error

    def result(self, function: str, data: bytes) -> tuple[object, ...]:
        """What a call returned."""
        return tuple(decode(get_abi_output_types(self._function(function)), data))

    def topic(self, event: str) -> bytes:
        """First topic of an event's logs."""
        return event_abi_to_log_topic(self._event(event))

    def selector(self, function: str) -> bytes:
        """First four bytes of a call's data."""
        return function_abi_to_4byte_selector(self._function(function))

    def log(self, event: str, record: Object) -> Log:
        """A log of this event, decoded from what `eth_getLogs` gave."""
        inputs = cast(list[Object], self._event(event)["inputs"])
        topics = cast(list[Json], record["topics"])[1:]
        indexed = [item for item in inputs if item["indexed"]]
        plain = [item for item in inputs if not item["indexed"]]
        arguments: dict[str, object] = {}
        for item, topic in zip(indexed, topics, strict=True):
            arguments[str(item["name"])] = decode([_type(item)], read_bytes(topic))[0]
        values = decode([_type(item) for item in plain], read_bytes(record["data"]))
        arguments.update({str(item["name"]): value for item, value in zip(plain, values, strict=True)})
        return Log(
            event,
            quantity(record["blockNumber"]),
            quantity(record["logIndex"]),
            str(record["transactionHash"]),
            arguments,
        )

    def _function(self, name: str) -> ABIFunction:
        return cast(ABIFunction, _one(self.abi, "function", name))

    def _event(self, name: str) -> ABIEvent:
        return cast(ABIEvent, _one(self.abi, "event", name))


def _one(abi: ABI, kind: str, name: str) -> object:
    found = [item for item in abi if item["type"] == kind and item.get("name") == name]
    if len(found) != 1:
        raise KeyError(f"{len(found)} of {kind} {name}")
    return found[0]


def _type(item: Object) -> str:
    kind = str(item["type"])
    if not kind.startswith("tuple"):
        return kind
    inner = ",".join(_type(part) for part in cast(list[Object], item["components"]))
    return f"({inner}){kind.removeprefix('tuple')}"


@cache
def artifact(name: str) -> Artifact:
    """The compiled contract of this name."""
    stored = _stored()["contracts"][name]
    return Artifact(name, cast(ABI, stored["abi"]), read_bytes(stored["bytecode"]))


@cache
def _stored() -> dict[str, dict[str, dict[str, Json]]]:
    return cast(dict[str, dict[str, dict[str, Json]]], json.loads(ARTIFACTS.read_text(encoding="utf-8")))


def stored_digest() -> str:
    """Digest of the sources that `artifacts.json` was built from."""
    return str(_stored()["sources"])
