"""What a node knows of its validators' BEEFY commitments (docs/protocol.md section 8, BEF1). Nothing is verified here.

- The node keeps the justification with the block: engine `BEEF` among those that `chain_getBlock` gives.
- A header's item `Other("POFB" ‖ domain 32 ‖ seconds u64 ‖ next committee 32)`, 76 bytes, names who signs next.
- The first block of a set lists its members: `Consensus("BEEF", 0x01 ‖ keys of 33 bytes ‖ set id u64)`. Of other blocks
  the state knows them (`BeefyApi_validator_set`), as long as the node has it.
"""

from __future__ import annotations

from collections.abc import Sequence

from coincurve import PublicKey

from poft.protocol.errors import Code, Refused
from poft.protocol.finality import MAX_COMMITTEE
from poft.protocol.signatures import address_of

from .reader import Reader
from .rpc import Json, NodeError, Rpc
from .runtime import items, octets, record
from .sending import height_of

ENGINE = b"BEEF"
_HANDOVER = b"\0\x31\x01POFB"
"""Variant `Other`, the compact length 76, the tag."""
_HANDOVER_BYTES = 3 + 76
_AUTHORITIES_CHANGE = b"\1"
_KEY_BYTES = 33


def committed_height(rpc: Rpc) -> int:
    """The newest block for which the node has a commitment; 0 before the first, and where it has no BEEFY."""
    try:
        head = rpc.ask("beefy_getFinalizedHead")
    except NodeError:
        return 0  # "BEEFY RPC endpoint not ready", or no such method
    return height_of(rpc.record("chain_getHeader", head))


def justifications(endpoints: Sequence[Rpc], height: int) -> list[bytes]:
    """The commitment of a block with its signatures, from each endpoint that has one."""
    found = []
    for rpc in endpoints:
        if (name := rpc.ask("chain_getBlockHash", height)) is None:
            continue
        for pair in items(rpc.record("chain_getBlock", name).get("justifications") or []):
            engine, justification = (_numbers(part) for part in items(pair))
            if engine == ENGINE:
                found.append(justification)
    return found


def next_committee(rpc: Rpc, height: int) -> bytes:
    """Who signs after the set that signs this block.

    Raises:
        Refused: EvidenceDisagrees, its header does not say it exactly once.
    """
    said = [log for log in _logs(rpc, rpc.text("chain_getBlockHash", height)) if log.startswith(_HANDOVER)]
    if len(said) != 1 or len(said[0]) != _HANDOVER_BYTES:
        raise Refused(Code.EvidenceDisagrees, "digest", f"{rpc.url}: block {height} names {len(said)} next committees")
    return said[0][-32:]


def validators(rpc: Rpc, height: int) -> tuple[bytes, ...]:
    """Addresses of the set that signs this block.

    Raises:
        Refused: DevelopmentChain (no such set), EvidenceDisagrees (no state of that block, and it begins no set),
            Malformed, Oversize.
    """
    name = rpc.text("chain_getBlockHash", height)
    for log in _logs(rpc, name):
        reader = Reader(log, "validator set", Code.Malformed)
        if reader.take(1) == b"\x04" and reader.take(4) == ENGINE:
            content = reader.octets()
            if content.startswith(_AUTHORITIES_CHANGE):
                return _members(content[1:])
    try:
        answer = octets(rpc.ask("state_call", "BeefyApi_validator_set", "0x", name))
    except NodeError as error:
        detail = f"{rpc.url}: {error}. An archive node has it, or name the set in the configuration"
        raise Refused(Code.EvidenceDisagrees, f"validators of block {height}", detail) from error
    if answer[:1] != b"\1":
        raise Refused(Code.DevelopmentChain, "validator set", f"{rpc.url}: block {height} has no BEEFY validators")
    return _members(answer[1:])


def _members(raw: bytes) -> tuple[bytes, ...]:
    """`ValidatorSet`: the keys, then the set's id."""
    reader = Reader(raw, "validator set", Code.Malformed)
    count = reader.compact()
    if count > MAX_COMMITTEE:
        raise Refused(Code.Oversize, "validator set", f"{count} of at most {MAX_COMMITTEE}")
    keys = [reader.take(_KEY_BYTES) for _ in range(count)]
    reader.take(8)
    reader.end()
    try:
        return tuple(address_of(PublicKey(key)) for key in keys)
    except ValueError as error:
        raise Refused(Code.Malformed, "validator set", "a key that is no point") from error


def _logs(rpc: Rpc, name: str) -> list[bytes]:
    return [octets(log) for log in items(record(rpc.record("chain_getHeader", name)["digest"])["logs"])]


def _numbers(value: Json) -> bytes:
    """Bytes as the node sends them: a list of numbers, or 0x hex."""
    try:
        return bytes(value) if isinstance(value, list) else octets(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise Refused(Code.Malformed, "justification", "the node sends no bytes") from error
