"""Development chains by geth's own development mode: a current go-ethereum, with its state tries, database and tags.

A devnet lives in a folder: `geth-devnet.json` (what it is, and the pid while it runs), `keystore/`, `password`, `geth/`
(the chain) and `node.log`. A block is made for every transaction; `safe` is the newest block and `finalized` follows in
leaps of 32. The chain id is geth's own, 1337; the account that the genesis makes rich follows from the name, and so two
names have two domains.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from chains.process import Process, end, launch, require_free, runs, uninterrupted
from poft.chain import ChainSpec, DevnetStatus, free_port
from poft.protocol.errors import ChainError, ConfigError, Unreachable
from poft.protocol.hashing import keccak
from poft.whole_file import write_whole

from .deploy import chain_domain, deploy
from .devnet import GOVERNOR, KIND, EvmDevnet, fund
from .geth import CHAIN_GAS_LIMIT, CURRENT, DATABASE, geth_program, write_account
from .rpc import Rpc, hex_bytes, read_bytes

_STATE, _LOG, _PASSWORD = "geth-devnet.json", "node.log", "for tests only"
_READY_SECONDS, _LOG_LINES = 60.0, 6


@dataclass(frozen=True, slots=True)
class _State:
    """`geth-devnet.json`; `deployment` is empty until the contracts are there."""

    name: str
    port: int
    deployment: dict[str, str]
    process: Process | None = None

    @property
    def rpc(self) -> str:
        """URL of the node."""
        return f"http://127.0.0.1:{self.port}"


_STATES = TypeAdapter(_State)


class GethDevnet:
    """Devnets of kind `evm` that geth runs."""

    def start(self, folder: Path, name: str, port: int, accounts: Sequence[str] = ()) -> ChainSpec:
        """See `poft.chain.Devnet.start`. A folder whose chain runs already answers with the same spec."""
        program = geth_program(CURRENT)
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        state = _read(folder) or _State(name, port or free_port(), {})
        if state.name != name:
            raise ConfigError(f"{folder} holds the devnet {state.name!r}", "Choose another folder, or remove this one")
        if not runs(state.process):
            state = replace(state, port=port or state.port)
            state = _launch(program, folder, state)
        elif port not in (0, state.port):
            raise ConfigError(f"the devnet {name!r} runs on port {state.port}", "Stop it to move it to another port")
        try:
            return self._complete(folder, state, accounts)
        except BaseException:  # whatever it was, also Ctrl-C: nothing that was started here stays behind
            self.stop(folder)
            raise

    def _complete(self, folder: Path, state: _State, accounts: Sequence[str]) -> ChainSpec:
        """Contracts and coins of a chain that answers."""
        rpc, governor = Rpc(state.rpc), self.account(GOVERNOR)
        fund(rpc, _faucet(state.name), [governor, *accounts])
        spec = ChainSpec(
            name=state.name,
            kind=KIND,
            rpc=(state.rpc,),
            domain=chain_domain(rpc),
            deployment=state.deployment,
            key=governor,
            development=True,
        )
        rpc.close()
        if not state.deployment:
            spec = deploy(spec)
            _write(folder, replace(state, deployment=spec.deployment))
        return spec

    def account(self, label: str) -> str:
        """See `poft.chain.Devnet.account`: those of every devnet of this kind."""
        return EvmDevnet().account(label)

    def stop(self, folder: Path) -> None:
        """See `poft.chain.Devnet.stop`."""
        if (state := _read(folder)) is not None:
            end(state.process)
            _write(folder, replace(state, process=None))

    def status(self, folder: Path) -> DevnetStatus:
        """See `poft.chain.Devnet.status`."""
        state = _read(folder)
        if state is None:
            raise ConfigError(f"{folder} holds no devnet", "poft devnet up starts one")
        running = state.process if runs(state.process) else None
        engine = f"geth {CURRENT.removeprefix('v')}"
        pid = running.pid if running else 0
        return DevnetStatus(state.name, KIND, engine, running is not None, pid, state.rpc, str(folder))


def _launch(program: Path, folder: Path, state: _State) -> _State:
    require_free(state.port)
    faucet = read_bytes(_faucet(state.name))
    if not (folder / "keystore").exists():
        write_account(folder, faucet, _PASSWORD)
    command = [
        *[str(program), "--dev", "--datadir", str(folder), "--password", str(folder / "password")],
        *["--http", "--http.port", str(state.port), "--http.api", "eth,net,web3,txpool,debug"],
        *["--dev.gaslimit", str(CHAIN_GAS_LIMIT), "--gcmode", "archive", "--state.scheme", "hash", *DATABASE],
        *["--authrpc.port", "0", "--ipcdisable", "--miner.gasprice", "1", "--verbosity", "2"],
    ]
    with uninterrupted():
        state = replace(state, process=launch(command, folder / _LOG, {}))
        _write(folder, state)
    try:
        _wait(state, folder / _LOG)
    except BaseException:
        end(state.process)
        _write(folder, replace(state, process=None))
        raise
    return state


def _wait(state: _State, log: Path) -> None:
    rpc, deadline = Rpc(state.rpc), time.monotonic() + _READY_SECONDS
    try:
        while time.monotonic() < deadline:
            if not runs(state.process):
                said = " ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:])
                raise ConfigError(f"geth ended before it answered: {said}", f"See {log}")
            try:
                rpc.number("eth_chainId")
                return
            except ChainError:
                time.sleep(0.05)  # not listening yet
        raise Unreachable(f"geth does not answer after {_READY_SECONDS:.0f} s; see {log}")
    finally:
        rpc.close()


def _faucet(name: str) -> str:
    """Key of the account to which the genesis gives everything: one that anybody can derive."""
    return hex_bytes(keccak(f"poft/devnet/evm/faucet/{name}".encode()))


def _read(folder: Path) -> _State | None:
    path = folder / _STATE
    try:
        return _STATES.validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise ConfigError(f"{path} is not a devnet's state", "Remove the folder to begin again") from error


def _write(folder: Path, state: _State) -> None:
    write_whole(folder / _STATE, _STATES.dump_json(state, indent=2).decode("ascii") + "\n")
