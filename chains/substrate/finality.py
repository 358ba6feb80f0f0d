"""Whether a block is final by the votes of its own validators, from a pinned genesis on.

What is trusted is the hash of the genesis block, which the chain's specification names (`deployment.genesis`). From it
the sets of validators are followed, change by change (`chains.substrate.authorities`); a justification by the set whose
turn it is finalises the block, or a block that descends from it by parent hashes and belongs to the same set. So a node
cannot invent a chain, nor pass a block off as final that the validators of its time did not vote for.
"""

from __future__ import annotations

from poft.protocol.errors import Code, Refused

from .authorities import authorities_of, justified_block, scheduled_change
from .grandpa import verify_justification
from .runtime import Runtime, octets

_MAX_DISTANCE = 4096
"""Blocks from one justification to the next. A round ends every few blocks; validators that were away finalise all that
has piled up in one round, which at a block a second is more than an hour."""


def require_justified(runtime: Runtime, genesis: bytes, height: int, block: bytes, final: int) -> None:
    """Returns when the validators of the chain that begins with this genesis block have finalised this block.

    Raises:
        Refused: EvidenceDisagrees, DevelopmentChain (no justification up to the finalised head, or up to the end of the
            set), or what is wrong with a justification or a change (`grandpa`, `authorities`).
    """
    authorities = authorities_of(runtime, genesis, height)
    parent = b""
    for number in range(height, min(final, height + _MAX_DISTANCE) + 1):
        found = justified_block(runtime, number)
        if (octets(found.header["parentHash"]) != parent) if parent else (found.hash != block):
            raise Refused(Code.EvidenceDisagrees, "header", f"{runtime.rpc.url}: block {number} is not of this chain")
        if found.justification is not None:
            verify_justification(found.justification, authorities, found.hash, number)
            return
        if scheduled_change(found.header) is not None:  # what follows is for others to justify
            break
        parent = found.hash
    raise Refused(
        Code.DevelopmentChain, "justification", f"{runtime.rpc.url} has none for block {height} or a later one"
    )
