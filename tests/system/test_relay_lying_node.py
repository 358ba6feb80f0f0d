"""An attestor in front of nodes that do not tell one story.

Two devnets of one name have one genesis, hence one domain, and different blocks: a chain and its fork.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from experiments.services import Service, prepare_attestors
from poft.chain import Chain, ChainSpec, connect, devnet
from poft.protocol.hashing import keccak
from tests.chains.chain_kit import create_task, memberships, people, play_round

from .relaying import answers, page, wait_for

pytestmark = [pytest.mark.devnet, pytest.mark.slow]


@pytest.fixture
def twins(tmp_path: Path) -> Iterator[tuple[ChainSpec, ChainSpec]]:
    folders = [tmp_path / "chain", tmp_path / "fork"]
    specs = []
    try:
        for folder in folders:
            specs.append(devnet("evm").start(folder, "twin", 0))
            time.sleep(1.1)  # another second, so another block hash
        first, second = specs
        assert first.domain == second.domain
        yield first, second
    finally:
        for folder in folders[: len(specs)]:
            devnet("evm").stop(folder)


def exporting(spec: ChainSpec, tag: str) -> tuple[Chain, bytes]:
    """A federation whose rounds export to a chain that nobody serves."""
    chain = connect(spec)
    members = people(4)
    chain.admit([person.address for person in members])
    chain.set_members(memberships(chain, members))
    task, _ = create_task(chain, tag, export_every=1)
    chain.set_routes(task, [(keccak(b"nobody"), keccak(b"nowhere"))])
    return chain, task


@contextmanager
def attestor(folder: Path, spec: ChainSpec, *others: ChainSpec) -> Iterator[Service]:
    """An attestor that asks these nodes; its journal stays when it is made again."""
    endpoints = tuple(one.rpc[0] for one in (spec, *others))
    _, (service,) = prepare_attestors(folder, 3, "twin", replace(spec, rpc=endpoints), 1)
    service.start()
    try:
        wait_for(lambda: answers(service), "the attestor")
        yield service
    finally:
        service.stop()


def health(service: Service) -> tuple[int, str]:
    answer = httpx.get(f"{service.url}/health")
    return answer.status_code, answer.json()["detail"]


def test_attestor_abstains_while_its_nodes_disagree_and_signs_with_one_story(
    twins: tuple[ChainSpec, ChainSpec], tmp_path: Path
) -> None:
    for spec, tag in zip(twins, ("task", "another task"), strict=True):
        chain, task = exporting(spec, tag)
        play_round(chain, task, people(4))
        chain.close()
    with attestor(tmp_path, *twins) as service:
        wait_for(lambda: "EvidenceDisagrees" in health(service)[1], "an abstention")
        assert health(service)[0] == 503
        assert page(service) == []
        assert 'poft_attestor_abstentions_total{code="EvidenceDisagrees"}' in httpx.get(f"{service.url}/metrics").text
    with attestor(tmp_path, twins[0]) as service:
        wait_for(lambda: bool(page(service)), "a statement")


def test_attestor_whose_node_was_exchanged_for_a_fork_signs_nothing_more(
    twins: tuple[ChainSpec, ChainSpec], tmp_path: Path
) -> None:
    chain, task = exporting(twins[0], "task")
    play_round(chain, task, people(4))
    with attestor(tmp_path, twins[0]) as service:
        wait_for(lambda: bool(page(service)), "a statement")
    fork, other_task = exporting(twins[1], "another task")
    for _ in range(6):
        play_round(fork, other_task, people(4))
    with attestor(tmp_path, twins[1]) as service:
        wait_for(lambda: "reorganised below its finality" in health(service)[1], "an abstention")
        time.sleep(1)
        signed = page(service)
    for statement in signed:
        block = chain.finality_evidence(int(statement["height"]))
        assert statement["blockHash"] == "0x" + block.block_hash.hex()
    for one in (chain, fork):
        one.close()
