"""BLS1's committees and encodings: what a genesis, a proof and a committee's hash are made of.

Packed, big endian, without padding; the same bytes on every chain. Twins: `evm/contracts/BlsProof.sol`,
`substrate/bls1/src/encoding.rs`.

A genesis is `epoch 8 ‖ small 1 ‖ n 1`, then n times `key 192 ‖ proof of possession 96`.

A proof:

    8 8 32 32 8 32 8 32   statement: epoch, height, blockHash, stateRoot, outboxSize, outboxRoot, timestamp,
                          nextCommittee
    1 1 1 1               members n; absent a; next members m, 0 without a hand-over; nodes c
    192 32                sum of all n keys; root of the log of keys
    96                    sum of the signatures of those who are present
    192 32                only where m > 0: sum and root of the next committee
    32 c                  consistency proof
    a times 1 1 192 32 p  absent member: index, nodes p, key, inclusion proof in the log of keys

So a proof that everybody signed is 484 bytes and its consistency nodes, for 4 members and for 64; what grows is one
entry for each member who is absent.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from poft.protocol.errors import Code, Refused
from poft.protocol.finality import MAX_COMMITTEE, MIN_COMMITTEE, Finality
from poft.protocol.hashing import WORD, keccak
from poft.protocol.merkle import MAX_PROOF, Log

from .curve import G1_BYTES, G2_BYTES, aggregate_keys, possesses, read_g2

TAG = keccak(b"poft/bls1/committee/v1")
MAX_PATH = 6
"""Nodes of an inclusion proof in a log of at most 64 keys."""
MAX_NODES = 2 * MAX_PROOF
_GENESIS = struct.Struct(">QBB")
_HEAD = struct.Struct(">QQ32s32sQ32sQ32sBBBB192s32s96s")
_NEXT = struct.Struct(">192s32s")
_ABSENT = struct.Struct(">BB192s")


@dataclass(frozen=True, slots=True)
class Member:
    """A member's key, and the proof that its holder knows the secret."""

    key: bytes
    possession: bytes


@dataclass(frozen=True, slots=True)
class Roll:
    """What a proof says about a committee: its size, the sum of its keys and the root of the log of them."""

    count: int
    aggregate: bytes
    root: bytes

    def authority(self, epoch: int) -> bytes:
        """What a client stores: `keccak(TAG ‖ epoch 8 ‖ n 1 ‖ aggregate ‖ root)`."""
        return keccak(TAG + epoch.to_bytes(8, "big") + bytes([self.count]) + self.aggregate + self.root)


@dataclass(frozen=True, slots=True)
class Genesis:
    """A client's first committee. `small_committee` is the devnet flag: fewer than four members are taken."""

    epoch: int
    members: tuple[Member, ...]
    small_committee: bool = False

    def encode(self) -> bytes:
        """The bytes that governance passes; `Malformed` where a value does not fit its field."""
        head = _pack(_GENESIS, self.epoch, self.small_committee, len(self.members))
        parts = [_sized(m.key, G2_BYTES) + _sized(m.possession, G1_BYTES) for m in self.members]
        return head + b"".join(parts)

    @classmethod
    def decode(cls, data: bytes) -> Genesis:
        """Strict: every genesis has one encoding.

        Raises:
            Refused: Malformed, Oversize (more than 64 members).
        """
        if len(data) < _GENESIS.size:
            raise Refused(Code.Malformed, "genesis", f"{len(data)} bytes")
        epoch, small, n = _GENESIS.unpack_from(data)
        if n > MAX_COMMITTEE:
            raise Refused(Code.Oversize, "members", f"{n} of at most {MAX_COMMITTEE}")
        width = G2_BYTES + G1_BYTES
        if small > 1 or len(data) != _GENESIS.size + n * width:
            raise Refused(Code.Malformed, "genesis", f"{len(data)} bytes for {n} members")
        parts = [data[at : at + width] for at in range(_GENESIS.size, len(data), width)]
        return cls(epoch, tuple(Member(part[:G2_BYTES], part[G2_BYTES:]) for part in parts), bool(small))


@dataclass(frozen=True, slots=True)
class Absent:
    """A member who did not sign: its place, its key, and the proof that the key stands there."""

    index: int
    key: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """A statement, one signature of everybody who is present, and who is absent."""

    statement: Finality
    roll: Roll
    signature: bytes
    absent: tuple[Absent, ...] = ()
    following: Roll | None = None
    consistency: tuple[bytes, ...] = ()

    def encode(self) -> bytes:
        """The bytes that a relayer carries; `Malformed` where a value does not fit its field."""
        said, after = self.statement, self.following
        for word in (said.block_hash, said.state_root, said.outbox_root, said.next_committee, self.roll.root):
            _sized(word, WORD)
        parts = [
            _pack(
                _HEAD,
                said.epoch,
                said.height,
                said.block_hash,
                said.state_root,
                said.outbox_size,
                said.outbox_root,
                said.timestamp,
                said.next_committee,
                self.roll.count,
                len(self.absent),
                after.count if after else 0,
                len(self.consistency),
                _sized(self.roll.aggregate, G2_BYTES),
                self.roll.root,
                _sized(self.signature, G1_BYTES),
            )
        ]
        if after:
            parts.append(_pack(_NEXT, _sized(after.aggregate, G2_BYTES), _sized(after.root, WORD)))
        parts += [_sized(node, WORD) for node in self.consistency]
        for one in self.absent:
            parts.append(_pack(_ABSENT, one.index, len(one.path), _sized(one.key, G2_BYTES)))
            parts += [_sized(node, WORD) for node in one.path]
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes) -> Proof:
        """Strict, and bounded before anything is copied.

        Raises:
            Refused: Malformed (a short head), Oversize (a count), Malformed (another length than the counts say).
        """
        if len(data) < _HEAD.size:
            raise Refused(Code.Malformed, "proof", f"{len(data)} bytes")
        *said, n, a, m, c, aggregate, root, signature = _HEAD.unpack_from(data)
        for name, count, bound in (
            ("members", n, MAX_COMMITTEE),
            ("absent", a, MAX_COMMITTEE),
            ("nextMembers", m, MAX_COMMITTEE),
            ("consistency", c, MAX_NODES),
        ):
            if count > bound:
                raise Refused(Code.Oversize, name, f"{count} of at most {bound}")
        rest = _Reader(data, _HEAD.size)
        following = Roll(m, rest.take(G2_BYTES), rest.take(WORD)) if m else None
        consistency = tuple(rest.take(WORD) for _ in range(c))
        absent = tuple(_read_absent(rest) for _ in range(a))
        if rest.at != len(data):
            raise Refused(Code.Malformed, "proof", f"{len(data)} bytes where {rest.at} are due")
        return cls(Finality(*said), Roll(n, aggregate, root), signature, absent, following, consistency)


def key_log(keys: Sequence[bytes]) -> Log:
    """The log of a committee's keys: leaf data is keccak(key), in the committee's order."""
    return Log(keccak(key) for key in keys)


def call_roll(members: Sequence[Member]) -> Roll:
    """What proofs will say about this committee."""
    keys = [member.key for member in members]
    return Roll(len(keys), aggregate_keys(keys), key_log(keys).root(len(keys)))


def check_members(members: Sequence[Member], small: bool) -> Roll:
    """The roll of these members if they may form a committee.

    Keys sorted ascending and unique, each a point of G2 but infinity with its proof of possession, at most 64 and at
    least 4 unless `small` (the client's devnet flag) is set. Without the proofs a member could choose its key as a
    point minus the others' keys, and sign for all of them.

    Raises:
        Refused: CommitteeInvalid.
    """
    check_count(len(members), small)
    if any(first.key >= second.key for first, second in pairwise(members)):
        raise Refused(Code.CommitteeInvalid, "members", "keys are not sorted and unique")
    for at, member in enumerate(members):
        if not possesses(member.key, member.possession):
            raise Refused(Code.CommitteeInvalid, f"members[{at}]", "no key with a proof of possession")
    roll = call_roll(members)
    check_aggregate(roll)
    return roll


def check_count(count: int, small: bool) -> None:
    """Returns when a committee may have so many members, else `CommitteeInvalid`."""
    if not (1 if small else MIN_COMMITTEE) <= count <= MAX_COMMITTEE:
        raise Refused(Code.CommitteeInvalid, "members", f"{count} members")


def check_aggregate(roll: Roll) -> None:
    """Returns when the sum of a committee's keys is a key, else `CommitteeInvalid`."""
    if read_g2(roll.aggregate) is None:
        raise Refused(Code.CommitteeInvalid, "aggregate", "no point of G2 but infinity")


def _read_absent(rest: _Reader) -> Absent:
    index, nodes, key = _ABSENT.unpack(rest.take(_ABSENT.size))
    if nodes > MAX_PATH:
        raise Refused(Code.Oversize, "absent", f"{nodes} nodes of at most {MAX_PATH}")
    return Absent(index, key, tuple(rest.take(WORD) for _ in range(nodes)))


class _Reader:
    """Bytes that are read from the front; what is not there is `Malformed`."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if self.at + count > len(self.data):
            raise Refused(Code.Malformed, "proof", f"{len(self.data)} bytes")
        self.at += count
        return self.data[self.at - count : self.at]


def _pack(layout: struct.Struct, *values: int | bytes) -> bytes:
    try:
        return layout.pack(*values)
    except struct.error as error:
        raise Refused(Code.Malformed, "encoding", str(error)) from error


def _sized(value: bytes, width: int) -> bytes:
    if len(value) != width:
        raise Refused(Code.Malformed, "encoding", f"{len(value)} bytes where {width} are due")
    return value
