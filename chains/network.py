"""Networks of several validators on one machine: one life cycle, whatever the kind, over the loopback interface.

A network lives in a folder: `network.json` (what it is, and the pids of those that run), the kind's genesis, and
`validator-0/`, `validator-1/`, … with keys, database and `node.log` each. Every validator has two ports of its own, and
knows the others by address and name, so that any of them can die and come back. The keys are ones that anybody can
derive: such a network is for tests and trials.
"""

from __future__ import annotations

import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from chains.process import Process, end, kill, launch, require_free, runs, uninterrupted
from poft.chain import ChainSpec
from poft.network import STATE, Tell, ValidatorStatus, silent
from poft.protocol.errors import ChainError, ConfigError, Refused, Unreachable
from poft.whole_file import write_whole

_LOG = "node.log"
_READY_SECONDS = 120.0
_POLL_SECONDS = 0.05
_LOG_LINES = 6
_ROOM = 16 << 20
"""Bytes that a validator's databases need to begin."""
_FULL = ("no space left on device", "file too large", "disk quota exceeded")
"""What the system calls ENOSPC, EFBIG and EDQUOT, as programs repeat it in capitals or not."""


@dataclass(frozen=True, slots=True)
class Validator:
    """One member: its JSON-RPC, its port and address among its peers, its process while it runs."""

    rpc: str
    peer_port: int
    peer: str
    account: str
    """The key by which the chain knows it (0x hex)."""
    process: Process | None = None

    @property
    def rpc_port(self) -> int:
        """Port of its JSON-RPC."""
        return int(self.rpc.rsplit(":", 1)[1])


@dataclass(frozen=True, slots=True)
class State:
    """`network.json`. `deployment` is empty until the chain has run: it is what a `ChainSpec` says of it."""

    kind: str
    name: str
    domain: str
    validators: tuple[Validator, ...]
    deployment: dict[str, str]


_STATES = TypeAdapter(State)


class Network(ABC):
    """The validators of one folder; see `poft.network.Network`. What a kind adds stands at the end."""

    def __init__(self, folder: Path, state: State) -> None:
        self._folder = folder
        self._state = state

    @property
    def name(self) -> str:
        """See `poft.network.Network.name`."""
        return self._state.name

    @property
    def validators(self) -> tuple[Validator, ...]:
        """The members, running or not."""
        return self._state.validators

    @property
    def positions(self) -> range:
        """Their numbers."""
        return range(len(self.validators))

    def home(self, position: int) -> Path:
        """Folder of a validator."""
        return home(self._folder, position)

    def log(self, position: int) -> Path:
        """See `poft.network.Network.log`."""
        return self.home(position) / _LOG

    def start(self, positions: Sequence[int] | None = None, tell: Tell = silent) -> None:
        """See `poft.network.Network.start`."""
        wanted = self.positions if positions is None else positions
        begun = [at for at in wanted if not runs(self.validators[at].process)]
        program = str(self.program())
        for at in begun:
            require_free(self.validators[at].rpc_port)
            require_free(self.validators[at].peer_port)
        spoken = {at: self.log(at).stat().st_size if self.log(at).exists() else 0 for at in begun}
        try:
            for at in begun:
                with uninterrupted():
                    process = launch([program, *self.arguments(at)], self.log(at), {})
                    self._set({at: replace(self.validators[at], process=process)})
            for done, at in enumerate(begun, start=1):
                self._wait(at, spoken[at])
                tell(f"validator {at} answers ({done} of {len(begun)})")
            if begun:
                self._all_answer(begun, spoken)
        except BaseException:  # whatever it was, also Ctrl-C: nothing that was started here stays behind
            self.stop(begun)
            raise

    def stop(self, positions: Sequence[int] | None = None) -> None:
        """See `poft.network.Network.stop`."""
        ended = self.positions if positions is None else positions
        end(*(self.validators[at].process for at in ended))
        self._set({at: replace(self.validators[at], process=None) for at in ended})

    def kill(self, position: int) -> None:
        """See `poft.network.Network.kill`."""
        kill(self.validators[position].process)
        self._set({position: replace(self.validators[position], process=None)})

    def wipe(self, position: int) -> None:
        """See `poft.network.Network.wipe`."""
        if runs(self.validators[position].process):
            raise ConfigError(f"validator {position} runs", "Stop it first")
        shutil.rmtree(self.database(position), ignore_errors=True)

    def part(self, groups: Sequence[Sequence[int]]) -> None:
        """See `poft.network.Network.part`."""
        for group in groups:
            strangers = [self.validators[other].peer for other in self.positions if other not in group]
            for at in group:
                if runs(self.validators[at].process):
                    self.cut(at, strangers)

    def join(self) -> None:
        """See `poft.network.Network.join`."""
        for at in self.positions:
            if runs(self.validators[at].process):
                self.connect(at, [one.peer for other, one in enumerate(self.validators) if other != at])

    def status(self) -> list[ValidatorStatus]:
        """See `poft.network.Network.status`."""
        return [self._status(at) for at in self.positions]

    def _status(self, position: int) -> ValidatorStatus:
        validator = self.validators[position]
        running = validator.process if runs(validator.process) else None
        status = ValidatorStatus(position, running is not None, running.pid if running else 0, validator.rpc)
        if running is None:
            return status
        try:
            return self.look(position, status)
        except (ChainError, Refused):  # it runs and does not answer, or it changes its branch: the zeros say so
            return status

    def _wait(self, position: int, spoken: int) -> None:
        """Until the validator answers as its kind wants it; so many bytes of its log are older than this start."""
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if not runs(self.validators[position].process):
                raise self.failed(position, self._words(position, spoken))
            try:
                if self.answers(position):
                    return
            except ChainError:
                pass  # not listening yet
            time.sleep(_POLL_SECONDS)
        raise Unreachable(f"validator {position} does not answer as it should; see {self.log(position)}")

    def _all_answer(self, begun: Sequence[int], spoken: dict[int, int]) -> None:
        try:
            self.began(begun)
        except ChainError as error:
            for at in begun:
                if not runs(self.validators[at].process):
                    raise self.failed(at, self._words(at, spoken[at])) from error
            raise

    def _words(self, position: int, spoken: int) -> str:
        return self.log(position).read_bytes()[spoken:].decode(errors="replace")

    def failed(self, position: int, words: str) -> ConfigError:
        """A validator that did not come up, with its last words and what to do about it."""
        again = f"poft devnet restart {self._state.kind} {position} --wipe"
        remedy = f"See {self.log(position)}. If its database is damaged: {again}"
        # A log on that disk may end before it says so.
        full = shutil.disk_usage(self._folder).free < _ROOM
        if full or any(word in words.lower() for word in _FULL):
            remedy = f"Free space on the disk of {self._folder}, then start it again"
        said = " ".join(words.splitlines()[-_LOG_LINES:])
        return ConfigError(f"validator {position} of {self.name!r} ended before it answered: {said}", remedy)

    def _set(self, changed: dict[int, Validator]) -> None:
        validators = tuple(changed.get(at, validator) for at, validator in enumerate(self.validators))
        self.save(replace(self._state, validators=validators))

    def save(self, state: State) -> None:
        """Takes this state, also to `network.json`."""
        self._state = state
        write_state(self._folder, state)

    # What a kind adds

    @property
    @abstractmethod
    def engine(self) -> str:
        """See `poft.network.Network.engine`."""

    @abstractmethod
    def program(self) -> Path:
        """What the validators run. `ConfigError` where it is not installed."""

    @abstractmethod
    def arguments(self, position: int) -> list[str]:
        """What it is told."""

    @abstractmethod
    def database(self, position: int) -> Path:
        """Where a validator stores the chain."""

    @abstractmethod
    def cut(self, position: int, peers: Sequence[str]) -> None:
        """Ends the connections of a validator that runs to these peers."""

    @abstractmethod
    def connect(self, position: int, peers: Sequence[str]) -> None:
        """Connects a validator that runs to these peers."""

    @abstractmethod
    def answers(self, position: int) -> bool:
        """Whether a validator that was started is ready. `ChainError` while it does not listen."""

    @abstractmethod
    def began(self, positions: Sequence[int]) -> None:
        """What follows when these, and there are some, are ready."""

    @abstractmethod
    def look(self, position: int, status: ValidatorStatus) -> ValidatorStatus:
        """The status of a validator that runs, completed. `ChainError` where it does not answer."""

    @abstractmethod
    def spec(self, positions: Sequence[int] = (0,)) -> ChainSpec:
        """See `poft.network.Network.spec`."""


def require_room(folder: Path, validators: int, most: int) -> None:
    """Returns when a network of so many can begin in a folder.

    Raises:
        ConfigError: the folder has one, or the number is out of range.
    """
    if (folder / STATE).exists():
        raise ConfigError(f"{folder} holds a network", "Choose another folder, or remove this one")
    if not 1 <= validators <= most:
        raise ConfigError(f"a network of {validators} validators", f"Choose 1 to {most}")


def read_state(folder: Path, kind: str) -> State:
    """The state of a folder's network.

    Raises:
        ConfigError: there is none of this kind, or the file is damaged.
    """
    path = folder / STATE
    try:
        state = _STATES.validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError as error:
        raise ConfigError(f"{folder} holds no network", "Create one first") from error
    except ValidationError as error:
        raise ConfigError(f"{path} is not a network's state", "Remove the folder to begin again") from error
    if state.kind != kind:
        raise ConfigError(f"{folder} holds a network of kind {state.kind!r}", "Choose another folder")
    return state


def write_state(folder: Path, state: State) -> None:
    """Writes `network.json`."""
    write_whole(folder / STATE, _STATES.dump_json(state, indent=2).decode("ascii") + "\n")


def home(folder: Path, position: int) -> Path:
    """Folder of a validator."""
    return folder / f"validator-{position}"


__all__ = ["Network", "State", "Validator", "home", "read_state", "require_room", "write_state"]
