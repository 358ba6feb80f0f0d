"""`poft devnet` with networks of validators: what an operator does to them, sees of them, and what is left behind."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from poft.network import STATE

from .running import KINDS, Command, start, wait_for

pytestmark = [pytest.mark.trial, pytest.mark.built, pytest.mark.devnet, pytest.mark.slow]


class Desk:
    """Where an operator sits: a home of his own, in which nothing may appear, and the folder of the chains."""

    def __init__(self, place: Path) -> None:
        self.nets, self._place = place / "nets", place
        self._homes = [place / "home", place / "temporary"]
        for home in self._homes:
            home.mkdir()
        # Programs that make node and make geth built, in the cache of whoever runs the tests.
        cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        self.environment = {"HOME": str(self._homes[0]), "TMPDIR": str(self._homes[1]), "XDG_CACHE_HOME": cache}

    def start(self, *words: object, **environment: str) -> Command:
        command, *rest = words
        said = {**self.environment, **environment}
        return start("devnet", command, *rest, "--folder", self.nets, folder=self._place, environment=said)

    def run(self, *words: object, code: int = 0, **environment: str) -> Command:
        done = self.start(*words, **environment).wait()
        assert done.code == code, done.said()
        return done

    def validators(self, kind: str) -> list[Mapping[str, int]]:
        """What `status --json` says of a chain's validators."""
        record = self.run("status", "--json").record()
        assert isinstance(record, list)
        (chain,) = [one for one in record if one["kind"] == kind]
        return list(chain["validators"])

    def nothing_outside(self) -> None:
        assert [list(home.rglob("*")) for home in self._homes] == [[], []]

    def pids(self) -> set[int]:
        """What runs and has this folder in its command line."""
        return {one.pid for one in psutil.process_iter() if any(str(self.nets) in word for word in _words(one))}


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def listens(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rsplit(":", 1)[1]))) == 0


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_network_is_started_disturbed_and_wiped_away(kind: str, desk: Desk, tmp_path: Path) -> None:
    up = desk.run("up", "--kind", kind, "--validators", 2)
    assert f"{kind}: validator 1 answers (2 of 2)" in up.said()
    assert all(word in up.said() for word in ("validator", "height", "final", "peers", "outbox"))
    before = desk.validators(kind)
    assert [one["running"] for one in before] == [True, True]
    assert all(listens(str(one["rpc"])) for one in before)
    assert desk.pids() == {one["pid"] for one in before}

    watched = desk.run("watch", "--times", 3, "--interval", 2, "--json").output.read_text().splitlines()
    assert len(watched) == 3 and watched[0] != watched[2]

    killed = desk.run("kill", kind, 1, "--json").record()
    assert isinstance(killed, list)
    assert [one["running"] for one in killed[0]["validators"]] == [True, False]
    assert f"validator {1} answers (1 of 1)" in desk.run("restart", kind, 1, "--wipe").said()
    desk.run("part", kind, "0", "1")
    desk.run("join", kind)
    desk.run("stop", kind, 0)
    again = desk.validators(kind)
    assert [one["running"] for one in again] == [False, True]
    assert again[1]["pid"] != before[1]["pid"]

    desk.run("logs", kind, "--to", tmp_path / "exported")
    assert {path.name for path in (tmp_path / "exported" / kind).iterdir()} == {"validator-0.log", "validator-1.log"}
    assert desk.run("logs", kind, 1, "--lines", 2).said().count("\n") == 2

    desk.run("down", "--kind", kind)
    assert not desk.pids() and (desk.nets / kind / STATE).exists()
    desk.run("up", "--kind", kind)  # as many as there were
    assert [one["rpc"] for one in desk.validators(kind)] == [one["rpc"] for one in before]
    assert "no chains" in desk.run("down", "--wipe").said()
    assert not desk.nets.exists() and not desk.pids()
    assert not any(listens(str(one["rpc"])) for one in before)
    desk.nothing_outside()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("moment", ["making a network", "validator 0 answers"])
def test_ctrl_c_in_the_midst_of_up_leaves_nothing(kind: str, moment: str, desk: Desk) -> None:
    command = desk.start("up", "--kind", kind, "--validators", 2, PYTHONUNBUFFERED="1")
    wait_for(lambda: moment in command.said(), moment, command)
    command.signal(signal.SIGINT)
    assert command.wait().code == 130, command.said()
    command.nothing_left()
    assert not desk.pids()
    if desk.nets.exists():
        assert {path.name for path in desk.nets.iterdir()} <= {kind}, "nothing half made"
        desk.run("down", "--wipe")
    assert not desk.nets.exists() or not list(desk.nets.iterdir())
    desk.nothing_outside()


def test_what_cannot_work_is_said_with_its_remedy(desk: Desk, tmp_path: Path) -> None:
    nothing, kind = {"XDG_CACHE_HOME": str(tmp_path / "empty"), "POFT_NODE": ""}, KINDS[0]
    for one, remedy in (("evm", "make geth"), ("substrate", "make node")):
        assert remedy in desk.run("up", "--kind", one, "--validators", 1, code=2, **nothing).said()
    assert desk.run("kill", kind, 0, code=2).complaint().endswith("poft devnet status lists what is there")

    desk.run("up", "--kind", kind, "--validators", 1)
    said = desk.run("kill", kind, 7, code=2).complaint()
    assert said == f"poft: there is no validator 7. The validators of '{kind}' are 0 to 0"
    said = desk.run("part", kind, "0", "0", code=2).complaint()
    assert "two groups" in said
    assert "not groups" in desk.run("part", kind, "a", code=2).complaint()
    said = desk.run("up", "--kind", kind, "--validators", 4, code=2).complaint()
    assert f"holds a network of 1 validators. poft devnet down --kind {kind} --wipe removes it" in said
    desk.run("stop", kind, 0)

    rpc = str(desk.validators(kind)[0]["rpc"])
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", int(rpc.rsplit(":", 1)[1])))
        other.listen()
        said = desk.run("restart", kind, 0, code=2).complaint()
        assert "is in use by" in said and f"(pid {os.getpid()})" in said

    for file in (desk.nets / kind / "validator-0" / "geth").rglob("*"):
        if file.is_file():
            os.truncate(file, file.stat().st_size // 2)
    said = desk.run("up", "--kind", kind, code=2).said()
    assert f"poft devnet restart {kind} 0 --wipe" in said
    desk.run("restart", kind, 0, "--wipe")

    path = desk.nets / kind / STATE
    whole = path.read_text()
    path.write_text(whole[:100])
    said = desk.run("status", code=2).complaint()
    assert said.endswith(f"{path} is not a network's state. Remove the folder to begin again")
    path.write_text(whole)
    desk.run("down", "--wipe")
