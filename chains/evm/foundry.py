"""Foundry's programs, which npm installs."""

from __future__ import annotations

from pathlib import Path

from poft.protocol.errors import ConfigError


def foundry_binary(tool: str) -> Path:
    """The own executable of `anvil` or `forge` in the nearest `node_modules`.

    The script that npm links starts it as a child, whose pid is another, and ends with status 0 whatever forge says.

    Raises:
        ConfigError: it is not installed.
    """
    here, work = Path(__file__).resolve(), Path.cwd().resolve()
    for parent in (*here.parents, work, *work.parents):
        if found := sorted((parent / "node_modules" / "@foundry-rs").glob(f"{tool}-*/bin/{tool}*")):
            return found[0]
    raise ConfigError(f"{tool} is not installed", "run make setup")
