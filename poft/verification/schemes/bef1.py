"""BEF1: more than two thirds of a Substrate chain's validators signed a BEEFY commitment (docs/protocol.md section 8).

No attestors: the validators' own votes are the proof. The commitment's bytes are in `poft/verification/beefy.py`. The
epoch is the validator set's id + 1. A client knows the committee of its epoch and that of the next, and its authority
is keccak(abi.encode(bytes32 currentCommittee, bytes32 nextCommittee)); the next set takes over by signing for itself.

A genesis is `epoch u64 ‖ small u8 ‖ n u8 ‖ n × 20 ‖ nextCommittee 32`. A proof:

    193          commitment, the very bytes that were signed
    32 32        currentCommittee, nextCommittee: what the authority commits to
    8 1 1 2 1    bitmap; members n; signatures k; bytes of all signatures (65 k); nodes c
    20 n, 65 k, 32 c

Twins: `BeefyVerifier.sol`, `primitives/src/bef1.rs`; encoding and order of checks are the same in the three.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from poft.protocol.errors import Code, Refused
from poft.protocol.finality import MAX_COMMITTEE, check_committee, check_quorum, committee_hash, quorum
from poft.protocol.hashing import U64_MAX, ZERO32, keccak, word_bytes32
from poft.protocol.merkle import MAX_PROOF, verify_consistency
from poft.verification.api import Finalised, Limits, TrustState
from poft.verification.beefy import COMMITMENT_BYTES, Commitment
from poft.verification.packing import pack, parts, sized, split_signatures

_ADDRESS, _WORD = 20, 32
_GENESIS = struct.Struct(">QBB")
_COUNTS = struct.Struct(">QBBHB")
_HEAD = COMMITMENT_BYTES + 2 * _WORD + _COUNTS.size
_MAX_NODES = 2 * MAX_PROOF


@dataclass(frozen=True, slots=True)
class BeefyGenesis:
    """A client's first validators, by their addresses, and the committee of the set that follows them.

    `small_committee` is the devnet flag: fewer than four members are taken.
    """

    epoch: int
    members: tuple[bytes, ...]
    next_committee: bytes
    small_committee: bool = False

    def encode(self) -> bytes:
        """The bytes that governance passes; `Malformed` where a value does not fit its field."""
        head = pack(_GENESIS, self.epoch, self.small_committee, len(self.members))
        return b"".join((head, *sized(self.members, _ADDRESS), *sized((self.next_committee,), _WORD)))

    @classmethod
    def decode(cls, data: bytes) -> BeefyGenesis:
        """Strict: every genesis has one encoding.

        Raises:
            Refused: Malformed, Oversize (more than 64 members).
        """
        if len(data) < _GENESIS.size:
            raise Refused(Code.Malformed, "genesis", f"{len(data)} bytes")
        epoch, small, n = _GENESIS.unpack_from(data)
        if n > MAX_COMMITTEE:
            raise Refused(Code.Oversize, "members", f"{n} of at most {MAX_COMMITTEE}")
        end = _GENESIS.size + _ADDRESS * n
        if small > 1 or len(data) != end + _WORD:
            raise Refused(Code.Malformed, "genesis", f"{len(data)} bytes for {n} members")
        return cls(epoch, parts(data, _GENESIS.size, n, _ADDRESS), data[end:], bool(small))


@dataclass(frozen=True, slots=True)
class BeefyProof:
    """A commitment and who signed it.

    `commitment` are the signed bytes. `members` is the whole set that signs, sorted: the current one, or the next one
    when it takes over. `signatures` stand in the order of the bits of `bitmap` (bit i = member i), `consistency` from
    the size that the destination accepted last.
    """

    commitment: bytes
    current_committee: bytes
    next_committee: bytes
    members: tuple[bytes, ...]
    bitmap: int
    signatures: tuple[bytes, ...]
    consistency: tuple[bytes, ...] = ()

    @property
    def said(self) -> Commitment:
        """The commitment, read."""
        return Commitment.decode(self.commitment)

    def encode(self) -> bytes:
        """The bytes that a relayer carries; `Malformed` where a value does not fit its field."""
        signatures = b"".join(self.signatures)
        sized((self.commitment,), COMMITMENT_BYTES)
        sized((self.current_committee, self.next_committee), _WORD)
        counts = pack(
            _COUNTS, self.bitmap, len(self.members), len(self.signatures), len(signatures), len(self.consistency)
        )
        head = self.commitment + self.current_committee + self.next_committee + counts
        members, nodes = sized(self.members, _ADDRESS), sized(self.consistency, _WORD)
        return b"".join((head, *members, signatures, *nodes))

    @classmethod
    def decode(cls, data: bytes) -> BeefyProof:
        """Strict, and bounded before anything is copied. Signatures of another total length than 65 each are kept:
        they are refused where signatures are looked at.

        Raises:
            Refused: Malformed (a short head, another commitment), Oversize, Malformed (another length).
        """
        if len(data) < _HEAD:
            raise Refused(Code.Malformed, "proof", f"{len(data)} bytes")
        Commitment.decode(data[:COMMITMENT_BYTES])
        bitmap, n, k, signature_bytes, c = _COUNTS.unpack_from(data, _HEAD - _COUNTS.size)
        for name, count, bound in (
            ("members", n, MAX_COMMITTEE),
            ("signatures", k, MAX_COMMITTEE),
            ("consistency", c, _MAX_NODES),
        ):
            if count > bound:
                raise Refused(Code.Oversize, name, f"{count} of at most {bound}")
        signatures_at = _HEAD + _ADDRESS * n
        nodes_at = signatures_at + signature_bytes
        if len(data) != nodes_at + _WORD * c:
            raise Refused(Code.Malformed, "proof", f"{len(data)} bytes where {nodes_at + _WORD * c} are due")
        current, following = parts(data, COMMITMENT_BYTES, 2, _WORD)
        return cls(
            data[:COMMITMENT_BYTES],
            current,
            following,
            parts(data, _HEAD, n, _ADDRESS),
            bitmap,
            split_signatures(data[signatures_at:nodes_at], k),
            parts(data, nodes_at, c, _WORD),
        )


def beefy_authority(current_committee: bytes, next_committee: bytes) -> bytes:
    """The authority of a client that trusts these validators, and those after them once they sign for themselves."""
    return keccak(word_bytes32(current_committee, "committee") + word_bytes32(next_committee, "committee"))


class BeefyVerifier:
    """The BEF1 scheme."""

    def scheme(self) -> bytes:
        """`BEF1`."""
        return b"BEF1"

    def initialise(self, genesis: bytes) -> TrustState:
        """Trust in these validators, about a source of which nothing is known yet.

        Raises:
            Refused: Malformed, Oversize, ZeroValue (epoch 0, no next committee), CommitteeInvalid.
        """
        first = BeefyGenesis.decode(genesis)
        if first.epoch == 0:
            raise Refused(Code.ZeroValue, "epoch", "epochs count from 1")
        check_committee(first.members, first.small_committee)
        if first.next_committee == ZERO32:
            raise Refused(Code.ZeroValue, "nextCommittee", "nobody could ever take over")
        return TrustState(
            epoch=first.epoch,
            authority=beefy_authority(committee_hash(first.epoch, first.members), first.next_committee),
            small_committee=first.small_committee,
        )

    def verify(
        self, source_domain: bytes, state: TrustState, proof: bytes, limits: Limits
    ) -> tuple[TrustState, Finalised]:
        """The state after this proof and what it established. What was accepted last is a no-op."""
        brought = BeefyProof.decode(proof)
        said = brought.said
        takes_over = _require_set(source_domain, state, brought, said)
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
            and not takes_over
            and (said.height, said.outbox_size, said.outbox_root)
            == (state.height, state.outbox_size, state.outbox_root)
        ):
            _check_signatures(brought)
            return state, finalised
        # The commitment follows what is known.
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
        _check_signatures(brought)
        # History was only appended to.
        verify_consistency(
            state.outbox_size, state.outbox_root, said.outbox_size, said.outbox_root, brought.consistency
        )
        # Hand-over.
        epoch, authority = _hand_over(state, brought, said, takes_over)
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
        """The epoch that a proof speaks for: that of the set that signs.

        Raises:
            Refused: Malformed, Oversize, WrongEpoch (set 2^64 - 1 has none).
        """
        epoch = BeefyProof.decode(proof).said.epoch
        if epoch > U64_MAX:
            raise Refused(Code.WrongEpoch, "setId", "no epoch follows the last")
        return epoch

    def check_misbehaviour(
        self, source_domain: bytes, state: TrustState, first: bytes, second: bytes
    ) -> Sequence[bytes]:
        """The members who signed both of two commitments of this epoch's set that cannot both be true.

        Contradictions: two commitments for one block, or two roots for one size. Both halves must carry a quorum.

        Raises:
            Refused: NotMisbehaviour, or whatever is wrong with a half.
        """
        a, b = (_half(source_domain, state, half) for half in (first, second))
        x, y = a.said, b.said
        one_height = x.height == y.height and a.commitment != b.commitment
        one_size = x.outbox_size == y.outbox_size and x.outbox_root != y.outbox_root
        if not (one_height or one_size):
            raise Refused(Code.NotMisbehaviour, "evidence", "both commitments can be true")
        both = a.bitmap & b.bitmap
        return [member for i, member in enumerate(a.members) if both >> i & 1]


def build_proof(
    commitment: Commitment,
    committees: tuple[bytes, bytes],
    members: Sequence[bytes],
    signatures: Mapping[bytes, bytes],
    consistency: Sequence[bytes],
) -> BeefyProof:
    """The smallest proof from signatures by member: exactly a quorum, the first members in the order of addresses.

    `committees` are the client's current and next one, `members` those of the set that signs, in any order.

    Raises:
        Refused: QuorumNotReached.
    """
    ordered, needed = sorted(members), quorum(len(members))
    chosen = [i for i, member in enumerate(ordered) if member in signatures][:needed]
    if len(chosen) < needed:
        raise Refused(Code.QuorumNotReached, "signatures", f"{len(chosen)} of {needed}")
    return BeefyProof(
        commitment.encode(),
        *committees,
        tuple(ordered),
        sum(1 << i for i in chosen),
        tuple(signatures[ordered[i]] for i in chosen),
        tuple(consistency),
    )


def _require_set(source_domain: bytes, state: TrustState, proof: BeefyProof, said: Commitment) -> bool:
    """Whether the next set signs, when the proof is one of a set that the client knows, about this source."""
    if beefy_authority(proof.current_committee, proof.next_committee) != state.authority:
        raise Refused(Code.CommitteeMismatch, "committees")
    takes_over = said.set_id == state.epoch
    if said.epoch != state.epoch and not takes_over:
        raise Refused(Code.WrongEpoch, "setId", f"{said.set_id} in epoch {state.epoch}")
    if takes_over and state.epoch == U64_MAX:
        raise Refused(Code.BadHandover, "setId", "no epoch follows the last")
    committee = proof.next_committee if takes_over else proof.current_committee
    if committee_hash(said.epoch, proof.members) != committee:
        raise Refused(Code.CommitteeMismatch, "members")
    if said.domain != source_domain:
        raise Refused(Code.WrongDomain, "domain", "a commitment of another chain")
    return takes_over


def _half(source_domain: bytes, state: TrustState, encoded: bytes) -> BeefyProof:
    proof = BeefyProof.decode(encoded)
    if _require_set(source_domain, state, proof, proof.said):
        raise Refused(Code.WrongEpoch, "setId", "evidence is of one epoch")
    _check_signatures(proof)
    return proof


def _check_signatures(proof: BeefyProof) -> None:
    check_quorum(keccak(proof.commitment), proof.members, proof.bitmap, proof.signatures)


def _hand_over(state: TrustState, proof: BeefyProof, said: Commitment, takes_over: bool) -> tuple[int, bytes]:
    """(epoch, authority) after the proof."""
    if not takes_over:
        if said.next_committee != proof.next_committee:
            raise Refused(Code.BadHandover, "nextCommittee", "another than the client was told of")
        return state.epoch, state.authority
    check_committee(proof.members, state.small_committee)
    if said.next_committee == ZERO32:
        raise Refused(Code.BadHandover, "nextCommittee", "nobody could ever take over")
    return said.epoch, beefy_authority(proof.next_committee, said.next_committee)


__all__ = ["BeefyGenesis", "BeefyProof", "BeefyVerifier", "beefy_authority", "build_proof"]
