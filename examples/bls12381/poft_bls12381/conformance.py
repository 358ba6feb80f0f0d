"""BLS1 for the conformance kit (`poft plugin check BLS1`): a source chain whose committee signs what it is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from poft.conformance.plugin import Contract, Crate, Plugin
from poft.conformance.source import Block, Claim, Forgery
from poft.protocol.domain import evm_domain
from poft.protocol.finality import Finality, quorum
from poft.protocol.hashing import U64_MAX, ZERO32, keccak
from poft.verification.api import TrustState

from .forgeries import forged_updates
from .honest import Committee, committee
from .scheme import signer_of

_ROOT = Path(__file__).parents[1]


class BlsSource:
    """A chain with an aggregating committee; see `poft.conformance.source.HonestSource`."""

    def __init__(self, members: int, seed: bytes) -> None:
        self.domain = evm_domain(keccak(b"poft/conformance/bls1/genesis" + seed), 1)
        self.epoch = 1
        self._count, self._seed = members, seed
        self._committee = self._members(1)

    def _members(self, epoch: int) -> Committee:
        """The committee of an epoch: its keys are public, never use them elsewhere."""
        return committee(b"poft/conformance/bls1/key" + self._seed, self._count, epoch)

    def genesis(self, epoch: int | None = None) -> bytes:
        """The present committee with its proofs of possession."""
        return self._committee.genesis(epoch).encode()

    def block(self, claim: Claim) -> Block:
        """A block that has what is claimed."""
        said = f"{claim.height}/{claim.timestamp}/{claim.outbox_size}/{claim.fork}".encode() + claim.outbox_root
        return Block(keccak(b"block" + self._seed + said), keccak(b"state" + self._seed + said))

    def prove(self, claim: Claim, signers: int | None = None, domain: bytes | None = None) -> bytes:
        """The claim, signed by the first `signers` members; the others are absent."""
        present = quorum(self._count) if signers is None else signers
        following = self._members(self.epoch + 1).roll if claim.hand_over else None
        absent = range(present, self._count)
        proof = self._committee.prove(
            self._statement(claim), domain or self.domain, absent, claim.consistency, following
        )
        return proof.encode()

    def signers(self, count: int) -> tuple[bytes, ...]:
        """The names of the first members under the present authority."""
        return tuple(signer_of(self._committee.authority, index) for index in range(count))

    def hand_over(self) -> None:
        """The next epoch's committee."""
        self.epoch += 1
        self._committee = self._members(self.epoch)

    def forgeries(self, state: TrustState, claim: Claim) -> Sequence[Forgery]:
        """What only this scheme can be forged in; `state` has no part in it."""
        del state
        attacks = forged_updates(self._committee, self._statement(claim), self.domain, claim.consistency)
        return [Forgery(attack.name, attack.encoded, frozenset({attack.code})) for attack in attacks]

    def _statement(self, claim: Claim) -> Finality:
        made, named = self.block(claim), ZERO32
        if claim.hand_over:
            named = self._members(self.epoch + 1).roll.authority(min(claim.epoch + 1, U64_MAX))
        return Finality(
            claim.epoch,
            claim.height,
            made.block_hash,
            made.state_root,
            claim.outbox_size,
            claim.outbox_root,
            claim.timestamp,
            named,
        )


PLUGIN = Plugin(
    source=BlsSource,
    contract=Contract(_ROOT / "evm" / "out" / "BlsVerifier.sol" / "BlsVerifier.json", project=_ROOT / "evm"),
    crate=Crate(_ROOT / "substrate" / "bls1" / "Cargo.toml", "bls1"),
)
"""Entry point `BLS1` of the group `poft.conformance`. Contract and crate lie beside the package: install editable."""
