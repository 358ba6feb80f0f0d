"""Signed statements as JSON: what an attestor serves and a relayer reads. Integers as decimal strings, bytes as 0x hex.

    {"domain": 0x.., "attestor": 0x.., "statements": [
        {"epoch": "1", "height": "20", ..., "nextMembers": [], "signature": 0x..}]}

A relayer believes none of it: `read_page` bounds and types everything, and signatures are verified before use.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields

from poft.protocol.errors import Code, Refused
from poft.protocol.finality import MAX_COMMITTEE, Finality
from poft.protocol.hashing import U64_MAX

PAGE = 64
"""Statements in one page."""
MAX_PAGE_BYTES = 256 << 10
"""64 statements of about 900 bytes, and a next committee of 64 members (2,900 bytes) in a few of them."""

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,19}")
_HEX = re.compile(r"0x(?:[0-9a-f]{2})*")


@dataclass(frozen=True, slots=True)
class Attestation:
    """A statement with one attestor's signature. `next_members` only where the statement hands over."""

    statement: Finality
    signature: bytes
    next_members: tuple[bytes, ...] = ()


def write_page(domain: bytes, attestor: bytes, attestations: Sequence[Attestation]) -> bytes:
    """A page as UTF-8 JSON."""
    record = {
        "domain": _hex(domain),
        "attestor": _hex(attestor),
        "statements": [
            {
                **_statement(attestation.statement),
                "nextMembers": [_hex(member) for member in attestation.next_members],
                "signature": _hex(attestation.signature),
            }
            for attestation in attestations
        ],
    }
    return json.dumps(record, separators=(",", ":")).encode()


def read_page(domain: bytes, data: bytes) -> list[Attestation]:
    """The attestations in a stranger's page about the chain with this domain.

    Raises:
        Refused: Oversize, Malformed, WrongDomain.
    """
    if len(data) > MAX_PAGE_BYTES:
        raise Refused(Code.Oversize, "page", f"more than {MAX_PAGE_BYTES} bytes")
    try:
        record: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Refused(Code.Malformed, "page", "not JSON") from error
    if not isinstance(record, dict):
        raise Refused(Code.Malformed, "page", "an object is due")
    if _bytes(record.get("domain"), 32, "domain") != domain:
        raise Refused(Code.WrongDomain, "page", "statements about another chain")
    return [_attestation(item) for item in _list(record.get("statements"), PAGE, "statements")]


def _statement(statement: Finality) -> dict[str, str]:
    values = (getattr(statement, field.name) for field in fields(Finality))
    return {
        name: _hex(value) if isinstance(value, bytes) else str(value)
        for (name, _), value in zip(Finality.fields(), values, strict=True)
    }


def _attestation(item: object) -> Attestation:
    if not isinstance(item, dict):
        raise Refused(Code.Malformed, "statement", "an object is due")
    values = [
        _bytes(item.get(name), 32, name) if kind == "bytes32" else _integer(item.get(name), name)
        for name, kind in Finality.fields()
    ]
    members = _list(item.get("nextMembers"), MAX_COMMITTEE, "nextMembers")
    return Attestation(
        Finality(*values),  # type: ignore[arg-type]
        _bytes(item.get("signature"), 65, "signature"),
        tuple(_bytes(member, 20, "nextMembers") for member in members),
    )


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _integer(value: object, name: str) -> int:
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value) or int(value) > U64_MAX:
        raise Refused(Code.Malformed, name, "a uint64 as a decimal string is due")
    return int(value)


def _bytes(value: object, size: int, name: str) -> bytes:
    if not isinstance(value, str) or len(value) != 2 + 2 * size or not _HEX.fullmatch(value):
        raise Refused(Code.Malformed, name, f"{size} bytes as 0x hex are due")
    return bytes.fromhex(value[2:])


def _list(value: object, bound: int, name: str) -> list[object]:
    if not isinstance(value, list):
        raise Refused(Code.Malformed, name, "a list is due")
    if len(value) > bound:
        raise Refused(Code.Oversize, name, f"{len(value)} of at most {bound}")
    return value
