"""One seed, one result: whatever the machine has, whoever carries, whatever is killed."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from random import Random

import pytest

from chains.substrate.poft_node import node_is_built

from .conftest import Played
from .running import (
    NETWORKS,
    ROUNDS,
    assert_delivered_once,
    experiment,
    family,
    final_rounds,
    kill,
    poft,
    report,
    roots,
    start,
    wait_for,
)

pytestmark = [pytest.mark.devnet, pytest.mark.slow]


def test_a_run_ends_with_every_packet_delivered_and_nothing_left_running(finished: Played) -> None:
    assert set(report(finished.folder)["checkpoints_delivered"].values()) == {ROUNDS}  # type: ignore[attr-defined]
    assert_delivered_once(finished.folder)
    finished.command.nothing_left()


def test_threads_processes_relayers_and_engine_do_not_change_the_final_roots(finished: Played, tmp_path: Path) -> None:
    """Three threads in one process, one relayer, chopsticks, instead of two processes of one thread, two relayers, and
    our own node where it is built."""
    words = ("run", experiment(tmp_path), "--output", tmp_path / "run", "--substrate", "chopsticks")
    command = poft(*words, folder=tmp_path, environment={"OMP_NUM_THREADS": "3"})
    assert command.code == 0, command.said()
    assert f"{NETWORKS[1]} runs on chopsticks" in command.said()
    engine = "node" if node_is_built() else "chopsticks"
    assert f"{NETWORKS[1]} runs on {engine}" in finished.command.said()
    assert roots(tmp_path / "run") == roots(finished.folder)
    command.nothing_left()


def test_killed_services_are_started_again_by_the_run(finished: Played, tmp_path: Path) -> None:
    """kill −9 of the only attestor of a chain and of the only relayer: nobody else could do their work."""
    run = tmp_path / "run"
    command = start("run", experiment(tmp_path), "--output", run, folder=tmp_path)
    for victim, rounds in ((f"attestor-{NETWORKS[0]}-0", 1), ("relayer-0", 2)):
        wait_for(lambda rounds=rounds: final_rounds(run) >= rounds, f"round {rounds}", command)  # type: ignore[misc]
        for process in family(command, [victim]):
            kill(process)
    command.wait()
    assert command.code == 0, command.said()
    for victim in (f"attestor-{NETWORKS[0]}-0", "relayer-0"):
        assert f"{victim} was ended by SIGKILL; started again (1 of 3)" in command.said()
    assert roots(run) == roots(finished.folder)
    assert_delivered_once(run)
    command.nothing_left()


def test_a_service_that_is_killed_again_and_again_ends_the_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = start("run", experiment(tmp_path), "--output", run, folder=tmp_path)
    wait_for(lambda: (run / "services" / "relayer-0" / "log").exists(), "the relayer", command)
    while command.process.poll() is None:
        for process in family(command, ["relayer-0"]):
            kill(process)
        time.sleep(0.05)
    assert command.code == 3
    assert "relayer-0 was ended by SIGKILL. Log: " in command.complaint()
    command.nothing_left()


def test_kill_9_of_the_run_at_random_moments_and_a_restart_end_in_the_same_roots(
    finished: Played, tmp_path: Path
) -> None:
    random = Random(20261121)
    run, file = tmp_path / "run", experiment(tmp_path, executor="process")
    mark = ""
    for rounds, most in ((0, 6.0), (1, 1.0), (3, 2.0)):
        command = start("run", file, "--output", run, folder=tmp_path, mark=mark)
        mark = command.mark
        wait_for(lambda rounds=rounds: final_rounds(run) >= rounds, f"{rounds} rounds", command)  # type: ignore[misc]
        time.sleep(random.uniform(0, most))
        command.process.send_signal(signal.SIGKILL)
        command.process.wait()
        command.only_chains_left()
    last = start("run", file, "--output", run, folder=tmp_path, mark=mark).wait()
    assert last.code == 0, last.said()
    assert roots(run) == roots(finished.folder)
    assert_delivered_once(run)
    last.nothing_left()


def test_ctrl_c_stops_everything_and_the_run_goes_on_later(finished: Played, halted: Played, tmp_path: Path) -> None:
    """Ctrl-C after a round, then SIGTERM, twice, while the resumed run starts its services, then to the end."""
    assert halted.command.code == 130
    assert halted.command.complaint() == "poft: interrupted"
    assert "the same command goes on from here" in halted.command.said()
    halted.command.nothing_left()
    run = halted.copy(tmp_path)
    before = final_rounds(run)
    resumed = start("run", halted.file, "--output", run, folder=tmp_path)
    wait_for(lambda: "starting attestors" in resumed.said(), "services", resumed)
    for _ in range(2):
        resumed.signal(signal.SIGTERM)
    assert resumed.wait().code == 130, resumed.said()
    resumed.nothing_left()
    last = poft("run", halted.file, "--output", run, folder=tmp_path)
    assert last.code == 0, last.said()
    assert last.said().count("round") and final_rounds(run) == len(NETWORKS) * ROUNDS > before
    assert roots(run) == roots(finished.folder)
    assert_delivered_once(run)
    last.nothing_left()
