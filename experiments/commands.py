"""`poft run` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    experiment: Annotated[Path, typer.Argument(help="TOML file of the experiment, e.g. experiments/demo.toml.")],
    output: Annotated[Path | None, typer.Option(help="Folder of the run; default runs/NAME.")] = None,
    fresh: Annotated[bool, typer.Option(help="Drop an earlier run in that folder instead of resuming it.")] = False,
    embedded: Annotated[
        bool, typer.Option(help="The same federation on embedded devnets, without faults: its models have to be equal.")
    ] = False,
    substrate: Annotated[
        str,
        typer.Option(
            metavar="ENGINE",
            help="What makes the blocks of Substrate devnets: node, or chopsticks. Default: node, where it is built.",
        ),
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print events and the report as JSON lines.")] = False,
) -> None:
    """Run an experiment on real chains, or resume it where it was stopped."""
    import json as codec

    from experiments.config import ExperimentSettings
    from experiments.report import summary
    from experiments.run import run_experiment
    from experiments.seeds import run_seeds, seeds_summary
    from poft.cli.output import print_table
    from poft.config import load

    settings = load(experiment, ExperimentSettings)
    settings = settings.embedded() if embedded else settings
    folder = output or Path("runs") / settings.name
    start = run_seeds if settings.seeds else run_experiment
    report = start(settings, folder, fresh=fresh, as_json=json, engines={"substrate": substrate})
    record = codec.loads(report.read_text())
    if json:
        print(codec.dumps({"event": "report", **record}))
    elif settings.seeds:
        print_table(f"{settings.name}: {folder / 'report.md'}", ("", "mean", "95 % interval"), seeds_summary(record))
    else:
        print_table(f"{settings.name}: {folder / 'report.html'}", ("", ""), summary(record))
