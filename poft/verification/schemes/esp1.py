"""ESP1: another scheme finalises a header, the chain's own state says what its outbox is (docs/protocol.md section 8).

The inner scheme (CMT1) is believed about the header only. Under the header's state root the outbox's account and its
commitment slot are proven (EIP-1186), and the commitment must be that of the outbox which the inner scheme announced. A
quorum that signs an outbox which its chain does not have is refused; it would have to invent a state root as well, and
with it a header that no node of that chain has.

Twins: `StateProofVerifier.sol`, `primitives/src/esp1.rs`; encoding and order of checks are the same in the three.

A genesis is `outbox 20 ‖ the inner genesis`. A proof is

    20 32 2 n     outbox; the inner scheme's authority; length of the inner proof; the inner proof
    1, (2, l)*    number of nodes from the state root to the account; each node behind its length
    1, (2, l)*    the same from the account's storage root to the commitment

The client's authority is keccak(abi.encode(inner authority, outbox)): the outbox is trusted from the genesis on, and no
proof changes it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from poft.protocol.errors import Code, Refused
from poft.protocol.hashing import keccak, word_address, word_bytes32
from poft.verification.api import Finalised, FinalityVerifier, Limits, TrustState
from poft.verification.schemes.cmt1 import CommitteeVerifier
from poft.verification.state_proof import COMMITMENT_SLOT, StateProof, outbox_commitment, proven_slot

_ADDRESS = 20
_HEAD = struct.Struct(">20s32sH")
_MAX_INNER = 2**16 - 1


@dataclass(frozen=True, slots=True)
class OutboxGenesis:
    """The outbox that is trusted, and the genesis of the inner scheme."""

    outbox: bytes
    inner: bytes

    def encode(self) -> bytes:
        """The bytes that governance passes; `Malformed` where the outbox is no address."""
        return word_address(self.outbox, "outbox")[-_ADDRESS:] + self.inner


@dataclass(frozen=True, slots=True)
class OutboxProof:
    """An inner proof, whom it is to convince, and the state proof under the header that it finalises."""

    outbox: bytes
    inner_authority: bytes
    inner: bytes
    state: StateProof

    def encode(self) -> bytes:
        """The bytes that a relayer carries.

        Raises:
            Refused: Malformed where a value does not fit its field, Oversize.
        """
        if len(self.inner) > _MAX_INNER:
            raise Refused(Code.Oversize, "inner proof", f"{len(self.inner)} bytes")
        outbox, authority = word_address(self.outbox, "outbox")[-_ADDRESS:], word_bytes32(self.inner_authority)
        return _HEAD.pack(outbox, authority, len(self.inner)) + self.inner + self.state.encode()

    @classmethod
    def decode(cls, data: bytes) -> OutboxProof:
        """Strict: sizes are checked and every byte belongs to a field; nothing is hashed.

        Raises:
            Refused: Malformed, Oversize.
        """
        if len(data) < _HEAD.size:
            raise Refused(Code.Malformed, "proof", f"{len(data)} bytes")
        outbox, authority, length = _HEAD.unpack_from(data)
        end = _HEAD.size + length
        # An inner proof that is cut off leaves nothing for the state proof: `Malformed` as well.
        return cls(outbox, authority, data[_HEAD.size : end], StateProof.decode(data[end:]))


@dataclass(frozen=True, slots=True)
class StateProofVerifier:
    """The ESP1 scheme over another one."""

    inner: FinalityVerifier = field(default_factory=CommitteeVerifier)

    def scheme(self) -> bytes:
        """`ESP1`."""
        return b"ESP1"

    def initialise(self, genesis: bytes) -> TrustState:
        """Trust in this outbox and in whatever the inner genesis names.

        Raises:
            Refused: Malformed, ZeroValue (no outbox), or what the inner scheme refuses with.
        """
        if len(genesis) < _ADDRESS:
            raise Refused(Code.Malformed, "genesis", f"{len(genesis)} bytes")
        outbox, inner = genesis[:_ADDRESS], genesis[_ADDRESS:]
        if not any(outbox):
            raise Refused(Code.ZeroValue, "outbox")
        state = self.inner.initialise(inner)
        return replace(state, authority=outbox_authority(state.authority, outbox))

    def verify(
        self, source_domain: bytes, state: TrustState, proof: bytes, limits: Limits
    ) -> tuple[TrustState, Finalised]:
        """The state after this proof and what it established. A repetition is proven like everything else.

        Raises:
            Refused: Malformed, Oversize, CommitteeMismatch, what the inner scheme refuses with, BadStateProof,
                CommitmentMismatch; in this order.
        """
        brought = OutboxProof.decode(proof)
        following, finalised = self.inner.verify(source_domain, _within(state, brought), brought.inner, limits)
        # The chain's own state says the same.
        word = proven_slot(finalised.state_root, brought.outbox, COMMITMENT_SLOT, brought.state)
        if word != outbox_commitment(following.outbox_size, following.outbox_root):
            raise Refused(Code.CommitmentMismatch, "outbox", f"size {following.outbox_size} is not in the state")
        return replace(following, authority=outbox_authority(following.authority, brought.outbox)), finalised

    def epoch_of(self, proof: bytes) -> int:
        """The inner scheme's epoch."""
        return self.inner.epoch_of(OutboxProof.decode(proof).inner)

    def check_misbehaviour(
        self, source_domain: bytes, state: TrustState, first: bytes, second: bytes
    ) -> Sequence[bytes]:
        """The inner scheme's answer. State proofs are not looked at: a header that was made up has none.

        Raises:
            Refused: Malformed, Oversize, CommitteeMismatch (first half, then second), then the inner scheme's.
        """
        a = OutboxProof.decode(first)
        within = _within(state, a)
        b = OutboxProof.decode(second)
        _within(state, b)
        return self.inner.check_misbehaviour(source_domain, within, a.inner, b.inner)


def outbox_authority(inner: bytes, outbox: bytes) -> bytes:
    """`keccak(abi.encode(bytes32 inner, address outbox))`: who may convince, and about which outbox."""
    return keccak(word_bytes32(inner, "authority") + word_address(outbox, "outbox"))


def _within(state: TrustState, proof: OutboxProof) -> TrustState:
    """The state as the inner scheme knows it."""
    if outbox_authority(proof.inner_authority, proof.outbox) != state.authority:
        raise Refused(Code.CommitteeMismatch, "authority")
    return replace(state, authority=proof.inner_authority)


__all__ = ["OutboxGenesis", "OutboxProof", "StateProofVerifier", "outbox_authority"]
