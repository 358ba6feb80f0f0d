"""Rust: every `ensure` and every returned refusal of the verification path left out, and every operand of one."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.differential.implementations import ROOT

from . import UNBUILT, UNCHANGED, Mutant
from .checks import Check, closing, mutated, split

_CRATE = "chains/substrate/primitives/src"
FILES = tuple(
    f"{_CRATE}/{name}.rs"
    for name in (
        "log",
        "signature",
        "finality",
        "committee",
        "bef1",
        "receive",
        "checkpoint",
        "acknowledgement",
        "abi",
        "domain",
        "esp1",
        "state_proof",
        "sealed",
        "clq1",
        "qbf1",
        "and1",
    )
) + tuple(f"chains/substrate/pallets/bridge/src/{name}.rs" for name in ("clients", "inbox", "acknowledgements"))

_SECONDS = 900
_TESTED = ("poft-primitives", "pallet-poft-bridge")
_ENSURE = re.compile(r"\bensure\(")
_RETURNED = re.compile(r"\bif (?P<condition>[^;{}]*?) \{\s*return Err\(Code::(?P<code>\w+)\);\s*\}", re.S)
_CODE = re.compile(r"Code::(\w+)$")


def mutants(file: str) -> Iterator[Mutant]:
    """Of this module."""
    source = (ROOT / file).read_text(encoding="utf-8")
    yield from mutated(file, source, _checks(source))


def _checks(source: str) -> Iterator[Check]:
    for found in _ENSURE.finditer(source):
        end = closing(source, found.end() - 1)
        condition, *rest = split(source[found.end() : end], ",")
        code = _CODE.search(rest[0]) if rest else None
        if code is None:  # its definition
            continue
        begin = source.index(condition, found.end())
        # `ensure(...)?;` is a statement, `ensure(...)` the value of its function.
        statement = source.startswith("?;", end + 1)
        yield Check(
            found.start(),
            end + (3 if statement else 1),
            (begin, begin + len(condition)),
            "&&",
            code[1],
            "" if statement else "Ok(())",
        )
    for found in _RETURNED.finditer(source):
        if not found["condition"].startswith("let "):
            yield Check(found.start(), found.end(), found.span("condition"), "||", found["code"])


def fate(folder: Path, mutant: Mutant) -> str:
    """The test that fails in this copy of the checkout."""
    pallet = "pallets" in mutant.file
    for package in _TESTED[pallet:]:
        killer = _cargo(folder, package)
        if killer:
            return killer
    return ""


def baseline(folder: Path, _files: set[str]) -> Iterator[str]:
    """What the tests say about the checkout as it is."""
    yield fate(folder, UNCHANGED)


def _cargo(folder: Path, package: str) -> str:
    # An own target: two mutants must not build over one another.
    surroundings = {**os.environ, "CARGO_TARGET_DIR": str(folder / "target")}
    command = ["cargo", "test", "--quiet", "--locked", "--offline", "-p", package]
    run = subprocess.run(
        command,
        cwd=folder / "chains" / "substrate",
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if not run.returncode:
        return ""
    failed = re.search(r"^(?:test )?(\S+)(?: \.\.\. FAILED| --- FAILED)", run.stdout, re.M)
    named = failed or re.search(r"^---- (\S+) stdout ----", run.stdout, re.M)
    return f"{package}::{named[1]}" if named else UNBUILT
