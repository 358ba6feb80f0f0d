"""What a destination of a run begins to believe of a source, by the link's scheme.

Attestors are started for a source that somebody follows by their statements. A scheme that reads a chain's own
signatures needs none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from chains.evm.clique import tolerated
from poft.chain import Chain, CommitmentSource, SealedSource, StateSource
from poft.protocol.errors import ConfigError, Unreachable
from poft.protocol.finality import MIN_COMMITTEE
from poft.verification.beefy import Justification
from poft.verification.schemes.bef1 import BeefyGenesis
from poft.verification.schemes.cmt1 import CommitteeGenesis
from poft.verification.schemes.esp1 import OutboxGenesis
from poft.verification.sealed import Anchor, SealedGenesis

Scheme = Literal["BEF1", "CLQ1", "CMT1", "ESP1"]

FOLLOWS: Mapping[str, str] = {"BEF1": "substrate", "CLQ1": "evm", "ESP1": "evm"}
"""The kind of source that a scheme can follow; a scheme that is not listed follows every kind."""
ATTESTED = frozenset({"CMT1", "ESP1"})
"""Schemes whose proofs are made of attestors' statements."""
VOTED = frozenset({"BEF1", "CLQ1"})
"""Schemes whose proofs are validators' own signatures: embedded devnets have none."""
_COMMITMENT_SECONDS = 120.0
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Origin:
    """A source as its followers begin with it: its chain, and the seats of its attestors in committee order."""

    chain: Chain
    attestors: Sequence[bytes]


def genesis(scheme: str, origin: Origin) -> bytes:
    """What a client of this scheme is created with."""
    return _GENESES[scheme](origin)


def _committee(origin: Origin) -> bytes:
    small = len(origin.attestors) < MIN_COMMITTEE and origin.chain.spec.development
    return CommitteeGenesis(1, tuple(origin.attestors), small_committee=small).encode()


def _outbox(origin: Origin) -> bytes:
    if not isinstance(origin.chain, StateSource):
        raise ConfigError(f"{origin.chain.spec.name} gives no state proofs", "Follow it by another scheme")
    return OutboxGenesis(origin.chain.outbox_address, _committee(origin)).encode()


def _validators(origin: Origin) -> bytes:
    """Who signs now, and who follows: as the source's node says, which whoever starts a run has started."""
    chain, deadline = origin.chain, time.monotonic() + _COMMITMENT_SECONDS
    if not isinstance(chain, CommitmentSource):
        raise ConfigError(f"validators of {chain.spec.name} sign no commitments", "Follow it by another scheme")
    while not (height := chain.committed_height()):
        if time.monotonic() > deadline:
            raise Unreachable(f"{chain.spec.name}: no commitment in {_COMMITMENT_SECONDS:.0f} s")
        time.sleep(_POLL_SECONDS)
    members = chain.validators(height)
    epoch = Justification.decode(chain.justifications(height)[0]).commitment.epoch
    return BeefyGenesis(epoch, members, chain.next_committee(height), len(members) < MIN_COMMITTEE).encode()


def _sealers(origin: Origin) -> bytes:
    """The signers that the source's deployment names, of whom fewer than a third may be dishonest."""
    chain = origin.chain
    if not isinstance(chain, SealedSource):
        raise ConfigError(f"headers of {chain.spec.name} are not sealed by its signers", "Follow it by another scheme")
    named = chain.consortium()
    anchor = Anchor(chain.domain, named.outbox, named.code_hash, named.since, tolerated(len(named.signers)))
    return SealedGenesis(anchor, 1, named.signers, len(named.signers) < MIN_COMMITTEE).encode()


_GENESES: Mapping[str, Callable[[Origin], bytes]] = {
    "BEF1": _validators,
    "CLQ1": _sealers,
    "CMT1": _committee,
    "ESP1": _outbox,
}
