"""The carrier of CLQ1: headers that a Clique network's signers sealed, read from its nodes. No attestors.

What a node has is hostile until its seals were counted, by the very rule that the destination applies. The newest block
that was proven to a client is remembered with its proof. When a node has another block at that height, this is the
reorganisation that the rule promises never to happen: the other headers are kept, the link stops with an alarm, and as
soon as the other branch is safe by the rule as well, both proofs together are evidence, with which the client is
frozen. Another endpoint than the first may be on a branch of its own for a while (a partition), or not answer: its
headers are kept, and count once they are safe.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from poft.chain import Branch, Chain, ClientStatus, SealedSource
from poft.protocol.errors import Code, Refused, Reorganised, Unreachable
from poft.protocol.merkle import EMPTY_ROOT
from poft.verification.api import FinalityVerifier, TrustState
from poft.verification.headers import Header
from poft.verification.schemes.clq1 import CliqueVerifier, find_safe, is_safe, listed_signers, sealer_of
from poft.verification.sealed import MAX_HEADERS, Anchor, Finding, SealedProof
from poft.verification.state_proof import StateProof

from .carriers import Advance, Contradiction, Supplies
from .log import Level

OFFERS = 64
"""Blocks that are looked through for steps that other schemes can agree to."""
REACH = 128
"""A node without an archive has the states of so many blocks: a client further behind is not pinned."""
CHECKPOINTS = 64
"""Checkpoint blocks that are looked through for the first one with another list."""
_NO_STATE = StateProof((), ())


@dataclass(frozen=True, slots=True)
class Trust:
    """The preimage of a client's authority."""

    anchor: Anchor
    epoch: int
    signers: tuple[bytes, ...]

    @property
    def authority(self) -> bytes:
        return self.anchor.authority(self.epoch, self.signers)


class View:
    """A branch as it is during one step: every header is asked for once."""

    def __init__(self, branch: Branch) -> None:
        self.branch, self.head = branch, branch.head()
        self._headers: dict[int, Header | None] = {}
        self._sealers: dict[int, bytes] = {}

    def header(self, height: int) -> Header | None:
        """The block's header, if the node has one."""
        if height not in self._headers:
            raw = self.branch.header(height)
            self._headers[height] = None if raw is None else Header.decode(raw)
        return self._headers[height]

    def safe(self, trust: Trust, height: int) -> tuple[tuple[Header, ...], Finding] | None:
        """The block at this height with the headers that make it safe, as few as do; None as long as they do not."""
        block = self.header(height)
        if block is None:
            return None
        signers = listed_signers(block) or trust.signers
        headers, sealers, weight = [block], set[bytes](), 0
        while len(headers) < MAX_HEADERS:
            if is_safe(len(sealers), weight, len(signers), trust.anchor.dishonest):
                try:
                    return tuple(headers), find_safe(bare(trust, headers), tuple(headers), small=True)
                except Refused as refused:
                    # Another header may bring a signer of the old list; everything else stays as it is.
                    if refused.code is not Code.QuorumNotReached:
                        return None
            following = self.header(height + len(headers))
            if following is None:
                return None
            headers.append(following)
            sealers.add(self._sealer(following))
            weight += following.difficulty
        return None

    def _sealer(self, header: Header) -> bytes:
        if header.number not in self._sealers:
            self._sealers[header.number] = sealer_of(header)
        return self._sealers[header.number]


class CliqueCarrier:
    """CLQ1."""

    verifier: FinalityVerifier = CliqueVerifier()

    def __init__(self, supplies: Supplies) -> None:
        self._supplies = supplies
        self._searched = float("-inf")

    def covering(self, client: ClientStatus, size: int) -> Advance | Contradiction | None:
        """The newest safe block, if its outbox has the packets; or the checkpoint by which signers changed."""
        found = self._look(client)
        if isinstance(found, Advance) and not found.hands_over and found.outbox_size < size:
            return None
        return found

    def watching(self, client: ClientStatus, ageing: bool) -> Advance | Contradiction | None:
        """A checkpoint by which signers changed; when the client is ageing, else the newest safe block."""
        found = self._look(client)
        if isinstance(found, Advance) and not found.hands_over and not ageing:
            return None
        return found

    def evidence(self, client: ClientStatus) -> Contradiction | None:
        """Holds what was proven against every endpoint again."""
        if time.monotonic() - self._searched < self._supplies.watch_seconds:
            return None
        self._searched = time.monotonic()
        found = self._contradiction(self._trust(client.state), self._own())
        if found is None:
            self._supplies.log(
                "doubt without evidence", Level.ALARM, link=self._supplies.link, height=client.state.height
            )
        return found

    def offers(self, client: ClientStatus) -> Iterator[Advance]:
        """Safe blocks, newest first."""
        trust, view = self._trust(client.state), self._own()
        for height in range(view.head - 1, max(client.state.height, view.head - OFFERS), -1):
            if (found := self._advance(client.state, trust, view, height)) is not None:
                yield found

    def at(self, client: ClientStatus, height: int) -> Advance | None:
        """The block at this height, once it is safe."""
        return self._advance(client.state, self._trust(client.state), self._own(), height)

    def authorities(self, state: TrustState) -> Iterator[tuple[int, bytes]]:
        """Of the signers that the spec names, and of those that were learnt, newest first."""
        for epoch in range(state.epoch, 0, -1):
            for trust in self._known(epoch):
                yield epoch, trust.authority

    def _source(self) -> SealedSource:
        source: Chain = self._supplies.source.chain()
        if not isinstance(source, SealedSource):
            raise Refused(Code.UnknownScheme, "client", f"{source.spec.name} has no sealed headers")
        return source

    def _own(self) -> View:
        """What the endpoint has that is asked first."""
        return View(self._source().branches()[0])

    def _known(self, epoch: int) -> Iterator[Trust]:
        """What a client may trust in an epoch: any number of dishonest signers, since only its hash is known."""
        named = self._source().consortium()
        domain = self._supplies.source.spec.domain
        for signers in (named.signers, *self._supplies.queue.committees()):
            for dishonest in range(len(signers) // 2 + 1):
                yield Trust(Anchor(domain, named.outbox, named.code_hash, named.since, dishonest), epoch, signers)

    def _trust(self, state: TrustState) -> Trust:
        for trust in self._known(state.epoch):
            if trust.authority == state.authority:
                return trust
        raise Refused(
            Code.CommitteeMismatch, f"epoch {state.epoch}", "the destination trusts other signers than the spec names"
        )

    def _look(self, client: ClientStatus) -> Advance | Contradiction | None:
        """The newest safe block that the client does not know, once what it knows still stands."""
        state, trust, own = client.state, self._trust(client.state), self._own()
        if (found := self._contradiction(trust, own)) is not None:
            return found
        self._pin(state, trust, own)
        for height in range(own.head - 1, max(state.height, own.head - MAX_HEADERS), -1):
            if (step := self._advance(state, trust, own, height)) is not None:
                return step
        return self._hand_over(state, trust, own)

    def _hand_over(self, state: TrustState, trust: Trust, view: View) -> Advance | None:
        """The first checkpoint after what the client knows that lists other signers, and is believed."""
        length = self._source().consortium().checkpoint
        first = state.height // length + 1
        for number in range(first, min(view.head // length, first + CHECKPOINTS) + 1):
            block = view.header(number * length)
            if block is not None and listed_signers(block) not in ((), trust.signers):
                return self._advance(state, trust, view, number * length)
        return None

    def _advance(self, state: TrustState, trust: Trust, view: View, height: int) -> Advance | None:
        if height <= max(state.height, trust.anchor.since) or (found := view.safe(trust, height)) is None:
            return None
        headers, finding = found
        size, root = view.branch.outbox(height)

        def prove(consistency: Sequence[bytes]) -> bytes:
            proof = made(trust, headers, (size, root), view.branch.state_proof(height), consistency)
            alone = made(trust, headers, (size, root), proof.state, ()).encode()
            self._supplies.queue.release(trust.authority, height, finding.block_hash, alone)
            if finding.signers != trust.signers:
                following = Trust(trust.anchor, trust.epoch + 1, finding.signers)
                self._supplies.queue.learn(following.authority, finding.signers)
                self._supplies.queue.release(following.authority, height, finding.block_hash, b"")
            return proof.encode()

        hands_over = finding.signers != trust.signers
        return Advance(height, headers[0].timestamp, size, root, hands_over, prove)

    def _pin(self, state: TrustState, trust: Trust, view: View) -> None:
        """Remembers the block that another relayer proved, as the node has it now: from here on it has to stay."""
        released = self._supplies.queue.released(trust.authority)
        known = released is not None and released[0] >= state.height
        if known or not trust.anchor.since < state.height or view.head - state.height > REACH:
            return
        found = view.safe(trust, state.height)
        if found is None or view.branch.outbox(state.height) != (state.outbox_size, state.outbox_root):
            return
        headers, finding = found
        outbox = state.outbox_size, state.outbox_root
        proof = made(trust, headers, outbox, view.branch.state_proof(state.height), ())
        self._supplies.queue.release(trust.authority, state.height, finding.block_hash, proof.encode())

    def _contradiction(self, trust: Trust, own: View) -> Contradiction | None:
        """Two safe blocks where one was released.

        Raises:
            Reorganised: the node that is asked first has another block there, which is not safe (yet).
        """
        released = self._supplies.queue.released(trust.authority)
        if released is None:
            return None
        height, block_hash, proof = released
        if (found := self._opposed(trust, own, height, block_hash, proof)) is not None:
            return found
        for branch in self._source().branches()[1:]:
            try:
                found = self._opposed(trust, View(branch), height, block_hash, proof)
            except Unreachable:
                continue  # one endpoint that answers is enough to go on
            if found is not None:
                return found
        block = own.header(height)
        if block is not None and block.hash != block_hash:
            raise Reorganised(self._supplies.source.spec.name, height, block_hash, block.hash)
        return None

    def _opposed(self, trust: Trust, view: View, height: int, block_hash: bytes, proof: bytes) -> Contradiction | None:
        block = view.header(height) if view.head >= height else None
        if block is None or block.hash == block_hash:
            return None
        self._keep(view, block, block_hash)
        other = view.safe(trust, height)
        if other is None or not proof:
            return None
        second = made(trust, other[0], view.branch.outbox(height), view.branch.state_proof(height), ())
        return Contradiction(height, proof, second.encode())

    def _keep(self, view: View, block: Header, released: bytes) -> None:
        """Competing headers stay, with everything on top of them that the node has now."""
        domain, new = self._supplies.source.spec.domain, False
        for height in range(block.number, min(view.head, block.number + MAX_HEADERS) + 1):
            if (header := view.header(height)) is not None:
                new |= self._supplies.queue.compete(domain, height, header.hash, header.encoded, view.branch.url)
        if new:
            self._supplies.reorganised()
            self._supplies.log(
                "another block where one was proven to the destination",
                Level.ALARM,
                link=self._supplies.link,
                endpoint=view.branch.url,
                height=block.number,
                released="0x" + released.hex(),
                found="0x" + block.hash.hex(),
            )


def made(
    trust: Trust,
    headers: Sequence[Header],
    outbox: tuple[int, bytes],
    state: StateProof,
    consistency: Sequence[bytes],
) -> SealedProof:
    """The proof that a destination takes."""
    encoded = tuple(header.encoded for header in headers)
    size, root = outbox
    return SealedProof(trust.anchor, trust.epoch, size, root, trust.signers, tuple(consistency), encoded, state)


def bare(trust: Trust, headers: Sequence[Header]) -> SealedProof:
    """A proof of the headers alone, for whoever asks only whether they are safe."""
    return made(trust, headers, (0, EMPTY_ROOT), _NO_STATE, ())
