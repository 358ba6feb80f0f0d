"""Life of a network of four validators, of every kind: start, deaths, a lost disk, state that outlives processes."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from chains.network import Network
from poft.network import STATE, network_kind
from poft.protocol.errors import ConfigError

from .chain_kit import until

pytestmark = [pytest.mark.trial, pytest.mark.built, pytest.mark.devnet, pytest.mark.slow]

KINDS = ("evm", "substrate")


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def create(kind: str) -> Callable[[Path, str, int], Network]:
    def create(folder: Path, name: str, validators: int) -> Network:
        network = network_kind(kind).create_network(folder, name, validators)
        assert isinstance(network, Network)
        return network

    return create


@pytest.fixture(scope="module")
def network(create: Callable[[Path, str, int], Network], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    network = create(tmp_path_factory.mktemp("network"), "Four validators", 4)
    said: list[str] = []
    network.start(tell=said.append)
    assert said == [f"validator {at} answers ({at + 1} of 4)" for at in range(4)]
    try:
        until(lambda: min(final(network)) >= 1, "a final block")
        yield network
    finally:
        network.stop()


def final(network: Network) -> list[int]:
    return [one.final for one in network.status() if one.running]


def heights(network: Network) -> list[int]:
    return [one.height for one in network.status() if one.running]


def pids(network: Network) -> list[int]:
    return [one.pid for one in network.status()]


def folder_of(network: Network) -> Path:
    return network.home(0).parent


def test_all_see_each_other_and_finalise(network: Network) -> None:
    for one in network.status():
        assert one.running and one.peers == 3 and one.height >= one.final >= 1
        assert psutil.pid_exists(one.pid) and network.log(one.position).stat().st_size
    assert len({validator.account for validator in network.validators}) == 4


def test_start_of_those_that_run_changes_nothing(network: Network) -> None:
    before = pids(network)
    network.start()
    assert pids(network) == before


def test_one_death_is_survived_and_the_dead_one_catches_up(network: Network) -> None:
    network.kill(3)
    assert [one.running for one in network.status()] == [True, True, True, False]
    before = max(final(network))
    until(lambda: min(final(network)) >= before + 3, "finality with three of four")
    network.start([3])
    caught_up = max(final(network))
    until(lambda: len(final(network)) == 4 and min(final(network)) >= caught_up, "the fourth catches up")


def test_death_that_nobody_ordered_is_seen(network: Network) -> None:
    os.kill(network.status()[2].pid, signal.SIGKILL)
    until(lambda: not network.status()[2].running, "the death")
    assert network.status()[2].height == 0
    network.start([2])
    until(lambda: len(final(network)) == 4, "the third comes back")


def test_network_goes_on_where_it_stood_when_all_were_killed(network: Network, kind: str) -> None:
    before = max(final(network))
    for at in network.positions:
        network.kill(at)
    again = network_kind(kind).open_network(folder_of(network))
    assert not any(one.running for one in again.status())
    again.start()
    until(lambda: min(one.final for one in again.status()) > before, "finality after a restart of all")
    again.stop()
    network.start()
    until(lambda: min(final(network)) > before, "finality after a second restart")


def test_validator_that_lost_its_disk_comes_back_by_its_peers(network: Network) -> None:
    with pytest.raises(ConfigError, match="runs"):
        network.wipe(1)
    network.stop([1])
    network.wipe(1)
    assert not network.database(1).exists()
    height = max(final(network))
    network.start([1])
    until(lambda: network.status()[1].final >= height, "the others' blocks")


def test_validator_whose_database_was_cut_off_is_named_with_the_remedy(network: Network) -> None:
    network.stop([2])
    for file in network.database(2).rglob("*"):
        if file.is_file():
            os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(ConfigError, match=r"validator 2 of 'Four validators' ended .* restart \w+ 2 --wipe"):
        network.start([2])
    assert not network.status()[2].running
    network.wipe(2)
    height = max(final(network))
    network.start([2])
    until(lambda: network.status()[2].final >= height, "the others' blocks")


def test_halves_that_are_cut_off_finalise_again_when_they_join(network: Network) -> None:
    network.part([[0, 1], [2, 3]])
    until(lambda: max(one.peers for one in network.status()) == 1, "two halves")
    stopped = max(final(network))
    network.join()
    until(lambda: min(one.peers for one in network.status()) == 3, "one network")
    until(lambda: min(final(network)) > stopped, "finality after the cut")


# --- alone and refused -----------------------------------------------------------------------------------------------


def test_single_validator_finalises_by_itself(create: Callable[[Path, str, int], Network], tmp_path: Path) -> None:
    network = create(tmp_path, "Alone", 1)
    try:
        network.start()
        until(lambda: min(final(network)) >= 2, "two final blocks")
    finally:
        network.stop()
    assert pids(network) == [0]


def test_create_refused(create: Callable[[Path, str, int], Network], kind: str, tmp_path: Path) -> None:
    for validators in (0, 65):
        with pytest.raises(ConfigError, match=f"a network of {validators} validators"):
            create(tmp_path, "x", validators)
    assert not list(tmp_path.iterdir())
    create(tmp_path, "x", 1)
    with pytest.raises(ConfigError, match="holds a network"):
        create(tmp_path, "x", 1)
    with pytest.raises(ConfigError, match="holds no network"):
        network_kind(kind).open_network(tmp_path / "elsewhere")
    (other,) = set(KINDS) - {kind}
    with pytest.raises(ConfigError, match=f"holds a network of kind '{kind}'"):
        network_kind(other).open_network(tmp_path)
    with pytest.raises(ConfigError, match="never started"):
        network_kind(kind).open_network(tmp_path).spec()


def test_open_refused_damaged_state(create: Callable[[Path, str, int], Network], kind: str, tmp_path: Path) -> None:
    create(tmp_path, "damaged", 1)
    path = tmp_path / STATE
    whole = path.read_text()
    number = json.dumps({**json.loads(whole), "name": 7})
    for damaged in ("", "{", "[]", '{"kind": "evm"}', whole[: len(whole) // 2], number):
        path.write_text(damaged)
        with pytest.raises(ConfigError, match=f"{STATE} is not a network's state. Remove the folder"):
            network_kind(kind).open_network(tmp_path)


def test_create_refused_program_is_missing(
    create: Callable[[Path, str, int], Network], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "nothing"))
    monkeypatch.delenv("POFT_NODE", raising=False)
    with pytest.raises(ConfigError, match={"evm": "make geth", "substrate": "make node"}[kind]):
        create(tmp_path / "network", "x", 1)
    assert not (tmp_path / "network").exists()


def test_start_refused_port_in_use_leaves_nothing_running(
    create: Callable[[Path, str, int], Network], tmp_path: Path
) -> None:
    late = create(tmp_path, "late", 2)
    with socket.socket() as other:
        other.bind(("127.0.0.1", late.validators[1].rpc_port))
        other.listen()
        with pytest.raises(ConfigError, match=f"port {late.validators[1].rpc_port} is in use by"):
            late.start()
    assert pids(late) == [0, 0]
    assert not late.log(0).exists()


def test_start_on_a_full_disk_names_the_validator_and_the_remedy(
    create: Callable[[Path, str, int], Network], kind: str, tmp_path: Path
) -> None:
    """No file may grow beyond a few kilobytes: writing fails for the program as on a full disk."""
    network = create(tmp_path, "full", 1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ({"evm": 1_200, "substrate": 16_000}[kind], before[1]))
    try:
        with pytest.raises(ConfigError, match=r"validator 0 of 'full' ended .* Free space on the disk of"):
            network.start()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert pids(network) == [0]


def test_start_that_is_interrupted_leaves_nothing_running(
    create: Callable[[Path, str, int], Network], kind: str, tmp_path: Path
) -> None:
    network = create(tmp_path, "interrupted", 2)
    begun: list[psutil.Process] = []

    def interrupt(line: str) -> None:
        begun.extend(psutil.Process(one.pid) for one in network.status())
        raise KeyboardInterrupt(line)

    with pytest.raises(KeyboardInterrupt, match="validator 0"):
        network.start(tell=interrupt)
    assert len(begun) == 2 and not any(one.is_running() for one in begun)
    assert pids(network_kind(kind).open_network(tmp_path)) == [0, 0]  # type: ignore[arg-type]
