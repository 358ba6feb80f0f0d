"""Vectors of state proofs: honest tries, and every way to lie about one (docs/protocol.md section 11, "State proofs").

Every hash of a forged proof fits, but where the case is about a hash (`tries.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from poft.protocol.hashing import keccak
from poft.verification.state_proof import MAX_NODE, StateProof, proven_slot

from .tries import CODE_HASH, Node, Rlp, Walk, World, account_record, compact, encode, number, rehashed, world


@dataclass(frozen=True, slots=True)
class Question:
    """What a case asks: the word in a slot of an account under a state root, by these bytes."""

    state_root: bytes
    account: bytes
    slot: bytes
    proof: bytes

    def answer(self) -> dict[str, bytes]:
        return {"value": proven_slot(self.state_root, self.account, self.slot, StateProof.decode(self.proof))}


Named = tuple[str, Question]


def ask(of: World, proof: StateProof | bytes | None = None) -> Question:
    """The question that this world's proof, or another one, answers."""
    given = proof if proof is not None else of.proof
    data = given if isinstance(given, bytes) else packed(given)
    return Question(of.accounts.root, of.account, of.slot, data)


def packed(proof: StateProof) -> bytes:
    """`StateProof.encode` without its bounds."""
    return b"".join(
        bytes([len(nodes)]) + b"".join(len(node).to_bytes(2, "big") + node for node in nodes)
        for nodes in (proof.account, proof.storage)
    )


def questions() -> Iterator[Named]:
    """Every case of `state_proof.json` about a proof alone."""
    yield from _honest()
    base = world(100, 4, 3)
    yield from _encodings(base)
    yield from _nodes(base)
    yield from _absences(base)
    for part in ("account", "storage"):
        yield from _forged_nodes(part)
        yield from _raw_nodes(part)
    yield from _records(base)
    yield from _values(base)


def _honest() -> Iterator[Named]:
    for accounts in (1, 2, 17, 300):
        for slots in (1, 2, 9, 200):
            yield f"slot_{accounts}_accounts_{slots}_slots", ask(world(accounts * 1000 + slots, accounts, slots))
    yield "slot_below_extensions", ask(world(1, 3, 3, near_accounts=[5, 20], near_slots=[7, 33]))
    yield "slot_beside_embedded_leaf", ask(world(2, near_slots=[56]))
    yield "slot_beside_embedded_branch", ask(_beside_embedded_branch())
    yield "slot_below_extensions_of_55_bytes", ask(world(111, 1, 1, near_accounts=[40], near_slots=[40]))
    yield "slot_at_last_nibble", ask(world(3, near_accounts=[62], near_slots=[62]))
    yield "slot_at_empty_path", ask(world(4, near_accounts=[63], near_slots=[63]))
    # A node a nibble but for the last one, which its leaf has: 64 nodes.
    yield "slot_as_deep_as_can_be", ask(world(5, 1, 1, near_accounts=range(63), near_slots=range(63)))
    for name, value in (
        ("one", b"\1"),
        ("largest_single_byte", b"\x7f"),
        ("smallest_with_header", b"\x80"),
        ("a_leading_zero", bytes([0]) + b"\xff" * 31),
        ("largest", b"\xff" * 32),
    ):
        yield f"slot_holds_{name}", ask(world(6, value=value))
    for name, nonce, balance in (("poor", 0, 0), ("rich", 2**64 - 1, 2**256 - 1)):
        made = world(7)
        yield f"slot_of_a_{name}_account", ask(made.with_record(account_record(made.storage.root, nonce, balance)))


def _beside_embedded_branch() -> World:
    """Beside the way lies a branch so short that its parent embeds it: two leaves of one nibble and one byte each."""
    made = world(8, near_slots=[61])

    def put(items: list[Rlp]) -> list[Rlp]:
        small: list[Rlp] = [b""] * 17
        small[3], small[9] = [compact("1", True), b"\5"], [compact("2", True), b"\6"]
        at = next(i for i, item in enumerate(items) if isinstance(item, list))
        items[at] = small
        return items

    level = next(i for i, n in enumerate(made.storage.nodes) if any(isinstance(item, list) for item in n.items))
    return made.with_storage(made.storage.forged(level, put))


def _encodings(base: World) -> Iterator[Named]:
    """The packed form: cut off, too much, too large."""
    whole = packed(base.proof)
    first = 3 + len(base.proof.account[0])
    for at in (0, 1, 2, 3, first - 1, first, len(whole) - 1):
        yield f"packed_cut_at_{at}", ask(base, whole[:at])
    yield "packed_trailing_byte", ask(base, whole + b"\0")
    yield "packed_trailing_walk", ask(base, whole + b"\0\0")
    yield "oversize_nodes_account", ask(base, b"\x41" + whole[1:])
    storage_at = len(packed(StateProof(base.proof.account, ()))) - 1
    yield "oversize_nodes_storage", ask(base, whole[:storage_at] + b"\x41" + whole[storage_at + 1 :])
    large = bytes(MAX_NODE + 1)
    yield "oversize_node_account", ask(base, StateProof((large, *base.proof.account), base.proof.storage))
    yield "oversize_node_storage", ask(base, StateProof(base.proof.account, (*base.proof.storage, large)))
    yield "oversize_node_cut", ask(base, b"\1\xff\xff")


def _nodes(base: World) -> Iterator[Named]:
    """Honest nodes, put together wrongly."""
    proof, other = base.proof, world(101)
    yield "wrong_root", replace(ask(base), state_root=other.accounts.root)
    yield "wrong_root_zero", replace(ask(base), state_root=bytes(32))
    yield "wrong_path_other_account", replace(ask(base), account=other.account)
    yield "wrong_path_other_slot", replace(ask(base), slot=other.slot)
    yield "wrong_path_walks_swapped", ask(base, StateProof(proof.storage, proof.account))
    yield "wrong_path_storage_of_another_account", ask(base, StateProof(proof.account, other.proof.storage))
    yield "wrong_path_account_of_another_state", ask(base, StateProof(other.proof.account, proof.storage))
    for part in ("account", "storage"):
        nodes: tuple[bytes, ...] = getattr(proof, part)

        def with_nodes(changed: Sequence[bytes], part: str = part) -> Question:
            return ask(base, replace(proof, **{part: tuple(changed)}))

        yield f"missing_all_{part}", with_nodes(())
        for level in range(len(nodes)):
            flipped = bytes([nodes[level][0]]) + bytes([nodes[level][1] ^ 1]) + nodes[level][2:]
            late = nodes[level][:-1] + bytes([nodes[level][-1] ^ 1])
            yield f"flipped_{level}_{part}", with_nodes([*nodes[:level], flipped, *nodes[level + 1 :]])
            yield f"flipped_late_{level}_{part}", with_nodes([*nodes[:level], late, *nodes[level + 1 :]])
            yield f"missing_{level}_{part}", with_nodes([*nodes[:level], *nodes[level + 1 :]])
            yield f"extra_repeated_{level}_{part}", with_nodes([*nodes[: level + 1], *nodes[level:]])
        yield f"extra_after_leaf_{part}", with_nodes([*nodes, nodes[0]])
        yield f"extra_empty_after_leaf_{part}", with_nodes([*nodes, b""])
        yield f"extra_empty_before_root_{part}", with_nodes([b"", *nodes])
        yield f"reversed_{part}", with_nodes(nodes[::-1])


def _absences(base: World) -> Iterator[Named]:
    """A proof that there is nothing, offered as one that there is."""
    empty = keccak(encode(b""))
    yield "absence_no_accounts", replace(ask(base, StateProof((encode(b""),), ())), state_root=empty)
    yield (
        "absence_no_storage",
        ask(emptied := base.with_record(account_record(empty)), StateProof(emptied.proof.account, (encode(b""),))),
    )
    yield "absence_no_storage_no_nodes", ask(emptied, StateProof(emptied.proof.account, ()))

    def hollow(items: list[Rlp]) -> list[Rlp]:
        return [b"" if i == branch.way else item for i, item in enumerate(items)]

    level = max(i for i, node in enumerate(base.storage.nodes) if len(node.items) == 17)
    branch = base.storage.nodes[level]
    hollowed = base.with_storage(Walk(base.storage.nodes[: level + 1]).forged(level, hollow))
    yield "absence_empty_child", ask(hollowed)
    yield (
        "absence_empty_child_then_leaf",
        ask(hollowed, StateProof(hollowed.proof.account, (*hollowed.proof.storage, base.proof.storage[-1]))),
    )
    lone = world(102, 1, 1)
    yield "absence_other_leaf", replace(ask(lone), slot=base.slot)
    extended = world(103, 2, 1, near_slots=[9])
    yield "absence_beside_extension", replace(ask(extended), slot=base.slot)
    yield "absence_zero_stored", ask(base.with_storage(base.storage.forged(-1, lambda items: [items[0], encode(b"")])))


def _place(part: str, of: World, walked: Walk) -> Question:
    """The question in a world whose account or storage trie was forged."""
    return ask(of.with_storage(walked)) if part == "storage" else ask(replace(of, accounts=walked))


def _forged_nodes(part: str) -> Iterator[Named]:
    """Well-formed RLP that is no node of a trie, or of another one. Every hash fits."""
    base = world(104, 1, 1, near_accounts=[0], near_slots=[0])
    deep = world(105, 1, 1, near_accounts=[4], near_slots=[4])
    odd = world(106, 1, 1, near_accounts=[5], near_slots=[5])
    last = world(107, 1, 1, near_accounts=[63], near_slots=[63])

    def of(made: World) -> Walk:
        return made.storage if part == "storage" else made.accounts

    def forge(made: World, level: int, change: Callable[[list[Rlp]], list[Rlp]]) -> Question:
        return _place(part, made, of(made).forged(level, change))

    def path_head(change: Callable[[int], int]) -> Callable[[list[Rlp]], list[Rlp]]:
        def changed(items: list[Rlp]) -> list[Rlp]:
            path = items[0]
            assert isinstance(path, bytes)
            return [bytes([change(path[0])]) + path[1:], *items[1:]]

        return changed

    # `deep` is extension (4 nibbles, even), branch, leaf (59, odd); `odd` extension (5, odd), branch, leaf (58, even).
    for flags in range(4, 16):
        yield f"flags_{flags}_leaf_{part}", forge(deep, -1, path_head(lambda head, f=flags: f << 4 | head & 15))
        yield f"flags_{flags}_extension_{part}", forge(odd, 0, path_head(lambda head, f=flags: f << 4 | head & 15))
    yield f"flags_leaf_as_extension_{part}", forge(deep, -1, path_head(lambda head: head & 0x1F))
    yield f"flags_extension_as_leaf_{part}", forge(deep, 0, path_head(lambda head: head | 0x20))
    for padding in (1, 8, 15):
        yield f"padding_{padding}_leaf_{part}", forge(odd, -1, path_head(lambda head, p=padding: head | p))
        yield f"padding_{padding}_extension_{part}", forge(deep, 0, path_head(lambda head, p=padding: head | p))
    yield f"parity_odd_as_even_leaf_{part}", forge(deep, -1, path_head(lambda head: head ^ 0x10))
    yield f"parity_even_as_odd_leaf_{part}", forge(odd, -1, path_head(lambda head: head ^ 0x10))
    yield f"parity_odd_as_even_extension_{part}", forge(odd, 0, path_head(lambda head: head ^ 0x10))
    yield f"parity_even_as_odd_extension_{part}", forge(deep, 0, path_head(lambda head: head ^ 0x10))
    for name, path in (
        ("nothing", b""),
        ("a_list", []),
        ("no_nibbles", compact("", True)),
        ("one_nibble_less", compact("0" * 58, True)),
        ("65_nibbles", compact("0" * 65, True)),
        ("80_nibbles", compact("0" * 80, True)),
        ("zeros", compact("0" * 59, True)),
    ):
        yield f"path_of_{name}_leaf_{part}", forge(deep, -1, lambda items, p=path: [p, *items[1:]])
    for name, path in (("nothing", b""), ("a_list", []), ("other_nibbles", compact("0000", False))):
        yield f"path_of_{name}_extension_{part}", forge(deep, 0, lambda items, p=path: [p, *items[1:]])
    nodes = of(deep).nodes
    blank: list[Rlp] = [compact("", False), keccak(nodes[0].encoded)]
    yield f"empty_extension_{part}", _place(part, deep, Walk((Node(blank, 1), *nodes)))
    below: list[Rlp] = [compact("", False), keccak(nodes[2].encoded)]
    inserted = (*nodes[:2], Node(below, 1), nodes[2])
    yield f"empty_extension_below_{part}", _place(part, deep, Walk(rehashed(inserted, 2, keccak(encode(below)))))

    # Value in a branch: of a key that ends there, which no key does, and beside the way.
    value = nodes[-1].items[1]
    yield f"branch_value_{part}", forge(base, 0, lambda items: [*items[:16], value])
    yield f"branch_value_byte_{part}", forge(base, 0, lambda items: [*items[:16], b"\1"])
    yield f"branch_value_list_{part}", forge(base, 0, lambda items: [*items[:16], []])
    full: list[Rlp] = [*([b""] * 16), of(last).nodes[-1].items[1]]
    ending = (*of(last).nodes[:-1], Node(full, 16))
    yield f"branch_value_at_key_{part}", _place(part, last, Walk(rehashed(ending, 2, keccak(encode(full)))))
    deeper: list[Rlp] = [keccak(of(last).nodes[-1].encoded)] * 16 + [b""]
    too_deep = (*of(last).nodes[:-1], Node(deeper, 0), of(last).nodes[-1])
    yield f"branch_below_key_{part}", _place(part, last, Walk(rehashed(too_deep, 2, keccak(encode(deeper)))))
    for name, child in (
        ("of_1_byte", b"\1"),
        ("of_31_bytes", bytes(31)),
        ("of_33_bytes", bytes(33)),
        ("list_of_32_bytes", [bytes(30)]),
        ("list_of_60_bytes", [bytes(57)]),
    ):

        def beside(items: list[Rlp], child: Rlp = child) -> list[Rlp]:
            at = next(i for i in range(16) if i != of(base).nodes[0].way and items[i] == b"")
            return [child if i == at else item for i, item in enumerate(items)]

        yield f"child_{name}_{part}", forge(base, 0, beside)
        on_way = of(base).nodes[0].way
        yield (
            f"child_on_way_{name}_{part}",
            forge(base, 0, lambda items, c=child, w=on_way: [c if i == w else item for i, item in enumerate(items)]),
        )
    embedded: Rlp = [bytes(29)]
    yield (
        f"child_list_of_31_bytes_{part}",
        forge(base, 0, lambda items: [embedded if item == b"" else item for item in items[:16]] + items[16:]),
    )
    for count in (0, 1, 3, 16, 18):
        yield f"items_{count}_{part}", forge(base, 0, lambda items, c=count: [*items, b""][:c])

    # A node on the way that its parent embeds. No honest leaf is that short: its value alone has 32 bytes.
    long: list[Rlp] = [compact(_tail(deep, part, 5), True), b"\1"]
    yield f"embedded_leaf_too_long_{part}", _place(part, deep, _embedding(nodes, long))
    yield f"embedded_leaf_of_another_key_{part}", _place(part, deep, _embedding(nodes, [compact("5", True), b"\1"]))
    at_end = world(108, 1, 1, near_accounts=[62], near_slots=[62])
    tiny: list[Rlp] = [compact(_tail(at_end, part, 63), True), b"\1"]
    unlisted = _embedding(of(at_end).nodes, tiny)
    yield f"embedded_leaf_{part}", _place(part, at_end, unlisted)
    yield f"embedded_leaf_listed_{part}", _place(part, at_end, Walk((*unlisted.nodes, Node(tiny, 1))))
    yield f"target_of_extension_empty_{part}", forge(deep, 0, lambda items: [items[0], b""])
    yield f"target_of_extension_list_{part}", forge(deep, 0, lambda items: [items[0], [b"\1"]])
    yield f"target_of_extension_short_{part}", forge(deep, 0, lambda items: [items[0], bytes(31)])
    yield f"value_list_{part}", forge(deep, -1, lambda items: [items[0], [items[1]]])
    yield f"value_empty_{part}", forge(deep, -1, lambda items: [items[0], b""])
    yield f"value_hash_of_a_leaf_{part}", forge(deep, -1, lambda items: [items[0], keccak(encode(items))])


def _tail(of: World, part: str, taken: int) -> str:
    return keccak(of.slot if part == "storage" else of.account).hex()[taken:]


def _embedding(nodes: Sequence[Node], child: list[Rlp]) -> Walk:
    """The walk whose last branch has `child` itself where the hash of the leaf was."""
    *above, branch, _ = nodes
    items = [child if i == branch.way else item for i, item in enumerate(branch.items)]
    kept = (*above, Node(items, branch.way))
    return Walk(rehashed(kept, len(kept) - 1, keccak(encode(items))))


def _raw_nodes(part: str) -> Iterator[Named]:
    """Bytes that a lax reader takes for the same node: RLP that is not minimal, not whole, or followed by more."""
    base = world(109, 1, 1, near_accounts=[4], near_slots=[4])
    walked = base.storage if part == "storage" else base.accounts
    extension, branch, *_, leaf = walked.nodes
    path, value = leaf.items
    assert isinstance(path, bytes) and isinstance(value, bytes)

    def raw(level: int, encoded: bytes) -> Question:
        """The question in which the bytes of one node are these."""
        root, proof = base.with_raw(part, level, encoded)
        return Question(root, base.account, base.slot, packed(proof))

    def listed(payload: bytes) -> bytes:
        return (bytes([0xC0 + len(payload)]) if len(payload) < 56 else _long(0xF7, payload)) + payload

    for name, node, level in (("extension", extension, 0), ("branch", branch, 1), ("leaf", leaf, -1)):
        encoded, payload = node.encoded, b"".join(map(encode, node.items))
        for size in (1, 2, 3, 8):
            head = bytes([0xF7 + size]) + len(payload).to_bytes(size, "big") if len(payload) >> 8 * size == 0 else b""
            if head and head + payload != encoded:
                yield f"non_minimal_{size}_length_bytes_{name}_{part}", raw(level, head + payload)
        yield f"trailing_byte_{name}_{part}", raw(level, encoded + b"\0")
        yield f"trailing_item_{name}_{part}", raw(level, listed(payload + b"\x80"))
        yield f"trailing_half_item_{name}_{part}", raw(level, listed(payload + b"\xa0"))
        yield f"cut_byte_{name}_{part}", raw(level, encoded[:-1])
        yield f"cut_items_{name}_{part}", raw(level, listed(payload[:-1]))
        yield f"string_for_a_list_{name}_{part}", raw(level, encode(payload))
        for head in (b"\xff" + b"\xff" * 8, b"\xfb\xff\xff\xff\xff", b"\xff" + bytes(7) + b"\1", b"\xf8", b"\xf8\x37"):
            yield f"huge_length_{head.hex()}_{name}_{part}", raw(level, head + payload)
    # 55 bytes are the most that need no length of their own.
    exact = world(111, 1, 1, near_accounts=[40], near_slots=[40])
    top = (exact.storage if part == "storage" else exact.accounts).nodes[0].encoded
    assert top[0] == 0xC0 + 55
    root, proof = exact.with_raw(part, 0, b"\xf8\x37" + top[1:])
    yield f"non_minimal_length_of_55_{part}", Question(root, exact.account, exact.slot, packed(proof))
    yield f"node_of_no_bytes_{part}", raw(-1, b"")
    yield f"node_of_one_byte_{part}", raw(-1, b"\x05")
    yield f"node_empty_string_{part}", raw(-1, b"\x80")
    # Inside a node.
    for name, bad in (
        ("non_minimal_path_long_form", b"\xb8" + bytes([len(path)]) + path + encode(value)),
        ("non_minimal_path_two_length_bytes", b"\xb9\0" + bytes([len(path)]) + path + encode(value)),
        ("non_minimal_value_two_length_bytes", encode(path) + b"\xb9" + len(value).to_bytes(2, "big") + value),
        ("non_minimal_value_eight_length_bytes", encode(path) + b"\xbf" + len(value).to_bytes(8, "big") + value),
        ("huge_length_of_value", encode(path) + b"\xbf" + b"\xff" * 8 + value),
        ("huge_length_of_path", b"\xbf" + b"\xff" * 8 + path + encode(value)),
        ("huge_length_of_value_4_bytes", encode(path) + b"\xbb\xff\xff\xff\xff" + value),
    ):
        yield f"{name}_{part}", raw(-1, listed(bad))
    # A list whose content is what the string should be.
    assert isinstance(extension.items[0], bytes) and isinstance(extension.items[1], bytes)
    yield f"list_for_path_leaf_{part}", raw(-1, listed(listed(path) + encode(value)))
    yield f"list_for_value_{part}", raw(-1, listed(encode(path) + listed(value)))
    yield f"list_for_path_extension_{part}", raw(0, listed(listed(extension.items[0]) + encode(extension.items[1])))
    yield f"list_for_hash_extension_{part}", raw(0, listed(encode(extension.items[0]) + listed(extension.items[1])))
    on_way = branch.items[branch.way]
    assert isinstance(on_way, bytes)
    in_branch = [listed(on_way) if i == branch.way else encode(item) for i, item in enumerate(branch.items)]
    yield f"list_for_hash_branch_{part}", raw(1, listed(b"".join(in_branch)))
    children = [encode(item) for item in branch.items]
    at = next(i for i in range(16) if branch.items[i] == b"")
    for name, bad in (
        ("non_minimal_empty_child", b"\xb8\0"),
        ("non_minimal_zero_byte_child", b"\x81\0"),
        ("non_minimal_hash_child", b"\xb8\x20" + bytes(32)),
        ("non_minimal_list_child", b"\xf8\x02\1\1"),
    ):
        yield f"{name}_{part}", raw(1, listed(b"".join([*children[:at], bad, *children[at + 1 :]])))
    yield f"non_minimal_branch_value_{part}", raw(1, listed(b"".join([*children[:16], b"\xb8\0"])))
    yield (
        f"child_list_that_holds_rubbish_{part}",
        raw(1, listed(b"".join([*children[:at], b"\xc2\xbf\xff", *children[at + 1 :]]))),
    )
    # A path of one byte below 128 needs no header.
    end = world(110, 1, 1, near_accounts=[62], near_slots=[62])
    tip = (end.storage if part == "storage" else end.accounts).nodes[-1]
    alias = listed(b"\x81" + encode(tip.items[0]) + encode(tip.items[1]))
    root, proof = end.with_raw(part, -1, alias)
    yield f"non_minimal_path_byte_{part}", Question(root, end.account, end.slot, packed(proof))


def _long(base: int, payload: bytes) -> bytes:
    size = number(len(payload))
    return bytes([base + len(size)]) + size


def _records(base: World) -> Iterator[Named]:
    """Accounts that are none: exactly nonce, balance, storage root, code hash, each in its shortest form."""
    root = base.storage.root
    one, rich = b"\1", number(10**18)
    good: list[Rlp] = [one, rich, root, CODE_HASH]
    for name, record in (
        ("3_items", good[:3]),
        ("5_items", [*good, b""]),
        ("nothing", []),
        ("nonce_with_leading_zero", [b"\0\1", rich, root, CODE_HASH]),
        ("nonce_zero_byte", [b"\0", rich, root, CODE_HASH]),
        ("nonce_of_9_bytes", [b"\1" * 9, rich, root, CODE_HASH]),
        ("nonce_list", [[], rich, root, CODE_HASH]),
        ("balance_with_leading_zero", [one, b"\0" + rich, root, CODE_HASH]),
        ("balance_of_33_bytes", [one, b"\1" * 33, root, CODE_HASH]),
        ("balance_list", [one, [rich], root, CODE_HASH]),
        ("storage_root_of_31_bytes", [one, rich, root[:31], CODE_HASH]),
        ("storage_root_of_33_bytes", [one, rich, root + b"\0", CODE_HASH]),
        ("storage_root_empty", [one, rich, b"", CODE_HASH]),
        ("storage_root_list", [one, rich, [root], CODE_HASH]),
        ("code_hash_of_31_bytes", [one, rich, root, CODE_HASH[:31]]),
        ("code_hash_empty", [one, rich, root, b""]),
        ("code_hash_list", [one, rich, root, [CODE_HASH]]),
        ("swapped_hashes", [one, rich, CODE_HASH, root]),
    ):
        yield f"account_{name}", ask(base.with_record(encode(record)))
    whole = encode(good)
    payload = b"".join(map(encode, good))
    for name, raw in (
        ("trailing_byte", whole + b"\0"),
        ("non_minimal_length", b"\xf9\0" + bytes([len(payload)]) + payload),
        ("non_minimal_nonce", b"\xf8" + bytes([len(payload) + 1]) + b"\x81" + payload),
        ("cut", whole[:-1]),
        ("string", encode(whole)),
        ("huge_length", b"\xff" + b"\xff" * 8 + payload),
        ("the_storage_root_alone", root),
        ("list_for_nonce", b"\xf8" + bytes([len(payload) + 1]) + b"\xc1" + payload),
        ("list_for_balance", _fields(encode(one), b"\xc8" + rich, encode(root), encode(CODE_HASH))),
        ("list_for_storage_root", _fields(encode(one), encode(rich), b"\xe0" + root, encode(CODE_HASH))),
        ("list_for_code_hash", _fields(encode(one), encode(rich), encode(root), b"\xe0" + CODE_HASH)),
    ):
        yield f"account_{name}", ask(base.with_record(raw))


def _fields(*encoded: bytes) -> bytes:
    """A list of items that are encoded already, 56 bytes and more."""
    payload = b"".join(encoded)
    return _long(0xF7, payload) + payload


def _values(base: World) -> Iterator[Named]:
    """Words that are none."""
    for name, raw in (
        ("leading_zero", encode(b"\0\1")),
        ("zero_byte", b"\0"),
        ("zero_word", encode(bytes(32))),
        ("33_bytes", encode(b"\1" * 33)),
        ("56_bytes", encode(b"\1" * 56)),
        ("list", encode([b"\1"])),
        ("trailing_byte", encode(b"\1" * 32) + b"\0"),
        ("non_minimal_byte", b"\x81\x05"),
        ("non_minimal_length", b"\xb8\x20" + b"\1" * 32),
        ("cut", encode(b"\1" * 32)[:-1]),
        ("huge_length", b"\xbf" + b"\xff" * 8 + b"\1" * 32),
        ("word_without_header", b"\xff" * 32),
        ("list_for_word", b"\xe0" + b"\1" * 32),
    ):
        yield f"word_{name}", ask(base.with_storage(base.storage.forged(-1, lambda items, r=raw: [items[0], r])))
