"""CLQ1 and QBF1 replay their vectors (docs/vectors.md); headers and RLP against pyrlp, which knows nothing of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from poft.conformance.clq1 import CliqueSource
from poft.conformance.qbf1 import Commit, QbftSource
from poft.conformance.sealed import encoded, header_fields, with_extra
from poft.conformance.source import Claim
from poft.protocol.errors import Code, Refused
from poft.protocol.hashing import keccak
from poft.protocol.merkle import EMPTY_ROOT, log_root
from poft.protocol.signatures import key_address
from poft.verification.api import FinalityVerifier, Limits, TrustState
from poft.verification.headers import MAX_HEADER, Header
from poft.verification.rlp import listed, read_list, string
from poft.verification.schemes.clq1 import CliqueVerifier, fewest_sealers, is_safe
from poft.verification.schemes.qbf1 import BFT_MIX, QbftVerifier
from poft.verification.sealed import MAX_HEADERS, Anchor, SealedGenesis, SealedProof
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


# --- bounds, met exactly ---------------------------------------------------------------------------------------------


def code_of(action: Callable[[], object]) -> Code:
    with pytest.raises(Refused) as info:
        action()
    return info.value.code


@pytest.mark.parametrize(("place", "width", "most"), [(141, 20, 64), (142, 32, 128), (143, 2, 128)])
def test_counts_of_a_proof_are_bounded_before_anything_is_read(place: int, width: int, most: int) -> None:
    empty = SealedProof(Anchor(bytes(32), bytes(20), bytes(32)), 1, 0, EMPTY_ROOT, (), (), (), StateProof((), ()))
    head, rest = empty.encode()[:144], empty.encode()[144:]
    whole = head[:place] + bytes([most]) + head[place + 1 :] + bytes(width * most) + rest
    decoded = SealedProof.decode(whole)
    assert most in (len(decoded.signers), len(decoded.consistency), len(decoded.headers))
    beyond = head[:place] + bytes([most + 1]) + head[place + 1 :]
    assert code_of(lambda: SealedProof.decode(beyond)) is Code.Oversize


def test_a_header_is_bounded_before_it_is_read() -> None:
    empty = SealedProof(Anchor(bytes(32), bytes(20), bytes(32)), 1, 0, EMPTY_ROOT, (), (), (), StateProof((), ()))
    head = empty.encode()[:143] + b"\1"
    whole = head + MAX_HEADER.to_bytes(2, "big") + bytes(MAX_HEADER) + b"\0\0"
    assert len(SealedProof.decode(whole).headers[0]) == MAX_HEADER
    assert code_of(lambda: SealedProof.decode(head + (MAX_HEADER + 1).to_bytes(2, "big"))) is Code.Oversize


def test_a_genesis_has_one_encoding() -> None:
    honest = SealedGenesis(Anchor(b"\1" * 32, b"\1" * 20, b"\1" * 32), 1, (b"\1" * 20,)).encode()
    assert SealedGenesis.decode(honest[:101] + b"\1" + honest[102:]).small_committee
    assert code_of(lambda: SealedGenesis.decode(honest[:101] + b"\2" + honest[102:])) is Code.Malformed
    nobody = honest[:102] + b"\0"
    assert SealedGenesis.decode(nobody).signers == ()
    assert {code_of(lambda v=v: v.initialise(nobody)) for v in SCHEMES.values()} == {Code.CommitteeInvalid}  # type: ignore[misc]
    assert len(SealedGenesis.decode(honest[:102] + bytes([64]) + bytes(20 * 64)).signers) == 64


@pytest.mark.parametrize(("fields", "taken"), [(14, False), (15, True), (21, True), (22, False)])
def test_headers_have_15_to_21_fields(fields: int, taken: bool) -> None:
    whole = [*header_fields(bytes(32), 1, 1, bytes(32), bytes(32), 1), bytes(32), b"", b"", bytes(32), bytes(32), b""]
    made = rlp.encode(whole[:fields])
    if taken:
        assert len(Header.decode(made).fields) == fields
    else:
        assert code_of(lambda: Header.decode(made)) is Code.Malformed


CLAIM = Claim(40, 1_000, 1, log_root([keccak(b"packet")]))
LIMITS = Limits(1_000, 0)


def test_clique_headers_may_have_withdrawals_and_no_blobs() -> None:
    source = CliqueSource(4, b"fields")
    turns = source._turns(CLAIM, 3)
    for extra, taken in (((bytes(32),), True), ((bytes(32), b""), False)):
        changed = [replace(turns[0], extra_fields=extra), *turns[1:]]
        proof = replace(source.proof(CLAIM), headers=tuple(source.chain(CLAIM, changed))).encode()
        state = CliqueVerifier().initialise(source.genesis())
        if taken:
            assert CliqueVerifier().verify(source.domain, state, proof, LIMITS)[0].height == 40
        else:
            assert (
                code_of(lambda p=proof, s=state: CliqueVerifier().verify(source.domain, s, p, LIMITS)) is Code.Malformed
            )  # type: ignore[misc]


def committed(source: QbftSource, commit: Commit) -> Callable[[], TrustState]:
    proof = replace(source.proof(CLAIM), headers=(source.committed(CLAIM, commit),)).encode()
    state = QbftVerifier().initialise(source.genesis())
    return lambda: QbftVerifier().verify(source.domain, state, proof, LIMITS)[0]


def test_qbft_rounds_have_four_bytes_and_lists_are_lists() -> None:
    source = QbftSource(4, b"shape")
    honest = source._commit(CLAIM, 3)
    assert committed(source, replace(honest, round=b"\1\0\0\0"))().height == 40
    fields = source.fields(CLAIM, BFT_MIX, 1)
    bare = with_extra(fields, rlp.encode([bytes(32), b"", [], b"", []]))
    proof = replace(source.proof(CLAIM), headers=(encoded(bare),)).encode()
    state = QbftVerifier().initialise(source.genesis())
    assert code_of(lambda: QbftVerifier().verify(source.domain, state, proof, LIMITS)) is Code.Malformed


def test_a_new_list_needs_a_quorum_of_its_own() -> None:
    source = QbftSource(4, b"grown")
    grown = sorted([*source._keys, *(keccak(bytes([n])) for n in range(3))], key=key_address)
    new = [key for key in grown if key not in source._keys]
    listed_new = tuple(map(key_address, grown))
    # Three of the old four are a quorum of theirs, and three of seven are none.
    assert code_of(committed(source, Commit(listed_new, tuple(source._keys[:3])))) is Code.QuorumNotReached
    assert committed(source, Commit(listed_new, (*source._keys[:3], *new[:2])))().epoch == 2


@pytest.mark.parametrize("v", [2, 228, 229, 255])
def test_a_seal_whose_last_byte_is_no_recovery_id_is_refused(v: int) -> None:
    source = CliqueSource(4, b"v")
    turns = source._turns(CLAIM, 3)
    changed = [replace(turns[0], signature=bytes([1]) * 64 + bytes([v])), *turns[1:]]
    proof = replace(source.proof(CLAIM), headers=tuple(source.chain(CLAIM, changed))).encode()
    state = CliqueVerifier().initialise(source.genesis())
    assert code_of(lambda: CliqueVerifier().verify(source.domain, state, proof, LIMITS)) is Code.BadSignature
