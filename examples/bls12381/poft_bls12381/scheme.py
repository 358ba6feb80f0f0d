"""BLS1: more than two thirds of a committee signed a finality statement, in one aggregate signature.

The statement, its digest, the order of the checks and the codes are those of CMT1 (docs/protocol.md section 8), so that
the two schemes differ in one thing: how a quorum's word is shown. Twins: `evm/contracts/BlsVerifier.sol`,
`substrate/bls1/src/lib.rs`.

Who is present is told by who is absent. The key under which the signature verifies is the sum of all keys, which the
client's `authority` commits to, minus the keys of the absent members, which the log of keys commits to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from poft.protocol.errors import Code, Refused
from poft.protocol.finality import quorum
from poft.protocol.hashing import U64_MAX, ZERO32, keccak
from poft.protocol.merkle import verify_consistency, verify_inclusion
from poft.verification.api import Finalised, Limits, TrustState
from py_arkworks_bls12381 import G2Point

from .committee import Genesis, Member, Proof, check_aggregate, check_count, check_members
from .curve import read_sum, verifies


class BlsVerifier:
    """The BLS1 scheme."""

    def scheme(self) -> bytes:
        """`BLS1`."""
        return b"BLS1"

    def initialise(self, genesis: bytes) -> TrustState:
        """Trust in this committee, about a source of which nothing is known yet.

        Raises:
            Refused: Malformed, Oversize, ZeroValue (epoch 0), CommitteeInvalid.
        """
        first = Genesis.decode(genesis)
        if first.epoch == 0:
            raise Refused(Code.ZeroValue, "epoch", "epochs count from 1")
        roll = check_members(first.members, first.small_committee)
        return TrustState(
            epoch=first.epoch, authority=roll.authority(first.epoch), small_committee=first.small_committee
        )

    def verify(
        self, source_domain: bytes, state: TrustState, proof: bytes, limits: Limits
    ) -> tuple[TrustState, Finalised]:
        """The state after this proof and what it established. The statement that was accepted last is a no-op."""
        brought = Proof.decode(proof)
        said = brought.statement
        if brought.roll.authority(state.epoch) != state.authority:
            raise Refused(Code.CommitteeMismatch, "roll")
        finalised = Finalised(
            said.height, said.block_hash, said.state_root, said.outbox_size, said.outbox_root, said.timestamp
        )
        known = (state.epoch, state.height, state.outbox_size, state.outbox_root)
        if state.height > 0 and (said.epoch, said.height, said.outbox_size, said.outbox_root) == known:
            _check_signature(source_domain, brought)
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
        _check_signature(source_domain, brought)
        # History was only appended to.
        verify_consistency(
            state.outbox_size, state.outbox_root, said.outbox_size, said.outbox_root, brought.consistency
        )
        # Hand-over.
        epoch, authority = _hand_over(state, brought)
        following = replace(
            state,
            epoch=epoch,
            authority=authority,
            height=said.height,
            timestamp=said.timestamp,
            outbox_size=said.outbox_size,
            outbox_root=said.outbox_root,
        )
        return following, finalised

    def epoch_of(self, proof: bytes) -> int:
        """The epoch that a proof speaks for."""
        return Proof.decode(proof).statement.epoch

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
        absent = {one.index for half in (a, b) for one in half.absent}
        return [signer_of(state.authority, index) for index in range(a.roll.count) if index not in absent]


def signer_of(authority: bytes, index: int) -> bytes:
    """The name of a member in evidence: the last 20 bytes of `keccak(authority ‖ index 1)`.

    The keys of those who are present do not travel, so a name made from the key would need all of them in every piece
    of evidence. The authority commits to them in their order, so whoever knows the committee knows who is meant.
    """
    return keccak(authority + bytes([index]))[12:]


def next_authority(epoch: int, members: Sequence[Member], small: bool = False) -> bytes:
    """What a statement that hands over to these members in `epoch` names as `next_committee`.

    An honest member signs such a statement only for a hash that it computed here: the destination sees the next
    committee's sum and root, not its proofs of possession, so the old quorum vouches for them.

    Raises:
        Refused: CommitteeInvalid.
    """
    return check_members(members, small).authority(epoch)


def _half(source_domain: bytes, state: TrustState, encoded: bytes) -> Proof:
    proof = Proof.decode(encoded)
    if proof.roll.authority(state.epoch) != state.authority:
        raise Refused(Code.CommitteeMismatch, "roll")
    if proof.statement.epoch != state.epoch:
        raise Refused(Code.WrongEpoch, "epoch")
    _check_signature(source_domain, proof)
    return proof


def _check_signature(source_domain: bytes, proof: Proof) -> None:
    """Returns when more than two thirds are present, the absent are members, and the present signed."""
    n, absent = proof.roll.count, proof.absent
    previous = -1
    for one in absent:
        if not previous < one.index < n:
            raise Refused(Code.BitmapMismatch, "absent", "indices are not ascending members")
        previous = one.index
    present = n - len(absent)
    if 3 * present <= 2 * n:
        raise Refused(Code.QuorumNotReached, "absent", f"{present} of {quorum(n)}")
    for one in absent:
        verify_inclusion(keccak(one.key), one.index, n, one.path, proof.roll.root)
    key = _present_key(proof)
    if key is None or not verifies(key, proof.statement.digest(source_domain), proof.signature):
        raise Refused(Code.BadSignature, "signature")


def _present_key(proof: Proof) -> G2Point | None:
    """Sum of the present members' keys; None where a quorum handed over to keys that are no points."""
    key = read_sum(proof.roll.aggregate)
    for one in proof.absent:
        part = read_sum(one.key)
        if key is None or part is None:
            return None
        key -= part
    return key


def _hand_over(state: TrustState, proof: Proof) -> tuple[int, bytes]:
    """(epoch, authority) after the proof."""
    named, roll = proof.statement.next_committee, proof.following
    if named == ZERO32:
        if roll is not None:
            raise Refused(Code.BadHandover, "nextMembers", "members without a hand-over")
        return state.epoch, state.authority
    check_count(roll.count if roll else 0, state.small_committee)
    assert roll is not None  # a committee of none was refused
    check_aggregate(roll)
    if state.epoch == U64_MAX:
        raise Refused(Code.BadHandover, "nextCommittee", "no epoch follows the last")
    if roll.authority(state.epoch + 1) != named:
        raise Refused(Code.BadHandover, "nextCommittee", "not the hash of this committee in the next epoch")
    return state.epoch + 1, named
