"""Reorganisations of an EVM source, above its finality and below it: what is signed, and what raises the alarm.

anvil takes blocks back on demand. That a branch of real signers is replaced is in `test_clique_network.py`; what a
destination takes back, in `tests/system/test_relay_reorganisations.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chains.evm import EvmChain, EvmDevnet
from chains.evm.rpc import Rpc
from poft.chain import ChainSpec, free_port
from poft.protocol.errors import Code, Reorganised
from poft.protocol.finality import Finality
from relayers.attestor import Attestor
from relayers.config import AttestorSettings, chain_settings
from relayers.journal import Journal, read_page

from .chain_kit import create_task, label, memberships, people, play_round

pytestmark = pytest.mark.devnet


@pytest.fixture
def spec(tmp_path: Path) -> Iterator[ChainSpec]:
    devnet = EvmDevnet()
    yield devnet.start(tmp_path / "devnet", "reorganised", free_port())
    devnet.stop(tmp_path / "devnet")


def export(spec: ChainSpec) -> int:
    """A round that sends a packet in the newest block; its height."""
    chain, members = EvmChain(spec), people(4)
    chain.admit([person.address for person in members])
    chain.set_members(memberships(chain, members))
    task, _ = create_task(chain, "exported", export_every=1)
    chain.set_routes(task, [(label("destination"), label("receiver"))])
    play_round(chain, task, members)
    assert chain.outbox_size() == 1
    return chain.height()


def pass_time(spec: ChainSpec, blocks: int) -> None:
    """Blocks, by a payer who remembers nothing of what was taken back."""
    chain = EvmChain(spec)
    for _ in range(blocks):
        chain.set_routes(label("pass the time"), [])


def attestor(spec: ChainSpec, path: Path, finality: str) -> tuple[Attestor, EvmChain]:
    """Signs every block that this setting calls final."""
    seen = replace(spec, finality=finality, key="")
    settings = AttestorSettings(chain=chain_settings(seen), key_file="key", every=1)
    return Attestor(settings, Journal(path / "journal.sqlite", spec.domain, label("attestor"))), EvmChain(seen)


def signed(path: Path) -> list[Finality]:
    statements: list[Finality] = []
    while page := read_page(path / "journal.sqlite", 0, None, statements[0].height if statements else None):
        statements = [made.statement for made in page] + statements
    return statements


def test_packet_in_a_block_that_lost_is_never_signed(spec: ChainSpec, tmp_path: Path) -> None:
    sent = export(spec)
    watching, chain = attestor(spec, tmp_path, "confirmations 4")
    list(watching.step(chain))
    assert signed(tmp_path)[-1].height == sent - 4
    Rpc(spec.rpc[0]).ask("anvil_reorg", 3, [])
    pass_time(spec, 8)
    list(watching.step(chain))
    said = signed(tmp_path)
    assert said[-1].height == chain.final_height() > sent
    assert all(one.outbox_size == 0 for one in said)
    assert all(one.block_hash == chain.block_hash(one.height) for one in said)


def test_reorganisation_below_finality_is_named_and_nothing_is_signed_beside_it(
    spec: ChainSpec, tmp_path: Path
) -> None:
    sent = export(spec)
    pass_time(spec, 1)
    watching, chain = attestor(spec, tmp_path, "confirmations 1")
    list(watching.step(chain))
    said = signed(tmp_path)
    assert (said[-1].height, said[-1].outbox_size) == (sent, 1)
    Rpc(spec.rpc[0]).ask("anvil_reorg", 4, [])
    pass_time(spec, 5)
    restarted, _ = attestor(spec, tmp_path, "confirmations 1")
    words = f"reorganised was reorganised below its finality: block {sent} was 0x"
    for one in (watching, restarted):
        with pytest.raises(Reorganised, match=words) as found:
            list(one.step(chain))
        assert (found.value.code, found.value.height) == (Code.EvidenceDisagrees, sent)
    assert signed(tmp_path) == said


def test_confirmations_wait_for_what_a_reorganisation_left(spec: ChainSpec, tmp_path: Path) -> None:
    """The head falls back: nothing that was final is asked again, and nothing new is final."""
    export(spec)
    watching, chain = attestor(spec, tmp_path, "confirmations 2")
    list(watching.step(chain))
    said, final = signed(tmp_path), chain.final_height()
    Rpc(spec.rpc[0]).ask("anvil_reorg", 2, [])
    assert chain.final_height() == final
    list(watching.step(chain))
    assert signed(tmp_path) == said
    pass_time(spec, 2)
    list(watching.step(chain))
    assert [one.height for one in signed(tmp_path)] == [one.height for one in said] + [final + 1, final + 2]
