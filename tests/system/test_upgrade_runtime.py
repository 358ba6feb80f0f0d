"""A Substrate chain gets a new runtime while its links run: chopsticks, and four validators of our own node.

The chain begins with the runtime of spec version 1 as it was once committed (`tests/upgrade/runtime-1.wasm.zst`); it is
upgraded to the present one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from chains.substrate import SubstrateChain
from chains.substrate.devnet import SubstrateDevnet
from chains.substrate.genesis import RUNTIME, runtime_code
from chains.substrate.network import create_network
from chains.substrate.node_spec import NodeSpec, ss58
from chains.substrate.rpc import Json, Rpc
from chains.substrate.runtime import Runtime, number, record, scale
from chains.substrate.upgrade import (
    Candidate,
    Upgraded,
    authorised,
    losses,
    read_candidate,
    require_successor,
    running,
    standing,
    upgrade,
)
from experiments.services import relayer_account
from poft.chain import ChainSpec
from poft.protocol.errors import Code, ConfigError, Refused, Rejected

from .relaying import RELAYERS, Pair, linked_pair, start_all, wait_for

pytestmark = [pytest.mark.trial, pytest.mark.devnet, pytest.mark.slow]

FIRST = Path(__file__).parents[1] / "upgrade" / "runtime-1.wasm.zst"
ACCOUNTS = [relayer_account("substrate", i) for i in range(RELAYERS)]


@contextmanager
def embedded(folder: Path) -> Iterator[ChainSpec]:
    devnet = SubstrateDevnet("chopsticks", FIRST)
    try:
        yield devnet.start(folder, "right", 0, ACCOUNTS)
    finally:
        devnet.stop(folder)


class SpecOfVersion1(NodeSpec):
    """A genesis as version 1 is told it: keys for blocks and votes, no sessions."""

    @property
    def authorities(self) -> dict[str, Json]:
        blocks: list[Json] = [ss58(keys.aura) for keys in self.validators]
        votes: list[Json] = [[ss58(keys.grandpa), 1] for keys in self.validators]
        return {"aura": {"authorities": blocks}, "grandpa": {"authorities": votes}}


@contextmanager
def validators(folder: Path) -> Iterator[ChainSpec]:
    network = create_network(folder, "right", 4, ACCOUNTS, runtime=FIRST, begin=SpecOfVersion1)
    network.start()
    try:
        wait_for(lambda: min(one.final for one in network.status()) >= 2, "final blocks")
        yield network.spec(network.positions)
    finally:
        network.stop()


def upgrade_while_exporting(pair: Pair, spec: ChainSpec, candidate: Candidate) -> Upgraded:
    """Checkpoints leave on both sides before, during and after."""
    stop, failures = threading.Event(), list[BaseException]()

    def exports() -> None:
        try:
            while not stop.is_set():
                pair.left.export()
        except BaseException as error:  # the test shows it, whatever it is
            failures.append(error)

    thread = threading.Thread(target=exports)
    thread.start()
    try:
        return upgrade(spec, candidate)
    finally:
        stop.set()
        thread.join()
        assert not failures, failures


def pids(pair: Pair) -> list[str]:
    return [(pair.left.folder / service.name / "pid").read_text() for service in pair.services]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("network", [embedded, validators])
def test_links_go_on_across_an_upgrade(network: object, tmp_path: Path) -> None:
    candidate = read_candidate(RUNTIME)
    assert callable(network)
    with network(tmp_path / "right") as spec:
        # The services' keys are derived from public labels, which they take for development chains only.
        shown = {"right": replace(spec, development=True)}
        with linked_pair(tmp_path, ("evm", "substrate"), running=shown) as pair:
            start_all(pair.services)
            started = pids(pair)
            pair.left.export(2)
            pair.right.export(1)
            pair.assert_delivered_once(pair.left, pair.right)
            pair.assert_delivered_once(pair.right, pair.left)

            done = upgrade_while_exporting(pair, spec, candidate)
            assert (done.before.version.spec, done.after.version) == (1, candidate.version)
            assert losses(done.before, done.after) == []

            pair.right.export(2)
            pair.left.export(1)
            pair.assert_delivered_once(pair.left, pair.right)
            pair.assert_delivered_once(pair.right, pair.left)
            assert pids(pair) == started
            for service in pair.services:
                service.check()

            chain = SubstrateChain(spec)
            runtime = Runtime(Rpc(spec.rpc[0]))
            # The block that brought the code was executed by the old version, and its state is read as that wrote it.
            for height in range(1, done.height + 2):
                wait_for(lambda height=height: chain.final_height() >= height, "finality")  # type: ignore[misc]
                assert chain.finality_evidence(height).height == height
            known = record(runtime.read("Bridge", "Clients", [scale(pair.left.chain.domain)]))
            assert done.height < number(known["updated_at"]) <= chain.height()
            # Nothing of it is left to be applied again.
            assert authorised(runtime) == b""
            with pytest.raises(Refused) as caught:
                require_successor(candidate.version, running(runtime.rpc))
            assert caught.value.code is Code.WrongVersion
            assert upgrade(spec, candidate).before.version == candidate.version
            runtime.rpc.close()
            chain.close()


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chain_of_version_1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainSpec]:
    folder = tmp_path_factory.mktemp("version 1")
    with embedded(folder) as spec:
        yield spec


def renamed(name: bytes, version: int) -> bytes:
    """The present runtime, under another name or version."""
    code = bytearray(runtime_code(RUNTIME))
    section = b"runtime_version\x10poft\x10poft"
    at = code.index(section) + len(b"runtime_version")
    code[at + 1 : at + 5] = name
    code[at + 14 : at + 18] = version.to_bytes(4, "little")
    return bytes(code)


def written(path: Path, code: bytes) -> Path:
    path.write_bytes(code)
    return path


def test_runtime_of_another_chain_or_an_older_one_is_refused(chain_of_version_1: ChainSpec, tmp_path: Path) -> None:
    for code, name, version in ((Code.WrongDomain, b"toft", 9), (Code.WrongVersion, b"poft", 1)):
        candidate = read_candidate(written(tmp_path / "other.wasm", renamed(name, version)))
        with pytest.raises(Refused) as caught:
            upgrade(chain_of_version_1, candidate)
        assert caught.value.code is code
    rpc = Rpc(chain_of_version_1.rpc[0])
    assert running(rpc).spec == 1
    rpc.close()


def test_damaged_file_is_refused(tmp_path: Path) -> None:
    code = runtime_code(RUNTIME)
    flipped = bytearray(code)
    flipped[len(code) // 2] ^= 0xFF
    for damaged in (bytes(flipped), code[:-100_000], code + bytes(7), code[:8]):
        with pytest.raises(ConfigError, match="compile"):
            read_candidate(written(tmp_path / "runtime.wasm", damaged))
    packed = bytearray(zstandard.ZstdCompressor().compress(code))
    packed[len(packed) // 2] ^= 0xFF
    with pytest.raises(ConfigError):
        read_candidate(written(tmp_path / "runtime.wasm.zst", bytes(packed)))
    with pytest.raises(ConfigError, match="hash"):
        read_candidate(RUNTIME, expected=bytes(32))


def test_only_governance_authorises(chain_of_version_1: ChainSpec) -> None:
    stranger = replace(chain_of_version_1, key=ACCOUNTS[0])
    with pytest.raises(Rejected) as caught:
        upgrade(stranger, read_candidate(RUNTIME))
    assert caught.value.code is Code.Unauthorised


def test_what_an_upgrade_loses_is_named(chain_of_version_1: ChainSpec) -> None:
    chain, runtime = SubstrateChain(chain_of_version_1), Runtime(Rpc(chain_of_version_1.rpc[0]))
    try:
        before = standing(chain, runtime)
        longer = replace(before, outbox_size=before.outbox_size + 1)
        assert losses(before, longer) == []
        assert losses(longer, before) == ["the outbox has 0 of 1 packets"]
    finally:
        runtime.rpc.close()
        chain.close()
