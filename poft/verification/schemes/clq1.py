"""CLQ1: a block that enough of a Clique network's signers built upon (EIP-225; docs/protocol.md section 8).

Clique has no finality: a heavier branch replaces a lighter one. What makes a block safe is who built on top of it. With
N signers, of whom f may be dishonest, let k distinct signers have sealed blocks on top of it, of difficulties that sum
to W. No branch without the block can become heavier when

    k > N + f - N // 2 - 1    and    W > 2 (N - k + f)

because a branch needs N // 2 + 1 signers to go on, and those who sealed on top of the block do not seal beside it. So
a proof is the block and the headers on top of it, linked by hashes, each sealed by a signer whose turn and weight are
as EIP-225 has them: difficulty 2 for the one signer whose turn it is, 1 for every other, and nobody twice within
N // 2 + 1 blocks. What `sealed.py` says about the network, its outbox and the state comes with it.

Signers are voted in and out in headers, over thousands of blocks that no proof can carry. But every checkpoint block
(EIP-225: each 30,000th, or as the genesis has it) lists them, and honest signers build upon no checkpoint with a wrong
list. So the list of a block is believed when that block is safe by the *new* list, and when those of the *old* list who
sealed on top of it are as many as can make a block safe by the old one. Between the vote and the next checkpoint
nothing can be proven to a client that knows the old list only: choose short epochs, or recover the client.

Twin: `primitives/src/clq1.rs`. There is no Solidity half: 65 signatures over RLP cost more there than a committee.
"""

from __future__ import annotations

from collections.abc import Sequence

from poft.protocol.errors import Code, Refused
from poft.protocol.finality import check_committee
from poft.protocol.hashing import ZERO32
from poft.protocol.signatures import SIGNATURE_BYTES, recover
from poft.verification.api import Finalised, Limits, TrustState
from poft.verification.headers import Header
from poft.verification.sealed import Finding, SealedGenesis, SealedProof, check_sealed_misbehaviour, verify_sealed

_VANITY, _ADDRESS = 32, 20
_MAX_FIELDS = 17
"""Clique ended with London; no signer makes a header with blobs."""
_IN_TURN, _OUT_OF_TURN = 2, 1


def is_safe(distinct: int, weight: int, signers: int, dishonest: int) -> bool:
    """Whether no branch without a block can become heavier: k signers sealed blocks of weight W on top of it."""
    enough = distinct > signers + dishonest - signers // 2 - 1
    return enough and weight > 2 * (signers - distinct + dishonest)


def pause(signers: int) -> int:
    """A signer seals at most one of so many consecutive blocks."""
    return signers // 2 + 1


def fewest_sealers(signers: int, dishonest: int) -> int:
    """The smallest number of signers who can make a block safe: enough for the rule, and to go on without others."""
    return max(signers + dishonest - signers // 2, pause(signers))


class CliqueVerifier:
    """The CLQ1 scheme."""

    def scheme(self) -> bytes:
        """`CLQ1`."""
        return b"CLQ1"

    def initialise(self, genesis: bytes) -> TrustState:
        """Trust in these signers.

        Raises:
            Refused: Malformed, Oversize, ZeroValue, CommitteeInvalid (also: more dishonest signers than the rule can
                bear, or none without the devnet flag).
        """
        first = SealedGenesis.decode(genesis)
        state = first.state()
        check_signers(first.signers, first.anchor.dishonest, first.small_committee)
        return state

    def verify(
        self, source_domain: bytes, state: TrustState, proof: bytes, limits: Limits
    ) -> tuple[TrustState, Finalised]:
        """See `verify_sealed`."""
        return verify_sealed(source_domain, state, proof, limits, find_safe)

    def epoch_of(self, proof: bytes) -> int:
        """The epoch that a proof speaks for."""
        return SealedProof.decode(proof).epoch

    def check_misbehaviour(
        self, source_domain: bytes, state: TrustState, first: bytes, second: bytes
    ) -> Sequence[bytes]:
        """See `check_sealed_misbehaviour`. Two safe blocks of one height: more than f signers are dishonest.

        An honest signer may have sealed on two branches, one after the other, so the answer says whom to ask.
        """
        return check_sealed_misbehaviour(source_domain, state, first, second, find_safe)


def check_signers(signers: Sequence[bytes], dishonest: int, small: bool) -> None:
    """Returns when the rule can work with these signers, else `CommitteeInvalid`."""
    check_committee(signers, small)
    if fewest_sealers(len(signers), dishonest) > len(signers) or not (dishonest or small):
        raise Refused(Code.CommitteeInvalid, "dishonest", f"{dishonest} of {len(signers)}")


def find_safe(proof: SealedProof, headers: tuple[Header, ...], small: bool) -> Finding:
    """Who sealed on top of the first header, once that makes it safe.

    Raises:
        Refused: Malformed, CommitteeInvalid (the block's own list), EvidenceDisagrees (headers that are no chain, a
            weight that is not the sealer's), CommitteeMismatch (another list on top), BadSignature, HighS, NotSigner (a
            stranger, or a signer who has to pause), QuorumNotReached; header by header, each in this order.
    """
    known, dishonest = proof.signers, proof.anchor.dishonest
    listed = listed_signers(headers[0])
    signers = listed or known
    if signers != known:
        check_signers(signers, dishonest, small)
    sealers: list[bytes] = []
    for at, header in enumerate(headers):
        if len(header.fields) > _MAX_FIELDS or header.mix != ZERO32:
            raise Refused(Code.Malformed, "header", f"block {header.number} is not Clique's")
        if at and (header.number != headers[at - 1].number + 1 or header.parent != headers[at - 1].hash):
            raise Refused(Code.EvidenceDisagrees, "headers", f"block {header.number} is not on top of the one before")
        if listed_signers(header) not in ((), signers):
            raise Refused(Code.CommitteeMismatch, "signers", f"block {header.number} lists others")
        sealer = sealer_of(header)
        if sealer not in signers or sealer in sealers[max(0, at + 1 - pause(len(signers))) :]:
            raise Refused(Code.NotSigner, "sealer", f"0x{sealer.hex()} may not seal block {header.number}")
        in_turn = signers[header.number % len(signers)] == sealer
        if header.difficulty != (_IN_TURN if in_turn else _OUT_OF_TURN):
            raise Refused(Code.EvidenceDisagrees, "difficulty", f"{header.difficulty} at block {header.number}")
        sealers.append(sealer)
    above = frozenset(sealers[1:])
    weight = sum(header.difficulty for header in headers[1:])
    safe = is_safe(len(above), weight, len(signers), dishonest)
    # A new list is the old one's word.
    vouched = signers == known or len(above.intersection(known)) >= fewest_sealers(len(known), dishonest)
    if not (safe and vouched):
        raise Refused(Code.QuorumNotReached, "headers", f"{len(above)} sealers of weight {weight} are not enough")
    return Finding(headers[0].hash, above, signers)


def listed_signers(header: Header) -> tuple[bytes, ...]:
    """The signers that a checkpoint block lists between vanity and seal; any other block lists none.

    Raises:
        Refused: Malformed.
    """
    extra = header.extra
    body = extra[_VANITY:-SIGNATURE_BYTES]
    if len(extra) < _VANITY + SIGNATURE_BYTES or len(body) % _ADDRESS:
        raise Refused(Code.Malformed, "extraData", f"{len(extra)} bytes")
    return tuple(body[at : at + _ADDRESS] for at in range(0, len(body), _ADDRESS))


def sealer_of(header: Header) -> bytes:
    """Who sealed: the signature covers every field, without itself.

    Raises:
        Refused: BadSignature, HighS.
    """
    seal = header.extra[-SIGNATURE_BYTES:]
    return recover(header.hash_with(header.extra[:-SIGNATURE_BYTES]), from_recovery_id(seal))


def from_recovery_id(seal: bytes) -> bytes:
    """A seal ends in 0 or 1 where a signature of this protocol ends in 27 or 28.

    Raises:
        Refused: BadSignature.
    """
    if len(seal) != SIGNATURE_BYTES or seal[-1] > 1:
        raise Refused(Code.BadSignature, "seal", "65 bytes with v 0 or 1 are due")
    return seal[:-1] + bytes([27 + seal[-1]])


__all__ = [
    "CliqueVerifier",
    "check_signers",
    "fewest_sealers",
    "find_safe",
    "is_safe",
    "listed_signers",
    "pause",
    "sealer_of",
]
