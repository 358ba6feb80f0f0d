"""Properties of the Merkle log.

1. Round trip: every leaf of every log proves, every prefix is consistent.
2. Position binding: a proof for one index does not verify another leaf, nor the leaf at another index.
3. Mutation: any changed bit of leaf, proof or root is refused.
4. Totality and bounded work: arbitrary input is answered by `Refused`, and only by that.
5. The frontier that chains keep gives the same root as the whole tree.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poft.protocol.errors import Code, Refused
from poft.protocol.merkle import (
    Log,
    consistency_length,
    consistency_proof,
    frontier,
    inclusion_length,
    inclusion_proof,
    leaf_hash,
    log_root,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

logs = st.lists(st.binary(max_size=40), min_size=1, max_size=40)
nodes = st.lists(st.binary(min_size=32, max_size=32), max_size=10)
u64 = st.integers(0, 2**64 - 1)


@given(logs, st.data())
def test_inclusion_proves_every_leaf(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = inclusion_proof(leaves, index)
    assert len(proof) == inclusion_length(index, len(leaves))
    verify_inclusion(leaves[index], index, len(leaves), proof, log_root(leaves))


@given(logs, st.data())
def test_inclusion_refuses_another_position(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    other = data.draw(st.integers(0, len(leaves) - 1))
    if leaves[index] == leaves[other]:
        return
    with pytest.raises(Refused) as refused:
        verify_inclusion(leaves[index], other, len(leaves), inclusion_proof(leaves, index), log_root(leaves))
    assert refused.value.code in (Code.RootMismatch, Code.ProofLength)


@given(logs, st.data())
def test_inclusion_refuses_any_flipped_bit(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof, root = inclusion_proof(leaves, index), log_root(leaves)
    at = data.draw(st.integers(0, len(proof)))
    bit = data.draw(st.integers(0, 255))

    def flip(node: bytes) -> bytes:
        return (int.from_bytes(node, "big") ^ 1 << bit).to_bytes(32, "big")

    if at == len(proof):
        root = flip(root)
    else:
        proof[at] = flip(proof[at])
    with pytest.raises(Refused) as refused:
        verify_inclusion(leaves[index], index, len(leaves), proof, root)
    assert refused.value.code is Code.RootMismatch


@given(logs, st.data())
def test_consistency_proves_every_prefix(leaves: list[bytes], data: st.DataObject) -> None:
    size = data.draw(st.integers(0, len(leaves)))
    proof = consistency_proof(leaves, size)
    assert len(proof) == consistency_length(size, len(leaves))
    verify_consistency(size, log_root(leaves[:size]), len(leaves), log_root(leaves), proof)


@given(logs, st.data())
def test_consistency_refuses_a_rewritten_prefix(leaves: list[bytes], data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(leaves)))
    changed = data.draw(st.integers(0, size - 1))
    rewritten = [leaf + b"!" if i == changed else leaf for i, leaf in enumerate(leaves)]
    with pytest.raises(Refused) as refused:
        verify_consistency(
            size, log_root(leaves[:size]), len(leaves), log_root(rewritten), consistency_proof(rewritten, size)
        )
    assert refused.value.code in (Code.InconsistentLog, Code.RootChanged)


@given(st.binary(max_size=64), u64, u64, nodes, st.binary(min_size=32, max_size=32))
def test_verifiers_answer_anything_with_a_code(
    leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes
) -> None:
    for check in (
        lambda: verify_inclusion(leaf, index, size, proof, root),
        lambda: verify_consistency(index, root, size, leaf_hash(root), proof),
    ):
        with pytest.raises(Refused):
            check()


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_frontier_has_the_root_of_the_tree(leaves: list[bytes]) -> None:
    log = frontier(leaves)
    assert (log.size, len(log.peaks)) == (len(leaves), len(leaves).bit_count())
    row = [leaf_hash(leaf) for leaf in leaves]
    while len(row) > 1:
        row = [node_hash(*row[i : i + 2]) if i + 1 < len(row) else row[i] for i in range(0, len(row), 2)]
    if row:
        assert log.root == row[0]


@given(st.lists(st.binary(max_size=4), max_size=70), st.data())
def test_log_that_keeps_its_nodes_gives_the_proofs_of_the_whole_tree(leaves: list[bytes], data: st.DataObject) -> None:
    log = Log(leaves)
    size = data.draw(st.integers(0, len(leaves)))
    prefix = leaves[:size]
    assert log.root(size) == log_root(prefix)
    start = data.draw(st.integers(0, size))
    assert log.consistency_path(start, size) == consistency_proof(prefix, start)
    if size:
        index = data.draw(st.integers(0, size - 1))
        assert log.inclusion_path(index, size) == inclusion_proof(prefix, index)


def test_log_that_keeps_its_nodes_refuses_sizes_beyond_its_end() -> None:
    log = Log([b"a", b"b"])
    for ask in (
        lambda: log.root(3),
        lambda: log.root(-1),
        lambda: log.inclusion_path(2, 2),
        lambda: log.inclusion_path(0, 3),
        lambda: log.inclusion_path(-1, 2),
        lambda: log.consistency_path(2, 1),
        lambda: log.consistency_path(1, 3),
    ):
        with pytest.raises(Refused) as refused:
            ask()
        assert refused.value.code is Code.IndexOutOfRange
