"""The carrier of CMT1 and ESP1: statements that a quorum of attestors signed, asked for over HTTP.

Attestors certify statements, whatever the destination's client. One of scheme CMT1 takes the certified proof as it is;
one of ESP1 takes it together with the source's own state at the statement's height, which only a chain that gives state
proofs can be asked for. What a quorum said is worked out in `certify.py`, without asking anybody.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median_high

from poft.chain import Chain, ClientStatus, StateSource
from poft.protocol.errors import Code, Refused
from poft.protocol.finality import committee_hash
from poft.protocol.hashing import ZERO32
from poft.verification.api import FinalityVerifier, TrustState
from poft.verification.schemes.cmt1 import CommitteeVerifier
from poft.verification.schemes.esp1 import OutboxProof, StateProofVerifier, outbox_authority
from poft.verification.state_proof import StateProof

from .carriers import Advance, Contradiction, Supplies
from .certify import Certified, all_certified, certified, contradiction, covering, handing_over, opposes
from .log import Level
from .wire import Attestation

EVIDENCE_PAGES = 8
"""How far back evidence is looked for from one height, in pages of 64 statements."""
NO_STATE = StateProof((), ())
"""Where a scheme looks at none: every proof of CMT1, and evidence of misbehaviour."""


@dataclass(frozen=True, slots=True)
class Wrapping:
    """A scheme over a committee. `verifier` is the scheme; `outbox` is the account whose state is proven (ESP1), None
    where no state is asked for (CMT1).
    """

    verifier: FinalityVerifier
    outbox: bytes | None = None

    def authority(self, epoch: int, members: Sequence[bytes]) -> bytes:
        """The authority of a client that trusts this committee."""
        committee = committee_hash(epoch, members)
        return committee if self.outbox is None else outbox_authority(committee, self.outbox)

    def wrap(self, epoch: int, members: Sequence[bytes], certified: bytes, state: StateProof) -> bytes:
        """The proof for the client, around the committee's own."""
        if self.outbox is None:
            return certified
        return OutboxProof(self.outbox, committee_hash(epoch, members), certified, state).encode()


class CertifiedCarrier:
    """CMT1, or ESP1 over it."""

    def __init__(self, wrapping: Wrapping, supplies: Supplies) -> None:
        self._wrapping, self._supplies = wrapping, supplies
        self._searched = float("-inf")
        self._carried: Certified | None = None

    @property
    def verifier(self) -> FinalityVerifier:
        """CMT1's or ESP1's."""
        return self._wrapping.verifier

    def covering(self, client: ClientStatus, size: int) -> Advance | Contradiction | None:
        """The best statement of a quorum, as soon as enough attestors answered."""
        members, best = self._members(client.state), None
        for pages in self._pages(client.state.height, client.state.epoch):
            found = self._certified(client, members, pages)
            if isinstance(found, Contradiction):
                return found
            best = covering(found, size)
            if best is not None and best.statement.outbox_size >= size:
                break
        return None if best is None else self._advance(members, best)

    def watching(self, client: ClientStatus, ageing: bool) -> Advance | Contradiction | None:
        """The committee's hand-over; when the client is ageing, else the newest statement of a quorum."""
        members, newest = self._members(client.state), None
        for pages in self._pages(client.state.height, client.state.epoch):
            found = self._certified(client, members, pages)
            if isinstance(found, Contradiction):
                return found
            if (hand_over := handing_over(found)) is not None:
                return self._advance(members, hand_over)
            newest = found[0] if found else None
        return self._advance(members, newest) if ageing and newest is not None else None

    def evidence(self, client: ClientStatus) -> Contradiction | None:
        """Looks for two certified statements that cannot both be true around what the destination accepted.

        The one that it accepted may have handed over: then the evidence is of the epoch before.
        """
        if time.monotonic() - self._searched < self._supplies.watch_seconds:
            return None
        self._searched = time.monotonic()
        state = client.state
        committees = {committee.epoch: committee.addresses() for committee in self._supplies.committees}
        committees[state.epoch] = self._members(state)
        for epoch in (state.epoch, state.epoch - 1):
            if (members := committees.get(epoch)) is None:
                continue
            found = {one.statement: one for one in self._said(epoch, members, state.height)}
            if self._carried is not None and self._carried.statement.epoch == epoch:
                found.setdefault(self._carried.statement, self._carried)
            if (pair := contradiction(list(found.values()))) is not None:
                return self._accusation(members, pair)
        self._supplies.log("doubt without evidence", Level.ALARM, link=self._supplies.link, height=state.height)
        return None

    def offers(self, client: ClientStatus) -> Iterator[Advance]:
        """What a quorum said and could follow, newest first."""
        members, state = self._members(client.state), client.state
        pages = self._supplies.attestors.all_pages(state.height, state.epoch)
        for found in certified(self._domain, state, members, pages):
            yield self._advance(members, found)

    def at(self, client: ClientStatus, height: int) -> Advance | None:
        """What a quorum said of this block."""
        members, state = self._members(client.state), client.state
        for pages in self._supplies.attestors.pages(height - 1, state.epoch, height + 1):
            for found in certified(self._domain, state, members, pages):
                if found.statement.height == height:
                    return self._advance(members, found)
        return None

    def authorities(self, state: TrustState) -> Iterator[tuple[int, bytes]]:
        """Of the configured committees, and of those that they handed over to as far as this relayer saw it."""
        # The epoch after a configured one is seldom configured: hand-overs of this relayer are remembered.
        known = [(committee.epoch, committee.addresses()) for committee in self._supplies.committees]
        for epoch, members in sorted(known, reverse=True):
            if epoch <= state.epoch:
                yield epoch, self._wrapping.authority(epoch, members)
        for members in self._supplies.queue.committees():
            for epoch in range(state.epoch, 0, -1):
                yield epoch, self._wrapping.authority(epoch, members)

    @property
    def _domain(self) -> bytes:
        return self._supplies.source.spec.domain

    def _pages(self, after: int, epoch: int) -> Iterator[list[list[Attestation]]]:
        return self._supplies.attestors.pages(after, epoch)

    def _members(self, state: TrustState) -> tuple[bytes, ...]:
        for committee in self._supplies.committees:
            members = committee.addresses()
            if committee.epoch == state.epoch and self._wrapping.authority(state.epoch, members) == state.authority:
                return members
        learnt = self._supplies.queue.committee(state.authority)
        if learnt is None:
            raise Refused(
                Code.CommitteeMismatch,
                f"epoch {state.epoch}",
                "the destination trusts a committee that is not configured",
            )
        return learnt

    def _certified(
        self, client: ClientStatus, members: tuple[bytes, ...], pages: list[list[Attestation]]
    ) -> list[Certified] | Contradiction:
        """What a quorum said and could follow, unless it contradicts itself."""
        state = client.state
        every = list(all_certified(self._domain, state.epoch, members, pages))
        if (pair := contradiction(every)) is not None:
            return self._accusation(members, pair)
        if any(opposes(state, one.statement) for one in every) and (found := self.evidence(client)) is not None:
            return found
        return list(certified(self._domain, state, members, pages))

    def _said(self, epoch: int, members: tuple[bytes, ...], height: int) -> Iterator[Certified]:
        """What a quorum of an epoch said of the newest blocks and of those up to this height."""
        attestors = self._supplies.attestors
        # Answers to an earlier question may still be under way: this first round takes them in.
        said = attestors.all_pages(0, epoch)
        for before in (None, height + 1):
            for _ in range(EVIDENCE_PAGES):
                pages = attestors.all_pages(0, epoch, before)
                said += pages
                lows = [page[0].statement.height for page in pages if page]
                if not lows or (before is not None and median_high(lows) >= before):
                    break
                before = median_high(lows)
        return all_certified(self._domain, epoch, members, said)

    def _advance(self, members: tuple[bytes, ...], found: Certified) -> Advance:
        said = found.statement
        hands_over = said.next_committee != ZERO32

        def prove(consistency: Sequence[bytes]) -> bytes:
            # A quorum signed it: from here on it is evidence, and its next committee is one to know.
            self._carried = found
            if hands_over:
                authority = self._wrapping.authority(said.epoch + 1, found.next_members)
                self._supplies.queue.learn(authority, found.next_members)
            return self._wrapping.wrap(said.epoch, members, found.proof(members, consistency), self._state(said.height))

        return Advance(said.height, said.timestamp, said.outbox_size, said.outbox_root, hands_over, prove)

    def _state(self, height: int) -> StateProof:
        source = self._supplies.source.chain()
        if self._wrapping.outbox is not None and isinstance(source, StateSource):
            return source.state_proof(height)
        return NO_STATE

    def _accusation(self, members: tuple[bytes, ...], pair: tuple[Certified, Certified]) -> Contradiction:
        first, second = (
            self._wrapping.wrap(half.statement.epoch, members, half.proof(members, ()), NO_STATE) for half in pair
        )
        return Contradiction(pair[0].statement.height, first, second)


def committee_carrier(supplies: Supplies) -> CertifiedCarrier:
    """CMT1."""
    return CertifiedCarrier(Wrapping(CommitteeVerifier()), supplies)


def state_proof_carrier(supplies: Supplies) -> CertifiedCarrier:
    """ESP1.

    Raises:
        Refused: UnknownScheme, the source gives no state proofs.
    """
    source: Chain = supplies.source.chain()
    if not isinstance(source, StateSource):
        raise Refused(Code.UnknownScheme, "client", f"{source.spec.name} gives no state proofs")
    return CertifiedCarrier(Wrapping(StateProofVerifier(), source.outbox_address), supplies)
