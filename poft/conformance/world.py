"""The story that every scheme's cases are told in: a source with an outbox, and a client that follows it.

The states that a client goes through are computed here, from the claims alone, so that they are an expectation and not
what the scheme happened to answer. Two rules make that possible for every scheme:

- a proof without a hand-over leaves epoch and authority alone;
- after a hand-over they are those of a client that was created from the next authority's genesis.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from poft.conformance.plugin import Subject
from poft.conformance.questions import Initialise, InPython, Verify
from poft.conformance.source import Claim, HonestSource
from poft.protocol.hashing import ZERO32, keccak
from poft.protocol.merkle import EMPTY_ROOT, consistency_proof, log_root
from poft.verification.api import Finalised, Limits, TrustState

NOW = 1_800_000_000
"""The host's clock in the cases. Nothing here reads the real one."""
DRIFT = 60
SIZES = (3, 7, 12)
"""Leaves of the outbox at the blocks that the client is told of: powers of two and others lie between."""
HEIGHTS = (10, 20, 30)
TIMES = (NOW - 20, NOW - 10, NOW)
LEAVES = tuple(keccak(b"poft/conformance/packet" + bytes([i])) for i in range(SIZES[-1]))
REWRITTEN = (keccak(b"poft/conformance/instead"), *LEAVES[1:])
"""The same log with another first packet: what a lying quorum would like to have been there all along."""


@dataclass(frozen=True, slots=True)
class World:
    """A scheme with `members` members. `states[0]` is a fresh client, `states[i + 1]` has followed `claims[i]`.

    `source` is in its first epoch, `following` is the same one after a hand-over, `stranger` another that nobody here
    trusts. None of them is changed any more.
    """

    subject: Subject
    members: int
    source: HonestSource
    following: HonestSource
    stranger: HonestSource
    states: tuple[TrustState, ...]
    claims: tuple[Claim, ...]

    @property
    def quorum(self) -> int:
        """The fewest members that convince."""
        return self.subject.plugin.quorum(self.members)

    def verify(self, state: TrustState, proof: bytes, domain: bytes | None = None) -> Verify:
        """The question whether a proof moves a client in this state."""
        return Verify(domain or self.source.domain, state, proof, Limits(NOW, DRIFT))

    def after(self, state: TrustState, claim: Claim) -> tuple[TrustState, Finalised]:
        """What an honest claim has to lead to."""
        following = replace(
            state,
            height=claim.height,
            timestamp=claim.timestamp,
            outbox_size=claim.outbox_size,
            outbox_root=claim.outbox_root,
        )
        if claim.hand_over:
            begun = begin(self.subject, self.following.genesis())
            following = replace(following, epoch=begun.epoch, authority=begun.authority)
        return following, self.established(claim)

    def established(self, claim: Claim) -> Finalised:
        """What a proof of this claim establishes."""
        # A block may list who sealed it: it is the block of whoever is in office.
        made = (self.following if claim.epoch == self.following.epoch else self.source).block(claim)
        return Finalised(
            claim.height, made.block_hash, made.state_root, claim.outbox_size, claim.outbox_root, claim.timestamp
        )


def found(subject: Subject, members: int, seed: bytes = b"poft/conformance") -> World:
    """The world of a scheme with so many members."""
    made = subject.plugin.source
    source, following, stranger = made(members, seed), made(members, seed), made(members, b"stranger to " + seed)
    following.hand_over()
    begun = begin(subject, source.genesis())
    claims = tuple(
        Claim(height, time, size, log_root(LEAVES[:size]), nodes(before, size), source.epoch)
        for height, time, before, size in zip(HEIGHTS, TIMES, (0, *SIZES[:-1]), SIZES, strict=True)
    )
    world = World(subject, members, source, following, stranger, (begun,), claims)
    states = [begun]
    for claim in claims:
        states.append(world.after(states[-1], claim)[0])
    return replace(world, states=tuple(states))


def begin(subject: Subject, genesis: bytes) -> TrustState:
    """The state that the Python half makes of a genesis; `NOTHING` when it takes an honest one for none."""
    (verdict,) = InPython(subject.verifier).answer([Initialise(genesis)])
    return verdict.result if isinstance(verdict.result, TrustState) else NOTHING


def nodes(before: int, size: int, leaves: tuple[bytes, ...] = LEAVES) -> tuple[bytes, ...]:
    """Consistency nodes from one size of the log to another."""
    return tuple(consistency_proof(leaves[:size], before))


NOTHING = TrustState(0, ZERO32, 0, 0, 0, EMPTY_ROOT)
"""What a host has for a source that it does not follow."""

__all__ = [
    "DRIFT",
    "HEIGHTS",
    "LEAVES",
    "NOTHING",
    "NOW",
    "REWRITTEN",
    "SIZES",
    "TIMES",
    "World",
    "begin",
    "found",
    "nodes",
]
