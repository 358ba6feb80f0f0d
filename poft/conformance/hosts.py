"""A scheme behind its hosts: the light client and the inbox of a live devnet, from creation to recovery.

What a host does for every scheme (replay, freeze, recovery, delivery) has to hold for this one, and what the scheme
refuses has to arrive as a refused transaction that changed nothing. Attempts are made in order, on one source, and the
story goes on with whatever the ledger says.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from poft.chain import Chain, ClientStatus, Peer, Receipt
from poft.conformance.attacks import spread
from poft.conformance.cases import AUTHORITY, DECODING, DOMAIN
from poft.conformance.plugin import Subject
from poft.conformance.questions import TAKEN
from poft.conformance.source import Claim, Forgery, HonestSource
from poft.protocol.checkpoint import Checkpoint, CheckpointPayload, parents_hash
from poft.protocol.errors import Code, PoftError
from poft.protocol.hashing import ZERO32, keccak
from poft.protocol.merkle import consistency_proof, inclusion_proof, log_root
from poft.protocol.packet import VERSION, Packet, PacketKind
from poft.verification.api import MAX_BYTES
from poft.verification.receive import PacketProof

DRIFT = 60
STALENESS = 3600
_FORGERIES = 8
_LAG = 30
"""Seconds that the source's clock is behind at first, so that its next blocks are not from the future."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A transaction. `codes` are those with which it has to be refused; none: it has to succeed.

    Nothing that follows makes sense without a `vital` one.
    """

    name: str
    act: Callable[[], Receipt]
    codes: frozenset[Code] = frozenset()
    vital: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """What the ledger answered: `Ok`, the name of a code, or words; and whether that was right."""

    attempt: Attempt
    word: str
    right: bool


@dataclass(frozen=True, slots=True)
class Price:
    """In the ledger's unit, in the steady state: one packet later, everything warm. `seconds` of an update."""

    update: int
    delivery: int
    update_and_delivery: int
    seconds: float


@dataclass
class Follower:
    """A source with packets for the chain under test, and what its proofs look like there."""

    chain: Chain
    source: HonestSource
    label: bytes
    height: int = 0
    started: int = field(default_factory=lambda: int(time.time()) - _LAG)
    packets: list[tuple[Packet, bytes]] = field(default_factory=list)
    previous: bytes = ZERO32
    epoch: int = 1

    def __post_init__(self) -> None:
        self.previous = keccak(b"genesis checkpoint" + self.label)

    @property
    def peer(self) -> Peer:
        """The federation over there."""
        names = (keccak(name + self.label) for name in (b"federation", b"task", b"genesis checkpoint", b"sender"))
        return Peer(self.source.domain, *names)

    @property
    def leaves(self) -> list[bytes]:
        """Its outbox."""
        return [packet.id for packet, _ in self.packets]

    def export(self) -> None:
        """One more checkpoint for the chain under test."""
        peer, parents = self.peer, (keccak(b"parent" + self.label),)
        made = Checkpoint(
            federation=peer.federation,
            task=peer.task,
            round=len(self.packets) + 1,
            model_root=keccak(b"model" + self.label),
            model_bytes=1000,
            manifest_hash=keccak(b"manifest"),
            parents_hash=parents_hash(parents),
            samples=100,
            metrics_hash=ZERO32,
            training_root=ZERO32,
            dataset_root=ZERO32,
            locator_hash=ZERO32,
        )
        payload = CheckpointPayload(made, parents, self.previous).encode()
        self.previous = made.id
        packet = Packet(
            VERSION,
            PacketKind.CHECKPOINT,
            self.source.domain,
            self.chain.domain,
            len(self.packets),
            peer.endpoint,
            self.chain.endpoint,
            0,
            keccak(payload),
        )
        self.packets.append((packet, payload))

    def claim(self, accepted: int) -> Claim:
        """The next block, for a client that has accepted an outbox of this size."""
        self.height += 10
        leaves = self.leaves
        return Claim(
            self.height,
            self.started + self.height // 10,
            len(leaves),
            log_root(leaves),
            tuple(consistency_proof(leaves, accepted)),
            self.epoch,
        )

    def delivery(self, index: int) -> list[PacketProof]:
        """A packet with the proof that it is in the whole outbox."""
        packet, payload = self.packets[index]
        return [PacketProof(packet, payload, index, tuple(inclusion_proof(self.leaves, index)))]


def knows(chain: Chain, subject: Subject, members: int) -> bool:
    """Whether this ledger has the scheme; what else it may have against a genesis is part of the story."""
    source = subject.plugin.source(members, b"known to " + chain.domain)
    try:
        chain.create_client(source.domain, subject.name.encode(), source.genesis(), DRIFT, STALENESS)
    except PoftError as error:
        return getattr(error, "code", None) is not Code.UnknownScheme
    return True


def story(chain: Chain, stranger: Chain, subject: Subject, members: int) -> Iterator[Said]:
    """Makes every attempt and judges it; ends early when the story cannot go on."""
    source = subject.plugin.source(members, b"story on " + chain.domain)
    domain = source.domain
    for attempt in _attempts(chain, stranger, subject, members, source):
        before = _state(chain, domain)
        try:
            attempt.act()
        except PoftError as error:
            code = getattr(error, "code", None)
            word = code.name if isinstance(code, Code) else str(error)
            right = code in attempt.codes and _state(chain, domain) == before
        else:
            word, right = TAKEN, not attempt.codes
        yield Said(attempt, word, right)
        if attempt.vital and not right:
            return


def _state(chain: Chain, domain: bytes) -> tuple[ClientStatus | None, int]:
    """What an attack could have changed."""
    try:
        return chain.client(domain), chain.next_nonce(domain)
    except PoftError as error:
        if getattr(error, "code", None) is Code.Uninitialised:
            return None, 0
        raise


def _attempts(chain: Chain, stranger: Chain, subject: Subject, members: int, source: HonestSource) -> Iterator[Attempt]:
    scheme, domain, quorum = subject.name.encode(), source.domain, subject.plugin.quorum(members)
    followed = Follower(chain, source, b"story")
    followed.export()
    first = followed.claim(0)
    proof = source.prove(first)

    def attack(name: str, act: Callable[[], Receipt], *codes: Code | frozenset[Code]) -> Attempt:
        sets = [{code} if isinstance(code, Code) else code for code in codes]
        return Attempt(name, act, frozenset[Code]().union(*sets))

    def creating(by: Chain, about: bytes, scheme: bytes, genesis: bytes) -> Callable[[], Receipt]:
        return lambda: by.create_client(about, scheme, genesis, DRIFT, STALENESS)

    def updating(data: bytes) -> Callable[[], Receipt]:
        return lambda: chain.update_client(domain, data)

    def delivering(data: bytes | None, size: int, index: int) -> Callable[[], Receipt]:
        packets = followed.delivery(index)
        return lambda: chain.deliver(domain, data, size, packets)

    honest = source.genesis()
    yield attack("an update of a source that nobody follows", updating(proof), Code.Uninitialised)
    yield attack("a client created by a stranger", creating(stranger, domain, scheme, honest), Code.Unauthorised)
    yield attack(
        "a client of a scheme that nobody has", creating(chain, domain, b"\0\0\0\0", honest), Code.UnknownScheme
    )
    yield attack("a client of this very chain", creating(chain, chain.domain, scheme, honest), Code.WrongDomain)
    none = DECODING | {Code.ZeroValue}
    yield attack("a client of an empty genesis", creating(chain, domain, scheme, b""), none)
    long = honest + bytes(MAX_BYTES + 1 - len(honest))
    yield attack("a client of a genesis of 64 KiB and a byte", creating(chain, domain, scheme, long), Code.Oversize)
    yield Attempt("a client", creating(chain, domain, scheme, honest), vital=True)
    yield attack("the client a second time", creating(chain, domain, scheme, honest), Code.AlreadyInitialised)
    yield Attempt("a peer", lambda: chain.set_peer(followed.peer))
    yield attack("a packet before any update", delivering(None, 1, 0), Code.UnknownOutbox, Code.StaleClient)
    long = proof + bytes(MAX_BYTES + 1 - len(proof))
    yield attack("a proof of 64 KiB and a byte", updating(long), Code.Oversize)
    yield attack("an empty proof", updating(b""), DECODING)
    yield attack("a proof with a trailing byte", updating(proof + b"\0"), DECODING)
    yield attack("a proof with a signer short", updating(source.prove(first, quorum - 1)), Code.QuorumNotReached)
    foreign = source.prove(first, domain=chain.domain)
    yield attack("a proof signed for another chain", updating(foreign), DOMAIN)
    yield Attempt("an update with its first packet", delivering(proof, 1, 0))
    yield attack("the packet again", delivering(None, 1, 0), Code.NonceReplayed)
    yield attack("the packet again, with its update", delivering(proof, 1, 0), Code.NonceReplayed)
    yield Attempt("the update again", updating(proof))

    followed.export()
    second = followed.claim(1)
    yield attack("a packet whose outbox is not final", delivering(None, 2, 1), Code.UnknownOutbox)
    lie = replace(second, outbox_root=keccak(b"instead"))
    yield attack("history rewritten", updating(source.prove(lie)), Code.InconsistentLog)
    yield attack("an old height", updating(source.prove(replace(second, height=first.height))), Code.StaleHeight)
    early = replace(second, epoch=2)
    wrong = frozenset({Code.WrongEpoch, Code.CommitteeMismatch})
    yield attack("an epoch ahead", updating(source.prove(early)), wrong)
    far = replace(second, timestamp=second.timestamp + STALENESS)
    yield attack("a time ahead", updating(source.prove(far)), Code.TimestampDrift)
    for forgery in _some(source.forgeries(chain.client(domain).state, second)):
        yield attack(f"scheme: {forgery.name}", updating(forgery.proof), forgery.codes)
    yield Attempt("an update alone", updating(source.prove(second)))
    yield Attempt("its packet alone", delivering(None, 2, 1))

    third = followed.claim(2)
    halves = source.prove(third), source.prove(replace(third, fork=1))
    weak = source.prove(replace(third, fork=1), quorum - 1)

    def accusing(one: bytes, other: bytes) -> Callable[[], Receipt]:
        return lambda: chain.submit_misbehaviour(domain, one, other)

    yield attack("evidence of one statement", accusing(halves[0], halves[0]), Code.NotMisbehaviour)
    yield attack("evidence with a half that no quorum signed", accusing(halves[0], weak), Code.QuorumNotReached)
    yield attack("evidence of an epoch to come", accusing(source.prove(replace(third, epoch=9)), halves[1]), wrong)
    handing = replace(third, hand_over=True)
    yield Attempt("a hand-over", updating(source.prove(handing)))
    following = subject.plugin.source(members, b"story on " + chain.domain)
    following.hand_over()
    followed.epoch = 2
    fourth = followed.claim(2)
    yield attack("the old authority after the hand-over", updating(source.prove(replace(fourth, epoch=1))), wrong)
    yield attack("the old authority in the new epoch", updating(source.prove(fourth)), AUTHORITY)
    yield Attempt("the next authority", updating(following.prove(fourth)))
    yield Attempt("evidence against the retired authority", accusing(*halves))

    fifth = followed.claim(2)
    yield attack("an update of a frozen client", updating(following.prove(fifth)), Code.Frozen)
    yield attack("a packet of a frozen client", delivering(None, 2, 1), Code.Frozen)
    yield attack("evidence against a frozen client", accusing(*halves), Code.Frozen)

    def recovering(by: Chain, scheme: bytes, genesis: bytes) -> Callable[[], Receipt]:
        return lambda: by.recover_client(domain, scheme, genesis)

    later = following.genesis(3)
    yield attack("a recovery by a stranger", recovering(stranger, scheme, later), Code.Unauthorised)
    yield attack("a recovery into the same epoch", recovering(chain, scheme, following.genesis(2)), Code.WrongEpoch)
    yield attack("a recovery into an unknown scheme", recovering(chain, b"\0\0\0\0", later), Code.UnknownScheme)
    yield Attempt("a recovery", recovering(chain, scheme, later))
    bare = replace(fifth, consistency=())
    yield attack("an old signature after the recovery", updating(following.prove(bare)), wrong)
    yield attack("evidence of before the recovery", accusing(*halves), wrong)
    followed.epoch = 3
    sixth = replace(followed.claim(0))
    again = following.prove(sixth)
    yield attack("a packet of before the recovery", delivering(again, 2, 1), Code.NonceReplayed)
    yield Attempt("an update after the recovery", updating(again))
    followed.export()
    seventh = followed.claim(2)
    yield Attempt("an update with the next packet", delivering(following.prove(seventh), 3, 2))
    yield attack("a freeze by a stranger", lambda: stranger.freeze_client(domain), Code.Unauthorised)
    yield Attempt("a freeze by governance", lambda: chain.freeze_client(domain))
    eighth = following.prove(followed.claim(3))
    yield attack("an update of a client that governance froze", updating(eighth), Code.Frozen)


def _some(forgeries: Sequence[Forgery]) -> Sequence[Forgery]:
    """At most `_FORGERIES` of them, evenly: every one is a transaction, and each language has met them all."""
    return [forgeries[at] for at in spread(len(forgeries), _FORGERIES)]


def priced(chain: Chain, subject: Subject, members: int) -> Price:
    """What an update and a delivery cost for an authority of this size; every step here is honest."""
    label = b"prices of %d on " % members + chain.domain
    source = subject.plugin.source(members, label)
    followed = Follower(chain, source, label)
    chain.create_client(source.domain, subject.name.encode(), source.genesis(), DRIFT, STALENESS)
    chain.set_peer(followed.peer)

    def both() -> int:
        followed.export()
        size = len(followed.packets)
        proof = source.prove(followed.claim(size - 1))
        return chain.deliver(source.domain, proof, size, followed.delivery(size - 1)).cost

    both()
    together = both()
    followed.export()
    proof = source.prove(followed.claim(2))
    start = time.perf_counter()
    update = chain.update_client(source.domain, proof)
    seconds = time.perf_counter() - start
    delivery = chain.deliver(source.domain, None, 3, followed.delivery(2))
    return Price(update.cost, delivery.cost, together, seconds)


__all__ = ["Attempt", "Follower", "Price", "Said", "knows", "priced", "story"]
