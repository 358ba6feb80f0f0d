"""CLQ1 and QBF1 replay their vectors (docs/vectors.md); headers and RLP against pyrlp, which knows nothing of ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from poft.conformance.sealed import header_fields
from poft.protocol.errors import Code, Refused
from poft.protocol.hashing import keccak
from poft.protocol.merkle import EMPTY_ROOT
from poft.verification.api import FinalityVerifier, Limits, TrustState
from poft.verification.headers import MAX_HEADER, Header
from poft.verification.rlp import listed, read_list, string
from poft.verification.schemes.clq1 import CliqueVerifier, fewest_sealers, is_safe
from poft.verification.schemes.qbf1 import QbftVerifier
from poft.verification.sealed import MAX_HEADERS, Anchor, SealedProof
from poft.verification.state_proof import StateProof

VECTORS = Path(__file__).parents[1] / "vectors"
SCHEMES: dict[str, FinalityVerifier] = {"clq1": CliqueVerifier(), "qbf1": QbftVerifier()}
Input = dict[str, str | dict[str, str]]


def raw(value: object) -> bytes:
    return bytes.fromhex(str(value)[2:])


def state(of: dict[str, str]) -> TrustState:
    return TrustState(
        int(of["epoch"]),
        raw(of["authority"]),
        int(of["height"]),
        int(of["timestamp"]),
        int(of["outboxSize"]),
        raw(of["outboxRoot"]),
        bool(of["smallCommittee"]),
    )


def answer(verifier: FinalityVerifier, call: dict[str, object]) -> object:
    known = state(call["state"]) if "state" in call else None  # type: ignore[arg-type]
    match call["call"]:
        case "scheme":
            return {"scheme": verifier.scheme()}
        case "initialise":
            return {"state": verifier.initialise(raw(call["genesis"]))}
        case "epochOf":
            return {"epoch": verifier.epoch_of(raw(call["proof"]))}
        case "verify":
            assert known is not None
            limits = Limits(int(str(call["now"])), int(str(call["maxDrift"])))
            after, found = verifier.verify(raw(call["domain"]), known, raw(call["proof"]), limits)
            return {"state": after, "blockHash": found.block_hash, "stateRoot": found.state_root, "dissent": 0}
        case _:
            assert known is not None
            halves = raw(call["first"]), raw(call["second"])
            return {"signers": verifier.check_misbehaviour(raw(call["domain"]), known, *halves)}


def expected(of: dict[str, object]) -> object:
    made: dict[str, object] = {}
    for name, value in of.items():
        if name == "state":
            made[name] = state(value)  # type: ignore[arg-type]
        elif name == "signers":
            made[name] = [raw(one) for one in value]  # type: ignore[attr-defined]
        else:
            made[name] = int(str(value)) if name in ("epoch", "dissent") else raw(value)
    return made


@pytest.mark.parametrize("name", SCHEMES)
def test_vectors(name: str) -> None:
    cases = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))["cases"]
    assert len(cases) > 150
    for case in cases:
        try:
            found = answer(SCHEMES[name], case["input"])
        except Refused as refused:
            assert refused.code.name == case.get("error"), case["name"]
        else:
            assert "expect" in case and found == expected(case["expect"]), case["name"]


@given(st.recursive(st.binary(max_size=300), lambda inner: st.lists(inner, max_size=20), max_leaves=30))
def test_rlp_reads_what_pyrlp_writes(value: object) -> None:
    def read(data: bytes) -> object:
        return [read(data_of) if is_list else item for is_list, item, data_of in parts(data)]

    def parts(data: bytes) -> list[tuple[bool, bytes, bytes]]:
        items, at, content = read_list(data, Code.Malformed), 0, []
        start = len(data) - sum(item.size for item in items)
        for item in items:
            content.append((item.is_list, item.content, data[start + at : start + at + item.size]))
            at += item.size
        return content

    assert read(rlp.encode([value])) == [value]


@given(st.lists(st.binary(max_size=70), max_size=5))
def test_rlp_writes_what_pyrlp_writes(values: list[bytes]) -> None:
    assert listed([string(value) for value in values]) == rlp.encode(values)


def test_headers_hash_as_their_chain_hashes_them() -> None:
    fields = header_fields(keccak(b"parent"), 7, 1_000, keccak(b"state"), bytes(32), 2)
    fields[12] = b"vanity and seal"
    header = Header.decode(rlp.encode(fields))
    assert (header.number, header.timestamp, header.difficulty) == (7, 1_000, 2)
    assert header.hash == keccak(rlp.encode(fields))
    fields[12] = b"vanity"
    assert header.hash_with(b"vanity") == keccak(rlp.encode(fields))


@pytest.mark.parametrize("signers", range(1, 65))
def test_the_fewest_sealers_can_make_a_block_safe_and_fewer_cannot(signers: int) -> None:
    for dishonest in range(signers // 2 + 1):
        fewest = fewest_sealers(signers, dishonest)
        assert is_safe(fewest, 10**6, signers, dishonest)
        # With fewer than may go on, each seals once at most.
        assert not any(is_safe(k, 2 * k, signers, dishonest) for k in range(fewest))


def test_a_proof_that_is_too_large_is_not_encoded() -> None:
    empty = StateProof((), ())
    anchor = Anchor(bytes(32), bytes(20), bytes(32))

    def proof(headers: tuple[bytes, ...]) -> SealedProof:
        return SealedProof(anchor, 1, 0, EMPTY_ROOT, (), (), headers, empty)

    assert SealedProof.decode(proof((bytes(MAX_HEADER),) * 2).encode()).headers == (bytes(MAX_HEADER),) * 2
    for headers in ((bytes(MAX_HEADER + 1),), (b"",) * (MAX_HEADERS + 1)):
        with pytest.raises(Refused) as info:
            proof(headers).encode()
        assert info.value.code is Code.Oversize
