"""CMT1: more than two thirds of a committee signed a finality statement (docs/protocol.md section 8).

Twins: `CommitteeVerifier.sol`, `primitives/src/committee.rs`; encoding and order of checks are the same in the three,
so that a forgery is refused for the same reason everywhere.

A genesis is `epoch u64 ‖ small u8 ‖ n u8 ‖ n × 20`. A proof is packed as well, because calldata is the largest part of
its price after the signatures:

    8 8 32 32 8 32 8 32   statement: epoch, height, blockHash, stateRoot, outboxSize, outboxRoot, timestamp,
                          nextCommittee
    8 1 1 2 1 1           bitmap; members n; signatures k; bytes of all signatures (65 k); next members m; nodes c
    20 n, 65 k, 20 m, 32 c
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from poft.protocol.errors import Code, Refused
from poft.protocol.finality import (
    MAX_COMMITTEE,
    Finality,
    check_committee,
    check_quorum,
    committee_hash,
    quorum,
)
from poft.protocol.hashing import U64_MAX, ZERO32
from poft.protocol.merkle import MAX_PROOF, verify_consistency
from poft.verification.api import Finalised, Limits, TrustState
from poft.verification.packing import pack, parts, sized, split_signatures

_ADDRESS, _NODE = 20, 32
_GENESIS = struct.Struct(">QBB")
_HEAD = struct.Struct(">QQ32s32sQ32sQ32sQBBHBB")
_MAX_NODES = 2 * MAX_PROOF


@dataclass(frozen=True, slots=True)
class CommitteeGenesis:
    """A client's first committee. `small_committee` is the devnet flag: fewer than four members are taken."""

    epoch: int
    members: tuple[bytes, ...]
    small_committee: bool = False

    def encode(self) -> bytes:
        """The bytes that governance passes; `Malformed` where a value does not fit its field."""
        head = pack(_GENESIS, self.epoch, self.small_committee, len(self.members))
        return head + b"".join(sized(self.members, _ADDRESS))

    @classmethod
    def decode(cls, data: bytes) -> CommitteeGenesis:
        """Strict: every genesis has one encoding.

        Raises:
            Refused: Malformed, Oversize (more than 64 members).
        """
        if len(data) < _GENESIS.size:
            raise Refused(Code.Malformed, "genesis", f"{len(data)} bytes")
        epoch, small, n = _GENESIS.unpack_from(data)
        if n > MAX_COMMITTEE:
            raise Refused(Code.Oversize, "members", f"{n} of at most {MAX_COMMITTEE}")
        if small > 1 or len(data) != _GENESIS.size + _ADDRESS * n:
            raise Refused(Code.Malformed, "genesis", f"{len(data)} bytes for {n} members")
        return cls(epoch, parts(data, _GENESIS.size, n, _ADDRESS), bool(small))


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

    def encode(self) -> bytes:
        """The bytes that a relayer carries; `Malformed` where a value does not fit its field."""
        said, signatures = self.statement, b"".join(self.signatures)
        sized((said.block_hash, said.state_root, said.outbox_root, said.next_committee), _NODE)
        head = pack(
            _HEAD,
            said.epoch,
            said.height,
            said.block_hash,
            said.state_root,
            said.outbox_size,
            said.outbox_root,
            said.timestamp,
            said.next_committee,
            self.bitmap,
            len(self.members),
            len(self.signatures),
            len(signatures),
            len(self.next_members),
            len(self.consistency),
        )
        members, following = sized(self.members, _ADDRESS), sized(self.next_members, _ADDRESS)
        return b"".join((head, *members, signatures, *following, *sized(self.consistency, _NODE)))

    @classmethod
    def decode(cls, data: bytes) -> CommitteeProof:
        """Strict, and bounded before anything is copied. Signatures of another total length than 65 each are kept:
        they are refused where signatures are looked at.

        Raises:
            Refused: Malformed, Oversize.
        """
        if len(data) < _HEAD.size:
            raise Refused(Code.Malformed, "proof", f"{len(data)} bytes")
        *said, bitmap, n, k, signature_bytes, m, c = _HEAD.unpack_from(data)
        for name, count, bound in (
            ("members", n, MAX_COMMITTEE),
            ("signatures", k, MAX_COMMITTEE),
            ("nextMembers", m, MAX_COMMITTEE),
            ("consistency", c, _MAX_NODES),
        ):
            if count > bound:
                raise Refused(Code.Oversize, name, f"{count} of at most {bound}")
        signatures_at = _HEAD.size + _ADDRESS * n
        following_at = signatures_at + signature_bytes
        nodes_at = following_at + _ADDRESS * m
        if len(data) != nodes_at + _NODE * c:
            raise Refused(Code.Malformed, "proof", f"{len(data)} bytes where {nodes_at + _NODE * c} are due")
        return cls(
            Finality(*said),
            parts(data, _HEAD.size, n, _ADDRESS),
            bitmap,
            split_signatures(data[signatures_at:following_at], k),
            parts(data, following_at, m, _ADDRESS),
            parts(data, nodes_at, c, _NODE),
        )


class CommitteeVerifier:
    """The CMT1 scheme."""

    def scheme(self) -> bytes:
        """`CMT1`."""
        return b"CMT1"

    def initialise(self, genesis: bytes) -> TrustState:
        """Trust in this committee, about a source of which nothing is known yet.

        Raises:
            Refused: Malformed, Oversize, ZeroValue (epoch 0), CommitteeInvalid.
        """
        first = CommitteeGenesis.decode(genesis)
        if first.epoch == 0:
            raise Refused(Code.ZeroValue, "epoch", "epochs count from 1")
        check_committee(first.members, first.small_committee)
        return TrustState(
            epoch=first.epoch,
            authority=committee_hash(first.epoch, first.members),
            small_committee=first.small_committee,
        )

    def verify(
        self, source_domain: bytes, state: TrustState, proof: bytes, limits: Limits
    ) -> tuple[TrustState, Finalised]:
        """The state after this proof and what it established. The statement that was accepted last is a no-op."""
        brought = CommitteeProof.decode(proof)
        said = brought.statement
        if committee_hash(state.epoch, brought.members) != state.authority:
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
            _check_signatures(source_domain, brought)
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
        _check_signatures(source_domain, brought)
        # History was only appended to.
        verify_consistency(
            state.outbox_size, state.outbox_root, said.outbox_size, said.outbox_root, brought.consistency
        )
        # Hand-over.
        epoch, authority = _hand_over(state, brought)
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

    def epoch_of(self, proof: bytes) -> int:
        """The epoch that a proof speaks for."""
        return CommitteeProof.decode(proof).statement.epoch

    def check_misbehaviour(
        self, source_domain: bytes, state: TrustState, first: bytes, second: bytes
    ) -> Sequence[bytes]:
        """The members who signed both of two statements of this epoch that cannot both be true.

        Contradictions: two statements for one height, or two roots for one size. Both halves must carry a quorum.

        Raises:
            Refused: NotMisbehaviour, or whatever is wrong with a half.
        """
        a, b = (_half(source_domain, state, half) for half in (first, second))
        one_height = a.statement.height == b.statement.height and a.statement != b.statement
        one_size = (
            a.statement.outbox_size == b.statement.outbox_size and a.statement.outbox_root != b.statement.outbox_root
        )
        if not (one_height or one_size):
            raise Refused(Code.NotMisbehaviour, "evidence", "both statements can be true")
        both = a.bitmap & b.bitmap
        return [member for i, member in enumerate(a.members) if both >> i & 1]


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


def _half(source_domain: bytes, state: TrustState, encoded: bytes) -> CommitteeProof:
    proof = CommitteeProof.decode(encoded)
    if committee_hash(state.epoch, proof.members) != state.authority:
        raise Refused(Code.CommitteeMismatch, "members")
    if proof.statement.epoch != state.epoch:
        raise Refused(Code.WrongEpoch, "epoch")
    _check_signatures(source_domain, proof)
    return proof


def _check_signatures(source_domain: bytes, proof: CommitteeProof) -> None:
    check_quorum(proof.statement.digest(source_domain), proof.members, proof.bitmap, proof.signatures)


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
