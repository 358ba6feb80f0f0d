"""secp256k1 signatures over EIP-712 digests (docs/protocol.md section 2).

65 bytes r‖s‖v with v in {27, 28}, low s, r and s not zero; a digest is only ever that of a typed struct. Recovery is
libsecp256k1's, by coincurve: pure Python takes milliseconds for what it does in 40 µs.
"""

from __future__ import annotations

from functools import cache

from coincurve import PrivateKey, PublicKey

from .errors import Code, Refused
from .hashing import keccak, word_bytes32
from .structs import Struct

CURVE_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
SIGNATURE_BYTES = 65
_EIP712_DOMAIN = keccak(b"EIP712Domain(string name,string version,bytes32 salt)")


@cache
def separator(name: str, version: str, salt: bytes) -> bytes:
    """EIP-712 domain separator over (name, version, salt); the salt is the domain of a chain."""
    return keccak(_EIP712_DOMAIN + keccak(name.encode()) + keccak(version.encode()) + word_bytes32(salt, "salt"))


def typed_digest(domain_separator: bytes, struct: Struct) -> bytes:
    """What is signed: keccak(0x19 0x01 ‖ separator ‖ hashStruct)."""
    return keccak(b"\x19\x01" + domain_separator + struct.struct_hash())


def address_of(public_key: PublicKey) -> bytes:
    """20-byte address of a public key."""
    return keccak(public_key.format(compressed=False)[1:])[12:]


def key_address(key: bytes) -> bytes:
    """20-byte address of a 32-byte private key."""
    return address_of(PrivateKey(key).public_key)


def unsafe_sign_digest(key: bytes, digest: bytes) -> bytes:
    """Signs 32 bytes blindly, whatever they commit to; callers pass a `typed_digest`."""
    raw = PrivateKey(key).sign_recoverable(digest, hasher=None)
    return raw[:64] + bytes([27 + raw[64]])


def recover(digest: bytes, signature: bytes) -> bytes:
    """Address that signed `digest`.

    Raises:
        Refused: BadSignature (length, v, r or s out of range, not a point), HighS.
    """
    if len(signature) != SIGNATURE_BYTES or signature[64] not in (27, 28):
        raise Refused(Code.BadSignature, "signature", "65 bytes with v 27 or 28 are due")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    if not (0 < r < CURVE_ORDER and 0 < s < CURVE_ORDER):
        raise Refused(Code.BadSignature, "signature", "r or s out of range")
    if s > CURVE_ORDER // 2:
        raise Refused(Code.HighS, "signature")
    try:
        key = PublicKey.from_signature_and_message(signature[:64] + bytes([signature[64] - 27]), digest, None)
    except ValueError as error:  # coincurve raises ValueError and its subclasses for every failure
        raise Refused(Code.BadSignature, "signature", "recovers to no key") from error
    except Exception as error:
        if type(error) is not Exception:  # coincurve 21 raises bare Exception from failed recovery
            raise
        raise Refused(Code.BadSignature, "signature", "recovers to no key") from error
    return address_of(key)


def verify_signer(digest: bytes, signature: bytes, signer: bytes) -> None:
    """Returns when `signer` signed `digest`; raises `Refused` (BadSignature, HighS, NotSigner) otherwise."""
    if recover(digest, signature) != signer:
        raise Refused(Code.NotSigner, "signature", f"not signed by 0x{signer.hex()}")
