"""Compiles the contracts into artifacts.json: ABI and bytecode, committed so that deploying needs no compiler.

    python -m chains.evm.artifacts            compile with forge and rewrite artifacts.json
    python -m chains.evm.artifacts --check    exit 1 when the sources have moved on since

`artifacts.json` names the digest of what it was built from: every contract, the compiler's settings, and the pinned
versions of compiler and library. `tests/chains/test_evm_client.py` compares it with the checkout.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

from poft.protocol.errors import ArtifactError, ConfigError

from .abi import ARTIFACTS, CONTRACTS, SUCCESSORS, VERIFIERS, stored_digest
from .foundry import foundry_binary
from .rpc import Json

HERE = Path(__file__).parent
_SETTINGS = ("solc", "evm_version", "optimizer", "optimizer_runs", "via_ir", "bytecode_hash", "remappings")
_PACKAGES = ("solc", "@openzeppelin/contracts")


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
    forge = foundry_binary("forge")
    digest = source_digest()
    # Apart from what tests and lint leave in `out`, which may lack bytecode.
    apart = ["--out", "out/artifacts", "--cache-path", "cache/artifacts"]
    command = [str(forge), "build", "--offline", "--skip", "test", *apart]
    built = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    if built.returncode:
        raise ConfigError(f"forge build failed:\n{built.stdout}{built.stderr}", "Correct the contracts")
    contracts = {}
    for name in (*CONTRACTS, *SUCCESSORS.values(), *(verifier.contract for verifier in VERIFIERS)):
        output = json.loads((HERE / "out" / "artifacts" / f"{name}.sol" / f"{name}.json").read_text(encoding="utf-8"))
        contracts[name] = {"abi": _compact(output["abi"]), "bytecode": output["bytecode"]["object"]}
    if source_digest() != digest:
        raise ArtifactError("the sources changed while they were compiled")
    text = json.dumps({"contracts": contracts, "sources": digest}, separators=(",", ":"), sort_keys=True)
    ARTIFACTS.write_text(text + "\n", encoding="utf-8")


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
