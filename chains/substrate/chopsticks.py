"""The embedded development engine: chopsticks, driven by node.mjs.

It needs nothing that is not on npm. In its folder lie `genesis.json`, `node.json` (its configuration), `chain.sqlite`
(every block with what it changed), `node.log`. It makes a block per extrinsic and answers when the block lies in the
database, so that a kill −9 loses nothing that was answered. It has no trie, so no state roots and no read proofs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from chains.process import Process, launch
from poft.protocol.errors import ConfigError

from .genesis import Beginning, request, runtime_code

_NODE_MAJOR = 20
_SCRIPT = Path(__file__).parent / "node.mjs"
_PACKAGE = "@acala-network/chopsticks"
_GENESIS, _CONFIG, _DATABASE = "genesis.json", "node.json", "chain.sqlite"
_RUNTIME = "runtime.wasm"
_BLOCKS_IN_MEMORY = 1_000_000
"""All of them: beyond this many the node reads old blocks, and all their ancestors, from the database again."""


class Chopsticks:
    """See `chains.substrate.devnet.Engine`."""

    name = "chopsticks"

    def version(self) -> str:
        """See `Engine.version`."""
        package = json.loads((node_modules() / _PACKAGE / "package.json").read_text(encoding="utf-8"))
        return str(package["version"])

    def fresh(self, folder: Path) -> bool:
        """See `Engine.fresh`."""
        return not (folder / _GENESIS).exists()

    def launch(self, folder: Path, log: Path, port: int, beginning: Beginning) -> Process:
        """See `Engine.launch`."""
        node, modules = node_binary(), node_modules()
        fresh, wasm = self.fresh(folder), folder / _RUNTIME
        if fresh:
            wasm.write_bytes(runtime_code(beginning.runtime))
        configuration = {
            "genesis": str(folder / _GENESIS),
            "db": str(folder / _DATABASE),
            "resume": True,
            "host": "127.0.0.1",
            "port": port,
            "build-block-mode": "Instant",
            "max-memory-block-count": _BLOCKS_IN_MEMORY,
            **({"request": request(beginning.name, wasm, beginning.accounts)} if fresh else {}),
        }
        (folder / _CONFIG).write_text(json.dumps(configuration, indent=2), encoding="ascii")
        # node.mjs writes a line per block and per refusal; chopsticks would add a stack trace to each refusal.
        quiet = {"LOG_LEVEL": "fatal", "PORT": ""}
        return launch([node, str(_SCRIPT), str(modules), str(folder / _CONFIG)], log, quiet)

    def started(self, folder: Path) -> None:
        """See `Engine.started`."""
        (folder / _RUNTIME).unlink(missing_ok=True)


def node_modules() -> Path:
    """The folder in which npm put chopsticks: that of the checkout, else of the working directory.

    Raises:
        ConfigError: it is not installed.
    """
    here, work = Path(__file__).resolve(), Path.cwd().resolve()
    for parent in (*here.parents, work, *work.parents):
        if (parent / "node_modules" / _PACKAGE).is_dir():
            return parent / "node_modules"
    raise ConfigError("chopsticks is not installed", "run make setup")


def node_binary() -> str:
    """Node's executable.

    Raises:
        ConfigError: it is missing or too old.
    """
    remedy = f"Install Node {_NODE_MAJOR} or newer: https://nodejs.org, or the package nodejs of your system"
    found = shutil.which("node")
    if found is None:
        raise ConfigError("Node is not installed", remedy)
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    if not version.startswith("v") or int(version[1:].split(".")[0]) < _NODE_MAJOR:
        raise ConfigError(f"Node {version or '(unknown version)'} is too old", remedy)
    return found
