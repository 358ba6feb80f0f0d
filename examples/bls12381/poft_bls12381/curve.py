"""BLS signatures on BLS12-381 with signatures in G1 and keys in G2: points as they travel, hashing, signing, checking.

Ciphersuite `BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_` of draft-irtf-cfrg-bls-signature (minimal-signature-size,
proofs of possession), hashing to the curve as RFC 9380. Signatures are the short ones because hashing to G1 costs the
EVM 11,000 gas and to G2 220,000 (EIP-2537).

Points travel uncompressed, because decompression needs a square root that the EVM has no cheap way to take: coordinates
of 48 bytes, big endian, those in Fp2 as c0 ‖ c1, which is EIP-2537's order without its padding. A point has one
encoding: coordinates below p, and infinity is refused as key and as signature. Twins: `evm/contracts/Bls12381.sol`,
`substrate/bls1/src/curve.rs`.
"""

from __future__ import annotations

from collections.abc import Sequence

from poft.protocol.hashing import keccak
from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

FIELD = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB
"""p: the order of the field in which coordinates are."""
COORDINATE = 48
G1_BYTES = 2 * COORDINATE
G2_BYTES = 4 * COORDINATE
SIGNATURE_TAG = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_"
POSSESSION_TAG = b"BLS_POP_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_"


def read_g1(encoded: bytes) -> G1Point | None:
    """The point of G1 with this encoding; None where it is non-canonical, off the curve, out of the subgroup or
    infinity.
    """
    if not _canonical(encoded, G1_BYTES):
        return None
    try:
        return G1Point.from_xy_bytes_be(encoded)
    except ValueError:  # what the binding raises for bytes that are no point
        return None


def read_g2(encoded: bytes) -> G2Point | None:
    """The point of G2 with this encoding, or None, as `read_g1`."""
    if not _canonical(encoded, G2_BYTES):
        return None
    try:
        return G2Point.from_xy_bytes_be(encoded)
    except ValueError:
        return None


def read_sum(encoded: bytes) -> G2Point | None:
    """A sum of keys or a part of one, or None where it is not on the curve.

    Here infinity is a value and the subgroup is not looked at, as in EIP-2537's addition: what comes of it is checked
    before anything is verified under it.
    """
    if not _canonical(encoded, G2_BYTES, infinity=True):
        return None
    try:
        return G2Point.from_xy_bytes_unchecked_be(encoded)
    except ValueError:
        return None


def secret_key(seed: bytes) -> Scalar:
    """A secret key for development and tests: 512 bits of keccak, reduced, so that the bias is below 2⁻²⁵⁶."""
    return Scalar.from_be_bytes_mod_order(keccak(b"\x00" + seed) + keccak(b"\x01" + seed))


def public_key(secret: Scalar) -> bytes:
    """The key that verifies what `secret` signs."""
    return bytes((G2Point() * secret).to_xy_bytes_be())


def sign(secret: Scalar, message: bytes, tag: bytes = SIGNATURE_TAG) -> bytes:
    """Signature of a message."""
    return bytes((G1Point.hash_to_curve(message, tag) * secret).to_xy_bytes_be())


def prove_possession(secret: Scalar) -> bytes:
    """What shows that the holder of a public key knows its secret: a signature of the key under a tag of its own."""
    return sign(secret, (G2Point() * secret).to_compressed_bytes(), POSSESSION_TAG)


def possesses(key: bytes, proof: bytes) -> bool:
    """Whether `key` is a point of G2 and `proof` shows that somebody knows its secret."""
    point = read_g2(key)
    return point is not None and _verifies(point, point.to_compressed_bytes(), proof, POSSESSION_TAG)


def verifies(key: G2Point, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is that of `message` by the secret of `key`."""
    return _verifies(key, message, signature, SIGNATURE_TAG)


def aggregate_keys(keys: Sequence[bytes]) -> bytes:
    """Sum of keys: the key under which the sum of their signatures verifies. Infinity is 192 zero bytes."""
    total = G2Point.identity()
    for key in keys:
        total += G2Point.from_xy_bytes_unchecked_be(key)
    return bytes(total.to_xy_bytes_be())


def aggregate_signatures(signatures: Sequence[bytes]) -> bytes:
    """Sum of signatures."""
    total = G1Point.identity()
    for signature in signatures:
        total += G1Point.from_xy_bytes_unchecked_be(signature)
    return bytes(total.to_xy_bytes_be())


def _verifies(key: G2Point, message: bytes, signature: bytes, tag: bytes) -> bool:
    # e(signature, g2) = e(H(message), key); the identity as key would verify the identity as signature of anything.
    point = read_g1(signature)
    if point is None or key == G2Point.identity() or not key.is_in_subgroup():
        return False
    return bool(GT.pairing_check([point, -G1Point.hash_to_curve(message, tag)], [G2Point(), key]))


def _canonical(encoded: bytes, length: int, infinity: bool = False) -> bool:
    if len(encoded) != length or not (any(encoded) or infinity):
        return False
    starts = range(0, length, COORDINATE)
    return all(int.from_bytes(encoded[at : at + COORDINATE], "big") < FIELD for at in starts)
