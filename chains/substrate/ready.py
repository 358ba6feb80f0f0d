"""Waiting until a node that was started answers."""

from __future__ import annotations

import time
from pathlib import Path

from chains.process import Process, runs
from poft.protocol.errors import ConfigError, Unreachable

from .rpc import NodeError, Rpc

_READY_SECONDS = 60.0
_POLL_SECONDS = 0.02
_LOG_LINES = 3


def wait_until_it_answers(url: str, process: Process, log: Path) -> None:
    """Returns when the node behind `url`, which is this process, answers.

    Raises:
        ConfigError: it ended; the message has the first lines of its log.
        Unreachable: it runs and does not answer.
    """
    deadline = time.monotonic() + _READY_SECONDS
    rpc = Rpc(url)
    while time.monotonic() < deadline:
        if not runs(process):
            words = log.read_text(encoding="utf-8", errors="replace").splitlines()
            said = " ".join(words[:_LOG_LINES])
            raise ConfigError(f"the node ended before it answered: {said}", f"See {log}")
        try:
            rpc.ask("chain_getHeader")
            return
        except (Unreachable, NodeError):
            time.sleep(_POLL_SECONDS)
        finally:
            rpc.close()
    raise Unreachable(f"the node does not answer after {_READY_SECONDS:.0f} s; see {log}")
