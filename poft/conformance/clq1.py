"""CLQ1 for the conformance kit: signers who take turns on top of whatever block they are told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from poft.conformance.plugin import Crate, Plugin
from poft.conformance.sealed import SealedSource, addresses, encoded, header_fields, seal, spoiled, with_extra
from poft.conformance.source import Claim, Forgery
from poft.protocol.errors import Code
from poft.protocol.hashing import ZERO32, keccak
from poft.protocol.signatures import key_address
from poft.verification.api import TrustState
from poft.verification.headers import Header
from poft.verification.schemes.clq1 import fewest_sealers, is_safe, pause

_VANITY = b"kept by whoever seals this block"


@dataclass(frozen=True, slots=True)
class Turn:
    """One block on top: who seals it, and what is not as it should be."""

    key: bytes
    difficulty: int | None = None
    """None: as the sealer's turn has it."""
    skip: int = 0
    """Numbers left out before it."""
    listed: tuple[bytes, ...] = ()
    parent: bytes | None = None
    mix: bytes = ZERO32
    extra_fields: tuple[bytes, ...] = ()
    signature: bytes | None = None


class CliqueSource(SealedSource):
    """A Clique network; the last signer seals the block that a claim is about."""

    def _assumed(self, members: int) -> int:
        return (members - 1) // 3

    def _block(self, claim: Claim) -> Header:
        return Header.decode(self._first(claim, None))

    def _headers(self, claim: Claim, signers: int | None, domain: bytes | None) -> list[bytes]:
        count = fewest_sealers(len(self._keys), self._dishonest) if signers is None else signers
        return self.chain(claim, self._turns(claim, count), domain)

    def chain(self, claim: Claim, turns: Iterable[Turn], domain: bytes | None = None) -> list[bytes]:
        """The claim's block with these on top."""
        headers = [self._first(claim, domain)]
        height, signers = claim.height, addresses(self._signing(claim))
        for turn in turns:
            height += 1 + turn.skip
            parent = keccak(headers[-1]) if turn.parent is None else turn.parent
            difficulty = _weight(turn.key, height, signers) if turn.difficulty is None else turn.difficulty
            fields = header_fields(parent, height, claim.timestamp, keccak(b"later"), turn.mix, difficulty)
            front = _VANITY + b"".join(turn.listed)
            bare = with_extra([*fields, *turn.extra_fields], front)
            signature = seal(turn.key, bare) if turn.signature is None else turn.signature
            headers.append(encoded(with_extra(bare, front + signature)))
        return headers

    def _first(self, claim: Claim, domain: bytes | None) -> bytes:
        """The claim's block. A checkpoint that lists new signers is what hands over."""
        keys = self._signing(claim)
        sealer = self._sealer(claim)
        difficulty = _weight(sealer, claim.height, addresses(keys))
        front = _VANITY + b"".join(addresses(keys) if claim.hand_over else ())
        bare = with_extra(self.fields(claim, ZERO32, difficulty, domain), front)
        return encoded(with_extra(bare, front + seal(sealer, bare)))

    def _sealer(self, claim: Claim) -> bytes:
        """The last who is there before and afterwards."""
        signing = self._signing(claim)
        return [key for key in self._keys if key in signing][-1]

    def _signing(self, claim: Claim) -> list[bytes]:
        return self._following() if claim.hand_over else self._keys

    def _turns(self, claim: Claim, count: int) -> list[Turn]:
        """The first `count` signers take turns until the block is safe, or can get no safer."""
        keys = self._signing(claim)
        pool = self._keys[:count] + (self._joining() if claim.hand_over and count else [])
        signers, sealers, weight = addresses(keys), [self._sealer(claim)], 0
        while pool:
            seen = set(sealers[1:])
            safe = is_safe(len(seen), weight, len(keys), self._dishonest)
            if len(seen) == len(pool) and (safe or len(pool) < fewest_sealers(len(keys), self._dishonest)):
                break
            resting = sealers[len(sealers) + 1 - pause(len(keys)) :] if pause(len(keys)) > 1 else []
            free = [key for key in pool if key not in resting]
            if not free:
                break
            height = claim.height + len(sealers)

            def due(key: bytes, height: int = height, seen: set[bytes] = seen) -> tuple[bool, int, int]:
                last = max((at for at, sealer in enumerate(sealers) if sealer == key), default=-1)
                return key in seen, -_weight(key, height, signers), last

            chosen = min(free, key=due)
            weight += _weight(chosen, height, signers)
            sealers.append(chosen)
        return [Turn(key) for key in sealers[1:]]

    def forgeries(self, state: TrustState, claim: Claim) -> Sequence[Forgery]:
        """Headers that are no chain, sealers that may not seal, and lists of signers; `state` has no part in it."""
        del state
        turns = self._turns(claim, fewest_sealers(len(self._keys), self._dishonest))
        first, *rest = turns
        forged = list(self.misplaced(claim))

        def made(name: str, changed: Iterable[Turn], *codes: Code) -> None:
            proof = replace(self.proof(claim), headers=tuple(self.chain(claim, changed)))
            forged.append(Forgery(name, proof.encode(), frozenset(codes)))

        broken, stranger = Code.EvidenceDisagrees, keccak(b"stranger" + self._seed)
        made("a header on top of another block", [replace(first, parent=keccak(b"fork")), *rest], broken)
        made("a number left out", [replace(first, skip=1), *rest], broken)
        made("sealed by a stranger", [replace(first, key=stranger, difficulty=1), *rest], Code.NotSigner)
        last = turns[-1]
        if pause(len(self._keys)) > 1:
            made("sealed twice in a row", [*turns, last], Code.NotSigner)
        height = claim.height + 1
        other = 3 - _weight(first.key, height, self.signers(len(self._keys)))
        made("a weight that is another's turn", [replace(first, difficulty=other), *rest], broken)
        made("a weight of 3", [replace(first, difficulty=3), *rest], broken)
        made("a block with a mix hash", [replace(first, mix=keccak(b"mix")), *rest], Code.Malformed)
        made("a block with blobs", [replace(first, extra_fields=(ZERO32, b"", b"", ZERO32)), *rest], Code.Malformed)
        made("half an address in extraData", [replace(first, listed=(bytes(10),)), *rest], Code.Malformed)
        others = addresses([keccak(b"other" + key) for key in self._keys])
        made("another list on top", [replace(first, listed=others), *rest], Code.CommitteeMismatch)
        made("nothing on top", [], Code.QuorumNotReached)
        made("a header less", turns[:-1], Code.QuorumNotReached)
        honest = Header.decode(self.chain(claim, turns)[1]).extra[-65:]
        for name, signature, code in spoiled(honest):
            made(name, [replace(first, signature=signature), *rest], code)
        forged += self._lists(claim)
        return forged

    def _lists(self, claim: Claim) -> Iterable[Forgery]:
        """Checkpoints whose list is nobody's word, or no list."""
        handing = replace(claim, hand_over=True)

        def made(name: str, source: CliqueSource, *codes: Code) -> Forgery:
            proof = replace(self.proof(claim), headers=tuple(source.prove_list(handing)))
            return Forgery(name, proof.encode(), frozenset(codes))

        own = sorted((keccak(b"own" + key) for key in self._keys), key=key_address)
        yield made("a list of the prover's own", _Listing(self, own, own), Code.QuorumNotReached)
        reverse = self._keys[::-1]
        if len(reverse) > 1:
            yield made("a list in another order", _Listing(self, reverse, self._keys), Code.CommitteeInvalid)
            half = self._keys[: len(self._keys) // 2]
            if len(half) < 4 <= len(self._keys):
                yield made("a list that is too short", _Listing(self, half, half), Code.CommitteeInvalid)

    def prove_list(self, claim: Claim) -> list[bytes]:
        """The headers of a hand-over."""
        return self._headers(claim, None, None)


class _Listing(CliqueSource):
    """The same chain, whose checkpoints list what they are told."""

    def __init__(self, honest: CliqueSource, listed: list[bytes], sealing: list[bytes]) -> None:
        super().__init__(len(sealing), honest._seed)
        self._keys, self._listed, self._dishonest = sealing, listed, honest._dishonest

    def _following(self) -> list[bytes]:
        return self._listed


def _weight(key: bytes, height: int, signers: Sequence[bytes]) -> int:
    return 2 if key_address(key) == signers[height % len(signers)] else 1


PLUGIN = Plugin(
    source=CliqueSource,
    crate=Crate(Path(__file__).parents[2] / "chains" / "substrate" / "primitives" / "Cargo.toml", "clq1"),
    fewest=lambda members: fewest_sealers(members, (members - 1) // 3),
    exempt={"height 2^64-1": "the blocks on top of it have numbers too"},
)
"""Entry point `CLQ1` of the group `poft.conformance`. There is no Solidity half."""
