"""What a client's scheme wants around the statement that a committee certified: a scheme's half in a relayer.

Attestors certify statements, whatever the destination's client. One of scheme CMT1 takes the certified proof as it is;
one of ESP1 takes it together with the source's own state at the statement's height, which only a chain that gives state
proofs can be asked for. Everything here is pure; `link.py` does the asking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from poft.chain import Chain, StateSource
from poft.protocol.errors import Code, Refused
from poft.protocol.finality import committee_hash
from poft.verification.api import FinalityVerifier
from poft.verification.schemes.cmt1 import CommitteeVerifier
from poft.verification.schemes.esp1 import OutboxProof, StateProofVerifier, outbox_authority
from poft.verification.state_proof import StateProof

NO_STATE = StateProof((), ())
"""Where a scheme looks at none: every proof of CMT1, and evidence of misbehaviour."""


@dataclass(frozen=True, slots=True)
class Wrapping:
    """A scheme over a committee. `verifier` is the scheme: proofs are verified as the destination will.

    `outbox` is the account whose state is proven (ESP1), None where no state is asked for (CMT1).
    """

    verifier: FinalityVerifier
    outbox: bytes | None = None

    @property
    def stateful(self) -> bool:
        """Whether a proof needs the source's state at the statement's height."""
        return self.outbox is not None

    def authority(self, epoch: int, members: Sequence[bytes]) -> bytes:
        """The authority of a client that trusts this committee."""
        committee = committee_hash(epoch, members)
        return committee if self.outbox is None else outbox_authority(committee, self.outbox)

    def wrap(self, epoch: int, members: Sequence[bytes], certified: bytes, state: StateProof) -> bytes:
        """The proof for the client, around the committee's own."""
        if self.outbox is None:
            return certified
        return OutboxProof(self.outbox, committee_hash(epoch, members), certified, state).encode()


def wrapping(scheme: bytes, source: Chain) -> Wrapping:
    """How a client of this scheme, following this source, is convinced.

    Raises:
        Refused: UnknownScheme, no relayer can: the scheme is not known, or the source gives no state proofs.
    """
    if scheme == b"CMT1":
        return Wrapping(CommitteeVerifier())
    if scheme == b"ESP1" and isinstance(source, StateSource):
        return Wrapping(StateProofVerifier(), source.outbox_address)
    raise Refused(Code.UnknownScheme, "client", f"{scheme!r} cannot be carried from {source.spec.name}")
