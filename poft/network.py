"""What the library needs of a network of several validators on one machine, whatever its kind.

`Network` is implemented by `chains.network`, and found through the entry-point group `poft.networks`, whose entries are
modules with the functions of `NetworkKind`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, cast

from poft.chain import ChainSpec, installed_plugin

STATE: Final = "network.json"
"""What a network is, in its folder."""

Tell = Callable[[str], None]
"""Takes a line about what is going on."""


def silent(_line: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class ValidatorStatus:
    """What a validator says of itself; `height` and what follows are 0 while it does not answer."""

    position: int
    running: bool
    pid: int
    rpc: str
    height: int = 0
    final: int = 0
    peers: int = 0
    outbox_size: int = 0


class Network(Protocol):
    """The validators of one folder. `start` and `stop` mean all of them where none is named."""

    @property
    def name(self) -> str:
        """What the chain is called."""
        ...

    @property
    def engine(self) -> str:
        """The program that its validators run."""
        ...

    @property
    def positions(self) -> range:
        """The validators' numbers."""
        ...

    def log(self, position: int) -> Path:
        """What a validator has written since it first started."""
        ...

    def start(self, positions: Sequence[int] | None = None, tell: Tell = silent) -> None:
        """Starts those that do not run; returns when they answer.

        Raises:
            ConfigError: one of them ended, or its port is in use. What this call started is stopped then.
            Unreachable: one of them runs and does not answer.
        """
        ...

    def stop(self, positions: Sequence[int] | None = None) -> None:
        """Ends those that run; their data stays."""
        ...

    def kill(self, position: int) -> None:
        """Ends a validator as a power cut does (SIGKILL)."""
        ...

    def wipe(self, position: int) -> None:
        """Removes what a stopped validator has stored of the chain; its keys stay.

        Raises:
            ConfigError: it runs.
        """
        ...

    def spec(self, positions: Sequence[int] = (0,)) -> ChainSpec:
        """How to reach the chain through these validators; where the kind has contracts, they are deployed first.

        Raises:
            ConfigError: the network was never started.
        """
        ...

    def part(self, groups: Sequence[Sequence[int]]) -> None:
        """Cuts the connections between groups of validators that run; `join` heals it."""
        ...

    def join(self) -> None:
        """Connects all validators that run again."""
        ...

    def status(self) -> list[ValidatorStatus]:
        """What every validator says."""
        ...


class NetworkKind(Protocol):
    """How networks of a kind are made and found again."""

    def create_network(self, folder: Path, name: str, validators: int, accounts: Sequence[str] = ()) -> Network:
        """A network that has not been started. `accounts` (secrets) begin with coins.

        Raises:
            ConfigError: the folder has a network, the number is out of range, a tool is missing.
        """
        ...

    def open_network(self, folder: Path) -> Network:
        """The network of a folder.

        Raises:
            ConfigError: there is none, or its state file is damaged.
        """
        ...


def network_kind(kind: str) -> NetworkKind:
    """The networks of a kind.

    Raises:
        ConfigError: no plug-in of this kind is installed.
    """
    return cast(NetworkKind, installed_plugin("poft.networks", kind))


def is_network(folder: Path) -> bool:
    """Whether a folder holds a network of several validators."""
    return (folder / STATE).exists()
