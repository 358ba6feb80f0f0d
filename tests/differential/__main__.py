"""Command line of the differential fuzzer; see the package's docstring."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from poft.protocol.errors import ConfigError
from tests.vectors.generate import encode

from .comparing import UNSETTLED, Disagreement, Report, compare
from .implementations import ROOT, Rust, solidity
from .mutate import Case

OUTPUT = ROOT / "build" / "differential"


def written(found: Disagreement, folder: Path, number: int) -> Path:
    """The disagreement as a vector without an expectation, beside the three answers."""
    question = found.case.question
    content = {
        "name": f"{type(question).__name__.lower()}_{found.case.mutation}",
        "input": encode(question.fields()),
        "answers": {"python": found.python, "rust": found.rust, "solidity": found.solidity},
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{number:03}.json"
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def shown(report: Report, seconds: float) -> str:
    """The run in a few lines."""
    refused = {name: count for name, count in report.codes.most_common() if name != "Ok"}
    return "\n".join(
        (
            f"{report.mutations:,} mutations and {report.honest:,} honest cases in {seconds:.1f} s, "
            f"{(report.mutations + report.honest) / seconds:,.0f} cases/s through three implementations",
            "asked: " + ", ".join(f"{name} {count}" for name, count in report.rules.most_common()),
            f"{len(report.mutators)} kinds of mutation; {report.without_solidity} cases not expressible in Solidity",
            f"accepted {report.codes['Ok']}; refused: " + ", ".join(f"{n} {c}" for n, c in refused.items()),
            f"{report.disagreements} disagreements of {len(report.smallest)} kinds, "
            f"{len(report.forgeries)} forgeries accepted, {len(report.refused_honest)} honest cases refused",
        )
    )


def described(case: Case) -> str:
    return f"{type(case.question).__name__} {case.mutation or 'honest'}: {json.dumps(encode(case.question.fields()))}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mutations", type=int, default=3000, help="how many (default 3000)")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same cases (default 1)")
    args = parser.parse_args()
    try:
        rust = Rust()
        with solidity() as contract:
            start = time.monotonic()
            report = compare(rust, contract, args.mutations, args.seed)
            seconds = time.monotonic() - start
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    print(shown(report, seconds))
    for number, found in enumerate(report.smallest.values()):
        path = written(found, OUTPUT, number)
        known = UNSETTLED.get(found.kind)
        print(
            f"\n{found.kind[0]} {found.case.mutation}: {path.relative_to(ROOT)}{f' (known: {known})' if known else ''}"
        )
        print(f"  python   {found.python}")
        print(f"  rust     {found.rust}\n  solidity {found.solidity}")
    for name, cases in (("accepted forgery", report.forgeries), ("refused", report.refused_honest)):
        for case in sorted(cases, key=lambda case: len(case.question.scale()))[:5]:
            print(f"\n{name}: {described(case)}")
    return 0 if report.clean else 1


if __name__ == "__main__":
    sys.exit(main())
