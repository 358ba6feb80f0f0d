"""The attacks that every scheme meets, and the honest proofs that it has to take (docs/protocol.md sections 8 and 11).

Each list is a subject: genesis, updates, the authority, evidence of misbehaviour, encodings. A case's name says what is
tried; nothing in it depends on the scheme. The client of the story has accepted two blocks unless a case says
otherwise, so that there is a height, a time and a log to contradict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from poft.conformance.cases import ANY, AUTHORITY, DECODING, DOMAIN, SIGNATURE, Case, refused, refused_or_same, taken
from poft.conformance.cmt1 import CommitteeSource
from poft.conformance.esp1 import StateProofSource
from poft.conformance.plugin import Subject
from poft.conformance.questions import CheckMisbehaviour, EpochOf, Initialise, Question, SchemeOf, Verify
from poft.conformance.source import Claim
from poft.conformance.world import DRIFT, NOTHING, NOW, REWRITTEN, SIZES, World, begin, found, nodes
from poft.protocol.errors import Code, ConfigError
from poft.protocol.hashing import U64_MAX, keccak
from poft.protocol.merkle import EMPTY_ROOT, log_root
from poft.verification.api import MAX_BYTES, Limits, TrustState

THRESHOLDS = tuple(range(1, 13))
"""Sizes of committee at which the threshold is tried: every remainder of a division by three, four times."""

_SHORT = Code.QuorumNotReached


@dataclass(frozen=True, slots=True)
class Depth:
    """How much is tried. `cuts` and `flips` are lengths and positions, spread evenly over an object's bytes."""

    cuts: int = 64
    flips: int = 128
    garbage: int = 16
    thresholds: tuple[int, ...] = THRESHOLDS


def attacks(subject: Subject, members: int, depth: Depth) -> list[Case]:
    """Every case of a scheme with so many members, but those that its description exempts.

    Raises:
        ConfigError: the scheme's own forgeries share a name.
    """
    world = found(subject, members)
    cases = [
        *of_genesis(world, depth),
        *of_updates(world),
        *of_histories(world),
        *of_epochs(world),
        *of_signers(world),
        *of_thresholds(subject, depth),
        *of_evidence(world),
        *of_encodings(world, depth),
        *of_the_scheme(world),
    ]
    twice = [name for name, times in Counter(case.name for case in cases).items() if times > 1]
    if twice:
        raise ConfigError(f"{subject.name} has two forgeries called {twice[0]!r}", "Give each its own name")
    return [case for case in cases if not is_exempt(subject, case.name)]


def is_exempt(subject: Subject, name: str) -> bool:
    """Whether the description says that a case does not apply to the scheme."""
    return any(fnmatchcase(name, pattern) for pattern in subject.plugin.exempt)


def of_genesis(world: World, depth: Depth) -> Iterator[Case]:
    """What a client may start from."""
    honest, begun = world.source.genesis(), world.states[0]
    yield taken("the scheme names itself", SchemeOf(), world.subject.name.encode())
    yield taken("genesis", Initialise(honest), _fresh(begun, world.source.epoch))
    yield refused("genesis: empty", Initialise(b""), DECODING, Code.ZeroValue)
    yield refused("genesis: epoch 0", Initialise(world.source.genesis(0)), Code.ZeroValue)
    final = world.source.genesis(U64_MAX)
    yield taken("genesis: the last epoch", Initialise(final), _fresh(begin(world.subject, final), U64_MAX))
    bad = DECODING | {Code.ZeroValue, Code.CommitteeInvalid}
    yield refused("genesis: zeros", Initialise(bytes(len(honest))), bad)
    for length in spread(len(honest), depth.cuts):
        yield refused(f"genesis: cut to {length} bytes", Initialise(honest[:length]), bad)
    yield refused("genesis: a trailing byte", Initialise(honest + b"\0"), bad)
    yield refused("genesis: 64 KiB and a byte", Initialise(honest + bytes(MAX_BYTES + 1 - len(honest))), bad)
    yield refused("genesis: a proof", Initialise(world.source.prove(world.claims[0])), ANY)
    for n in range(depth.garbage):
        yield refused(f"genesis: garbage {n}", Initialise(noise(b"genesis", n)), ANY)


def of_updates(world: World) -> Iterator[Case]:
    """Heights, sizes and times: every lie is signed by a whole quorum."""
    prove, verify = world.source.prove, world.verify
    fresh, one, two, _ = world.states
    first, second, third = world.claims
    yield taken("the first update", verify(fresh, prove(first)), world.after(fresh, first))
    yield taken("an update with history", verify(one, prove(second)), world.after(one, second))
    quiet = replace(second, height=second.height + 1, consistency=(), fork=1)
    yield taken("an update without new packets", verify(two, prove(quiet)), world.after(two, quiet))
    empty = replace(first, outbox_size=0, outbox_root=EMPTY_ROOT)
    yield taken("an update of an empty outbox", verify(fresh, prove(empty)), world.after(fresh, empty))
    everyone = prove(third, signers=world.members)
    yield taken("an update signed by everyone", verify(two, everyone), world.after(two, third))
    yield taken("the last update again", verify(two, prove(second)), (two, world.established(second)))
    yield refused(
        "the last update again, a signer short", verify(two, prove(second, world.quorum - 1)), Code.QuorumNotReached
    )
    for name, again in (
        ("about another block", replace(second, fork=1)),
        ("handing over", replace(second, hand_over=True)),
    ):
        # A scheme may call it a repetition or an old height: nothing may come of it.
        known = (two, world.established(again))
        yield refused_or_same(f"the last update again, {name}", verify(two, prove(again)), {Code.StaleHeight}, known)

    def lie(name: str, claim: Claim, *codes: Code, state: TrustState = two) -> Case:
        return refused(name, verify(state, prove(claim)), *codes)

    yield lie("a height before the last", first, Code.StaleHeight)
    yield lie("height 0", replace(third, height=0), Code.StaleHeight)
    yield lie("height 0 for a fresh client", replace(first, height=0), Code.StaleHeight, state=fresh)
    yield lie("the last height with another outbox", replace(third, height=second.height), Code.StaleHeight)
    smaller = replace(third, outbox_size=SIZES[0], outbox_root=first.outbox_root, consistency=())
    yield lie("a log that shrank", smaller, Code.SizeRegression)
    yield lie("a log that became empty", replace(smaller, outbox_size=0, outbox_root=EMPTY_ROOT), Code.SizeRegression)
    other = replace(second, height=third.height, outbox_root=log_root(REWRITTEN[: SIZES[1]]), consistency=())
    yield lie("another root for the same size", other, Code.RootChanged)
    yield lie("an older time", replace(third, timestamp=second.timestamp - 1), Code.TimestampRegression)
    yield lie("time 0", replace(third, timestamp=0), Code.TimestampRegression)
    limit = replace(third, timestamp=NOW + DRIFT)
    yield taken("a time at the edge of the drift", verify(two, prove(limit)), world.after(two, limit))
    yield lie("a time beyond the drift", replace(third, timestamp=NOW + DRIFT + 1), Code.TimestampDrift)
    yield lie("time 2^64-1", replace(third, timestamp=U64_MAX), Code.TimestampDrift)
    yield taken(
        "a host whose clock is at its end",
        Verify(world.source.domain, two, prove(third), Limits(U64_MAX, U64_MAX)),
        world.after(two, third),
    )
    far = replace(third, height=U64_MAX)
    yield taken("height 2^64-1", verify(two, prove(far)), world.after(two, far))


def of_histories(world: World) -> Iterator[Case]:
    """Whatever a quorum says, the log was only appended to."""
    prove, verify = world.source.prove, world.verify
    fresh, _, two, _ = world.states
    third = world.claims[2]
    lie = replace(third, outbox_root=log_root(REWRITTEN))
    own = replace(lie, consistency=nodes(SIZES[1], SIZES[2], REWRITTEN))
    yield refused("history rewritten, with the honest log's nodes", verify(two, prove(lie)), Code.InconsistentLog)
    yield refused("history rewritten, with its own nodes", verify(two, prove(own)), Code.InconsistentLog)
    bare = replace(third, consistency=())
    yield refused("history without nodes", verify(two, prove(bare)), Code.ProofLength)
    short = replace(third, consistency=third.consistency[:-1])
    yield refused("history with a node less", verify(two, prove(short)), Code.ProofLength)
    long = replace(third, consistency=(*third.consistency, keccak(b"node")))
    yield refused("history with a node more", verify(two, prove(long)), Code.ProofLength)
    first = replace(world.claims[0], consistency=(keccak(b"node"),))
    yield refused("the first history with a node", verify(fresh, prove(first)), Code.ProofLength)
    swapped = replace(third, consistency=third.consistency[::-1])
    yield refused("history with its nodes reversed", verify(two, prove(swapped)), Code.InconsistentLog)
    jump = replace(third, consistency=nodes(SIZES[0], SIZES[2]))
    yield refused("history from another size", verify(two, prove(jump)), Code.ProofLength, Code.InconsistentLog)
    grown = replace(third, outbox_size=U64_MAX)
    yield refused("a log of 2^64-1 packets", verify(two, prove(grown)), Code.ProofLength, Code.InconsistentLog)


def of_epochs(world: World) -> Iterator[Case]:
    """Authorities speak in their own epoch: not before, not afterwards."""
    source, following, verify = world.source, world.following, world.verify
    two, third = world.states[2], world.claims[2]
    epoch = world.states[0].epoch
    wrong = (Code.WrongEpoch, Code.CommitteeMismatch)
    for name, said in (
        ("past", epoch - 1), ("next", epoch + 1), ("after the next", epoch + 2), ("2^64-1", U64_MAX)
    ):  # fmt: skip
        yield refused(f"epoch: {name}", verify(two, source.prove(replace(third, epoch=said))), *wrong)
    handing = replace(third, hand_over=True)
    handed, finalised = world.after(two, handing)
    proof = source.prove(handing)
    yield taken("a hand-over", verify(two, proof), (handed, finalised))
    yield refused("a hand-over, a signer short", verify(two, source.prove(handing, world.quorum - 1)), _SHORT)
    later = Claim(40, NOW, SIZES[2], third.outbox_root, (), epoch + 1)
    yield taken(
        "the next authority after the hand-over", verify(handed, following.prove(later)), world.after(handed, later)
    )
    yield refused(
        "the old authority after the hand-over", verify(handed, source.prove(replace(later, epoch=epoch))), *wrong
    )
    yield refused("the old authority in the new epoch", verify(handed, source.prove(later)), AUTHORITY)
    yield refused("the hand-over again", verify(handed, proof), *wrong)
    early = replace(third, epoch=epoch + 1)
    yield refused("the next authority too early", verify(two, following.prove(early)), AUTHORITY)
    yield refused("the next authority in the old epoch", verify(two, following.prove(third)), AUTHORITY)
    ends = begin(world.subject, source.genesis(U64_MAX))
    final = replace(world.claims[0], epoch=U64_MAX)
    yield taken("an update in the last epoch", verify(ends, source.prove(final)), world.after(ends, final))
    yield refused(
        "a hand-over in the last epoch",
        verify(ends, source.prove(replace(final, hand_over=True))),
        Code.BadHandover,
        Code.CommitteeInvalid,
    )
    recovered = begin(world.subject, source.genesis(epoch + 1))
    yield refused("an old signature after a recovery", verify(recovered, source.prove(world.claims[0])), *wrong)


def of_signers(world: World) -> Iterator[Case]:
    """Who signed, for what."""
    source, stranger, verify = world.source, world.stranger, world.verify
    two, third = world.states[2], world.claims[2]
    proof = source.prove(third)
    foreign = source.prove(third, domain=stranger.domain)
    yield refused("signed for another chain", verify(two, foreign), DOMAIN)
    yield refused("used for another chain", verify(two, proof, stranger.domain), DOMAIN)
    for at in (0, 15, 31):
        near = flipped(source.domain, at)
        name = f"used for a chain whose domain differs in byte {at}"
        yield refused(name, verify(two, proof, near), DOMAIN)
    yield refused("signed by strangers", verify(two, stranger.prove(third, domain=source.domain)), AUTHORITY)
    yield refused("nobody signed", verify(two, source.prove(third, 0)), _SHORT, *SIGNATURE)
    yield refused("half of a quorum", verify(two, source.prove(third, world.quorum // 2)), _SHORT, *SIGNATURE)
    yield refused("a client that was never created", verify(NOTHING, proof), AUTHORITY)
    yield refused(
        "a client that was never created, first block", verify(NOTHING, source.prove(world.claims[0])), AUTHORITY
    )


def of_thresholds(subject: Subject, depth: Depth) -> Iterator[Case]:
    """Exactly the threshold, and one signer less."""
    for members in depth.thresholds:
        if not subject.plugin.least_members <= members <= subject.plugin.most_members:
            continue
        world = found(subject, members)
        fresh, claim, quorum = world.states[0], world.claims[0], world.quorum
        proof = world.source.prove(claim, quorum)
        yield taken(f"{quorum} of {members}", world.verify(fresh, proof), world.after(fresh, claim))
        less = world.source.prove(claim, quorum - 1)
        codes = {_SHORT} if quorum > 1 else {_SHORT, *SIGNATURE}
        yield refused(f"{quorum - 1} of {members}", world.verify(fresh, less), codes)


def of_evidence(world: World) -> Iterator[Case]:
    """Two statements that cannot both be true freeze a client; nothing else does."""
    source, two = world.source, world.states[2]
    _, second, third = world.claims
    signers = source.signers(world.quorum)

    def evidence(a: bytes, b: bytes, state: TrustState = two, domain: bytes = source.domain) -> Question:
        return CheckMisbehaviour(domain, state, a, b)

    honest, fork = source.prove(third), source.prove(replace(third, fork=1))
    yield taken("evidence: two blocks of one height", evidence(honest, fork), signers)
    yield taken("evidence: the same in the other order", evidence(fork, honest), signers)
    rooted = replace(third, height=third.height + 1, outbox_root=log_root(REWRITTEN))
    yield taken("evidence: two roots for one size", evidence(honest, source.prove(rooted)), signers)
    handing = replace(third, hand_over=True)
    yield taken("evidence: two successors", evidence(honest, source.prove(handing)), signers)
    yield refused("evidence: one statement twice", evidence(honest, honest), Code.NotMisbehaviour)
    yield refused("evidence: two true statements", evidence(source.prove(second), honest), Code.NotMisbehaviour)
    weak = source.prove(replace(third, fork=1), world.quorum - 1)
    yield refused("evidence: the second half without a quorum", evidence(honest, weak), _SHORT)
    yield refused("evidence: the first half without a quorum", evidence(weak, honest), _SHORT)
    foreign = source.prove(replace(third, fork=1), domain=world.stranger.domain)
    yield refused("evidence: a half about another chain", evidence(honest, foreign), DOMAIN)
    yield refused(
        "evidence: both halves about another chain", evidence(honest, fork, domain=world.stranger.domain), DOMAIN
    )
    strangers = world.stranger.prove(replace(third, fork=1), domain=source.domain)
    yield refused("evidence: a half by strangers", evidence(honest, strangers), AUTHORITY)
    ahead = source.prove(replace(third, epoch=third.epoch + 1, fork=1))
    yield refused("evidence: a half of another epoch", evidence(honest, ahead), Code.WrongEpoch, Code.CommitteeMismatch)
    handed, _ = world.after(two, handing)
    yield refused("evidence: a retired epoch as the present one", evidence(honest, fork, handed), AUTHORITY)
    yield refused("evidence: a client that was never created", evidence(honest, fork, NOTHING), AUTHORITY)
    yield refused("evidence: empty", evidence(b"", b""), DECODING)
    yield refused("evidence: half empty", evidence(honest, b""), DECODING)
    yield refused("evidence: a trailing byte", evidence(honest, fork + b"\0"), DECODING)
    yield refused("evidence: cut short", evidence(honest[:-1], fork), DECODING)


def of_encodings(world: World, depth: Depth) -> Iterator[Case]:
    """Every byte of a proof means something, and a decoder refuses whatever is not a proof."""
    source, verify = world.source, world.verify
    other = (StateProofSource if world.subject.name == "CMT1" else CommitteeSource)(4, b"of another scheme")
    one, two = world.states[1], world.states[2]
    for name, state, claim in (
        ("update", one, world.claims[1]),
        ("hand-over", two, replace(world.claims[2], hand_over=True)),
    ):
        proof, result = source.prove(claim), world.after(state, claim)
        for length in spread(len(proof), depth.cuts):
            yield refused(f"{name}: cut to {length} bytes", verify(state, proof[:length]), DECODING)
        yield refused(f"{name}: a trailing byte", verify(state, proof + b"\0"), DECODING)
        yield refused(f"{name}: twice in a row", verify(state, proof + proof), DECODING)
        for at in spread(len(proof), depth.flips):
            question = verify(state, flipped(proof, at))
            yield refused_or_same(f"{name}: bit {at % 8} of byte {at} flipped", question, ANY, result)
    proof = source.prove(world.claims[1])
    yield refused("64 KiB and a byte", verify(one, proof + bytes(MAX_BYTES + 1 - len(proof))), DECODING)
    yield refused("64 KiB of ones", verify(one, b"\xff" * MAX_BYTES), ANY)
    yield refused("a genesis as a proof", verify(one, source.genesis()), ANY)
    yield refused("a proof of another scheme", verify(one, other.prove(world.claims[1])), ANY)
    for n in range(depth.garbage):
        yield refused(f"garbage {n}", verify(one, noise(b"proof", n)), ANY)
    yield taken("the epoch of a proof", EpochOf(proof), world.claims[1].epoch)
    late = source.prove(replace(world.claims[1], epoch=U64_MAX))
    yield taken("the epoch of a proof of the last epoch", EpochOf(late), U64_MAX)
    yield taken(
        "the epoch of a proof that nobody signed", EpochOf(source.prove(world.claims[1], 0)), world.claims[1].epoch
    )
    yield refused("the epoch of nothing", EpochOf(b""), DECODING)
    yield refused("the epoch of a proof cut short", EpochOf(proof[:-1]), DECODING)
    yield refused("the epoch of a proof with a trailing byte", EpochOf(proof + b"\0"), DECODING)


def of_the_scheme(world: World) -> Iterator[Case]:
    """What the scheme's author knows of."""
    two, third = world.states[2], world.claims[2]
    for forgery in world.source.forgeries(two, third):
        yield refused(f"scheme: {forgery.name}", world.verify(two, forgery.proof), forgery.codes)


def _fresh(begun: TrustState, epoch: int) -> TrustState:
    """The state of a new client: authority and devnet flag are the scheme's to say, the rest is the same for all."""
    return replace(NOTHING, epoch=epoch, authority=begun.authority, small_committee=begun.small_committee)


def spread(length: int, count: int) -> Sequence[int]:
    """At most `count` of the numbers below `length`, evenly; the first and the last among them."""
    if length <= count or count < 2:
        return range(min(length, count))
    return sorted({at * (length - 1) // (count - 1) for at in range(count)})


def flipped(data: bytes, at: int) -> bytes:
    """One bit of one byte the other way round: another bit for another byte."""
    return data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]


def noise(label: bytes, number: int) -> bytes:
    """Bytes without meaning, of 1, 2, 4, 8, ... bytes."""
    data, length = keccak(b"poft/conformance/noise/" + label + bytes([number])), 1 << number % 12
    while len(data) < length:
        data += keccak(data)
    return data[:length]


__all__ = ["THRESHOLDS", "Depth", "attacks", "flipped", "noise", "spread"]
