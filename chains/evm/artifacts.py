"""The compiled contracts: ABI and bytecode, committed so that deploying needs no compiler.

    python -m chains.evm.artifacts            compile with forge and rewrite artifacts.json
    python -m chains.evm.artifacts --check    exit 1 when the sources have moved on since

`artifacts.json` names the digest of what it was built from: every contract, the compiler's settings, and the pinned
versions of compiler and library. `tests/chains/test_evm_artifacts.py` compares it with the checkout.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tomllib
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

from poft.protocol.errors import Code, ConfigError, Refused, Unreachable

from .rpc import Json, Object, quantity, read_bytes

CONTRACTS = (
    "Authority",
    "Outbox",
    "CommitteeVerifier",
    "LightClient",
    "Inbox",
    "CheckpointRegistry",
    "Federation",
)
"""In the order of deployment."""

HERE = Path(__file__).parent
_FILE = HERE / "artifacts.json"
_SETTINGS = ("solc", "evm_version", "optimizer", "optimizer_runs", "via_ir", "bytecode_hash", "remappings")
_PACKAGES = ("solc", "@openzeppelin/contracts")


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
    return cast(dict[str, dict[str, dict[str, Json]]], json.loads(_FILE.read_text(encoding="utf-8")))


def stored_digest() -> str:
    """Digest of the sources that `artifacts.json` was built from."""
    return str(_stored()["sources"])


def source_digest() -> str:
    """Digest of the sources in this checkout: SHA-256 over names and contents in the order of their names."""
    profile = tomllib.loads((HERE / "foundry.toml").read_text(encoding="utf-8"))["profile"]["default"]
    packages = json.loads((HERE.parents[1] / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    parts = [(path.relative_to(HERE).as_posix(), path.read_bytes()) for path in HERE.glob("contracts/**/*.sol")]
    parts.append(("settings", json.dumps({key: profile.get(key) for key in _SETTINGS}, sort_keys=True).encode()))
    parts.append(("packages", json.dumps({key: packages[key] for key in _PACKAGES}, sort_keys=True).encode()))
    digest = hashlib.sha256()
    for name, content in sorted(parts):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def build() -> None:
    """Compiles with forge and rewrites `artifacts.json`."""
    forge = HERE.parents[1] / "node_modules" / ".bin" / "forge"
    if not forge.exists():
        raise ConfigError("forge is not installed", "run make setup")
    digest = source_digest()
    built = subprocess.run([forge, "build", "--skip", "test"], cwd=HERE, capture_output=True, text=True, check=False)
    if built.returncode:
        raise ConfigError(f"forge build failed:\n{built.stdout}{built.stderr}", "Correct the contracts")
    contracts = {}
    for name in CONTRACTS:
        output = json.loads((HERE / "out" / f"{name}.sol" / f"{name}.json").read_text(encoding="utf-8"))
        contracts[name] = {"abi": _compact(output["abi"]), "bytecode": output["bytecode"]["object"]}
    if source_digest() != digest:
        raise Unreachable("the sources changed while they were compiled")
    text = json.dumps({"contracts": contracts, "sources": digest}, separators=(",", ":"), sort_keys=True)
    _FILE.write_text(text + "\n", encoding="utf-8")


def _compact(value: Json) -> Json:
    """An ABI without the names that Solidity gives its types."""
    if isinstance(value, list):
        return [_compact(item) for item in value]
    if isinstance(value, dict):
        return {key: _compact(item) for key, item in value.items() if key != "internalType"}
    return value


def main(arguments: list[str]) -> int:
    """The command above."""
    if arguments == ["--check"]:
        if stored_digest() == source_digest():
            return 0
        print("artifacts.json is older than the contracts: run python -m chains.evm.artifacts", file=sys.stderr)
        return 1
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    build()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
