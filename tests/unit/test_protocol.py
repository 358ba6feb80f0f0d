"""The Python reference against the text of docs/protocol.md and docs/federation.md."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from poft.protocol.checkpoint import Checkpoint, CheckpointPayload, decode_payload, parents_hash
from poft.protocol.domain import evm_domain, substrate_domain
from poft.protocol.errors import Code, Refused
from poft.protocol.finality import Finality, check_committee, quorum
from poft.protocol.hashing import keccak
from poft.protocol.packet import Packet
from poft.protocol.signatures import key_address, recover, unsafe_sign_digest
from poft.protocol.statements import Membership, Update, Verdict, Vote, sign_statement, verify_statement
from poft.protocol.structs import Struct

DOCS = Path(__file__).parents[2] / "docs"
KEY = keccak(b"a public test key")
DOMAIN = evm_domain(keccak(b"genesis"), 1)


@pytest.mark.parametrize("struct", [Checkpoint, Packet, Finality, Membership, Update, Verdict, Vote])
def test_type_strings_are_those_of_the_documents(struct: type[Struct]) -> None:
    text = "".join((DOCS / name).read_text() for name in ("protocol.md", "federation.md"))
    assert struct.type_string() in re.sub(r"\s+(?=\w+ \w+[,)])", "", text)


@pytest.mark.parametrize("n", range(1, 65))
def test_quorum_is_the_least_number_above_two_thirds(n: int) -> None:
    k = quorum(n)
    assert 3 * k > 2 * n
    assert 3 * (k - 1) <= 2 * n


def test_domains_differ_by_kind_genesis_and_network() -> None:
    genesis = keccak(b"genesis")
    made = {
        evm_domain(genesis, 1),
        evm_domain(genesis, 2),
        evm_domain(keccak(b"other"), 1),
        substrate_domain(genesis, "a"),
        substrate_domain(genesis, "b"),
    }
    assert len(made) == 5


@pytest.mark.parametrize("name", ["", "x"])
def test_substrate_domain_refuses_an_empty_name(name: str) -> None:
    if name:
        substrate_domain(keccak(b"genesis"), name)
        return
    with pytest.raises(Refused) as refused:
        substrate_domain(keccak(b"genesis"), name)
    assert refused.value.code is Code.ZeroValue


def test_signature_recovers_its_signer() -> None:
    digest = keccak(b"digest")
    assert recover(digest, unsafe_sign_digest(KEY, digest)) == key_address(KEY)


@pytest.mark.parametrize("length", [0, 1, 64, 66, 1000])
def test_signature_refuses_other_lengths(length: int) -> None:
    with pytest.raises(Refused) as refused:
        recover(keccak(b"digest"), b"\x1b" * length)
    assert refused.value.code is Code.BadSignature


def test_statement_refuses_another_federations_signature() -> None:
    vote = Vote(keccak(b"f"), keccak(b"t"), 1, key_address(KEY), keccak(b"c"))
    signed = sign_statement(KEY, DOMAIN, vote)
    verify_statement(DOMAIN, signed)
    with pytest.raises(Refused) as refused:
        verify_statement(DOMAIN, replace(signed, statement=replace(vote, federation=keccak(b"g"))))
    assert refused.value.code is Code.NotSigner


def test_payload_round_trip() -> None:
    parents = (keccak(b"1"), keccak(b"2"))
    word = keccak(b"w")
    checkpoint = Checkpoint(word, word, 5, word, 10, word, parents_hash(parents), 3, word, word, word, word)
    payload = CheckpointPayload(checkpoint, parents, keccak(b"previous"))
    assert decode_payload(payload.encode()) == payload
    with pytest.raises(Refused) as refused:
        decode_payload(replace(payload, parents=parents[::-1]).encode())
    assert refused.value.code is Code.ParentsMismatch


@pytest.mark.parametrize("members", [[], [b"\0" * 20], [b"\1" * 20] * 2, [b"\2" * 20, b"\1" * 20], [b"\1" * 19]])
def test_committee_refuses_malformed_members(members: list[bytes]) -> None:
    with pytest.raises(Refused) as refused:
        check_committee(members, small=True)
    assert refused.value.code is Code.CommitteeInvalid
