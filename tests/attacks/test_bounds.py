"""Values that the ledgers' types cannot hold, and bounds met exactly: the library refuses them by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from poft.protocol.checkpoint import CheckpointPayload, decode_payload
from poft.protocol.errors import Code, Refused
from poft.protocol.finality import check_committee
from poft.protocol.hashing import U64_MAX, read_uint, word_address, word_bytes32, word_uint, words
from poft.protocol.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    log_root,
    verify_consistency,
    verify_inclusion,
)
from poft.protocol.structs import Address, Bytes32, Struct, decode_fields
from poft.verification.schemes.cmt1 import CommitteeProof, CommitteeVerifier, build_proof
from tests.vectors.generate import a_checkpoint, a_statement, committee, filler, trusted

LEAVES = [filler("leaf", i) for i in range(5)]
ROOT = log_root(LEAVES)


@dataclass(frozen=True, slots=True)
class Named(Struct):
    """A struct with an address, as the statements of participants have one."""

    account: Address
    digest: Bytes32


def dirty(at: int, value: int) -> bytes:
    encoded = CheckpointPayload(a_checkpoint(4), (), filler("previous")).encode()
    return encoded[: 32 * at] + word_uint(value, 256) + encoded[32 * at + 32 :]


REFUSED: dict[str, tuple[Code, Callable[[], object]]] = {
    "full_log": (Code.Oversize, lambda: Frontier(U64_MAX, ()).append(b"")),
    "proof_of_leaf_beyond": (Code.IndexOutOfRange, lambda: inclusion_proof(LEAVES, 5)),
    "proof_of_leaf_before": (Code.IndexOutOfRange, lambda: inclusion_proof(LEAVES, -1)),
    "proof_from_beyond": (Code.IndexOutOfRange, lambda: consistency_proof(LEAVES, 6)),
    "proof_from_before": (Code.IndexOutOfRange, lambda: consistency_proof(LEAVES, -1)),
    "index_below_zero": (Code.IndexOutOfRange, lambda: verify_inclusion(LEAVES[0], -1, 5, [], ROOT)),
    "size_2_64": (Code.IndexOutOfRange, lambda: verify_inclusion(LEAVES[0], 0, 2**64, [ROOT] * 64, ROOT)),
    "grown_to_2_64": (Code.SizeRegression, lambda: verify_consistency(0, EMPTY_ROOT, 2**64, ROOT, [])),
    "short_sibling": (
        Code.Malformed,
        lambda: verify_inclusion(LEAVES[0], 0, 5, [bytes(31), *inclusion_proof(LEAVES, 0)[1:]], ROOT),
    ),
    "long_node": (
        Code.Malformed,
        lambda: verify_consistency(3, log_root(LEAVES[:3]), 5, ROOT, [bytes(33)] * len(consistency_proof(LEAVES, 3))),
    ),
    "round_2_64": (Code.Malformed, lambda: decode_payload(dirty(2, 2**64))),
    "model_bytes_2_64": (Code.Malformed, lambda: decode_payload(dirty(4, 2**64))),
    "samples_2_255": (Code.Malformed, lambda: decode_payload(dirty(7, 2**255))),
    "integer_below_zero": (Code.Malformed, lambda: word_uint(-1, 64)),
    "integer_2_64": (Code.Malformed, lambda: word_uint(2**64, 64)),
    "digest_of_31": (Code.Malformed, lambda: word_bytes32(bytes(31))),
    "address_of_21": (Code.Malformed, lambda: word_address(bytes(21))),
    "word_of_31": (Code.Malformed, lambda: read_uint(bytes(31), 64)),
    "word_2_64": (Code.Malformed, lambda: read_uint(word_uint(2**64, 256), 64)),
    "words_and_a_byte": (Code.Malformed, lambda: words(bytes(33))),
    "dirty_address": (Code.Malformed, lambda: decode_fields(Named, [b"\1" + bytes(31), bytes(32)])),
    "short_field": (Code.Malformed, lambda: decode_fields(Named, [bytes(32), bytes(31)])),
    "integer_as_digest": (Code.Malformed, lambda: Named(bytes(20), 1).encode()),  # type: ignore[arg-type]
    "short_member": (Code.CommitteeInvalid, lambda: check_committee([b"\1" * 19], True)),
    "long_member": (Code.CommitteeInvalid, lambda: check_committee([b"\1" * 21], True)),
    "too_few_to_build": (
        Code.QuorumNotReached,
        lambda: build_proof(a_statement(), list(committee(4)), dict.fromkeys(list(committee(4))[:2], bytes(65)), []),
    ),
    "evidence_of_65_members": (
        Code.Oversize,
        lambda: CommitteeVerifier().check_misbehaviour(
            filler("domain"),
            trusted(list(committee(4))),
            *[CommitteeProof(a_statement(), (bytes(20),) * 65, 0, ()).encode()] * 2,
        ),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name: str) -> None:
    code, attempt = REFUSED[name]
    with pytest.raises(Refused) as refused:
        attempt()
    assert refused.value.code == code


def test_bounds_are_reached() -> None:
    """The largest of everything is taken: a bound off by one would lose it."""
    assert inclusion_proof(LEAVES, 0)
    assert inclusion_proof(LEAVES, 4)
    assert consistency_proof(LEAVES, 0) == consistency_proof(LEAVES, 5) == []
    assert Frontier(U64_MAX - 1, (ROOT,) * 63).append(b"").size == U64_MAX
    assert words(b"") == []
    check_committee([i.to_bytes(20, "big") for i in range(1, 65)], False)
    check_committee([b"\1" * 20], True)
    four = list(committee(4))
    assert build_proof(a_statement(), four, dict.fromkeys(four[1:], bytes(65)), []).bitmap == 0b1110
