"""What a block of an EVM chain says about the outbox, checked against itself (docs/protocol.md section 7).

A node's word is taken for nothing here. The header hashes to the block hash; an EIP-1186 proof leads from its state
root to the slot of the commitment; `keccak(abi.encode(uint64 size, bytes32 root))` of what the contract answers is that
commitment. So whoever lies has to find a collision, or to be the chain. Which chain it is, and that the block is final,
rests on asking several endpoints that do not share an operator.
"""

from __future__ import annotations

import rlp  # type: ignore[import-untyped]

from poft.protocol.errors import Code, Refused
from poft.protocol.hashing import keccak
from poft.verification.api import Finalised
from poft.verification.state_proof import COMMITMENT_SLOT, StateProof, outbox_commitment
from poft.verification.state_proof import proven_slot as proven_word

from .rpc import Json, NodeError, Object, Rpc, hex_bytes, quantity, read_bytes

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


def header_hash(header: Object) -> bytes:
    """Hash of a header as JSON-RPC shows it: keccak of its RLP.

    Raises:
        Refused: EvidenceDisagrees, a field is missing below the last one.
    """
    return keccak(rlp.encode(header_fields(header)))


def header_fields(header: Object) -> list[bytes]:
    """A header's fields in the order of their encoding, as many as its fork has.

    Raises:
        Refused: EvidenceDisagrees, a field is missing below the last one.
    """
    present = [header.get(name) is not None for name, _ in _HEADER]
    count = max((at + 1 for at, there in enumerate(present) if there), default=0)
    if count < _ALWAYS or not all(present[:count]):
        raise Refused(Code.EvidenceDisagrees, "header", "a field is missing")
    return [_field(header[name], kind) for name, kind in _HEADER[:count]]


def _field(value: Json, kind: str) -> bytes:
    if kind == _HASHES:
        return read_bytes(value)
    number = quantity(value)
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def read_state_proof(proof: Object) -> StateProof:
    """The nodes of an `eth_getProof` answer about one slot.

    Raises:
        Refused: EvidenceDisagrees, not about one slot, or no nodes.
    """
    storages = proof.get("storageProof")
    if not isinstance(storages, list) or len(storages) != 1 or not isinstance(storages[0], dict):
        raise Refused(Code.EvidenceDisagrees, "storage proof", "not about one slot")
    return StateProof(
        _nodes(proof.get("accountProof"), "account proof"), _nodes(storages[0].get("proof"), "storage proof")
    )


def proven_slot(state_root: bytes, account: bytes, slot: bytes, proof: Object) -> bytes:
    """Content of a storage slot, proven from a state root by the nodes of an `eth_getProof` answer.

    Raises:
        Refused: EvidenceDisagrees, the nodes do not prove that the account and the slot exist.
    """
    try:
        return proven_word(state_root, account, slot, read_state_proof(proof))
    except Refused as refused:
        if refused.code is not Code.BadStateProof:
            raise
        raise Refused(Code.EvidenceDisagrees, refused.subject, refused.detail) from refused


def _nodes(nodes: Json, name: str) -> tuple[bytes, ...]:
    if not isinstance(nodes, list):
        raise Refused(Code.EvidenceDisagrees, name, "missing")
    return tuple(read_bytes(node) for node in nodes)


def commitment_proof(endpoint: Rpc, outbox: bytes, height: int) -> Object:
    """The endpoint's `eth_getProof` answer about the commitment of an outbox at a height.

    Raises:
        Refused: DevelopmentChain (the node has no `eth_getProof`), EvidenceDisagrees (it gave none).
    """
    try:
        proof = endpoint.record("eth_getProof", hex_bytes(outbox), [hex_bytes(COMMITMENT_SLOT)], hex(height))
    except NodeError as error:
        if error.unknown_method:
            raise Refused(Code.DevelopmentChain, "eth_getProof", f"{endpoint.url} gives no state proofs") from error
        raise
    if proof is None:
        raise Refused(Code.EvidenceDisagrees, "storage proof", f"{endpoint.url} gave none")
    return proof


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
    commitment = proven_slot(state_root, outbox, COMMITMENT_SLOT, commitment_proof(endpoint, outbox, height))
    answer = endpoint.call(hex_bytes(outbox), _STATE, height)
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
