"""QBF1 for the conformance kit: validators who commit what they are told, in headers made by Besu's encoding.

The headers are synthetic: real keys, real signatures, and no Besu behind them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import rlp  # type: ignore[import-untyped]

from poft.conformance.plugin import Crate, Plugin
from poft.conformance.sealed import Fields, SealedSource, addresses, encoded, seal, spoiled, with_extra
from poft.conformance.source import Claim, Forgery
from poft.protocol.errors import Code
from poft.protocol.finality import MIN_COMMITTEE
from poft.protocol.hashing import ZERO32, keccak
from poft.protocol.signatures import key_address
from poft.verification.api import TrustState
from poft.verification.headers import Header
from poft.verification.schemes.qbf1 import BFT_MIX, Extra, quorum

_VANITY = b"whatever the proposer puts here."


@dataclass(frozen=True, slots=True)
class Commit:
    """How a block is committed, and what about it is not as it should be."""

    validators: tuple[bytes, ...]
    keys: tuple[bytes, ...]
    round: object = b""
    vote: object = field(default_factory=list)
    vanity: bytes = _VANITY
    mix: bytes = BFT_MIX
    signatures: tuple[bytes, ...] | None = None
    behind: tuple[object, ...] = ()

    def extra(self, seals: Sequence[bytes]) -> bytes:
        """`extraData` with these seals."""
        return bytes(rlp.encode([self.vanity, list(self.validators), self.vote, self.round, list(seals), *self.behind]))

    def header(self, fields: Fields) -> bytes:
        """The header, sealed."""
        committed = with_extra(fields, self.extra(()))
        seals = tuple(seal(key, committed) for key in self.keys) if self.signatures is None else self.signatures
        return encoded(with_extra(fields, self.extra(seals)))


class QbftSource(SealedSource):
    """A QBFT network."""

    def _assumed(self, members: int) -> int:
        del members
        return 0

    def _hash(self, block: Header) -> bytes:
        return block.hash_with(Extra.decode(block.extra).on_chain())

    def _block(self, claim: Claim) -> Header:
        return Header.decode(self.committed(claim, self._commit(claim, 0)))

    def _headers(self, claim: Claim, signers: int | None, domain: bytes | None) -> list[bytes]:
        count = quorum(len(self._keys)) if signers is None else signers
        return [self.committed(claim, self._commit(claim, count), domain)]

    def _commit(self, claim: Claim, count: int) -> Commit:
        """By the first `count` validators, and whoever joins with this block."""
        joining = self._joining() if claim.hand_over and count else []
        listed = self._following() if claim.hand_over else self._keys
        return Commit(addresses(listed), (*self._keys[:count], *joining))

    def committed(self, claim: Claim, commit: Commit, domain: bytes | None = None) -> bytes:
        """The claim's block, committed like this."""
        return commit.header(self.fields(claim, commit.mix, 1, domain))

    def forgeries(self, state: TrustState, claim: Claim) -> Sequence[Forgery]:
        """Seals and lists that are not what they should be; `state` has no part in it."""
        del state
        k = quorum(len(self._keys))
        honest = self._commit(claim, k)
        forged = list(self.misplaced(claim))

        def made(name: str, commit: Commit, *codes: Code) -> None:
            proof = replace(self.proof(claim), headers=(self.committed(claim, commit),))
            forged.append(Forgery(name, proof.encode(), frozenset(codes)))

        strangers = tuple(keccak(b"stranger" + key) for key in self._keys[:k])
        made("sealed by strangers", replace(honest, keys=strangers), Code.NotSigner)
        if k > 1:
            twice = (honest.keys[0], *honest.keys[:-1])
            made("one validator's seal twice", replace(honest, keys=twice), Code.NotSigner)
        bare = Commit(honest.validators, ())
        other = tuple(self._seals(claim, replace(bare, round=b"\1"), honest.keys))
        made("seals of another round", replace(honest, signatures=other), Code.NotSigner)
        chain = tuple(seal(key, with_extra(self.fields(claim, BFT_MIX, 1), b"")) for key in honest.keys)
        made("seals over no extraData", replace(honest, signatures=chain), Code.NotSigner)
        seals = tuple(self._seals(claim, bare, honest.keys))
        for name, signature, code in spoiled(seals[0]):
            made(name, replace(honest, signatures=(signature, *seals[1:])), code)
        for name, changed in self._misshapen(honest):
            made(name, changed, Code.Malformed)
        lots = (*seals, *[seals[0]] * (65 - len(seals)))
        made("65 seals", replace(honest, signatures=lots), Code.Oversize)
        own = tuple(sorted(strangers, key=key_address))
        small = Code.QuorumNotReached, Code.CommitteeInvalid
        made("a list of the prover's own", Commit(addresses(own), own), *small)
        everybody = sorted([*self._keys, *(keccak(b"own" + bytes([n])) for n in range(64 - len(self._keys)))])
        crowd = tuple(sorted(everybody, key=key_address))
        if len(self._keys) > 1:
            few = tuple(key for key in crowd if key not in self._keys[k - 1 :])
            made("a list with too few of the old", Commit(addresses(crowd), few), Code.QuorumNotReached)
            made(
                "a list in another order",
                Commit(addresses(self._keys[::-1]), tuple(self._keys)),
                Code.CommitteeInvalid,
            )
        if len(self._keys) >= MIN_COMMITTEE:
            lone = self._keys[:1]
            made("a list of one", Commit(addresses(lone), tuple(lone)), Code.CommitteeInvalid)
        two = replace(self.proof(claim), headers=self.proof(claim).headers * 2)
        forged.append(Forgery("two headers", two.encode(), frozenset({Code.Malformed})))
        return forged

    def _seals(self, claim: Claim, commit: Commit, keys: Iterable[bytes]) -> Iterable[bytes]:
        committed = with_extra(self.fields(claim, commit.mix, 1), commit.extra(()))
        return (seal(key, committed) for key in keys)

    def _misshapen(self, honest: Commit) -> Iterable[tuple[str, Commit]]:
        """`extraData` that is none. Whatever is changed, is sealed."""
        yield "a block with another mix hash", replace(honest, mix=ZERO32)
        yield "a vanity of 31 bytes", replace(honest, vanity=honest.vanity[:31])
        yield "a round of 5 bytes", replace(honest, round=b"\1" * 5)
        yield "a round with a leading zero", replace(honest, round=b"\0\1")
        yield "a list for the round", replace(honest, round=[])
        yield "a string for the vote", replace(honest, vote=b"")
        yield "a vote of one item", replace(honest, vote=[bytes(20)])
        yield "a vote that is neither", replace(honest, vote=[bytes(20), b"\1"])
        yield "a vote about 19 bytes", replace(honest, vote=[bytes(19), b"\xff"])
        yield "a vote with a list", replace(honest, vote=[bytes(20), []])
        yield "a sixth item", replace(honest, behind=(b"",))
        yield "a validator of 21 bytes", replace(honest, validators=(bytes(21), *honest.validators[1:]))
        yield "a seal of 64 bytes", replace(honest, signatures=(bytes(64), *[bytes(65)] * (len(honest.keys) - 1)))


PLUGIN = Plugin(
    source=QbftSource,
    crate=Crate(Path(__file__).parents[2] / "chains" / "substrate" / "primitives" / "Cargo.toml", "qbf1"),
    fewest=quorum,
)
"""Entry point `QBF1` of the group `poft.conformance`. There is no Solidity half."""
