"""BLS1 in Python: against its vectors, against a foreign implementation, and what an attacker gains and does not."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from poft.protocol.errors import Code, Refused
from poft.protocol.finality import Finality
from poft.protocol.hashing import ZERO32, keccak
from poft.protocol.merkle import consistency_proof, inclusion_length, log_root
from poft.verification.api import Limits, TrustState
from py_arkworks_bls12381 import GT, G1Point, G2Point
from py_ecc.bls.hash_to_curve import hash_to_G1
from py_ecc.optimized_bls12_381 import FQ, FQ2, FQ12, G2, final_exponentiate, neg, normalize, pairing

from poft_bls12381.committee import Genesis, call_roll
from poft_bls12381.curve import (
    FIELD,
    SIGNATURE_TAG,
    aggregate_keys,
    read_g1,
    read_g2,
    sign,
    verifies,
)
from poft_bls12381.forgeries import forged_geneses, forged_updates, rogue_member, small_order_point
from poft_bls12381.honest import Committee, committee, most_absent
from poft_bls12381.scheme import BlsVerifier, next_authority, signer_of

VECTORS = Path(__file__).parents[1] / "vectors"
DOMAIN = keccak(b"a source")
LEAVES = [keccak(bytes([i])) for i in range(20)]
LIMITS = Limits(now=1000, max_drift=10)
VERIFIER = BlsVerifier()


def statement(**changes: int | bytes) -> Finality:
    """What the source says when it has 20 packets."""
    said = Finality(1, 10, keccak(b"block"), keccak(b"state"), 20, log_root(LEAVES), 1000, ZERO32)
    return replace(said, **changes)  # type: ignore[arg-type]  # each change is of its field's type


def client(members: Committee) -> TrustState:
    """A client that knows seven packets."""
    fresh = VERIFIER.initialise(members.genesis().encode())
    return replace(fresh, height=5, timestamp=900, outbox_size=7, outbox_root=log_root(LEAVES[:7]))


def path() -> tuple[bytes, ...]:
    """From seven packets to twenty."""
    return tuple(consistency_proof(LEAVES, 7))


def refusal(state: TrustState, proof: bytes) -> Code:
    """The code with which an update is refused."""
    with pytest.raises(Refused) as caught:
        VERIFIER.verify(DOMAIN, state, proof, LIMITS)
    return caught.value.code


def test_vectors_are_what_the_reference_writes() -> None:
    done = subprocess.run([sys.executable, str(VECTORS / "generate.py"), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_entry_point_names_the_scheme() -> None:
    found = {point.value for point in entry_points(group="poft.verifiers", name="BLS1")}
    assert found == {"poft_bls12381.scheme:BlsVerifier"}


def test_hash_to_g1_gives_the_points_of_the_rfc() -> None:
    for case in json.loads((VECTORS / "curve.json").read_text(encoding="ascii"))["cases"]:
        message, tag = (bytes.fromhex(case["input"][name][2:]) for name in ("message", "tag"))
        point = bytes(G1Point.hash_to_curve(message, tag).to_xy_bytes_be())
        assert "0x" + point.hex() == case["expect"]["point"], case["name"]


def test_aggregate_verifies_in_a_foreign_implementation() -> None:
    """py_ecc shares no code with arkworks: its pairing and its hash to the curve."""
    members = committee(b"foreign", 4)
    digest = statement().digest(DOMAIN)
    signature = _foreign_g1(members.signature(digest, range(4)))
    key = _foreign_g2(aggregate_keys(members.keys))
    # py_ecc's annotation names the hash object where it takes the constructor.
    hashed = hash_to_G1(digest, SIGNATURE_TAG, hashlib.sha256)  # type: ignore[arg-type]
    product = pairing(G2, neg(signature), final_exponentiate=False) * pairing(key, hashed, final_exponentiate=False)
    assert final_exponentiate(product) == FQ12.one()
    x, y = normalize(hashed)
    ours = bytes(G1Point.hash_to_curve(digest, SIGNATURE_TAG).to_xy_bytes_be())
    assert ours == int(x.n).to_bytes(48, "big") + int(y.n).to_bytes(48, "big")


@pytest.mark.parametrize("members", [4, 5, 7, 21, 31, 64])
def test_verify_takes_every_quorum_and_nothing_smaller(members: int) -> None:
    honest = committee(b"quorums", members)
    state, most = client(honest), most_absent(members)
    for gone in (range(0), range(most), range(members - most, members)):
        following, finalised = VERIFIER.verify(
            DOMAIN, state, honest.prove(statement(), DOMAIN, gone, path()).encode(), LIMITS
        )
        assert (following.height, finalised.outbox_size) == (10, 20)
    short = honest.prove(statement(), DOMAIN, range(most + 1), path())
    assert refusal(state, short.encode()) == Code.QuorumNotReached


def test_proof_has_one_size_when_everybody_signs() -> None:
    sizes = {len(committee(b"sizes", n).prove(statement(), DOMAIN, (), path()).encode()) for n in (4, 7, 21, 31, 64)}
    assert sizes == {484 + 32 * len(path())}


@pytest.mark.parametrize("members", [4, 7, 21, 31, 64])
def test_absent_member_costs_its_key_and_its_path(members: int) -> None:
    honest = committee(b"sizes", members)
    everybody = len(honest.prove(statement(), DOMAIN, (), path()).encode())
    for index in (0, members - 1):
        without = len(honest.prove(statement(), DOMAIN, (index,), path()).encode())
        assert without - everybody == 194 + 32 * inclusion_length(index, members)


@pytest.mark.parametrize("members", [1, 3, 4, 7, 64])
def test_forged_updates_are_refused_with_their_codes(members: int) -> None:
    honest = committee(b"forged", members)
    state = client(honest)
    codes = {
        attack.name: (attack.code, refusal(state, attack.encoded))
        for attack in forged_updates(honest, statement(), DOMAIN, path())
    }
    assert {name: pair for name, pair in codes.items() if pair[0] != pair[1]} == {}


def test_forged_geneses_are_refused_with_their_codes() -> None:
    wrong = {}
    for attack in forged_geneses(committee(b"forged", 4)):
        with pytest.raises(Refused) as caught:
            VERIFIER.initialise(attack.encoded)
        if caught.value.code != attack.code:
            wrong[attack.name] = caught.value.code
    assert wrong == {}


def test_rogue_key_would_sign_for_everybody_without_its_proof_of_possession() -> None:
    """The attack works against keys alone; what stops it is the proof of possession, and nothing else does."""
    honest = committee(b"rogue", 4)
    rogue, own = rogue_member(honest)
    members = tuple(sorted((rogue, *honest.members[1:]), key=lambda member: member.key))
    digest = statement().digest(DOMAIN)
    everybody = read_g2(call_roll(members).aggregate)
    assert everybody is not None
    assert verifies(everybody, digest, sign(own, digest)), "one signature for four members"
    with pytest.raises(Refused) as caught:
        VERIFIER.initialise(Genesis(1, members).encode())
    assert caught.value.code == Code.CommitteeInvalid
    with pytest.raises(Refused) as caught:
        next_authority(2, members)
    assert caught.value.code == Code.CommitteeInvalid


def test_point_of_small_order_is_seen_by_the_subgroup_check_alone() -> None:
    """A pairing cannot tell a signature from the signature plus such a point: two encodings of one signature."""
    honest = committee(b"torsion", 4)
    digest = statement().digest(DOMAIN)
    point = read_g1(honest.signature(digest, range(4)))
    key = read_g2(honest.roll.aggregate)
    assert point is not None
    assert key is not None
    other = point + small_order_point()
    hashed = G1Point.hash_to_curve(digest, SIGNATURE_TAG)
    assert GT.pairing_check([other, -hashed], [G2Point(), key])
    assert not verifies(key, digest, bytes(other.to_xy_bytes_be()))


def test_hand_over_is_vouched_for_by_whoever_signs() -> None:
    honest, following = committee(b"now", 4), committee(b"then", 7, 2)
    named = next_authority(2, following.members)
    said = statement(next_committee=named)
    proof = honest.prove(said, DOMAIN, (2,), path(), following.roll).encode()
    state, _ = VERIFIER.verify(DOMAIN, client(honest), proof, LIMITS)
    assert (state.epoch, state.authority) == (2, following.authority)


def test_misbehaviour_names_those_who_signed_both_halves() -> None:
    honest = committee(b"liars", 7)
    first = honest.prove(statement(), DOMAIN, (0, 3)).encode()
    second = honest.prove(statement(outbox_root=keccak(b"another")), DOMAIN, (6,)).encode()
    signers = VERIFIER.check_misbehaviour(DOMAIN, client(honest), first, second)
    assert signers == [signer_of(honest.authority, index) for index in (1, 2, 4, 5)]


def test_epoch_of_reads_without_verifying() -> None:
    proof = replace(committee(b"epochs", 4).prove(statement(epoch=9), DOMAIN), signature=bytes(96))
    assert VERIFIER.epoch_of(proof.encode()) == 9


def test_runtime_depends_on_what_the_project_s_runtime_depends_on() -> None:
    """The library of `substrate/runtime` is the project's source: only the list of schemes differs."""
    own, project = (
        tomllib.loads((folder / "runtime" / "Cargo.toml").read_text(encoding="utf-8"))
        for folder in (VECTORS.parent / "substrate", VECTORS.parents[2] / "chains" / "substrate")
    )
    assert own["dependencies"].pop("poft-schemes")["package"] == "poft-bls1-schemes"
    del project["dependencies"]["poft-schemes"]
    assert (own["dependencies"], own["features"]) == (project["dependencies"], project["features"])


def _foreign_g1(point: bytes) -> tuple[FQ, FQ, FQ]:
    x, y = _numbers(point)
    return FQ(x), FQ(y), FQ(1)


def _foreign_g2(point: bytes) -> tuple[FQ2, FQ2, FQ2]:
    x0, x1, y0, y1 = _numbers(point)
    return FQ2([x0, x1]), FQ2([y0, y1]), FQ2([1, 0])


def _numbers(point: bytes) -> Sequence[int]:
    values = [int.from_bytes(point[at : at + 48], "big") for at in range(0, len(point), 48)]
    assert all(value < FIELD for value in values)
    return values
