"""Where a scheme meets its hosts: a devnet of each kind of chain, with the scheme installed (group `poft.stages`)."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, cast

from poft.chain import ChainSpec
from poft.conformance.plugin import Subject
from poft.conformance.questions import Implementation
from poft.protocol.errors import ConfigError

STAGES = "poft.stages"
STRANGER = "stranger"
"""Label of the payer without rights."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A running devnet. `spec` governs it, `stranger` has coins and no rights.

    `verifier` answers questions where this kind of chain can be asked for a verdict without a transaction. `absent`
    says why the scheme is not there, for the case that its hosts turn out not to know it.
    """

    spec: ChainSpec
    stranger: ChainSpec
    verifier: Implementation | None
    absent: str


class Setting(Protocol):
    """A kind of chain on which schemes can be tried."""

    def open(self, subject: Subject, folder: Path) -> AbstractContextManager[Stage]:
        """A devnet in this folder with the scheme installed; it ends with the context.

        Raises:
            ConfigError: what the plug-in describes cannot be built or found.
        """
        ...


def kinds() -> list[str]:
    """The kinds of chain that are installed."""
    return sorted({point.name for point in entry_points(group=STAGES)})


def setting(kind: str) -> Setting:
    """A kind of chain by its name; `ConfigError` when there is none."""
    points = entry_points(group=STAGES)
    if kind not in kinds():
        raise ConfigError(f"no kind of chain {kind!r} is installed", f"Installed: {', '.join(kinds())}")
    return cast(type[Setting], points[kind].load())()


__all__ = ["STRANGER", "Setting", "Stage", "kinds", "setting"]
