"""Honest objects at random: what a mutation starts from.

Logs are not built leaf by leaf. Siblings are drawn, and the roots that they imply come from a transcription of RFC 9162
(2.1.3.1 and 2.1.4.1) that shares nothing with the verifiers, so a log of 2^64-1 leaves costs 64 hashes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from random import Random

from poft.protocol.checkpoint import Checkpoint, CheckpointPayload, parents_hash
from poft.protocol.finality import Finality, committee_hash, quorum, sign_finality
from poft.protocol.hashing import U64_MAX, ZERO32, keccak
from poft.protocol.merkle import EMPTY_ROOT, consistency_length, inclusion_length, leaf_hash, node_hash
from poft.protocol.packet import Packet
from poft.protocol.signatures import key_address
from poft.protocol.statements import Membership, Update, Verdict, Vote, sign_statement
from poft.verification.api import Limits, TrustState
from poft.verification.receive import Expectation, PacketProof
from poft.verification.schemes.cmt1 import CommitteeProof

from .questions import Consistency, Delivery, Inclusion, Misbehaviour, Payload, Proven, Said

DESTINATION = keccak(b"poft/differential/destination")
"""Domain of the harness contract's inbox."""
HEIGHT = 1000
"""Block at which the harness is asked."""

_COMMITTEE_SIZES = (4, 4, 4, 4, 5, 5, 6, 7, 7, 1, 2, 3, 10, 13)


@dataclass(frozen=True, slots=True)
class Member:
    address: bytes
    key: bytes


@cache
def members(count: int, series: int) -> tuple[Member, ...]:
    """A committee, sorted by address. The keys are public: never use them for anything that matters."""
    keys = [keccak(f"poft/differential/{series}/{i}".encode()) for i in range(count)]
    return tuple(sorted((Member(key_address(k), k) for k in keys), key=lambda member: member.address))


def _split(size: int) -> int:
    """The largest power of two below the size."""
    return 1 << ((size - 1).bit_length() - 1)


def implied_root(leaf: bytes, index: int, size: int, path: tuple[bytes, ...]) -> bytes:
    """RFC 9162 2.1.3.1 read backwards: the root of the log in which this path proves the leaf."""
    if size == 1:
        return leaf_hash(leaf)
    k = _split(size)
    if index < k:
        return node_hash(implied_root(leaf, index, k, path[:-1]), path[-1])
    return node_hash(path[-1], implied_root(leaf, index - k, size - k, path[:-1]))


def implied_roots(seed: bytes, old: int, new: int, path: tuple[bytes, ...], whole: bool = True) -> tuple[bytes, bytes]:
    """RFC 9162 2.1.4.1 read backwards: (old root, new root). `seed` is the old root if no node of the path is."""
    if old == new:
        return (seed, seed) if whole else (path[0], path[0])
    k = _split(new)
    if old <= k:
        before, after = implied_roots(seed, old, k, path[:-1], whole)
        return before, node_hash(after, path[-1])
    before, after = implied_roots(seed, old - k, new - k, path[:-1], False)
    return node_hash(path[-1], before), node_hash(path[-1], after)


def a_size(rng: Random) -> int:
    """Small ones most often; powers of two and their neighbours; now and then the largest."""
    kind = rng.randrange(10)
    if kind < 5:
        return rng.randint(1, 20)
    if kind < 7:
        return max(1, (1 << rng.randint(0, 20)) + rng.randint(-1, 1))
    return U64_MAX if kind == 7 else rng.getrandbits(rng.randint(1, 64)) or 1


def nodes(rng: Random, count: int) -> tuple[bytes, ...]:
    return tuple(rng.randbytes(32) for _ in range(count))


def an_inclusion(rng: Random) -> Inclusion:
    size, leaf = a_size(rng), rng.randbytes(32)
    index = rng.choice((0, size - 1, rng.randrange(size)))
    path = nodes(rng, inclusion_length(index, size))
    return Inclusion(leaf, index, size, path, implied_root(leaf, index, size, path))


def a_consistency(rng: Random) -> Consistency:
    old, new = sorted((rng.choice((0, a_size(rng), a_size(rng), a_size(rng))), a_size(rng)))
    path = nodes(rng, consistency_length(old, new))
    before, after = (EMPTY_ROOT, rng.randbytes(32)) if old == 0 else implied_roots(rng.randbytes(32), old, new, path)
    return Consistency(old, before, new, after, path)


def a_payload(rng: Random) -> Payload:
    parents = nodes(rng, rng.randint(0, 8))
    numbers = [rng.getrandbits(rng.choice((4, 20, 64))) for _ in range(3)]
    words = nodes(rng, 8)
    checkpoint = Checkpoint(
        words[0], words[1], numbers[0], words[2], numbers[1], words[3], parents_hash(parents), numbers[2], *words[4:]
    )
    return Payload(CheckpointPayload(checkpoint, parents, rng.randbytes(32)).encode())


@dataclass(frozen=True, slots=True)
class Scene:
    """A finality proof before it is signed."""

    domain: bytes
    committee: tuple[Member, ...]
    signers: tuple[int, ...]
    state: TrustState
    statement: Finality
    following: tuple[bytes, ...]
    consistency: tuple[bytes, ...]
    limits: Limits

    @property
    def repeats(self) -> bool:
        """Whether the statement is the one that was accepted last."""
        return self.state.height > 0 and self.statement.height == self.state.height

    def proof(self) -> CommitteeProof:
        """Signed by those who are to sign."""
        return CommitteeProof(
            self.statement,
            tuple(member.address for member in self.committee),
            sum(1 << i for i in self.signers),
            tuple(sign_finality(self.committee[i].key, self.domain, self.statement) for i in self.signers),
            self.following,
            self.consistency,
        )

    def carrying(self, proof: bytes) -> Proven:
        """The question whether this client takes these bytes."""
        return Proven(self.domain, self.state, proof, self.limits)

    def signed(self) -> Proven:
        """The question whether it takes the proof."""
        return self.carrying(self.proof().encode())


def a_scene(rng: Random) -> Scene:
    """A client somewhere in its life and a proof that it takes."""
    count = rng.choice(_COMMITTEE_SIZES) if rng.randrange(50) else 64
    committee = members(count, rng.randrange(3))
    signers = tuple(sorted(rng.sample(range(count), rng.randint(quorum(count), count))))
    epoch = rng.choice((1, 2, rng.randint(1, 1000), U64_MAX))
    now = rng.randint(1_700_000_000, 2_000_000_000)
    first = rng.randrange(8) == 0
    height = 0 if first else rng.choice((rng.randint(1, 10**6), U64_MAX - 1))
    link = a_consistency(rng)
    if first:
        link = Consistency(0, EMPTY_ROOT, link.to_size, link.to_root, ())
    authority = committee_hash(epoch, [member.address for member in committee])
    state = TrustState(
        epoch,
        authority,
        height,
        0 if first else now - rng.randint(0, 100),
        link.from_size,
        link.from_root,
        count < 4 or rng.randrange(3) == 0,
    )
    following: tuple[bytes, ...] = ()
    named = ZERO32
    if epoch < U64_MAX and rng.randrange(3) == 0:
        following = tuple(m.address for m in members(rng.choice((4, 5, 7)), 3 + rng.randrange(2)))
        named = committee_hash(epoch + 1, following)
    statement = Finality(
        epoch,
        min(U64_MAX, height + rng.randint(1, 50)),
        rng.randbytes(32),
        rng.randbytes(32),
        link.to_size,
        link.to_root,
        now,
        named,
    )
    consistency = link.proof
    if not first and rng.randrange(10) == 0:
        statement = Finality(
            epoch, height, rng.randbytes(32), rng.randbytes(32), state.outbox_size, state.outbox_root, now, ZERO32
        )
        following, consistency = (), ()
    domain = rng.randbytes(32)
    return Scene(domain, committee, signers, state, statement, following, consistency, Limits(now, rng.randint(0, 600)))


def statements_apart(rng: Random, said: Finality) -> Finality:
    """A statement that contradicts `said`: of the same height, or of the same outbox size with another root."""
    fields = {name: getattr(said, name) for name in said.__slots__}
    if rng.randrange(2):
        fields[rng.choice(("block_hash", "state_root", "outbox_root", "next_committee"))] = rng.randbytes(32)
    else:
        fields["outbox_root"] = rng.randbytes(32)
        fields["height"] = rng.randint(0, 10**6)
    return Finality(**fields)


def a_misbehaviour(rng: Random) -> tuple[Misbehaviour, Scene, Scene]:
    """Two statements that cannot both be true, and the scene of each."""
    scene = a_scene(rng)
    size = len(scene.committee)
    others = tuple(sorted(rng.sample(range(size), rng.randint(quorum(size), size))))
    fork = replace(scene, statement=statements_apart(rng, scene.statement), signers=others)
    return Misbehaviour(scene.domain, scene.state, scene.signed().proof, fork.signed().proof), scene, fork


def a_statement(rng: Random) -> Said:
    kind = rng.choice((Membership, Update, Verdict, Vote))
    member = rng.choice(members(7, 0))
    values: list[int | bytes] = []
    for _, abi in kind.fields():
        if abi == "address":
            values.append(member.address)
        elif abi == "bytes32":
            values.append(rng.randbytes(32))
        else:
            values.append(rng.getrandbits(rng.randint(1, int(abi.removeprefix("uint")))))
    statement = kind(*values)  # type: ignore[arg-type]
    domain = rng.randbytes(32)
    return Said(domain, statement, sign_statement(member.key, domain, statement).signature)  # type: ignore[type-var]


def a_delivery(rng: Random, receiver: bytes) -> Delivery:
    """A packet that is due at the destination; `receiver` is the harness's endpoint."""
    payload = rng.randbytes(rng.choice((0, 1, 31, 32, rng.randint(33, 736), rng.randint(0, 4096))))
    nonce = rng.choice((0, 1, rng.getrandbits(16), rng.getrandbits(64), U64_MAX - 1))
    source, sender = rng.randbytes(32), rng.randbytes(32)
    expires = rng.choice((0, 0, HEIGHT - 1, HEIGHT, HEIGHT + 1, rng.getrandbits(64)))
    packet = Packet(1, 1, source, DESTINATION, nonce, sender, receiver, expires, keccak(payload))
    return included(
        rng, Expectation(DESTINATION, source, sender, (receiver,), nonce, HEIGHT, 0, ZERO32), packet, payload
    )


def included(rng: Random, expected: Expectation, packet: Packet, payload: bytes) -> Delivery:
    """The packet in a log of its source, which is final at the destination."""
    size = a_size(rng)
    index = rng.randrange(size)
    path = nodes(rng, inclusion_length(index, size))
    root = implied_root(packet.id, index, size, path)
    return Delivery(replace(expected, outbox_size=size, outbox_root=root), PacketProof(packet, payload, index, path))
