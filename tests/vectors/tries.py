"""Merkle-Patricia tries as an EVM chain has them, small enough to read (Yellow Paper, appendix D).

`tests/unit/test_state_proof.py` holds their roots against py-trie. A forged node is hashed into its parents up to a
root of its own: a forger who chose the root needs no collision, so each rule about nodes has to stand by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

import rlp  # type: ignore[import-untyped]

from poft.protocol.hashing import keccak
from poft.verification.state_proof import StateProof

Rlp = bytes | list["Rlp"]
"""What RLP encodes: strings, and lists of what it encodes."""

CODE_HASH = keccak(b"poft/vector/code")


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a trie: its items, and which of them is the way to the key that the walk is about."""

    items: list[Rlp]
    way: int

    @property
    def encoded(self) -> bytes:
        return encode(self.items)


@dataclass(frozen=True, slots=True)
class Walk:
    """The nodes from a root to a key. Nodes that their parents embed are not listed, as in `eth_getProof`."""

    nodes: tuple[Node, ...]

    @property
    def root(self) -> bytes:
        return keccak(self.nodes[0].encoded)

    @property
    def encoded(self) -> tuple[bytes, ...]:
        return tuple(node.encoded for node in self.nodes)

    def forged(self, level: int, change: Callable[[list[Rlp]], list[Rlp]]) -> Walk:
        """The walk in which the items of one node were changed and every hash above follows."""
        nodes = list(self.nodes)
        level %= len(nodes)
        nodes[level] = replace(nodes[level], items=change(list(nodes[level].items)))
        return Walk(rehashed(nodes, level, keccak(nodes[level].encoded)))


def rehashed(nodes: Sequence[Node], level: int, reference: Rlp) -> tuple[Node, ...]:
    """Nodes whose parents above `level` name what is there now."""
    found = list(nodes)
    for at in reversed(range(level)):
        items = list(found[at].items)
        items[found[at].way] = reference
        found[at] = replace(found[at], items=items)
        reference = keccak(found[at].encoded)
    return tuple(found)


def encode(value: Rlp) -> bytes:
    return bytes(rlp.encode(value))


def number(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def compact(nibbles: str, leaf: bool) -> bytes:
    """Hex-prefix encoding."""
    odd = len(nibbles) % 2
    return bytes.fromhex(f"{2 * leaf + odd:x}" + ("" if odd else "0") + nibbles)


def reference(node: list[Rlp]) -> Rlp:
    """How a parent names a node: by its hash, or by itself when that is shorter."""
    encoded = encode(node)
    return node if len(encoded) < 32 else keccak(encoded)


def walk(trie: Mapping[bytes, bytes], key: bytes) -> Walk:
    """The way to `key` in the trie of these values under these 32-byte keys."""
    _, nodes = _build({k.hex(): v for k, v in trie.items()}, key.hex())
    first, *rest = nodes
    return Walk((first, *(node for node in rest if len(node.encoded) >= 32)))


def _build(entries: Mapping[str, bytes], key: str | None) -> tuple[list[Rlp], list[Node]]:
    """The top node, and the nodes to `key` where it is below; keys are what is left of them."""
    if len(entries) == 1:
        ((path, value),) = entries.items()
        leaf: list[Rlp] = [compact(path, True), value]
        return leaf, [Node(leaf, 1)] if key is not None else []
    shared = 0
    first, last = min(entries), max(entries)
    while first[shared] == last[shared]:
        shared += 1
    if shared:
        child, nodes = _build({k[shared:]: v for k, v in entries.items()}, None if key is None else key[shared:])
        extension: list[Rlp] = [compact(first[:shared], False), reference(child)]
        return extension, [Node(extension, 1), *nodes] if key is not None else []
    branch: list[Rlp] = [b""] * 17
    below: list[Node] = []
    for digit in range(16):
        head = f"{digit:x}"
        inside = {k[1:]: v for k, v in entries.items() if k[0] == head}
        if not inside:
            continue
        follows = key is not None and key[0] == head
        child, nodes = _build(inside, key[1:] if key is not None and follows else None)
        branch[digit] = reference(child)
        below += nodes
    return branch, [Node(branch, int(key[0], 16)), *below] if key is not None else []


def tall(key: bytes, value: bytes, levels: int, rng: Random) -> Walk:
    """The way to `key` in a trie so large that every branch on it is full: what else it holds is drawn."""
    path = key.hex()
    nodes = [Node([compact(path[levels:], True), value], 1)]
    for level in reversed(range(levels)):
        way = int(path[level], 16)
        items: list[Rlp] = [rng.randbytes(32) for _ in range(16)] + [b""]
        items[way] = keccak(nodes[0].encoded)
        nodes.insert(0, Node(items, way))
    return Walk(tuple(nodes))


def account_record(storage_root: bytes, nonce: int = 1, balance: int = 10**18) -> bytes:
    return encode([number(nonce), number(balance), storage_root, CODE_HASH])


@dataclass(frozen=True, slots=True)
class World:
    """A chain's state as far as one slot of one account is concerned."""

    account: bytes
    slot: bytes
    accounts: Walk
    storage: Walk

    @property
    def proof(self) -> StateProof:
        return StateProof(self.accounts.encoded, self.storage.encoded)

    def with_storage(self, storage: Walk) -> World:
        """The account's storage became this, and the account's record says so."""
        return replace(self.with_storage_root(storage.root), storage=storage)

    def with_storage_root(self, root: bytes) -> World:
        """The account's record names this storage root."""

        def follow(items: list[Rlp]) -> list[Rlp]:
            value = items[1]
            assert isinstance(value, bytes)
            nonce, balance, _, code = rlp.decode(value)
            return [items[0], encode([nonce, balance, root, code])]

        return replace(self, accounts=self.accounts.forged(-1, follow))

    def with_raw(self, part: str, level: int, encoded: bytes) -> tuple[bytes, StateProof]:
        """The state root, and the proof, of a world in which the bytes of one node are these. Every hash fits."""
        nodes = (self.storage if part == "storage" else self.accounts).nodes
        level %= len(nodes)
        listed = [node.encoded for node in rehashed(nodes, level, keccak(encoded))]
        listed[level] = encoded
        if part == "account":
            return keccak(listed[0]), StateProof(tuple(listed), self.proof.storage)
        top = self.with_storage_root(keccak(listed[0])).accounts
        return top.root, StateProof(top.encoded, tuple(listed))

    def with_record(self, record: bytes) -> World:
        return replace(self, accounts=self.accounts.forged(-1, lambda items: [items[0], record]))


def world(
    seed: int,
    accounts: int = 17,
    slots: int = 9,
    value: bytes | None = None,
    near_accounts: Sequence[int] = (),
    near_slots: Sequence[int] = (),
    account: bytes | None = None,
    slot: bytes | None = None,
) -> World:
    """A world of so many accounts, and slots in the account in question. `near_*`: for each number, one more key that
    shares so many nibbles with the one in question."""
    rng = Random(seed)
    account, slot = account or rng.randbytes(20), slot or rng.randbytes(32)
    value = value or rng.randbytes(31) + b"\1"
    key = keccak(slot)
    storage = {rng.randbytes(32): encode(number(rng.getrandbits(200) + 1)) for _ in range(slots - 1)}
    # A sibling that is short enough to be embedded in its parent holds a small number.
    storage |= {near(key, shared): encode(number(7)) for shared in near_slots}
    storage[key] = encode(value.lstrip(b"\0"))
    down = walk(storage, key)
    top = keccak(account)
    state = {rng.randbytes(32): account_record(rng.randbytes(32), rng.getrandbits(8)) for _ in range(accounts - 1)}
    state |= {near(top, shared): account_record(rng.randbytes(32), 0, 0) for shared in near_accounts}
    state[top] = account_record(down.root)
    return World(account, slot, walk(state, top), down)


def near(key: bytes, shared: int) -> bytes:
    """A key that differs from this one in the nibble after the shared ones."""
    nibbles = key.hex()
    other = f"{int(nibbles[shared], 16) ^ 1:x}"
    return bytes.fromhex(nibbles[:shared] + other + nibbles[shared + 1 :])
