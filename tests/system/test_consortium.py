"""Two networks of four validators each: machines die, networks part, chains restart; models stay what they would be."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from poft.network import network_kind

from .running import (
    KINDS,
    NETWORKS,
    Command,
    assert_delivered_once,
    consortium,
    final_rounds,
    poft,
    report,
    roots,
    start,
    wait_for,
)

pytestmark = [pytest.mark.trial, pytest.mark.built, pytest.mark.devnet, pytest.mark.slow, pytest.mark.timeout(1800)]

PATIENCE = 900.0
"""Of a whole run on a busy machine."""

_FAULTS = """
[[faults]]
network = "alpha"
kind = "kill"
round = 1
seconds = 6
validator = 1

[[faults]]
network = "beta"
kind = "kill"
round = 1
seconds = 6
validator = 2

[[faults]]
network = "alpha"
kind = "partition"
round = 2
seconds = 10
groups = [[0, 1, 2], [3]]

[[faults]]
network = "beta"
kind = "restart"
round = 2
seconds = 2
"""

_OWN_SIGNATURES = """
[[links]]
source = "alpha"
destination = "beta"
scheme = "CLQ1"

[[links]]
source = "beta"
destination = "alpha"
scheme = "BEF1"
"""


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> object:
    """Final model roots of the same federation on embedded devnets."""
    place = tmp_path_factory.mktemp("embedded")
    run = place / "run"
    command = start("run", consortium(place), "--embedded", "--output", run, folder=place).wait(PATIENCE)
    assert command.code == 0, command.said()
    return roots(run)


def test_deaths_partitions_and_restarts_change_no_model_and_no_packet(embedded: object, tmp_path: Path) -> None:
    """The run itself is killed as well (kill −9) while a validator is down, and goes on where the ledgers stand."""
    run, file = tmp_path / "run", consortium(tmp_path, faults=_FAULTS)
    killed = start("run", file, "--output", run, folder=tmp_path)
    wait_for(lambda: "FAULT" in killed.output.read_text(), "the first fault", killed, PATIENCE)
    killed.process.send_signal(signal.SIGKILL)
    killed.wait()
    killed.only_chains_left(PATIENCE)  # a relayer first sees its transaction into a block

    command = start("run", file, "--output", run, folder=tmp_path, mark=killed.mark).wait(PATIENCE)
    assert command.code == 0, command.said()
    assert roots(run) == embedded
    assert_delivered_once(run)
    packets, faults = report(run)["packets"], report(run)["faults"]
    assert isinstance(packets, dict) and isinstance(faults, list)
    assert all((one["lost"], one["twice"]) == (0, 0) for one in packets.values())
    # Of the two deaths, those that the run did not live to end are not counted; all that came later are.
    assert {one["what"] for one in faults} >= {"partition 0 1 2 | 3", "all validators killed, restarted from disk"}
    assert all(one["recovered"] > 0 for one in faults)
    command.nothing_left()

    verified = poft("verify", run, "--json", folder=tmp_path)
    assert verified.code == 0, verified.said()
    checks = json.loads(verified.output.read_text())["checks"]
    assert checks["finality evidence"] == len(NETWORKS)  # header, read proof and votes, from every validator alike
    verified.nothing_left()


def test_validators_own_signatures_carry_a_run_without_attestors(embedded: object, tmp_path: Path) -> None:
    run, file = tmp_path / "run", consortium(tmp_path)
    file.write_text(file.read_text() + _OWN_SIGNATURES)
    command = start("run", file, "--output", run, folder=tmp_path).wait(PATIENCE)
    assert command.code == 0, command.said()
    assert roots(run) == embedded
    assert_delivered_once(run)
    assert not list((run / "services").glob("attestor-*"))
    command.nothing_left()


def _said(run: Path, service: str) -> str:
    return (run / "services" / service / "log").read_text()


def _status(run: Path, place: Path) -> dict[str, dict[str, object]]:
    """What `poft status` says, by network and by service."""
    record = json.loads(poft("status", run, "--json", folder=place).output.read_text())
    return {str(one.get("network", one.get("service"))): one for one in (*record["networks"], *record["services"])}


def test_it_is_said_when_finality_stops_and_all_catches_up_when_it_returns(embedded: object, tmp_path: Path) -> None:
    """Two of four validators die on each side: no majority is left on either."""
    run = tmp_path / "run"
    command = start("run", consortium(tmp_path), "--output", run, folder=tmp_path)
    wait_for(lambda: final_rounds(run) >= 1, "a final round", command, PATIENCE)
    for name, kind in zip(NETWORKS, KINDS, strict=True):
        network = network_kind(kind).open_network(run / "chains" / name)
        network.kill(2)
        network.kill(3)
    services = ("relayer-0", *(f"attestor-{name}-0" for name in NETWORKS))
    try:
        for service in services:
            wait_for(lambda service=service: _stopped(run, service), f"{service}'s word", command)  # type: ignore[misc]
        _until_status_says_so(run, tmp_path, command)
    finally:
        for name, kind in zip(NETWORKS, KINDS, strict=True):
            network_kind(kind).open_network(run / "chains" / name).start()
    for service in services:
        wait_for(lambda service=service: "finality goes on" in _said(run, service), f"{service} is well", command)  # type: ignore[misc]
    assert command.wait(PATIENCE).code == 0, command.said()
    assert roots(run) == embedded
    assert_delivered_once(run)


def _stopped(run: Path, service: str) -> bool:
    said = _said(run, service)
    names = NETWORKS if service.startswith("relayer") else [service.split("-")[1]]
    return all("finality stopped" in said and f"chain={name}" in said for name in names)


def _until_status_says_so(run: Path, place: Path, command: Command) -> None:
    def says() -> bool:
        status = _status(run, place)
        networks = all(str(status[name]["state"]).startswith("finality stopped") for name in NETWORKS)
        relayer = str(status["relayer-0"]["detail"])
        return networks and all(f"finality of {name} stands at block" in relayer for name in NETWORKS)

    wait_for(says, "poft status to say so", command)
