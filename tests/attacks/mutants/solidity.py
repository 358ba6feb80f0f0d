"""Solidity: every `require` and `revert` of the verification path left out, and every operand of their conditions.

A mutant is compiled once, without the optimizer, together with the tests that can notice; what they let pass goes to
parity with the twins.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from chains.evm.foundry import foundry_binary
from poft.protocol.errors import ConfigError
from tests.differential.comparing import compare
from tests.differential.implementations import ROOT, Rust, solidity

from . import UNBUILT, Mutant
from .checks import Check, closing, mutated

_CONTRACTS = "chains/evm/contracts"
TESTS: dict[str, tuple[str, ...]] = {
    f"{_CONTRACTS}/libraries/MerkleLog.sol": ("MerkleLog", "DifferentialBounds"),
    f"{_CONTRACTS}/libraries/Signatures.sol": ("Encodings", "Cmt1"),
    f"{_CONTRACTS}/libraries/Checkpoints.sol": ("Encodings",),
    f"{_CONTRACTS}/libraries/Acknowledgements.sol": ("Refusals", "Acknowledgements", "InboxVectors"),
    f"{_CONTRACTS}/schemes/bef1/BeefyProof.sol": ("Bef1",),
    f"{_CONTRACTS}/schemes/bef1/BeefyVerifier.sol": ("Bef1",),
    f"{_CONTRACTS}/schemes/cmt1/CommitteeProof.sol": ("Refusals", "Cmt1", "LightClient"),
    f"{_CONTRACTS}/schemes/cmt1/CommitteeVerifier.sol": ("Cmt1",),
    f"{_CONTRACTS}/schemes/esp1/StateProof.sol": ("StateProof", "Esp1"),
    f"{_CONTRACTS}/schemes/esp1/StateProofVerifier.sol": ("Esp1",),
    f"{_CONTRACTS}/schemes/and1/AgreementProof.sol": ("And1", "And1Shadow"),
    f"{_CONTRACTS}/schemes/and1/AgreementVerifier.sol": ("And1", "And1Shadow"),
    f"{_CONTRACTS}/Inbox.sol": ("InboxVectors", "Inbox", "Acknowledgements"),
    f"{_CONTRACTS}/LightClient.sol": ("LightClient", "Inbox", "Destinations"),
}
"""Contract → the tests that can notice, `NAME.t.sol`."""
FILES = tuple(TESTS)

_SECONDS = 900
_PARITY_MUTATIONS = 2000
_SETTINGS = {
    # Half the time of a mutant is its compilation; gas is not what is asked.
    "FOUNDRY_OPTIMIZER": "false",
    "FOUNDRY_ISOLATE": "false",
    "FOUNDRY_GAS_SNAPSHOT_CHECK": "false",
    "FOUNDRY_GAS_SNAPSHOT_EMIT": "false",
    "FOUNDRY_FUZZ_RUNS": "64",
}
_GAS_TESTS = "[gG]asBelowFloor"
"""What is true of optimised code only."""
_REVERT = re.compile(r"if \((?P<condition>[^;{}]*?)\) revert Refused\(Code\.(?P<code>\w+)\);", re.S)
_NODE = re.compile(r" _require\((?P<condition>[^;{}]*?)\);")
"""How `StateProof.sol` says BadStateProof."""
_REFUSED = re.compile(r",\s*Refused\(Code\.(\w+)\)\s*$")


def mutants(file: str) -> Iterator[Mutant]:
    """Of this contract."""
    source = (ROOT / file).read_text(encoding="utf-8")
    yield from mutated(file, source, _checks(source))


def _checks(source: str) -> Iterator[Check]:
    for found in re.finditer(r"\brequire\(", source):
        end = closing(source, found.end() - 1)
        refused = _REFUSED.search(source, found.end(), end)
        if refused:
            yield Check(found.start(), end + 2, (found.end(), refused.start()), "&&", refused[1])
    for found in _NODE.finditer(source):
        yield Check(found.start(), found.end(), found.span("condition"), "&&", "BadStateProof")
    for found in _REVERT.finditer(source):
        yield Check(found.start(), found.end(), found.span("condition"), "||", found["code"])


def fate(folder: Path, mutant: Mutant) -> str:
    """The test that fails in this copy of the checkout."""
    return _forge(folder, TESTS[mutant.file]) or _parity(folder)


def baseline(folder: Path, files: set[str]) -> Iterator[str]:
    """What each suite says about the checkout as it is."""
    yield _forge(folder, tuple(sorted({name for file in files for name in TESTS[file]})))
    yield _parity(folder)


def _parity(folder: Path) -> str:
    try:
        with solidity(folder) as contract:
            report = compare(Rust(), contract, _PARITY_MUTATIONS, seed=2026)
    except ConfigError:
        return UNBUILT
    for difference in report.found:
        return f"parity: {difference.solidity.split()[0]} instead of {difference.python.split()[0]}"
    return "" if report.clean else "parity: forgery accepted"


def _forge(folder: Path, names: tuple[str, ...]) -> str:
    path = names[0] if len(names) == 1 else "{" + ",".join(names) + "}"
    command = [str(foundry_binary("forge")), "test", "--offline", "--fail-fast", "--match-path", f"test/{path}.t.sol"]
    command += ["--no-match-test", _GAS_TESTS]
    run = subprocess.run(
        command,
        cwd=folder / "chains" / "evm",
        env={**os.environ, **_SETTINGS},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if not run.returncode:
        return ""
    failed = re.search(r"^\[FAIL[^\n]*\] (\w+)", run.stdout, re.M)
    if failed is None:
        return UNBUILT
    suites = re.findall(r"^Ran \d+ tests? for test/([\w.]+):", run.stdout[: failed.start()], re.M)
    return f"{suites[-1]}::{failed[1]}" if suites else failed[1]
