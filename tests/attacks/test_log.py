"""Attacks on the log: what a proof must bind, shown on verifiers that leave one thing unbound.

The log of four packets, and what an attacker tries to pass for a fifth::

                 root                      ours: leaf = H(0x00 data), node = H(0x01 left right)
               /      \\                   naive: leaf = H(data),      node = H(left right)
             ab        cd
            /  \\      /  \\
           a    b    c    d                a = H(packet 0), ...

    second preimage   the 64 bytes "a b" offered as a packet: naive H(a b) is the node ab
    short proof       the bytes of ab offered with the proof [cd]: no leaf was hashed at all
    mirror            packet 1 proven with packet 0's path: sorted pairs do not know left from right
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from poft.protocol.errors import Code, Refused
from poft.protocol.hashing import keccak, word_uint
from poft.protocol.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    log_root,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

PACKETS = [keccak(f"packet {i}".encode()) for i in range(4)]


def untagged_root(leaves: Sequence[bytes]) -> bytes:
    """The tree without tags, for a power of two of leaves."""
    row = [keccak(leaf) for leaf in leaves]
    while len(row) > 1:
        row = [keccak(row[i] + row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]


def naive_folds(node: bytes, index: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Folds whatever proof it is given: neither tags nor a length."""
    for sibling in proof:
        node = keccak(sibling + node) if index & 1 else keccak(node + sibling)
        index >>= 1
    return node == root


def naive_sorted_pairs(node: bytes, proof: Sequence[bytes]) -> bytes:
    """The root by pairs in ascending order, as libraries for allow-lists do it: nothing says left or right."""
    for sibling in proof:
        node = node_hash(*sorted((node, sibling)))
    return node


def refusal(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> Code:
    with pytest.raises(Refused) as refused:
        verify_inclusion(leaf, index, size, proof, root)
    return refused.value.code


def test_second_preimage_two_children_as_a_packet() -> None:
    a, b, c, d = (keccak(packet) for packet in PACKETS)
    assert naive_folds(keccak(a + b), 0, [keccak(c + d)], untagged_root(PACKETS))

    a, b, c, d = (leaf_hash(packet) for packet in PACKETS)
    root = log_root(PACKETS)
    assert refusal(a + b, 0, 2, [node_hash(c, d)], root) == Code.RootMismatch
    # The finalised outbox says size 4: then the proof is too short before anything is hashed.
    assert refusal(a + b, 0, 4, [node_hash(c, d)], root) == Code.ProofLength


def test_unbound_proof_length_inner_node_or_root_as_leaf() -> None:
    a, b, c, d = (keccak(packet) for packet in PACKETS)
    assert naive_folds(keccak(a + b), 0, [keccak(c + d)], untagged_root(PACKETS))
    assert naive_folds(untagged_root(PACKETS), 0, [], untagged_root(PACKETS))

    root = log_root(PACKETS)
    inner = [node_hash(leaf_hash(PACKETS[2 * i]), leaf_hash(PACKETS[2 * i + 1])) for i in range(2)]
    assert refusal(inner[0], 0, 2, [inner[1]], root) == Code.RootMismatch
    assert refusal(root, 0, 1, [], root) == Code.RootMismatch
    for length in (0, 1, 3, 64):
        assert refusal(PACKETS[0], 0, 4, [root] * length, root) == Code.ProofLength


def test_sorted_pairs_prove_a_packet_at_every_index() -> None:
    """A destination that counts deliveries by the index in the log would take one packet four times."""
    a, b, c, d = (leaf_hash(packet) for packet in PACKETS)
    naive_root = naive_sorted_pairs(naive_sorted_pairs(a, [b]), [naive_sorted_pairs(c, [d])])
    proof = [b, naive_sorted_pairs(c, [d])]
    assert all(naive_sorted_pairs(a, proof) == naive_root for _index in range(4))

    root = log_root(PACKETS)
    for index, packet in enumerate(PACKETS):
        proof = inclusion_proof(PACKETS, index)
        for claimed in set(range(4)) - {index}:
            assert refusal(packet, claimed, 4, proof, root) == Code.RootMismatch
        assert refusal(packet, 4, 4, proof, root) == Code.IndexOutOfRange


def test_swapped_tags_leave_another_tree() -> None:
    row = [keccak(b"\x01" + packet) for packet in PACKETS]
    swapped = keccak(
        b"\x00" + keccak(b"\x00" + row[0] + row[1]) + keccak(b"\x00" + row[2] + row[3]),
    )
    assert refusal(PACKETS[0], 0, 4, [row[1], keccak(b"\x00" + row[2] + row[3])], swapped) == Code.RootMismatch


def test_proof_from_another_log_and_every_flipped_sibling() -> None:
    root = log_root(PACKETS)
    other = [keccak(packet) for packet in PACKETS]
    assert refusal(other[1], 1, 4, inclusion_proof(other, 1), root) == Code.RootMismatch
    for index in range(4):
        proof = inclusion_proof(PACKETS, index)
        for level, node in enumerate(proof):
            for byte in range(32):
                flipped = node[:byte] + bytes([node[byte] ^ 1]) + node[byte + 1 :]
                forged = [*proof[:level], flipped, *proof[level + 1 :]]
                assert refusal(PACKETS[index], index, 4, forged, root) == Code.RootMismatch


def test_size_is_bound_by_the_commitment_not_by_the_root() -> None:
    """RFC 9162 leaves the size outside of the root: packet 0 of three proves in a log of four with the same path.

    So a size must never come from the prover. The ledgers look the root up by the size that was finalised
    (`UnknownOutbox` for any other), and the commitment hashes both.
    """
    three = PACKETS[:3]
    proof, root = inclusion_proof(three, 0), log_root(three)
    verify_inclusion(three[0], 0, 3, proof, root)
    verify_inclusion(three[0], 0, 4, proof, root)

    finalised = keccak(word_uint(3, 64) + root)
    assert finalised != keccak(word_uint(4, 64) + root)


def test_history_rewritten_by_a_whole_committee() -> None:
    """A quorum signs a log in which packet 1 was exchanged after it had been delivered."""
    rewritten = [PACKETS[0], keccak(b"another packet"), *PACKETS[2:]]
    before, after = log_root(PACKETS[:2]), log_root(rewritten)

    newest_wins = after  # a client that trusts the newest signed root: every old packet may be sent once more
    verify_inclusion(rewritten[1], 1, 4, inclusion_proof(rewritten, 1), newest_wins)

    for proof in (consistency_proof(rewritten, 2), consistency_proof(PACKETS, 2)):
        with pytest.raises(Refused) as refused:
            verify_consistency(2, before, 4, after, proof)
        assert refused.value.code == Code.InconsistentLog
    with pytest.raises(Refused) as refused:
        verify_consistency(2, before, 4, after, [])
    assert refused.value.code == Code.ProofLength
