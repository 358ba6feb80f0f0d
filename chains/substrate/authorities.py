"""The sets of validators that a chain had, one after the other, from its pinned genesis on.

The first set stands in the genesis block's state: a read proof leads to it. A block whose header schedules a change
ends a set: the set itself justifies that block, and the block names the next set, whose number is one more. So each set
is vouched for by the one before, and a set that was replaced is believed about its own time alone. Where a set ends is
looked up in the chain's state (`Grandpa.CurrentSetId`), which is a hint and nothing else: a node that gives a wrong one
ends up without a justification. What was followed once through an endpoint is remembered.

In the digest a change is the item `Consensus(FRNK, 01 ‖ authorities ‖ delay u32)`, with SCALE's (key 32, weight u64)
each. Sessions end at once: another delay, a forced change (02), or two changes in one header are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from poft.protocol.errors import Code, Refused

from .grandpa import ENGINE, AuthoritySet, verify_justification
from .headers import digest_of, header_hash
from .proof import CONSENSUS, digest_items, proven
from .rpc import Json
from .runtime import Runtime, items, number, octets, record
from .sending import height_of

_SCHEDULED, _FORCED = b"\1", b"\2"
"""First byte of what the runtime says to GRANDPA; 3 to 5 (disabled, pause, resume) change no set."""
_DELAY_BYTES = 4


@dataclass(frozen=True, slots=True)
class Turn:
    """A set of validators, and the first block that it justifies."""

    authorities: AuthoritySet
    begins: int


@dataclass(frozen=True, slots=True)
class JustifiedBlock:
    """A block's header, its hash, and GRANDPA's justification where the node keeps one."""

    header: dict[str, Json]
    hash: bytes
    justification: bytes | None


_followed: WeakKeyDictionary[Runtime, dict[bytes, list[Turn]]] = WeakKeyDictionary()
"""By endpoint and genesis."""


def authorities_of(runtime: Runtime, genesis: bytes, height: int) -> AuthoritySet:
    """The set that justifies block `height` of the chain that begins with this genesis block.

    Raises:
        Refused: EvidenceDisagrees (another genesis, a set that ends with no change), or what is wrong with the
            justification of a block that ends a set (`chains.substrate.grandpa`).
    """
    turns = _followed.setdefault(runtime, {}).setdefault(genesis, [])
    if not turns:
        turns.append(Turn(_first(runtime, genesis), 0))
    while height >= turns[-1].begins and height > 0 and _set_id(runtime, height - 1) > turns[-1].authorities.identity:
        turns.append(_next(runtime, turns[-1], height))
    return next(turn.authorities for turn in reversed(turns) if turn.begins <= height)


def justified_block(runtime: Runtime, height: int) -> JustifiedBlock:
    """A block of this height.

    Raises:
        Refused: EvidenceDisagrees, it is not the block that it is called.
    """
    name = runtime.rpc.text("chain_getBlockHash", height)
    answer = runtime.rpc.record("chain_getBlock", name)
    header = record(record(answer["block"])["header"])
    if header_hash(header) != octets(name) or height_of(header) != height:
        raise Refused(Code.EvidenceDisagrees, "header", f"{runtime.rpc.url}: block {height} is not of this chain")
    return JustifiedBlock(header, octets(name), _justification(answer.get("justifications")))


def scheduled_change(header: dict[str, Json]) -> bytes | None:
    """The authorities that come after this block, as SCALE, or nothing where the set goes on.

    Raises:
        Refused: EvidenceDisagrees (two changes, a delay, a forced change), Malformed.
    """
    said = [
        item.content
        for item in digest_items(digest_of(header))
        if (item.variant, item.engine) == (CONSENSUS, ENGINE) and item.content[:1] in (_SCHEDULED, _FORCED)
    ]
    if not said:
        return None
    kind, listed, delay = said[0][:1], said[0][1:-_DELAY_BYTES], said[0][-_DELAY_BYTES:]
    if len(said) > 1 or kind == _FORCED or any(delay):
        raise Refused(Code.EvidenceDisagrees, "authority set", "a change that is not one, or not at once, or forced")
    return listed


def _first(runtime: Runtime, genesis: bytes) -> AuthoritySet:
    name = runtime.rpc.text("chain_getBlockHash", 0)
    header = runtime.rpc.record("chain_getHeader", name)
    if header_hash(header) != genesis or height_of(header) != 0:
        detail = f"{runtime.rpc.url} begins with {name}, not with 0x{genesis.hex()}"
        raise Refused(Code.EvidenceDisagrees, "genesis", detail)
    key = runtime.storage_key("Grandpa", "Authorities")
    nodes = items(runtime.rpc.record("state_getReadProof", [key], "0x" + genesis.hex())["proof"])
    return AuthoritySet.decode(0, proven(octets(header["stateRoot"]), octets(key), [octets(node) for node in nodes]))


def _next(runtime: Runtime, turn: Turn, height: int) -> Turn:
    """The set after this one, which ends before `height`."""
    low, high = max(turn.begins, 1), height - 1
    while low < high:  # the first block whose state has the next set's number
        middle = (low + high) // 2
        if _set_id(runtime, middle) > turn.authorities.identity:
            high = middle
        else:
            low = middle + 1
    last = justified_block(runtime, low)
    listed = scheduled_change(last.header)
    if listed is None or last.justification is None:
        detail = f"{runtime.rpc.url}: set {turn.authorities.identity} ends with no change or justification at {low}"
        raise Refused(Code.EvidenceDisagrees, "authority set", detail)
    verify_justification(last.justification, turn.authorities, last.hash, low)
    return Turn(AuthoritySet.decode(turn.authorities.identity + 1, listed), low + 1)


def _set_id(runtime: Runtime, height: int) -> int:
    """What the node says is the number of the set after this block."""
    block = runtime.rpc.text("chain_getBlockHash", height)
    return number(runtime.read("Grandpa", "CurrentSetId", at=block))


def _justification(found: Json) -> bytes | None:
    """GRANDPA's among a block's justifications: pairs of engine and bytes, both as lists of numbers."""
    if found is None:
        return None
    for pair in items(found):
        engine, justification = (_numbers(part) for part in items(pair))
        if engine == ENGINE:
            return justification
    return None


def _numbers(value: Json) -> bytes:
    try:
        return bytes(value) if isinstance(value, list) else octets(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise Refused(Code.Malformed, "justification", "the node sends no bytes") from error
