"""CMT1 for the conformance kit: a committee with keys, and what only a committee's proofs can be forged in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from poft.conformance.plugin import Contract, Crate, Plugin
from poft.conformance.source import Block, Claim, Forgery
from poft.protocol.domain import evm_domain
from poft.protocol.errors import Code
from poft.protocol.finality import MIN_COMMITTEE, Finality, committee_hash, quorum, sign_finality
from poft.protocol.hashing import U64_MAX, ZERO32, keccak
from poft.protocol.signatures import CURVE_ORDER, key_address
from poft.verification.api import TrustState
from poft.verification.schemes.cmt1 import CommitteeGenesis, CommitteeProof


class CommitteeSource:
    """A chain whose committee signs what it is told."""

    def __init__(self, members: int, seed: bytes) -> None:
        self.domain = evm_domain(keccak(b"poft/conformance/genesis" + seed), 1)
        self.epoch = 1
        self._count, self._seed = members, seed
        self._keys = self._committee()

    def _committee(self) -> list[bytes]:
        """The keys of this epoch, in the order of their addresses. They are public: never use them elsewhere."""
        label = b"poft/conformance/key" + self._seed + self.epoch.to_bytes(8, "big")
        return sorted((keccak(label + bytes([n])) for n in range(self._count)), key=key_address)

    def signers(self, count: int) -> tuple[bytes, ...]:
        return tuple(key_address(key) for key in self._keys[:count])

    def genesis(self, epoch: int | None = None) -> bytes:
        in_epoch = self.epoch if epoch is None else epoch
        return CommitteeGenesis(in_epoch, self.signers(self._count), self._count < MIN_COMMITTEE).encode()

    def block(self, claim: Claim) -> Block:
        said = f"{claim.height}/{claim.timestamp}/{claim.outbox_size}/{claim.fork}".encode() + claim.outbox_root
        return Block(keccak(b"block" + self._seed + said), keccak(b"state" + self._seed + said))

    def hand_over(self) -> None:
        self.epoch += 1
        self._keys = self._committee()

    def prove(self, claim: Claim, signers: int | None = None, domain: bytes | None = None) -> bytes:
        return self._proof(claim, quorum(self._count) if signers is None else signers, domain).encode()

    def _proof(self, claim: Claim, signers: int, domain: bytes | None = None) -> CommitteeProof:
        made, following = self.block(claim), self._following() if claim.hand_over else ()
        named = committee_hash(min(claim.epoch + 1, U64_MAX), following) if following else ZERO32
        said = Finality(
            claim.epoch,
            claim.height,
            made.block_hash,
            made.state_root,
            claim.outbox_size,
            claim.outbox_root,
            claim.timestamp,
            named,
        )
        signatures = tuple(sign_finality(key, domain or self.domain, said) for key in self._keys[:signers])
        members = self.signers(self._count)
        return CommitteeProof(said, members, (1 << signers) - 1, signatures, following, claim.consistency)

    def _following(self) -> tuple[bytes, ...]:
        other = CommitteeSource(self._count, self._seed)
        other.epoch = self.epoch
        other.hand_over()
        return other.signers(self._count)

    def forgeries(self, state: TrustState, claim: Claim) -> Sequence[Forgery]:
        """Members, bits and signatures that do not belong together; `state` has no part in it."""
        del state
        n, k = self._count, quorum(self._count)
        proof = self._proof(claim, k)
        said, first = proof.statement, proof.signatures[0]
        r, s, v = first[:32], int.from_bytes(first[32:64], "big"), first[64]
        strangers = [keccak(b"stranger" + key) for key in self._keys[:k]]
        foreign = tuple(sign_finality(key, self.domain, said) for key in strangers)

        def signed(name: str, signature: bytes, *codes: Code) -> Forgery:
            return made(name, replace(proof, signatures=(signature, *proof.signatures[1:])), *codes)

        def made(name: str, forged: CommitteeProof, *codes: Code) -> Forgery:
            return Forgery(name, forged.encode(), frozenset(codes))

        handing = self._proof(replace(claim, hand_over=True), k)
        empty = replace(handing, next_members=())
        lone = replace(proof, next_members=handing.next_members)
        other = replace(handing, next_members=tuple(sorted(keccak(member)[:20] for member in handing.next_members)))
        forged = [
            made("outsiders' signatures", replace(proof, signatures=foreign), Code.NotSigner),
            made("the prover's own committee", self._own(said, strangers), Code.CommitteeMismatch),
            made("a member left out", replace(proof, members=proof.members[:-1]), Code.CommitteeMismatch),
            made("another root under the signatures", _rooted(proof), Code.NotSigner),
            made("a bit beyond the members", replace(proof, bitmap=proof.bitmap | 1 << n), Code.BitmapMismatch)
            if n < 64
            else made("no bits", replace(proof, bitmap=0), Code.BitmapMismatch),
            made("a signature without its bit", replace(proof, bitmap=proof.bitmap & ~1), Code.BitmapMismatch),
            signed("high s", r + (CURVE_ORDER - s).to_bytes(32, "big") + bytes([55 - v]), Code.HighS),
            signed("v = 0", first[:64] + b"\0", Code.BadSignature),
            signed("v = 29", first[:64] + b"\x1d", Code.BadSignature),
            signed("r = 0", bytes(32) + first[32:], Code.BadSignature),
            signed("s = 0", first[:32] + bytes(32) + first[64:], Code.BadSignature),
            signed("r = the order", CURVE_ORDER.to_bytes(32, "big") + first[32:], Code.BadSignature),
            signed("compact, 64 bytes", first[:64], Code.BadSignature),
            made("a hand-over to nobody", empty, Code.CommitteeInvalid),
            made("a hand-over to others than the statement's", other, Code.BadHandover),
            made("next members without a hand-over", lone, Code.BadHandover),
        ]
        if k > 1:
            twice = (first, *proof.signatures[:-1])
            forged.append(made("one signature under two bits", replace(proof, signatures=twice), Code.NotSigner))
            backwards = replace(proof, signatures=proof.signatures[::-1])
            forged.append(made("signatures in another order", backwards, Code.NotSigner))
        return forged

    def _own(self, said: Finality, keys: Sequence[bytes]) -> CommitteeProof:
        ordered = sorted(keys, key=key_address)
        signatures = tuple(sign_finality(key, self.domain, said) for key in ordered)
        return CommitteeProof(said, tuple(map(key_address, ordered)), (1 << len(keys)) - 1, signatures)


def _rooted(proof: CommitteeProof) -> CommitteeProof:
    return replace(proof, statement=replace(proof.statement, outbox_root=keccak(b"instead")))


PLUGIN = Plugin(
    source=CommitteeSource,
    contract=Contract("CommitteeVerifier"),
    crate=Crate(Path(__file__).parents[2] / "chains" / "substrate" / "primitives" / "Cargo.toml", "cmt1"),
)
"""Entry point `CMT1` of the group `poft.conformance`."""
