"""Development chains: chopsticks processes that this project starts, resumes and stops.

A devnet lives in a folder: `devnet.json` (what it is, and the pid while it runs), `genesis.json`, `node.json` (the
node's configuration), `chain.sqlite` (every block with what it changed), `node.log`. The node (node.mjs) runs detached;
it makes a block per extrinsic and answers when the block lies in the database, so that a kill −9 loses nothing that
was answered. Blocks are final at once and carry the clock's time.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from chains.process import Process, end, launch, require_free, runs
from poft.chain import ChainSpec, DevnetStatus, free_port
from poft.protocol.errors import ConfigError, Unreachable
from poft.whole_file import write_whole

from .genesis import COINS, RUNTIME, domain_of, keypair, request, runtime_code
from .rpc import NodeError, Rpc
from .runtime import Runtime, number, record
from .sending import Payer

KIND = "substrate"
GOVERNOR = "//Alice"
"""The account behind sudo in the runtime's development preset."""

_NODE_MAJOR = 20
_READY_SECONDS = 60.0
_POLL_SECONDS = 0.02
_LOG_LINES = 3
_SCRIPT = Path(__file__).parent / "node.mjs"
_PACKAGE = "@acala-network/chopsticks"
_STATE, _GENESIS, _CONFIG, _DATABASE, _LOG = "devnet.json", "genesis.json", "node.json", "chain.sqlite", "node.log"
_BLOCKS_IN_MEMORY = 1_000_000
"""All of them: beyond this many the node reads old blocks, and all their ancestors, from the database again."""


@dataclass(frozen=True, slots=True)
class _State:
    """`devnet.json`."""

    kind: str
    name: str
    port: int
    engine: str
    node: Process | None = None

    @property
    def rpc(self) -> str:
        """URL of the node."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether the node runs."""
        return runs(self.node)


class SubstrateDevnet:
    """Devnets of kind `substrate`; new ones on this runtime."""

    def __init__(self, runtime: Path = RUNTIME) -> None:
        self._runtime = runtime

    def start(self, folder: Path, name: str, port: int, accounts: Sequence[str] = ()) -> ChainSpec:
        """See `poft.chain.Devnet.start`. A folder whose chain runs already answers with the same spec."""
        folder = folder.resolve()
        state = _read(folder)
        if state is not None and (state.kind, state.name) != (KIND, name):
            raise ConfigError(
                f"{folder} holds the {state.kind} devnet {state.name!r}", "Choose another folder, or remove this one"
            )
        port = port or (state.port if state else 0) or free_port()
        if state is not None and state.running:
            if port != state.port:
                raise ConfigError(f"the devnet {name!r} runs on port {state.port}", "Stop it to move it")
            _fund(state.rpc, accounts)
        else:
            state = _launch(folder, name, port, accounts, self._runtime)
        return ChainSpec(name=name, kind=KIND, rpc=(state.rpc,), domain=domain_of(name), key=GOVERNOR, development=True)

    def account(self, label: str) -> str:
        """See `poft.chain.Devnet.account`."""
        return f"//poft//{label}"

    def stop(self, folder: Path) -> None:
        """See `poft.chain.Devnet.stop`."""
        state = _read(folder)
        if state is not None and state.kind == KIND:
            end(state.node)
            _write(folder, replace(state, node=None))

    def status(self, folder: Path) -> DevnetStatus:
        """See `poft.chain.Devnet.status`."""
        state = _existing(folder)
        pid = state.node.pid if state.running and state.node else 0
        return DevnetStatus(state.name, state.kind, state.engine, state.running, pid, state.rpc, str(folder))


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


def _launch(folder: Path, name: str, port: int, accounts: Sequence[str], runtime: Path) -> _State:
    node, modules = node_binary(), node_modules()
    require_free(port)
    folder.mkdir(parents=True, exist_ok=True)
    fresh = not (folder / _GENESIS).exists()
    wasm = folder / "runtime.wasm"
    if fresh:
        wasm.write_bytes(runtime_code(runtime))
    configuration = {
        "genesis": str(folder / _GENESIS),
        "db": str(folder / _DATABASE),
        "resume": True,
        "host": "127.0.0.1",
        "port": port,
        "build-block-mode": "Instant",
        "max-memory-block-count": _BLOCKS_IN_MEMORY,
        **({"request": request(name, wasm, accounts)} if fresh else {}),
    }
    (folder / _CONFIG).write_text(json.dumps(configuration, indent=2), encoding="ascii")
    engine = f"chopsticks {json.loads((modules / _PACKAGE / 'package.json').read_text(encoding='utf-8'))['version']}"
    # node.mjs writes a line per block and per refusal; chopsticks would add a stack trace to each refusal.
    process = launch(
        [node, str(_SCRIPT), str(modules), str(folder / _CONFIG)], folder / _LOG, {"LOG_LEVEL": "fatal", "PORT": ""}
    )
    state = _State(KIND, name, port, engine, process)
    _write(folder, state)
    try:
        _wait(state.rpc, process, folder)
        if not fresh:
            _fund(state.rpc, accounts)
    except BaseException:  # whatever it was, also Ctrl-C: nothing that was started here stays behind
        end(state.node)
        _write(folder, replace(state, node=None))
        raise
    finally:
        wasm.unlink(missing_ok=True)
    return state


def _wait(url: str, process: Process, folder: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    rpc = Rpc(url)
    while time.monotonic() < deadline:
        if not runs(process):
            words = (folder / _LOG).read_text(encoding="utf-8", errors="replace").splitlines()
            said = " ".join(words[:_LOG_LINES])
            raise ConfigError(f"the node ended before it answered: {said}", f"See {folder / _LOG}")
        try:
            rpc.ask("chain_getHeader")
            return
        except (Unreachable, NodeError):
            time.sleep(_POLL_SECONDS)
        finally:
            rpc.close()
    raise Unreachable(f"the node does not answer after {_READY_SECONDS:.0f} s; see {folder / _LOG}")


def _fund(url: str, accounts: Sequence[str]) -> None:
    """Gives these accounts coins where they have less than half of what a new one gets."""
    if not accounts:
        return
    runtime = Runtime(Rpc(url))
    payer = Payer(runtime, keypair(GOVERNOR))
    for address in sorted({keypair(secret).ss58_address for secret in accounts}):
        account = record(runtime.read("System", "Account", [address]))
        if number(record(account["data"])["free"]) < COINS // 2:
            payer.send("Balances", "transfer_keep_alive", {"dest": address, "value": COINS})
    runtime.rpc.close()


def _existing(folder: Path) -> _State:
    state = _read(folder)
    if state is None:
        raise ConfigError(f"{folder} holds no devnet", "poft devnet up starts one")
    return state


def _read(folder: Path) -> _State | None:
    path = folder / _STATE
    if not path.exists():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["kind"] != KIND:
            return _State(stored["kind"], stored["name"], 0, "")
        node = stored.pop("node")
        return _State(**stored, node=Process(**node) if node else None)
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is not a devnet's state", "Remove the folder to begin again") from error


def _write(folder: Path, state: _State) -> None:
    path = folder / _STATE
    write_whole(path, json.dumps(asdict(state), indent=2, sort_keys=True) + "\n")
