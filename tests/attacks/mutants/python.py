"""Python: a refusal that never happens, an operand less, a comparison off by one, a call of a check left out."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.differential.implementations import ROOT

from . import UNBUILT, UNCHANGED, Mutant

FILES = (
    "poft/protocol/merkle.py",
    "poft/protocol/signatures.py",
    "poft/protocol/finality.py",
    "poft/protocol/checkpoint.py",
    "poft/protocol/hashing.py",
    "poft/protocol/structs.py",
    "poft/verification/packing.py",
    "poft/verification/receive.py",
    "poft/verification/beefy.py",
    "poft/verification/schemes/bef1.py",
    "poft/verification/schemes/cmt1.py",
    "poft/verification/schemes/esp1.py",
    "poft/verification/state_proof.py",
    "poft/verification/rlp.py",
    "poft/verification/headers.py",
    "poft/verification/sealed.py",
    "poft/verification/schemes/clq1.py",
    "poft/verification/schemes/qbf1.py",
)
TESTS = (
    "tests/unit/test_verification_sealed.py",
    "tests/attacks/test_sealed.py",
    "tests/unit/test_state_proof.py",
    "tests/attacks/test_log.py",
    "tests/attacks/test_packet.py",
    "tests/attacks/test_committee.py",
    "tests/attacks/test_bridges.py",
    "tests/attacks/test_bounds.py",
    "tests/unit/test_protocol.py",
    "tests/unit/test_vectors.py",
    "tests/unit/test_relayer_bef1.py",
    "tests/unit/test_merkle_properties.py",
)

_SECONDS = 300
_CHECKS = {"_check_sizes", "_check_signatures", "_check_nodes", "check_committee", "check_quorum", "verify_signer"}
_CHECKS |= {"check_signers", "_check_step", "_check_outbox"}
_CHECKS |= {"verify_consistency", "verify_inclusion"}

# `_bad` is how `state_proof.py` says BadStateProof.
_REFUSES = re.compile(r"raise (Refused|_bad)\(")
_OFF_BY_ONE = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}


def mutants(file: str) -> Iterator[Mutant]:
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


def fate(folder: Path, _mutant: Mutant) -> str:
    """The test that fails in this copy of the checkout."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *TESTS]
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"no end within {_SECONDS} s"
    if run.returncode == 0:
        return ""
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", run.stdout, re.M)
    return found[1].split("/")[-1] if found else UNBUILT


def baseline(folder: Path, _files: set[str]) -> Iterator[str]:
    """What the tests say about the checkout as it is."""
    yield fate(folder, UNCHANGED)
