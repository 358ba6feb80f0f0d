"""A list of schemes is only as strong as what binds it (docs/protocol.md section 8, AND1).

    governance trusts      [ committee , state proof , (research) ]      "all of those that decide must agree"
    the carrier shows      [ committee ,     ----    ,            ]      left out
                           [ committee , (state proof),           ]      sent into the shadow
                           [ committee says block X , state proof says block Y ]

Each attack here first succeeds against a composition that takes one thing from the prover, or does not compare.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from poft.protocol.errors import Code, Refused
from poft.verification.api import Finalised, TrustState
from poft.verification.schemes.and1 import AgreementGenesis, AgreementProof, agreement_hash
from tests.vectors.composed import (
    AGREEMENT,
    HEARD,
    LIMITS,
    PAIR,
    SHADOW,
    SOURCE,
    A,
    B,
    Voice,
    believing,
    carried,
    filler,
    known,
)

Verdict = tuple[TrustState, Finalised]


def refused(run: Callable[[], object]) -> Code:
    with pytest.raises(Refused) as caught:
        run()
    return caught.value.code


def each_on_its_own(state: TrustState, encoded: bytes) -> list[Verdict]:
    """A composition that asks whom the proof names, with what the proof says is believed."""
    said = AgreementProof.decode(encoded)
    return [
        known(part.trust.scheme).verify(SOURCE, part.trust.within(state), part.proof, LIMITS)
        for part in said.schemes
        if not part.trust.shadow
    ]


def test_a_list_from_the_prover_is_the_provers_committee() -> None:
    """The list in the proof is a preimage; a design that does not hash it believes anybody."""
    state = believing(PAIR)
    own = tuple(replace(voice, first_key=300 + 10 * i) for i, voice in enumerate(PAIR))
    forged = carried(own, [voice.says(block_hash=filler("invented")) for voice in own])
    assert len(each_on_its_own(state, forged)) == 2
    assert refused(lambda: AGREEMENT.verify(SOURCE, state, forged, LIMITS)) is Code.CommitteeMismatch


def test_a_broken_scheme_alone_convinces_nobody() -> None:
    """The thief of one committee sends the other scheme into the shadow, or names the stolen one twice."""
    state = believing(PAIR)
    lie = A.says(block_hash=filler("invented"))
    in_shadow = carried((A, replace(B, shadow=True)), [lie, b""])
    twice = carried((A, A), [lie, lie])
    for forged, asked in ((in_shadow, 1), (twice, 2)):
        assert len(each_on_its_own(state, forged)) == asked
        assert refused(lambda forged=forged: AGREEMENT.verify(SOURCE, state, forged, LIMITS)) is Code.CommitteeMismatch  # type: ignore[misc]
    honest_list = carried(PAIR, [lie, B.says()])
    assert refused(lambda: AGREEMENT.verify(SOURCE, state, honest_list, LIMITS)) is Code.SchemesDisagree


def test_two_proofs_that_hold_may_be_about_two_blocks() -> None:
    """All accept, none contradicts itself: whoever only counts acceptances takes the first one's word."""
    state = believing(PAIR)
    apart = carried(PAIR, [A.says(block_hash=filler("invented")), B.says()])
    first, second = each_on_its_own(state, apart)
    assert first[1].block_hash != second[1].block_hash
    assert refused(lambda: AGREEMENT.verify(SOURCE, state, apart, LIMITS)) is Code.SchemesDisagree


def test_a_scheme_in_shadow_decides_nothing_whatever_it_says() -> None:
    """With and without it: one verdict, one code, one belief about the source."""
    pair, heard = believing(PAIR), believing(HEARD)
    first = {
        "honest": A.says(),
        "refused": A.says(height=99),
        "apart": A.says(height=121),
        "none": b"",
    }
    shadows = [SHADOW.says(), SHADOW.says(height=121), SHADOW.says(height=99), b"", b"\xff" * 200, first["honest"]]
    for proof in first.values():
        alone = outcome(pair, carried(PAIR, [proof, B.says()]))
        for third in shadows:
            assert outcome(heard, carried(HEARD, [proof, B.says(), third])) == alone


def outcome(state: TrustState, proof: bytes) -> object:
    """The code, or what is believed of the source."""
    try:
        after, found = AGREEMENT.verify(SOURCE, state, proof, LIMITS)
    except Refused as error:
        return error.code
    return after.height, after.timestamp, after.outbox_size, after.outbox_root, found.block_hash, found.state_root


def test_evidence_of_a_shadow_freezes_nothing() -> None:
    """Else whoever signs for a research scheme halts the link."""
    state = believing(HEARD)
    halves = [carried(HEARD, [b"", b"", SHADOW.says(block_hash=filler("fork", i))]) for i in (0, 1)]
    own = SHADOW.trust.within(state)
    inner = [AgreementProof.decode(half).schemes[2].proof for half in halves]
    assert known(SHADOW.scheme).check_misbehaviour(SOURCE, own, *inner)
    assert refused(lambda: AGREEMENT.check_misbehaviour(SOURCE, state, *halves)) is Code.NotMisbehaviour


def test_after_a_recovery_no_scheme_counts_a_signature_of_the_past() -> None:
    """The list is in a new epoch; a scheme that were allowed to stay in its old one would take its old signatures."""
    stolen = B.says(block_hash=filler("invented"))
    renewed = replace(A, epoch=2)
    mixed = (renewed, B)
    believed = replace(believing(mixed), epoch=2, authority=agreement_hash([voice.trust for voice in mixed]))
    encoded = carried(mixed, [renewed.says(block_hash=filler("invented")), stolen], 2)
    assert AGREEMENT.verify(SOURCE, believed, encoded, LIMITS)[0].height == 120
    # No genesis leads there.
    genesis = AgreementGenesis(2, (renewed.genesis(), B.genesis())).encode()
    assert refused(lambda: AGREEMENT.initialise(genesis)) is Code.WrongEpoch


def test_no_boundary_between_two_proofs_can_be_moved() -> None:
    """Every length of every part, one byte each way: the bytes of one scheme never become another's."""
    voices: tuple[Voice, ...] = HEARD
    state = believing(voices)
    proofs = [voice.says() for voice in voices]
    good = carried(voices, proofs)
    at = 9
    for proof in proofs:
        for step in (-1, 1, 256, -256):
            moved = (len(proof) + step).to_bytes(2, "big")
            bad = good[: at + 46] + moved + good[at + 48 :]
            assert refused(lambda bad=bad: AGREEMENT.verify(SOURCE, state, bad, LIMITS)) is Code.Malformed  # type: ignore[misc]
        at += 48 + len(proof)
    assert at == len(good)


def test_every_byte_of_a_deciding_proof_counts() -> None:
    """Each byte that is changed is refused, up to where the shadow's own proof begins: there it is a dissent."""
    voices = (A, replace(B, shadow=True))
    state = believing(voices)
    proofs = [voice.says() for voice in voices]
    good = carried(voices, proofs)
    own = len(good) - len(proofs[1])
    for at in range(0, len(good), 7):
        bad = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
        if at < own:
            assert isinstance(outcome(state, bad), Code), at
        else:
            assert AGREEMENT.verify(SOURCE, state, bad, LIMITS)[1].dissent == 2, at
