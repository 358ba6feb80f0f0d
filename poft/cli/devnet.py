"""`poft devnet`: development chains and networks of several validators on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poft.cli.output import Json, print_json, table_of
from poft.protocol.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

    from poft.devnets import LocalChain
    from poft.network import Network, ValidatorStatus

app = typer.Typer(help="Start, watch, disturb and stop chains on this machine.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option(help="Where the chains keep their state, each in a folder of its kind.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Kinds = Annotated[list[str] | None, typer.Option("--kind", help="Only this kind; may be repeated.")]
Kind = Annotated[str, typer.Argument(help="evm or substrate.")]
Positions = Annotated[list[int], typer.Argument(help="Numbers of validators.")]
DEFAULT_FOLDER = Path(".poft/devnets")

_COLUMNS = ("validator", "state", "height", "final", "peers", "outbox", "rpc")
_FOLLOW_SECONDS = 0.2


@app.command()
def up(
    kind: Kinds = None,
    validators: Annotated[
        int, typer.Option(min=0, help="A network of so many validators; 0 = one process that makes blocks on demand.")
    ] = 0,
    folder: Folder = DEFAULT_FOLDER,
    port: Annotated[int, typer.Option(help="First port of development chains; 0 takes free ones.")] = 0,
    substrate: Annotated[
        str,
        typer.Option(
            metavar="ENGINE",
            help="What makes a new Substrate development chain: node, or chopsticks. Default: node, where it is built.",
        ),
    ] = "",
    json: AsJson = False,
) -> None:
    """Start one chain of every kind, or resume those whose state lies in the folder."""
    from poft import devnets

    if validators and (port or substrate == "chopsticks"):
        raise ConfigError("networks of validators take free ports and our own node", "Leave out --port and --substrate")
    tell = _silent if json else print
    begun: list[str] = []
    try:
        for at, name in enumerate(kind or devnets.installed()):
            if not (name in devnets.present(folder) and devnets.look(folder, name).running):
                begun.append(name)
            if validators or devnets.has_network(folder, name):
                devnets.start_network(folder, name, validators, tell)
            else:
                engine = substrate if name == "substrate" else ""
                devnets.start_devnet(folder, name, engine, port + at if port else 0, tell)
    except BaseException:  # whatever it was, also Ctrl-C: what this call started does not stay behind
        for name in set(begun) & set(devnets.present(folder)):
            devnets.stop(folder, name)
        raise
    _show(folder, json)


@app.command()
def status(folder: Folder = DEFAULT_FOLDER, json: AsJson = False) -> None:
    """List the chains of the folder with their validators."""
    _show(folder, json)


@app.command()
def watch(
    folder: Folder = DEFAULT_FOLDER,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 1.0,
    times: Annotated[int, typer.Option(min=0, help="Looks; 0 = until Ctrl-C.")] = 0,
    json: AsJson = False,
) -> None:
    """Show the validators until Ctrl-C; with --json one line for each look."""
    import json as codec

    from rich.console import Group
    from rich.live import Live

    with _until_ctrl_c():
        if json:
            for _ in _looks(interval, times):
                print(codec.dumps(_records(_look(folder))), flush=True)
            return
        with Live(auto_refresh=False) as live:
            for _ in _looks(interval, times):
                live.update(Group(*_tables(_look(folder))), refresh=True)


@app.command()
def kill(kind: Kind, positions: Positions, folder: Folder = DEFAULT_FOLDER, json: AsJson = False) -> None:
    """End validators as a power cut does."""
    network = _network(folder, kind, positions)
    for at in positions:
        network.kill(at)
    _show(folder, json)


@app.command()
def stop(kind: Kind, positions: Positions, folder: Folder = DEFAULT_FOLDER, json: AsJson = False) -> None:
    """End validators in order."""
    _network(folder, kind, positions).stop(positions)
    _show(folder, json)


@app.command()
def restart(
    kind: Kind,
    positions: Positions,
    wipe: Annotated[bool, typer.Option(help="Drop their databases; they take the chain from their peers.")] = False,
    folder: Folder = DEFAULT_FOLDER,
    json: AsJson = False,
) -> None:
    """Start validators again, whether they run or not."""
    network = _network(folder, kind, positions)
    network.stop(positions)
    for at in positions if wipe else ():
        network.wipe(at)
    network.start(positions, _silent if json else print)
    _show(folder, json)


@app.command()
def part(
    kind: Kind,
    groups: Annotated[list[str], typer.Argument(help="Groups that do not hear each other, e.g. 0,1 2,3.")],
    folder: Folder = DEFAULT_FOLDER,
    json: AsJson = False,
) -> None:
    """Cut the connections between groups of validators."""
    try:
        chosen = [[int(word) for word in group.split(",")] for group in groups]
    except ValueError as error:
        raise ConfigError(f"{' '.join(groups)} are not groups of validators", "Say for example 0,1 2,3") from error
    members = [at for group in chosen for at in group]
    network = _network(folder, kind, members)
    if len(set(members)) != len(members):
        raise ConfigError("a validator is in two groups", "Name each once; who is not named is cut off from all groups")
    network.part(chosen)
    _show(folder, json)


@app.command()
def join(kind: Kind, folder: Folder = DEFAULT_FOLDER, json: AsJson = False) -> None:
    """Connect all validators again."""
    _network(folder, kind, ()).join()
    _show(folder, json)


@app.command()
def logs(
    kind: Kind,
    validator: Annotated[int, typer.Argument(help="Number of a validator.")] = 0,
    to: Annotated[Path | None, typer.Option(help="Copy the logs of all validators into this folder instead.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written, until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option(min=0, help="Lines from the end.")] = 20,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Print the log of a validator, or export all of a chain."""
    import shutil

    from poft import devnets

    found = devnets.logs(folder, kind)
    if to is not None:
        (to / kind).mkdir(parents=True, exist_ok=True)
        for name, path in found.items():
            if path.exists():
                print(shutil.copyfile(path, to / kind / f"{name}.log"))
        return
    written = dict(enumerate(found.values()))
    if validator not in written or not written[validator].exists():
        raise ConfigError(f"validator {validator} has written no log", f"poft devnet up --kind {kind} starts it")
    path = written[validator]
    said = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for line in said[max(0, len(said) - lines) :]:
        print(line)
    if follow:
        with _until_ctrl_c():
            _follow(path)


@app.command()
def down(
    kind: Kinds = None,
    wipe: Annotated[bool, typer.Option(help="Remove the state as well: nothing is left.")] = False,
    folder: Folder = DEFAULT_FOLDER,
    json: AsJson = False,
) -> None:
    """Stop the chains of the folder; their state stays, unless it is wiped."""
    from poft import devnets

    for name in kind or devnets.present(folder):
        (devnets.wipe if wipe else devnets.stop)(folder, name)
    _show(folder, json)


def _silent(_line: str) -> None:
    return


def _network(folder: Path, kind: str, positions: Sequence[int]) -> Network:
    from poft import devnets

    network = devnets.open_network(folder, kind)
    for at in positions:
        if at not in network.positions:
            last = network.positions[-1]
            raise ConfigError(f"there is no validator {at}", f"The validators of {network.name!r} are 0 to {last}")
    return network


def _look(folder: Path) -> list[LocalChain]:
    from poft import devnets

    return [devnets.look(folder, kind) for kind in devnets.present(folder)]


def _show(folder: Path, json: bool) -> None:
    from rich.console import Console

    chains = _look(folder)
    if json:
        print_json(_records(chains))
        return
    for table in _tables(chains):
        Console().print(table)
    if not chains:
        print(f"no chains in {folder}")


def _records(chains: Sequence[LocalChain]) -> list[Json]:
    from dataclasses import asdict

    return [asdict(chain) for chain in chains]


def _tables(chains: Sequence[LocalChain]) -> list[Table]:
    return [
        table_of(f"{chain.kind}: {chain.engine}, {chain.folder}", _COLUMNS, [_row(one) for one in chain.validators])
        for chain in chains
    ]


def _row(one: ValidatorStatus) -> tuple[object, ...]:
    if not one.running:
        return one.position, "down", "", "", "", "", one.rpc
    return one.position, "up", one.height, one.final, one.peers, one.outbox_size, one.rpc


def _looks(interval: float, times: int) -> Iterator[None]:
    """Yields at once, then every so many seconds, so many times."""
    done = 0
    while True:
        yield
        done += 1
        if done == times:
            return
        time.sleep(interval)


def _follow(path: Path) -> None:
    with path.open(encoding="utf-8", errors="replace") as log:
        log.seek(0, 2)
        while True:
            print(log.read(), end="", flush=True)
            time.sleep(_FOLLOW_SECONDS)


@contextmanager
def _until_ctrl_c() -> Iterator[None]:
    """Ctrl-C is how one leaves what has no end of its own."""
    try:
        yield
    except KeyboardInterrupt:
        print()
