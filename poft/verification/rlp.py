"""RLP, read strictly: one encoding for each value, nothing left over (Yellow Paper, appendix B).

Whoever reads says with which code it refuses: the nodes of a trie and the fields of a header offend different rules.

Twin: `primitives/src/rlp.rs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from poft.protocol.errors import Code, Refused


class Item(NamedTuple):
    """One item: a string's bytes, or a list's encoded items. `size` counts its header as well."""

    is_list: bool
    content: bytes
    size: int


def read_item(data: bytes, at: int, code: Code) -> Item:
    """The item that begins at `at`, in its shortest encoding.

    Raises:
        Refused: `code`.
    """
    if at >= len(data):
        raise Refused(code, "RLP", "no item")
    first = data[at]
    if first < 0x80:
        return Item(False, data[at : at + 1], 1)
    is_list = first >= 0xC0
    kind, start = first - (0xC0 if is_list else 0x80), at + 1
    if kind <= 55:
        length = kind
    else:
        start += kind - 55
        digits = data[at + 1 : start]
        length = int.from_bytes(digits, "big")
        if digits[:1] in (b"", b"\0") or length <= 55:
            raise Refused(code, "RLP", "a length that is not minimal")
    content = data[start : start + length]
    if len(content) != length or (not is_list and length == 1 and content[0] < 0x80):
        raise Refused(code, "RLP", "cut off, or a byte that needs no header")
    return Item(is_list, content, start - at + length)


def read_items(content: bytes, code: Code) -> list[Item]:
    """The items that make up a list's content.

    Raises:
        Refused: `code`.
    """
    items, at = [], 0
    while at < len(content):
        items.append(read_item(content, at, code))
        at += items[-1].size
    return items


def read_list(data: bytes, code: Code) -> list[Item]:
    """The items of a list that is all of `data`.

    Raises:
        Refused: `code`.
    """
    whole = read_item(data, 0, code)
    if not whole.is_list or whole.size != len(data):
        raise Refused(code, "RLP", "not one list")
    return read_items(whole.content, code)


def string(content: bytes) -> bytes:
    """A string's encoding."""
    if len(content) == 1 and content[0] < 0x80:
        return content
    return _head(0x80, len(content)) + content


def listed(encoded: Sequence[bytes]) -> bytes:
    """The encoding of a list of items that are encoded already."""
    content = b"".join(encoded)
    return _head(0xC0, len(content)) + content


def _head(kind: int, length: int) -> bytes:
    if length <= 55:
        return bytes([kind + length])
    digits = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([kind + 55 + len(digits)]) + digits


__all__ = ["Item", "listed", "read_item", "read_items", "read_list", "string"]
