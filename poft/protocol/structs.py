"""Hashing of flat structs as EIP-712 does it: type hash, then one word a field (docs/protocol.md sections 2, 5, 6).

A struct is a frozen dataclass whose annotations name the ABI types; the type string is derived from them and equals
the one in the protocol, which `tests/unit/test_protocol.py` checks against the text. Only types of one word exist here.
"""

from __future__ import annotations

import re
from dataclasses import fields
from functools import cache
from typing import Annotated, ClassVar, cast, get_args, get_origin, get_type_hints

from .errors import Code, Refused
from .hashing import (
    WORD,
    keccak,
    read_uint,
    word_address,
    word_bytes32,
    word_uint,
)

U8 = Annotated[int, "uint8"]
U32 = Annotated[int, "uint32"]
U64 = Annotated[int, "uint64"]
Bytes32 = Annotated[bytes, "bytes32"]
Address = Annotated[bytes, "address"]

_UINT = re.compile(r"uint(\d+)")


class Struct:
    """A flat EIP-712 struct. Subclasses are frozen dataclasses whose fields are the annotated types above."""

    NAME: ClassVar[str] = ""
    """Name in the type string where it differs from the class's."""

    __slots__ = ()

    @classmethod
    def fields(cls) -> tuple[tuple[str, str], ...]:
        """(camelCase name, ABI type) of every field, in order."""
        return _abi_fields(cls)  # type: ignore[arg-type]  # mypy takes a class for unhashable

    @classmethod
    def type_string(cls) -> str:
        """The EIP-712 type, e.g. `Vote(bytes32 federation,...)`."""
        return (cls.NAME or cls.__name__) + "(" + ",".join(f"{t} {n}" for n, t in cls.fields()) + ")"

    @classmethod
    def type_hash(cls) -> bytes:
        """keccak of the type string."""
        return _type_hash(cls)  # type: ignore[arg-type]

    def encode(self) -> bytes:
        """`abi.encode` of the fields, one word each; refuses values outside of their type (`Malformed`)."""
        return b"".join(
            _word(getattr(self, field.name), kind, name)
            for field, (name, kind) in zip(fields(self), self.fields(), strict=True)  # type: ignore[arg-type]
        )

    def struct_hash(self) -> bytes:
        """EIP-712 `hashStruct`: keccak(typeHash ‖ encoded fields)."""
        return keccak(self.type_hash() + self.encode())


@cache
def _abi_fields(cls: type[object]) -> tuple[tuple[str, str], ...]:
    hints = get_type_hints(cls, include_extras=True)
    result = []
    for field in fields(cls):  # type: ignore[arg-type]
        hint = hints[field.name]
        if get_origin(hint) is not Annotated:
            raise TypeError(f"{cls.__name__}.{field.name} has no ABI type")
        head, *rest = field.name.split("_")
        result.append((head + "".join(part.capitalize() for part in rest), str(get_args(hint)[1])))
    return tuple(result)


@cache
def _type_hash(cls: type[object]) -> bytes:
    return keccak(cast(type[Struct], cls).type_string().encode())


def _word(value: int | bytes, kind: str, name: str) -> bytes:
    if isinstance(value, bytes):
        return word_address(value, name) if kind == "address" else word_bytes32(value, name)
    match = _UINT.fullmatch(kind)
    if match is None:
        raise Refused(Code.Malformed, name, f"an integer where {kind} is due")
    return word_uint(value, int(match[1]), name)


def decode_fields(cls: type[Struct], words: list[bytes]) -> list[int | bytes]:
    """The field values in these words, one word a field; dirty padding is refused (`Malformed`)."""
    values: list[int | bytes] = []
    for (name, kind), word in zip(cls.fields(), words, strict=True):
        if kind == "bytes32":
            values.append(word)
        elif kind == "address":
            if any(word[:12]):
                raise Refused(Code.Malformed, name, "dirty address padding")
            values.append(word[12:])
        else:
            values.append(read_uint(word, int(kind.removeprefix("uint")), name))
    if any(len(word) != WORD for word in words):
        raise Refused(Code.Malformed, cls.__name__, "not whole words")
    return values
