"""Which carrier convinces clients of which scheme (`carriers.py` is the port)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from poft.protocol.errors import Code, Refused

from .carriers import Carrier, Supplies
from .certified import committee_carrier, state_proof_carrier
from .commitments import CommitmentCarrier

CARRIERS: Mapping[bytes, Callable[[Supplies], Carrier]] = {
    b"BEF1": CommitmentCarrier,
    b"CMT1": committee_carrier,
    b"ESP1": state_proof_carrier,
}


def carrier(scheme: bytes, supplies: Supplies) -> Carrier:
    """How a client of this scheme, following this source, is convinced.

    Raises:
        Refused: UnknownScheme, no relayer can: the scheme is not known, or the source cannot give what it takes.
    """
    if scheme not in CARRIERS:
        raise Refused(Code.UnknownScheme, "client", f"{scheme!r} cannot be carried from {supplies.source.spec.name}")
    return CARRIERS[scheme](supplies)
