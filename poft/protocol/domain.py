"""Who is who across chains: domains and endpoints (docs/protocol.md section 2)."""

from __future__ import annotations

from enum import IntEnum

from .errors import Code, Refused
from .hashing import ZERO32, keccak, word_address, word_bytes32, word_uint

DOMAIN_TAG = keccak(b"poft/domain/v1")
FEDERATION_TAG = keccak(b"poft/federation/v1")
TASK_TAG = keccak(b"poft/task/v1")
PALLET_PREFIX = b"poft/pallet/"


class ChainKind(IntEnum):
    """The first word of a domain."""

    EVM = 1
    SUBSTRATE = 2


def domain(kind: ChainKind, genesis_hash: bytes, network_id: bytes) -> bytes:
    """The 32-byte domain of a chain; a zero genesis hash or network id is refused (`ZeroValue`)."""
    if genesis_hash == ZERO32 or network_id == ZERO32:
        raise Refused(Code.ZeroValue, "domain", "genesis hash and network id must not be zero")
    return keccak(
        DOMAIN_TAG
        + word_uint(int(kind), 8, "kind")
        + word_bytes32(genesis_hash, "genesisHash")
        + word_bytes32(network_id, "networkId")
    )


def evm_domain(genesis_hash: bytes, chain_id: int) -> bytes:
    """Domain of an EVM chain: the network id is its chain id."""
    return domain(ChainKind.EVM, genesis_hash, word_uint(chain_id, 256, "chainId"))


def substrate_domain(genesis_hash: bytes, network_name: str) -> bytes:
    """Domain of a Substrate chain: the network id is keccak of the name that was set at genesis."""
    if not network_name:
        raise Refused(Code.ZeroValue, "networkName", "a network needs a name")
    return domain(ChainKind.SUBSTRATE, genesis_hash, keccak(network_name.encode()))


def evm_endpoint(address: bytes) -> bytes:
    """An EVM contract as sender or receiver of packets."""
    return word_address(address, "endpoint")


def pallet_endpoint(pallet: str) -> bytes:
    """A FRAME pallet as sender or receiver of packets."""
    return keccak(PALLET_PREFIX + pallet.encode())


def federation_id(chain_domain: bytes, name: str) -> bytes:
    """The federation called `name` on the chain with this domain (docs/federation.md)."""
    return keccak(FEDERATION_TAG + word_bytes32(chain_domain) + keccak(name.encode()))


def task_id(federation: bytes, config_digest: bytes) -> bytes:
    """The task of a federation that runs the configuration with this digest (docs/federation.md)."""
    return keccak(TASK_TAG + word_bytes32(federation) + word_bytes32(config_digest))
