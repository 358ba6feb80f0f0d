"""Finality statements and committees (docs/protocol.md section 8, scheme CMT1).

A statement says something about its source alone, so one signature serves every destination.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .errors import Code, Refused
from .hashing import WORD, keccak, word_address, word_uint
from .signatures import SIGNATURE_BYTES, separator, typed_digest, unsafe_sign_digest, verify_signer
from .structs import U64, Bytes32, Struct

MAX_COMMITTEE = 64
"""A bitmap is a uint64."""
MIN_COMMITTEE = 4
"""3f + 1 with f = 1; fewer only in a client that was created with the devnet flag."""


@dataclass(frozen=True, slots=True)
class Finality(Struct):
    """`(height, outbox, ...)` is final on the source. `next_committee` is zero, or the hash of the next epoch's."""

    epoch: U64
    height: U64
    block_hash: Bytes32
    state_root: Bytes32
    outbox_size: U64
    outbox_root: Bytes32
    timestamp: U64
    next_committee: Bytes32

    def digest(self, source_domain: bytes) -> bytes:
        """What an attestor of the chain with this domain signs."""
        return typed_digest(finality_separator(source_domain), self)


def finality_separator(source_domain: bytes) -> bytes:
    """EIP-712 separator of finality statements about the chain with this domain."""
    return separator("PoFT Finality", "1", source_domain)


def sign_finality(key: bytes, source_domain: bytes, statement: Finality) -> bytes:
    """An attestor's signature. Whoever calls this has recorded the statement durably before (relayers/attestor.py)."""
    return unsafe_sign_digest(key, statement.digest(source_domain))


def check_committee(members: Sequence[bytes], small: bool) -> None:
    """Returns when these addresses may form a committee, else `CommitteeInvalid`.

    Sorted ascending, unique, not zero, at most 64, and at least 4 unless `small` (the client's devnet flag) is set.
    """
    if not (1 if small else MIN_COMMITTEE) <= len(members) <= MAX_COMMITTEE:
        raise Refused(Code.CommitteeInvalid, "members", f"{len(members)} members")
    previous = bytes(20)
    for member in members:
        if len(member) != 20 or member <= previous:
            raise Refused(Code.CommitteeInvalid, "members", "not sorted, unique, non-zero addresses")
        previous = member


def committee_hash(epoch: int, members: Sequence[bytes]) -> bytes:
    """`keccak(abi.encode(uint64 epoch, address[] members))`."""
    head = word_uint(epoch, 64, "epoch") + word_uint(2 * WORD, 256) + word_uint(len(members), 64)
    return keccak(head + b"".join(word_address(member, "member") for member in members))


def quorum(members: int) -> int:
    """The smallest k with 3·k > 2·n."""
    return 2 * members // 3 + 1


def check_quorum(digest: bytes, members: Sequence[bytes], bitmap: int, signatures: Sequence[bytes]) -> None:
    """Returns when more than two thirds of the members signed, each bit of the bitmap with its own signature.

    Raises:
        Refused: BitmapMismatch, QuorumNotReached, BadSignature, HighS, NotSigner.
    """
    n = len(members)
    if bitmap >> n or bitmap.bit_count() != len(signatures):
        raise Refused(Code.BitmapMismatch, "bitmap")
    if 3 * len(signatures) <= 2 * n:
        raise Refused(Code.QuorumNotReached, "signatures", f"{len(signatures)} of {quorum(n)}")
    if sum(map(len, signatures)) != SIGNATURE_BYTES * len(signatures):
        raise Refused(Code.BadSignature, "signatures", "65 bytes each are due")
    signers = [member for i, member in enumerate(members) if bitmap >> i & 1]
    for signer, signature in zip(signers, signatures, strict=True):
        verify_signer(digest, signature, signer)
