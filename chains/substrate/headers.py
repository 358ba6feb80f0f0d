"""Headers as JSON-RPC shows them, and their hash."""

from __future__ import annotations

from poft.protocol.errors import Code, Refused

from .proof import compact
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
