"""ESP1 for the conformance kit: CMT1's source, whose blocks have a state with an outbox in it.

The tries are py-trie's, which knows nothing of this project's reading of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import rlp  # type: ignore[import-untyped]
from trie.hexary import HexaryTrie

from poft.conformance.cmt1 import CommitteeSource
from poft.conformance.plugin import Contract, Crate, Plugin
from poft.conformance.source import Block, Claim, Forgery
from poft.protocol.errors import Code
from poft.protocol.finality import committee_hash
from poft.protocol.hashing import keccak
from poft.verification.api import TrustState
from poft.verification.schemes.esp1 import OutboxGenesis, OutboxProof
from poft.verification.state_proof import COMMITMENT_SLOT, StateProof, outbox_commitment

_NEIGHBOURS = 20
"""Other accounts and slots, so that the way down has branches."""


@dataclass(frozen=True, slots=True)
class State:
    """A chain's state: its root, and the way to the outbox's commitment."""

    root: bytes
    proof: StateProof


class StateProofSource(CommitteeSource):
    """A chain whose committee signs what it is told, about states that say the same."""

    def __init__(self, members: int, seed: bytes) -> None:
        super().__init__(members, seed)
        self.outbox = keccak(b"poft/conformance/outbox" + seed)[:20]

    def genesis(self, epoch: int | None = None) -> bytes:
        return OutboxGenesis(self.outbox, super().genesis(epoch)).encode()

    def block(self, claim: Claim) -> Block:
        root = self.state(claim, outbox_commitment(claim.outbox_size, claim.outbox_root)).root
        return Block(keccak(b"header" + root), root)

    def state(self, claim: Claim, commitment: bytes) -> State:
        """A state with this commitment; everything else about the block is in the outbox's neighbours."""
        said = f"{claim.height}/{claim.timestamp}/{claim.fork}".encode()
        words = {keccak(bytes([n])): keccak(said + bytes([n])) for n in range(_NEIGHBOURS)}
        storage = _trie({**words, COMMITMENT_SLOT: commitment})
        code = keccak(b"code")
        accounts = {keccak(bytes([n]) + self._seed)[:20]: [n, 10**18, code, code] for n in range(_NEIGHBOURS)}
        accounts[self.outbox] = [1, 0, storage.root_hash, code]
        state = _trie({address: rlp.encode(fields) for address, fields in accounts.items()}, encoded=True)
        return State(state.root_hash, StateProof(_walk(state, self.outbox), _walk(storage, COMMITMENT_SLOT)))

    def prove(self, claim: Claim, signers: int | None = None, domain: bytes | None = None) -> bytes:
        return self.proof(claim, signers, domain).encode()

    def proof(self, claim: Claim, signers: int | None = None, domain: bytes | None = None) -> OutboxProof:
        """The claim with its state proof, for a client in the claim's epoch."""
        state = self.state(claim, outbox_commitment(claim.outbox_size, claim.outbox_root))
        inner = super().prove(claim, signers, domain)
        authority = committee_hash(claim.epoch, self.signers(self._count))
        return OutboxProof(self.outbox, authority, inner, state.proof)

    def forgeries(self, state: TrustState, claim: Claim) -> Sequence[Forgery]:
        """State proofs that do not lead to what the committee announced; `state` has no part in it."""
        del state
        proof = self.proof(claim)
        ways = proof.state
        other = self.state(claim, keccak(b"another commitment")).proof
        later = self.state(replace(claim, fork=claim.fork + 1), keccak(b"another commitment")).proof

        def made(name: str, forged: OutboxProof, *codes: Code) -> Forgery:
            return Forgery(name, forged.encode(), frozenset(codes))

        lying = Liar(self._count, self._seed)
        return [
            made("a commitment that the state does not have", lying.proof(claim), Code.CommitmentMismatch),
            made("the state of another block", replace(proof, state=later), Code.BadStateProof),
            made("another commitment's way", replace(proof, state=other), Code.BadStateProof),
            made("no way to the account", replace(proof, state=StateProof((), ways.storage)), Code.BadStateProof),
            made("no way to the slot", replace(proof, state=StateProof(ways.account, ())), Code.BadStateProof),
            made("both ways swapped", replace(proof, state=StateProof(*_swapped(ways))), Code.BadStateProof),
            made(
                "a way cut short", replace(proof, state=StateProof(ways.account[:-1], ways.storage)), Code.BadStateProof
            ),
            made("a node twice", replace(proof, state=_longer(ways)), Code.BadStateProof),
            made("another outbox", replace(proof, outbox=bytes(19) + b"\1"), Code.CommitteeMismatch),
            made("another inner authority", replace(proof, inner_authority=keccak(b"own")), Code.CommitteeMismatch),
            made("no inner proof", replace(proof, inner=b""), Code.Malformed),
        ]


class Liar(StateProofSource):
    """The same source, whose state has another outbox than the one that its committee announces."""

    def state(self, claim: Claim, commitment: bytes) -> State:
        return super().state(claim, keccak(commitment))


def _trie(values: dict[bytes, bytes], encoded: bool = False) -> HexaryTrie:
    made = HexaryTrie({})
    for key, value in values.items():
        made[keccak(key)] = value if encoded else rlp.encode(value)
    return made


def _walk(trie: HexaryTrie, key: bytes) -> tuple[bytes, ...]:
    return tuple(rlp.encode(node) for node in trie.get_proof(keccak(key)))  # type: ignore[no-untyped-call]


def _swapped(ways: StateProof) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    return ways.storage, ways.account


def _longer(ways: StateProof) -> StateProof:
    return StateProof((*ways.account, ways.account[-1]), ways.storage)


PLUGIN = Plugin(
    source=StateProofSource,
    contract=Contract("StateProofVerifier", (Contract("CommitteeVerifier"),)),
    crate=Crate(Path(__file__).parents[2] / "chains" / "substrate" / "primitives" / "Cargo.toml", "esp1"),
)
"""Entry point `ESP1` of the group `poft.conformance`."""
