//! BLS signatures on BLS12-381 with signatures in G1 and keys in G2: points as they travel, hashing, checking.
//!
//! Ciphersuite `BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_` of draft-irtf-cfrg-bls-signature, hashing to the curve as
//! RFC 9380. A point has one encoding: uncompressed, coordinates of 48 bytes, big endian and below p, those in Fp2 as
//! c0 ‖ c1. Twins: `poft_bls12381/curve.py`, `evm/contracts/Bls12381.sol`.

use alloc::vec::Vec;
use ark_bls12_381::{g1, Bls12_381, Fq, Fq2, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{
    hashing::{curve_maps::wb::WBMap, map_to_curve_hasher::MapToCurveBasedHasher, HashToCurve},
    pairing::Pairing,
    AffineRepr, CurveGroup,
};
use ark_ff::{field_hashers::DefaultFieldHasher, BigInt, BigInteger, One, PrimeField, Zero};
use sha2::Sha256;

/// Bytes of a coordinate.
const COORDINATE: usize = 48;
/// Bytes of a signature.
pub const G1_BYTES: usize = 2 * COORDINATE;
/// Bytes of a key.
pub const G2_BYTES: usize = 4 * COORDINATE;
/// Domain separation of signatures.
pub const SIGNATURE_TAG: &[u8] = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_";
/// Domain separation of proofs of possession.
pub const POSSESSION_TAG: &[u8] = b"BLS_POP_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_";

type Hasher = MapToCurveBasedHasher<G1Projective, DefaultFieldHasher<Sha256, 128>, WBMap<g1::Config>>;

/// The point of G1 with this encoding; none where it is non-canonical, off the curve or out of the subgroup, infinity.
pub fn read_g1(encoded: &[u8; G1_BYTES]) -> Option<G1Affine> {
    let [x, y] = coordinates(encoded)?;
    let point = G1Affine::new_unchecked(x, y);
    (point.is_on_curve() && point.is_in_correct_subgroup_assuming_on_curve()).then_some(point)
}

/// The point of G2 with this encoding; none where there is none, as [`read_g1`].
pub fn read_g2(encoded: &[u8; G2_BYTES]) -> Option<G2Affine> {
    let point = read_sum(encoded)?;
    (!point.is_zero() && point.is_in_correct_subgroup_assuming_on_curve()).then_some(point)
}

/// A sum of keys or a part of one; none where it is not on the curve. Here infinity (zero bytes) is a value and the
/// subgroup is not looked at, as in EIP-2537's addition. What comes of it is checked before anything is verified under it.
pub fn read_sum(encoded: &[u8; G2_BYTES]) -> Option<G2Affine> {
    if encoded.iter().all(|byte| *byte == 0) {
        return Some(G2Affine::zero());
    }
    let [x0, x1, y0, y1] = coordinates(encoded)?;
    let point = G2Affine::new_unchecked(Fq2::new(x0, x1), Fq2::new(y0, y1));
    point.is_on_curve().then_some(point)
}

/// Whether `proof` shows that somebody knows the secret of `key`.
pub fn possesses(key: &G2Affine, proof: &[u8; G1_BYTES]) -> bool {
    check(key, &compress(key), proof, POSSESSION_TAG)
}

/// Whether `signature` is that of `message` by the secret of `key`.
pub fn verifies(key: &G2Affine, message: &[u8], signature: &[u8; G1_BYTES]) -> bool {
    check(key, message, signature, SIGNATURE_TAG)
}

/// Encoding of the sum of keys.
pub fn aggregate(keys: &[G2Affine]) -> [u8; G2_BYTES] {
    let total: G2Projective = keys.iter().sum();
    let mut encoded = [0; G2_BYTES];
    if let Some((x, y)) = total.into_affine().xy() {
        write(&mut encoded, &[x.c0, x.c1, y.c0, y.c1]);
    }
    encoded
}

/// The point of G1 that a message hashes to; none only where the map's parameters are not those of the curve.
pub fn hash_to_g1(message: &[u8], tag: &[u8]) -> Option<G1Affine> {
    Hasher::new(tag).and_then(|hasher| hasher.hash(message)).ok()
}

fn check(key: &G2Affine, message: &[u8], signature: &[u8; G1_BYTES], tag: &[u8]) -> bool {
    // e(signature, g2) = e(H(message), key); the identity as key would verify the identity as signature of anything.
    if key.is_zero() || !key.is_in_correct_subgroup_assuming_on_curve() {
        return false;
    }
    let (Some(point), Some(hashed)) = (read_g1(signature), hash_to_g1(message, tag)) else { return false };
    Bls12_381::multi_pairing([point, -hashed], [G2Affine::generator(), *key]).0.is_one()
}

/// A key as the proof of possession signs it: the compressed form of the draft's appendix A, x as c1 ‖ c0 with three
/// flags in its first bits.
fn compress(key: &G2Affine) -> [u8; 2 * COORDINATE] {
    let mut encoded = [0; 2 * COORDINATE];
    if let Some((x, y)) = key.xy() {
        write(&mut encoded, &[x.c1, x.c0]);
        let largest = if y.c1.is_zero() { is_upper_half(&y.c0) } else { is_upper_half(&y.c1) };
        encoded[0] |= if largest { 0xa0 } else { 0x80 };
    }
    encoded
}

/// Whether a coordinate is larger than its negative.
fn is_upper_half(value: &Fq) -> bool {
    value.into_bigint() > Fq::MODULUS_MINUS_ONE_DIV_TWO
}

/// Big-endian coordinates below p; none where one is not.
fn coordinates<const N: usize>(encoded: &[u8]) -> Option<[Fq; N]> {
    let read: Vec<Fq> = encoded.chunks(COORDINATE).map(coordinate).collect::<Option<_>>()?;
    read.try_into().ok()
}

fn coordinate(encoded: &[u8]) -> Option<Fq> {
    let mut limbs = [0; 6];
    for (limb, bytes) in limbs.iter_mut().rev().zip(encoded.chunks(8)) {
        *limb = u64::from_be_bytes(bytes.try_into().ok()?);
    }
    Fq::from_bigint(BigInt::new(limbs))
}

fn write(encoded: &mut [u8], values: &[Fq]) {
    for (slot, value) in encoded.chunks_mut(COORDINATE).zip(values) {
        slot.copy_from_slice(&value.into_bigint().to_bytes_be());
    }
}
