"""The carrier of BEF1: commitments that a source's validators signed, read from its node. No attestors.

A justification is hostile until its signatures were recovered and are those of a quorum of the set that the client
trusts, or of the one that takes over from it. A set that is long gone left a commitment to its first block, which it
had to sign; by those a client is led on one set at a time, however long nobody told it anything.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from poft.chain import Chain, ClientStatus, CommitmentSource
from poft.protocol.errors import Code, Refused, Unreachable
from poft.protocol.finality import committee_hash, quorum
from poft.verification.api import FinalityVerifier, TrustState
from poft.verification.beefy import Commitment, Justification
from poft.verification.schemes.bef1 import BeefyVerifier, beefy_authority, build_proof

from .carriers import Advance, Contradiction, Supplies
from .log import Level
from .sessions import FIRST_BLOCK, Session, Sessions

OFFERS = 64
"""Blocks that are looked through for commitments that other schemes can agree to."""
REMEMBERED = 256
"""Commitments that are kept, so that a contradicting one is evidence: 256 of some 700 bytes."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A commitment that a quorum of these members signed."""

    commitment: Commitment
    members: tuple[bytes, ...]
    signatures: dict[bytes, bytes]

    @property
    def committee(self) -> bytes:
        """The members, as clients know them."""
        return committee_hash(self.commitment.epoch, self.members)


class CommitmentCarrier:
    """BEF1."""

    verifier: FinalityVerifier = BeefyVerifier()

    def __init__(self, supplies: Supplies) -> None:
        self._supplies = supplies
        self._sessions = Sessions(self._next_committee)
        self._searched = float("-inf")
        self._seen: dict[bytes, Signed] = {}
        self._sets: dict[int, tuple[bytes, ...]] = {}

    def covering(self, client: ClientStatus, size: int) -> Advance | Contradiction | None:
        """The newest commitment, if it has the packets; or that of the next set, if the client is not there yet."""
        found = self._next(client)
        if isinstance(found, Advance) and not found.hands_over and found.outbox_size < size:
            return None
        return found

    def watching(self, client: ClientStatus, ageing: bool) -> Advance | Contradiction | None:
        """A set that the client has not seen take over; when the client is ageing, else the newest commitment."""
        found = self._next(client)
        if isinstance(found, Advance) and not found.hands_over and not ageing:
            return None
        return found

    def evidence(self, client: ClientStatus) -> Contradiction | None:
        """Asks every endpoint again about what the client accepted, and about the newest block."""
        if time.monotonic() - self._searched < self._supplies.watch_seconds:
            return None
        self._searched = time.monotonic()
        source = self._source()
        for height in (client.state.height, source.committed_height()):
            if height >= FIRST_BLOCK and (found := self._contradiction(client, self._signed(height))) is not None:
                return found
        self._supplies.log("doubt without evidence", Level.ALARM, link=self._supplies.link, height=client.state.height)
        return None

    def offers(self, client: ClientStatus) -> Iterator[Advance]:
        """The newest commitments that could follow, as far as they lie within reach."""
        newest = self._source().committed_height()
        for height in range(newest, max(client.state.height, newest - OFFERS), -1):
            if (found := self.at(client, height)) is not None:
                yield found
        # A client that is sets behind: the first block of the next one is all that leads on.
        earlier = self._next(client)
        if isinstance(earlier, Advance) and earlier.height <= newest - OFFERS:
            yield earlier

    def at(self, client: ClientStatus, height: int) -> Advance | None:
        """The commitment to this block, if it is one of the client's set or of the one after it."""
        for signed in self._signed(height):
            if signed.commitment.epoch - client.state.epoch in (0, 1):
                return self._advance(client.state, signed)
        return None

    def authorities(self, state: TrustState) -> Iterator[tuple[int, bytes]]:
        """Of the set that signed the block which was accepted last; of a new client, that of its epoch."""
        newest = self._newest()
        if newest is None:
            raise Unreachable(f"{self._supplies.source.spec.name}: no commitment of its validators yet")
        at = newest.commitment.height, newest.commitment.epoch
        found = self._sessions.holding(state.height, *at) if state.height else self._sessions.find(state.epoch, *at)
        if found is not None:
            yield found.epoch, beefy_authority(self._committee(found), self._next_committee(found.first))

    def _source(self) -> CommitmentSource:
        source: Chain = self._supplies.source.chain()
        if not isinstance(source, CommitmentSource):
            raise Refused(Code.UnknownScheme, "client", f"{source.spec.name} has no commitments of validators")
        return source

    def _next_committee(self, height: int) -> bytes:
        return self._source().next_committee(height)

    def _next(self, client: ClientStatus) -> Advance | Contradiction | None:
        """The newest commitment that the client can take: of its set, or of the next one."""
        state, source = client.state, self._source()
        height = source.committed_height()
        if height <= state.height:
            return None
        signed = self._signed(height)
        if (contradiction := self._contradiction(client, signed)) is not None:
            return contradiction
        if not signed:
            return None
        newest = signed[0].commitment
        if newest.epoch > state.epoch + 1:
            behind = self._sessions.find(state.epoch + 1, newest.height, newest.epoch)
            signed = [] if behind is None else self._signed(behind.first)
        elif newest.epoch < state.epoch:
            return None
        return self._advance(state, signed[0]) if signed else None

    def _newest(self) -> Signed | None:
        height = self._source().committed_height()
        signed = self._signed(height) if height >= FIRST_BLOCK else []
        return signed[0] if signed else None

    def _signed(self, height: int) -> list[Signed]:
        """What a quorum signed about a block: once for each story that the endpoints tell.

        Raises:
            Refused: what every endpoint gives is no commitment of this chain's validators to this block.
        """
        found, refusal = dict[bytes, Signed](), None
        for raw in self._source().justifications(height):
            try:
                signed = self._checked(height, raw)
            except Refused as refused:
                refusal = refused  # another endpoint may have the truth
            else:
                found.setdefault(signed.commitment.encode(), signed)
        if refusal is not None and not found:
            raise refusal
        for encoded, signed in found.items():
            self._seen.setdefault(encoded, signed)
        while len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return list(found.values())

    def _checked(self, height: int, raw: bytes) -> Signed:
        justification = Justification.decode(raw)
        said = justification.commitment
        if (said.height, said.domain) != (height, self._supplies.source.spec.domain):
            raise Refused(Code.EvidenceDisagrees, f"block {height}", "a commitment to another block or chain")
        members = self._sets.get(said.epoch) or tuple(sorted(self._source().validators(height)))
        signatures = {who: by for who, by in justification.signers().items() if who in members}
        if len(signatures) < quorum(len(members)):
            detail = f"{len(signatures)} of {quorum(len(members))} validators signed"
            raise Refused(Code.QuorumNotReached, f"block {height}", detail)
        # More than two thirds of them signed for this epoch, so they are its set.
        self._sets[said.epoch] = members
        return Signed(said, members, signatures)

    def _advance(self, state: TrustState, signed: Signed) -> Advance:
        said = signed.commitment
        takes_over = said.epoch != state.epoch
        if takes_over:
            committees = self._current(state, said), signed.committee
        else:
            committees = signed.committee, said.next_committee
        if beefy_authority(*committees) != state.authority:
            raise Refused(
                Code.CommitteeMismatch, f"epoch {state.epoch}", "the destination trusts other validators than these"
            )
        if not takes_over:
            # A relayer that starts again later may find no state of this set any more.
            self._supplies.queue.learn(state.authority, signed.members)

        def prove(consistency: Sequence[bytes]) -> bytes:
            return build_proof(said, committees, signed.members, signed.signatures, consistency).encode()

        return Advance(said.height, said.timestamp, said.outbox_size, said.outbox_root, takes_over, prove)

    def _current(self, state: TrustState, said: Commitment) -> bytes:
        """The committee of the client's own epoch, of which there need not be a commitment."""
        learnt = self._supplies.queue.committee(state.authority)
        if learnt is not None:
            return committee_hash(state.epoch, learnt)
        session = self._sessions.find(state.epoch, said.height, said.epoch)
        if session is None:
            raise Refused(Code.CommitteeMismatch, f"epoch {state.epoch}", "no set of the source has this epoch")
        return self._committee(session)

    def _committee(self, session: Session) -> bytes:
        """The set before has named it; the first one stands in the state, or in the configuration."""
        if session.first > FIRST_BLOCK:
            return self._next_committee(session.first - 1)
        for committee in self._supplies.validators:
            if committee.epoch == session.epoch:
                return committee_hash(session.epoch, committee.addresses())
        return committee_hash(session.epoch, sorted(self._source().validators(session.last)))

    def _contradiction(self, client: ClientStatus, signed: Sequence[Signed]) -> Contradiction | None:
        """Two commitments of one set that cannot both be true, when the client knows that set."""
        for b in signed:
            for a in self._seen.values():
                x, y = a.commitment, b.commitment
                if x == y or x.epoch != y.epoch or x.epoch > client.state.epoch:
                    continue
                if x.height == y.height or (x.outbox_size == y.outbox_size and x.outbox_root != y.outbox_root):
                    committees = a.committee, self._announced(x)
                    first, second = (
                        build_proof(half.commitment, committees, half.members, half.signatures, ()).encode()
                        for half in (a, b)
                    )
                    return Contradiction(x.height, first, second)
        return None

    def _announced(self, said: Commitment) -> bytes:
        """The next committee of the set that signed, as its first header says: one of two contradicting halves lies."""
        session = self._sessions.find(said.epoch, said.height, said.epoch)
        return said.next_committee if session is None else self._next_committee(session.first)
