"""BEF1: random validator sets and what they commit to, and what is done to commitments, sets and packed proofs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import ClassVar

from poft.protocol.errors import Code
from poft.protocol.finality import committee_hash, quorum
from poft.protocol.hashing import U64_MAX, WORD, ZERO32
from poft.protocol.merkle import EMPTY_ROOT
from poft.protocol.signatures import unsafe_sign_digest
from poft.verification.api import Limits, TrustState
from poft.verification.beefy import Commitment
from poft.verification.schemes.bef1 import BeefyProof, BeefyVerifier, beefy_authority

from . import honest
from .encodings import abi_bytes, abi_call, abi_words, listed, octets, u64, word
from .mutate import Case, fixed, flip, integer, items, signature
from .mutate import octets as mutated_octets
from .questions import STATE, Answer, abi_state, scale_finalised, scale_state

_U32 = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Committed:
    """A proof by validators, asked of a client."""

    rule: ClassVar[int] = 14
    domain: bytes
    state: TrustState
    proof: bytes
    limits: Limits

    def result(self) -> Answer:
        state, found = BeefyVerifier().verify(self.domain, self.state, self.proof, self.limits)
        words = found.block_hash + found.state_root + word(found.dissent)
        return Answer(Code.Ok, scale_state(state) + scale_finalised(found), abi_state(state) + words)

    def scale(self) -> bytes:
        limits = u64(self.limits.now) + u64(self.limits.max_drift)
        return self.domain + scale_state(self.state) + octets(self.proof) + limits

    def calldata(self) -> bytes | None:
        return abi_call(
            f"commitment(bytes32,{STATE},bytes,(uint256,uint256))",
            self.domain + abi_state(self.state),
            abi_bytes(self.proof),
            after=word(self.limits.now) + word(self.limits.max_drift),
        )

    def fields(self) -> dict[str, object]:
        said = {"domain": self.domain, "state": self.state, "proof": self.proof}
        return {**said, "now": self.limits.now, "max_drift": self.limits.max_drift}


@dataclass(frozen=True, slots=True)
class Contradicted:
    """Evidence against a set."""

    rule: ClassVar[int] = 15
    domain: bytes
    state: TrustState
    first: bytes
    second: bytes

    def result(self) -> Answer:
        signers = BeefyVerifier().check_misbehaviour(self.domain, self.state, self.first, self.second)
        return Answer(Code.Ok, listed(signers), word(WORD) + abi_words([bytes(12) + signer for signer in signers]))

    def scale(self) -> bytes:
        return self.domain + scale_state(self.state) + octets(self.first) + octets(self.second)

    def calldata(self) -> bytes | None:
        return abi_call(
            f"contradiction(bytes32,{STATE},bytes,bytes)",
            self.domain + abi_state(self.state),
            abi_bytes(self.first),
            abi_bytes(self.second),
        )

    def fields(self) -> dict[str, object]:
        return {"domain": self.domain, "state": self.state, "first": self.first, "second": self.second}


@dataclass(frozen=True, slots=True)
class Session:
    """A proof by validators before it is signed. `members` is the set that signs."""

    domain: bytes
    state: TrustState
    committees: tuple[bytes, bytes]
    said: Commitment
    members: tuple[honest.Member, ...]
    signers: tuple[int, ...]
    consistency: tuple[bytes, ...]
    limits: Limits

    def proof(self) -> BeefyProof:
        """Signed by those who sign."""
        digest = self.said.digest()
        return BeefyProof(
            self.said.encode(),
            *self.committees,
            tuple(member.address for member in self.members),
            sum(1 << at for at in self.signers),
            tuple(unsafe_sign_digest(self.members[at].key, digest) for at in self.signers),
            self.consistency,
        )

    def asked(self, proof: bytes | None = None) -> Committed:
        """The question whether the client takes it."""
        return Committed(self.domain, self.state, self.proof().encode() if proof is None else proof, self.limits)


def a_session(rng: Random) -> Session:
    """A client and a commitment that it takes: of its set, of the one that takes over, or the last one again."""
    log = honest.a_consistency(rng)
    epoch = rng.choice((1, 2, rng.getrandbits(40) + 1, U64_MAX - 1, U64_MAX))
    takes_over = epoch < U64_MAX and rng.randrange(3) == 0
    count = rng.choice((1, 2, 3, 4, 4, 4, 5, 7, 10))
    now = rng.randint(1000, 2**33)
    sets = [honest.members(count, 20 + at) for at in range(3)]
    hashes = [_committee(min(epoch + at, U64_MAX), each) for at, each in enumerate(sets)]
    height = rng.choice((0, rng.randint(1, 1000), _U32 - 1))
    state = TrustState(
        epoch,
        beefy_authority(hashes[0], hashes[1]),
        height,
        now - 100 if height else 0,
        log.from_size if height else 0,
        log.from_root if height else EMPTY_ROOT,
        count < 4,
    )
    size, root, path = (log.to_size, log.to_root, log.proof) if height or not log.from_size else (0, EMPTY_ROOT, ())
    said = Commitment(
        rng.randbytes(32),
        rng.randbytes(32),
        size,
        root,
        rng.randbytes(32),
        now - rng.randint(0, 90),
        hashes[1 + takes_over],
        rng.choice((height + 1, _U32)),
        epoch - 1 + takes_over,
    )
    if height and not takes_over and rng.randrange(8) == 0:
        # The last one again.
        said = replace(said, height=height, outbox_size=state.outbox_size, outbox_root=state.outbox_root)
        path = ()
    signers = tuple(sorted(rng.sample(range(count), rng.randint(quorum(count), count))))
    return Session(
        said.domain,
        state,
        (hashes[0], hashes[1]),
        said,
        sets[takes_over],
        signers,
        path,
        Limits(now, rng.randint(0, 60)),
    )


def _committee(epoch: int, of: Sequence[honest.Member]) -> bytes:
    return committee_hash(epoch, [member.address for member in of])


def an_honest_commitment(rng: Random) -> Committed:
    return a_session(rng).asked()


def a_commitment(rng: Random) -> Case:
    """One mutation: of what is said, by whom, of the client, or of the packed bytes afterwards."""
    session = a_session(rng)
    what = rng.choice(
        ("said", "said", "set", "signers", "state", "clock", "domain", "proof", "proof", "bytes", "scale")
    )
    if what == "said":
        how, said = _saying(rng, session.said)
        return Case(replace(session, said=said).asked(), f"said.{how}")
    if what == "set":
        return Case(*_by_others(rng, session))
    if what == "signers":
        count = len(session.members)
        k = rng.choice((0, 1, quorum(count) - 1, quorum(count), count))
        chosen = tuple(sorted(rng.sample(range(count), k)))
        return Case(replace(session, signers=chosen).asked(), f"signers.{k - quorum(count):+d}")
    if what == "state":
        name = rng.choice(("epoch", "authority", "height", "timestamp", "outbox_size", "outbox_root"))
        value = getattr(session.state, name)
        how, other = fixed(rng, value) if isinstance(value, bytes) else integer(rng, value)
        changed: TrustState = replace(session.state, **{name: other})  # type: ignore[arg-type]
        return Case(replace(session, state=changed).asked(), f"state.{name}.{how}")
    if what == "clock":
        how, now = integer(rng, session.limits.now)
        return Case(replace(session, limits=Limits(now, session.limits.max_drift)).asked(), f"now.{how}")
    if what == "domain":
        how, domain = fixed(rng, session.domain)
        return Case(replace(session, domain=domain).asked(), f"domain.{how}", True)
    if what == "proof":
        return Case(*_altered(rng, session))
    if what == "scale":
        # The signed bytes, signed again after the change: SCALE that says the same, or something else.
        plain = session.said.encode()
        how, commitment = _other_scale(rng, plain)
        proof = replace(session.proof(), commitment=commitment)
        whole = proof.encode() if len(commitment) == len(plain) else session.proof().encode().replace(plain, commitment)
        return Case(session.asked(whole), f"scale.{how}", True)
    how, data = mutated_octets(rng, session.proof().encode())
    return Case(session.asked(data), f"bytes.{how}")


def _saying(rng: Random, said: Commitment) -> tuple[str, Commitment]:
    """Something else is said, and signed as it should be."""
    name = rng.choice(
        (
            "block_hash",
            "state_root",
            "outbox_size",
            "outbox_root",
            "domain",
            "timestamp",
            "next_committee",
            "height",
            "set_id",
        )
    )
    value = getattr(said, name)
    if isinstance(value, bytes):
        how, other = fixed(rng, value)
        return f"{name}.{how}", replace(said, **{name: other})  # type: ignore[arg-type]
    how, number = integer(rng, value, 32 if name == "height" else 64)
    return f"{name}.{how}", replace(said, **{name: number})  # type: ignore[arg-type]


def _by_others(rng: Random, session: Session) -> tuple[Committed, str]:
    """Another set signs, and the client was told of it or not."""
    count = len(session.members)
    others = honest.members(rng.choice((1, 3, 4, 5)), 40)
    if rng.randrange(2):
        members = rng.choice((session.members[::-1], (*session.members, session.members[-1]), session.members[:-1]))
        how = "members"
    else:
        members, how = others, "strangers"
    signers = tuple(range(min(len(members), quorum(count))))
    told = rng.randrange(2)
    if not told:
        return replace(session, members=members, signers=signers).asked(), f"set.{how}"
    # The client was told of exactly these, whatever they are.
    takes_over = session.said.set_id == session.state.epoch
    epoch = session.state.epoch + takes_over
    named = _committee(epoch, members)
    committees = (session.committees[0], named) if takes_over else (named, session.committees[1])
    state = replace(session.state, authority=beefy_authority(*committees))
    changed = replace(session, members=members, signers=signers, committees=committees, state=state)
    return changed.asked(), f"set.{how}_told"


def _altered(rng: Random, session: Session) -> tuple[Committed, str, bool]:
    """A relayer's change of a signed proof."""
    proof = session.proof()
    what = rng.choice(("members", "bitmap", "signatures", "signature", "consistency", "current", "next", "commitment"))
    if what == "members":
        how, members = items(rng, proof.members, 20, 64)
        return session.asked(replace(proof, members=members).encode()), f"members.{how}", True
    if what == "bitmap":
        how, bitmap = integer(rng, proof.bitmap)
        return session.asked(replace(proof, bitmap=bitmap).encode()), f"bitmap.{how}", True
    if what == "signatures":
        how, signatures = items(rng, proof.signatures, 65, 64)
        return session.asked(replace(proof, signatures=signatures).encode()), f"signatures.{how}", True
    if what == "signature":
        at = rng.randrange(len(proof.signatures))
        how, other = signature(rng, proof.signatures[at])
        signatures = (*proof.signatures[:at], other, *proof.signatures[at + 1 :])
        return session.asked(replace(proof, signatures=signatures).encode()), f"signature.{how}", True
    if what == "consistency":
        how, nodes = items(rng, proof.consistency, WORD, 128)
        return session.asked(replace(proof, consistency=nodes).encode()), f"consistency.{how}"[:60], False
    if what == "commitment":
        return session.asked(replace(proof, commitment=flip(rng, proof.commitment)).encode()), "commitment.bit", True
    name = f"{what}_committee"
    how, value = fixed(rng, getattr(proof, name))
    return session.asked(replace(proof, **{name: value}).encode()), f"{name}.{how}", True  # type: ignore[arg-type]


def _other_scale(rng: Random, plain: bytes) -> tuple[str, bytes]:
    made = {
        "entries": bytes([rng.choice((0, 1, 2, 3, 5, 8, 0xFC, 0xFF))]) + plain[1:],
        "id": plain[:1] + rng.randbytes(2) + plain[3:],
        "length": plain[:3] + rng.randbytes(2) + plain[5:],
        "four_bytes": plain[:3] + b"\xc2\x02\0\0" + plain[5:],
        "longer": plain + b"\0",
        "shorter": plain[:-1],
    }
    name = rng.choice([name for name, other in made.items() if other != plain])
    return name, made[name]


def an_honest_contradiction(rng: Random) -> Contradicted:
    """Two commitments of the current set that cannot both be true."""
    return _evidence(rng)[0]


def a_contradiction(rng: Random) -> Case:
    """Evidence with one fault, or of nothing."""
    asked, session, other = _evidence(rng)
    what = rng.choice(("same", "state", "domain", "bytes", "short", "apart", "swapped"))
    if what == "same":
        return Case(replace(asked, second=asked.first), what)
    if what == "state":
        name = rng.choice(("epoch", "authority"))
        value = getattr(asked.state, name)
        how, changed = fixed(rng, value) if isinstance(value, bytes) else integer(rng, value)
        return Case(replace(asked, state=replace(asked.state, **{name: changed})), f"{what}.{name}.{how}", True)
    if what == "domain":
        how, domain = fixed(rng, asked.domain)
        return Case(replace(asked, domain=domain), f"{what}.{how}", True)
    if what == "short":
        weak = replace(other, signers=other.signers[: quorum(len(other.members)) - 1])
        return Case(replace(asked, second=weak.proof().encode()), what, True)
    if what == "apart":
        _, said = _saying(rng, session.said)
        return Case(replace(asked, second=replace(session, said=said).proof().encode()), what)
    if what == "swapped":
        return Case(replace(asked, first=asked.second, second=asked.first), what)
    half = rng.choice(("first", "second"))
    how, data = mutated_octets(rng, getattr(asked, half))
    return Case(replace(asked, **{half: data}), f"{what}.{how}")  # type: ignore[arg-type]


def _evidence(rng: Random) -> tuple[Contradicted, Session, Session]:
    session = a_session(rng)
    while session.said.set_id == session.state.epoch:
        session = a_session(rng)
    changes: dict[str, object] = rng.choice(
        (
            {"block_hash": rng.randbytes(32)},
            {"next_committee": ZERO32},
            {"outbox_root": rng.randbytes(32), "height": rng.getrandbits(32)},
        )
    )
    other = replace(session, said=replace(session.said, **changes))  # type: ignore[arg-type]
    asked = Contradicted(session.domain, session.state, session.proof().encode(), other.proof().encode())
    return asked, session, other
