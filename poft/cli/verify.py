"""`poft verify`: a third party's check of a whole run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poft.cli.output import print_json, print_table


def verify(
    run: Annotated[Path, typer.Argument(help="Folder of a run, e.g. runs/demo.")],
    training: Annotated[bool, typer.Option("--training", help="Also train every update again.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Walk the lineage over all ledgers and replay every aggregation bit for bit; exit 1 if anything differs."""
    import sys

    from poft.audit.lineage import audit
    from poft.federation import executors
    from poft.run_folder import ledgers, open_run

    folder = open_run(run)
    executor = executors.get("serial")

    def tick(line: str) -> None:
        if not json and sys.stderr.isatty():
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)

    try:
        with ledgers(folder) as found:
            report = audit(found, folder.settings, executor, replay_training=training, tick=tick)
    finally:
        executor.close()
        tick("")
    if json:
        print_json({"sound": report.sound, "checks": dict(report.checks), "failures": list(report.failures)})
    else:
        rows = sorted(report.checks.items())
        print_table(f"{folder.name}: what was checked", ("check", "times"), rows)
        for failure in report.failures:
            print(f"FAILED  {failure}")
        print(f"{folder.name}: {'every check held' if report.sound else f'{len(report.failures)} checks failed'}")
    if not report.sound:
        raise typer.Exit(1)
