"""The plug-in point: how a destination is convinced that something is final on a source (docs/protocol.md section 8).

A verifier is stateless. Its host (a contract, a pallet, or `poft verify`) owns the `TrustState` and does replay,
freshness, freeze and dispatch, so that a scheme cannot forget them. A scheme's Python half does two jobs: it verifies
exactly as the on-chain halves do, and it builds the proofs that a relayer carries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Protocol, cast

from poft.protocol.errors import Code, Refused
from poft.protocol.merkle import EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class TrustState:
    """What a destination believes about a source; owned by the host.

    `authority` commits to whoever may convince it in `epoch` (CMT1: the committee's hash). `small_committee` is the
    devnet flag that was set when the client was created; no proof can set it.
    """

    epoch: int
    authority: bytes
    height: int = 0
    timestamp: int = 0
    outbox_size: int = 0
    outbox_root: bytes = EMPTY_ROOT
    small_committee: bool = False


@dataclass(frozen=True, slots=True)
class Finalised:
    """What a proof established about the source. `timestamp` is the source's, in seconds.

    `dissent` is a bitmap of the schemes in shadow that did not agree (AND1), 0 for every other scheme.
    """

    height: int
    block_hash: bytes
    state_root: bytes
    outbox_size: int
    outbox_root: bytes
    timestamp: int
    dissent: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """The host's side of a check: its own time in seconds and how far ahead of it a source may be."""

    now: int
    max_drift: int


MAX_BYTES = 1 << 16
"""Bytes of a genesis or a proof; hosts refuse longer ones before they are read."""


class FinalityVerifier(Protocol):
    """A verification scheme; entry-point group `poft.verifiers`, named by `scheme`.

    Genesis and proof are bytes, the same for every implementation of the scheme: hosts and relayers carry them without
    looking inside. A scheme documents their encoding, decodes strictly and bounds every length before it copies.
    """

    def scheme(self) -> bytes:
        """Four bytes that name the scheme on every chain."""
        ...

    def initialise(self, genesis: bytes) -> TrustState:
        """The first state of a client; refuses an empty, zero or malformed genesis."""
        ...

    def verify(
        self, source_domain: bytes, state: TrustState, proof: bytes, limits: Limits
    ) -> tuple[TrustState, Finalised]:
        """The state after a proof and what it established; a proof that was accepted last returns `state` itself.

        Success is by returning; every failure is `Refused`.
        """
        ...

    def epoch_of(self, proof: bytes) -> int:
        """The epoch that a proof speaks for. Nothing is verified: a host finds the authority of that epoch by it."""
        ...

    def check_misbehaviour(
        self, source_domain: bytes, state: TrustState, first: bytes, second: bytes
    ) -> Sequence[bytes]:
        """The signers (20 bytes each) behind both halves of a contradiction in `state.epoch`.

        `Refused(NotMisbehaviour)` when there is none. Both halves must verify on their own.
        """
        ...


def verifier(scheme: bytes) -> FinalityVerifier:
    """The installed implementation of a scheme.

    Raises:
        Refused: UnknownScheme.
    """
    return _implementation(scheme.decode("ascii", "replace"))()


@cache
def _implementation(name: str) -> type[FinalityVerifier]:
    """Found once: to read what is installed takes as long as fifty signatures."""
    for point in entry_points(group="poft.verifiers"):
        if point.name == name:
            return cast(type[FinalityVerifier], point.load())
    raise Refused(Code.UnknownScheme, "scheme", f"{name!r} is not installed")
