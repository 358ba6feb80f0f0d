"""What a block of a Substrate chain says about the outbox, checked against itself (docs/protocol.md section 7).

The header hashes (blake2b-256 of its SCALE encoding) to the block hash; exactly one of its digest items commits to the
outbox, and a read proof leads from its state root to the bridge's outbox, which has that size and root, and to the
time. Where the runtime has BEEFY, the item beside it names the chain's own domain and the same time. An embedded
development node has no trie, and its headers lack the runtime's digest items: from such a node they are taken from the
storage value `System.Digest`, and only when the chain's specification says that it is a development chain. Of any other
chain the block must be final by its validators' votes (`chains.substrate.finality`).
"""

from __future__ import annotations

from collections.abc import Sequence

from poft.chain import ChainSpec
from poft.protocol.errors import Code, ConfigError, Refused
from poft.protocol.merkle import Frontier
from poft.verification.api import Finalised

from .finality import require_justified
from .headers import digest_of, handover_item, header_hash, outbox_item
from .proof import proven_or_absent
from .rpc import NodeError
from .runtime import Runtime, items, number, octets, record
from .sending import height_of

GENESIS = "genesis"
"""Entry of a specification's `deployment`: the hash of the chain's genesis block, 0x."""


def finality_evidence(runtime: Runtime, height: int, spec: ChainSpec) -> Finalised:
    """What block `height` of this endpoint says, once header, digest, storage, proof and the validators' votes agree.

    Raises:
        Refused: NotFinal, EvidenceDisagrees, DevelopmentChain (what only a development node may lack is missing), or
            what is wrong with the votes (`chains.substrate.grandpa`).
        ConfigError: the specification of a chain that is no development chain does not name its genesis.
    """
    rpc, development = runtime.rpc, spec.development
    final = height_of(rpc.record("chain_getHeader", rpc.text("chain_getFinalizedHead")))
    if height > final:
        raise Refused(Code.NotFinal, "height", f"{rpc.url} has finalised {final}, not {height}")
    block = rpc.text("chain_getBlockHash", height)
    header = rpc.record("chain_getHeader", block)
    if header_hash(header) != octets(block) or height_of(header) != height:
        raise Refused(Code.EvidenceDisagrees, "header", f"{rpc.url}: block {height} does not hash to its hash")
    state_root = octets(header["stateRoot"])
    digest = digest_of(header)
    if outbox_item(digest) is None:
        if not development:
            raise Refused(Code.DevelopmentChain, "digest", f"{rpc.url}: headers do not commit to the outbox")
        digest = octets(rpc.ask("state_getStorage", runtime.storage_key("System", "Digest"), block))
    outbox, time = _state(runtime, block, state_root, development)
    if outbox_item(digest) != outbox:
        raise Refused(Code.EvidenceDisagrees, "outbox", f"{rpc.url}: digest and storage differ at {height}")
    handover = handover_item(digest)
    if handover is not None and (handover.domain, handover.timestamp) != (spec.domain, time // 1000):
        raise Refused(Code.EvidenceDisagrees, "handover", f"{rpc.url}: another domain or time at {height}")
    if not development:
        require_justified(runtime, _genesis(spec), height, octets(block), final)
    return Finalised(height, octets(block), state_root, *outbox, time // 1000)


def agreed_evidence(endpoints: Sequence[Runtime], height: int, spec: ChainSpec) -> Finalised:
    """The same, from every endpoint alike."""
    said = [finality_evidence(endpoint, height, spec) for endpoint in endpoints]
    for endpoint, other in zip(endpoints[1:], said[1:], strict=True):
        if other != said[0]:
            urls = f"{endpoints[0].rpc.url} and {endpoint.rpc.url}"
            raise Refused(Code.EvidenceDisagrees, f"block {height}", f"{urls} tell two stories")
    return said[0]


def _genesis(spec: ChainSpec) -> bytes:
    if GENESIS not in spec.deployment:
        remedy = f"Set deployment.{GENESIS} to the hash of its first block, or declare a development chain"
        raise ConfigError(f"chain {spec.name!r} does not say which genesis it has", remedy)
    return octets(spec.deployment[GENESIS])


def _state(runtime: Runtime, block: str, state_root: bytes, development: bool) -> tuple[tuple[int, bytes], int]:
    """((outbox size, root), time in milliseconds) of a block's state, proven where the node can prove. An item that was
    never written, as the outbox before the first packet, has its default: the proof shows that it was not.
    """
    wanted = [("Bridge", "Outbox"), ("Timestamp", "Now")]
    keys = [runtime.storage_key(*item) for item in wanted]
    try:
        nodes = runtime.rpc.record("state_getReadProof", keys, block)
    except NodeError as error:
        if not development:
            raise Refused(Code.DevelopmentChain, "read proof", f"{runtime.rpc.url}: {error}") from error
        frontier, time = runtime.read_all([(*item, ()) for item in wanted], block)
    else:
        proof = [octets(node) for node in items(nodes["proof"])]
        values = [proven_or_absent(state_root, octets(key), proof) for key in keys]
        frontier, time = (runtime.stored(*item, value) for item, value in zip(wanted, values, strict=True))
    peaks = tuple(octets(peak) for peak in items(record(frontier)["peaks"]))
    size = number(record(frontier)["size"])
    return (size, Frontier(size, peaks).root), number(time)
