"""What the author of a scheme writes for the conformance kit: a source chain with real keys that says what it is told.

An honest source and a lying one differ in the claim alone. The kit makes the claims (some true, most of them lies) and
knows what has to become of each; the source puts its members' real signatures, or whatever convinces in this scheme,
under any of them. A scheme's attacks are then the same as every other scheme's, and only what is peculiar to its
encoding or cryptography is left for `forgeries`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from poft.protocol.errors import Code
from poft.verification.api import TrustState


@dataclass(frozen=True, slots=True)
class Claim:
    """What a source is made to say about one of its blocks. Nothing here needs to be true.

    `consistency` are the nodes that go into the proof, as they are. `epoch` is the one the proof speaks for, whoever
    signs. With `hand_over` it names the source's next authority. `fork` tells several blocks of one height apart.
    """

    height: int
    timestamp: int
    outbox_size: int
    outbox_root: bytes
    consistency: tuple[bytes, ...] = ()
    epoch: int = 1
    hand_over: bool = False
    fork: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """The block that a claim is about. A scheme that proves state has a real trie behind `state_root`."""

    block_hash: bytes
    state_root: bytes


@dataclass(frozen=True, slots=True)
class Forgery:
    """An attack that only this scheme knows: a proof, and the codes with which it may be refused."""

    name: str
    proof: bytes
    codes: frozenset[Code]


class HonestSource(Protocol):
    """A source chain of the scheme, from `Plugin.source(members, seed)`: the same keys for the same arguments.

    No method refuses a claim: numbers up to 2^64-1, epochs that nobody is in and hashes of nothing are all encoded
    and signed. Where a hand-over would leave the last epoch, any next epoch may be named.
    """

    @property
    def domain(self) -> bytes:
        """32 bytes, another for another seed."""
        ...

    @property
    def epoch(self) -> int:
        """The epoch whose authority signs now; 1 at first, one more after every `hand_over`."""
        ...

    def genesis(self, epoch: int | None = None) -> bytes:
        """What a client of this source starts from now: the present authority, in its epoch or in the one given.

        A committee smaller than the scheme's usual least is marked as the scheme marks one for development.
        """
        ...

    def block(self, claim: Claim) -> Block:
        """The block that this claim is about: another for another height, outbox, time or fork."""
        ...

    def prove(self, claim: Claim, signers: int | None = None, domain: bytes | None = None) -> bytes:
        """The claim with the evidence for it, signed by the first `signers` members of the present authority.

        None means the fewest that convince. `domain` is the one that they sign for when it is not the source's own.
        """
        ...

    def signers(self, count: int) -> tuple[bytes, ...]:
        """The first `count` members as the scheme names them in evidence: addresses, or what stands for one."""
        ...

    def hand_over(self) -> None:
        """The next authority, with keys of its own, takes over in the following epoch."""
        ...

    def forgeries(self, state: TrustState, claim: Claim) -> Sequence[Forgery]:
        """Attacks on a client in this state that would take the claim; may be empty."""
        ...


__all__ = ["Block", "Claim", "Forgery", "HonestSource"]
