"""The chains of a devnets folder: for each kind one development chain, or one network of validators.

`FOLDER/KIND` is the chain's place: everything that belongs to it lies there (its state file, keys, database, logs,
`spec.json`), so that `wipe` leaves nothing behind.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from tempfile import TemporaryDirectory

from poft.chain import connect, devnet
from poft.chain_spec import read_spec, write_spec
from poft.network import Network, Tell, ValidatorStatus, is_network, network_kind, silent
from poft.protocol.errors import ConfigError, PoftError

_DEVNET_STATE, _SPEC = "devnet.json", "spec.json"


@dataclass(frozen=True, slots=True)
class LocalChain:
    """A chain of a devnets folder, and what its validators say. A development chain has one that nobody votes on."""

    name: str
    kind: str
    engine: str
    running: bool
    folder: str
    validators: tuple[ValidatorStatus, ...]


def installed() -> list[str]:
    """Kinds of chain that can be started."""
    return sorted(point.name for point in entry_points(group="poft.devnets"))


def present(folder: Path) -> list[str]:
    """Kinds whose chain lies in the folder."""
    return [kind for kind in installed() if has_network(folder, kind) or has_devnet(folder, kind)]


def has_network(folder: Path, kind: str) -> bool:
    """Whether the chain of this kind is a network of validators."""
    return is_network(folder / kind)


def has_devnet(folder: Path, kind: str) -> bool:
    """Whether the chain of this kind is a development chain."""
    return (folder / kind / _DEVNET_STATE).exists()


def start_devnet(folder: Path, kind: str, engine: str, port: int, tell: Tell = silent) -> None:
    """Starts the development chain of a kind, or resumes it.

    Raises:
        ConfigError: a network of validators lies there, and what `poft.chain.Devnet.start` raises.
    """
    place = folder / kind
    if has_network(folder, kind):
        raise ConfigError(f"{place} holds a network of validators", f"poft devnet down --kind {kind} --wipe removes it")
    tell(f"{kind}: starting a development chain")
    spec = devnet(kind, engine).start(place, kind, port)
    write_spec(place / _SPEC, spec)
    tell(f"{kind}: {devnet(kind).status(place).engine} answers on {spec.rpc[0]}")


def start_network(folder: Path, kind: str, validators: int, tell: Tell = silent) -> None:
    """Starts the network of a kind with so many validators, or resumes it (0: as many as it has).

    Raises:
        ConfigError: something else lies there, and what `poft.network.Network.start` raises.
    """
    place = folder / kind
    if has_devnet(folder, kind):
        raise ConfigError(f"{place} holds a development chain", f"poft devnet down --kind {kind} --wipe removes it")
    if not has_network(folder, kind):
        tell(f"{kind}: making a network of {validators} validators")
        folder.mkdir(parents=True, exist_ok=True)
        # Made beside its place, so that an interrupted beginning is none.
        with TemporaryDirectory(prefix=f".{kind}-", dir=folder) as begun:
            network_kind(kind).create_network(Path(begun) / kind, kind, validators)
            (Path(begun) / kind).rename(place)
    network = open_network(folder, kind)
    if validators not in (0, len(network.positions)):
        held = f"{place} holds a network of {len(network.positions)} validators"
        raise ConfigError(held, f"poft devnet down --kind {kind} --wipe removes it")
    network.start(tell=lambda line: tell(f"{kind}: {line}"))
    if not (place / _SPEC).exists():
        tell(f"{kind}: founding the chain")
        write_spec(place / _SPEC, network.spec(network.positions))
    tell(f"{kind}: {network.engine}, {len(network.positions)} validators, {place / _SPEC}")


def open_network(folder: Path, kind: str) -> Network:
    """The network of a kind.

    Raises:
        ConfigError: there is none.
    """
    if has_devnet(folder, kind):
        raise ConfigError(
            f"{folder / kind} holds a development chain of one process",
            "poft devnet up --validators N starts a network",
        )
    if not has_network(folder, kind):
        raise ConfigError(f"{folder / kind} does not exist", "poft devnet status lists what is there")
    return network_kind(kind).open_network(folder / kind)


def stop(folder: Path, kind: str) -> None:
    """Stops the chain of a kind; its state stays.

    Raises:
        ConfigError: there is none.
    """
    if has_devnet(folder, kind):
        devnet(kind).stop(folder / kind)
    else:
        open_network(folder, kind).stop()


def wipe(folder: Path, kind: str) -> None:
    """Stops the chain of a kind and removes everything that belongs to it.

    Raises:
        ConfigError: there is none.
    """
    stop(folder, kind)
    shutil.rmtree(folder / kind)
    if not any(folder.iterdir()):
        folder.rmdir()


def look(folder: Path, kind: str) -> LocalChain:
    """What the chain of a kind says of itself.

    Raises:
        ConfigError: there is none.
    """
    place = folder / kind
    if has_devnet(folder, kind):
        status = devnet(kind).status(place)
        only = _one(place, ValidatorStatus(0, status.running, status.pid, status.rpc))
        return LocalChain(status.name, kind, status.engine, status.running, str(place), (only,))
    network = open_network(folder, kind)
    said = tuple(network.status())
    return LocalChain(network.name, kind, network.engine, any(one.running for one in said), str(place), said)


def _one(place: Path, status: ValidatorStatus) -> ValidatorStatus:
    """The one process of a development chain; without numbers where it does not answer, or was never completed."""
    if not status.running or not (place / _SPEC).exists():
        return status
    try:
        chain = connect(read_spec(place / _SPEC))
    except PoftError:
        return status
    try:
        height, final, size = chain.height(), chain.final_height(), chain.outbox_size()
    except PoftError:
        return status
    finally:
        chain.close()
    return ValidatorStatus(status.position, True, status.pid, status.rpc, height, final, 0, size)


def logs(folder: Path, kind: str) -> dict[str, Path]:
    """What the processes of a chain have written, by their names and in the order of their numbers; a validator that
    was never started has no file yet.

    Raises:
        ConfigError: there is no such chain.
    """
    if has_devnet(folder, kind):
        return {path.stem: path for path in sorted((folder / kind).glob("*.log"))}
    network = open_network(folder, kind)
    return {f"validator-{at}": network.log(at) for at in network.positions}
