"""Processes of devnets, started by this package: found again by pid and start time, ended with their children."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from poft.protocol.errors import ConfigError

_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Process:
    """A process of ours. A pid alone may have been given to somebody else since; the start time tells."""

    pid: int
    started: float

    def find(self) -> psutil.Process | None:
        """The process, if it still runs."""
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.started) < 1.0
            return found if same and found.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def launch(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Process:
    """Starts a program that outlives this one; what it says goes to the end of `log`.

    It gets a session of its own, so that Ctrl-C in the caller's terminal does not reach it. `subprocess` would want to
    wait for it.
    """
    pid = os.posix_spawn(
        command[0],
        list(command),
        {**os.environ, **environment},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=(),
    )
    return Process(pid, psutil.Process(pid).create_time())


def runs(process: Process | None) -> bool:
    """Whether a process of ours still runs."""
    return process is not None and process.find() is not None


def end(*processes: Process | None) -> None:
    """Ends processes of ours and their children; whatever does not listen to SIGTERM is killed."""
    family: list[psutil.Process] = []
    for process in processes:
        found = process.find() if process else None
        if found is not None:
            with suppress(psutil.NoSuchProcess):
                family += [found, *found.children(recursive=True)]
    for one in family:
        _signal(one, signal.SIGTERM)
    _, alive = psutil.wait_procs(family, _STOP_SECONDS)
    for one in alive:
        _signal(one, signal.SIGKILL)
    psutil.wait_procs(alive, _STOP_SECONDS)


def kill(process: Process | None) -> None:
    """Ends a process of ours as a power cut does."""
    found = process.find() if process else None
    if found is not None:
        _signal(found, signal.SIGKILL)
        psutil.wait_procs([found], _STOP_SECONDS)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait until the block is left: between the start of a process and the note of its pid."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def require_free(port: int) -> None:
    """Returns when nobody listens on this port of the loopback interface.

    Raises:
        ConfigError: somebody does; the message says who, where that can be known.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            users = _listeners(port)
            by = f" by {', '.join(users)}" if users else ""
            raise ConfigError(f"port {port} is in use{by}", "Stop that process, or choose another port") from error


def _listeners(port: int) -> list[str]:
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return []
    pids = {c.pid for c in connections if c.laddr and c.laddr.port == port and c.status == psutil.CONN_LISTEN and c.pid}
    names = []
    for pid in sorted(pids):
        try:
            names.append(f"{psutil.Process(pid).name()} (pid {pid})")
        except psutil.NoSuchProcess:
            continue
    return names


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
