"""Four Clique signers of real geth, one block a second: finality of real headers, deaths, branches, foreign networks.

Where geth was not built these tests fail, and say `make geth`. One network for all of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import rlp  # type: ignore[import-untyped]
from coincurve import PrivateKey

from chains.evm import EvmChain, sending
from chains.evm.clique import sealed
from chains.evm.evidence import header_fields
from chains.evm.network import EvmNetwork, create_network
from chains.evm.rpc import NodeError, Object, Rpc, quantity, read_bytes
from poft.protocol.errors import Code, ConfigError, Refused, Unreachable
from poft.protocol.hashing import keccak
from relayers.attestor import Attestor
from relayers.config import AttestorSettings, chain_settings
from relayers.finality import FinalityWatch, News
from relayers.journal import Journal, read_page

from .chain_kit import label, refuses, until

pytestmark = [pytest.mark.trial, pytest.mark.built, pytest.mark.devnet, pytest.mark.slow]

NAME = "Consortium"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EvmNetwork]:
    network = create_network(tmp_path_factory.mktemp("consortium"), NAME, 4)
    network.start()
    try:
        network.spec()  # the contracts
        yield network
    finally:
        network.stop()


@pytest.fixture
def chain(network: EvmNetwork) -> Iterator[EvmChain]:
    chain = EvmChain(network.spec())
    yield chain
    chain.close()


def rpc_of(network: EvmNetwork, position: int = 0) -> Rpc:
    return Rpc(network.validators[position].rpc)


def header(rpc: Rpc, height: int) -> Object:
    found = rpc.record("eth_getBlockByNumber", hex(height), False)
    assert found is not None
    return found


def hashes(rpc: Rpc, first: int, last: int) -> list[str]:
    return [str(header(rpc, height)["hash"]) for height in range(first, last + 1)]


def final(network: EvmNetwork) -> list[int]:
    return [one.final for one in network.status() if one.running]


def heights(network: EvmNetwork) -> list[int]:
    return [one.height for one in network.status() if one.running]


# --- finality of real headers ----------------------------------------------------------------------------------------


def test_sealers_are_those_that_geth_names(network: EvmNetwork) -> None:
    rpc = rpc_of(network)
    until(lambda: min(heights(network)) >= 8, "eight blocks")
    for height in range(1, 9):
        block = header(rpc, height)
        assert sealed(block).sealer == read_bytes(rpc.text("clique_getSigner", block["hash"]))
    rpc.close()


def test_evidence_of_all_four_is_one_and_follows_the_head(network: EvmNetwork) -> None:
    chain = EvmChain(network.spec(network.positions))
    receipt = chain.set_routes(label("something happens"), [])
    with refuses(Code.NotFinal):
        chain.finality_evidence(receipt.height)
    until(lambda: min(final(network)) >= receipt.height, "finality of the transaction")
    evidence = chain.finality_evidence(receipt.height)
    assert (evidence.height, evidence.outbox_size) == (receipt.height, 0)
    assert abs(evidence.timestamp - time.time()) < 60
    chain.close()


# --- branches --------------------------------------------------------------------------------------------------------


def attestor(network: EvmNetwork, position: int, path: Path) -> tuple[Attestor, EvmChain]:
    """Signs every final block that this signer shows."""
    spec = replace(network.spec((position,)), key="")
    settings = AttestorSettings(chain=chain_settings(spec), key_file="key", every=1)
    return Attestor(settings, Journal(path, spec.domain, label("attestor", position))), EvmChain(spec)


def halves(network: EvmNetwork) -> list[list[int]]:
    """Two halves that can both go on: turns go round by address, and whoever had one of the last two must wait. So the
    two who may be next are neighbours in that order, and do not fall into one half.
    """
    turns = sorted(network.positions, key=lambda position: network.validators[position].account)
    return [turns[0::2], turns[1::2]]


def forked(network: EvmNetwork) -> int:
    """Cuts the network in two until both halves have another block at one height, and returns it."""
    left, right = (rpc_of(network, half[0]) for half in halves(network))
    with closing(left), closing(right):
        for _ in range(5):
            network.part(halves(network))
            time.sleep(4)  # each signer may seal once, and then must wait for others
            common = min(heights(network))
            if hashes(left, common, common) != hashes(right, common, common):
                return common
            network.join()
            seen = max(heights(network))
            until(lambda seen=seen: min(heights(network)) > seen, "blocks of all four")  # type: ignore[misc]
    raise AssertionError("no two branches in five cuts")


def test_block_that_two_signers_held_is_replaced_and_nothing_was_released_for_it(
    network: EvmNetwork, chain: EvmChain, tmp_path: Path
) -> None:
    positions = [half[0] for half in halves(network)]
    watching = [attestor(network, position, tmp_path / f"{position}.sqlite") for position in positions]

    def look() -> bool:
        for one, its_chain in watching:
            list(one.step(its_chain))
        return True

    until(lambda: look() and all(one.seen > 0 for one, _ in watching), "first statements")
    fork = forked(network)
    left, right = (rpc_of(network, position) for position in positions)
    branches = {hashes(left, fork, fork)[0], hashes(right, fork, fork)[0]}
    look()
    assert max(final(network)) < fork, "half of the signers finalised a block"
    with ThreadPoolExecutor() as pool:
        sent = pool.submit(chain.set_routes, label("in one half"), [(label("destination"), label("receiver"))])
        time.sleep(1)
        network.join()
        until(lambda: look() and min(final(network)) > fork + 3, "finality when the halves meet again")
        receipt = sent.result(timeout=60)
    (kept,) = {hashes(rpc, fork, fork)[0] for rpc in (left, right)}
    assert kept in branches
    until(lambda: look() and min(final(network)) > receipt.height + 3, "finality of the transaction")

    # Whatever was signed, by whom and when, is on the one branch that all have now.
    for (one, its_chain), position in zip(watching, positions, strict=True):
        said = read_page(tmp_path / f"{position}.sqlite", 0, None, None)
        assert [made.statement.height for made in said][-1] == one.seen > fork
        for made in said:
            for rpc in (left, right):
                assert read_bytes(header(rpc, made.statement.height)["hash"]) == made.statement.block_hash
        its_chain.close()
    for rpc in (left, right):
        record = rpc.record("eth_getTransactionReceipt", receipt.transaction)
        assert record is not None and quantity(record["status"]) == 1
        rpc.close()


# --- deaths ----------------------------------------------------------------------------------------------------------


def test_one_death_is_survived_two_halt_the_chain_and_it_goes_on_when_one_is_back(
    network: EvmNetwork, chain: EvmChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    network.kill(3)
    before = max(final(network))
    until(lambda: min(final(network)) >= before + 3, "finality with three of four")

    network.kill(2)
    time.sleep(3)  # each of the two may seal once more
    stopped, height = max(final(network)), max(heights(network))
    watch = FinalityWatch(patience=3.0)
    assert watch.look(stopped, time.monotonic()) is News.NONE
    monkeypatch.setattr(sending, "GIVE_UP_SECONDS", 4.0)
    with pytest.raises(Unreachable, match=r"no block took 0x\w+ in 4 s"):
        chain.set_routes(label("nobody seals this"), [])
    assert (max(final(network)), max(heights(network))) == (stopped, height)
    assert watch.look(max(final(network)), time.monotonic()) is News.STOPPED
    said = watch.sentence(NAME, height, time.monotonic())
    assert said.startswith(f"finality of {NAME} stands at block {stopped} for")
    with refuses(Code.NotFinal):
        chain.finality_evidence(height)

    network.start([2])
    until(lambda: min(final(network)) > height, "finality when the third is back")
    assert watch.look(max(final(network)), time.monotonic()) is News.RESUMED
    network.start([3])
    caught_up = max(final(network))
    until(lambda: len(final(network)) == 4 and min(final(network)) >= caught_up, "the fourth catches up")
    first, last = rpc_of(network, 0), rpc_of(network, 3)
    assert hashes(first, height - 3, caught_up) == hashes(last, height - 3, caught_up)
    first.close()
    last.close()


# --- clocks ----------------------------------------------------------------------------------------------------------


def child(rpc: Rpc, keys: dict[bytes, bytes], seconds: int) -> tuple[bytes, bytes]:
    """(hash, RLP) of an empty block on the newest one, sealed by a signer whose turn it may be, so much later."""
    newest = header(rpc, rpc.number("eth_blockNumber"))
    parent = [sealed(newest), sealed(header(rpc, quantity(newest["number"]) - 1))]
    number, signers = parent[0].height + 1, sorted(keys)
    sealer = next(one for one in signers if one not in {block.sealer for block in parent})
    limit, used, fee = (quantity(newest[name]) for name in ("gasLimit", "gasUsed", "baseFeePerGas"))
    target = limit // 2
    change = fee * abs(used - target) // target // 8
    fields = header_fields(newest)
    empty_uncles, empty_trie = keccak(rlp.encode([])), keccak(rlp.encode(b""))
    fields[0], fields[1], fields[2] = parent[0].block_hash, empty_uncles, bytes(20)
    fields[4], fields[5], fields[6] = empty_trie, empty_trie, bytes(256)
    fields[7] = bytes([2 if number % len(signers) == signers.index(sealer) else 1])
    for at, value in ((8, number), (10, 0), (11, quantity(newest["timestamp"]) + seconds)):
        fields[at] = value.to_bytes((value.bit_length() + 7) // 8, "big")
    fee = fee + max(change, 1) if used > target else fee - change
    fields[15] = fee.to_bytes((fee.bit_length() + 7) // 8, "big")
    fields[12] = bytes(32)
    seal = PrivateKey(keys[sealer]).sign_recoverable(keccak(rlp.encode(fields)), hasher=None)
    fields[12] += seal
    return keccak(rlp.encode(fields)), rlp.encode([fields, [], []])


def offered(rpc: Rpc, keys: dict[bytes, bytes], seconds: int, file: Path) -> bool:
    """Whether geth keeps a block that is so many seconds younger than its parent."""
    block_hash, encoded = child(rpc, keys, seconds)
    file.write_bytes(encoded)
    try:
        rpc.ask("admin_importChain", str(file))
    except NodeError as error:
        assert "future block" in str(error)
        return False
    return rpc.record("eth_getBlockByHash", "0x" + block_hash.hex(), False) is not None


def test_signer_whose_clock_is_ahead_convinces_nobody(network: EvmNetwork, tmp_path: Path) -> None:
    """Its blocks are made here, with its key; geth takes them from a file as it takes them from a peer."""
    keys = {
        read_bytes(one.account): keccak(f"poft/network/evm/{NAME}/{at}".encode())
        for at, one in enumerate(network.validators)
    }
    with closing(rpc_of(network)) as rpc:
        # Unless the others were faster, a block in time is a block like any other.
        until(lambda: offered(rpc, keys, 1, tmp_path / "in-time.rlp"), "a block that is in time is kept")
        assert not any(offered(rpc, keys, 600, tmp_path / f"{attempt}.rlp") for attempt in range(5))
    before = max(final(network))
    until(lambda: min(final(network)) > before + 2, "finality goes on")


# --- other networks --------------------------------------------------------------------------------------------------


def test_node_of_another_network_is_refused_wherever_its_url_stands(network: EvmNetwork, tmp_path: Path) -> None:
    """A network of the same name, and so of the same chain id: only its genesis differs."""
    other = create_network(tmp_path, NAME, 1)
    other.start()
    try:
        spec = network.spec()
        assert rpc_of(network).number("eth_chainId") == rpc_of(other).number("eth_chainId")
        foreign = other.validators[0].rpc
        with refuses(Code.WrongDomain):
            EvmChain(replace(spec, rpc=(foreign,)))
        chain = EvmChain(replace(spec, rpc=(*spec.rpc, foreign)))
        with pytest.raises(Refused, match=foreign) as refused:
            chain.finality_evidence(chain.final_height())
        assert refused.value.code is Code.WrongDomain
        chain.close()
    finally:
        other.stop()


def test_signers_of_another_network_finalise_nothing(network: EvmNetwork) -> None:
    spec = network.spec()
    strangers = " ".join("0x" + label("stranger", at)[:20].hex() for at in range(4))
    chain = EvmChain(replace(spec, deployment={**spec.deployment, "cliqueSigners": strangers}))
    with refuses(Code.NotSigner):
        chain.final_height()
    chain.close()


def test_tag_that_clique_lacks_is_a_wrong_setting(network: EvmNetwork) -> None:
    chain = EvmChain(replace(network.spec(), finality="finalized"))
    with pytest.raises(ConfigError, match=r"knows no finalized block.*confirmations N"):
        chain.final_height()
    chain.close()
