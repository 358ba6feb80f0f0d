"""What an EVM chain's state holds, proven from a state root: EIP-1186 proofs (docs/protocol.md section 8, ESP1).

A proof is two walks down Merkle-Patricia tries: from the state root to the account, from the account's storage root
to the slot. Keys are hashes, so every key has 64 nibbles: no node above a leaf has a value, and the leaf of an account
or of a word that is a hash is too long to be embedded in its parent. So each node on the way is listed and hashed. RLP
is read strictly: one encoding for each value, nothing left over.

Twins: `StateProof.sol`, `primitives/src/state_proof.rs`. Whatever the nodes are, the three give one answer: the word,
or `BadStateProof`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from poft.protocol.errors import Code, Refused
from poft.protocol.hashing import WORD, keccak, word_address, word_bytes32, word_uint
from poft.verification.rlp import Item, read_item, read_list

MAX_NODES = 64
"""Nodes of one walk: a node takes at least one of 64 nibbles. Real tries are below 12 deep."""
MAX_NODE = 532
"""Bytes of the largest node, a branch with 16 children: 3 of header, 16 · 33 of hashes, 1 of an empty value."""

_ERC7201_BASE = word_uint(int.from_bytes(keccak(b"poft.storage.OutboxCommitment"), "big") - 1, 256)
COMMITMENT_SLOT = keccak(_ERC7201_BASE)[:-1] + b"\0"
"""Slot of an outbox's commitment (`Outbox.sol`)."""

_NIBBLES = 64
_BRANCH = 17


@dataclass(frozen=True, slots=True)
class StateProof:
    """The nodes of both walks, each from the root down, as `eth_getProof` lists them."""

    account: tuple[bytes, ...]
    storage: tuple[bytes, ...]

    def encode(self) -> bytes:
        """`u8 n ‖ n × (u16 length ‖ node)` for each walk.

        Raises:
            Refused: Oversize.
        """
        return _encode_nodes(self.account) + _encode_nodes(self.storage)

    @classmethod
    def decode(cls, data: bytes) -> StateProof:
        """The inverse: every byte is part of a node.

        Raises:
            Refused: Malformed, Oversize.
        """
        account, at = _decode_nodes(data, 0)
        storage, end = _decode_nodes(data, at)
        if end != len(data):
            raise Refused(Code.Malformed, "state proof", f"{end} bytes where {len(data)} were given")
        return cls(account, storage)


def proven_slot(state_root: bytes, account: bytes, slot: bytes, proof: StateProof) -> bytes:
    """The word in a storage slot of an account that both exist under this state root.

    Raises:
        Refused: BadStateProof.
    """
    return proven_contract(state_root, account, slot, proof)[1]


def proven_contract(state_root: bytes, account: bytes, slot: bytes, proof: StateProof) -> tuple[bytes, bytes]:
    """(hash of the account's code, the word in its slot), both under this state root.

    Raises:
        Refused: BadStateProof.
    """
    storage_root, code_hash = _account(_leaf(state_root, keccak(word_address(account)[12:]), proof.account))
    word = _scalar(_leaf(storage_root, keccak(word_bytes32(slot)), proof.storage), WORD)
    if not word:
        raise _bad("a slot that holds zero is not stored")
    return code_hash, word.rjust(WORD, b"\0")


def outbox_commitment(size: int, root: bytes) -> bytes:
    """What the commitment slot holds for an outbox of this size and root."""
    return keccak(word_uint(size, 64, "outboxSize") + word_bytes32(root, "outboxRoot"))


def _leaf(root: bytes, key: bytes, nodes: Sequence[bytes]) -> bytes:
    """What the trie with this root holds under a 32-byte key."""
    path = key.hex()
    expected, taken = root, 0
    for index, node in enumerate(nodes):
        if keccak(node) != expected:
            raise _bad("a node is not the one that its parent names")
        items = _list(node)
        if len(items) == _BRANCH:
            if taken == _NIBBLES:
                raise _bad("a branch below the whole key")
            _check_branch(items)
            expected = _hash(items[int(path[taken], 16)])
            taken += 1
        elif len(items) == 2:
            is_leaf, part = _compact(items[0])
            if path[taken : taken + len(part)] != part:
                raise _bad("leads to another key")
            taken += len(part)
            if is_leaf:
                if taken != _NIBBLES or index != len(nodes) - 1:
                    raise _bad("ends beside the key, or before the proof does")
                return _string(items[1])
            if not part:
                raise _bad("an extension by nothing")
            expected = _hash(items[1])
        else:
            raise _bad(f"a node of {len(items)} items")
    raise _bad("no leaf")


def _check_branch(items: Sequence[Item]) -> None:
    """Children that are not on the way: nothing, a hash, or a node too short to be hashed. No key ends in a branch."""
    for child in items[:-1]:
        embedded = child.is_list and child.size < WORD
        if not embedded and (child.is_list or len(child.content) not in (0, WORD)):
            raise _bad("a child that is neither empty, hash nor short node")
    if items[-1].is_list or items[-1].content:
        raise _bad("a value in a branch")


def _compact(item: Item) -> tuple[bool, str]:
    """Hex-prefix encoding: (is it a leaf's, nibbles). High nibble 2·leaf + odd; the low one is the first, or 0."""
    text = _string(item).hex()
    if not text or text[0] not in "0123":
        raise _bad("unknown flags of a path")
    flags = int(text[0])
    if flags & 1:
        return flags > 1, text[1:]
    if text[1] != "0":
        raise _bad("padding of a path that is not zero")
    return flags > 1, text[2:]


def _account(record: bytes) -> tuple[bytes, bytes]:
    """(storage root, code hash) of an account: exactly nonce, balance, storage root, code hash."""
    items = _list(record)
    if len(items) != 4:
        raise _bad(f"an account of {len(items)} items")
    for item, size in ((items[0], 8), (items[1], WORD)):
        if item.is_list or len(item.content) > size or item.content[:1] == b"\0":
            raise _bad("not a minimal number")
    return _hash(items[2]), _hash(items[3])


def _scalar(data: bytes, size: int) -> bytes:
    """The bytes of a number that stands alone, without leading zeros."""
    item = read_item(data, 0, Code.BadStateProof)
    if item.size != len(data) or item.is_list or len(item.content) > size or item.content[:1] == b"\0":
        raise _bad("not a minimal number")
    return item.content


def _hash(item: Item) -> bytes:
    if item.is_list or len(item.content) != WORD:
        raise _bad("no hash where one is due")
    return item.content


def _string(item: Item) -> bytes:
    if item.is_list:
        raise _bad("a list where a string is due")
    return item.content


def _list(data: bytes) -> list[Item]:
    """The items of a list that is all of `data`."""
    return read_list(data, Code.BadStateProof)


def _bad(detail: str) -> Refused:
    return Refused(Code.BadStateProof, "state proof", detail)


def _encode_nodes(nodes: Sequence[bytes]) -> bytes:
    if len(nodes) > MAX_NODES or any(len(node) > MAX_NODE for node in nodes):
        raise Refused(Code.Oversize, "state proof", f"at most {MAX_NODES} nodes of at most {MAX_NODE} bytes")
    return bytes([len(nodes)]) + b"".join(len(node).to_bytes(2, "big") + node for node in nodes)


def _decode_nodes(data: bytes, at: int) -> tuple[tuple[bytes, ...], int]:
    """(nodes, where they end). What is cut off ends beyond the data, and `decode` refuses it."""
    if at >= len(data):
        raise Refused(Code.Malformed, "state proof", "cut off")
    count, at = data[at], at + 1
    if count > MAX_NODES:
        raise Refused(Code.Oversize, "state proof", f"{count} nodes of at most {MAX_NODES}")
    nodes = []
    for _ in range(count):
        length, at = int.from_bytes(data[at : at + 2], "big"), at + 2
        if length > MAX_NODE:
            raise Refused(Code.Oversize, "state proof", f"a node of {length} bytes")
        nodes.append(data[at : at + length])
        at += length
    return tuple(nodes), at


__all__ = [
    "COMMITMENT_SLOT",
    "MAX_NODE",
    "MAX_NODES",
    "StateProof",
    "outbox_commitment",
    "proven_contract",
    "proven_slot",
]
