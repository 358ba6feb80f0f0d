"""AND1: random lists of committees under several names, what they agree on, and what is done to their proofs.

Every scheme of a list is CMT1 under a name of its own (`tests/vectors/composed.py`), so the faults of an inner proof
are those of `mutate.py`. New here is the list: its order, its flags, what it says is believed, where its parts end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import ClassVar

from poft.protocol.errors import Code
from poft.protocol.finality import committee_hash, quorum
from poft.protocol.hashing import U64_MAX, WORD, ZERO32
from poft.verification.api import Limits, TrustState
from poft.verification.schemes.and1 import AgreementProof, SchemeProof, SchemeTrust, agreement_hash
from tests.vectors.composed import AGREEMENT, NAMES

from . import honest
from .encodings import abi_bytes, abi_call, abi_words, listed, octets, u64, word
from .mutate import BEFORE, Case, carried, fixed, flip, integer
from .mutate import octets as mutated_octets
from .questions import STATE, Answer, abi_state, scale_finalised, scale_state

_NAMES = NAMES[:4]
"""Those that the harness contract and `examples/differential.rs` know."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """A proof of several schemes, asked of a client."""

    rule: ClassVar[int] = 12
    domain: bytes
    state: TrustState
    proof: bytes
    limits: Limits

    def result(self) -> Answer:
        state, found = AGREEMENT.verify(self.domain, self.state, self.proof, self.limits)
        words = found.block_hash + found.state_root + word(found.dissent)
        return Answer(Code.Ok, scale_state(state) + scale_finalised(found), abi_state(state) + words)

    def scale(self) -> bytes:
        limits = u64(self.limits.now) + u64(self.limits.max_drift)
        return self.domain + scale_state(self.state) + octets(self.proof) + limits

    def calldata(self) -> bytes | None:
        return abi_call(
            f"agreement(bytes32,{STATE},bytes,(uint256,uint256))",
            self.domain + abi_state(self.state),
            abi_bytes(self.proof),
            after=word(self.limits.now) + word(self.limits.max_drift),
        )

    def fields(self) -> dict[str, object]:
        said = {"domain": self.domain, "state": self.state, "proof": self.proof}
        return {**said, "now": self.limits.now, "max_drift": self.limits.max_drift}


@dataclass(frozen=True, slots=True)
class Accused:
    """Evidence against a scheme of a list."""

    rule: ClassVar[int] = 13
    domain: bytes
    state: TrustState
    first: bytes
    second: bytes

    def result(self) -> Answer:
        signers = AGREEMENT.check_misbehaviour(self.domain, self.state, self.first, self.second)
        return Answer(Code.Ok, listed(signers), word(WORD) + abi_words([bytes(12) + signer for signer in signers]))

    def scale(self) -> bytes:
        return self.domain + scale_state(self.state) + octets(self.first) + octets(self.second)

    def calldata(self) -> bytes | None:
        return abi_call(
            f"accusation(bytes32,{STATE},bytes,bytes)",
            self.domain + abi_state(self.state),
            abi_bytes(self.first),
            abi_bytes(self.second),
        )

    def fields(self) -> dict[str, object]:
        return {"domain": self.domain, "state": self.state, "first": self.first, "second": self.second}


@dataclass(frozen=True, slots=True)
class Voice:
    """A scheme of a list, and the scene of what it says."""

    name: bytes
    shadow: bool
    scene: honest.Scene

    @property
    def trust(self) -> SchemeTrust:
        own = self.scene.state
        return SchemeTrust(self.name, self.shadow, own.epoch, own.authority, own.small_committee)


@dataclass(frozen=True, slots=True)
class Choir:
    """A client under AND1 and what each of its schemes says."""

    state: TrustState
    voices: tuple[Voice, ...]

    def asked(self, proofs: tuple[bytes, ...] | None = None) -> Agreed:
        """The question whether the client takes these proofs, or those that the voices sign."""
        parts = proofs or tuple(voice.scene.proof().encode() for voice in self.voices)
        return self.carrying(_parts(self.voices, parts), self.state.epoch)

    def carrying(self, parts: tuple[SchemeProof, ...], epoch: int) -> Agreed:
        """The question whether it takes a proof of any shape."""
        scene = self.voices[0].scene
        return Agreed(scene.domain, self.state, AgreementProof(epoch, parts).encode(), scene.limits)


def _parts(voices: tuple[Voice, ...], proofs: tuple[bytes, ...]) -> tuple[SchemeProof, ...]:
    return tuple(SchemeProof(voice.trust, proof) for voice, proof in zip(voices, proofs, strict=True))


def a_choir(rng: Random) -> Choir:
    """A client with a random list and a proof that it takes."""
    base = honest.a_scene(rng)
    outer = base.state.epoch
    names = rng.sample(_NAMES, rng.choice((2, 2, 2, 3, 3, 4)))
    voices = []
    for place, name in enumerate(names):
        count = rng.choice((1, 2, 4, 4, 5))
        committee = honest.members(count, 5 + place)
        epoch = rng.choice((outer, rng.randint(1, outer)))
        authority = committee_hash(epoch, [member.address for member in committee])
        following: tuple[bytes, ...] = ()
        if outer < U64_MAX and not base.repeats and rng.randrange(4) == 0:
            following = tuple(member.address for member in honest.members(4, 3))
        named = committee_hash(epoch + 1, following) if following else ZERO32
        scene = replace(
            base,
            committee=committee,
            signers=tuple(range(quorum(count))),
            state=replace(base.state, epoch=epoch, authority=authority, small_committee=count < 4),
            statement=replace(base.statement, epoch=epoch, next_committee=named),
            following=following,
        )
        voices.append(Voice(name, place > 0 and rng.randrange(3) == 0, scene))
    return Choir(_trusted(base.state, tuple(voices)), tuple(voices))


def _trusted(state: TrustState, voices: tuple[Voice, ...]) -> TrustState:
    return replace(state, authority=agreement_hash([voice.trust for voice in voices]))


def an_honest_agreement(rng: Random) -> Agreed:
    """Those that decide say the same; one in shadow may say anything."""
    choir = a_choir(rng)
    said = [voice.scene.proof().encode() for voice in choir.voices]
    for place, voice in enumerate(choir.voices):
        if voice.shadow and rng.randrange(2):
            said[place] = rng.choice((b"", rng.randbytes(rng.randrange(400)), flip(rng, said[place]), said[0]))
    return choir.asked(tuple(said))


def an_agreement(rng: Random) -> Case:
    """A proof of several schemes in which something was changed."""
    choir = a_choir(rng)
    name, asked, forges = rng.choice((_one_says, _one_says, _one_carried, _one_carried, _listed, _listed, _outside))(
        rng, choir
    )
    return Case(asked, name, forges)


def _one_says(rng: Random, choir: Choir) -> tuple[str, Agreed, bool]:
    """The signers of one scheme, or of all, say something else."""
    place = rng.randrange(len(choir.voices))
    how, changed = rng.choice(BEFORE)(rng, choir.voices[place].scene)
    said = tuple(voice.scene.proof().encode() for voice in choir.voices)
    return f"says.{how}", choir.asked((*said[:place], changed.proof().encode(), *said[place + 1 :])), False


def _one_carried(rng: Random, choir: Choir) -> tuple[str, Agreed, bool]:
    """A carrier changes the proof of one scheme; of one in shadow, that is a dissent."""
    place = rng.randrange(len(choir.voices))
    voice = choir.voices[place]
    name, proof, forges = carried(rng, voice.scene, voice.scene.proof())
    said = [other.scene.proof().encode() for other in choir.voices]
    said[place] = rng.choice((proof.encode(), proof.encode(), mutated_octets(rng, said[place])[1][:65535], b""))
    kept = said[place] == proof.encode()
    return f"carries.{name}", choir.asked(tuple(said)), forges and kept and not voice.shadow


def _listed(rng: Random, choir: Choir) -> tuple[str, Agreed, bool]:
    """The list is not the one that is believed."""
    voices = choir.voices
    parts = list(_parts(voices, tuple(voice.scene.proof().encode() for voice in voices)))
    at = rng.randrange(len(parts))
    trust = parts[at].trust

    def renewed(**changes: object) -> list[SchemeProof]:
        other = replace(parts[at], trust=replace(trust, **changes))  # type: ignore[arg-type]
        return [*parts[:at], other, *parts[at + 1 :]]

    strangers = (rng.choice(_NAMES), b"AND1", b"XYZ1", bytes(4))
    made: dict[str, list[SchemeProof]] = {
        "reversed": parts[::-1],
        "dropped": parts[:at] + parts[at + 1 :],
        "twice": [*parts[: at + 1], *parts[at:]],
        "all_of_one": [parts[at]] * len(parts),
        "nine": (parts * 5)[:9],
        "flag": renewed(shadow=not trust.shadow),
        "renamed": renewed(scheme=rng.choice([name for name in strangers if name != trust.scheme])),
        "epoch": renewed(epoch=integer(rng, trust.epoch)[1]),
        "authority": renewed(authority=fixed(rng, trust.authority)[1]),
        "small": renewed(small_committee=not trust.small_committee),
    }
    name = rng.choice((*made, "renamed", "renamed"))
    asked = choir.carrying(tuple(made[name]), choir.state.epoch)
    if rng.randrange(2):
        return f"list.{name}", asked, True
    # The client believes that list: what is wrong with it, if anything, is in the list itself.
    believed = replace(choir.state, authority=agreement_hash([part.trust for part in made[name]]))
    return f"believed.{name}", replace(asked, state=believed), False


def _outside(rng: Random, choir: Choir) -> tuple[str, Agreed, bool]:
    """The bytes as a whole, the epoch of the list, the client, the source, the clock."""
    asked = choir.asked()
    what = rng.choice(("bytes", "bytes", "length", "epoch", "state", "domain", "limits"))
    if what == "bytes":
        how, data = mutated_octets(rng, asked.proof)
        return f"bytes.{how}", replace(asked, proof=data), False
    if what == "length":
        start = 9
        for voice in choir.voices[: rng.randrange(len(choir.voices))]:
            start += 48 + len(voice.scene.proof().encode())
        offset = start + rng.choice((4, 45, 46, 47))
        data = asked.proof[:offset] + rng.randbytes(1) + asked.proof[offset + 1 :]
        return "bytes.row", replace(asked, proof=data), False
    if what == "epoch":
        how, epoch = integer(rng, choir.state.epoch)
        return f"epoch.{how}", replace(asked, proof=epoch.to_bytes(8, "big") + asked.proof[8:]), True
    if what == "domain":
        how, domain = fixed(rng, asked.domain)
        return f"domain.{how}", replace(asked, domain=domain), True
    if what == "limits":
        how, now = integer(rng, asked.limits.now)
        return f"now.{how}", replace(asked, limits=Limits(now, asked.limits.max_drift)), False
    field = rng.choice(("epoch", "height", "timestamp", "outbox_size", "outbox_root", "authority"))
    value = getattr(asked.state, field)
    how, other = fixed(rng, value) if isinstance(value, bytes) else integer(rng, value)
    return f"state.{field}.{how}", replace(asked, state=replace(asked.state, **{field: other})), False


def an_honest_accusation(rng: Random) -> Accused:
    """Evidence against one scheme that decides; the others have nothing to show."""
    choir = a_choir(rng)
    return _accused(rng, choir, _deciding(rng, choir))


def an_accusation(rng: Random) -> Case:
    """Evidence in which something was changed."""
    choir = a_choir(rng)
    choice = rng.randrange(8)
    if choice == 0:
        shadows = [place for place, voice in enumerate(choir.voices) if voice.shadow]
        if shadows:
            return Case(_accused(rng, choir, rng.choice(shadows)), "against_shadow", True)
    asked = _accused(rng, choir, _deciding(rng, choir))
    if choice == 1:
        return Case(replace(asked, second=asked.first), "identical", True)
    if choice == 2:
        return Case(replace(asked, second=choir.asked().proof), "against_the_whole_proof")
    if choice == 3:
        return Case(replace(asked, first=choir.asked().proof, second=asked.second), "the_whole_proof_against")
    if choice == 4:
        field = rng.choice(("epoch", "authority"))
        value = getattr(asked.state, field)
        how, other = fixed(rng, value) if isinstance(value, bytes) else integer(rng, value)
        return Case(replace(asked, state=replace(asked.state, **{field: other})), f"state.{field}.{how}", True)
    half = rng.choice(("first", "second"))
    if choice == 5:
        how, epoch = integer(rng, choir.state.epoch)
        data = epoch.to_bytes(8, "big") + getattr(asked, half)[8:]
        return Case(replace(asked, **{half: data}), f"{half}.epoch.{how}", True)  # type: ignore[arg-type]
    how, data = mutated_octets(rng, getattr(asked, half))
    return Case(replace(asked, **{half: data}), f"{half}.bytes.{how}")  # type: ignore[arg-type]


def _deciding(rng: Random, choir: Choir) -> int:
    return rng.choice([place for place, voice in enumerate(choir.voices) if not voice.shadow])


def _accused(rng: Random, choir: Choir, place: int) -> Accused:
    scene = choir.voices[place].scene
    fork = replace(scene, statement=honest.statements_apart(rng, scene.statement))
    halves = []
    for told in (scene, fork):
        said = tuple(told.proof().encode() if i == place else b"" for i in range(len(choir.voices)))
        halves.append(choir.asked(said).proof)
    return Accused(scene.domain, choir.state, *halves)
