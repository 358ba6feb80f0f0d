"""Headers as JSON-RPC shows them, their hash, and what their digest says (docs/protocol.md section 7).

Two items are the runtime's own, of the variant `Other`, each exactly once and of exactly its length:

    "POFT" ‖ outbox size u64 little endian ‖ outbox root 32                         44 bytes
    "POFB" ‖ domain 32 ‖ seconds u64 big endian ‖ next committee 32                 76 bytes
"""

from __future__ import annotations

from dataclasses import dataclass

from poft.protocol.errors import Code, Refused

from .proof import OTHER, compact, digest_items
from .rpc import Json
from .runtime import blake2_256, items, octets, record
from .sending import height_of


def header_hash(header: dict[str, Json]) -> bytes:
    """Hash of a header: blake2b-256 of parent, compact number, two roots and the digest."""
    try:
        roots = octets(header["stateRoot"]) + octets(header["extrinsicsRoot"])
        return blake2_256(octets(header["parentHash"]) + compact(height_of(header)) + roots + digest_of(header))
    except KeyError as error:
        raise Refused(Code.EvidenceDisagrees, "header", f"{error} is missing") from error


def digest_of(header: dict[str, Json]) -> bytes:
    """A header's digest in SCALE."""
    logs = [octets(item) for item in items(record(header["digest"])["logs"])]
    return compact(len(logs)) + b"".join(logs)


OUTBOX_TAG, HANDOVER_TAG = b"POFT", b"POFB"
_OUTBOX_BYTES, _HANDOVER_BYTES = 44, 76


@dataclass(frozen=True, slots=True)
class Handover:
    """Whose block it is, when it was made, and the hash of the committee that signs for BEEFY after the current set."""

    domain: bytes
    timestamp: int
    next_committee: bytes


def outbox_item(digest: bytes) -> tuple[int, bytes] | None:
    """(size, root) that a digest commits to, or nothing when it has no item of ours.

    Raises:
        Refused: EvidenceDisagrees, more than one item with our tag, or one of another length.
    """
    item = _only(digest, OUTBOX_TAG, _OUTBOX_BYTES)
    return None if item is None else (int.from_bytes(item[4:12], "little"), item[12:])


def handover_item(digest: bytes) -> Handover | None:
    """What a digest says of domain, time and next committee, or nothing when it has no such item.

    Raises:
        Refused: EvidenceDisagrees, more than one item with our tag, or one of another length.
    """
    item = _only(digest, HANDOVER_TAG, _HANDOVER_BYTES)
    return None if item is None else Handover(item[4:36], int.from_bytes(item[36:44], "big"), item[44:])


def _only(digest: bytes, tag: bytes, length: int) -> bytes | None:
    ours = [item.content for item in digest_items(digest) if item.variant == OTHER and item.content.startswith(tag)]
    if not ours:
        return None
    if len(ours) > 1 or len(ours[0]) != length:
        detail = f"{len(ours)} items {tag.decode()}, the first of {len(ours[0])} bytes"
        raise Refused(Code.EvidenceDisagrees, "digest", detail)
    return ours[0]
