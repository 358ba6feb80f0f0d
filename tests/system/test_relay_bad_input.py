"""What an operator can get wrong: each ends at once with one line, an exit code, and no process left behind."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from poft.chain import ChainSpec, devnet
from poft.protocol.hashing import keccak
from relayers.config import (
    AttestorSettings,
    Committee,
    LinkSettings,
    RelayerSettings,
    SourceSettings,
    chain_settings,
    to_toml,
)
from relayers.keys import write_devnet_key
from tests.ledgers import KEYS, MEMBERS

pytestmark = pytest.mark.devnet

REFUSED, CONFIG, UNREACHABLE = 1, 2, 3


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainSpec]:
    folder = tmp_path_factory.mktemp("devnet")
    yield devnet("evm").start(folder, "lonely", 0)
    devnet("evm").stop(folder)


def poft(command: str, config: Path) -> tuple[int, str]:
    """Exit code and last line of a service that must not stay up."""
    done = subprocess.run(
        [sys.executable, "-m", "poft.cli.main", command, "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert not [p for p in psutil.process_iter() if str(config) in " ".join(_cmdline(p))]
    return done.returncode, done.stderr.strip().splitlines()[-1]


def _cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def attestor(folder: Path, spec: ChainSpec, **changes: object) -> Path:
    write_devnet_key(folder / "key", "0x" + KEYS[0].hex())
    chain = chain_settings(replace(spec, key=""))
    settings = AttestorSettings(chain=chain, key_file="key", listen="127.0.0.1:0", timeout_seconds=1)
    path = folder / "attest.toml"
    path.write_text(to_toml(settings.model_copy(update=changes)))
    return path


def relayer(folder: Path, spec: ChainSpec, other: ChainSpec) -> Path:
    committee = Committee(epoch=1, members=tuple("0x" + member.hex() for member in MEMBERS))
    settings = RelayerSettings(
        chains=(chain_settings(spec), chain_settings(other)),
        sources=(SourceSettings(chain=spec.name, attestors=("http://127.0.0.1:9",), committees=(committee,)),),
        links=(LinkSettings(source=spec.name, destination=other.name),),
        listen="127.0.0.1:0",
        timeout_seconds=1,
    )
    path = folder / "relay.toml"
    path.write_text(to_toml(settings))
    return path


def elsewhere(spec: ChainSpec) -> ChainSpec:
    return replace(spec, name="elsewhere", domain=keccak(b"elsewhere"))


def test_other_chain_behind_the_url_is_wrong_domain(spec: ChainSpec, tmp_path: Path) -> None:
    code, line = poft("attest", attestor(tmp_path, elsewhere(spec)))
    assert code == REFUSED and "WrongDomain" in line
    code, line = poft("relay", relayer(tmp_path, spec, elsewhere(spec)))
    assert code == REFUSED and "WrongDomain" in line


def test_url_where_nobody_answers_is_unreachable(spec: ChainSpec, tmp_path: Path) -> None:
    nobody = replace(spec, rpc=("http://127.0.0.1:9",))
    code, line = poft("attest", attestor(tmp_path, nobody))
    assert code == UNREACHABLE and "127.0.0.1:9" in line
    code, line = poft("relay", relayer(tmp_path, spec, replace(elsewhere(nobody))))
    assert code == UNREACHABLE and "127.0.0.1:9" in line


def test_port_in_use_is_a_config_error(spec: ChainSpec, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, line = poft("attest", attestor(tmp_path, spec, listen=f"127.0.0.1:{port}"))
    assert code == CONFIG and re.search(rf"127\.0\.0\.1:{port} is in use\. Set listen", line)


def test_key_that_others_can_read_is_a_config_error(spec: ChainSpec, tmp_path: Path) -> None:
    config = attestor(tmp_path, spec)
    (tmp_path / "key").chmod(0o644)
    code, line = poft("attest", config)
    assert code == CONFIG and "chmod 600" in line


def test_devnet_key_for_a_real_chain_is_a_config_error(spec: ChainSpec, tmp_path: Path) -> None:
    code, line = poft("attest", attestor(tmp_path, replace(spec, development=False)))
    assert code == CONFIG and "devnet key" in line


def test_unknown_kind_and_unknown_key_are_config_errors(spec: ChainSpec, tmp_path: Path) -> None:
    code, line = poft("attest", attestor(tmp_path, replace(spec, kind="evmm")))
    assert code == CONFIG and "Installed kinds" in line
    config = attestor(tmp_path, spec)
    config.write_text("polseconds = 1\n" + config.read_text())
    code, line = poft("attest", config)
    assert code == CONFIG and "Did you mean 'poll_seconds'?" in line


def test_journal_of_another_attestor_is_a_config_error(spec: ChainSpec, tmp_path: Path) -> None:
    config = attestor(tmp_path, elsewhere(spec))
    poft("attest", config)
    attestor(tmp_path, spec)
    code, line = poft("attest", config)
    assert code == CONFIG and "a journal of its own" in line


def test_state_in_a_folder_that_cannot_be_written_says_so(spec: ChainSpec, tmp_path: Path) -> None:
    code, line = poft("attest", attestor(tmp_path, spec, state="no/such/folder/journal"))
    assert code == UNREACHABLE and "unable to open" in line
