"""`poft devnet`: development chains on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poft.cli.output import print_json, print_table
from poft.protocol.errors import ConfigError

app = typer.Typer(help="Start, list and stop development chains on this machine.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option(help="Where devnets keep their state.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Kinds = Annotated[list[str] | None, typer.Option("--kind", help="Only this kind; may be repeated.")]
DEFAULT_FOLDER = Path(".poft/devnets")


@app.command()
def up(
    kind: Kinds = None,
    folder: Folder = DEFAULT_FOLDER,
    port: Annotated[int, typer.Option(help="First port; 0 takes free ones.")] = 0,
    substrate: Annotated[
        str,
        typer.Option(
            metavar="ENGINE", help="What makes a new Substrate chain's blocks: chopsticks, or node (make node)."
        ),
    ] = "",
    json: AsJson = False,
) -> None:
    """Start one chain of every kind, or resume those whose state lies in the folder."""
    from poft.chain import devnet
    from poft.chain_spec import write_spec

    chosen = kind or list(installed())
    for at, name in enumerate(chosen):
        spec = devnet(name, substrate if name == "substrate" else "").start(
            folder / name, name, port + at if port else 0
        )
        write_spec(folder / name / "spec.json", spec)
    show(folder, json)


@app.command()
def status(folder: Folder = DEFAULT_FOLDER, json: AsJson = False) -> None:
    """List the chains whose state lies in the folder."""
    show(folder, json)


@app.command()
def down(kind: Kinds = None, folder: Folder = DEFAULT_FOLDER, json: AsJson = False) -> None:
    """Stop the chains of the folder; their state stays."""
    from poft.chain import devnet

    for name in kind or [name for name in installed() if (folder / name).is_dir()]:
        if not (folder / name).is_dir():
            raise ConfigError(f"{folder / name} does not exist", "poft devnet status lists what is there")
        devnet(name).stop(folder / name)
    show(folder, json)


def installed() -> list[str]:
    """Kinds of devnet that are installed."""
    from importlib.metadata import entry_points

    return sorted(point.name for point in entry_points(group="poft.devnets"))


def show(folder: Path, json: bool) -> None:
    """Prints the state of every devnet in the folder."""
    from dataclasses import asdict

    from poft.chain import devnet

    found = [devnet(name).status(folder / name) for name in installed() if (folder / name).is_dir()]
    if json:
        print_json([asdict(one) for one in found])
        return
    rows = [(one.name, one.kind, one.engine, "up" if one.running else "down", one.rpc, one.folder) for one in found]
    print_table("devnets", ("name", "kind", "engine", "state", "rpc", "folder"), rows)
