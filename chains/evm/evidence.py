"""What a block of an EVM chain says about the outbox, checked against itself (docs/protocol.md section 7).

A node's word is taken for nothing here. The header hashes to the block hash; an EIP-1186 proof leads from its state
root to the slot of the commitment; `keccak(abi.encode(uint64 size, bytes32 root))` of what the contract answers is that
commitment. So whoever lies has to find a collision, or to be the chain. Which chain it is, and that the block is final,
rests on asking several endpoints that do not share an operator.
"""

from __future__ import annotations

import rlp  # type: ignore[import-untyped]
from trie.exceptions import BadTrieProof, InvalidNode, ValidationError
from trie.hexary import HexaryTrie

from poft.protocol.errors import Code, Refused
from poft.protocol.hashing import keccak, word_bytes32, word_uint
from poft.verification.api import Finalised

from .rpc import Json, NodeError, Object, Rpc, hex_bytes, quantity, read_bytes

COMMITMENT_SLOT = (
    int.from_bytes(keccak(word_uint(int.from_bytes(keccak(b"poft.storage.OutboxCommitment"), "big") - 1, 256)), "big")
    & ~0xFF
)
"""ERC-7201 slot of `Outbox`'s commitment."""

_STATE = keccak(b"state()")[:4]

# A header's fields in the order of their encoding. Every hard fork appended: London the base fee (16), Shanghai the
# withdrawals (17), Cancun blobs and the beacon root (20), Prague the requests (21).
_HASHES, _QUANTITIES = "hash", "quantity"
_HEADER: tuple[tuple[str, str], ...] = (
    ("parentHash", _HASHES),
    ("sha3Uncles", _HASHES),
    ("miner", _HASHES),
    ("stateRoot", _HASHES),
    ("transactionsRoot", _HASHES),
    ("receiptsRoot", _HASHES),
    ("logsBloom", _HASHES),
    ("difficulty", _QUANTITIES),
    ("number", _QUANTITIES),
    ("gasLimit", _QUANTITIES),
    ("gasUsed", _QUANTITIES),
    ("timestamp", _QUANTITIES),
    ("extraData", _HASHES),
    ("mixHash", _HASHES),
    ("nonce", _HASHES),
    ("baseFeePerGas", _QUANTITIES),
    ("withdrawalsRoot", _HASHES),
    ("blobGasUsed", _QUANTITIES),
    ("excessBlobGas", _QUANTITIES),
    ("parentBeaconBlockRoot", _HASHES),
    ("requestsHash", _HASHES),
)
_ALWAYS = 15

# What the trie package raises for nodes that are none: its own, and Python's where it takes a shape for granted.
_BAD_NODES = (
    BadTrieProof,
    InvalidNode,
    ValidationError,
    rlp.DecodingError,
    IndexError,
    TypeError,
    ValueError,
)


def header_hash(header: Object) -> bytes:
    """Hash of a header as JSON-RPC shows it: keccak of its RLP, with as many fields as its fork has.

    Raises:
        Refused: EvidenceDisagrees, a field is missing below the last one.
    """
    present = [header.get(name) is not None for name, _ in _HEADER]
    count = max((at + 1 for at, there in enumerate(present) if there), default=0)
    if count < _ALWAYS or not all(present[:count]):
        raise Refused(Code.EvidenceDisagrees, "header", "a field is missing")
    values = [_field(header[name], kind) for name, kind in _HEADER[:count]]
    return keccak(rlp.encode(values))


def _field(value: Json, kind: str) -> bytes:
    if kind == _HASHES:
        return read_bytes(value)
    number = quantity(value)
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def outbox_commitment(size: int, root: bytes) -> bytes:
    """What the commitment slot holds for an outbox of this size and root."""
    return keccak(word_uint(size, 64, "outboxSize") + word_bytes32(root, "outboxRoot"))


def proven_slot(state_root: bytes, account: bytes, slot: int, proof: Object) -> bytes:
    """Content of a storage slot, proven from a state root by the nodes of an `eth_getProof` answer.

    Raises:
        Refused: EvidenceDisagrees, the nodes do not prove that the account and the slot exist.
    """
    storages = proof.get("storageProof")
    if not isinstance(storages, list) or len(storages) != 1 or not isinstance(storages[0], dict):
        raise Refused(Code.EvidenceDisagrees, "storage proof", "not about one slot")
    record = _decoded(_proven(state_root, keccak(account), proof.get("accountProof"), "account proof"), "account proof")
    if not isinstance(record, list) or len(record) != 4 or not isinstance(record[2], bytes):
        raise Refused(Code.EvidenceDisagrees, "account proof", "not an account")
    content = _proven(record[2], keccak(word_uint(slot, 256)), storages[0].get("proof"), "storage proof")
    value = _decoded(content, "storage proof")
    if not isinstance(value, bytes) or len(value) > 32:
        raise Refused(Code.EvidenceDisagrees, "storage proof", "not a word")
    return value.rjust(32, b"\0")


def _decoded(data: bytes, name: str) -> object:
    try:
        return rlp.decode(data)
    except rlp.DecodingError as error:
        raise Refused(Code.EvidenceDisagrees, name, "not RLP") from error


def _proven(root: bytes, key: bytes, nodes: Json, name: str) -> bytes:
    if not isinstance(nodes, list):
        raise Refused(Code.EvidenceDisagrees, name, "missing")
    try:
        value = HexaryTrie.get_from_proof(  # type: ignore[no-untyped-call]
            root, key, [rlp.decode(read_bytes(node)) for node in nodes]
        )
    except _BAD_NODES as error:
        raise Refused(Code.EvidenceDisagrees, name, "does not lead from the root to the key") from error
    if not value:  # a proven absence
        raise Refused(Code.EvidenceDisagrees, name, "proves that there is nothing")
    return bytes(value)


def finality_evidence(endpoint: Rpc, outbox: bytes, height: int) -> Finalised:
    """What block `height` of this endpoint says, once header, proof and contract agree.

    Raises:
        Refused: NotFinal (no such block yet), EvidenceDisagrees, DevelopmentChain (the node has no `eth_getProof`).
    """
    header = endpoint.record("eth_getBlockByNumber", hex(height), False)
    if header is None:
        raise Refused(Code.NotFinal, "height", f"{endpoint.url} has no block {height}")
    block_hash = read_bytes(header.get("hash"))
    if header_hash(header) != block_hash or quantity(header["number"]) != height:
        raise Refused(Code.EvidenceDisagrees, "header", f"{endpoint.url}: block {height} does not hash to its hash")
    state_root = read_bytes(header["stateRoot"])
    address = hex_bytes(outbox)
    try:
        proof = endpoint.record("eth_getProof", address, [hex_bytes(word_uint(COMMITMENT_SLOT, 256))], hex(height))
    except NodeError as error:
        if error.unknown_method:
            raise Refused(Code.DevelopmentChain, "eth_getProof", f"{endpoint.url} gives no state proofs") from error
        raise
    if proof is None:
        raise Refused(Code.EvidenceDisagrees, "storage proof", f"{endpoint.url} gave none")
    commitment = proven_slot(state_root, outbox, COMMITMENT_SLOT, proof)
    answer = endpoint.call(address, _STATE, height)
    if len(answer) != 96:
        raise Refused(Code.EvidenceDisagrees, "outbox", f"{len(answer)} bytes at height {height}")
    size, root = int.from_bytes(answer[:32], "big"), answer[32:64]
    if outbox_commitment(size, root) != commitment:
        raise Refused(Code.EvidenceDisagrees, "outbox", f"{endpoint.url}: state and commitment differ at {height}")
    return Finalised(height, block_hash, state_root, size, root, quantity(header["timestamp"]))


def agreed_evidence(endpoints: list[Rpc], outbox: bytes, height: int) -> Finalised:
    """The same, from every endpoint alike."""
    said = [finality_evidence(endpoint, outbox, height) for endpoint in endpoints]
    for endpoint, other in zip(endpoints[1:], said[1:], strict=True):
        if other != said[0]:
            raise Refused(
                Code.EvidenceDisagrees, f"block {height}", f"{endpoints[0].url} and {endpoint.url} tell two stories"
            )
    return said[0]
