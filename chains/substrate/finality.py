"""That a block of a Substrate network is final by the votes of its own validators, from a pinned genesis on.

What is trusted is the hash of the genesis block, which the chain's specification names (`deployment.genesis`). The
genesis header hashes to it; a read proof leads from its state root to the authority set that begins; a justification by
that set finalises the block, or a block that descends from it by parent hashes. So a node cannot invent a chain, nor
pass a block off as final that the validators did not vote for. A network that has changed its authority set since
genesis is refused, because the first set's signatures are not there.
"""

from __future__ import annotations

from poft.protocol.errors import Code, Refused

from .grandpa import ENGINE, AuthoritySet, verify_justification
from .headers import header_hash
from .proof import proven
from .rpc import Json
from .runtime import Runtime, items, octets, record
from .sending import height_of

_MAX_DISTANCE = 4096
"""Blocks from one justification to the next. A round ends every few blocks; validators that were away finalise all that
has piled up in one round, which at a block a second is more than an hour."""


def require_justified(runtime: Runtime, genesis: bytes, height: int, block: bytes, final: int) -> None:
    """Returns when the validators of the chain that begins with this genesis block have finalised this block.

    Raises:
        Refused: EvidenceDisagrees, DevelopmentChain (no justification up to the finalised head), or what is wrong with
            the justification (`chains.substrate.grandpa`).
    """
    authorities = _first_authorities(runtime, genesis)
    parent = b""
    for number in range(height, min(final, height + _MAX_DISTANCE) + 1):
        name = runtime.rpc.text("chain_getBlockHash", number)
        answer = runtime.rpc.record("chain_getBlock", name)
        header = record(record(answer["block"])["header"])
        links = octets(header["parentHash"]) == parent if parent else octets(name) == block
        if header_hash(header) != octets(name) or height_of(header) != number or not links:
            raise Refused(Code.EvidenceDisagrees, "header", f"{runtime.rpc.url}: block {number} is not of this chain")
        justification = _justification(answer.get("justifications"))
        if justification is not None:
            verify_justification(justification, authorities, octets(name), number)
            return
        parent = octets(name)
    raise Refused(
        Code.DevelopmentChain, "justification", f"{runtime.rpc.url} has none for block {height} or a later one"
    )


def _first_authorities(runtime: Runtime, genesis: bytes) -> AuthoritySet:
    name = runtime.rpc.text("chain_getBlockHash", 0)
    header = runtime.rpc.record("chain_getHeader", name)
    if header_hash(header) != genesis or height_of(header) != 0:
        detail = f"{runtime.rpc.url} begins with {name}, not with 0x{genesis.hex()}"
        raise Refused(Code.EvidenceDisagrees, "genesis", detail)
    key = runtime.storage_key("Grandpa", "Authorities")
    nodes = items(runtime.rpc.record("state_getReadProof", [key], "0x" + genesis.hex())["proof"])
    return AuthoritySet.decode(0, proven(octets(header["stateRoot"]), octets(key), [octets(node) for node in nodes]))


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
