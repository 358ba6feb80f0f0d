"""A relayer's link to a client of scheme CLQ1: sealed headers are all that convinces, and all that is watched.

The source makes real Clique headers with real keys; an endpoint may be on a branch of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from poft.chain import Branch, ClientStatus, Consortium
from poft.conformance.evm_state import State, evm_state
from poft.conformance.sealed import code_hash, encoded, header_fields, seal, with_extra
from poft.conformance.source import Claim
from poft.protocol.errors import Code, Reorganised, Unreachable
from poft.protocol.hashing import ZERO32, keccak
from poft.protocol.merkle import log_root
from poft.protocol.signatures import key_address
from poft.verification.schemes.clq1 import CliqueVerifier
from poft.verification.sealed import Anchor, SealedGenesis, SealedProof
from poft.verification.state_proof import StateProof, outbox_commitment
from relayers.link import Step
from relayers.queue import Queue
from tests.ledgers import SOURCE, Destination, Source
from tests.links import World, drain, linked_world, refused

KEYS = sorted((keccak(b"clique signer %d" % n) for n in range(4)), key=key_address)
JOINED = sorted([*KEYS, keccak(b"clique signer 4")], key=key_address)
OUTBOX = keccak(b"account of the outbox")[:20]
ANCHOR = Anchor(SOURCE, OUTBOX, code_hash(SOURCE), 0, 1)
CHECKPOINT = 20
ON_TOP = 3
"""Blocks in turn that make one safe: three signers, weight 6."""


def addresses(keys: list[bytes]) -> tuple[bytes, ...]:
    return tuple(map(key_address, keys))


@dataclass
class Node:
    """An endpoint. From `since` on it is on a branch of its own, as far as `best`."""

    ledger: SealedLedger
    url: str
    since: int = 1 << 62
    best: int | None = None
    dead: bool = False

    def head(self) -> int:
        if self.dead:
            raise Unreachable(f"{self.url} is dead")
        return self.ledger.best if self.best is None else self.best

    def header(self, height: int) -> bytes | None:
        return self.ledger.sealed(height, self.since) if height <= self.head() else None

    def outbox(self, height: int) -> tuple[int, bytes]:
        return self.ledger.outbox_at(height)

    def state_proof(self, height: int) -> StateProof:
        return self.ledger.state(height, height >= self.since).proof


@dataclass
class SealedLedger(Source):
    """A source whose four signers seal in turn; with `joins`, a fifth is there from the checkpoint on."""

    joins: bool = False
    nodes: list[Node] = field(default_factory=list)
    made: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nodes.append(Node(self, "first"))

    def consortium(self) -> Consortium:
        return Consortium(OUTBOX, code_hash(SOURCE), addresses(KEYS), 0, CHECKPOINT)

    def branches(self) -> list[Branch]:
        return list(self.nodes)

    def outbox_at(self, height: int) -> tuple[int, bytes]:
        ids = [entry.packet.id for entry in self.entries if entry.height <= height]
        return len(ids), log_root(ids)

    def state(self, height: int, forked: bool) -> State:
        size, root = self.outbox_at(height)
        claim = Claim(height, 1000 + height, size, root, fork=int(forked))
        return evm_state(claim, b"", OUTBOX, code_hash(SOURCE), outbox_commitment(size, root))

    def sealed(self, height: int, since: int) -> bytes:
        branch = since if height >= since else 0
        if (height, branch) not in self.made:
            parent = keccak(self.sealed(height - 1, since)) if height else ZERO32
            root = self.state(height, bool(branch)).root
            keys = JOINED if self.joins and height >= CHECKPOINT else KEYS
            listed = b"".join(addresses(keys)) if height % CHECKPOINT == 0 else b""
            bare = with_extra(header_fields(parent, height, 1000 + height, root, ZERO32, 2), bytes(32) + listed)
            signature = seal(keys[height % len(keys)], bare)
            self.made[height, branch] = encoded(with_extra(bare, bytes(32) + listed + signature))
        return self.made[height, branch]


def client(anchor: Anchor = ANCHOR) -> ClientStatus:
    genesis = SealedGenesis(anchor, 1, addresses(KEYS)).encode()
    return ClientStatus(b"CLQ1", CliqueVerifier().initialise(genesis), 0, False, 600, 3600)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with linked_world(tmp_path, SealedLedger(), Destination(status=client())) as made:
        yield made


def ledger(world: World) -> SealedLedger:
    assert isinstance(world.source, SealedLedger)
    return world.source


def kept(world: World, name: str = "queue") -> list[tuple[int, bytes, bytes, str]]:
    queue = Queue(world.folder / name)
    try:
        return queue.competing(SOURCE)
    finally:
        queue.close()


def test_delivers_by_seals_alone_and_not_before_they_are_enough(world: World) -> None:
    link = world.link()
    world.source.emit(b"one")
    for _ in range(ON_TOP):
        assert link.step() is Step.WAITING
        world.source.quiet(1)
    assert drain(link) == [Step.DELIVERED]
    ((proof, _),) = world.destination.transactions
    assert proof is not None
    assert len(SealedProof.decode(proof).headers) == 1 + ON_TOP
    world.source.emit(b"two")
    world.source.emit(b"three")
    world.source.quiet(ON_TOP)
    assert drain(link) == [Step.DELIVERED]
    assert [payload for _, payload in world.destination.received] == [b"one", b"two", b"three"]


def test_follows_a_checkpoint_that_lists_another_signer(tmp_path: Path) -> None:
    with linked_world(tmp_path, SealedLedger(joins=True), Destination(status=client())) as world:
        link = world.link()
        world.source.emit(b"one")
        world.source.quiet(10)
        assert drain(link) == [Step.DELIVERED]
        world.source.quiet(30)
        world.source.emit(b"two")
        world.source.quiet(10)
        assert link.step() is Step.DELIVERED
        state = world.destination.status.state
        assert (state.epoch, state.height) == (2, 2 * CHECKPOINT)
        assert state.authority == ANCHOR.authority(2, addresses(JOINED))
        # A relayer that starts anew finds out who signs now only from what it kept.
        assert drain(world.link()) == [Step.DELIVERED]
        assert len(world.destination.received) == 2


def proven(world: World) -> None:
    """A packet is delivered, proven by the block at height 11; the chain stands at 14."""
    world.source.emit(b"one")
    world.source.quiet(10 + ON_TOP)
    assert drain(world.link()) == [Step.DELIVERED]
    assert world.destination.status.state.height == 11


def test_another_block_where_one_was_proven_is_kept_and_stops_the_link(world: World) -> None:
    proven(world)
    node = ledger(world).nodes[0]
    node.since, node.best = 10, 11 + ON_TOP - 1
    world.source.emit(b"two")
    with pytest.raises(Reorganised):
        world.link().step()
    assert not world.destination.status.frozen
    assert [height for height, *_ in kept(world)] == [11, 12, 13]
    assert world.said.getvalue().count("another block where one was proven") == 1
    with pytest.raises(Reorganised):
        world.link().step()
    assert world.said.getvalue().count("another block where one was proven") == 1


def test_a_second_branch_that_is_safe_as_well_freezes_the_client(world: World) -> None:
    proven(world)
    ledger(world).nodes[0].since = 10
    world.source.emit(b"two")
    world.source.quiet(1)
    refused(Code.Frozen, world.link().step)
    assert world.destination.status.frozen and world.destination.accused == 3


def test_a_second_endpoint_shows_the_other_branch(world: World) -> None:
    proven(world)
    nodes = ledger(world).nodes
    nodes.append(Node(ledger(world), "parted", since=10, best=12))
    world.source.emit(b"two")
    world.source.quiet(ON_TOP)
    link = world.link()
    # One signer that was parted from the others has made a block or two: kept, and no reason to stop.
    assert drain(link) == [Step.DELIVERED]
    nodes[1].best = None
    world.source.emit(b"three")
    world.source.quiet(ON_TOP)
    nodes[1].since = world.destination.status.state.height
    refused(Code.Frozen, link.step)
    assert world.destination.status.frozen


def test_an_endpoint_that_is_dead_stops_nothing(world: World) -> None:
    ledger(world).nodes.append(Node(ledger(world), "dead", dead=True))
    proven(world)
    world.source.emit(b"two")
    world.source.quiet(ON_TOP)
    assert drain(world.link()) == [Step.DELIVERED]


def test_a_relayer_that_proved_nothing_itself_watches_what_was_proven(world: World) -> None:
    proven(world)
    # Another machine, another queue: a look pins the block that the client stands on.
    world.source.emit(b"two")
    assert world.link("other").step() is Step.WAITING
    ledger(world).nodes[0].since = 10
    world.source.quiet(1)
    refused(Code.Frozen, world.link("other").step)
    assert {height for height, *_ in kept(world, "other")} >= {11}


@pytest.mark.parametrize(
    "anchor",
    [
        Anchor(SOURCE, OUTBOX, code_hash(keccak(b"a network with the same signers")), 0, 1),
        Anchor(SOURCE, OUTBOX, code_hash(SOURCE), 7, 1),
        Anchor(SOURCE, keccak(b"another outbox")[:20], code_hash(SOURCE), 0, 1),
    ],
    ids=["another network's code", "another start", "another outbox"],
)
def test_carries_nothing_to_a_client_that_trusts_something_else(tmp_path: Path, anchor: Anchor) -> None:
    with linked_world(tmp_path, SealedLedger(), Destination(status=client(anchor))) as world:
        world.source.emit(b"one")
        world.source.quiet(10)
        refused(Code.CommitteeMismatch, world.link().step)


def test_refuses_a_source_without_seals(tmp_path: Path) -> None:
    with linked_world(tmp_path, Source(), Destination(status=client())) as world:
        world.emit(b"one")
        refused(Code.UnknownScheme, world.link().step)
