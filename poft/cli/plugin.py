"""`poft plugin`: schemes as plug-ins, listed, begun and checked (docs/plugins.md)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poft.cli.output import Json, print_json, print_table
from poft.protocol.errors import ConfigError

if TYPE_CHECKING:
    from poft.conformance.check import Measurement, Scorecard

app = typer.Typer(help="Verification schemes as plug-ins: list, begin, check.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SHOWN = 20
"""Findings in the table; JSON has all of them."""
PICO = 10**12


@app.command("list")
def list_schemes(json: AsJson = False) -> None:
    """List the schemes that are installed, and whether each can be checked."""
    from poft.conformance.plugin import distribution, installed, is_described

    rows = [(name, distribution(name), "yes" if is_described(name) else "no") for name in installed()]
    if json:
        print_json([{"scheme": name, "package": package, "checkable": can == "yes"} for name, package, can in rows])
        return
    print_table("schemes", ("scheme", "package", "can be checked"), rows)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Four capital letters or digits, e.g. ABC1.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where to; the scheme's name in small letters if not given.")
    ] = None,
) -> None:
    """Write the skeleton of a scheme: Python, Solidity, Rust. It passes `poft plugin check` as it is."""
    from poft.conformance.skeleton import write

    made = write(name, folder or Path(name.lower()))
    print(f"{made}/README.md says what comes next; first: pip install --no-deps -e {made} && poft plugin check {name}")


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="The scheme, e.g. CMT1.")],
    members: Annotated[str, typer.Option(help="Sizes of the authority, e.g. 4,21,64.")] = "4",
    on: Annotated[
        list[str] | None, typer.Option("--on", help="Only here: python, rust, evm or substrate; may be repeated.")
    ] = None,
    sample: Annotated[int, typer.Option(min=2, help="Bytes of a proof that are flipped, lengths it is cut to.")] = 128,
    runtime: Annotated[Path | None, typer.Option(help="WebAssembly of a runtime that has the scheme.")] = None,
    release: Annotated[bool, typer.Option("--release", help="Also time the Rust half, built optimised.")] = False,
    json: AsJson = False,
) -> None:
    """Put every attack to a scheme, in each language and on each ledger; exit 1 if one is taken or a code is wrong."""
    import sys
    from dataclasses import replace

    from poft.conformance.attacks import Depth
    from poft.conformance.check import check as run
    from poft.conformance.plugin import find

    subject = find(name)
    if runtime is not None:
        subject = replace(subject, plugin=replace(subject.plugin, runtime=runtime))

    def tick(line: str) -> None:
        if not json and sys.stderr.isatty():
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)

    try:
        card = run(subject, sizes(members), Depth(cuts=sample, flips=sample), on or (), release, tick)
    finally:
        tick("")
    if json:
        print_json(document(card))
    else:
        show(card)
    if not card.sound:
        raise typer.Exit(1)


def sizes(text: str) -> tuple[int, ...]:
    """The numbers of a list like 4,21,64; `ConfigError` when it is none."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(f"--members {text!r} is no list of numbers", "Write it as 4,21,64") from error


def show(card: Scorecard) -> None:
    """The scorecard for people."""
    rows = [
        (
            tally.where,
            f"{tally.attacks_right}/{tally.attacks}",
            f"{tally.honest_right}/{tally.honest}",
            "sound" if not tally.findings else f"{len(tally.findings)} findings",
        )
        for tally in card.tallies
    ]
    columns = ("where", "attacks refused with the right code", "honest taken", "result")
    print_table(f"{card.scheme}: conformance", columns, rows)
    if card.measurements:
        shown = [costs(one) for one in card.measurements]
        titles = ("", *(f"{one.members} members" for one in card.measurements))
        names = dict.fromkeys(key for one in shown for key in one)
        print_table(f"{card.scheme}: costs", titles, [[key, *(one.get(key, "") for one in shown)] for key in names])
    for where, reason in sorted(card.absent.items()):
        print(f"not checked: {where}: {reason}")
    for pattern, reason in sorted(card.exempt.items()):
        print(f"exempt: {pattern}: {reason}")
    for finding in card.findings[:SHOWN]:
        kind = "ACCEPTED" if finding.accepted else "WRONG"
        print(f"{kind}  {finding.where}: {finding.case}\n    due:  {finding.due}\n    said: {finding.said}")
    if len(card.findings) > SHOWN:
        print(f"... and {len(card.findings) - SHOWN} more; --json has them all")
    print(f"{card.scheme}: {verdict(card)}")


def verdict(card: Scorecard) -> str:
    """What came of it, in words."""
    if card.sound:
        return "every case came out as it has to"
    return f"{len(card.findings)} findings" if card.findings else "nothing was asked: everything is exempt or absent"


def costs(one: Measurement) -> dict[str, str]:
    """A column of the table of costs."""
    row = {
        "proof bytes": f"{one.proof_bytes:,}",
        "prove ms": f"{one.prove:.2f}",
        "verify ms, Python": f"{one.python:.2f}",
    }
    if one.rust is not None:
        row["verify ms, Rust"] = f"{one.rust:.3f}"
    for kind, price in one.prices.items():
        scale, unit = (PICO // 10**6, "µs") if one.units[kind].startswith("ps") else (1, one.units[kind])
        row[f"{kind}: update, {unit}"] = f"{price.update // scale:,}"
        row[f"{kind}: update and delivery, {unit}"] = f"{price.update_and_delivery // scale:,}"
        row[f"{kind}: update, wall ms"] = f"{price.seconds * 1000:.0f}"
    return row


def document(card: Scorecard) -> Json:
    """The scorecard for programs."""
    return {
        "scheme": card.scheme,
        "sound": card.sound,
        "tallies": [
            {
                "where": tally.where,
                "attacks": tally.attacks,
                "attacks_refused": tally.attacks_right,
                "honest": tally.honest,
                "honest_taken": tally.honest_right,
            }
            for tally in card.tallies
        ],
        "findings": [
            {"where": f.where, "case": f.case, "due": f.due, "said": f.said, "accepted": f.accepted}
            for f in card.findings
        ],
        "costs": [
            {
                "members": one.members,
                "proof_bytes": one.proof_bytes,
                "prove_ms": one.prove,
                "verify_python_ms": one.python,
                "verify_rust_ms": one.rust,
                "ledgers": {
                    kind: {
                        "unit": one.units[kind],
                        "update": price.update,
                        "delivery": price.delivery,
                        "update_and_delivery": price.update_and_delivery,
                        "update_seconds": price.seconds,
                    }
                    for kind, price in one.prices.items()
                },
            }
            for one in card.measurements
        ],
        "absent": dict(card.absent),
        "exempt": dict(card.exempt),
    }
