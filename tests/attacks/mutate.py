"""Mutation testing: takes each check of the verification path away, one at a time, and asks whether a test notices.

    python -m tests.attacks.mutate                       Python
    python -m tests.attacks.mutate --language solidity   the contracts, by forge and by parity with the twins
    python -m tests.attacks.mutate --language rust       primitives and bridge pallet, by cargo
    python -m tests.attacks.mutate --only receive.py     the files whose name has this in it

A mutant is the checkout in a temporary folder with one change (`mutants/`). It is killed when the tests of its language
fail. A survivor is a check that nothing needs, or a test that is missing. Exit status 1 when there are survivors.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.differential.implementations import ROOT

from .mutants import UNBUILT, Mutant, python, rust, solidity

LANGUAGES = {"python": python, "solidity": solidity, "rust": rust}

_COPIED = ("poft", "chains", "relayers", "tests", "docs", "pyproject.toml", "package.json")
_EQUIVALENT = {
    # Not noticeable: the mutant answers every input as the original does.
    ("signatures.py", "BadSignature: `0 <= s < CURVE_ORDER`"): "libsecp256k1 refuses s = 0 as BadSignature too",
    (
        "Checkpoints.sol",
        "Malformed: never `payload.length >= (HEAD_WORDS + 1) * WORD`",
    ): "a shorter payload has not the length that its count asks for: Malformed too",
    (
        "Acknowledgements.sol",
        "Malformed: never `payload.length >= HEAD_WORDS * WORD`",
    ): "as above",
    (
        "StateProof.sol",
        "BadStateProof: never `room != 0`",
    ): "a walk that goes on behind the key's end never comes to its end again: refused at the leaf",
    (
        "StateProof.sol",
        "BadStateProof: never `start != end`",
    ): "an empty path counts as more nibbles than any key has",
    ("esp1.py", "Malformed: `len(data) <= _HEAD.size`"): "no state proof follows a head alone: Malformed too",
}


@dataclass(frozen=True, slots=True)
class Fate:
    """`killer` is the test that noticed, empty for a survivor."""

    mutant: Mutant
    killer: str


def copied(folder: Path, language: str) -> None:
    """What the tests of a language need of the checkout."""
    skipped = shutil.ignore_patterns("__pycache__", "target", "out", "cache")
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=skipped)
        else:
            shutil.copy2(source, folder / name)
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    if language == "rust" and "CARGO_TARGET_DIR" in os.environ:
        # What was built of others' crates serves every copy.
        debug = Path(os.environ["CARGO_TARGET_DIR"]) / "debug"
        shutil.copytree(debug, folder / "target" / "debug", ignore=shutil.ignore_patterns("incremental"))


def judged(mutants: list[Mutant], language: str, workers: int) -> Iterator[Fate]:
    """The fate of each mutant; the unchanged checkout must pass first."""
    chosen = LANGUAGES[language]
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
                return Fate(mutant, chosen.fate(folder, mutant))
            finally:
                path.write_text(before, encoding="utf-8")
                folders.put(folder)

        unchanged = folders.get()
        for killer in chosen.baseline(unchanged, {mutant.file for mutant in mutants}):
            if killer:
                raise SystemExit(f"the tests fail without a mutation: {killer}")
        folders.put(unchanged)
        yield from pool.map(run, mutants)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.mutate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--language", choices=tuple(LANGUAGES), default="python")
    parser.add_argument("--only", default="", help="part of a file's name")
    parser.add_argument("--jobs", type=int, default=2, help="copies of the checkout that run side by side (default 2)")
    args = parser.parse_args()
    chosen = LANGUAGES[args.language]
    files = [file for file in chosen.FILES if args.only in file]
    mutants = [mutant for file in files for mutant in sorted(chosen.mutants(file), key=lambda mutant: mutant.line)]
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
        unbuilt += fate.killer == UNBUILT
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
