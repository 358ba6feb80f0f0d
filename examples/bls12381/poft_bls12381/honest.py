"""A committee with its secrets: what honest members sign, and what a liar makes of it.

Keys are derived from labels and public: they are for tests, vectors, benchmarks and the conformance kit.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from poft.protocol.finality import MIN_COMMITTEE, Finality
from poft.protocol.merkle import Log
from py_arkworks_bls12381 import Scalar

from .committee import Absent, Genesis, Member, Proof, Roll, call_roll, key_log
from .curve import SIGNATURE_TAG, aggregate_signatures, prove_possession, public_key, secret_key, sign


@dataclass(frozen=True)
class Committee:
    """Secrets in the order of their keys."""

    epoch: int
    secrets: tuple[Scalar, ...]

    @cached_property
    def keys(self) -> tuple[bytes, ...]:
        """The members' keys, ascending."""
        return tuple(public_key(secret) for secret in self.secrets)

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """The members with their proofs of possession."""
        return tuple(Member(key, prove_possession(secret)) for key, secret in zip(self.keys, self.secrets, strict=True))

    @cached_property
    def roll(self) -> Roll:
        """What proofs say about this committee."""
        return call_roll(self.members)

    @cached_property
    def log(self) -> Log:
        """The log of its keys."""
        return key_log(self.keys)

    @property
    def authority(self) -> bytes:
        """What a client of this committee's chain stores."""
        return self.roll.authority(self.epoch)

    def genesis(self, epoch: int | None = None) -> Genesis:
        """What a client starts from; fewer than four members are marked as a committee for development."""
        return Genesis(self.epoch if epoch is None else epoch, self.members, len(self.members) < MIN_COMMITTEE)

    def absent(self, index: int) -> Absent:
        """The entry of a member who does not sign."""
        return Absent(index, self.keys[index], tuple(self.log.inclusion_path(index, len(self.keys))))

    def signature(self, message: bytes, present: Collection[int], tag: bytes = SIGNATURE_TAG) -> bytes:
        """The sum of these members' signatures."""
        return aggregate_signatures([sign(self.secrets[index], message, tag) for index in sorted(present)])

    def prove(
        self,
        statement: Finality,
        domain: bytes,
        absent: Collection[int] = (),
        consistency: Sequence[bytes] = (),
        following: Roll | None = None,
    ) -> Proof:
        """A proof that everybody but the absent signed."""
        present = set(range(len(self.keys))) - set(absent)
        return Proof(
            statement,
            self.roll,
            self.signature(statement.digest(domain), present),
            tuple(self.absent(index) for index in sorted(absent)),
            following,
            tuple(consistency),
        )


def committee(label: bytes, count: int, epoch: int = 1) -> Committee:
    """The same committee for the same arguments."""
    secrets = [secret_key(label + epoch.to_bytes(8, "big") + bytes([i])) for i in range(count)]
    return Committee(epoch, tuple(sorted(secrets, key=public_key)))


def most_absent(members: int) -> int:
    """The most members who may be absent from a quorum."""
    return (members - 1) // 3
