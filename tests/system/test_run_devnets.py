"""`poft devnet`: chains of both kinds, started, listed, stopped and resumed."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import psutil
import pytest

from poft.chain import connect, free_port
from poft.chain_spec import read_spec

from .running import KINDS, Command, poft

pytestmark = [pytest.mark.devnet, pytest.mark.slow]


def _by_kind(command: Command) -> dict[str, dict[str, object]]:
    assert command.code == 0, command.said()
    record = command.record()
    assert isinstance(record, list)
    return {one["kind"]: {**one, **one["validators"][0]} for one in record}


@pytest.mark.parametrize(
    ("asked", "built", "engine"),
    [
        pytest.param("", True, "node", marks=pytest.mark.built),
        ("", False, "chopsticks"),
        pytest.param("chopsticks", True, "chopsticks", marks=pytest.mark.built),
    ],
)
def test_substrate_runs_on_our_node_where_it_is_built(asked: str, built: bool, engine: str, tmp_path: Path) -> None:
    place = ("--kind", "substrate", "--folder", tmp_path / "nets")
    environment = {} if built else {"POFT_NODE": str(tmp_path / "not built")}
    up = poft(
        "devnet", "up", *place, *(["--substrate", asked] if asked else []), folder=tmp_path, environment=environment
    )
    assert up.code == 0, up.said()
    assert f"substrate: {engine} " in up.said()
    assert poft("devnet", "down", "--wipe", "--folder", tmp_path / "nets", folder=tmp_path).code == 0
    assert not (tmp_path / "nets").exists()
    up.nothing_left()


def test_up_status_down_and_up_again(tmp_path: Path) -> None:
    place = ("--folder", tmp_path / "nets", "--json")
    assert _by_kind(poft("devnet", "status", *place, folder=tmp_path)) == {}
    first = poft("devnet", "up", *place, folder=tmp_path)
    up = _by_kind(first)
    assert set(up) == set(KINDS) and all(one["running"] for one in up.values())
    domains = {}
    for kind in KINDS:
        chain = connect(read_spec(tmp_path / "nets" / kind / "spec.json"))
        domains[kind] = chain.domain
        chain.close()
    again = _by_kind(poft("devnet", "up", *place, folder=tmp_path))
    assert [again[kind]["pid"] for kind in KINDS] == [up[kind]["pid"] for kind in KINDS]  # nothing was started twice
    # A kill −9 of one chain shows, and `up` resumes it.
    victim = psutil.Process(int(str(up[KINDS[1]]["pid"])))
    victim.kill()
    victim.wait(10)
    states = _by_kind(poft("devnet", "status", *place, folder=tmp_path))
    assert [states[kind]["running"] for kind in KINDS] == [True, False]
    resumed_command = poft("devnet", "up", *place, folder=tmp_path)
    resumed = _by_kind(resumed_command)
    assert all(resumed[kind]["rpc"] == up[kind]["rpc"] for kind in KINDS)
    for kind in KINDS:
        chain = connect(read_spec(tmp_path / "nets" / kind / "spec.json"))
        assert chain.domain == domains[kind]
        chain.close()
    down = _by_kind(poft("devnet", "down", *place, folder=tmp_path))
    assert not any(one["running"] for one in down.values())
    first.nothing_left()
    resumed_command.nothing_left()


def test_port_in_use_names_its_user(tmp_path: Path) -> None:
    port = free_port()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        command = poft("devnet", "up", "--folder", tmp_path / "nets", "--port", port, folder=tmp_path)
    assert command.code == 2
    assert f"port {port} is in use by" in command.complaint() and f"(pid {os.getpid()})" in command.complaint()
    command.nothing_left()


def test_down_of_what_is_not_there(tmp_path: Path) -> None:
    command = poft("devnet", "down", "--kind", "evm", "--folder", tmp_path / "nets", folder=tmp_path)
    assert command.code == 2
    assert "evm does not exist. poft devnet status lists what is there" in command.complaint()
    command = poft("devnet", "up", "--kind", "cobol", "--folder", tmp_path / "nets", folder=tmp_path)
    assert command.code == 2
    assert "no chain of kind 'cobol' is installed. Installed kinds: evm, substrate" in command.complaint()
