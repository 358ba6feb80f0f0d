"""Networks of several validators on one machine: real blocks, votes and peers, over the loopback interface.

A network lives in a folder: `network.json` (what it is, and the pids of those that run), `node-spec.json` (the chain),
and `validator-0/`, `validator-1/`, … with `keystore/`, `node.key`, `data/` and `node.log` each. Every validator has two
ports of its own, and knows the others by address and name, so that any of them can die and come back. The keys are ones
that anybody can derive: such a network is for tests and trials, and the hash of its genesis pins what is attested.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from chains.process import Process, end, launch, require_free, runs
from poft.chain import ChainSpec, free_port
from poft.protocol.errors import ConfigError, Unreachable
from poft.whole_file import write_whole

from .genesis import GOVERNOR, Beginning, value_key
from .node_spec import NodeSpec, write_node_spec
from .poft_node import common_arguments, node_program
from .ready import wait_until_it_answers
from .rpc import Rpc
from .runtime import number, octets
from .sending import height_of
from .validator_keys import ValidatorKeys, development_keys

MAX_VALIDATORS = 32
"""`MaxAuthorities` of the runtime."""

_STATE, _SPEC, _LOG, _DATA, _KEYSTORE, _NODE_KEY = (
    "network.json",
    "node-spec.json",
    "node.log",
    "data",
    "keystore",
    "node.key",
)
_KILL_SECONDS = 10.0
_STATUS_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Validator:
    """One member: its ports, its name among its peers, its process while it runs."""

    rpc_port: int
    peer_port: int
    peer: str
    process: Process | None = None

    @property
    def rpc(self) -> str:
        """URL of its JSON-RPC."""
        return f"ws://127.0.0.1:{self.rpc_port}"

    @property
    def address(self) -> str:
        """Where its peers find it."""
        return f"/ip4/127.0.0.1/tcp/{self.peer_port}"


@dataclass(frozen=True, slots=True)
class ValidatorStatus:
    """What a validator says of itself; `height` and what follows are 0 while it is down."""

    position: int
    running: bool
    pid: int
    rpc: str
    height: int = 0
    final: int = 0
    peers: int = 0
    outbox_size: int = 0


@dataclass(frozen=True, slots=True)
class _State:
    """`network.json`; the genesis is known once a validator has run."""

    name: str
    domain: str
    validators: tuple[Validator, ...]
    genesis: str = ""


def create_network(folder: Path, name: str, validators: int, accounts: Sequence[str] = ()) -> SubstrateNetwork:
    """A network that has not been started: chain specification, keys and ports. `accounts` begin with coins.

    Raises:
        ConfigError: the folder has a network, the number is out of range, a tool is missing.
    """
    folder = folder.resolve()
    if (folder / _STATE).exists():
        raise ConfigError(f"{folder} holds a network", "Choose another folder, or remove this one")
    if not 1 <= validators <= MAX_VALIDATORS:
        raise ConfigError(f"a network of {validators} validators", f"Choose 1 to {MAX_VALIDATORS}")
    keys = [development_keys(name, position) for position in range(validators)]
    spec = NodeSpec(Beginning(name, tuple(accounts)), tuple((one.aura, one.grandpa) for one in keys))
    write_node_spec(spec, folder / _SPEC)
    members = tuple(_member(folder, position, one) for position, one in enumerate(keys))
    network = SubstrateNetwork(folder, _State(name, spec.domain.hex(), members))
    network.save()
    return network


def open_network(folder: Path) -> SubstrateNetwork:
    """The network of a folder.

    Raises:
        ConfigError: there is none.
    """
    path = folder.resolve() / _STATE
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        members = tuple(
            Validator(**{**one, "process": Process(**one["process"]) if one["process"] else None})
            for one in stored.pop("validators")
        )
        return SubstrateNetwork(folder.resolve(), _State(**stored, validators=members))
    except FileNotFoundError as error:
        raise ConfigError(f"{folder} holds no network", "Create one first") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is not a network's state", "Remove the folder to begin again") from error


class SubstrateNetwork:
    """The validators of one folder; made by `create_network` and `open_network`."""

    def __init__(self, folder: Path, state: _State) -> None:
        self._folder = folder
        self._state = state

    @property
    def validators(self) -> tuple[Validator, ...]:
        """The members, running or not."""
        return self._state.validators

    @property
    def domain(self) -> bytes:
        """The chain's domain."""
        return bytes.fromhex(self._state.domain)

    @property
    def positions(self) -> range:
        """Their numbers."""
        return range(len(self._state.validators))

    def log(self, position: int) -> Path:
        """What a validator has written since it first started."""
        return _home(self._folder, position) / _LOG

    def start(self, positions: Sequence[int] = ()) -> None:
        """Starts these validators, or all, where they do not run; returns when they answer.

        Raises:
            ConfigError: one of them ended, or its port is in use. What this call started is stopped then.
        """
        begun = [at for at in positions or self.positions if not runs(self.validators[at].process)]
        program = node_program()
        for at in begun:
            require_free(self.validators[at].rpc_port)
            require_free(self.validators[at].peer_port)
        processes: dict[int, Process] = {}
        try:
            for at in begun:
                process = launch([str(program), *self._arguments(at)], self.log(at), {})
                self._set(at, replace(self.validators[at], process=process))
                self.save()
                processes[at] = process
            for at, process in processes.items():
                wait_until_it_answers(self.validators[at].rpc, process, self.log(at))
            if not self._state.genesis:
                self._state = replace(self._state, genesis=_genesis(self.validators[begun[0]].rpc))
                self.save()
        except BaseException:  # whatever it was, also Ctrl-C: nothing that was started here stays behind
            self.stop(begun)
            raise

    def stop(self, positions: Sequence[int] = ()) -> None:
        """Ends these validators, or all, in order; their data stays."""
        for at in positions or self.positions:
            end(self.validators[at].process)
            self._set(at, replace(self.validators[at], process=None))
        self.save()

    def kill(self, position: int) -> None:
        """Ends a validator as a power cut does (SIGKILL)."""
        process = self.validators[position].process
        found = process.find() if process else None
        if found is not None:
            found.kill()
            psutil.wait_procs([found], _KILL_SECONDS)
        self._set(position, replace(self.validators[position], process=None))
        self.save()

    def wipe(self, position: int) -> None:
        """Removes what a stopped validator has stored of the chain; its keys stay.

        Raises:
            ConfigError: it runs.
        """
        if runs(self.validators[position].process):
            raise ConfigError(f"validator {position} runs", "Stop it first")
        shutil.rmtree(_home(self._folder, position) / _DATA, ignore_errors=True)

    def part(self, groups: Sequence[Sequence[int]]) -> None:
        """Cuts the connections between groups of validators that run; `join` heals it."""
        for group in groups:
            strangers = [self.validators[other].peer for other in self.positions if other not in group]
            for at in group:
                _tell(self.validators[at].rpc, "system_removeReservedPeer", strangers)

    def join(self) -> None:
        """Connects all validators that run again."""
        for at in self.positions:
            if runs(self.validators[at].process):
                _tell(self.validators[at].rpc, "system_addReservedPeer", self._others(at))

    def spec(self, positions: Sequence[int] = (0,)) -> ChainSpec:
        """How to reach the chain through these validators.

        Raises:
            ConfigError: the network was never started, so that its genesis is not known.
        """
        if not self._state.genesis:
            raise ConfigError(f"the network {self._state.name!r} was never started", "Start it first")
        return ChainSpec(
            name=self._state.name,
            kind="substrate",
            rpc=tuple(self.validators[at].rpc for at in positions),
            domain=self.domain,
            deployment={"genesis": self._state.genesis},
            key=GOVERNOR,
        )

    def status(self) -> list[ValidatorStatus]:
        """What every validator says."""
        return [_status(at, validator) for at, validator in enumerate(self.validators)]

    def save(self) -> None:
        """Writes `network.json`."""
        write_whole(self._folder / _STATE, json.dumps(asdict(self._state), indent=2, sort_keys=True) + "\n")

    def _set(self, position: int, validator: Validator) -> None:
        members = self.validators
        self._state = replace(self._state, validators=(*members[:position], validator, *members[position + 1 :]))

    def _arguments(self, position: int) -> list[str]:
        home, member = _home(self._folder, position), self.validators[position]
        others = self._others(position)
        return [
            *common_arguments(self._folder / _SPEC, home / _DATA, member.rpc_port),
            *["--validator", "--name", f"{self._state.name}-{position}"],
            *["--keystore-path", str(home / _KEYSTORE), "--node-key-file", str(home / _NODE_KEY)],
            *["--listen-addr", member.address],
            # No place for peers that are not named, and those who are can be taken back by `part`: an unsafe method, on
            # the loopback interface. A single validator has nobody to wait for.
            *["--rpc-methods", "unsafe", "--in-peers", "0", "--out-peers", "0"],
            *(["--reserved-nodes", *others] if others else ["--force-authoring"]),
        ]

    def _others(self, position: int) -> list[str]:
        """Where a validator finds its peers."""
        return [f"{one.address}/p2p/{one.peer}" for at, one in enumerate(self.validators) if at != position]


def _member(folder: Path, position: int, keys: ValidatorKeys) -> Validator:
    home = _home(folder, position)
    keys.write(home / _KEYSTORE, home / _NODE_KEY)
    return Validator(free_port(), free_port(), keys.peer)


def _home(folder: Path, position: int) -> Path:
    return folder / f"validator-{position}"


def _tell(url: str, method: str, values: Sequence[str]) -> None:
    rpc = Rpc(url)
    try:
        rpc.ask_all([(method, (value,)) for value in values])
    finally:
        rpc.close()


def _genesis(url: str) -> str:
    rpc = Rpc(url)
    try:
        return rpc.text("chain_getBlockHash", 0)
    finally:
        rpc.close()


def _status(position: int, validator: Validator) -> ValidatorStatus:
    running = validator.process if runs(validator.process) else None
    status = ValidatorStatus(position, running is not None, running.pid if running else 0, validator.rpc)
    if running is None:
        return status
    rpc = Rpc(validator.rpc, _STATUS_SECONDS)
    try:
        head = rpc.record("chain_getHeader")
        final = rpc.record("chain_getHeader", rpc.text("chain_getFinalizedHead"))
        peers = number(rpc.record("system_health")["peers"])
        outbox = rpc.ask("state_getStorage", value_key("Bridge", "Outbox"))
    except Unreachable:  # it runs and does not answer: the zeros say so
        return status
    finally:
        rpc.close()
    size = int.from_bytes(octets(outbox)[:8], "little") if outbox else 0
    return replace(status, height=height_of(head), final=height_of(final), peers=peers, outbox_size=size)
