"""A relayer's link to a client of scheme AND1: attestors and validators have to say the same of one block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from poft.chain import ClientStatus
from poft.protocol.errors import Code
from poft.protocol.finality import committee_hash
from poft.protocol.hashing import ZERO32, keccak
from poft.verification.schemes.and1 import AgreementGenesis, AgreementProof, AgreementVerifier, SchemeGenesis
from poft.verification.schemes.cmt1 import CommitteeGenesis
from relayers.link import Step
from tests.ledgers import KEYS, MEMBERS, OTHER_KEYS, OTHER_MEMBERS, Destination, attest
from tests.links import World, drain, linked_world, refused
from tests.validators import ValidatedSource, beefy_genesis

CMT1, BEF1 = b"CMT1", b"BEF1"


def client(*schemes: tuple[bytes, bool]) -> ClientStatus:
    geneses = {CMT1: CommitteeGenesis(1, MEMBERS).encode(), BEF1: beefy_genesis()}
    listed = tuple(SchemeGenesis(name, geneses[name], shadow) for name, shadow in schemes)
    state = AgreementVerifier().initialise(AgreementGenesis(1, listed).encode())
    return ClientStatus(b"AND1", state, 0, False, 600, 3600)


def made(folder: Path, *schemes: tuple[bytes, bool]) -> Iterator[World]:
    with linked_world(folder, ValidatedSource(), Destination(status=client(*schemes))) as world:
        world.schemes = schemes
        yield world


@pytest.fixture(params=[(CMT1, BEF1), (BEF1, CMT1)], ids=["CMT1 first", "BEF1 first"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    yield from made(tmp_path, *((name, False) for name in request.param))


@pytest.fixture
def shadowed(tmp_path: Path) -> Iterator[World]:
    """The validators decide; the committee runs in shadow."""
    yield from made(tmp_path, (BEF1, False), (CMT1, True))


def validated(world: World) -> ValidatedSource:
    assert isinstance(world.source, ValidatedSource)
    return world.source


def test_carries_a_block_of_which_all_say_the_same(world: World) -> None:
    link = world.link()
    world.emit(b"one")
    validated(world).quiet(3)  # committed to, and not attested
    assert drain(link) == [Step.DELIVERED]
    assert world.destination.status.state.height == 1
    world.emit(b"two", b"three")
    assert drain(link) == [Step.DELIVERED]
    assert [payload for _, payload in world.destination.received] == [b"one", b"two", b"three"]


def test_waits_until_all_have_spoken(world: World) -> None:
    link = world.link()
    world.source.emit(b"one")
    assert link.step() is Step.WAITING
    world.board.say(attest(world.source.statement(1)))
    validated(world).silent = {1}
    assert link.step() is Step.WAITING
    validated(world).silent = set()
    assert link.step() is Step.DELIVERED


def test_carries_nothing_of_a_block_about_which_they_disagree(world: World) -> None:
    world.source.emit(b"one")
    world.board.say(attest(replace(world.source.statement(1), block_hash=keccak(b"another"))))
    refused(Code.SchemesDisagree, world.link().step)
    assert world.destination.transactions == []


def test_follows_validators_who_take_over_and_then_a_committee_that_does(world: World) -> None:
    link = world.link()
    world.emit(b"one")
    drain(link)
    validated(world).rotate()
    world.emit(b"two")
    assert drain(link) == [Step.DELIVERED]
    assert world.destination.status.state.epoch == 2
    world.source.emit(b"three")
    following = committee_hash(2, OTHER_MEMBERS)
    world.board.say(attest(world.source.statement(4, 1, following), KEYS, OTHER_MEMBERS))
    assert drain(link) == [Step.DELIVERED]
    assert world.destination.status.state.epoch == 3
    world.source.emit(b"four")
    world.board.say(attest(world.source.statement(5, 2), OTHER_KEYS))
    assert drain(link) == [Step.DELIVERED]
    assert len(world.destination.received) == 4


def test_a_relayer_without_a_memory_finds_out_what_the_client_believes(world: World) -> None:
    world.emit(b"one")
    drain(world.link())
    validated(world).rotate()
    world.emit(b"two")
    drain(world.link())
    world.emit(b"three")
    assert drain(world.link("another queue")) == [Step.DELIVERED]


def test_a_scheme_in_shadow_is_heard_and_stops_nobody(shadowed: World) -> None:
    link = shadowed.link()
    shadowed.emit(b"one")
    assert drain(link) == [Step.DELIVERED]
    proofs = [AgreementProof.decode(proof) for proof, _ in shadowed.destination.transactions if proof is not None]
    assert all(part.proof for part in proofs[0].schemes)
    shadowed.source.emit(b"two")  # nobody attests it
    assert drain(link) == [Step.DELIVERED]
    proofs = [AgreementProof.decode(proof) for proof, _ in shadowed.destination.transactions if proof is not None]
    assert [bool(part.proof) for part in proofs[1].schemes] == [True, False]


def test_two_stories_of_the_validators_freeze_the_client(world: World) -> None:
    world.emit(b"one")
    source = validated(world)
    honest = source.commitment(1)
    fork = replace(honest, block_hash=keccak(b"fork"))
    world.board.say([[], [], [], []])
    source.said[1] = [source.justification(honest), source.justification(fork)]
    refused(Code.Frozen, world.link().step)
    assert world.destination.status.frozen and world.destination.accused == 3


def test_two_stories_of_the_committee_freeze_the_client(world: World) -> None:
    world.source.emit(b"one")
    validated(world).quiet(1)
    validated(world).silent = {1}
    honest = world.source.statement(1)
    lie = replace(honest, outbox_root=keccak(b"another outbox"))
    pages = [[a, b] for a, b in zip(*([page[0] for page in attest(said)] for said in (honest, lie)), strict=True)]
    world.board.say(pages)
    refused(Code.Frozen, world.link().step)
    assert world.destination.status.frozen and world.destination.accused == 3


def test_a_list_that_is_not_the_clients_is_told(tmp_path: Path) -> None:
    with linked_world(tmp_path, ValidatedSource(), Destination(status=client((CMT1, False), (BEF1, False)))) as world:
        world.emit(b"one")
        refused(Code.UnknownScheme, world.link().step)
        world.schemes = ((CMT1, False), (BEF1, True))
        refused(Code.CommitteeMismatch, world.link("other").step)
        assert world.destination.transactions == []


def test_an_authority_of_nobody_is_told(world: World) -> None:
    status = world.destination.status
    world.destination.status = replace(status, state=replace(status.state, authority=ZERO32))
    world.emit(b"one")
    refused(Code.CommitteeMismatch, world.link().step)
