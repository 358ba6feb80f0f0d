"""AND1 as a carrier and a plug-in's author meet it: the list over time, schemes of other kinds, what is installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from eth_abi.abi import encode as abi_encode
from eth_utils.crypto import keccak

from poft.protocol.errors import Code, Refused
from poft.protocol.finality import committee_hash
from poft.verification.api import Finalised, FinalityVerifier, Limits, TrustState, verifier
from poft.verification.schemes.and1 import (
    AgreementGenesis,
    AgreementProof,
    AgreementVerifier,
    SchemeGenesis,
    SchemeProof,
    SchemeTrust,
    agreement_hash,
)
from poft.verification.schemes.cmt1 import CommitteeVerifier
from tests.vectors.composed import (
    AGREEMENT,
    HEARD,
    LIMITS,
    NEXT,
    PAIR,
    SHADOW,
    SOURCE,
    A,
    B,
    Voice,
    a_statement,
    believing,
)


def code_of(run: Callable[..., object], *arguments: object) -> Code:
    with pytest.raises(Refused) as caught:
        run(*arguments)
    return caught.value.code


def test_authority_is_the_hash_that_eth_abi_gives() -> None:
    trusts = [voice.trust for voice in HEARD]
    rows = [(t.scheme, t.shadow, t.epoch, t.authority, t.small_committee) for t in trusts]
    encoded = abi_encode(["(bytes4,bool,uint64,bytes32,bool)[]"], [rows])
    assert agreement_hash(trusts) == keccak(encoded)


@pytest.mark.parametrize("voices", [PAIR, HEARD])
def test_encodings_are_read_back(voices: Sequence[Voice]) -> None:
    proof = AgreementProof(7, tuple(SchemeProof(voice.trust, voice.says()) for voice in voices))
    assert AgreementProof.decode(proof.encode()) == proof
    genesis = AgreementGenesis(7, tuple(voice.genesis() for voice in voices))
    assert AgreementGenesis.decode(genesis.encode()) == genesis


@pytest.mark.parametrize(
    "trust",
    [
        SchemeTrust(b"CMT", False, 1, bytes(32), False),
        SchemeTrust(b"CMT1", False, 1 << 64, bytes(32), False),
        SchemeTrust(b"CMT1", False, 1, bytes(31), False),
    ],
)
def test_what_does_not_fit_is_not_encoded(trust: SchemeTrust) -> None:
    assert code_of(AgreementProof(1, (SchemeProof(trust, b""),) * 2).encode) is Code.Malformed


def test_what_is_too_long_is_not_encoded() -> None:
    assert code_of(AgreementProof(1, (SchemeProof(A.trust, bytes(65536)),) * 2).encode) is Code.Malformed
    assert code_of(AgreementGenesis(1, (SchemeGenesis(b"CMT1", bytes(65536)),) * 2).encode) is Code.Malformed


def test_a_carrier_follows_the_list_over_updates_and_hand_overs() -> None:
    state, trusts = AGREEMENT.start(AgreementGenesis(1, tuple(voice.genesis() for voice in HEARD)).encode())
    renewed = replace(A, epoch=2, first_key=180, size=5)
    steps = [
        ([A, B, SHADOW], {"size": 10, "height": 5}),
        ([A, B, SHADOW], {"size": 20, "height": 6}),
        ([renewed, B, SHADOW], {"size": 30, "height": 7}),
    ]
    known_size = 0
    for i, (voices, changes) in enumerate(steps):
        proofs = [voice.signed(a_statement(epoch=voice.epoch, **changes), old=known_size) for voice in voices]  # type: ignore[arg-type]
        if i == 1:
            # The first committee hands over, and the carrier has nothing for the shadow.
            said = a_statement(next_committee=committee_hash(2, NEXT), **changes)  # type: ignore[arg-type]
            proofs[0] = A.signed(said, NEXT, old=known_size)
            proofs[2] = b""
        parts = tuple(SchemeProof(trust, proof) for trust, proof in zip(trusts, proofs, strict=True))
        encoded = AgreementProof(state.epoch, parts).encode()
        state, finalised, trusts = AGREEMENT.advance(SOURCE, state, encoded, LIMITS)
        assert agreement_hash(trusts) == state.authority
        assert finalised.dissent == (4 if i == 1 else 0)
        known_size = state.outbox_size
    assert (state.epoch, state.height, state.outbox_size) == (2, 7, 30)
    assert [trust.epoch for trust in trusts] == [2, 1, 1]


class Elsewhere(CommitteeVerifier):
    """A scheme that is somewhere else than the others: later at its start, or further on after a proof."""

    def __init__(self, height: int = 0, epochs: int = 0) -> None:
        self._height, self._epochs = height, epochs

    def scheme(self) -> bytes:
        return b"ELSE"

    def initialise(self, genesis: bytes) -> TrustState:
        return replace(super().initialise(genesis), height=self._height)

    def verify(
        self, source_domain: bytes, state: TrustState, proof: bytes, limits: Limits
    ) -> tuple[TrustState, Finalised]:
        after, finalised = super().verify(source_domain, state, proof, limits)
        return replace(after, epoch=after.epoch + self._epochs), finalised


def composed_with(other: FinalityVerifier) -> AgreementVerifier:
    return AgreementVerifier(lambda name: other if name == b"ELSE" else CommitteeVerifier())


def test_schemes_that_start_from_different_blocks_are_no_list() -> None:
    voices = (A, replace(B, scheme=b"ELSE"))
    genesis = AgreementGenesis(1, tuple(voice.genesis() for voice in voices)).encode()
    assert composed_with(Elsewhere()).initialise(genesis).height == 0
    assert code_of(composed_with(Elsewhere(height=1)).initialise, genesis) is Code.SchemesDisagree


@pytest.mark.parametrize(("epochs", "moved"), [(0, 1), (1, 2), (2, None), (-1, None)])
def test_a_scheme_moves_by_one_epoch_at_most(epochs: int, moved: int | None) -> None:
    for shadow in (False, True):
        voices = (A, replace(B, scheme=b"ELSE", shadow=shadow))
        parts = tuple(SchemeProof(voice.trust, voice.says()) for voice in voices)
        agreement, encoded = composed_with(Elsewhere(epochs=epochs)), AgreementProof(1, parts).encode()
        asked = (SOURCE, believing(voices), encoded, LIMITS)
        if moved is None and not shadow:
            assert code_of(agreement.verify, *asked) is Code.BadHandover
            continue
        after, finalised = agreement.verify(*asked)
        assert after.epoch == (moved or 1)
        assert finalised.dissent == (2 if moved is None else 0)


class Breaking(Elsewhere):
    """A plug-in that raises something else than `Refused`."""

    def verify(
        self, source_domain: bytes, state: TrustState, proof: bytes, limits: Limits
    ) -> tuple[TrustState, Finalised]:
        after, finalised = super().verify(source_domain, state, proof, limits)
        raise ZeroDivisionError(after, finalised)


def test_a_scheme_in_shadow_that_breaks_dissents() -> None:
    voices = (A, replace(B, scheme=b"ELSE", shadow=True))
    parts = tuple(SchemeProof(voice.trust, voice.says()) for voice in voices)
    asked = (SOURCE, believing(voices), AgreementProof(1, parts).encode(), LIMITS)
    assert composed_with(Breaking()).verify(*asked)[1].dissent == 2


def test_the_installed_scheme_knows_the_installed_ones() -> None:
    installed = verifier(b"AND1")
    parts = (A.genesis(), SchemeGenesis(b"ESP1", b"\1" * 20 + A.genesis().genesis))
    assert installed.scheme() == b"AND1"
    assert installed.initialise(AgreementGenesis(1, parts).encode()).epoch == 1
    nested = AgreementGenesis(1, (A.genesis(), SchemeGenesis(b"AND1", AgreementGenesis(1, parts).encode())))
    assert code_of(installed.initialise, nested.encode()) is Code.UnknownScheme
    unknown = AgreementGenesis(1, (A.genesis(), SchemeGenesis(b"XYZ1", b"")))
    assert code_of(installed.initialise, unknown.encode()) is Code.UnknownScheme
