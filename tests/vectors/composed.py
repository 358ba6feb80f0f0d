"""Vectors of composed schemes (AND1): what a list of schemes accepts, and what a carrier tries with it.

The schemes composed here are CMT1 and CMT1 again under other names (`CMT2` to `CMT8`), each with a committee of its
own: AND1 does not know what it composes, and so it is tested without the faults of others. The names exist in tests
alone. The last cases compose what one would: CMT1 and ESP1 over the same committee.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from poft.protocol.errors import Code, Refused
from poft.protocol.finality import Finality, committee_hash, quorum, sign_finality
from poft.protocol.hashing import U64_MAX, ZERO32
from poft.protocol.merkle import EMPTY_ROOT, consistency_proof
from poft.verification.api import FinalityVerifier, Limits, TrustState
from poft.verification.schemes.and1 import (
    AgreementGenesis,
    AgreementProof,
    AgreementVerifier,
    SchemeGenesis,
    SchemeProof,
    SchemeTrust,
    agreement_hash,
)
from poft.verification.schemes.cmt1 import CommitteeGenesis, CommitteeProof, CommitteeVerifier
from poft.verification.schemes.esp1 import OutboxGenesis, StateProofVerifier, outbox_authority

from . import esp1
from .generate import (
    DRIFT,
    LEAVES,
    NOW,
    OTHER,
    SOURCE,
    Case,
    a_statement,
    case,
    committee,
    filler,
    flip,
    log_root,
    trusted,
)

LIMITS = Limits(NOW, DRIFT)
NAMES = tuple(f"CMT{i}".encode() for i in range(1, 9))


class Renamed(CommitteeVerifier):
    """CMT1 under another name."""

    def __init__(self, name: bytes) -> None:
        self._name = name

    def scheme(self) -> bytes:
        return self._name


def known(name: bytes) -> FinalityVerifier:
    """The schemes of these vectors."""
    if name == b"ESP1":
        return StateProofVerifier()
    if name not in NAMES:
        raise Refused(Code.UnknownScheme, "scheme", repr(name))
    return Renamed(name)


AGREEMENT = AgreementVerifier(known)


@dataclass(frozen=True, slots=True)
class Voice:
    """A scheme of a list: CMT1 under some name, with a committee of its own."""

    scheme: bytes
    first_key: int
    shadow: bool = False
    epoch: int = 1
    size: int = 4
    small: bool = False

    @property
    def keys(self) -> dict[bytes, bytes]:
        return committee(self.size, self.first_key)

    @property
    def members(self) -> tuple[bytes, ...]:
        return tuple(self.keys)

    @property
    def trust(self) -> SchemeTrust:
        return SchemeTrust(self.scheme, self.shadow, self.epoch, committee_hash(self.epoch, self.members), self.small)

    def genesis(self) -> SchemeGenesis:
        own = CommitteeGenesis(self.epoch, self.members, self.small)
        return SchemeGenesis(self.scheme, own.encode(), self.shadow)

    def signed(
        self, said: Finality, following: Sequence[bytes] = (), old: int = 13, signers: int | None = None
    ) -> bytes:
        """A proof by a quorum, or by so many, for a client that knows the first `old` leaves."""
        count = quorum(self.size) if signers is None else signers
        return CommitteeProof(
            said,
            self.members,
            (1 << count) - 1,
            tuple(sign_finality(key, SOURCE, said) for key in list(self.keys.values())[:count]),
            tuple(following),
            tuple(consistency_proof(LEAVES[: said.outbox_size], min(old, said.outbox_size))),
        ).encode()

    def says(self, **changes: object) -> bytes:
        """A proof of the next block; `changes` are the statement's."""
        return self.signed(a_statement(**{"epoch": self.epoch, **changes}))  # type: ignore[arg-type]

    def hands_over(self, following: Sequence[bytes], **changes: object) -> bytes:
        """A proof of the next block that names a successor."""
        named = committee_hash(self.epoch + 1, following)
        return self.signed(a_statement(epoch=self.epoch, next_committee=named, **changes), following)


def believing(voices: Sequence[Voice], epoch: int = 1) -> TrustState:
    """A client somewhere in its life that has this list."""
    authority = agreement_hash([voice.trust for voice in voices])
    return replace(trusted(()), epoch=epoch, authority=authority, small_committee=any(v.small for v in voices))


def carried(voices: Sequence[Voice], proofs: Sequence[bytes], epoch: int = 1) -> bytes:
    """A proof with these parts, for a client with this list."""
    parts = (SchemeProof(voice.trust, proof) for voice, proof in zip(voices, proofs, strict=True))
    return AgreementProof(epoch, tuple(parts)).encode()


def check(name: str, state: TrustState, proof: bytes, domain: bytes = SOURCE, limits: Limits = LIMITS) -> Case:
    given = {"domain": domain, "state": state, "proof": proof, "now": limits.now, "maxDrift": limits.max_drift}

    def run() -> object:
        after, finalised = AGREEMENT.verify(domain, state, proof, limits)
        return {
            "newState": after,
            "blockHash": finalised.block_hash,
            "stateRoot": finalised.state_root,
            "dissent": finalised.dissent,
        }

    return case(name, given, run)


A, B, C = (Voice(name, 100 + 10 * i) for i, name in enumerate(NAMES[:3]))
SHADOW = replace(C, shadow=True)
NEXT = tuple(committee(5, 180))
PAIR, THREE, HEARD = (A, B), (A, B, C), (A, B, SHADOW)


def cases() -> Iterator[Case]:
    yield from agreements()
    yield from lists()
    yield from encodings()
    yield from shadows()
    yield from epochs()
    yield from geneses()
    yield from evidence()
    yield from with_state_proofs()


def agreements() -> Iterator[Case]:
    pair, said = believing(PAIR), [voice.says() for voice in PAIR]
    yield check("agree_two", pair, carried(PAIR, said))
    yield check("agree_three", believing(THREE), carried(THREE, [voice.says() for voice in THREE]))
    eight = [Voice(name, 100 + 10 * i, size=1, small=True) for i, name in enumerate(NAMES)]
    yield check("agree_eight", believing(eight), carried(eight, [voice.says() for voice in eight]))
    own_epochs = (replace(A, epoch=3), replace(B, epoch=5))
    yield check(
        "agree_in_epochs_of_their_own",
        believing(own_epochs, 7),
        carried(own_epochs, [voice.says() for voice in own_epochs], 7),
    )
    empty = replace(pair, height=0, timestamp=0, outbox_size=0, outbox_root=EMPTY_ROOT)
    from_empty = [voice.signed(a_statement(), old=0) for voice in PAIR]
    yield check("agree_from_empty", empty, carried(PAIR, from_empty))
    last = {"size": 13, "height": 100, "timestamp": NOW - 60}
    again = [voice.says(**last) for voice in PAIR]
    yield check("repetition", pair, carried(PAIR, again))
    yield check(
        "repetition_second_has_no_quorum", pair, carried(PAIR, [again[0], B.signed(a_statement(**last), signers=2)])
    )  # type: ignore[arg-type]
    yield check("repetition_for_the_second_alone", pair, carried(PAIR, [said[0], again[1]]))
    yield check("repetition_for_the_first_alone", pair, carried(PAIR, [again[0], said[1]]))
    heard = believing(HEARD)
    yield check("repetition_shadow_is_not_asked", heard, carried(HEARD, [*again, b"anything"]))
    # One who decides refuses: with its own code.
    yield check("first_without_quorum", pair, carried(PAIR, [A.signed(a_statement(), signers=2), said[1]]))
    yield check("second_without_quorum", pair, carried(PAIR, [said[0], B.signed(a_statement(), signers=2)]))
    yield check("both_refuse_first_is_heard", pair, carried(PAIR, [A.says(height=99), B.says(epoch=2)]))
    yield check("second_has_no_proof", pair, carried(PAIR, [said[0], b""]))
    yield check("first_has_no_proof", pair, carried(PAIR, [b"", said[1]]))
    yield check("proofs_swapped", pair, carried(PAIR, said[::-1]))
    yield check("first_proof_twice", pair, carried(PAIR, [said[0], said[0]]))
    yield check("second_byte_flipped", pair, carried(PAIR, [said[0], flip(said[1], 100)]))
    yield check("second_trailing_byte", pair, carried(PAIR, [said[0], said[1] + b"\0"]))
    yield check("verified_for_other_domain", pair, carried(PAIR, said), OTHER)
    three = believing(THREE)
    third = carried(THREE, [A.says(), B.says(), C.signed(a_statement(), signers=2)])
    yield check("third_without_quorum", three, third)
    yield check("second_disagrees_before_third_refuses", three, carried(THREE, [A.says(), B.says(height=121), b""]))
    # All accept, and say different things.
    for name, changes in OTHER_STATEMENTS.items():
        yield check(f"disagree_{name}", pair, carried(PAIR, [said[0], B.says(**changes)]))


OTHER_STATEMENTS: dict[str, dict[str, object]] = {
    "height": {"height": 121},
    "block_hash": {"block_hash": filler("fork")},
    "state_root": {"state_root": filler("fork")},
    "timestamp": {"timestamp": NOW - 4},
    "size": {"size": 31},
    "same_size_to_other": {"size": 13},
}


def lists() -> Iterator[Case]:
    """The carrier says something else than what is believed."""
    pair, said = believing(PAIR), [voice.says() for voice in PAIR]
    yield check("list_swapped", pair, carried(PAIR[::-1], said[::-1]))
    yield check("list_one_dropped", believing(THREE), carried(PAIR, said))
    yield check("list_one_more", pair, carried(THREE, [*said, C.says()]))
    yield check("list_first_twice", pair, carried((A, A), [said[0], said[0]]))
    demoted = (A, replace(B, shadow=True))
    yield check("list_flag_set", pair, carried(demoted, [said[0], b""]))
    yield check("list_flag_cleared", believing(HEARD), carried(THREE, [voice.says() for voice in THREE]))
    yield check("list_renamed", pair, carried((A, replace(B, scheme=b"CMT3")), said))
    yield check("list_small_set", pair, carried((A, replace(B, small=True)), said))
    own = replace(B, first_key=300)
    yield check("list_own_committee", pair, carried((A, own), [said[0], own.says()]))
    later = replace(B, epoch=2)
    yield check("list_later_inner_epoch", pair, carried((A, later), [said[0], later.says()]))
    another = (replace(A, first_key=400), replace(B, first_key=410))
    yield check("list_of_another_client", pair, carried(another, [voice.says() for voice in another]))
    yield check("list_unset_authority", replace(pair, authority=ZERO32), carried(PAIR, said))
    yield check("list_inner_authority_as_own", replace(pair, authority=A.trust.authority), said[0])
    yield check("list_other_epoch_before_it_is_looked_up", pair, carried(THREE, [*said, C.says()], 2))
    # What the state commits to, but no scheme answers to.
    for name, scheme in {"unknown": b"XYZ1", "nested": b"AND1", "zero": bytes(4)}.items():
        strange = (A, replace(B, scheme=scheme))
        yield check(f"list_names_{name}", believing(strange), carried(strange, said))
        first = (replace(A, scheme=scheme), B)
        yield check(f"list_names_{name}_first", believing(first), carried(first, said))


def encodings() -> Iterator[Case]:
    pair, said = believing(PAIR), [voice.says() for voice in PAIR]
    good = carried(PAIR, said)
    second = 9 + 48 + len(said[0])
    for cut in (
        0,
        1,
        8,
        9,
        10,
        21,
        54,
        56,
        57,
        second - 1,
        second,
        second + 1,
        second + 47,
        second + 48,
        len(good) - 1,
    ):
        yield check(f"cut_to_{cut}", pair, good[:cut])
    yield check("trailing_byte", pair, good + b"\0")
    yield check("trailing_row", pair, good + good[second:])

    def changed(name: str, position: int, value: int, width: int = 1) -> Case:
        return check(name, pair, good[:position] + value.to_bytes(width, "big") + good[position + width :])

    for n in (0, 1, 3, 8, 9, 255):
        yield changed(f"count_{n}", 8, n)
    one = (A,)
    yield check("one_scheme_alone", believing(one), carried(one, said[:1]))
    nobody = replace(pair, authority=agreement_hash([]))
    yield check("no_schemes", nobody, carried((), ()))
    nine = [Voice(f"CMT{i}".encode(), 100 + 10 * i, size=1, small=True) for i in range(1, 10)]
    yield check("nine_schemes", believing(nine), carried(nine, [b""] * 9))
    all_shadow = (replace(A, shadow=True), replace(B, shadow=True))
    yield check("first_in_shadow", believing(all_shadow), carried(all_shadow, said))
    yield changed("flag_2", second + 4, 2)
    yield changed("flag_255_of_first", 9 + 4, 255)
    yield changed("small_2", second + 45, 2)
    # Lengths: the boundary between two proofs moves, overlaps, ends beyond the end.
    length = len(said[0])
    for name, value in {"one_less": length - 1, "one_more": length + 1, "zero": 0, "max": 65535}.items():
        yield changed(f"first_length_{name}", 9 + 46, value, 2)
    own = len(said[1])
    for name, value in {"one_less": own - 1, "one_more": own + 1, "zero": 0, "max": 65535}.items():
        yield changed(f"second_length_{name}", second + 46, value, 2)
    yield changed("first_length_reaches_into_second", 9 + 46, length + 48 + own, 2)


def shadows() -> Iterator[Case]:
    heard, said = believing(HEARD), [voice.says() for voice in HEARD]
    yield check("shadow_agrees", heard, carried(HEARD, said))
    for name, proof in {
        "has_no_proof": b"",
        "has_another_proof": said[0],
        "has_garbage": b"\xff" * 300,
        "without_quorum": SHADOW.signed(a_statement(), signers=2),
        "repeats": SHADOW.says(size=13, height=100, timestamp=NOW - 60),
        "stale": SHADOW.says(height=100),
    }.items():
        yield check(f"shadow_{name}", heard, carried(HEARD, [*said[:2], proof]))
    for name, changes in OTHER_STATEMENTS.items():
        yield check(f"shadow_disagrees_{name}", heard, carried(HEARD, [*said[:2], SHADOW.says(**changes)]))
    yield check("shadow_agrees_second_refuses", heard, carried(HEARD, [said[0], b"", said[2]]))
    yield check(
        "shadow_agrees_with_the_second_only",
        heard,
        carried(HEARD, [said[0], B.says(height=121), SHADOW.says(height=121)]),
    )
    between = (A, replace(B, shadow=True), C)
    yield check("shadow_between", believing(between), carried(between, [A.says(), b"", C.says()]))
    for label in ("XYZ1", "AND1"):
        strange = (A, B, replace(SHADOW, scheme=label.encode()))
        yield check(f"shadow_named_{label}", believing(strange), carried(strange, said))
    eight = [Voice(n, 100 + 10 * i, i > 0, size=1, small=True) for i, n in enumerate(NAMES)]
    yield check("shadow_seven_dissent", believing(eight), carried(eight, [eight[0].says(), *[b""] * 7]))
    yield check("shadow_seven_agree", believing(eight), carried(eight, [voice.says() for voice in eight]))
    some = [voice.says() if i % 2 == 0 else b"" for i, voice in enumerate(eight)]
    yield check("shadow_every_second_dissents", believing(eight), carried(eight, some))


def epochs() -> Iterator[Case]:
    pair, said = believing(PAIR), [voice.says() for voice in PAIR]
    for epoch in (0, 2, 3, U64_MAX):
        yield check(f"epoch_{epoch}", pair, carried(PAIR, said, epoch))
    yield check("handover_first", pair, carried(PAIR, [A.hands_over(NEXT), said[1]]))
    yield check("handover_second", pair, carried(PAIR, [said[0], B.hands_over(NEXT)]))
    both = carried(PAIR, [voice.hands_over(NEXT) for voice in PAIR])
    yield check("handover_both_is_one_epoch", pair, both)
    after, _ = AGREEMENT.verify(SOURCE, pair, carried(PAIR, [A.hands_over(NEXT), said[1]]), LIMITS)
    renewed = (replace(A, epoch=2, first_key=180, size=5), B)
    for name, proof in {
        "new": carried(renewed, [voice.signed(_next(voice), old=30) for voice in renewed], 2),
        "old_list": carried(PAIR, [voice.signed(_next(voice), old=30) for voice in PAIR], 1),
        "old_list_in_new_epoch": carried(PAIR, [voice.signed(_next(voice), old=30) for voice in PAIR], 2),
        "same_proof_again": carried(PAIR, [A.hands_over(NEXT), said[1]]),
    }.items():
        yield check(f"after_handover_{name}", after, proof)
    yield check("handover_refused_by_the_scheme", pair, carried(PAIR, [said[0], B.hands_over(NEXT[:3])]))
    heard = believing(HEARD)
    heard_said = [voice.says() for voice in HEARD]
    moves = carried(HEARD, [*heard_said[:2], SHADOW.hands_over(NEXT)])
    yield check("handover_in_shadow", heard, moves)
    missed = carried(HEARD, [*heard_said[:2], SHADOW.hands_over(NEXT, height=121)])
    yield check("handover_in_shadow_dissenting", heard, missed)
    behind = carried(HEARD, [*heard_said[:2], replace(SHADOW, epoch=2, first_key=180, size=5).says()])
    yield check("shadow_fell_behind", heard, behind)
    # The last epoch of the list: nothing moves any more.
    last = believing(PAIR, U64_MAX)
    yield check("last_epoch", last, carried(PAIR, said, U64_MAX))
    yield check("last_epoch_handover", last, carried(PAIR, [said[0], B.hands_over(NEXT)], U64_MAX))
    last_heard = believing(HEARD, U64_MAX)
    in_shadow = carried(HEARD, [*heard_said[:2], SHADOW.hands_over(NEXT)], U64_MAX)
    yield check("last_epoch_handover_in_shadow", last_heard, in_shadow)
    # A recovery starts all schemes in an epoch of which nobody has signed anything.
    recovered = [replace(voice, epoch=2) for voice in PAIR]
    yield check("recovered_old_signatures", believing(recovered, 2), carried(recovered, said, 2))
    yield check("recovered_old_proof", believing(recovered, 2), carried(PAIR, said))


def _next(voice: Voice) -> Finality:
    return a_statement(31, epoch=voice.epoch, height=130)


def geneses() -> Iterator[Case]:
    def start(name: str, genesis: bytes) -> Case:
        return case(f"initialise_{name}", {"genesis": genesis}, lambda: {"newState": AGREEMENT.initialise(genesis)})

    def given(*voices: Voice, epoch: int = 1) -> bytes:
        return AgreementGenesis(epoch, tuple(voice.genesis() for voice in voices)).encode()

    good = given(*PAIR)
    yield start("two", good)
    yield start("two_swapped", given(B, A))
    yield start("three_one_in_shadow", given(*HEARD))
    eight = [Voice(n, 100 + 10 * i, size=1, small=True) for i, n in enumerate(NAMES)]
    yield start("eight", given(*eight))
    yield start("one_is_small", given(A, replace(B, size=1, small=True)))
    yield start("epoch_7", given(replace(A, epoch=7), replace(B, epoch=7), epoch=7))
    yield start("last_epoch", given(*(replace(v, epoch=U64_MAX) for v in PAIR), epoch=U64_MAX))
    yield start("none", given())
    yield start("one", given(A))
    yield start("nine", given(*eight, Voice(b"CMT9", 300)))
    yield start("one_twice", given(A, A))
    yield start("one_twice_other_committee", given(A, B, replace(A, first_key=300)))
    yield start("one_twice_once_in_shadow", given(A, replace(A, shadow=True)))
    yield start("first_in_shadow", given(replace(A, shadow=True), B))
    yield start("unknown", given(A, replace(B, scheme=b"XYZ1")))
    yield start("unknown_in_shadow", given(A, replace(B, scheme=b"XYZ1", shadow=True)))
    nested = AgreementGenesis(1, (A.genesis(), SchemeGenesis(b"AND1", good)))
    yield start("nested", nested.encode())
    yield start("epoch_zero", given(replace(A, epoch=0), replace(B, epoch=0), epoch=0))
    yield start("epoch_zero_of_the_list_alone", given(*PAIR, epoch=0))
    yield start("inner_epoch_later", given(A, replace(B, epoch=2)))
    yield start("inner_epoch_earlier", given(replace(A, epoch=2), B, epoch=2))
    yield start("outer_epoch_alone_later", given(*PAIR, epoch=2))
    yield start("inner_epoch_later_in_shadow", given(A, replace(B, epoch=2, shadow=True)))
    yield start("inner_committee_too_small", given(A, replace(B, size=3)))
    yield start("inner_committee_too_small_in_shadow", given(A, replace(B, size=3, shadow=True)))
    yield start("inner_empty", AgreementGenesis(1, (A.genesis(), SchemeGenesis(b"CMT2", b""))).encode())
    yield start("trailing_byte", good + b"\0")
    for cut in (0, 8, 9, 15, 16, len(good) - 1):
        yield start(f"cut_to_{cut}", good[:cut])
    yield start("flag_2", good[:13] + b"\2" + good[14:])
    yield start("length_one_more", good[:15] + bytes([good[15] + 1]) + good[16:])
    yield start("length_one_less", good[:15] + bytes([good[15] - 1]) + good[16:])
    yield start("empty", b"")


def evidence() -> Iterator[Case]:
    pair, heard = believing(PAIR), believing(HEARD)

    def submit(name: str, first: bytes, second: bytes, state: TrustState = pair) -> Case:
        return case(
            f"misbehaviour_{name}",
            {"domain": SOURCE, "state": state, "first": first, "second": second},
            lambda: {"signers": AGREEMENT.check_misbehaviour(SOURCE, state, first, second)},
        )

    fork = {"block_hash": filler("fork")}
    a, a_fork, b, b_fork = A.says(), A.says(**fork), B.says(), B.says(**fork)
    yield submit("of_the_first", carried(PAIR, [a, b""]), carried(PAIR, [a_fork, b""]))
    yield submit("of_the_second", carried(PAIR, [b"", b]), carried(PAIR, [b"", b_fork]))
    yield submit("of_both_first_is_heard", carried(PAIR, [a, b]), carried(PAIR, [a_fork, b_fork]))
    yield submit("whole_proof_against_a_half", carried(PAIR, [a, b]), carried(PAIR, [b"", b_fork]))
    # The first scheme with two halves decides, whatever another could show.
    yield submit("of_the_second_behind_an_honest_first", carried(PAIR, [a, b]), carried(PAIR, [a, b_fork]))
    yield submit("of_the_second_behind_garbage", carried(PAIR, [b"x", b]), carried(PAIR, [b"y", b_fork]))
    yield submit("identical", carried(PAIR, [a, b]), carried(PAIR, [a, b]))
    yield submit("halves_of_two_schemes", carried(PAIR, [a, b""]), carried(PAIR, [b"", b_fork]))
    yield submit("nothing", carried(PAIR, [b"", b""]), carried(PAIR, [b"", b""]))
    yield submit(
        "half_without_quorum", carried(PAIR, [a, b""]), carried(PAIR, [A.signed(a_statement(), signers=2), b""])
    )
    s, s_fork = SHADOW.says(), SHADOW.says(**fork)
    shown = carried(HEARD, [b"", b"", s]), carried(HEARD, [b"", b"", s_fork])
    yield submit("in_shadow", *shown, heard)
    promoted = believing(THREE)
    yield submit(
        "in_shadow_shown_as_deciding", carried(THREE, [b"", b"", s]), carried(THREE, [b"", b"", s_fork]), heard
    )
    yield submit("of_the_third", carried(THREE, [b"", b"", s]), carried(THREE, [b"", b"", s_fork]), promoted)
    other = (A, replace(B, first_key=300))
    yield submit("list_of_another_client", carried(other, [a, b""]), carried(other, [a_fork, b""]))
    yield submit("second_half_of_another_list", carried(PAIR, [a, b""]), carried(other, [a_fork, b""]))
    yield submit("other_epoch", carried(PAIR, [a, b""], 2), carried(PAIR, [a_fork, b""], 2))
    yield submit("second_half_of_another_epoch", carried(PAIR, [a, b""]), carried(PAIR, [a_fork, b""], 2))
    yield submit("trailing_byte", carried(PAIR, [a, b""]), carried(PAIR, [a_fork, b""]) + b"\0")
    yield submit("empty", b"", b"")
    strange = (replace(A, scheme=b"XYZ1"), B)
    yield submit(
        "of_an_unknown_scheme", carried(strange, [a, b""]), carried(strange, [a_fork, b""]), believing(strange)
    )
    retired = believing((replace(A, epoch=2, first_key=180, size=5), B), 2)
    yield submit("retired_list", carried(PAIR, [a, b""]), carried(PAIR, [a_fork, b""]), retired)


def with_state_proofs() -> Iterator[Case]:
    """CMT1 and ESP1 of one committee: a quorum alone is not believed, nor is a state that no quorum finalised."""
    source, poorer = esp1.chain(), esp1.chain(3)

    def trusts(shadow: bool = False) -> tuple[SchemeTrust, SchemeTrust]:
        own = committee_hash(1, source.members)
        return (
            SchemeTrust(b"CMT1", False, 1, own, False),
            SchemeTrust(b"ESP1", shadow, 1, outbox_authority(own, esp1.OUTBOX), False),
        )

    def ask(name: str, proofs: Sequence[bytes], shadow: bool = False) -> Case:
        state = replace(source.trusted(), authority=agreement_hash(trusts(shadow)))
        parts = tuple(SchemeProof(trust, proof) for trust, proof in zip(trusts(shadow), proofs, strict=True))
        encoded = AgreementProof(1, parts).encode()
        return check(f"cmt1_and_esp1_{name}", state, encoded, esp1.DOMAIN, esp1.LIMITS)

    said, stated = source.inner(source.statement(), 3).encode(), source.proof().encode()
    yield ask("agree", [said, stated])
    first = [source.inner(source.statement(), 0).encode(), source.proof(known=0).encode()]
    for name, shadow in (("first", False), ("first_in_shadow", True)):
        state = replace(source.trusted(0, 0), timestamp=0, authority=agreement_hash(trusts(shadow)))
        parts = tuple(SchemeProof(trust, proof) for trust, proof in zip(trusts(shadow), first, strict=True))
        encoded = AgreementProof(1, parts).encode()
        yield check(f"cmt1_and_esp1_{name}", state, encoded, esp1.DOMAIN, esp1.LIMITS)
    lies = replace(source.proof(), state=poorer.state.proof).encode()
    yield ask("state_of_another_block", [said, lies])
    yield ask("state_of_another_block_in_shadow", [said, lies], True)
    grown = source.statement(outbox_size=6, outbox_root=log_root(esp1.LEAVES[:6]))
    both = [source.inner(grown, 3).encode(), source.proof(grown).encode()]
    yield ask("a_quorum_lies_about_the_outbox", both)
    yield ask("a_quorum_lies_about_the_outbox_shadow_reports", both, True)
    following = tuple(esp1.key_address(key) for key in esp1.keys(4, 4))
    handing = source.statement(next_committee=committee_hash(2, following))
    moves = [source.inner(handing, 3, following).encode(), source.proof(handing, following=following).encode()]
    yield ask("hand_over_together", moves)
    yield ask("hand_over_apart", [moves[0], stated])
    own = CommitteeGenesis(1, source.members).encode()
    for name, shadow in (("cmt1_and_esp1", False), ("cmt1_and_esp1_in_shadow", True)):
        stated_outbox = SchemeGenesis(b"ESP1", OutboxGenesis(esp1.OUTBOX, own).encode(), shadow)
        genesis = AgreementGenesis(1, (SchemeGenesis(b"CMT1", own), stated_outbox)).encode()
        yield case(f"initialise_{name}", {"genesis": genesis}, lambda g=genesis: {"newState": AGREEMENT.initialise(g)})
