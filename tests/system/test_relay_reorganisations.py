"""A destination takes back blocks in which a relayer delivered: noticed, named, delivered again, taken once.

Everything runs as processes between two anvils; the one of the destination is told to forget its newest blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from chains.evm.rpc import Rpc

from .relaying import Mesh, linked, start_all, wait_for

pytestmark = [pytest.mark.trial, pytest.mark.devnet, pytest.mark.slow]


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    with linked(tmp_path, {"left": "evm", "right": "evm"}, [("left", "right")]) as made:
        yield made


def metric(url: str, name: str) -> float:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def test_deliveries_that_a_destination_took_back_are_made_again_and_once(mesh: Mesh, tmp_path: Path) -> None:
    left, right, relayer = mesh.networks["left"], mesh.networks["right"], mesh.relayers[0]
    start_all([*left.services, relayer])
    left.export(3)
    mesh.assert_delivered_once(left, right)
    outcomes = mesh.outcomes(left, right)
    # The update of the client goes with them.
    first = min(outcome.height for outcome in outcomes)
    Rpc(right.spec.rpc[0]).ask("anvil_reorg", right.chain.height() - first + 1, [])
    wait_for(lambda: metric(relayer.url, "poft_relayer_taken_back_total") == 3, "the relayer notices")
    mesh.assert_delivered_once(left, right)
    assert min(outcome.height for outcome in mesh.outcomes(left, right)) > first
    left.export()
    mesh.assert_delivered_once(left, right)
    # On a development chain the newest block is final: what it took back was released.
    log = (tmp_path / relayer.name / "log").read_text()
    assert "reorganisation below finality: packets that were final are delivered again" in log
    assert httpx.get(f"{relayer.url}/health").json()["trouble"] == {}
