"""Development chains: processes that this project starts, resumes and stops.

A devnet lives in a folder: `devnet.json` (what it is, and the pid while it runs), `node.log`, and what its engine keeps
there. Two engines: our own node, which has what a real network has and is taken where `make node` has built it, and
chopsticks, which needs nothing that is not on npm. The engine runs detached; blocks are final at once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

from chains.process import Process, end, require_free, runs
from poft.chain import ChainSpec, DevnetStatus, free_port
from poft.protocol.errors import ConfigError
from poft.whole_file import write_whole

from .chopsticks import Chopsticks
from .genesis import COINS, GOVERNOR, RUNTIME, Beginning, domain_of, keypair
from .poft_node import PoftNode, node_is_built
from .ready import wait_until_it_answers
from .rpc import Rpc
from .runtime import Runtime, number, record
from .sending import Payer

KIND = "substrate"

_STATE, _LOG = "devnet.json", "node.log"


class Engine(Protocol):
    """What makes the blocks of a devnet."""

    name: str

    def version(self) -> str:
        """Its version. `ConfigError` when it is not installed."""
        ...

    def fresh(self, folder: Path) -> bool:
        """Whether no chain of this engine lies in the folder."""
        ...

    def launch(self, folder: Path, log: Path, port: int, beginning: Beginning) -> Process:
        """Starts it; where the folder has no chain, a new one begins."""
        ...

    def started(self, folder: Path) -> None:
        """Clears away what only the start needed. Also called when it failed."""
        ...


_ENGINES: dict[str, Engine] = {Chopsticks.name: Chopsticks(), PoftNode.name: PoftNode()}


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
    """Devnets of kind `substrate`: new ones on this runtime, by the engine that is asked for (none: the folder's, else
    our own node where it is built, else chopsticks)."""

    def __init__(self, engine: str = "", runtime: Path = RUNTIME) -> None:
        self._engine = engine
        self._runtime = runtime

    def start(self, folder: Path, name: str, port: int, accounts: Sequence[str] = ()) -> ChainSpec:
        """See `poft.chain.Devnet.start`. A folder whose chain runs already answers with the same spec."""
        folder = folder.resolve()
        state = _read(folder)
        if state is not None and (state.kind, state.name) != (KIND, name):
            raise ConfigError(
                f"{folder} holds the {state.kind} devnet {state.name!r}", "Choose another folder, or remove this one"
            )
        engine = _engine(self._engine, folder, state)
        port = port or (state.port if state else 0) or free_port()
        if state is not None and state.running:
            if port != state.port:
                raise ConfigError(f"the devnet {name!r} runs on port {state.port}", "Stop it to move it")
            _fund(state.rpc, accounts)
        else:
            state = _launch(engine, folder, port, Beginning(name, tuple(accounts), self._runtime))
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


def _engine(asked: str, folder: Path, state: _State | None) -> Engine:
    """The engine that was asked for; a folder keeps the one that it began with."""
    begun = state.engine.split()[0] if state else ""
    chosen = asked or begun or (PoftNode.name if node_is_built() else Chopsticks.name)
    if chosen not in _ENGINES:
        raise ConfigError(f"there is no engine {chosen!r}", f"Engines: {', '.join(sorted(_ENGINES))}")
    if begun not in ("", chosen):
        remedy = "Choose another folder, or remove this one"
        raise ConfigError(f"{folder} holds a chain of the engine {begun!r}", remedy)
    return _ENGINES[chosen]


def _launch(engine: Engine, folder: Path, port: int, beginning: Beginning) -> _State:
    version = engine.version()
    require_free(port)
    folder.mkdir(parents=True, exist_ok=True)
    fresh = engine.fresh(folder)
    state = _State(KIND, beginning.name, port, f"{engine.name} {version}")
    try:
        process = engine.launch(folder, folder / _LOG, port, beginning)
        state = replace(state, node=process)
        _write(folder, state)
        wait_until_it_answers(state.rpc, process, folder / _LOG)
        if not fresh:
            _fund(state.rpc, beginning.accounts)
    except BaseException:  # whatever it was, also Ctrl-C: nothing that was started here stays behind
        end(state.node)
        _write(folder, replace(state, node=None))
        raise
    finally:
        engine.started(folder)
    return state


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
