"""`poft` as its users start it, on small experiments, and what is left of it afterwards.

Every command is a process of its own with a mark in its environment, which all its descendants inherit: so "nothing
is left running" is asked of the kernel's process table, not of the program under test.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import psutil

from poft.model.commitment import checkpoint_model
from poft.run_folder import ledgers, open_run

KINDS = ("evm", "substrate")
NETWORKS = ("alpha", "beta")
ROUNDS = 3
PATIENCE = 180.0
GOODBYE = 15.0
"""Seconds that whatever a command started may take to end after it."""

_MARK = "POFT_TEST_MARK"
_ROOT = Path(__file__).resolve().parents[2]
_TOML = """
name = "small"
seed = 7
rounds = {rounds}
baselines = false
forgeries = false
executor = "{executor}"
workers = 2

[training]
steps_per_round = 20

[exchange]
every = 1

[relay]
attestors = {attestors}
relayers = {relayers}
wait = 90.0

[[networks]]
name = "{left}"
kind = "{left_kind}"
capacities = [20, 40, 60, 80]

[[networks]]
name = "{right}"
kind = "{right_kind}"
capacities = [80, 20, 40, 60]
"""


def experiment(
    folder: Path, *, executor: str = "serial", attestors: int = 1, relayers: int = 1, rounds: int = ROUNDS
) -> Path:
    """The file of a small experiment between networks of two kinds."""
    (left, right), (left_kind, right_kind) = NETWORKS, KINDS
    path = folder / "small.toml"
    path.write_text(
        _TOML.format(
            executor=executor,
            attestors=attestors,
            relayers=relayers,
            rounds=rounds,
            left=left,
            right=right,
            left_kind=left_kind,
            right_kind=right_kind,
        )
    )
    return path


VALIDATORS = 4


def consortium(folder: Path, *, rounds: int = ROUNDS, faults: str = "") -> Path:
    """The file of a small experiment between two networks of four validators."""
    text = experiment(folder, attestors=VALIDATORS, relayers=2, rounds=rounds).read_text()
    for kind in KINDS:
        text = text.replace(f'kind = "{kind}"', f'kind = "{kind}"\nvalidators = {VALIDATORS}')
    text = text.replace("wait = 90.0", "wait = 300.0\nfinality_seconds = 8.0")
    path = folder / "consortium.toml"
    path.write_text(text + faults)
    return path


@dataclass
class Command:
    """A `poft` command in progress. Its output goes to files: a pipe would stay open in whatever it left behind."""

    arguments: tuple[str, ...]
    process: subprocess.Popen[bytes]
    mark: str
    output: Path
    errors: Path

    def wait(self, seconds: float = PATIENCE) -> Command:
        """Waits for the end; a command that hangs is a failure, and is ended."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"poft {' '.join(self.arguments)} hangs: {self.said()}") from None
        return self

    def signal(self, number: int) -> None:
        """What a terminal does on Ctrl-C, or an operator: the whole process group hears it."""
        os.killpg(self.process.pid, number)

    @property
    def code(self) -> int:
        """The exit code; negative = the signal that ended it."""
        code = self.process.poll()
        assert code is not None, "still running"
        return code

    def said(self) -> str:
        """Everything that it printed."""
        return self.output.read_text() + self.errors.read_text()

    def record(self) -> object:
        """What it printed as one JSON document."""
        return json.loads(self.output.read_text())

    def complaint(self) -> str:
        """Its one line on standard error."""
        lines = [line for line in self.errors.read_text().splitlines() if line.strip()]
        assert len(lines) == 1, self.said()
        return lines[0]

    def descendants(self) -> list[psutil.Process]:
        """What this command started and what still runs, wherever it hangs in the process tree."""
        return [one for one in psutil.process_iter() if _carries(one, self.mark)]

    def nothing_left(self) -> None:
        """Fails when something that was started here still runs."""
        deadline = time.monotonic() + GOODBYE
        while left := self.descendants():
            assert time.monotonic() < deadline, f"left running: {[_line(one) for one in left]}"
            time.sleep(0.1)

    def only_chains_left(self, seconds: float = GOODBYE) -> None:
        """After kill −9 of a run: its workers, attestors and relayers end; its chains wait for the next start."""
        deadline = time.monotonic() + seconds
        while left := [one for one in self.descendants() if not _is_chain(one)]:
            assert time.monotonic() < deadline, f"left running: {[_line(one) for one in left]}"
            time.sleep(0.1)


def start(*arguments: object, folder: Path, environment: Mapping[str, str] | None = None, mark: str = "") -> Command:
    """Starts `poft ARGUMENTS`; output files go to the folder. A mark joins several commands to one family."""
    words = tuple(map(str, arguments))
    mark = mark or token_hex(8)
    stem = token_hex(4)
    output, errors = folder / f"{stem}.out", folder / f"{stem}.err"
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "poft.cli.main", *words],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=_ROOT,
            env={**os.environ, "COLUMNS": "200", **(environment or {}), _MARK: mark},
            start_new_session=True,
        )
    return Command(words, process, mark, output, errors)


def poft(*arguments: object, folder: Path, environment: Mapping[str, str] | None = None) -> Command:
    """Runs `poft ARGUMENTS` to its end."""
    return start(*arguments, folder=folder, environment=environment).wait()


def wait_for(condition: Callable[[], bool], what: str, command: Command, seconds: float = PATIENCE) -> None:
    """Returns when the condition holds; fails when the command ends first, or takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert command.process.poll() is None, f"ended before {what}: {command.said()}"
        assert time.monotonic() < deadline, f"timed out waiting for {what}: {command.said()}"
        time.sleep(0.05)


def final_rounds(run: Path) -> int:
    """Rounds that the journal of a run calls final, over all networks."""
    journal = run / "history.jsonl"
    return journal.read_text().count('"round final"') if journal.exists() else 0


def report(run: Path) -> dict[str, object]:
    """report.json of a run."""
    record: dict[str, object] = json.loads((run / "report.json").read_text())
    return record


def roots(run: Path) -> object:
    """Final model roots by network."""
    return report(run)["final_model_root"]


def assert_delivered_once(run: Path, rounds: int = ROUNDS) -> None:
    """Every packet of every outbox was consumed, in order, once, and taken."""
    with ledgers(open_run(run)) as found:
        for source in found:
            for destination in found:
                if source is destination:
                    continue
                sent = [entry.packet.id for entry in source.chain.outbox_entries(0, source.chain.outbox_size())]
                outcomes = destination.chain.outcomes(source.chain.domain)
                assert len(sent) == rounds
                assert [outcome.packet_id for outcome in outcomes] == sent
                assert [outcome.nonce for outcome in outcomes] == list(range(rounds))
                assert all(outcome.dispatched and not outcome.failure for outcome in outcomes)


def stored_model(run: Path, network: str) -> Path:
    """The container of the newest model in a network's store that the other network's store does not have."""
    with ledgers(open_run(run)) as found:
        ledger = next(ledger for ledger in found if ledger.name == network)
        newest = ledger.chain.checkpoints(ledger.task)[-1].checkpoint
    root = checkpoint_model(newest).model_root
    return run / "store" / network / "models" / root.hex() / "model.safetensors"


def flip(path: Path, at: int = -5) -> None:
    """Alters one byte of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    path.write_bytes(data)


def kill(process: psutil.Process) -> None:
    """kill −9."""
    process.send_signal(signal.SIGKILL)


def family(command: Command, words: Sequence[str]) -> list[psutil.Process]:
    """Descendants whose command line has all these words in it."""
    return [one for one in command.descendants() if all(word in _line(one) for word in words)]


def _carries(process: psutil.Process, mark: str) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(_MARK) == mark
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def _is_chain(process: psutil.Process) -> bool:
    line = _line(process)
    return not line or any(word in line for word in ("anvil", "journal.py", "node.mjs", "geth", "poft-node"))
