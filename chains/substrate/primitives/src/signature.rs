//! secp256k1 signatures over EIP-712 digests (docs/protocol.md section 2): 65 bytes r‖s‖v with v in {27, 28}, low s, r
//! and s not zero.
//!
//! The host's recovery takes high s, v 0 and v 29: all of that is refused here. Twins: `poft/protocol/signatures.py`,
//! `Signatures.sol`.

use crate::{keccak, Code, H160, H256};

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 65;

/// The order of the curve's group, big endian (SEC 2, secp256k1).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc,
    0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];

/// Half of the order, rounded down: the largest low s.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57, 0x6e,
    0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// Address that signed `digest`. Refuses with `BadSignature` (length, v, r or s out of range, not a point), `HighS`.
pub fn recover(digest: &H256, signature: &[u8]) -> Result<H160, Code> {
    let signature: &[u8; SIGNATURE_BYTES] = signature.try_into().map_err(|_| Code::BadSignature)?;
    let (r, rest) = signature.split_at(32);
    let (s, v) = rest.split_at(32);
    if v != [27] && v != [28] {
        return Err(Code::BadSignature);
    }
    // Big-endian numbers of equal length compare like their bytes.
    if [r, s].iter().any(|part| part.iter().all(|byte| *byte == 0) || *part >= &ORDER[..]) {
        return Err(Code::BadSignature);
    }
    if s > &HALF_ORDER[..] {
        return Err(Code::HighS);
    }
    let key = sp_io::crypto::secp256k1_ecdsa_recover(signature, &digest.0).map_err(|_| Code::BadSignature)?;
    Ok(H160::from(keccak(&key)))
}

/// Returns when `signer` signed `digest`; refuses with `BadSignature`, `HighS`, `NotSigner`.
pub fn verify_signer(digest: &H256, signature: &[u8], signer: &H160) -> Result<(), Code> {
    if recover(digest, signature)? == *signer {
        Ok(())
    } else {
        Err(Code::NotSigner)
    }
}
