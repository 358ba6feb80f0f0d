"""Mistakes and mishaps: one line that names the thing and the remedy, the right exit code, nothing left running."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from poft.chain import ChainSpec, devnet
from poft.chain_spec import read_spec

from .conftest import Played
from .running import (
    KINDS,
    NETWORKS,
    assert_delivered_once,
    experiment,
    final_rounds,
    flip,
    poft,
    roots,
    start,
    stored_model,
    wait_for,
)

pytestmark = [pytest.mark.devnet, pytest.mark.slow]

REFUSED, CONFIG, UNREACHABLE = 1, 2, 3

_LINK = '[[links]]\nsource = "alpha"\ndestination = "gamma"\n'
MISTAKES = {
    "not TOML": ("seed = 7", "seed = = 7", r"small\.toml is not TOML: .*line 3"),
    "unknown key": ("seed = 7", "sead = 7", r"small\.toml: unknown key 'sead'\. Did you mean 'seed'\?"),
    "unknown key inside": ("steps_per_round", "steps_per_rond", r"'training\.steps_per_rond'.*'steps_per_round'\?"),
    "wrong type": ("seed = 7", 'seed = "seven"', r"small\.toml: seed: .*integer"),
    "wrong type inside": ("[20, 40, 60, 80]", '[20, "many"]', r"networks\.0\.capacities\.1: .*integer"),
    "capacity 0": ("[20, 40, 60, 80]", "[20, 0]", r"networks\.0\.capacities\.1: .*greater"),
    "two networks of one name": ('"beta"', '"alpha"', r"small\.toml: two networks have one name"),
    "link to an unknown network": ("[relay]", _LINK + "[relay]", r"small\.toml: link alpha → gamma names an unknown"),
    "unknown kind of chain": ('kind = "evm"', 'kind = "evn"', r"no chain of kind 'evn'.*evm, substrate"),
    "unknown data set": ("[training]", '[data]\nset = "digitz"\n[training]', r"unknown data set 'digitz'.*digits"),
    "unknown network": ("[training]", '[training]\nnetwork = "cmn"', r"unknown network 'cmn'.*cnn, mlp"),
    "unknown rule": ("[training]", '[training]\nrule = "avg"', r"unknown aggregation rule 'avg'.*fedavg"),
    "more participants than data": ("[20, 40, 60, 80]", str([1] * 64) + "\n#", r"samples cannot give"),
}


@pytest.mark.parametrize(("was", "becomes", "complaint"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes_in_the_file_are_named(tmp_path: Path, was: str, becomes: str, complaint: str) -> None:
    file = experiment(tmp_path)
    text = file.read_text()
    assert was in text
    file.write_text(text.replace(was, becomes, 1))
    command = poft("run", file, "--output", tmp_path / "run", folder=tmp_path)
    assert command.code == CONFIG
    assert re.search(complaint, command.complaint())
    command.nothing_left()


def test_missing_data_set_says_how_to_install_it(tmp_path: Path) -> None:
    file = experiment(tmp_path)
    file.write_text(file.read_text() + '\n[data]\nset = "fashion-mnist"\n')
    command = poft(
        "run", file, "--output", tmp_path / "run", folder=tmp_path, environment={"POFT_FASHION_MNIST": "/nowhere"}
    )
    assert command.code == CONFIG
    assert "Fashion-MNIST is not at /nowhere. apt-get install dataset-fashion-mnist" in command.complaint()
    assert not (tmp_path / "run" / "chains").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "missing.toml"], None, "missing.toml does not exist"),
        (["run"], None, "Missing argument"),
        (["verify", "runs/none"], None, "runs/none is not the folder of a run. poft run EXPERIMENT.toml makes one"),
        (["status", "runs/none"], None, "runs/none is not the folder of a run"),
    ],
)
def test_errors_are_json_when_json_is_asked_for(
    tmp_path: Path, arguments: list[str], code: str | None, words: str
) -> None:
    command = poft(*arguments, "--json", folder=tmp_path)
    assert command.code == CONFIG
    record = json.loads(command.complaint())
    assert words in record["error"] and record["code"] is code
    assert command.output.read_text() == ""


# Chains that are attached to


def _attached(file: Path, spec: ChainSpec, domain: bytes, networks: int) -> None:
    """Attaches the first networks of a file to the chain of a spec."""
    deployment = ", ".join(f'{name} = "{address}"' for name, address in spec.deployment.items())
    lines = [
        f'kind = "{spec.kind}"',
        f'rpc = ["{spec.rpc[0]}"]',
        f'domain = "0x{domain.hex()}"',
        f"deployment = {{ {deployment} }}",
        f'key = "{spec.key}"',
    ]
    text = file.read_text()
    for kind in KINDS[:networks]:
        text = text.replace(f'kind = "{kind}"', "\n".join(lines), 1)
    file.write_text(text)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainSpec]:
    """A chain that belongs to nobody's run."""
    home = tmp_path_factory.mktemp("foreign")
    yield devnet(KINDS[0]).start(home, "foreign", 0)
    devnet(KINDS[0]).stop(home)


def test_unreachable_rpc_ends_the_run_before_anything_is_started(foreign: ChainSpec, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, and nobody listens
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        file = experiment(tmp_path)
        _attached(file, replace(foreign, rpc=(url,)), foreign.domain, 1)
        command = poft("run", file, "--output", tmp_path / "run", folder=tmp_path)
    assert command.code == UNREACHABLE
    assert url in command.complaint()
    assert [one.name for one in (tmp_path / "run" / "chains").iterdir()] == [NETWORKS[0]]
    command.nothing_left()


def test_another_chain_behind_a_url_is_refused(foreign: ChainSpec, tmp_path: Path) -> None:
    file = experiment(tmp_path)
    _attached(file, foreign, bytes([0x22] * 32), 1)
    command = poft("run", file, "--output", tmp_path / "run", "--json", folder=tmp_path)
    assert command.code == REFUSED
    record = json.loads(command.complaint())
    assert record["code"] == "WrongDomain" and foreign.domain.hex() in record["error"]
    command.nothing_left()


def test_one_chain_for_two_networks_is_refused(foreign: ChainSpec, tmp_path: Path) -> None:
    file = experiment(tmp_path)
    _attached(file, foreign, foreign.domain, 2)
    command = poft("run", file, "--output", tmp_path / "run", folder=tmp_path)
    assert command.code == REFUSED
    assert "two networks run on one chain" in command.complaint()
    command.nothing_left()


# The run's folder


def test_port_of_a_chain_in_use(halted: Played, tmp_path: Path) -> None:
    """A resumed chain keeps its port, which the services of others may know."""
    run = halted.copy(tmp_path)
    port = int(read_spec(run / "chains" / NETWORKS[1] / "spec.json").rpc[0].rpartition(":")[2])
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        command = poft("run", halted.file, "--output", run, folder=tmp_path)
    assert command.code == CONFIG
    assert f"port {port} is in use by" in command.complaint() and f"(pid {os.getpid()})" in command.complaint()
    command.nothing_left()


def test_two_runs_in_one_folder(tmp_path: Path) -> None:
    run, file = tmp_path / "run", experiment(tmp_path)
    first = start("run", file, "--output", run, folder=tmp_path)
    wait_for(lambda: (run / ".lock").exists() and (run / "history.jsonl").exists(), "the lock", first)
    for more in ((), ("--fresh",)):
        second = poft("run", file, "--output", run, *more, folder=tmp_path)
        assert second.code == CONFIG
        assert f"another process runs in {run}. Wait for it, or end it" in second.complaint()
    first.signal(2)
    assert first.wait().code == 130
    first.nothing_left()


def test_folder_of_another_configuration_or_of_something_else(finished: Played, tmp_path: Path) -> None:
    other = experiment(tmp_path, rounds=1)
    command = poft("run", other, "--output", finished.folder, folder=tmp_path)
    assert command.code == CONFIG
    assert f"{finished.folder} holds a run of another configuration. Use --fresh or another" in command.complaint()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_bytes(b"precious")
    command = poft("run", other, "--output", tmp_path / "photos", "--fresh", folder=tmp_path)
    assert command.code == CONFIG
    assert "photos is not the folder of a run" in command.complaint()
    assert (tmp_path / "photos" / "holiday.jpg").read_bytes() == b"precious"


def test_corrupted_artifact_stops_a_resumed_run_by_name(halted: Played, tmp_path: Path) -> None:
    run = halted.copy(tmp_path)
    network = NETWORKS[0] if _final(run, NETWORKS[0]) else NETWORKS[1]
    model = stored_model(run, network)
    flip(model)
    command = poft("run", halted.file, "--output", run, "--json", folder=tmp_path)
    assert command.code == REFUSED
    record = json.loads(command.complaint())
    assert record["code"] == "ChunkMismatch" and model.parent.name in record["error"]
    command.nothing_left()


def _final(run: Path, network: str) -> bool:
    lines = (run / "history.jsonl").read_text().splitlines()
    return any('"round final"' in line and f'"{network}"' in line for line in lines)


# A disk that fills up


@dataclass
class Disk:
    """A small file system in memory; ENOSPC comes from the kernel."""

    place: Path

    @property
    def ballast(self) -> Path:
        return self.place / "ballast"

    def fill(self) -> None:
        """Takes whatever room is left, to the last block."""
        with self.ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A place with room for one run."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(place)]
    mounted = subprocess.run(mount, capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"only root may mount the small file system that fills up here: {mounted.stderr.decode().strip()}")
    yield Disk(place)
    subprocess.run(["umount", "--lazy", place], check=True)


def test_full_disk_loses_nothing(finished: Played, disk: Disk, tmp_path: Path) -> None:
    """Under chains, stores, services and journal alike. What had become final before is not done again."""
    run, file = disk.place / "run", experiment(tmp_path)
    command = start("run", file, "--output", run, folder=tmp_path)
    wait_for(lambda: final_rounds(run) >= 1, "a final round", command)
    disk.fill()
    assert command.wait().code == UNREACHABLE, command.said()
    assert re.search("No space left|no room|disk is full", command.complaint())
    assert not (run / "report.json").exists()
    command.nothing_left()
    disk.ballast.unlink()
    command = poft("run", file, "--output", run, folder=tmp_path)
    assert command.code == 0, command.said()
    assert roots(run) == roots(finished.folder)
    assert_delivered_once(run)
    command.nothing_left()


def test_full_disk_under_the_journal(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "history.jsonl").symlink_to("/dev/full")
    command = poft("run", experiment(tmp_path), "--output", run, folder=tmp_path)
    assert command.code == UNREACHABLE
    assert "history.jsonl: No space left on device. Free space, then start again" in command.complaint()
    command.nothing_left()
