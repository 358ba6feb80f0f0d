"""Between the library's values and the tuples of the contracts' ABI.

`eth_abi` gives structs as tuples and addresses as 0x strings; a Python struct has the fields of its Solidity twin in
the same order, so both ways are generic. CMT1's proof is packed as `CommitteeProof.sol` says, and not ABI-encoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TypeVar, cast

from eth_abi.abi import encode

from poft.protocol.errors import Code, Refused
from poft.protocol.statements import Membership, Signed, Update, Verdict, Vote
from poft.protocol.structs import Struct
from poft.verification.receive import PacketProof
from poft.verification.schemes.cmt1 import CommitteeGenesis, CommitteeProof

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


def encode_genesis(genesis: CommitteeGenesis) -> bytes:
    """`abi.encode(uint64 epoch, address[] members, bool smallCommittee)`."""
    return encode(["uint64", "address[]", "bool"], [genesis.epoch, list(genesis.members), genesis.small_committee])


def encode_proof(proof: CommitteeProof) -> bytes:
    """A CMT1 proof as `Committees.decode` reads it; what does not fit its fields is `Malformed`."""
    said = proof.statement
    signatures = b"".join(proof.signatures)
    head = (
        (said.epoch, 8),
        (said.height, 8),
        (said.block_hash, 32),
        (said.state_root, 32),
        (said.outbox_size, 8),
        (said.outbox_root, 32),
        (said.timestamp, 8),
        (said.next_committee, 32),
        (proof.bitmap, 8),
        (len(proof.members), 1),
        (len(proof.signatures), 1),
        (len(signatures), 2),
        (len(proof.next_members), 1),
        (len(proof.consistency), 1),
    )
    lists = (*_sized(proof.members, 20), signatures, *_sized(proof.next_members, 20), *_sized(proof.consistency, 32))
    return b"".join(_packed(value, width) for value, width in head) + b"".join(lists)


def _packed(value: int | bytes, width: int) -> bytes:
    if isinstance(value, bytes):
        return _sized([value], width)[0]
    if not 0 <= value < 1 << 8 * width:
        raise Refused(Code.Malformed, "proof", f"{value} does not fit {width} bytes")
    return value.to_bytes(width, "big")


def _sized(parts: Sequence[bytes], width: int) -> Sequence[bytes]:
    for part in parts:
        if len(part) != width:
            raise Refused(Code.Malformed, "proof", f"{len(part)} bytes where {width} are due")
    return parts
