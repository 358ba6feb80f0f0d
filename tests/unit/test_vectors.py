"""The vectors against the reference, and against whoever wrote neither.

The reference wrote the vectors, so agreeing with them proves little by itself: `eth_account` hashes the typed data,
`eth_abi` encodes the structs, and a recursive transcription of RFC 9162 builds roots and proofs once more.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from eth_abi.abi import encode as abi_encode
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from poft.protocol.checkpoint import Checkpoint
from poft.protocol.finality import Finality
from poft.protocol.packet import Packet
from poft.protocol.statements import Membership, Update, Verdict, Vote
from poft.protocol.structs import Struct

VECTORS = Path(__file__).parents[1] / "vectors"
Case = dict[str, dict[str, str]]


def cases(name: str) -> list[tuple[str, dict[str, object], dict[str, object] | None]]:
    """(name, input, expectation or None)."""
    found = json.loads((VECTORS / f"{name}.json").read_text())
    assert found["format"] == "poft-vectors/1"
    return [(case["name"], case["input"], case.get("expect")) for case in found["cases"]]


def good(name: str, prefix: str = "") -> list[tuple[str, dict[str, object], dict[str, object]]]:
    return [(n, given, expect) for n, given, expect in cases(name) if expect is not None and n.startswith(prefix)]


def values(struct: type[Struct], given: Mapping[str, object]) -> dict[str, int | bytes]:
    def value(kind: str, text: object) -> int | bytes:
        return int(str(text)) if kind.startswith("uint") else bytes.fromhex(str(text)[2:])

    return {name: value(kind, given[name]) for name, kind in struct.fields()}


def test_vectors_on_disk_are_those_of_the_generator() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.vectors.generate", "--check"],
        capture_output=True,
        text=True,
        cwd=VECTORS.parents[1],
        check=False,
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    "name",
    [
        "log",
        "model",
        "checkpoint",
        "packet",
        "finality",
        "federation",
        "inbox",
        "bef1",
        "justification",
        "composed",
        "acknowledgement",
    ],
)
def test_vectors_hold_good_and_bad_cases(name: str) -> None:
    found = cases(name)
    assert any(expect is None for _, _, expect in found)
    assert any(expect is not None for _, _, expect in found)
    assert len({n for n, _, _ in found}) == len(found)


def typed(struct: type[Struct], message: Mapping[str, object], domain_name: str, salt: str) -> bytes:
    """The EIP-712 digest that eth_account computes."""
    full = {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "salt", "type": "bytes32"},
            ],
            struct.__name__: [{"name": name, "type": kind} for name, kind in struct.fields()],
        },
        "primaryType": struct.__name__,
        "domain": {"name": domain_name, "version": "1", "salt": bytes.fromhex(salt[2:])},
        "message": values(struct, message),
    }
    signable = encode_typed_data(full_message=full)
    return keccak(b"\x19" + signable.version + signable.header + signable.body)


def test_finality_digests_are_those_of_eth_account() -> None:
    found = [(given, expect) for _, given, expect in good("finality") if "digest" in expect]
    assert len(found) > 20
    for given, expect in found:
        statement = given["statement"]
        assert isinstance(statement, dict)
        assert "0x" + typed(Finality, statement, "PoFT Finality", str(given["domain"])).hex() == expect["digest"]


def test_statement_digests_are_those_of_eth_account() -> None:
    kinds: dict[str, type[Struct]] = {kind.__name__: kind for kind in (Membership, Update, Verdict, Vote)}
    found = [(given, expect) for _, given, expect in good("federation") if "digest" in expect]
    assert {str(given["type"]) for given, _ in found} == set(kinds)
    for given, expect in found:
        statement = given["statement"]
        assert isinstance(statement, dict)
        kind = kinds[str(given["type"])]
        assert "0x" + typed(kind, statement, "PoFT Federation", str(given["domain"])).hex() == expect["digest"]


def struct_id(struct: type[Struct], given: Mapping[str, object]) -> tuple[str, bytes]:
    """(hex id, encoding) by eth_abi."""
    fields = values(struct, given)
    encoded = abi_encode([kind for _, kind in struct.fields()], list(fields.values()))
    return "0x" + keccak(keccak(text=struct.type_string()) + encoded).hex(), encoded


def test_packet_ids_are_those_of_eth_abi() -> None:
    for name, given, expect in good("packet"):
        if not name.startswith("domain"):
            identity, encoded = struct_id(Packet, given)
            assert (identity, "0x" + encoded.hex()) == (expect["id"], expect["encoded"])


def test_checkpoint_payloads_are_those_of_eth_abi() -> None:
    found = good("checkpoint", "build")
    assert len(found) >= 4
    for _, given, expect in found:
        checkpoint, parents = given["checkpoint"], given["parents"]
        assert isinstance(checkpoint, dict)
        assert isinstance(parents, list)
        fields = values(Checkpoint, checkpoint)
        raw = [bytes.fromhex(parent[2:]) for parent in parents]
        kinds = [*(kind for _, kind in Checkpoint.fields()), "bytes32[]", "bytes32"]
        encoded = abi_encode(kinds, [*fields.values(), raw, bytes.fromhex(str(given["previous"])[2:])])
        assert "0x" + encoded.hex() == expect["encoded"]
        assert struct_id(Checkpoint, checkpoint)[0] == expect["id"]
        assert keccak(abi_encode(["bytes32[]"], [raw])) == fields["parentsHash"]


def largest_power_below(n: int) -> int:
    return 1 << (n - 1).bit_length() - 1


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """RFC 9162 section 2.1.1, as written."""
    if not leaves:
        return keccak(b"")
    if len(leaves) == 1:
        return keccak(b"\x00" + leaves[0])
    k = largest_power_below(len(leaves))
    return keccak(b"\x01" + tree_hash(leaves[:k]) + tree_hash(leaves[k:]))


def path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """RFC 9162 section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = largest_power_below(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), tree_hash(leaves[k:])]
    return [*path(m - k, leaves[k:]), tree_hash(leaves[:k])]


def subproof(m: int, leaves: Sequence[bytes], whole: bool) -> list[bytes]:
    """RFC 9162 section 2.1.4.1."""
    if m == len(leaves):
        return [] if whole else [tree_hash(leaves)]
    k = largest_power_below(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole), tree_hash(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), tree_hash(leaves[:k])]


def test_log_vectors_are_those_of_the_rfc() -> None:
    found = good("log", "build")
    assert len(found) > 30
    for _, given, expect in found:
        texts = given["leaves"]
        assert isinstance(texts, list)
        leaves = [bytes.fromhex(text[2:]) for text in texts]
        index, old = int(str(given["index"])), int(str(given["fromSize"]))
        assert expect["root"] == "0x" + tree_hash(leaves).hex()
        if leaves:
            assert expect["inclusion"] == ["0x" + node.hex() for node in path(index, leaves)]
        if 0 < old < len(leaves):
            assert expect["consistency"] == ["0x" + node.hex() for node in subproof(old, leaves, True)]
