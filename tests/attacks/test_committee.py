"""Attacks on committees: who signed, how many, what, and for whom.

With n = 4 and one liar, two quorums must share an honest member. Floor division loses that::

    members      0   1   2   3            2 * 4 // 3 = 2 signatures "suffice"
    statement A  x   x                    two disjoint halves finalise two histories,
    statement B          x   x            and nobody signed twice: nothing to freeze for
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from poft.protocol.errors import Code, Refused
from poft.protocol.finality import Finality, quorum, sign_finality
from poft.protocol.hashing import ZERO32, keccak
from poft.protocol.merkle import consistency_proof
from poft.protocol.signatures import CURVE_ORDER, recover, unsafe_sign_digest
from poft.protocol.statements import Vote, statement_digest
from poft.verification.api import Limits, TrustState
from poft.verification.schemes.cmt1 import CommitteeGenesis, CommitteeProof, CommitteeVerifier
from tests.vectors.generate import DRIFT, LEAVES, NOW, OTHER, SOURCE, a_statement, committee, filler, trusted

CMT1 = CommitteeVerifier()
LIMITS = Limits(NOW, DRIFT)


def signed(said: Finality, signers: Sequence[int], n: int = 4, domain: bytes = SOURCE) -> CommitteeProof:
    keys = committee(n)
    members = tuple(keys)
    return CommitteeProof(
        said,
        members,
        sum(1 << i for i in signers),
        tuple(sign_finality(keys[members[i]], domain, said) for i in signers),
        (),
        tuple(consistency_proof(LEAVES[: said.outbox_size], 13)),
    )


def state(n: int = 4) -> TrustState:
    return trusted(tuple(committee(n)), small=n < 4)


def refusal(proof: CommitteeProof, at: TrustState | None = None) -> Code:
    with pytest.raises(Refused) as refused:
        CMT1.verify(SOURCE, at or state(len(proof.members)), proof.encode(), LIMITS)
    return refused.value.code


def naive_count(proof: CommitteeProof, needed: int) -> bool:
    """Counts signatures that recover to a member, whoever it is."""
    digest = proof.statement.digest(SOURCE)
    return sum(recover(digest, signature) in proof.members for signature in proof.signatures) >= needed


def test_floor_divided_quorum_finalises_two_histories() -> None:
    one = signed(a_statement(), (0, 1))
    two = signed(a_statement(block_hash=filler("fork")), (2, 3))
    assert naive_count(one, 2 * 4 // 3)
    assert naive_count(two, 2 * 4 // 3)
    assert one.bitmap & two.bitmap == 0

    assert refusal(one) == refusal(two) == Code.QuorumNotReached


@pytest.mark.parametrize("n", range(1, 13))
def test_two_quorums_share_more_than_a_third(n: int) -> None:
    k = quorum(n)
    assert 3 * k > 2 * n >= 3 * (k - 1)
    assert 3 * (2 * k - n) > n  # who signed both is more than a third: at least one of them is honest
    CMT1.verify(SOURCE, state(n), signed(a_statement(), range(k), n).encode(), LIMITS)
    if k > 1:
        assert refusal(signed(a_statement(), range(k - 1), n)) == Code.QuorumNotReached


def test_one_member_signs_for_three() -> None:
    proof = signed(a_statement(), (0, 1, 2))
    first = proof.signatures[0]
    alone = replace(proof, signatures=(first, first, first))
    assert naive_count(alone, 3)

    assert refusal(alone) == Code.NotSigner
    assert refusal(replace(alone, bitmap=0b1)) == Code.BitmapMismatch
    assert refusal(replace(proof, signatures=(first,))) == Code.BitmapMismatch


def test_members_of_the_provers_choice() -> None:
    """A verifier that takes the committee from the proof lets everybody be one."""
    keys = committee(4, 50)
    said = a_statement()
    proof = CommitteeProof(
        said,
        tuple(keys),
        0b111,
        tuple(sign_finality(key, SOURCE, said) for key in list(keys.values())[:3]),
        (),
        tuple(consistency_proof(LEAVES[:30], 13)),
    )
    assert naive_count(proof, 3)

    assert refusal(proof, state()) == Code.CommitteeMismatch
    assert refusal(replace(proof, members=tuple(committee(4))), state()) == Code.NotSigner


def test_malleable_signature_has_a_twin() -> None:
    """(r, n - s) with the other v recovers to the same key: a marker of used signatures would see a new one."""
    proof = signed(a_statement(), (0, 1, 2))
    honest = proof.signatures[0]
    s = CURVE_ORDER - int.from_bytes(honest[32:64], "big")
    twin = honest[:32] + s.to_bytes(32, "big") + bytes([55 - honest[64]])
    assert keccak(twin) != keccak(honest)

    assert refusal(replace(proof, signatures=(twin, *proof.signatures[1:]))) == Code.HighS


def test_recovery_that_fails_is_nobody() -> None:
    """ecrecover answers a failed recovery with address zero, and an unset member is address zero."""

    def naive_recover(digest: bytes, signature: bytes) -> bytes:
        try:
            return recover(digest, signature)
        except Refused:
            return bytes(20)

    said = a_statement()
    garbage = (5).to_bytes(32, "big") + (1).to_bytes(32, "big") + bytes([27])  # x = 5 is on no point of the curve
    members = [*committee(3), bytes(20)]
    assert naive_recover(said.digest(SOURCE), garbage) in members

    proof = signed(said, (0, 1, 2))
    assert refusal(replace(proof, signatures=(garbage, *proof.signatures[1:]))) == Code.BadSignature
    with pytest.raises(Refused) as refused:
        CMT1.initialise(CommitteeGenesis(1, tuple(sorted(members))).encode())
    assert refused.value.code == Code.CommitteeInvalid


def test_signatures_made_for_something_else() -> None:
    """A digest without type, name, version or chain would be the same 32 bytes in two places."""
    said = a_statement()
    proof = signed(said, (0, 1, 2))
    vote = statement_digest(SOURCE, Vote(SOURCE, SOURCE, 1, bytes(20), SOURCE))
    personal = keccak(b"\x19Ethereum Signed Message:\n32" + said.digest(SOURCE))
    for digest in (vote, personal, said.struct_hash(), said.digest(OTHER), keccak(said.encode())):
        made = tuple(unsafe_sign_digest(key, digest) for key in list(committee(4).values())[:3])
        assert refusal(replace(proof, signatures=made)) == Code.NotSigner
    with pytest.raises(Refused) as refused:
        CMT1.verify(OTHER, state(), proof.encode(), LIMITS)
    assert refused.value.code == Code.NotSigner


@pytest.mark.parametrize(
    ("following", "code"),
    [
        ((), Code.CommitteeInvalid),
        (tuple(committee(1, 20)), Code.CommitteeInvalid),
        (tuple(reversed(committee(5, 20))), Code.CommitteeInvalid),
        ((bytes(20), *committee(5, 20)), Code.CommitteeInvalid),
        ((*committee(4, 20), list(committee(4, 20))[3]), Code.CommitteeInvalid),
        (tuple(i.to_bytes(20, "big") for i in range(1, 66)), Code.Oversize),
        (tuple(committee(5, 20)), Code.BadHandover),
    ],
)
def test_hand_over_to_a_committee_that_cannot_be_one(following: tuple[bytes, ...], code: Code) -> None:
    said = a_statement(next_committee=filler("named"))
    assert refusal(replace(signed(said, (0, 1, 2)), next_members=following)) == code


def test_no_epoch_follows_the_last() -> None:
    """2^64 does not fit the hash of the next committee: refused by name, not by an overflow."""
    last = trusted(tuple(committee(4)), epoch=2**64 - 1)
    said = a_statement(epoch=2**64 - 1, next_committee=filler("named"))
    proof = replace(signed(said, (0, 1, 2)), next_members=tuple(committee(5, 20)))
    assert refusal(proof, last) == Code.BadHandover


def test_state_that_was_never_set_believes_nobody() -> None:
    unset = TrustState(0, ZERO32, outbox_root=ZERO32)
    nobody = CommitteeProof(a_statement(epoch=0), (), 0, ())
    assert refusal(nobody, unset) == Code.CommitteeMismatch
    for genesis, code in (
        (CommitteeGenesis(0, tuple(committee(4))), Code.ZeroValue),
        (CommitteeGenesis(1, ()), Code.CommitteeInvalid),
        (CommitteeGenesis(1, (), small_committee=True), Code.CommitteeInvalid),
    ):
        with pytest.raises(Refused) as refused:
            CMT1.initialise(genesis.encode())
        assert refused.value.code == code


def test_evidence_needs_two_whole_quorums() -> None:
    good = signed(a_statement(), (0, 1, 2))
    fork = signed(a_statement(block_hash=filler("fork")), (1, 2, 3))
    signers = CMT1.check_misbehaviour(SOURCE, state(), good.encode(), fork.encode())
    assert list(signers) == list(committee(4))[1:3]
    half = replace(fork, bitmap=0b110, signatures=fork.signatures[:2])
    for first, second, code in (
        (good, good, Code.NotMisbehaviour),
        (good, half, Code.QuorumNotReached),
        (half, good, Code.QuorumNotReached),
        (good, replace(fork, signatures=good.signatures), Code.NotSigner),
    ):
        with pytest.raises(Refused) as refused:
            CMT1.check_misbehaviour(SOURCE, state(), first.encode(), second.encode())
        assert refused.value.code == code
