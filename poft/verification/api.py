"""The plug-in point: how a destination is convinced that something is final on a source (docs/protocol.md section 8).

A verifier is stateless. Its host (a contract, a pallet, or `poft verify`) owns the `TrustState` and does replay,
freshness, freeze and dispatch, so that a scheme cannot forget them. A scheme's Python half does two jobs: it verifies
exactly as the on-chain halves do, and it builds the proofs that a relayer carries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

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
    """What a proof established about the source. `timestamp` is the source's, in seconds."""

    height: int
    block_hash: bytes
    state_root: bytes
    outbox_size: int
    outbox_root: bytes
    timestamp: int


@dataclass(frozen=True, slots=True)
class Limits:
    """The host's side of a check: its own time in seconds and how far ahead of it a source may be."""

    now: int
    max_drift: int


G_contra = TypeVar("G_contra", contravariant=True)
P_contra = TypeVar("P_contra", contravariant=True)


class FinalityVerifier(Protocol[G_contra, P_contra]):
    """A verification scheme. `G_contra` is its genesis, `P_contra` its proof; entry-point group `poft.verifiers`."""

    def scheme(self) -> bytes:
        """Four bytes that name the scheme on every chain."""
        ...

    def initialise(self, genesis: G_contra) -> TrustState:
        """The first state of a client; refuses an empty, zero or malformed genesis."""
        ...

    def verify(
        self, source_domain: bytes, state: TrustState, proof: P_contra, limits: Limits
    ) -> tuple[TrustState, Finalised]:
        """The state after a proof and what it established. Success is by returning; every failure is `Refused`."""
        ...

    def check_misbehaviour(
        self, source_domain: bytes, state: TrustState, first: P_contra, second: P_contra
    ) -> Sequence[bytes]:
        """The signers behind both halves of a contradiction; `Refused(NotMisbehaviour)` when there is none."""
        ...
