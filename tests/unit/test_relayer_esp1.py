"""A relayer's link to a client of scheme ESP1: the certified statement travels with the source's own state.

The source here keeps its outbox's commitment in a trie, as an EVM chain does (`tests/vectors/tries.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from poft.chain import ClientStatus
from poft.protocol.errors import Code
from poft.protocol.finality import committee_hash
from poft.protocol.hashing import keccak
from poft.protocol.merkle import log_root
from poft.verification.api import Finalised
from poft.verification.schemes.cmt1 import CommitteeGenesis, CommitteeProof
from poft.verification.schemes.esp1 import OutboxGenesis, OutboxProof, StateProofVerifier, outbox_authority
from poft.verification.state_proof import COMMITMENT_SLOT, StateProof, outbox_commitment
from relayers.link import Step
from tests.ledgers import KEYS, MEMBERS, OTHER_KEYS, OTHER_MEMBERS, Destination, Source, attest
from tests.links import World, drain, linked_world, refused
from tests.vectors.tries import World as State
from tests.vectors.tries import world as state_of

OUTBOX = keccak(b"account of the outbox")[:20]


@dataclass
class StatefulSource(Source):
    """A source whose blocks have a state."""

    outbox_address: bytes = OUTBOX
    asked: int = 0

    def finality_evidence(self, height: int) -> Finalised:
        found = super().finality_evidence(height)
        return replace(found, state_root=self._state(height).accounts.root)

    def state_proof(self, height: int) -> StateProof:
        self.asked += 1
        return self._state(height).proof

    def _state(self, height: int) -> State:
        ids = [entry.packet.id for entry in self.entries if entry.height <= height]
        held = outbox_commitment(len(ids), log_root(ids))
        return state_of(height, 3, 3, held, account=OUTBOX, slot=COMMITMENT_SLOT)


def client() -> ClientStatus:
    genesis = OutboxGenesis(OUTBOX, CommitteeGenesis(1, MEMBERS).encode()).encode()
    return ClientStatus(b"ESP1", StateProofVerifier().initialise(genesis), 0, False, 600, 3600)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with linked_world(tmp_path, StatefulSource(), Destination(status=client())) as made:
        yield made


def test_delivers_with_the_state_of_the_statements_height(world: World) -> None:
    link = world.link()
    world.emit(b"one")
    assert drain(link) == [Step.DELIVERED]
    world.emit(b"two", b"three")
    world.source.quiet(5)
    assert drain(link) == [Step.DELIVERED]
    assert [payload for _, payload in world.destination.received] == [b"one", b"two", b"three"]
    assert world.destination.status.state.authority == outbox_authority(committee_hash(1, MEMBERS), OUTBOX)


def test_asks_for_no_state_when_no_update_is_needed(world: World) -> None:
    world.emit(*(bytes([n]) for n in range(7)))
    assert drain(world.link(max_batch=3)) == [Step.DELIVERED] * 3
    assert isinstance(world.source, StatefulSource) and world.source.asked == 1


def test_follows_a_hand_over(world: World) -> None:
    link = world.link(watch=0.0)
    world.emit(b"one")
    drain(link)
    world.source.emit(b"two")
    following = committee_hash(2, OTHER_MEMBERS)
    world.board.say(attest(world.source.statement(2, 1, following), KEYS, OTHER_MEMBERS))
    assert Step.DELIVERED in [link.step() for _ in range(2)]
    assert world.destination.status.state.authority == outbox_authority(following, OUTBOX)
    world.source.emit(b"three")
    world.board.say(attest(world.source.statement(3, 2), OTHER_KEYS))
    assert link.step() is Step.DELIVERED
    assert len(world.destination.received) == 3


def test_pays_nothing_for_a_statement_that_the_state_disproves(world: World) -> None:
    """All attestors sign an honest outbox under the state of another block."""
    world.source.emit(b"one")
    world.source.emit(b"two")
    before = world.source.finality_evidence(1)
    world.board.say(attest(replace(world.source.statement(2), state_root=before.state_root)))
    refused(Code.BadStateProof, world.link().step)
    assert world.destination.transactions == []


def test_a_committee_that_contradicts_itself_freezes_the_client_without_states(world: World) -> None:
    world.source.emit(b"one")
    honest = world.source.statement(1)
    lie = replace(honest, outbox_root=keccak(b"another outbox"))
    pages = [[a, b] for a, b in zip(*([page[0] for page in attest(said)] for said in (honest, lie)), strict=True)]
    world.board.say(pages)
    refused(Code.Frozen, world.link().step)
    assert world.destination.status.frozen and world.destination.accused == 3


def test_refuses_a_source_that_gives_no_state_proofs(tmp_path: Path) -> None:
    with linked_world(tmp_path, Source(), Destination(status=client())) as world:
        world.emit(b"one")
        refused(Code.UnknownScheme, world.link().step)


def test_refuses_a_scheme_that_it_does_not_know(tmp_path: Path) -> None:
    strange = replace(client(), scheme=b"XXX1")
    with linked_world(tmp_path, StatefulSource(), Destination(status=strange)) as world:
        world.emit(b"one")
        refused(Code.UnknownScheme, world.link().step)


def test_the_proof_that_travels_is_a_certified_one_and_two_walks(world: World) -> None:
    world.emit(b"one")
    drain(world.link())
    ((proof, _),) = world.destination.transactions
    assert proof is not None
    carried = OutboxProof.decode(proof)
    assert CommitteeProof.decode(carried.inner).statement == world.source.statement(1)
    assert carried.state.account and carried.state.storage and carried.outbox == OUTBOX
