"""The carrier of AND1: the carriers of the schemes in its list, asked for the same block of the source.

A client of a list shows one hash of everything that it believes. The list stands in the configuration (`schemes` of the
source); what is believed of each scheme is what its own carrier says of it, tried until the hash fits, and remembered.
A block is carried when every scheme that decides can prove it. A scheme in shadow stops nobody: what it cannot prove is
left out, and the destination counts its dissent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, product

from poft.chain import ClientStatus
from poft.protocol.errors import Code, Refused, Unreachable
from poft.verification.api import FinalityVerifier, Limits, TrustState
from poft.verification.schemes.and1 import (
    AgreementProof,
    AgreementVerifier,
    SchemeProof,
    SchemeTrust,
    agreement_hash,
)

from .carriers import Advance, Contradiction, PartCarrier, Supplies

GUESSES = 16
"""Authorities of one scheme that are tried: its configured and learnt committees, or the one set of a block."""


class AgreementCarrier:
    """AND1. `make` gives the carrier of a scheme in the list."""

    def __init__(self, supplies: Supplies, make: Callable[[bytes, Supplies], PartCarrier]) -> None:
        if not supplies.schemes:
            name = supplies.source.spec.name
            raise Refused(Code.UnknownScheme, "client", f"the schemes of its list are not configured for {name}")
        self._supplies = supplies
        self._places = tuple((name, shadow, make(name, supplies)) for name, shadow in supplies.schemes)
        self._verifier = AgreementVerifier()

    @property
    def verifier(self) -> FinalityVerifier:
        """AND1's."""
        return self._verifier

    def covering(self, client: ClientStatus, size: int) -> Advance | Contradiction | None:
        """The newest block that all can prove and that has the packets; failing that, one that hands over."""
        hand_over = None
        for found in self._agreed(client):
            if found.outbox_size >= size:
                return found
            if found.hands_over:
                hand_over = hand_over or found
        return hand_over or self._contradiction(client)

    def watching(self, client: ClientStatus, ageing: bool) -> Advance | Contradiction | None:
        """A block at which a scheme hands over; when the client is ageing, else the newest that all can prove."""
        newest = None
        for found in self._agreed(client):
            if found.hands_over:
                return found
            newest = newest or found
        return newest if ageing and newest is not None else self._contradiction(client)

    def evidence(self, client: ClientStatus) -> Contradiction | None:
        """The first scheme that decides and has evidence gives it."""
        trusts = self._trusts(client.state)
        for place, (_, shadow, carrier) in enumerate(self._places):
            if not shadow and (found := carrier.evidence(_within(client, trusts[place]))) is not None:
                return self._wrapped(client.state, trusts, place, found)
        return None

    def _agreed(self, client: ClientStatus) -> Iterator[Advance]:
        """Blocks that every scheme which decides can prove, newest first."""
        trusts = self._trusts(client.state)
        clients = [_within(client, trust) for trust in trusts]
        # The first of the list decides.
        for offered in self._places[0][2].offers(clients[0]):
            parts: list[Advance | None] = [offered]
            for (_, shadow, carrier), asked in zip(self._places[1:], clients[1:], strict=True):
                part = _heard(carrier, asked, offered.height) if shadow else carrier.at(asked, offered.height)
                if part is None and not shadow:
                    break
                parts.append(part)
            else:
                yield self._advance(client.state, trusts, offered, parts)

    def _advance(
        self, state: TrustState, trusts: Sequence[SchemeTrust], first: Advance, parts: Sequence[Advance | None]
    ) -> Advance:
        def prove(consistency: Sequence[bytes]) -> bytes:
            proofs = [
                SchemeProof(trust, b"" if part is None else _proof(part, trust, consistency))
                for trust, part in zip(trusts, parts, strict=True)
            ]
            proof = AgreementProof(state.epoch, tuple(proofs)).encode()
            limits = Limits(first.timestamp, 0)
            _, _, following = self._verifier.advance(self._supplies.source.spec.domain, state, proof, limits)
            self._learn(following)
            return proof

        hands_over = any(part.hands_over for part in parts if part is not None)
        return replace(first, hands_over=hands_over, prove=prove)

    def _contradiction(self, client: ClientStatus) -> Contradiction | None:
        """What a scheme that decides finds when it is asked for itself."""
        trusts = self._trusts(client.state)
        for place, (_, shadow, carrier) in enumerate(self._places):
            if not shadow:
                found = carrier.watching(_within(client, trusts[place]), False)
                if isinstance(found, Contradiction):
                    return self._wrapped(client.state, trusts, place, found)
        return None

    def _wrapped(
        self, state: TrustState, trusts: Sequence[SchemeTrust], place: int, found: Contradiction
    ) -> Contradiction | None:
        """Evidence within one scheme, in the list of the client; that of an earlier epoch has another list."""
        if self._places[place][2].verifier.epoch_of(found.first) != trusts[place].epoch:
            return None

        def half(proof: bytes) -> bytes:
            parts = (SchemeProof(trust, proof if i == place else b"") for i, trust in enumerate(trusts))
            return AgreementProof(state.epoch, tuple(parts)).encode()

        return Contradiction(found.height, half(found.first), half(found.second))

    def _trusts(self, state: TrustState) -> tuple[SchemeTrust, ...]:
        """What the client believes of each scheme.

        Raises:
            Refused: CommitteeMismatch, nothing that the carriers know has this hash.
        """
        learnt = self._supplies.queue.trusted_list(state.authority)
        if learnt is not None:
            return tuple(part.trust for part in AgreementProof.decode(learnt).schemes)
        flags = (True, False) if state.small_committee else (False,)
        guesses = [
            [
                SchemeTrust(name, shadow, epoch, authority, small)
                for epoch, authority in islice(carrier.authorities(state), GUESSES)
                for small in flags
            ]
            for name, shadow, carrier in self._places
        ]
        for trusts in product(*guesses):
            if agreement_hash(trusts) == state.authority:
                self._learn(trusts)
                return trusts
        raise Refused(
            Code.CommitteeMismatch,
            f"epoch {state.epoch}",
            "the destination believes another list of schemes, or others within it",
        )

    def _learn(self, trusts: Sequence[SchemeTrust]) -> None:
        parts = tuple(SchemeProof(trust, b"") for trust in trusts)
        self._supplies.queue.learn_list(agreement_hash(trusts), AgreementProof(0, parts).encode())


def _within(client: ClientStatus, trust: SchemeTrust) -> ClientStatus:
    """The client as one scheme of its list sees it."""
    return replace(client, scheme=trust.scheme, state=trust.within(client.state))


def _heard(carrier: PartCarrier, client: ClientStatus, height: int) -> Advance | None:
    """What a scheme in shadow has to say."""
    try:
        return carrier.at(client, height)
    except (Refused, Unreachable):
        return None  # the destination counts it as a dissent


def _proof(part: Advance, trust: SchemeTrust, consistency: Sequence[bytes]) -> bytes:
    if not trust.shadow:
        return part.prove(consistency)
    try:
        return part.prove(consistency)
    except (Refused, Unreachable):
        return b""
