"""A relayer's link to a client of scheme BEF1: the validators' own commitments, read from the source's node.

No attestor says anything here. The node is hostile in every way that a node can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from poft.protocol.errors import Code
from poft.protocol.hashing import keccak
from poft.protocol.signatures import key_address
from poft.verification.beefy import Commitment
from poft.verification.schemes.bef1 import BeefyProof
from relayers.link import Step
from relayers.sessions import Session, Sessions
from tests.ledgers import DESTINATION, Destination, Source
from tests.links import World, drain, linked_world, refused
from tests.validators import ValidatedSource, beefy_client, committee, validator_keys


@pytest.fixture
def source() -> ValidatedSource:
    return ValidatedSource()


@pytest.fixture
def world(tmp_path: Path, source: ValidatedSource) -> Iterator[World]:
    with linked_world(tmp_path, source, Destination(status=beefy_client())) as made:
        yield made


def test_delivers_by_the_validators_votes_without_any_attestor(world: World, source: ValidatedSource) -> None:
    link = world.link()
    assert link.step() is Step.IDLE
    source.emit(b"one")
    source.emit(b"two")
    assert drain(link) == [Step.DELIVERED]
    source.emit(b"three")
    assert drain(link) == [Step.DELIVERED]
    assert [payload for _, payload in world.destination.received] == [b"one", b"two", b"three"]
    assert world.faults == []
    ((proof, _), _) = world.destination.transactions
    assert proof is not None
    carried = BeefyProof.decode(proof)
    assert carried.said == source.commitment(2)
    assert carried.members == tuple(sorted(map(key_address, validator_keys(0))))
    assert len(carried.signatures) == 3


def test_waits_for_a_commitment_that_has_the_packets(world: World, source: ValidatedSource) -> None:
    link = world.link()
    source.emit(b"one")
    source.silent = {1}
    assert link.step() is Step.WAITING
    source.silent = set()
    assert link.step() is Step.DELIVERED
    source.emit(b"two")
    source.silent = {2}
    assert link.step() is Step.WAITING
    assert world.destination.accused == 0


def test_follows_a_set_that_takes_over(world: World, source: ValidatedSource) -> None:
    link = world.link()
    source.emit(b"one")
    drain(link)
    source.rotate()
    source.emit(b"two")
    assert drain(link) == [Step.DELIVERED]  # the new set's commitment has the packet
    assert world.destination.status.state.epoch == 2
    source.emit(b"three")
    assert drain(link) == [Step.DELIVERED]
    assert len(world.destination.received) == 3


@pytest.mark.parametrize("blocks", [0, 1, 5, 40])
def test_leads_a_client_on_that_is_many_sets_behind(world: World, source: ValidatedSource, blocks: int) -> None:
    link = world.link()
    source.emit(b"one")
    drain(link)
    for _ in range(6):
        source.quiet(blocks)
        source.rotate()
    source.emit(b"two")
    assert drain(link) == [Step.DELIVERED] * 6
    assert world.destination.status.state.epoch == 7
    assert [payload for _, payload in world.destination.received] == [b"one", b"two"]


def test_an_idle_link_carries_each_take_over_at_once(world: World, source: ValidatedSource) -> None:
    """A destination must not go on trusting validators who have left because nobody exports anything."""
    source.emit(b"one")
    drain(world.link())
    for _ in range(3):
        source.quiet(4)
        source.rotate()
    assert drain(world.link()) == [Step.DELIVERED] * 3
    assert world.destination.status.state.epoch == 4
    assert [count for _, count in world.destination.transactions] == [1, 0, 0, 0]


def test_a_quiet_source_costs_nothing_until_the_client_ages(world: World, source: ValidatedSource) -> None:
    source.emit(b"one")
    drain(world.link())
    source.quiet(10)
    assert world.link(watch=0.0).step() is Step.IDLE
    world.idle_seconds = 2000.0
    assert world.link(watch=0.0).step() is Step.DELIVERED
    assert world.destination.status.state.height == 11


def test_a_relayer_that_starts_late_needs_no_state_of_the_sets_before(world: World, source: ValidatedSource) -> None:
    source.emit(b"one")
    drain(world.link())
    for _ in range(3):
        source.quiet(3)
        source.rotate()
    source.pruned_below = source.best
    source.emit(b"two")
    assert drain(world.link()) == [Step.DELIVERED] * 3
    assert world.destination.status.state.epoch == 4


def test_a_client_that_begins_with_a_later_set(tmp_path: Path, source: ValidatedSource) -> None:
    for _ in range(3):
        source.quiet(3)
        source.rotate()
    source.emit(b"one")
    with linked_world(tmp_path, source, Destination(status=beefy_client(2))) as world:
        assert drain(world.link()) == [Step.DELIVERED]
        assert world.destination.status.state.epoch == 4


def test_a_client_of_other_validators_is_told_so(tmp_path: Path, source: ValidatedSource) -> None:
    source.emit(b"one")
    strange = beefy_client()
    strange = replace(strange, state=replace(strange.state, authority=keccak(b"others")))
    with linked_world(tmp_path, source, Destination(status=strange)) as world:
        refused(Code.CommitteeMismatch, world.link().step)
        assert world.destination.transactions == []


def test_a_source_without_beefy_cannot_be_carried(tmp_path: Path) -> None:
    with linked_world(tmp_path, Source(), Destination(status=beefy_client())) as world:
        world.source.emit(b"one")
        refused(Code.UnknownScheme, world.link().step)


# --- hostile nodes ---------------------------------------------------------------------------------------------------


def lies(source: ValidatedSource) -> dict[str, tuple[Code, bytes]]:
    honest = source.commitment(1)
    whole = source.justification(honest)
    strangers = [keccak(b"stranger" + bytes([i])) for i in range(4)]
    return {
        "garbage": (Code.Malformed, b"\xff" * 100),
        "nothing": (Code.Malformed, b""),
        "a trailing byte": (Code.Malformed, whole + b"\0"),
        "a huge length": (Code.Oversize, whole[:194] + b"\x03\xff\xff\xff\xff" + whole[195:]),
        "by strangers": (Code.QuorumNotReached, source.justification(honest, strangers)),
        "by too few": (Code.QuorumNotReached, source.justification(honest, None, (0, 1))),
        "of another block": (Code.EvidenceDisagrees, source.justification(replace(honest, height=7))),
        "of another chain": (Code.EvidenceDisagrees, source.justification(replace(honest, domain=DESTINATION))),
    }


@pytest.mark.parametrize("name", lies(ValidatedSource(best=1)))
def test_nothing_is_paid_for_what_a_node_makes_up(world: World, source: ValidatedSource, name: str) -> None:
    source.emit(b"one")
    code, raw = lies(source)[name]
    source.said[1] = [raw]
    refused(code, world.link().step)
    assert world.destination.transactions == []
    # Another endpoint tells the truth.
    source.said[1] = [raw, source.justification(source.commitment(1))]
    assert world.link().step() is Step.DELIVERED


def test_an_outbox_that_the_source_does_not_have_is_not_carried(world: World, source: ValidatedSource) -> None:
    source.emit(b"one")
    source.said[1] = [source.justification(source.commitment(1, outbox_root=keccak(b"another")))]
    refused(Code.InconsistentLog, world.link().step)
    assert world.destination.transactions == []


Fork = Callable[[Commitment], Commitment]


@pytest.mark.parametrize(
    "fork",
    [
        lambda said: replace(said, block_hash=keccak(b"fork")),
        lambda said: replace(said, outbox_root=keccak(b"fork")),
        lambda said: replace(said, next_committee=keccak(b"fork")),
    ],
    ids=["another block", "another outbox", "another successor"],
)
def test_endpoints_with_two_stories_of_one_set_freeze_the_client(
    world: World, source: ValidatedSource, fork: Fork
) -> None:
    source.emit(b"one")
    honest = source.commitment(1)
    source.said[1] = [source.justification(honest), source.justification(fork(honest), None, (1, 2, 3))]
    refused(Code.Frozen, world.link().step)
    assert world.destination.status.frozen
    assert world.destination.accused == 2


def test_a_set_that_goes_back_on_what_was_carried_is_accused(world: World, source: ValidatedSource) -> None:
    """The destination accepted block 2; a while later the node tells another story of it."""
    source.emit(b"one")
    source.emit(b"two")
    link = world.link()
    drain(link)
    source.quiet(1)
    source.said[3] = [source.justification(source.commitment(3, outbox_root=keccak(b"fork")))]
    source.emit(b"three")
    source.silent = {4}
    refused(Code.Frozen, link.step)
    assert world.destination.status.frozen
    assert world.destination.accused == 3


# --- sessions --------------------------------------------------------------------------------------------------------


def test_sessions_are_found_by_a_few_headers() -> None:
    firsts = [1, 2, 3, 700, 100_000]
    asked: list[int] = []

    def named(height: int) -> bytes:
        asked.append(height)
        return committee(max(i for i, first in enumerate(firsts) if first <= height) + 1)

    sessions = Sessions(named)
    assert sessions.find(5, 123_456, 5) == Session(5, 100_000, 123_456)
    assert len(asked) < 20
    assert sessions.find(4, 123_456, 5) == Session(4, 700, 99_999)
    assert sessions.find(1, 123_456, 5) == Session(1, 1, 1)
    assert sessions.find(6, 123_456, 5) is None
    assert sessions.find(0, 123_456, 5) is None
    assert sessions.holding(2, 123_456, 5) == Session(2, 2, 2)
    assert sessions.holding(50_000, 123_456, 5) == Session(4, 700, 99_999)
    assert sessions.holding(123_457, 123_456, 5) is None
