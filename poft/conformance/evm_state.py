"""The state of an EVM chain for the conformance kit: an outbox among other accounts, and the way to its commitment.

The tries are py-trie's, which knows nothing of this project's reading of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import rlp  # type: ignore[import-untyped]
from trie.hexary import HexaryTrie

from poft.conformance.source import Claim
from poft.protocol.hashing import keccak
from poft.verification.state_proof import COMMITMENT_SLOT, StateProof

CODE = keccak(b"code")
"""Hash of an outbox's code, where it does not matter."""
_NEIGHBOURS = 20
"""Other accounts and slots, so that the way down has branches."""


@dataclass(frozen=True, slots=True)
class State:
    """A chain's state: its root, and the way to the outbox's commitment."""

    root: bytes
    proof: StateProof


def evm_state(claim: Claim, seed: bytes, outbox: bytes, code_hash: bytes, commitment: bytes) -> State:
    """A state with this commitment; everything else about the block is in the outbox's neighbours."""
    said = f"{claim.height}/{claim.timestamp}/{claim.fork}".encode()
    words = {keccak(bytes([n])): keccak(said + bytes([n])) for n in range(_NEIGHBOURS)}
    storage = _trie({**words, COMMITMENT_SLOT: commitment})
    accounts = {keccak(bytes([n]) + seed)[:20]: [n, 10**18, CODE, CODE] for n in range(_NEIGHBOURS)}
    accounts[outbox] = [1, 0, storage.root_hash, code_hash]
    state = _trie({address: rlp.encode(fields) for address, fields in accounts.items()}, encoded=True)
    return State(state.root_hash, StateProof(_walk(state, outbox), _walk(storage, COMMITMENT_SLOT)))


def _trie(values: dict[bytes, bytes], encoded: bool = False) -> HexaryTrie:
    made = HexaryTrie({})
    for key, value in values.items():
        made[keccak(key)] = value if encoded else rlp.encode(value)
    return made


def _walk(trie: HexaryTrie, key: bytes) -> tuple[bytes, ...]:
    return tuple(rlp.encode(node) for node in trie.get_proof(keccak(key)))  # type: ignore[no-untyped-call]


__all__ = ["CODE", "State", "evm_state"]
