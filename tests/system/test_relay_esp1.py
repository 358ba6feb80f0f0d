"""Clients of scheme ESP1 between real devnets: attestors finalise headers, relayers bring the state below them.

The attacker has the keys of every attestor. Under CMT1 that is enough to announce a checkpoint that the source never
sent; a client of ESP1 reads the outbox in the state that the header names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from poft.chain import StateSource
from poft.protocol.errors import Code, Rejected
from poft.protocol.finality import Finality, committee_hash, sign_finality
from poft.protocol.hashing import ZERO32, keccak
from poft.protocol.merkle import consistency_proof, log_root
from poft.verification.api import Limits
from poft.verification.schemes.cmt1 import CommitteeProof, CommitteeVerifier
from poft.verification.schemes.esp1 import OutboxProof

from .relaying import Network, Pair, linked_pair, start_all, wait_for

pytestmark = [pytest.mark.devnet, pytest.mark.slow]


@pytest.fixture(scope="module", params=["evm", "substrate"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """An anvil on the left; what it sends is believed by its state."""
    with linked_pair(tmp_path_factory.mktemp("esp1"), ("evm", request.param), b"ESP1") as made:
        start_all(made.services)
        yield made


def test_checkpoints_travel_with_the_state_that_has_them(pair: Pair) -> None:
    left, right = pair.left, pair.right
    assert right.chain.client(left.chain.domain).scheme == b"ESP1"
    left.export(3)
    right.export(1)
    pair.assert_delivered_once(left, right)
    pair.assert_delivered_once(right, left)
    left.export(1)
    pair.assert_delivered_once(left, right)


def test_every_attestors_key_does_not_make_an_outbox(pair: Pair) -> None:
    left, right = pair.left, pair.right
    wait_for(lambda: right.chain.next_nonce(left.chain.domain) == len(left.exported), "an idle link")
    before = right.chain.client(left.chain.domain)
    # A block that changed nothing: an honest statement about it would be taken.
    left.chain.set_routes(keccak(b"a task of nobody"), [])
    left.chain.set_routes(left.task, [(right.chain.domain, right.chain.endpoint)])
    height = left.chain.final_height()
    forged = _forged(left, height, before.state.outbox_size)
    # A client of CMT1 would take it.
    brought = OutboxProof.decode(forged)
    trusting = replace(before.state, authority=brought.inner_authority)
    limits = Limits(2**40, 0)
    believed, _ = CommitteeVerifier().verify(left.chain.domain, trusting, brought.inner, limits)
    assert believed.outbox_size == before.state.outbox_size + 1
    with pytest.raises(Rejected) as refused:
        right.chain.update_client(left.chain.domain, forged)
    assert refused.value.code is Code.CommitmentMismatch
    assert right.chain.client(left.chain.domain) == before
    # The link lives on.
    left.export(1)
    pair.assert_delivered_once(left, right)
    assert all(httpx.get(f"{relayer.url}/health").json()["status"] == "ok" for relayer in pair.relayers)


def _forged(source: Network, height: int, known: int) -> bytes:
    """One packet more than the source sent, under its real header, signed by all of its attestors."""
    assert isinstance(source.chain, StateSource)
    found = source.chain.finality_evidence(height)
    leaves = [entry.packet.id for entry in source.chain.outbox_entries(0, known)] + [keccak(b"a forged packet")]
    said = Finality(
        1, height, found.block_hash, found.state_root, len(leaves), log_root(leaves), found.timestamp, ZERO32
    )
    attestors = sorted(source.attestors, key=lambda attestor: attestor.address)
    members = tuple(attestor.address for attestor in attestors)
    inner = CommitteeProof(
        said,
        members,
        (1 << len(members)) - 1,
        tuple(sign_finality(attestor.key, source.chain.domain, said) for attestor in attestors),
        (),
        tuple(consistency_proof(leaves, known)),
    )
    state = source.chain.state_proof(height)
    proof = OutboxProof(source.chain.outbox_address, committee_hash(1, members), inner.encode(), state)
    return proof.encode()
