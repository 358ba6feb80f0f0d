"""What participants of a federation sign (docs/federation.md). A participant is its training key's address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from .signatures import separator, typed_digest, unsafe_sign_digest, verify_signer
from .structs import U32, U64, Address, Bytes32, Struct

MAX_MEMBERS = 64
"""Members of one round: bitmaps are uint64."""


@dataclass(frozen=True, slots=True)
class Membership(Struct):
    """Join or change; `capacity` in samples per second, 0 = leave; `sequence` grows with every statement."""

    federation: Bytes32
    participant: Address
    encryption_key: Bytes32
    capacity: U32
    sequence: U64

    @property
    def signer(self) -> bytes:
        """Who has to sign this."""
        return self.participant


@dataclass(frozen=True, slots=True)
class Update(Struct):
    """What one trainer contributes to a round; `base` is the id of the task's last final checkpoint."""

    federation: Bytes32
    task: Bytes32
    round: U64
    trainer: Address
    base: Bytes32
    update_root: Bytes32
    update_bytes: U64
    samples: U64
    compute_millis: U64
    steps: U32
    training_root: Bytes32
    dataset_root: Bytes32
    access_root: Bytes32
    cipher_hash: Bytes32

    @property
    def signer(self) -> bytes:
        """Who has to sign this."""
        return self.trainer


@dataclass(frozen=True, slots=True)
class Verdict(Struct):
    """Which updates a verifier accepts: bit i of `accepted` = member i of the round."""

    federation: Bytes32
    task: Bytes32
    round: U64
    verifier: Address
    accepted: U64
    scores_root: Bytes32

    @property
    def signer(self) -> bytes:
        """Who has to sign this."""
        return self.verifier


@dataclass(frozen=True, slots=True)
class Vote(Struct):
    """The checkpoint that a participant computed for a round."""

    federation: Bytes32
    task: Bytes32
    round: U64
    participant: Address
    checkpoint: Bytes32

    @property
    def signer(self) -> bytes:
        """Who has to sign this."""
        return self.participant


S = TypeVar("S", Membership, Update, Verdict, Vote)


@dataclass(frozen=True, slots=True)
class Signed(Generic[S]):
    """A statement as it travels. `index` is the signer's position in the round's member list; Membership ignores it."""

    statement: S
    signature: bytes
    index: int = 0


def statement_digest(chain_domain: bytes, statement: Membership | Update | Verdict | Vote) -> bytes:
    """What a participant of a federation on the chain with this domain signs."""
    return typed_digest(separator("PoFT Federation", "1", chain_domain), statement)


def sign_statement(key: bytes, chain_domain: bytes, statement: S, index: int = 0) -> Signed[S]:
    """Signs a statement with a participant's training key."""
    return Signed(statement, unsafe_sign_digest(key, statement_digest(chain_domain, statement)), index)


def verify_statement(chain_domain: bytes, signed: Signed[S]) -> bytes:
    """Returns the digest of a statement that its signer signed; raises `Refused` otherwise."""
    digest = statement_digest(chain_domain, signed.statement)
    verify_signer(digest, signed.signature, signed.statement.signer)
    return digest
