"""Development chains: anvil processes that this project starts, resumes and stops.

A devnet lives in a folder: `devnet.json` (what it is, and the pids while it runs), `genesis.json`, `journal.jsonl` (its
history, see `journal.py`), `anvil.log`. anvil runs detached with one block per transaction and immediate finality; a
second process keeps the journal. `stop` loses nothing, a kill −9 of anvil at most the blocks of the last 50 ms.

The genesis time is fixed, so that the same name gives the same genesis and, with the same transactions, the same
addresses; the clock is set to the present afterwards, because other chains check timestamps.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from shutil import rmtree

from eth_account import Account
from eth_utils.address import to_checksum_address

from chains.process import Process, end, launch, require_free, runs
from poft.chain import ChainSpec, DevnetStatus, free_port
from poft.protocol.errors import ArtifactError, ConfigError, Unreachable
from poft.protocol.hashing import keccak
from poft.protocol.signatures import key_address
from poft.whole_file import write_whole

from . import journal
from .deploy import chain_domain, deploy
from .foundry import foundry_binary
from .rpc import NodeError, Rpc, hex_bytes, read_bytes
from .sending import Payer

KIND = "evm"
GOVERNOR = "governor"
"""Label of the account that governs a devnet and hands out coins."""

_GENESIS_TIME = 1_700_000_000
_GOVERNOR_WEI = 10**27
_ACCOUNT_WEI = 10**22
_GAS_LIMIT = 60_000_000
"""The block limit of Ethereum's main net in 2026; a client's creation takes 12 million."""
_READY_SECONDS = 15.0
_ENGINE = "anvil"
_STATE = "devnet.json"
_JOURNAL = "journal.jsonl"
_LOG = "anvil.log"


@dataclass(frozen=True, slots=True)
class _State:
    """`devnet.json`."""

    kind: str
    name: str
    chain_id: int
    port: int
    engine: str
    anvil: Process | None = None
    keeper: Process | None = None
    deployment: dict[str, str] | None = None

    @property
    def rpc(self) -> str:
        """URL of the node."""
        return f"http://127.0.0.1:{self.port}"


class EvmDevnet:
    """Devnets of kind `evm`."""

    def start(self, folder: Path, name: str, port: int, accounts: Sequence[str] = ()) -> ChainSpec:
        """See `poft.chain.Devnet.start`. A folder whose chain runs already answers with the same spec."""
        binary = foundry_binary("anvil")
        folder.mkdir(parents=True, exist_ok=True)
        state = _read(folder)
        port = port or (state.port if state else 0) or free_port()
        if state is None:
            state = _State(KIND, name, chain_id_of(name), port, _version(binary))
        if state.kind != KIND or state.name != name:
            raise ConfigError(
                f"{folder} holds the {state.kind} devnet {state.name!r}", "Choose another folder, or remove this one"
            )
        port = port or state.port or free_port()
        if runs(state.anvil):
            _require_same(state, port)
            return self._complete(folder, state, accounts)
        state = _launch(binary, folder, replace(state, port=port))
        try:
            return self._complete(folder, state, accounts)
        except BaseException:  # whatever it was, also Ctrl-C: nothing that was started here stays behind
            self.stop(folder)
            raise

    def _complete(self, folder: Path, state: _State, accounts: Sequence[str]) -> ChainSpec:
        """Contracts, coins and the keeper of a chain that answers."""
        rpc = Rpc(state.rpc)
        spec = ChainSpec(
            name=state.name,
            kind=KIND,
            rpc=(state.rpc,),
            domain=chain_domain(rpc),
            deployment=state.deployment or {},
            key=self.account(GOVERNOR),
            development=True,
        )
        if state.deployment is None:
            spec = deploy(spec)
        fund(rpc, spec.key, accounts)
        # What devnet.json says is in the journal as well; two writers would spoil it.
        end(state.keeper)
        journal.catch_up(rpc, folder / _JOURNAL, journal.read(folder / _JOURNAL))
        state = replace(state, keeper=_keep(folder, state))
        _write(folder, replace(state, deployment=spec.deployment))
        rpc.close()
        return spec

    def account(self, label: str) -> str:
        """See `poft.chain.Devnet.account`."""
        return hex_bytes(keccak(b"poft/devnet/evm/" + label.encode()))

    def stop(self, folder: Path) -> None:
        """See `poft.chain.Devnet.stop`."""
        state = _read(folder)
        if state is None:  # it never got as far as starting
            return
        end(state.keeper)
        if runs(state.anvil):
            rpc = Rpc(state.rpc)
            journal.catch_up(rpc, folder / _JOURNAL, journal.read(folder / _JOURNAL))
            rpc.close()
        end(state.anvil)
        rmtree(folder / "cache", ignore_errors=True)
        _write(folder, replace(state, anvil=None, keeper=None))

    def status(self, folder: Path) -> DevnetStatus:
        """See `poft.chain.Devnet.status`."""
        state = _read(folder)
        if state is None:
            raise ConfigError(f"{folder} holds no devnet", "poft devnet up starts one")
        running = runs(state.anvil)
        pid = state.anvil.pid if running and state.anvil else 0
        return DevnetStatus(state.name, state.kind, state.engine, running, pid, state.rpc, str(folder))


def chain_id_of(name: str) -> int:
    """A chain id for a devnet of this name: two names differ, and none is that of a public chain (below 2³¹)."""
    return 2**31 + int.from_bytes(keccak(b"poft/devnet/chain/" + name.encode())[:4], "big")


def _launch(binary: Path, folder: Path, state: _State) -> _State:
    require_free(state.port)
    end(state.keeper)
    rmtree(folder / "cache", ignore_errors=True)
    genesis = {
        "config": {"chainId": state.chain_id},
        "timestamp": hex(_GENESIS_TIME),
        "gasLimit": hex(_GAS_LIMIT),
        "difficulty": "0x0",
        "alloc": {hex_bytes(key_address(read_bytes(EvmDevnet().account(GOVERNOR)))): {"balance": hex(_GOVERNOR_WEI)}},
    }
    (folder / "genesis.json").write_text(json.dumps(genesis, indent=2), encoding="ascii")
    blocks = journal.read(folder / _JOURNAL)
    command = [str(binary), "--port", str(state.port), "--host", "127.0.0.1", "--init", str(folder / "genesis.json")]
    command += ["--chain-id", str(state.chain_id), "--gas-limit", str(_GAS_LIMIT), "--accounts", "0", "--quiet"]
    # Transactions in the order of arrival, so that a replay orders them alike; `finalized` is two blocks behind.
    command += ["--order", "fifo", "--slots-in-an-epoch", "1", "--cache-path", str(folder / "cache")]
    anvil = _detached(command, folder / _LOG)
    state = replace(state, anvil=anvil, keeper=None)
    _write(folder, state)
    rpc = Rpc(state.rpc)
    try:
        _wait(lambda: rpc.number("eth_chainId") == state.chain_id, anvil, folder)
        journal.replay(rpc, blocks)
        rpc.ask("evm_setTime", int(time.time()))
    except BaseException:
        end(state.anvil)
        _write(folder, replace(state, anvil=None))
        raise
    finally:
        rpc.close()
    return state


def _keep(folder: Path, state: _State) -> Process:
    pid = str(state.anvil.pid if state.anvil else 0)
    command = [sys.executable, "-P", journal.__file__, state.rpc, pid, str((folder / _JOURNAL).resolve())]
    return _detached(command, folder / _LOG)


def _detached(command: list[str], log: Path) -> Process:
    path = os.pathsep.join([str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")])
    return launch(command, log, {"PYTHONPATH": path})


def _wait(ready: Callable[[], bool], process: Process, folder: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if not runs(process):
            raise ConfigError("anvil ended before it answered", f"See {folder / _LOG}")
        try:
            if ready():
                return
        except (Unreachable, NodeError):
            pass  # not listening yet
        time.sleep(0.01)
    raise Unreachable(f"anvil does not answer after {_READY_SECONDS} s; see {folder / _LOG}")


def fund(rpc: Rpc, rich: str, accounts: Sequence[str]) -> None:
    """Gives coins to accounts that lack them; both as 0x private keys."""
    payer = Payer(rpc, rich)
    for secret in accounts:
        address = to_checksum_address(Account.from_key(secret).address)
        if rpc.number("eth_getBalance", address, "latest") < _ACCOUNT_WEI // 2:
            payer.send(address, b"", value=_ACCOUNT_WEI)


def _version(binary: Path) -> str:
    package = json.loads((binary.parents[1] / "package.json").read_text(encoding="utf-8"))
    return f"{_ENGINE} {package['version']}"


def _require_same(state: _State, port: int) -> None:
    if port != state.port:
        raise ConfigError(f"the devnet {state.name!r} runs on port {state.port}", "Stop it to move it to another port")


def _read(folder: Path) -> _State | None:
    path = folder / _STATE
    if not path.exists():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        known = {key: stored[key] for key in ("kind", "name")}
        if known["kind"] != KIND:
            return _State(known["kind"], known["name"], 0, 0, "")
        processes = {k: Process(**stored[k]) if stored[k] else None for k in ("anvil", "keeper")}
        return _State(**{**stored, **processes})
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is not a devnet's state", "Remove the folder to begin again") from error


def _write(folder: Path, state: _State) -> None:
    path = folder / _STATE
    try:
        write_whole(path, json.dumps(asdict(state), indent=2, sort_keys=True) + "\n")
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror}") from error
