"""`poft attest` and `poft relay`: the services of this package on the command line."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path, typer.Option(help="TOML file of this service (docs/operating.md).")]
WithParent = Annotated[int, typer.Option(help="Stop when this process, which started this one, is gone; 0 = never.")]
AsJson = Annotated[bool, typer.Option("--json", help="Log JSON lines.")]
PARENT_POLL_SECONDS = 0.5


def attest(config: Config, with_parent: WithParent = 0, json: AsJson = False) -> None:
    """Watch one chain and sign what is final there."""
    from relayers.attestor import run

    if with_parent:
        stop_with_parent(with_parent)
    run(config, json=json)


def relay(config: Config, with_parent: WithParent = 0, json: AsJson = False) -> None:
    """Carry packets between chains."""
    from relayers.relayer import run

    if with_parent:
        stop_with_parent(with_parent)
    run(config, json=json)


def stop_with_parent(parent: int) -> None:
    """Sends this process a SIGTERM when its parent has ended, also by kill -9: no orphan is left behind.

    The parent says which process it is: it may have been killed before this one could ask.
    """

    def watch() -> None:
        pause = threading.Event()
        while os.getppid() == parent:
            pause.wait(PARENT_POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
