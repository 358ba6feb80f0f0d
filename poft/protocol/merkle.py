"""The one Merkle log: RFC 9162 section 2 over keccak-256 (docs/protocol.md section 3).

`leaf = H(0x00 ‖ data)`, `node = H(0x01 ‖ left ‖ right)`, root of the empty log = keccak(""). A proof's path is fixed by
(index, size), so it has exactly one valid length and order; lengths are checked before anything is hashed. Twins:
`MerkleLog.sol`, `primitives/src/log.rs`.

A log that only grows keeps its *frontier*: the roots of its perfect subtrees, largest first, one a set bit of the size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .errors import Code, Refused
from .hashing import U64_MAX, WORD, keccak

EMPTY_ROOT = keccak(b"")
MAX_PROOF = 64
"""Nodes in the longest inclusion path: sizes are uint64."""


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf with this data."""
    return keccak(b"\x00" + data)


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return keccak(b"\x01" + left + right)


@dataclass(frozen=True, slots=True)
class Frontier:
    """A log as a chain stores it: its size and the roots of its perfect subtrees, largest first."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def append(self, data: bytes) -> Frontier:
        """The log with one more leaf. Amortised O(1) hashes, like carrying in binary addition."""
        if self.size == U64_MAX:
            raise Refused(Code.Oversize, "log", "the log is full")
        peaks, node, size = list(self.peaks), leaf_hash(data), self.size
        while size & 1:
            node = node_hash(peaks.pop(), node)
            size >>= 1
        return Frontier(self.size + 1, (*peaks, node))

    @property
    def root(self) -> bytes:
        """Root of the whole log: the peaks folded from the smallest to the largest."""
        if not self.peaks:
            return EMPTY_ROOT
        node = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            node = node_hash(peak, node)
        return node


def frontier(leaves: Iterable[bytes]) -> Frontier:
    """The frontier of a log with these leaves' data, in order."""
    log = Frontier()
    for data in leaves:
        log = log.append(data)
    return log


def log_root(leaves: Iterable[bytes]) -> bytes:
    """Root of the log with these leaves' data, in order."""
    return frontier(leaves).root


class Log:
    """A log that keeps every perfect subtree, so that a proof for any of its sizes costs O(log n) hashes.

    `_rows[k][i]` is the root of the leaves [i·2^k, (i+1)·2^k): about two nodes a leaf.
    """

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._rows: list[list[bytes]] = [[]]
        for data in leaves:
            self.append(data)

    def __len__(self) -> int:
        return len(self._rows[0])

    def append(self, data: bytes) -> None:
        """One more leaf. Amortised O(1) hashes."""
        self._rows[0].append(leaf_hash(data))
        level, size = 0, len(self)
        while not size & 1:
            row = self._rows[level]
            size, level = size >> 1, level + 1
            if level == len(self._rows):
                self._rows.append([])
            self._rows[level].append(node_hash(row[-2], row[-1]))

    def root(self, size: int) -> bytes:
        """Root of the log of the first `size` leaves; `Refused(IndexOutOfRange)` when there are fewer."""
        if not 0 <= size <= len(self):
            raise Refused(Code.IndexOutOfRange, "size", f"{size} of {len(self)}")
        return self._node((size - 1).bit_length(), 0, size) if size else EMPTY_ROOT

    def inclusion_path(self, index: int, size: int) -> list[bytes]:
        """`inclusion_path` of leaf `index` in the log of the first `size` leaves."""
        if not 0 <= index < size <= len(self):
            raise Refused(Code.IndexOutOfRange, "index", f"{index} of {size} of {len(self)}")
        path, last, level = [], size - 1, 0
        while last:
            if (sibling := index ^ 1) <= last:
                path.append(self._node(level, sibling, size))
            index, last, level = index >> 1, last >> 1, level + 1
        return path

    def consistency_path(self, from_size: int, size: int) -> list[bytes]:
        """`consistency_path` from the first `from_size` leaves to the first `size`."""
        if not 0 <= from_size <= size <= len(self):
            raise Refused(Code.IndexOutOfRange, "fromSize", f"{from_size} of {size} of {len(self)}")
        if from_size in (0, size):
            return []
        path: list[bytes] = []
        index, last, level = from_size - 1, size - 1, 0
        while index & 1:
            index, last, level = index >> 1, last >> 1, level + 1
        if index:
            path.append(self._node(level, index, size))
        while last:
            if (sibling := index ^ 1) <= last:
                path.append(self._node(level, sibling, size))
            index, last, level = index >> 1, last >> 1, level + 1
        return path

    def _node(self, level: int, index: int, size: int) -> bytes:
        """Node `index` of a level in the log of `size` leaves; only the last one of a level can be imperfect."""
        if (index + 1) << level <= size:
            return self._rows[level][index]
        left = self._node(level - 1, 2 * index, size)
        if (2 * index + 1) << (level - 1) >= size:
            return left
        return node_hash(left, self._node(level - 1, 2 * index + 1, size))


def _levels(nodes: Sequence[bytes]) -> list[list[bytes]]:
    """All levels of the tree above these nodes; an odd last node is carried up unchanged (RFC 9162 2.1.1)."""
    levels = [list(nodes)]
    while len(levels[-1]) > 1:
        row = levels[-1]
        above = [node_hash(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
        if len(row) % 2:
            above.append(row[-1])
        levels.append(above)
    return levels


def inclusion_path(leaf_hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Proof that `leaf_hashes[index]` is in the log of these leaf hashes (RFC 9162 2.1.3.1)."""
    if not 0 <= index < len(leaf_hashes):
        raise Refused(Code.IndexOutOfRange, "index", f"{index} of {len(leaf_hashes)}")
    path = []
    for row in _levels(leaf_hashes)[:-1]:
        if (sibling := index ^ 1) < len(row):
            path.append(row[sibling])
        index >>= 1
    return path


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Proof that the leaf with data `leaves[index]` is in the log of `leaves`."""
    return inclusion_path([leaf_hash(data) for data in leaves], index)


def inclusion_length(index: int, size: int) -> int:
    """The one valid number of nodes of an inclusion proof, 0 ≤ index < size.

    Below the point where the paths of `index` and of the last leaf part, every level has a sibling; above it only
    those where the path turns left, i.e. the set bits.
    """
    inner = (index ^ (size - 1)).bit_length()
    return inner + (index >> inner).bit_count()


def verify_inclusion(leaf_data: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Returns when `leaf_data` is leaf `index` of the log of `size` leaves with this root.

    Raises:
        Refused: IndexOutOfRange, ProofLength, RootMismatch, Malformed (a node that is not 32 bytes).
    """
    if not 0 <= index < size <= U64_MAX:
        raise Refused(Code.IndexOutOfRange, "index", f"{index} of {size}")
    if len(proof) != inclusion_length(index, size):
        raise Refused(Code.ProofLength, "inclusion proof", f"{len(proof)} nodes")
    _check_nodes(proof)
    node, last = leaf_hash(leaf_data), size - 1
    for sibling in proof:
        # The right-most path has no sibling on some levels: skip them.
        while not index & 1 and index == last:
            index, last = index >> 1, last >> 1
        node = node_hash(sibling, node) if index & 1 else node_hash(node, sibling)
        index, last = index >> 1, last >> 1
    if node != root:
        raise Refused(Code.RootMismatch, "inclusion proof")


def consistency_path(leaf_hashes: Sequence[bytes], from_size: int) -> list[bytes]:
    """Proof that the log of the first `from_size` of these leaf hashes is a prefix of the whole (RFC 9162 2.1.4.1).

    Empty when nothing has to be shown: from an empty log, or from the same size.
    """
    size = len(leaf_hashes)
    if not 0 <= from_size <= size:
        raise Refused(Code.IndexOutOfRange, "fromSize", f"{from_size} of {size}")
    if from_size in (0, size):
        return []
    path: list[bytes] = []
    rows = _levels(leaf_hashes)
    # Climb from the last old leaf while its subtree is complete in the old log: that subtree is the first node.
    index, last, level = from_size - 1, size - 1, 0
    while index & 1:
        index, last, level = index >> 1, last >> 1, level + 1
    if index:
        path.append(rows[level][index])
    while last:
        if index & 1:
            path.append(rows[level][index - 1])
        elif index < last:
            path.append(rows[level][index + 1])
        index, last, level = index >> 1, last >> 1, level + 1
    return path


def consistency_proof(leaves: Sequence[bytes], from_size: int) -> list[bytes]:
    """Proof that the log of the first `from_size` leaves is a prefix of the log of all `leaves`."""
    return consistency_path([leaf_hash(data) for data in leaves], from_size)


def consistency_length(from_size: int, to_size: int) -> int:
    """The one valid number of nodes of a consistency proof, 0 ≤ from_size ≤ to_size."""
    if from_size in (0, to_size):
        return 0
    index, last = from_size - 1, to_size - 1
    while index & 1:
        index, last = index >> 1, last >> 1
    inner = (index ^ last).bit_length()
    return (index > 0) + inner + (index >> inner).bit_count()


def verify_consistency(from_size: int, from_root: bytes, to_size: int, to_root: bytes, proof: Sequence[bytes]) -> None:
    """Returns when the log (to_size, to_root) begins with the log (from_size, from_root) (RFC 9162 2.1.4.2).

    Raises:
        Refused: SizeRegression, RootChanged (same size, other root), ProofLength, InconsistentLog, Malformed.
    """
    if from_size > to_size or to_size > U64_MAX:
        raise Refused(Code.SizeRegression, "toSize", f"{to_size} after {from_size}")
    if from_size == to_size and from_root != to_root:
        raise Refused(Code.RootChanged, "toRoot")
    if len(proof) != consistency_length(from_size, to_size):
        raise Refused(Code.ProofLength, "consistency proof", f"{len(proof)} nodes")
    _check_nodes(proof)
    if from_size == 0:
        if from_root != EMPTY_ROOT:
            raise Refused(Code.InconsistentLog, "fromRoot", "an empty log has its own root")
        return
    if from_size == to_size:
        return
    index, last = from_size - 1, to_size - 1
    while index & 1:
        index, last = index >> 1, last >> 1
    nodes = list(proof)
    # A complete old log is a subtree of the new one: its root is the first node, and is not sent.
    old = new = nodes.pop(0) if index else from_root
    for sibling in nodes:
        while not index & 1 and index == last:
            index, last = index >> 1, last >> 1
        if index & 1:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
        else:
            new = node_hash(new, sibling)
        index, last = index >> 1, last >> 1
    if old != from_root or new != to_root:
        raise Refused(Code.InconsistentLog, "consistency proof")


def _check_nodes(proof: Sequence[bytes]) -> None:
    for at, node in enumerate(proof):
        if len(node) != WORD:
            raise Refused(Code.Malformed, f"proof[{at}]", f"{len(node)} bytes where 32 are due")
