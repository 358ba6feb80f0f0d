"""CMT1: more than two thirds of a committee signed a finality statement (docs/protocol.md section 8).

Twins: `CommitteeVerifier.sol`, `primitives/src/committee.rs`; the order of checks is the same in the three, so that a
forgery is refused for the same reason everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from poft.protocol.errors import Code, Refused
from poft.protocol.finality import (
    MAX_COMMITTEE,
    Finality,
    check_committee,
    committee_hash,
    quorum,
)
from poft.protocol.hashing import U64_MAX, ZERO32
from poft.protocol.merkle import MAX_PROOF, verify_consistency
from poft.protocol.signatures import verify_signer
from poft.verification.api import Finalised, Limits, TrustState


@dataclass(frozen=True, slots=True)
class CommitteeGenesis:
    """A client's first committee. `small_committee` is the devnet flag: fewer than four members are taken."""

    epoch: int
    members: tuple[bytes, ...]
    small_committee: bool = False


@dataclass(frozen=True, slots=True)
class CommitteeProof:
    """A statement and who signed it.

    `signatures` stand in the order of the bits of `bitmap` (bit i = member i), `next_members` only when the statement
    hands over, `consistency` from the size that the destination accepted last.
    """

    statement: Finality
    members: tuple[bytes, ...]
    bitmap: int
    signatures: tuple[bytes, ...]
    next_members: tuple[bytes, ...] = ()
    consistency: tuple[bytes, ...] = ()


class CommitteeVerifier:
    """The CMT1 scheme."""

    def scheme(self) -> bytes:
        """`CMT1`."""
        return b"CMT1"

    def initialise(self, genesis: CommitteeGenesis) -> TrustState:
        """Trust in this committee, about a source of which nothing is known yet.

        Raises:
            Refused: ZeroValue (epoch 0), CommitteeInvalid.
        """
        if genesis.epoch == 0:
            raise Refused(Code.ZeroValue, "epoch", "epochs count from 1")
        check_committee(genesis.members, genesis.small_committee)
        return TrustState(
            epoch=genesis.epoch,
            authority=committee_hash(genesis.epoch, genesis.members),
            small_committee=genesis.small_committee,
        )

    def verify(
        self, source_domain: bytes, state: TrustState, proof: CommitteeProof, limits: Limits
    ) -> tuple[TrustState, Finalised]:
        """The state after this proof and what it established. The statement that was accepted last is a no-op."""
        said = proof.statement
        _check_sizes(proof)
        if committee_hash(state.epoch, proof.members) != state.authority:
            raise Refused(Code.CommitteeMismatch, "members")
        finalised = Finalised(
            said.height,
            said.block_hash,
            said.state_root,
            said.outbox_size,
            said.outbox_root,
            said.timestamp,
        )
        if (
            state.height > 0
            and said.epoch == state.epoch
            and (said.height, said.outbox_size, said.outbox_root)
            == (state.height, state.outbox_size, state.outbox_root)
        ):
            _check_signatures(source_domain, proof)
            return state, finalised
        # The statement follows what is known.
        if said.epoch != state.epoch:
            raise Refused(Code.WrongEpoch, "epoch", f"{said.epoch} where {state.epoch} is current")
        if said.height <= state.height:
            raise Refused(Code.StaleHeight, "height", f"{said.height} after {state.height}")
        if said.outbox_size < state.outbox_size:
            raise Refused(Code.SizeRegression, "outboxSize", f"{said.outbox_size} after {state.outbox_size}")
        if said.outbox_size == state.outbox_size and said.outbox_root != state.outbox_root:
            raise Refused(Code.RootChanged, "outboxRoot", f"two roots for size {said.outbox_size}")
        if said.timestamp < state.timestamp:
            raise Refused(Code.TimestampRegression, "timestamp")
        if said.timestamp > limits.now + limits.max_drift:
            raise Refused(Code.TimestampDrift, "timestamp", f"{said.timestamp - limits.now} s ahead of this chain")
        # A quorum said so.
        _check_signatures(source_domain, proof)
        # History was only appended to.
        verify_consistency(state.outbox_size, state.outbox_root, said.outbox_size, said.outbox_root, proof.consistency)
        # Hand-over.
        epoch, authority = _hand_over(state, proof)
        return (
            replace(
                state,
                epoch=epoch,
                authority=authority,
                height=said.height,
                timestamp=said.timestamp,
                outbox_size=said.outbox_size,
                outbox_root=said.outbox_root,
            ),
            finalised,
        )

    def check_misbehaviour(
        self, source_domain: bytes, state: TrustState, first: CommitteeProof, second: CommitteeProof
    ) -> Sequence[bytes]:
        """The members who signed both of two statements of this epoch that cannot both be true.

        Contradictions: two statements for one height, or two roots for one size. Both halves must carry a quorum.

        Raises:
            Refused: NotMisbehaviour, or whatever is wrong with a half.
        """
        for half in (first, second):
            _check_sizes(half)
            if committee_hash(state.epoch, half.members) != state.authority:
                raise Refused(Code.CommitteeMismatch, "members")
            if half.statement.epoch != state.epoch:
                raise Refused(Code.WrongEpoch, "epoch")
            _check_signatures(source_domain, half)
        a, b = first.statement, second.statement
        one_height = a.height == b.height and a != b
        one_size = a.outbox_size == b.outbox_size and a.outbox_root != b.outbox_root
        if not (one_height or one_size):
            raise Refused(Code.NotMisbehaviour, "evidence", "both statements can be true")
        both = first.bitmap & second.bitmap
        return [member for i, member in enumerate(first.members) if both >> i & 1]


def build_proof(
    statement: Finality,
    members: Sequence[bytes],
    signatures: Mapping[bytes, bytes],
    consistency: Sequence[bytes],
    next_members: Sequence[bytes] = (),
) -> CommitteeProof:
    """The smallest proof from signatures by member: exactly a quorum, the first members in committee order.

    Raises:
        Refused: QuorumNotReached.
    """
    needed = quorum(len(members))
    chosen = [i for i, member in enumerate(members) if member in signatures][:needed]
    if len(chosen) < needed:
        raise Refused(Code.QuorumNotReached, "signatures", f"{len(chosen)} of {needed}")
    return CommitteeProof(
        statement,
        tuple(members),
        sum(1 << i for i in chosen),
        tuple(signatures[members[i]] for i in chosen),
        tuple(next_members),
        tuple(consistency),
    )


def _check_sizes(proof: CommitteeProof) -> None:
    bounds = (
        ("members", proof.members, MAX_COMMITTEE),
        ("signatures", proof.signatures, MAX_COMMITTEE),
        ("nextMembers", proof.next_members, MAX_COMMITTEE),
        ("consistency", proof.consistency, 2 * MAX_PROOF),
    )
    for name, items, bound in bounds:
        if len(items) > bound:
            raise Refused(Code.Oversize, name, f"{len(items)} of at most {bound}")


def _check_signatures(source_domain: bytes, proof: CommitteeProof) -> None:
    n = len(proof.members)
    if proof.bitmap >> n or proof.bitmap.bit_count() != len(proof.signatures):
        raise Refused(Code.BitmapMismatch, "bitmap")
    if 3 * len(proof.signatures) <= 2 * n:
        raise Refused(Code.QuorumNotReached, "signatures", f"{len(proof.signatures)} of {quorum(n)}")
    digest = proof.statement.digest(source_domain)
    signers = [member for i, member in enumerate(proof.members) if proof.bitmap >> i & 1]
    for signer, signature in zip(signers, proof.signatures, strict=True):
        verify_signer(digest, signature, signer)


def _hand_over(state: TrustState, proof: CommitteeProof) -> tuple[int, bytes]:
    """(epoch, authority) after the proof."""
    if proof.statement.next_committee == ZERO32:
        if proof.next_members:
            raise Refused(Code.BadHandover, "nextMembers", "members without a hand-over")
        return state.epoch, state.authority
    check_committee(proof.next_members, state.small_committee)
    if state.epoch == U64_MAX:
        raise Refused(Code.BadHandover, "nextCommittee", "no epoch follows the last")
    following = state.epoch + 1
    if committee_hash(following, proof.next_members) != proof.statement.next_committee:
        raise Refused(Code.BadHandover, "nextCommittee", "not the hash of these members in the next epoch")
    return following, proof.statement.next_committee


__all__ = ["CommitteeGenesis", "CommitteeProof", "CommitteeVerifier", "build_proof"]
