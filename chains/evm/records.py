"""Between the library's values and the tuples of the contracts' ABI.

`eth_abi` gives structs as tuples and addresses as 0x strings; a Python struct has the fields of its Solidity twin in
the same order, so both ways are generic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TypeVar, cast

from poft.protocol.errors import Code, Refused
from poft.protocol.statements import Membership, Signed, Update, Verdict, Vote
from poft.protocol.structs import Struct
from poft.verification.receive import PacketProof

T = TypeVar("T")
S = TypeVar("S", bound=Struct)
Values = tuple[object, ...]


def as_tuple(struct: Struct) -> Values:
    """A struct's fields in order, as eth_abi takes them."""
    return tuple(getattr(struct, field.name) for field in fields(struct))  # type: ignore[arg-type]


def as_struct(cls: type[S], values: object) -> S:
    """The struct in a tuple of eth_abi's."""
    parts = cast(Values, values)
    kinds = [kind for _, kind in cls.fields()]
    return cls(*(address(part) if kind == "address" else part for kind, part in zip(kinds, parts, strict=True)))


def address(value: object) -> bytes:
    """The 20 bytes of an address that eth_abi decoded."""
    return bytes.fromhex(cast(str, value)[2:])


def typed(kind: type[T], value: object) -> T:
    """A decoded value as the type that its ABI type decodes to."""
    if not isinstance(value, kind):
        raise Refused(Code.Malformed, kind.__name__, f"{value!r} came from the ABI")
    return value


def signed_tuples(statements: Sequence[Signed[Update] | Signed[Verdict] | Signed[Vote]]) -> list[Values]:
    """`SignedUpdate[]` and its siblings."""
    return [(signed.index, as_tuple(signed.statement), signed.signature) for signed in statements]


def membership_tuples(statements: Sequence[Signed[Membership]]) -> list[Values]:
    """`SignedMembership[]`."""
    return [(as_tuple(signed.statement), signed.signature) for signed in statements]


def packet_tuples(packets: Sequence[PacketProof]) -> list[Values]:
    """`PacketProof[]`."""
    return [(as_tuple(item.packet), item.payload, item.leaf_index, list(item.proof)) for item in packets]
