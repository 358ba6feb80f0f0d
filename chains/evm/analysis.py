"""Slither over the contracts: exit status 1 on a finding that nobody has judged, or a judgement that is about nothing.

    python -m chains.evm.analysis

Slither reads what forge calls build-info, but that of this project holds OpenZeppelin's sources twice: once under the
absolute paths that forge gives to what lies outside its root, and once under the relative paths that remapped imports
resolve to. Slither cannot tell them apart. So the pinned compiler (`solc.js`) is called here, with one absolute path
for each source.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from poft.protocol.errors import ConfigError

from .foundry import foundry_binary

HERE = Path(__file__).parent
_OUTPUTS = ["abi", "metadata", "evm.bytecode", "evm.deployedBytecode"]

_TRUSTED = "calls go to contracts that governance deployed; an application is called by Inbox._dispatch and retry alone"
NOT_ASKED = {
    "assembly": "every block stands beside a measurement or a plain twin in the tests (style of this project)",
    "pragma": "OpenZeppelin's files allow ranges; one compiler compiles all",
    "timestamp": "clients age by the clock; seconds of freedom for a block producer do not matter there",
    "costly-loop": "member lists are sorted arrays of at most 64 that only the federation's own governance grows",
    "reentrancy-benign": _TRUSTED,
    "reentrancy-events": _TRUSTED,
}
"""Detector → why its answers say nothing here."""

JUDGED = {
    ("weak-prng", "LightClient._remember"): "the remainder is a position in a ring, not a random number",
    (
        "incorrect-equality",
        "LightClient.update",
    ): "equal height is the statement that was accepted last, by the verifier",
    ("reentrancy-no-eth", "Inbox.deliver"): "the light client calls nobody but the verifier, by staticcall",
    ("reentrancy-no-eth", "CheckpointRegistry.exportCheckpoint"): "the outbox calls nobody",
    ("unused-return", "CommitteeVerifier.checkMisbehaviour"): "the second value is where the next committee begins",
    (
        "unused-return",
        "CheckpointRegistry.onPacket",
    ): "the parents are hashed from the payload by Checkpoints.fingerprint",
    ("unused-return", "Inbox._tell"): "the outbox names the packet in its event",
    ("unused-return", "AgreementVerifier.epochOf"): "the proofs within speak for epochs of their own",
    ("shadowing-local", "CheckpointRegistry.constructor"): "the argument becomes what it shadows",
    ("shadowing-local", "Federation.constructor"): "the argument becomes what it shadows",
    ("shadowing-local", "Inbox.constructor"): "the argument becomes what it shadows",
    ("shadowing-local", "LightClient.constructor"): "the argument becomes what it shadows",
    ("shadowing-local", "Outbox.constructor"): "the argument becomes what it shadows",
    ("shadowing-local", "SuccessorInbox.constructor"): "the argument becomes what it shadows",
    ("shadowing-local", "SuccessorOutbox.constructor"): "the argument becomes what it shadows",
    ("shadowing-local", "SuccessorRegistry.constructor"): "the argument becomes what it shadows",
    ("unused-return", "SuccessorOutbox.constructor"): "a log is its size and its root",
    ("calls-loop", "SuccessorRegistry.lastExport"): "at most 32 routes, each asks the predecessor once",
    ("calls-loop", "CheckpointRegistry._send"): "at most 32 routes, each its own packet",
    ("calls-loop", "Federation._requireLineage"): "at most 8 parents",
    ("calls-loop", "AgreementVerifier.constructor"): "as many schemes as its deployer names",
    ("calls-loop", "AgreementVerifier.initialise"): "at most 8 schemes",
    ("calls-loop", "AgreementVerifier.verify"): "at most 8 schemes",
    ("calls-loop", "AgreementVerifier.checkMisbehaviour"): "at most 8 schemes",
    ("calls-loop", "Inbox._generation"): "at most 32 packets, and only for those whose application failed",
}
"""(Detector, function) → why the finding is none."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`place` is Contract.function."""

    detector: str
    impact: str
    place: str
    text: str


class _Fields(BaseModel):
    parent: _Element | None = None


class _Element(BaseModel):
    """A function, variable or statement in slither's answer, and what it is a part of."""

    type: str
    name: str
    type_specific_fields: _Fields | None = None

    def place(self) -> str:
        parent = self.type_specific_fields.parent if self.type_specific_fields else None
        if self.type == "function" and parent:
            return f"{parent.name}.{self.name}"
        return parent.place() if parent else self.name


class _Answer(BaseModel):
    check: str
    impact: str
    description: str
    elements: list[_Element]


class _Results(BaseModel):
    detectors: list[_Answer] = []


class _Report(BaseModel):
    results: _Results


def compiled() -> dict[str, object]:
    """The contracts as the compiler answers, in the form of a build-info file."""
    library = HERE.parents[1] / "node_modules" / "@openzeppelin" / "contracts"
    sources = sorted(HERE.glob("contracts/**/*.sol"))
    question = {
        "language": "Solidity",
        "sources": {str(path): {"content": path.read_text(encoding="utf-8")} for path in sources},
        "settings": {
            "remappings": [f"@openzeppelin/contracts/={library}/"],
            "optimizer": {"enabled": False},
            "outputSelection": {"*": {"*": _OUTPUTS, "": ["ast"]}},
        },
    }
    command = ["node", str(HERE / "solc.js"), "--standard-json"]
    run = subprocess.run(command, input=json.dumps(question), capture_output=True, text=True, check=False)
    if run.returncode:
        raise ConfigError(f"solc did not run: {run.stderr}", "run make setup")
    answer = json.loads(run.stdout)
    wrong = [error["formattedMessage"] for error in answer.get("errors", ()) if error["severity"] == "error"]
    if wrong:
        raise ConfigError("\n".join(wrong), "correct the contracts")
    package = json.loads((HERE.parents[1] / "package.json").read_text(encoding="utf-8"))
    return {"solcVersion": package["devDependencies"]["solc"], "input": question, "output": answer}


def found() -> Iterator[Finding]:
    """What slither finds in this project's own contracts."""
    tool = Path(sys.executable).with_name("slither")
    forge = foundry_binary("forge")
    if not tool.exists():
        raise ConfigError("slither is not installed", "run make setup")
    with tempfile.TemporaryDirectory(prefix="poft-slither-") as folder:
        build, answers = Path(folder, "build-info"), Path(folder, "findings.json")
        build.mkdir()
        (build / "contracts.json").write_text(json.dumps(compiled()), encoding="utf-8")
        command = [str(tool), ".", "--ignore-compile", "--foundry-build-info-directory", str(build)]
        command += ["--exclude-dependencies", "--exclude", ",".join(NOT_ASKED), "--fail-none", "--json", str(answers)]
        # It asks forge where libraries lie.
        surroundings = {**os.environ, "PATH": f"{forge.parent}{os.pathsep}{os.environ['PATH']}"}
        run = subprocess.run(command, cwd=HERE, env=surroundings, capture_output=True, text=True, check=False)
        # An error line is a contract that it could not read, and therefore did not judge.
        if run.returncode or "ERROR:" in run.stderr:
            raise ConfigError(f"slither failed:\n{run.stdout}{run.stderr}", "run make setup")
        report = _Report.model_validate_json(answers.read_text(encoding="utf-8"))
    for one in report.results.detectors:
        yield Finding(one.check, one.impact, one.elements[0].place(), one.description.strip())


def main() -> int:
    findings = list(found())
    open_ones = [one for one in findings if (one.detector, one.place) not in JUDGED]
    for one in open_ones:
        print(f"{one.impact}: {one.detector} in {one.place}\n{one.text}\n")
    stale = sorted(JUDGED.keys() - {(one.detector, one.place) for one in findings})
    for detector, place in stale:
        print(f"JUDGED names {detector} in {place}, which is not found any more")
    print(f"slither: {len(findings)} findings, {len(open_ones)} of them open")
    return 1 if open_ones or stale else 0


if __name__ == "__main__":
    sys.exit(main())
