"""Clique (EIP-225): who sealed a block, and when a block is safe.

Clique has no finality: a heavier branch replaces a lighter one. What makes a block safe is who built on top of it; the
rule and its reason stand with scheme CLQ1 (`poft/verification/schemes/clq1.py`), which a destination checks by itself.
Nothing of this is the node's word: headers are linked by their hashes and sealed by known signers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import rlp  # type: ignore[import-untyped]

from poft.protocol.errors import Code, Refused
from poft.protocol.hashing import keccak
from poft.protocol.signatures import recover
from poft.verification.schemes import clq1

from .evidence import header_fields, header_hash
from .rpc import Object, quantity, read_bytes

SIGNERS = "cliqueSigners"
"""Key in a deployment: the signers' addresses, 0x hex, separated by blanks. Finality then follows the rule above."""

_VANITY, _SEAL = 32, 65
_EXTRA = 12
"""Position of `extraData` among a header's fields."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A block, by whom, and how heavy."""

    height: int
    block_hash: bytes
    parent: bytes
    sealer: bytes
    difficulty: int


def read_signers(text: str) -> tuple[bytes, ...]:
    """The signers of a deployment.

    Raises:
        Refused: CommitteeInvalid (none, one twice, not an address).
    """
    signers = tuple(sorted(read_bytes(word.lower()) for word in text.split()))
    if not signers or len(set(signers)) != len(signers) or any(len(signer) != 20 for signer in signers):
        raise Refused(Code.CommitteeInvalid, SIGNERS, text)
    return signers


def sealed(header: Object) -> Sealed:
    """A header's block and the signer who sealed it: the signature covers every field, without itself.

    Raises:
        Refused: EvidenceDisagrees (the header does not hash to its hash), BadSignature, HighS.
    """
    fields = header_fields(header)
    block_hash = read_bytes(header.get("hash"))
    if header_hash(header) != block_hash:
        raise Refused(Code.EvidenceDisagrees, "header", f"0x{block_hash.hex()} is not its hash")
    extra = fields[_EXTRA]
    if len(extra) < _VANITY + _SEAL:
        raise Refused(Code.BadSignature, "seal", f"{len(extra)} bytes of extraData")
    seal = extra[-_SEAL:]
    signed = [*fields[:_EXTRA], extra[:-_SEAL], *fields[_EXTRA + 1 :]]
    sealer = recover(keccak(rlp.encode(signed)), seal[:64] + bytes([27 + seal[64]]) if seal[64] < 2 else seal)
    return Sealed(
        quantity(header["number"]),
        block_hash,
        read_bytes(header["parentHash"]),
        sealer,
        quantity(header["difficulty"]),
    )


def is_safe(above: Iterable[Sealed], signers: int, dishonest: int) -> bool:
    """Whether a block stays, given the blocks on top of it."""
    blocks = list(above)
    k = len({block.sealer for block in blocks})
    weight = sum(block.difficulty for block in blocks)
    return clq1.is_safe(k, weight, signers, dishonest)


def tolerated(signers: int) -> int:
    """Dishonest signers that the rule is asked to tolerate: fewer than a third."""
    return (signers - 1) // 3


def safe_height(head: int, header: Callable[[int], Object], signers: Sequence[bytes]) -> int:
    """The highest safe block, going down from the head; 0, the genesis, is always safe.

    Raises:
        Refused: EvidenceDisagrees (the headers are not linked), NotSigner (somebody else sealed), BadSignature.
    """
    above: list[Sealed] = []
    for height in range(head, 0, -1):
        if is_safe(above, len(signers), tolerated(len(signers))):
            return height
        block = sealed(header(height))
        if block.height != height or (above and above[-1].parent != block.block_hash):
            raise Refused(Code.EvidenceDisagrees, f"block {height}", "is not the parent of the next")
        if block.sealer not in signers:
            raise Refused(Code.NotSigner, f"block {height}", f"sealed by 0x{block.sealer.hex()}")
        above.append(block)
    return 0
