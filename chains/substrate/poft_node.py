"""Our own node (chains/substrate/node) as a program: where it lies, how it is started, and as a development engine.

As an engine it seals a block as soon as a transaction is there, and the block is final: the runtime, the trie and the
proofs of a real network on one process. Its folder has `node-spec.json`, `data/` (ParityDB) and `node.log`.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from chains.process import Process, launch
from poft.protocol.errors import ConfigError

from .genesis import Beginning
from .node_spec import NodeSpec, write_node_spec

PROGRAM_VARIABLE = "POFT_NODE"
"""Environment variable that names the program, where it does not lie in the place of `make node`."""

_SPEC, _DATA = "node-spec.json", "data"
_MAX_AHEAD = 30
"""Seconds by which a development chain's time may run ahead of the clock: half a minute of drift is what other chains
commonly allow, and a run makes thirty blocks in a burst before one waits."""


def node_program() -> Path:
    """The program.

    Raises:
        ConfigError: it was not built.
    """
    if not node_is_built():
        raise ConfigError(f"{_program()} is not there", f"make node builds it; {PROGRAM_VARIABLE} names another place")
    return _program()


def node_is_built() -> bool:
    """Whether the program is there."""
    return os.access(_program(), os.X_OK)


def _program() -> Path:
    named = os.environ.get(PROGRAM_VARIABLE)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named) if named else cache / "poft" / "node-target" / "release" / "poft-node"


def common_arguments(spec: Path, data: Path, port: int) -> list[str]:
    """What every start has: the chain, its data (all states and blocks are kept, since evidence is asked for of any
    height), JSON-RPC on the loopback interface, and nothing that calls elsewhere."""
    archive = ["--state-pruning", "archive", "--blocks-pruning", "archive"]
    quiet = ["--no-telemetry", "--no-prometheus", "--no-mdns", "--offchain-worker", "never"]
    place = ["--chain", str(spec), "--base-path", str(data), "--rpc-port", str(port), "--disable-log-color"]
    return [*place, *archive, *quiet]


class PoftNode:
    """See `chains.substrate.devnet.Engine`."""

    name = "node"

    def version(self) -> str:
        """See `Engine.version`."""
        said = subprocess.run([node_program(), "--version"], capture_output=True, text=True, check=True).stdout
        return said.split()[-1]

    def fresh(self, folder: Path) -> bool:
        """See `Engine.fresh`."""
        return not (folder / _SPEC).exists()

    def launch(self, folder: Path, log: Path, port: int, beginning: Beginning) -> Process:
        """See `Engine.launch`."""
        program = node_program()
        if self.fresh(folder):
            write_node_spec(NodeSpec(beginning), folder / _SPEC)
        command = [str(program), *common_arguments(folder / _SPEC, folder / _DATA, port)]
        # The fork-aware pool leaves bursts incomplete when every transaction becomes a block.
        sealing = ["--sealing", "instant", "--max-ahead", str(_MAX_AHEAD), "--pool-type", "single-state"]
        alone = ["--listen-addr", "/ip4/127.0.0.1/tcp/0", "--in-peers", "0", "--out-peers", "0"]
        return launch([*command, *sealing, *alone], log, {})

    def started(self, folder: Path) -> None:
        """See `Engine.started`: nothing to clear away."""
