"""State proofs against py-trie, which wrote neither the vectors nor the walk, and against bytes from anywhere.

1. Every vector gets the verdict, value or code, that it names.
2. A trie built for the vectors has the root that py-trie gives the same keys and values.
3. Whatever is accepted, py-trie accepts with the same value.
4. Total: whatever bytes come, the answer is a word or a refusal.
5. Every changed byte of an honest proof is refused.
6. Round trip: decoding an encoded proof gives it back.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import rlp  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from trie import HexaryTrie

from poft.protocol.errors import Code, Refused
from poft.protocol.hashing import keccak
from poft.verification.schemes.esp1 import OutboxProof
from poft.verification.state_proof import COMMITMENT_SLOT, StateProof, proven_slot
from tests.vectors.state_proofs import packed
from tests.vectors.tries import walk, world

VECTORS = Path(__file__).parents[1] / "vectors" / "state_proof.json"
HONEST = world(1, 5, 4)


@pytest.mark.parametrize("size", [1, 2, 3, 17, 300])
def test_tries_of_the_vectors_have_the_roots_of_py_trie(size: int) -> None:
    rng = Random(size)
    entries = {rng.randbytes(32): rng.randbytes(rng.randrange(1, 120)) for _ in range(size)}
    foreign = HexaryTrie({})  # type: ignore[no-untyped-call]
    for key, value in entries.items():
        foreign[key] = value
    for key in list(entries)[:20]:
        assert walk(entries, key).root == foreign.root_hash


def test_vectors_get_the_verdict_that_they_name() -> None:
    for case in json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]:
        given = {name: bytes.fromhex(value[2:]) for name, value in case["input"].items()}
        try:
            proof = StateProof.decode(given["proof"])
            word = proven_slot(given["stateRoot"], given["account"], given["slot"], proof)
            found = {"expect": {"value": "0x" + word.hex()}}
        except Refused as refused:
            found = {"error": refused.code.name}
        assert found.items() <= case.items(), case["name"]


def test_whatever_is_accepted_py_trie_accepts() -> None:
    accepted = 0
    for case in json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]:
        root, account, slot, data = (
            bytes.fromhex(case["input"][name][2:]) for name in ("stateRoot", "account", "slot", "proof")
        )
        # Children of which only the form is looked at: no honest trie has them.
        if "expect" not in case or case["name"].startswith("child_list"):
            continue
        proof = StateProof.decode(data)
        record = rlp.decode(
            HexaryTrie.get_from_proof(root, keccak(account), list(map(rlp.decode, proof.account)))  # type: ignore[no-untyped-call]
        )
        word = rlp.decode(
            HexaryTrie.get_from_proof(record[2], keccak(slot), list(map(rlp.decode, proof.storage)))  # type: ignore[no-untyped-call]
        )
        assert "0x" + word.rjust(32, b"\0").hex() == case["expect"]["value"], case["name"]
        accepted += 1
    assert accepted > 25


@given(st.binary(max_size=600), st.binary(max_size=60))
def test_any_bytes_are_answered_with_a_code(node: bytes, packed_bytes: bytes) -> None:
    for attempt in (
        lambda: StateProof.decode(packed_bytes),
        lambda: proven_slot(keccak(node), HONEST.account, HONEST.slot, StateProof((node,), (node,))),
    ):
        try:
            attempt()
        except Refused as refused:
            assert refused.code in (Code.Malformed, Code.Oversize, Code.BadStateProof)


@given(st.data())
def test_a_changed_byte_is_refused(data: st.DataObject) -> None:
    whole = packed(HONEST.proof)
    at = data.draw(st.integers(0, len(whole) - 1))
    forged = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    with pytest.raises(Refused) as refused:
        proven_slot(HONEST.accounts.root, HONEST.account, HONEST.slot, StateProof.decode(forged))
    assert refused.value.code in (Code.Malformed, Code.Oversize, Code.BadStateProof)


@given(st.lists(st.binary(max_size=532), max_size=64), st.lists(st.binary(max_size=532), max_size=64))
def test_round_trip(account: list[bytes], storage: list[bytes]) -> None:
    proof = StateProof(tuple(account), tuple(storage))
    assert StateProof.decode(proof.encode()) == proof


def test_round_trip_at_the_bounds() -> None:
    proof = StateProof((bytes(532),) * 64, (b"",) * 64)
    assert StateProof.decode(proof.encode()) == proof


@pytest.mark.parametrize("nodes", [(b"",) * 65, (bytes(533),)])
def test_encode_refuses_oversize(nodes: tuple[bytes, ...]) -> None:
    with pytest.raises(Refused) as refused:
        StateProof(nodes, ()).encode()
    assert refused.value.code is Code.Oversize


def test_an_inner_proof_of_more_than_its_length_can_say_is_oversize() -> None:
    proof = OutboxProof(bytes(20), bytes(32), bytes(65_535), StateProof((), ()))
    assert OutboxProof.decode(proof.encode()) == proof
    with pytest.raises(Refused) as refused:
        replace(proof, inner=bytes(65_536)).encode()
    assert refused.value.code is Code.Oversize


def test_slot_is_that_of_erc_7201() -> None:
    base = int.from_bytes(keccak(b"poft.storage.OutboxCommitment"), "big") - 1
    assert int.from_bytes(COMMITMENT_SLOT, "big") == int.from_bytes(keccak(base.to_bytes(32, "big")), "big") & ~0xFF
