"""A source of `ledgers.py` whose validators sign commitments, for tests of relayers: sets that end, nodes that lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from poft.chain import ClientStatus
from poft.protocol.errors import Code, Refused
from poft.protocol.finality import committee_hash, quorum
from poft.protocol.hashing import keccak
from poft.protocol.signatures import key_address
from poft.verification.beefy import Commitment
from poft.verification.schemes.bef1 import BeefyGenesis, BeefyVerifier
from tests.vectors.bef1 import scale

from .ledgers import SOURCE, Source


def validator_keys(set_id: int, count: int = 4) -> tuple[bytes, ...]:
    """In the order of the authority list, which is not that of their addresses. Public test keys."""
    return tuple(keccak(b"validator" + bytes([set_id, i])) for i in range(count))


def committee(set_id: int) -> bytes:
    return committee_hash(set_id + 1, sorted(map(key_address, validator_keys(set_id))))


def beefy_genesis(set_id: int = 0) -> bytes:
    members = tuple(sorted(map(key_address, validator_keys(set_id))))
    return BeefyGenesis(set_id + 1, members, committee(set_id + 1)).encode()


def beefy_client(set_id: int = 0) -> ClientStatus:
    return ClientStatus(b"BEF1", BeefyVerifier().initialise(beefy_genesis(set_id)), 0, False, 600, 3600)


@dataclass
class ValidatedSource(Source):
    """Every block is committed to. `firsts[i]` is the first block of set i; `said` is what an endpoint has instead."""

    firsts: list[int] = field(default_factory=lambda: [1])
    said: dict[int, list[bytes]] = field(default_factory=dict)
    silent: set[int] = field(default_factory=set)
    pruned_below: int = 0
    asked: int = 0

    def rotate(self) -> None:
        """The next block is the first of another set."""
        self.firsts.append(self.best + 1)
        self.quiet(1)

    def set_id(self, height: int) -> int:
        return max(i for i, first in enumerate(self.firsts) if first <= height)

    def commitment(self, height: int, **changes: object) -> Commitment:
        f, set_id = self.finality_evidence(height), self.set_id(height)
        honest = Commitment(
            f.block_hash,
            f.state_root,
            f.outbox_size,
            f.outbox_root,
            SOURCE,
            f.timestamp,
            committee(set_id + 1),
            height,
            set_id,
        )
        return replace(honest, **changes)  # type: ignore[arg-type]

    def justification(
        self, said: Commitment, keys: Sequence[bytes] | None = None, signers: Sequence[int] | None = None
    ) -> bytes:
        keys = validator_keys(said.set_id) if keys is None else keys
        return scale(said, keys, range(quorum(len(keys))) if signers is None else signers)

    # What a relayer asks for.

    def committed_height(self) -> int:
        return max((height for height in range(self.best + 1) if height not in self.silent), default=0)

    def justifications(self, height: int) -> list[bytes]:
        self.asked += 1
        if height in self.silent or not 1 <= height <= self.best:
            return []
        return self.said.get(height) or [self.justification(self.commitment(height))]

    def next_committee(self, height: int) -> bytes:
        assert 1 <= height <= self.best
        return committee(self.set_id(height) + 1)

    def validators(self, height: int) -> tuple[bytes, ...]:
        if height < self.pruned_below and height not in self.firsts[1:]:
            raise Refused(Code.EvidenceDisagrees, f"validators of block {height}", "no state")
        return tuple(map(key_address, validator_keys(self.set_id(height))))
