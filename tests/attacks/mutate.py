"""Mutation testing: takes each check of the verification path away, one at a time, and asks whether a test notices.

    python -m tests.attacks.mutate                       Python
    python -m tests.attacks.mutate --language solidity   the contracts, by parity with the twins and by forge
    python -m tests.attacks.mutate --only receive.py     the files whose name has this in it

A mutant is the checkout in a temporary folder with one change: a refusal that never happens, one operand less in its
condition, a comparison off by one, a call of a check left out. It is killed when the tests of its language fail. A
survivor is a check that nothing needs, or a test that is missing. Exit status 1 when there are survivors.
"""

from __future__ import annotations

import argparse
import ast
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from poft.protocol.errors import ConfigError
from tests.differential.comparing import compare
from tests.differential.implementations import ROOT, Rust, forge_binary, solidity

PYTHON_FILES = (
    "poft/protocol/merkle.py",
    "poft/protocol/signatures.py",
    "poft/protocol/finality.py",
    "poft/protocol/checkpoint.py",
    "poft/protocol/hashing.py",
    "poft/protocol/structs.py",
    "poft/verification/receive.py",
    "poft/verification/schemes/cmt1.py",
    "poft/verification/schemes/esp1.py",
    "poft/verification/state_proof.py",
)
PYTHON_TESTS = (
    "tests/unit/test_state_proof.py",
    "tests/attacks/test_log.py",
    "tests/attacks/test_packet.py",
    "tests/attacks/test_committee.py",
    "tests/attacks/test_bridges.py",
    "tests/attacks/test_bounds.py",
    "tests/unit/test_protocol.py",
    "tests/unit/test_vectors.py",
    "tests/unit/test_merkle_properties.py",
)
SOLIDITY_FILES: dict[str, tuple[str, ...]] = {
    "chains/evm/contracts/libraries/MerkleLog.sol": ("", "MerkleLog", "DifferentialBounds"),
    "chains/evm/contracts/libraries/Signatures.sol": ("", "Encodings", "Cmt1"),
    "chains/evm/contracts/libraries/Checkpoints.sol": ("", "Encodings"),
    "chains/evm/contracts/schemes/cmt1/CommitteeProof.sol": ("", "Cmt1", "LightClient"),
    "chains/evm/contracts/schemes/cmt1/CommitteeVerifier.sol": ("", "Cmt1"),
    "chains/evm/contracts/schemes/esp1/StateProof.sol": ("", "Esp1"),
    "chains/evm/contracts/schemes/esp1/StateProofVerifier.sol": ("", "Esp1"),
    "chains/evm/contracts/Inbox.sol": ("", "InboxVectors", "Inbox"),
    "chains/evm/contracts/LightClient.sol": ("LightClient", "Inbox"),
}
"""Contract → what runs until something fails: `NAME.t.sol`, or "" for parity with the twins, which compiles fastest."""

_COPIED = ("poft", "chains", "relayers", "tests", "docs", "pyproject.toml", "package.json")
_PYTHON_SECONDS = 120
_SOLIDITY_SECONDS = 600
_PARITY_MUTATIONS = 2000
_UNBUILT = "does not compile"
_EQUIVALENT = {
    # Not noticeable: the mutant answers every input as the original does.
    ("signatures.py", "BadSignature: `0 <= s < CURVE_ORDER`"): "libsecp256k1 refuses s = 0 as BadSignature too",
    ("esp1.py", "Malformed: `len(data) <= _HEAD.size`"): "no state proof follows a head alone: Malformed too",
}
_CHECKS = {"_check_sizes", "_check_signatures", "_check_nodes", "check_committee", "verify_signer"}
_CHECKS |= {"verify_consistency", "verify_inclusion"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: `text` is the file's new content."""

    file: str
    line: int
    change: str
    text: str


@dataclass(frozen=True, slots=True)
class Fate:
    """`killer` is the test that noticed, empty for a survivor."""

    mutant: Mutant
    killer: str


# --- Python ----------------------------------------------------------------------------------------------------------

# `_bad` is how `state_proof.py` says BadStateProof.
_REFUSES = re.compile(r"raise (Refused|_bad)\(")
_OFF_BY_ONE = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}


def python_mutants(file: str) -> Iterator[Mutant]:
    """Every way to weaken a check of this module."""
    source = (ROOT / file).read_text(encoding="utf-8")
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def mutant(node: ast.expr | ast.stmt, new: str, change: str) -> Mutant:
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        raw = source.encode()
        return Mutant(file, node.lineno, change, (raw[:begin] + new.encode() + raw[end:]).decode())

    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.If) and isinstance(node.body[0], ast.Raise) and _REFUSES.search(ast.unparse(node)):
            test = node.test
            name = re.search(r"Code\.(\w+)", ast.unparse(node.body[0]))
            code = name[1] if name else "BadStateProof"
            yield mutant(test, "False", f"{code}: never")
            inner = test.operand if isinstance(test, ast.UnaryOp) else test
            if isinstance(inner, ast.BoolOp):
                join = " or " if isinstance(inner.op, ast.Or) else " and "
                for left_out in inner.values:
                    kept = join.join(f"({ast.unparse(v)})" for v in inner.values if v is not left_out)
                    text = f"not ({kept})" if inner is not test else kept
                    yield mutant(test, text, f"{code}: without `{ast.unparse(left_out)}`")
            for part in ast.walk(test):
                if isinstance(part, ast.Compare):
                    yield from _off_by_one(part, code, mutant)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = ast.unparse(node.value.func).split(".")[-1]
            if called in _CHECKS:
                yield mutant(node, "pass", f"without the call of {called}")


def _off_by_one(compared: ast.Compare, code: str, mutant: object) -> Iterator[Mutant]:
    assert callable(mutant)
    parts = [compared.left, *compared.comparators]
    symbols = [
        ast.unparse(ast.Compare(ast.Name("a"), [op], [ast.Name("b")])).split(" ", 1)[1][:-2] for op in compared.ops
    ]
    for i, op in enumerate(compared.ops):
        if type(op) in _OFF_BY_ONE:
            changed = [*symbols[:i], _OFF_BY_ONE[type(op)], *symbols[i + 1 :]]
            shown, text = ast.unparse(parts[0]), f"({ast.unparse(parts[0])})"
            for symbol, part in zip(changed, parts[1:], strict=True):
                shown += f" {symbol} {ast.unparse(part)}"
                text += f" {symbol} ({ast.unparse(part)})"
            yield mutant(compared, text, f"{code}: `{shown}`")


def python_fate(folder: Path, _mutant: Mutant) -> str:
    """The test that fails in this copy of the checkout."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *PYTHON_TESTS]
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_PYTHON_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"no end within {_PYTHON_SECONDS} s"
    if run.returncode == 0:
        return ""
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", run.stdout, re.M)
    return found[1].split("/")[-1] if found else _UNBUILT


# --- Solidity --------------------------------------------------------------------------------------------------------

_REQUIRE = re.compile(r"require\((?P<condition>[^;]*?),\s*Refused\(Code\.(?P<code>\w+)\)\s*\);", re.S)
_NODE = re.compile(r" _require\((?P<condition>[^;{}]*?)\);(?P<code>)")
"""How `StateProof.sol` says BadStateProof."""
_REVERT = re.compile(r"if \((?P<condition>[^;{}]*?)\) revert Refused\(Code\.(?P<code>\w+)\);", re.S)


def solidity_mutants(file: str) -> Iterator[Mutant]:
    """Every `require` and `revert` of this contract left out, and every operand of their conditions."""
    source = (ROOT / file).read_text(encoding="utf-8")
    for pattern, join in ((_REQUIRE, "&&"), (_NODE, "&&"), (_REVERT, "||")):
        for found in pattern.finditer(source):
            line = source.count("\n", 0, found.start()) + 1
            code = found["code"] or "BadStateProof"
            yield Mutant(file, line, f"{code}: never", source[: found.start()] + source[found.end() :])
            condition = found["condition"]
            operands = [part.strip() for part in condition.split(join)]
            if len(operands) > 1 and condition.count("(") == condition.count(")") and not _nested(condition, join):
                for i, operand in enumerate(operands):
                    kept = f" {join} ".join(operands[:i] + operands[i + 1 :])
                    at, end = found.span("condition")
                    change = f"{code}: without `{' '.join(operand.split())}`"
                    yield Mutant(file, line, change, source[:at] + kept + source[end:])


def _nested(condition: str, join: str) -> bool:
    """Whether an operator stands inside parentheses, where splitting would cut an operand."""
    depth = 0
    for i, character in enumerate(condition):
        depth += (character == "(") - (character == ")")
        if depth and condition.startswith(join, i):
            return True
    return False


def solidity_fate(folder: Path, mutant: Mutant) -> str:
    """The test that fails in this copy of the checkout."""
    for name in SOLIDITY_FILES[mutant.file]:
        killer = _forge(folder, name) if name else _parity(folder)
        if killer:
            return killer
    return ""


def _parity(folder: Path) -> str:
    try:
        with solidity(folder) as contract:
            report = compare(Rust(), contract, _PARITY_MUTATIONS, seed=2026)
    except ConfigError:
        return _UNBUILT
    for difference in report.found:
        return f"parity: {difference.solidity.split()[0]} instead of {difference.python.split()[0]}"
    return "" if report.clean else "parity: forgery accepted"


def _forge(folder: Path, name: str) -> str:
    command = [forge_binary(), "test", "--offline", "--match-path", f"test/{name}.t.sol"]
    run = subprocess.run(
        command, cwd=folder / "chains" / "evm", capture_output=True, text=True, timeout=_SOLIDITY_SECONDS, check=False
    )
    if not run.returncode:
        return ""
    failed = re.search(r"^\[FAIL[^\n]*\] (\w+)", run.stdout, re.M)
    return f"{name}.t.sol::{failed[1]}" if failed else _UNBUILT


# --- running ---------------------------------------------------------------------------------------------------------


def copied(folder: Path, language: str) -> None:
    """What the tests of a language need of the checkout."""
    skipped = shutil.ignore_patterns("__pycache__", "target", *(() if language == "solidity" else ("out", "cache")))
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=skipped)
        else:
            shutil.copy2(source, folder / name)
    (folder / "node_modules").symlink_to(ROOT / "node_modules")


def judged(mutants: list[Mutant], language: str, workers: int) -> Iterator[Fate]:
    """The fate of each mutant; the unchanged checkout must pass first."""
    fate = python_fate if language == "python" else solidity_fate
    with tempfile.TemporaryDirectory(prefix="mutants-") as base, ThreadPoolExecutor(workers) as pool:
        folders: SimpleQueue[Path] = SimpleQueue()
        for i in range(workers):
            folder = Path(base) / str(i)
            folder.mkdir()
            copied(folder, language)
            folders.put(folder)

        def run(mutant: Mutant) -> Fate:
            folder = folders.get()
            path = folder / mutant.file
            before = path.read_text(encoding="utf-8")
            try:
                path.write_text(mutant.text, encoding="utf-8")
                return Fate(mutant, fate(folder, mutant))
            finally:
                path.write_text(before, encoding="utf-8")
                folders.put(folder)

        unchanged = folders.get()
        for killer in _baseline(unchanged, language, {mutant.file for mutant in mutants}):
            if killer:
                raise SystemExit(f"the tests fail without a mutation: {killer}")
        folders.put(unchanged)
        yield from pool.map(run, mutants)


def _baseline(folder: Path, language: str, files: set[str]) -> Iterator[str]:
    """What each suite says about the checkout as it is."""
    if language == "python":
        yield python_fate(folder, Mutant("", 0, "", ""))
        return
    for name in dict.fromkeys(name for file in sorted(files) for name in SOLIDITY_FILES[file]):
        yield _forge(folder, name) if name else _parity(folder)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.mutate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--language", choices=("python", "solidity"), default="python")
    parser.add_argument("--only", default="", help="part of a file's name")
    parser.add_argument("--jobs", type=int, default=2, help="copies of the checkout that run side by side (default 2)")
    args = parser.parse_args()
    files = [file for file in (PYTHON_FILES if args.language == "python" else SOLIDITY_FILES) if args.only in file]
    made = python_mutants if args.language == "python" else solidity_mutants
    mutants = [mutant for file in files for mutant in sorted(made(file), key=lambda mutant: mutant.line)]
    if not mutants:
        print("no such file", file=sys.stderr)
        return 2
    survivors, unbuilt, equivalent = [], 0, 0
    for fate in judged(mutants, args.language, args.jobs):
        mutant, verdict, remark = fate.mutant, "killed", fate.killer
        if not fate.killer:
            verdict, remark = "SURVIVED", _EQUIVALENT.get((Path(mutant.file).name, mutant.change), "")
            if remark:
                verdict = "the same"
                equivalent += 1
            else:
                survivors.append(mutant)
        unbuilt += fate.killer == _UNBUILT
        what = f"{Path(mutant.file).name}:{mutant.line}"
        print(f"{verdict:<8}  {what:<24} {mutant.change:<60} {remark}", flush=True)
    killed = len(mutants) - len(survivors) - unbuilt - equivalent
    print(
        f"{len(mutants)} mutants: {killed} killed, {len(survivors)} survived, "
        f"{equivalent} answer as the original does, {unbuilt} do not compile"
    )
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
