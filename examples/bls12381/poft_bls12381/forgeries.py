"""The attacks that only BLS1 knows: points, sums and lists of absent members that are not what they should be.

Each breaks one thing of an honest object and names the code with which it is refused. `tests/`, the vectors and the
conformance kit run the same lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from poft.protocol.errors import Code
from poft.protocol.finality import Finality
from poft.protocol.hashing import ZERO32, keccak
from py_arkworks_bls12381 import G1Point, G2Point, Scalar

from .committee import Absent, Member, Proof, Roll
from .curve import (
    COORDINATE,
    FIELD,
    G1_BYTES,
    G2_BYTES,
    POSSESSION_TAG,
    SIGNATURE_TAG,
    aggregate_keys,
    prove_possession,
    public_key,
    secret_key,
    sign,
)
from .honest import Committee, committee


@dataclass(frozen=True, slots=True)
class Forged:
    """What is shown, and the code with which it is refused."""

    name: str
    encoded: bytes
    code: Code


def forged_updates(
    honest: Committee, statement: Finality, domain: bytes, consistency: tuple[bytes, ...]
) -> Iterator[Forged]:
    """Forgeries of a proof that a client would take. The last member is absent where the quorum can miss one."""
    n = len(honest.keys)
    gone = n - 1 if n > 3 else None
    proof = honest.prove(statement, domain, () if gone is None else (gone,), consistency)
    yield from _bad_points(proof)
    yield from _bad_signatures(honest, proof, domain)
    yield from _bad_rolls(honest, proof, domain)
    yield from _bad_encodings(proof)
    if gone is not None:
        yield from _bad_absences(honest, proof, domain, gone)
    yield from _bad_handovers(honest, proof, domain)


def _bad_points(proof: Proof) -> Iterator[Forged]:
    """Signatures that are no points of G1, or others than they were."""
    honest = G1Point.from_xy_bytes_be(proof.signature)
    x, y = (int.from_bytes(proof.signature[at : at + COORDINATE], "big") for at in (0, COORDINATE))
    torsion = small_order_point()
    wrong = {
        "infinity as signature": bytes(G1_BYTES),
        "negated signature": bytes((-honest).to_xy_bytes_be()),
        "doubled signature": bytes((honest + honest).to_xy_bytes_be()),
        "signature out of the subgroup": bytes(torsion.to_xy_bytes_be()),
        # The pairing cannot tell this one from the honest signature: only the subgroup check refuses it.
        "signature plus a point of small order": bytes((honest + torsion).to_xy_bytes_be()),
        "signature off the curve": _coordinates(x, (y + 1) % FIELD),
        "coordinate x not below p": _coordinates(x + FIELD, y),
        "coordinate y not below p": _coordinates(x, y + FIELD),
        "a compressed point in the signature's place": bytes(honest.to_compressed_bytes()) + bytes(COORDINATE),
        "half a key in the signature's place": proof.roll.aggregate[:G1_BYTES],
    }
    for name, signature in wrong.items():
        yield Forged(name, replace(proof, signature=signature).encode(), Code.BadSignature)


def _bad_signatures(honest: Committee, proof: Proof, domain: bytes) -> Iterator[Forged]:
    """Points of G1 that are signatures of something else, or of somebody else."""
    n, said = len(honest.keys), proof.statement
    digest = said.digest(domain)
    present = set(range(n)) - {one.index for one in proof.absent}
    stranger = secret_key(b"stranger")
    first = min(present)
    rest = present - {first}
    signatures = [sign(honest.secrets[index], digest) for index in rest]
    outsider = G1Point.from_xy_bytes_be(sign(stranger, digest))

    def of(name: str, signature: bytes) -> Forged:
        return Forged(name, replace(proof, signature=signature).encode(), Code.BadSignature)

    yield of("signature of the struct's hash alone", honest.signature(said.struct_hash(), present))
    yield of("signature of a hash of the digest", honest.signature(keccak(digest), present))
    yield of("signature under the tag of possession", honest.signature(digest, present, POSSESSION_TAG))
    basic = SIGNATURE_TAG.replace(b"POP", b"NUL")
    yield of("signature under the basic scheme's tag", honest.signature(digest, present, basic))
    swapped = SIGNATURE_TAG.replace(b"G1", b"G2")
    yield of("signature under the tag of the other group", honest.signature(digest, present, swapped))
    yield of("signature for another chain", honest.signature(said.digest(keccak(domain)), present))
    later = replace(said, height=said.height + 1)
    yield of("signature of another height", honest.signature(later.digest(domain), present))
    yield of("a proof of possession as signature", prove_possession(honest.secrets[first]))
    with_outsider = G1Point.from_xy_bytes_be(proof.signature) + outsider
    yield of("an outsider's signature added", bytes(with_outsider.to_xy_bytes_be()))
    if rest:
        yield of("a present member's signature left out", honest.signature(digest, rest))
        again = bytes((_sum(signatures) + G1Point.from_xy_bytes_be(signatures[0])).to_xy_bytes_be())
        yield of("a member's signature twice, another's left out", again)
        replaced = bytes((_sum(signatures) + outsider).to_xy_bytes_be())
        yield of("an outsider's signature for a member's", replaced)
    if proof.absent:
        everybody = honest.signature(digest, range(n))
        yield of("an absent member's signature added", everybody)


def _bad_rolls(honest: Committee, proof: Proof, domain: bytes) -> Iterator[Forged]:
    """Another committee than the client's."""
    n, roll, said = len(honest.keys), proof.roll, proof.statement

    def of(name: str, wrong: Roll, signature: bytes = proof.signature) -> Forged:
        return Forged(name, replace(proof, roll=wrong, signature=signature).encode(), Code.CommitteeMismatch)

    own = secret_key(b"forger")
    yield of("one member fewer", replace(roll, count=n - 1))
    if n < 64:
        yield of("one member more", replace(roll, count=n + 1))
    yield of("the forger's key as sum", replace(roll, aggregate=public_key(own)), sign(own, said.digest(domain)))
    yield of("infinity as sum and signature", replace(roll, aggregate=bytes(G2_BYTES)), bytes(G1_BYTES))
    yield of("another root of the log of keys", replace(roll, root=keccak(roll.root)))
    forger = committee(b"forger", n, honest.epoch)
    theirs = forger.prove(said, domain, (), proof.consistency)
    yield Forged("the prover's own committee", theirs.encode(), Code.CommitteeMismatch)


def _bad_absences(honest: Committee, proof: Proof, domain: bytes, gone: int) -> Iterator[Forged]:
    """Lists of absent members that are not what they should be."""
    n = len(honest.keys)
    entry = proof.absent[0]
    other = honest.absent(0)

    def of(name: str, code: Code, *absent: Absent) -> Forged:
        return Forged(name, replace(proof, absent=absent).encode(), code)

    yield of("an absent member counted twice", Code.BitmapMismatch, entry, entry)
    yield of("absent members not in order", Code.BitmapMismatch, entry, other)
    yield of("an absent member beyond the committee", Code.BitmapMismatch, replace(entry, index=n))
    yield of("absent member 255", Code.BitmapMismatch, replace(entry, index=255))
    yield of("nobody absent who is", Code.BadSignature)
    yield of("another member absent than is", Code.BadSignature, other)
    yield of("an absent member's key at another place", Code.RootMismatch, replace(other, key=entry.key))
    stranger = public_key(secret_key(b"stranger"))
    yield of("an outsider absent", Code.RootMismatch, replace(entry, key=stranger))
    negated = bytes((-G2Point.from_xy_bytes_be(entry.key)).to_xy_bytes_be())
    yield of("an absent member's key negated", Code.RootMismatch, replace(entry, key=negated))
    flipped = (bytes([entry.path[0][0] ^ 1]) + entry.path[0][1:], *entry.path[1:])
    yield of("a sibling of an absent member's key flipped", Code.RootMismatch, replace(entry, path=flipped))
    yield of("an absent member's path cut", Code.ProofLength, replace(entry, path=entry.path[:-1]))
    if len(entry.path) < 6:
        padded = (*entry.path, ZERO32)
        yield of("an absent member's path padded", Code.ProofLength, replace(entry, path=padded))
    yield of("an absent member's path of seven nodes", Code.Oversize, replace(entry, path=(ZERO32,) * 7))
    most = (n - 1) // 3
    tired = honest.prove(proof.statement, domain, range(n - most - 1, n), proof.consistency)
    yield Forged("two thirds and not more", tired.encode(), Code.QuorumNotReached)
    deserted = honest.prove(proof.statement, domain, range(n), proof.consistency)
    yield Forged("everybody absent, infinity as signature", deserted.encode(), Code.QuorumNotReached)
    assert gone == entry.index  # what these are made of


def _bad_encodings(proof: Proof) -> Iterator[Forged]:
    """Lengths and counts. What is cut or added is refused before anything else is looked at."""
    encoded = proof.encode()
    yield Forged("empty", b"", Code.Malformed)
    yield Forged("a head and no more", encoded[:160], Code.Malformed)
    yield Forged("a byte short", encoded[:-1], Code.Malformed)
    yield Forged("a byte over", encoded + b"\0", Code.Malformed)
    counts = ("65 members", "65 absent members", "65 next members", "129 nodes")
    for at, (name, count) in enumerate(zip(counts, (65, 65, 65, 129), strict=True), 160):
        yield Forged(name, encoded[:at] + bytes([count]) + encoded[at + 1 :], Code.Oversize)
    more = encoded[:161] + bytes([encoded[161] + 1]) + encoded[162:]
    yield Forged("an absent member announced and not there", more, Code.Malformed)


def _bad_handovers(honest: Committee, proof: Proof, domain: bytes) -> Iterator[Forged]:
    """Hand-overs that a quorum signed and nobody may follow."""
    after = committee(b"next", len(honest.keys), honest.epoch + 1)
    absent = [one.index for one in proof.absent]

    def of(name: str, code: Code, named: bytes, following: Roll | None) -> Forged:
        said = replace(proof.statement, next_committee=named)
        handing = honest.prove(said, domain, absent, proof.consistency, following)
        return Forged(name, handing.encode(), code)

    epoch = honest.epoch + 1
    none = replace(after.roll, aggregate=bytes(G2_BYTES))
    outside = replace(after.roll, aggregate=bytes(twist_point().to_xy_bytes_be()))
    late = after.roll.authority(epoch + 1)
    yield of("next members without a hand-over", Code.BadHandover, ZERO32, after.roll)
    yield of("a hand-over to nobody", Code.CommitteeInvalid, after.roll.authority(epoch), None)
    yield of("a hand-over to infinity", Code.CommitteeInvalid, none.authority(epoch), none)
    yield of("a hand-over to a sum out of the subgroup", Code.CommitteeInvalid, outside.authority(epoch), outside)
    yield of("a hand-over to others than the statement's", Code.BadHandover, after.roll.authority(epoch), honest.roll)
    yield of("a hand-over two epochs ahead", Code.BadHandover, late, after.roll)


def forged_geneses(honest: Committee) -> Iterator[Forged]:
    """First committees that may not become one. `honest` has at least four members."""
    first = honest.genesis()
    members = first.members
    encoded = first.encode()

    def of(name: str, *replaced: Member, code: Code = Code.CommitteeInvalid) -> Forged:
        ordered = tuple(sorted(replaced, key=lambda member: member.key))
        return Forged(name, replace(first, members=ordered).encode(), code)

    rogue, _ = rogue_member(honest)
    x0, rest = int.from_bytes(members[0].key[:COORDINATE], "big"), members[0].key[COORDINATE:]
    bare = honest.secrets[0]
    outside = bytes(twist_point().to_xy_bytes_be())
    yield of("a rogue key without proof of possession", rogue, *members[1:])
    signed = sign(bare, _compressed(bare))
    yield of("a signature of the key as proof of possession", replace(members[0], possession=signed), *members[1:])
    uncompressed = sign(bare, members[0].key, POSSESSION_TAG)
    yield of("possession of the uncompressed key", replace(members[0], possession=uncompressed), *members[1:])
    another = replace(members[0], possession=members[1].possession)
    yield of("another member's proof of possession", another, *members[1:])
    nothing = replace(members[0], possession=bytes(G1_BYTES))
    yield of("infinity as proof of possession", nothing, *members[1:])
    yield of("infinity as key", Member(bytes(G2_BYTES), bytes(G1_BYTES)), *members[1:])
    yield of("a key out of the subgroup", Member(outside, members[0].possession), *members[1:])
    above = Member((x0 + FIELD).to_bytes(COORDINATE, "big") + rest, members[0].possession)
    yield of("a key's coordinate not below p", above, *members[1:])
    off = Member(members[0].key[:-1] + bytes([members[0].key[-1] ^ 1]), members[0].possession)
    yield of("a key off the curve", off, *members[1:])
    yield of("a key twice", members[0], *members)
    unsorted = replace(first, members=(members[1], members[0], *members[2:]))
    yield Forged("keys not in order", unsorted.encode(), Code.CommitteeInvalid)
    minus = Scalar(0) - bare
    opposite = Member(public_key(minus), prove_possession(minus))
    small = replace(first, members=tuple(sorted((members[0], opposite), key=lambda m: m.key)), small_committee=True)
    yield Forged("keys whose sum is infinity", small.encode(), Code.CommitteeInvalid)
    yield of("three members", *members[:3])
    yield of("no members")
    yield Forged("epoch 0", replace(first, epoch=0).encode(), Code.ZeroValue)
    yield Forged("a genesis that is empty", b"", Code.Malformed)
    yield Forged("a genesis a byte short", encoded[:-1], Code.Malformed)
    yield Forged("a genesis a byte over", encoded + b"\0", Code.Malformed)
    yield Forged("a flag of 2", encoded[:8] + b"\2" + encoded[9:], Code.Malformed)
    yield Forged("a genesis of 65 members", encoded[:9] + b"\x41" + encoded[10:], Code.Oversize)


def rogue_member(honest: Committee) -> tuple[Member, Scalar]:
    """The classic attack: the forger's key minus the other members' keys, so that all keys add up to the forger's own.

    Whoever takes keys without proof of possession then takes the forger's signature for everybody's. The forger does
    not know the secret of the key it registers; the best it has is a proof of possession of its own.
    """
    own = secret_key(b"rogue")
    others = G2Point.from_xy_bytes_be(aggregate_keys(honest.keys[1:]))
    key = bytes((G2Point() * own - others).to_xy_bytes_be())
    return Member(key, prove_possession(own)), own


def small_order_point() -> G1Point:
    """A point of the curve over Fp that is not in G1: its order divides the cofactor, so every pairing of it is 1."""
    x = 1
    while True:
        square = (x**3 + 4) % FIELD
        y = pow(square, (FIELD + 1) // 4, FIELD)
        if y * y % FIELD == square:
            point = G1Point.from_xy_bytes_unchecked_be(_coordinates(x, y))
            torsion = point * (Scalar(0) - Scalar(1)) + point  # the group's order times the point
            if torsion != G1Point.identity():
                return torsion
        x += 1


def twist_point() -> G2Point:
    """A point of the curve over Fp2 that is not in G2."""
    x = 1
    while True:
        root = _square_root((x**3 + 4) % FIELD, 4)
        if root is not None:
            y0, y1 = root
            encoded = b"".join(part.to_bytes(COORDINATE, "big") for part in (x, 0, y0, y1))
            point = G2Point.from_xy_bytes_unchecked_be(encoded)
            if not point.is_in_subgroup():
                return point
        x += 1


def _square_root(real: int, imaginary: int) -> tuple[int, int] | None:
    """A square root of real + imaginary·u in Fp2 where there is one (p = 3 mod 4, u² = −1)."""
    norm = (real * real + imaginary * imaginary) % FIELD
    length = pow(norm, (FIELD + 1) // 4, FIELD)
    if length * length % FIELD != norm:
        return None
    for sign_of in (length, FIELD - length):
        half = (real + sign_of) * pow(2, -1, FIELD) % FIELD
        y0 = pow(half, (FIELD + 1) // 4, FIELD)
        if y0 * y0 % FIELD == half and y0:
            return y0, imaginary * pow(2 * y0, -1, FIELD) % FIELD
    return None


def _coordinates(x: int, y: int) -> bytes:
    return x.to_bytes(COORDINATE, "big") + y.to_bytes(COORDINATE, "big")


def _sum(signatures: list[bytes]) -> G1Point:
    total = G1Point.identity()
    for signature in signatures:
        total += G1Point.from_xy_bytes_be(signature)
    return total


def _compressed(secret: Scalar) -> bytes:
    return bytes((G2Point() * secret).to_compressed_bytes())
