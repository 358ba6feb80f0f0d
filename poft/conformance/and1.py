"""AND1 for the conformance kit: CMT1 and ESP1 over the same blocks, both of which decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from poft.conformance import cmt1, esp1
from poft.conformance.cmt1 import CommitteeSource
from poft.conformance.esp1 import StateProofSource
from poft.conformance.plugin import Contract, Crate, Plugin
from poft.conformance.source import Claim, Forgery
from poft.protocol.errors import Code
from poft.protocol.finality import MIN_COMMITTEE, committee_hash
from poft.protocol.hashing import keccak
from poft.verification.api import TrustState
from poft.verification.schemes.and1 import AgreementGenesis, AgreementProof, SchemeGenesis, SchemeProof, SchemeTrust
from poft.verification.schemes.esp1 import outbox_authority


class AgreementSource(StateProofSource):
    """ESP1's source; the same committee convinces both schemes."""

    def genesis(self, epoch: int | None = None) -> bytes:
        in_epoch = self.epoch if epoch is None else epoch
        parts = (
            SchemeGenesis(b"CMT1", CommitteeSource.genesis(self, epoch)),
            SchemeGenesis(b"ESP1", super().genesis(epoch)),
        )
        return AgreementGenesis(in_epoch, parts).encode()

    def prove(self, claim: Claim, signers: int | None = None, domain: bytes | None = None) -> bytes:
        return self.agreement(claim, signers, domain).encode()

    def agreement(self, claim: Claim, signers: int | None = None, domain: bytes | None = None) -> AgreementProof:
        """The claim with a proof for each scheme, for a client in the claim's epoch."""
        plain = CommitteeSource.prove(self, claim, signers, domain)
        with_state = StateProofSource.prove(self, claim, signers, domain)
        authority, small = committee_hash(claim.epoch, self.signers(self._count)), self._count < MIN_COMMITTEE
        over = outbox_authority(authority, self.outbox)
        return AgreementProof(
            claim.epoch,
            (
                SchemeProof(SchemeTrust(b"CMT1", False, claim.epoch, authority, small), plain),
                SchemeProof(SchemeTrust(b"ESP1", False, claim.epoch, over, small), with_state),
            ),
        )

    def forgeries(self, state: TrustState, claim: Claim) -> Sequence[Forgery]:
        """Lists that are not the client's, and opinions that differ; `state` has no part in it."""
        del state
        proof = self.agreement(claim)
        plain, with_state = proof.schemes
        forked = self.agreement(replace(claim, fork=claim.fork + 1)).schemes

        def made(name: str, schemes: tuple[SchemeProof, ...], *codes: Code) -> Forgery:
            return Forgery(name, replace(proof, schemes=schemes).encode(), frozenset(codes))

        demoted = replace(with_state, trust=replace(with_state.trust, shadow=True))
        renamed = replace(with_state, trust=replace(with_state.trust, scheme=b"NONE"))
        own = replace(plain, trust=replace(plain.trust, authority=keccak(b"own")))
        return [
            made("a scheme left out", (plain, plain), Code.CommitteeMismatch),
            made("the schemes in another order", (with_state, plain), Code.CommitteeMismatch),
            made("a scheme sent into the shadow", (plain, demoted), Code.CommitteeMismatch),
            made("a scheme under another name", (plain, renamed), Code.CommitteeMismatch),
            made("an authority of the prover's choice", (own, with_state), Code.CommitteeMismatch),
            made("schemes of two blocks", (plain, forked[1]), Code.SchemesDisagree),
            made("a scheme without its proof", (plain, replace(with_state, proof=b"")), Code.Malformed),
            made("one scheme's proof for both", (plain, replace(with_state, proof=plain.proof)), *_NO_STATE),
        ]


_NO_STATE = (Code.Malformed, Code.Oversize, Code.CommitteeMismatch)
"""What ESP1 makes of CMT1's bytes is its decoder's business."""

PLUGIN = Plugin(
    source=AgreementSource,
    contract=Contract("AgreementVerifier", ((cmt1.PLUGIN.contract, esp1.PLUGIN.contract),)),
    crate=Crate(Path(__file__).parents[2] / "chains" / "substrate" / "primitives" / "Cargo.toml", "and1"),
)
"""Entry point `AND1` of the group `poft.conformance`; its verifier is one of every deployment."""
