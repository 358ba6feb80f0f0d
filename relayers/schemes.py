"""Which carrier convinces clients of which scheme (`carriers.py` is the port)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from poft.protocol.errors import Code, Refused
from poft.verification.schemes.and1 import SCHEME as AGREEMENT

from .carriers import Carrier, PartCarrier, Supplies
from .certified import committee_carrier, state_proof_carrier
from .commitments import CommitmentCarrier
from .composed import AgreementCarrier
from .sealed import CliqueCarrier

PARTS: Mapping[bytes, Callable[[Supplies], PartCarrier]] = {
    b"BEF1": CommitmentCarrier,
    b"CLQ1": CliqueCarrier,
    b"CMT1": committee_carrier,
    b"ESP1": state_proof_carrier,
}
"""Every scheme but the one that is a list of others."""


def carrier(scheme: bytes, supplies: Supplies) -> Carrier:
    """How a client of this scheme, following this source, is convinced.

    Raises:
        Refused: UnknownScheme, no relayer can: the scheme is not known, or the source cannot give what it takes.
    """
    return AgreementCarrier(supplies, part) if scheme == AGREEMENT else part(scheme, supplies)


def part(scheme: bytes, supplies: Supplies) -> PartCarrier:
    """The same for a scheme on its own, or in a list."""
    if scheme not in PARTS:
        raise Refused(Code.UnknownScheme, "client", f"{scheme!r} cannot be carried from {supplies.source.spec.name}")
    return PARTS[scheme](supplies)
