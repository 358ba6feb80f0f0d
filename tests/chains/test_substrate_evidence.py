"""What a lying Substrate node can put into headers, digests and read proofs, and what it is refused with.

Tries are built by smoldot's own code (chopsticks carries it), so that the verifier is not compared with itself.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from hashlib import blake2b

import pytest

from chains.substrate.chopsticks import node_binary, node_modules
from chains.substrate.headers import Handover, handover_item, header_hash, outbox_item
from chains.substrate.proof import compact, proven, proven_or_absent
from chains.substrate.rpc import Json
from poft.protocol.errors import Code, Refused

ROOT = bytes(range(32))
TRIE = """
import { createRequire } from 'node:module'
const require = createRequire(process.argv[1] + '/')
const { calculateStateRoot, createProof } = require('@acala-network/chopsticks-core/wasm-executor/index')
const entries = JSON.parse(process.argv[2])
const { trieRootHash, nodes } = await createProof([], entries)
console.log(JSON.stringify({ root: trieRootHash, nodes, hashed: await calculateStateRoot(entries, 1) }))
process.exit(0)
"""


def blake2_256(data: bytes) -> bytes:
    return blake2b(data, digest_size=32).digest()


def item(content: bytes, variant: int = 0) -> bytes:
    return bytes([variant]) + compact(len(content)) + content


def digest(*items: bytes) -> bytes:
    return compact(len(items)) + b"".join(items)


def commitment(size: int = 7, tag: bytes = b"POFT") -> bytes:
    return tag + size.to_bytes(8, "little") + ROOT


AURA = b"\x06aura" + compact(8) + bytes(8)


# --- digests ---------------------------------------------------------------------------------------------------------


def test_outbox_item_found_among_others() -> None:
    other = item(b"another engine's words")
    assert outbox_item(digest(AURA, other, item(commitment()))) == (7, ROOT)


def test_outbox_item_missing_is_not_an_empty_outbox() -> None:
    assert outbox_item(digest()) is None
    assert outbox_item(digest(AURA, item(commitment(tag=b"POFU")))) is None


@pytest.mark.parametrize(
    "items",
    [
        pytest.param((item(commitment()), item(commitment())), id="two items"),
        pytest.param((item(commitment(1)), item(commitment(2))), id="two items that differ"),
        pytest.param((item(commitment()[:-1]),), id="43 bytes"),
        pytest.param((item(commitment() + b"\0"),), id="45 bytes"),
        pytest.param((item(commitment() + bytes(100)),), id="144 bytes"),
        pytest.param((item(b"POFT"),), id="the tag alone"),
        pytest.param((item(commitment())[:-1],), id="ends early"),
        pytest.param((b"\0\x03\xff\xff\xff\xff",), id="a length of 2^32"),
        pytest.param((b"\0" + (44 << 2 | 1).to_bytes(2, "little") + commitment(),), id="a length of 44 in two bytes"),
        pytest.param((b"\0" + (44 << 2 | 2).to_bytes(4, "little") + commitment(),), id="a length of 44 in four bytes"),
    ],
)
def test_outbox_item_refused_forged(items: tuple[bytes, ...]) -> None:
    with pytest.raises(Refused) as caught:
        outbox_item(digest(AURA, *items))
    assert caught.value.code is Code.EvidenceDisagrees


HANDOVER = b"POFB" + bytes([4] * 32) + (1_800_000_000).to_bytes(8, "big") + ROOT


def test_handover_item_found_beside_the_outbox() -> None:
    expected = Handover(bytes([4] * 32), 1_800_000_000, ROOT)
    assert handover_item(digest(AURA, item(commitment()), item(HANDOVER))) == expected
    assert handover_item(digest(AURA, item(HANDOVER), item(commitment()))) == expected
    assert handover_item(digest(AURA, item(commitment()))) is None
    assert handover_item(digest(b"\x04POFB" + compact(76) + HANDOVER)) is None


@pytest.mark.parametrize(
    "items",
    [
        pytest.param((item(HANDOVER), item(HANDOVER)), id="two items"),
        pytest.param((item(HANDOVER), item(b"POFB")), id="an item and a tag alone"),
        pytest.param((item(HANDOVER[:-1]),), id="75 bytes"),
        pytest.param((item(HANDOVER + b"\0"),), id="77 bytes"),
        pytest.param((item(b"POFB"),), id="the tag alone"),
    ],
)
def test_handover_item_refused_forged(items: tuple[bytes, ...]) -> None:
    with pytest.raises(Refused) as caught:
        handover_item(digest(AURA, item(commitment()), *items))
    assert caught.value.code is Code.EvidenceDisagrees


def test_outbox_item_of_another_variant_is_none() -> None:
    consensus = b"\x04POFT" + compact(44) + commitment()
    assert outbox_item(digest(consensus)) is None


# --- headers ---------------------------------------------------------------------------------------------------------


def test_header_hash_covers_every_field() -> None:
    # Block 1 of a runtime's development chain; the hash is the node's.
    header: dict[str, Json] = {
        "parentHash": "0x" + "45" * 32,
        "number": "0x00000001",
        "stateRoot": "0x" + "00" * 32,
        "extrinsicsRoot": "0x" + "11" * 32,
        "digest": {"logs": ["0x" + AURA.hex(), "0x" + item(commitment()).hex()]},
    }
    honest = header_hash(header)
    encoded = b"\x45" * 32 + b"\x04" + bytes(32) + b"\x11" * 32 + digest(AURA, item(commitment()))
    assert honest == blake2_256(encoded)
    changes: list[dict[str, Json]] = [
        {"parentHash": "0x" + "46" * 32},
        {"number": "0x2"},
        {"stateRoot": "0x" + "01" * 32},
        {"extrinsicsRoot": "0x" + "12" * 32},
        {"digest": {"logs": ["0x" + AURA.hex()]}},
    ]
    assert all(header_hash({**header, **change}) != honest for change in changes)


def test_header_refused_with_a_field_missing() -> None:
    with pytest.raises(Refused) as caught:
        header_hash({"parentHash": "0x" + "45" * 32, "number": "0x1"})
    assert caught.value.code is Code.EvidenceDisagrees


# --- read proofs -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trie:
    entries: dict[bytes, bytes]
    root: bytes
    nodes: list[bytes]
    hashed_root: bytes


def trie(entries: dict[bytes, bytes]) -> Trie:
    """The trie with these entries; `nodes` in layout V0, `hashed_root` in V1."""
    pairs = [["0x" + key.hex(), "0x" + value.hex()] for key, value in entries.items()]
    command = [node_binary(), "--input-type=module", "-e", TRIE, str(node_modules()), json.dumps(pairs)]
    built = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    nodes = [bytes.fromhex(node[2:]) for node in built["nodes"]]
    return Trie(entries, bytes.fromhex(built["root"][2:]), nodes, bytes.fromhex(built["hashed"][2:]))


@pytest.fixture(scope="module")
def big() -> Trie:
    keys = [blake2_256(bytes([n])) for n in range(20)]
    entries = {key: bytes([n + 1]) * (5 * n + 1) for n, key in enumerate(keys)}
    # A key that goes on where another ends, and two that part at their last nibble.
    return trie({**entries, keys[0] + b"\xab\xcd": b"\x77", keys[0] + b"\xab\xce": b"\x88" * 33})


def refused(root: bytes, key: bytes, nodes: list[bytes]) -> bool:
    with pytest.raises(Refused) as caught:
        proven(root, key, nodes)
    return caught.value.code is Code.EvidenceDisagrees


def test_read_proof_proves_every_value(big: Trie) -> None:
    assert {key: proven(big.root, key, big.nodes) for key in big.entries} == big.entries


def test_read_proof_refused_absent_key(big: Trie) -> None:
    key = next(iter(big.entries))
    assert refused(big.root, blake2_256(b"absent"), big.nodes)
    assert refused(big.root, key[:16], big.nodes)
    assert refused(big.root, key + b"\xab", big.nodes)
    assert refused(big.root, key + b"\xab\xcd\x00", big.nodes)
    assert refused(big.root, b"", big.nodes)


def test_read_proof_shows_that_a_key_has_no_value(big: Trie) -> None:
    key = next(iter(big.entries))
    for absent in (blake2_256(b"absent"), key[:16], key + b"\xab", key + b"\xab\xcd\x00", b""):
        assert proven_or_absent(big.root, absent, big.nodes) is None
    assert proven_or_absent(big.root, key, big.nodes) == big.entries[key]


def test_read_proof_refused_absence_by_withheld_nodes(big: Trie) -> None:
    for key, value in big.entries.items():
        for at in range(len(big.nodes)):
            try:
                assert proven_or_absent(big.root, key, big.nodes[:at] + big.nodes[at + 1 :]) == value
            except Refused as error:
                assert error.code is Code.EvidenceDisagrees


def test_read_proof_refused_another_root(big: Trie) -> None:
    assert refused(bytes(32), next(iter(big.entries)), big.nodes)


def test_read_proof_refused_each_node_missing_or_altered(big: Trie) -> None:
    for at in range(len(big.nodes)):
        rest = big.nodes[:at] + big.nodes[at + 1 :]
        altered = big.nodes[at][:-1] + bytes([big.nodes[at][-1] ^ 1])
        for nodes in (rest, [*rest, altered], [*rest, big.nodes[at][:-1]]):
            reached = []
            for key, value in big.entries.items():
                try:
                    assert proven(big.root, key, nodes) == value
                    reached.append(key)
                except Refused as error:
                    assert error.code is Code.EvidenceDisagrees
            assert len(reached) < len(big.entries)


def test_read_proof_of_layout_v1_names_the_value_by_hash() -> None:
    value = b"\x22" * 40
    small = trie({b"\x12\x34": b"\x01", b"\x12\x35": value, b"\x99": b"\x05\x05"})
    # V1 differs from V0 in the leaf of the long value, and so in the nodes above it.
    root, branch, leaf = small.nodes
    hashed_leaf = b"\x20" + blake2_256(value)
    hashed_branch = branch.replace(blake2_256(leaf), blake2_256(hashed_leaf))
    hashed_root = root.replace(blake2_256(branch), blake2_256(hashed_branch))
    assert blake2_256(hashed_root) == small.hashed_root
    nodes = [hashed_root, hashed_branch, hashed_leaf]
    assert proven(small.hashed_root, b"\x12\x35", [*nodes, value]) == value
    assert proven(small.hashed_root, b"\x12\x34", nodes) == b"\x01"
    assert refused(small.hashed_root, b"\x12\x35", nodes)
    assert refused(small.hashed_root, b"\x12\x35", [*nodes, value[:-1] + b"\x23"])
