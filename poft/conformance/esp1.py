"""ESP1 for the conformance kit: CMT1's source, whose blocks have a state with an outbox in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from poft.conformance.cmt1 import CommitteeSource
from poft.conformance.evm_state import CODE, State, evm_state
from poft.conformance.plugin import Contract, Crate, Plugin
from poft.conformance.source import Block, Claim, Forgery
from poft.protocol.errors import Code
from poft.protocol.finality import committee_hash
from poft.protocol.hashing import keccak
from poft.verification.api import TrustState
from poft.verification.schemes.esp1 import OutboxGenesis, OutboxProof
from poft.verification.state_proof import StateProof, outbox_commitment


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
        return evm_state(claim, self._seed, self.outbox, CODE, commitment)

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
