"""QBF1: a block that a quorum of a QBFT network's validators committed (EIP-650's family; docs/protocol.md section 8).

A QBFT block is final at once: `extraData` is RLP [vanity 32, validators, vote, round, committed seals], and at least
ceil(2N/3) of the N validators that it lists have sealed it. A committed seal signs keccak of the header with the same
`extraData` without the seals; the hash by which the chain knows the block leaves the round out as well (round 0). What
`sealed.py` says about the network, its outbox and the state comes with it.

A block lists the validators who commit it, so a change shows in the first block after it. The new list is believed when
a quorum of it has committed the block, and a quorum of the *old* list is among them: votes change one member at a time,
so a block with a seal or two beyond its quorum is enough. Where more has changed since the client's last block, carry
one on the way, or recover the client.

Checked against headers that were made for the tests, by the encoding of Besu's QBFT; it has never met a running Besu.
Twin: `primitives/src/qbf1.rs`. There is no Solidity half.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from poft.protocol.errors import Code, Refused
from poft.protocol.finality import MAX_COMMITTEE, check_committee
from poft.protocol.signatures import SIGNATURE_BYTES, recover
from poft.verification.api import Finalised, Limits, TrustState
from poft.verification.headers import Header
from poft.verification.rlp import Item, listed, read_items, read_list
from poft.verification.schemes.clq1 import from_recovery_id
from poft.verification.sealed import Finding, SealedGenesis, SealedProof, check_sealed_misbehaviour, verify_sealed

BFT_MIX = b"Istanbul practical byzantine fault tolerance"[-32:]
"""The mix hash by which BFT headers are known."""
_VANITY, _ADDRESS, _MAX_ROUND = 32, 20, 4
_EMPTY_LIST, _ROUND_0 = b"\xc0", b"\x80"


class Extra(NamedTuple):
    """`extraData`. `head` are vanity, validators and vote, `round` the round, as they are encoded."""

    head: bytes
    round: bytes
    validators: tuple[bytes, ...]
    seals: tuple[bytes, ...]

    @classmethod
    def decode(cls, data: bytes) -> Extra:
        """Strict.

        Raises:
            Refused: Malformed, Oversize (more validators or seals than a committee has members).
        """
        items = read_list(data, Code.Malformed)
        if len(items) != 5:
            raise Refused(Code.Malformed, "extraData", f"{len(items)} items")
        vanity, validators, vote, at_round, seals = items
        sound = not vanity.is_list and len(vanity.content) == _VANITY and vote.is_list and _is_vote(vote)
        if not sound or at_round.is_list or len(at_round.content) > _MAX_ROUND or at_round.content[:1] == b"\0":
            raise Refused(Code.Malformed, "extraData", "vanity, vote or round")
        start = len(data) - sum(item.size for item in items)
        head = data[start : start + vanity.size + validators.size + vote.size]
        encoded_round = data[start + len(head) : start + len(head) + at_round.size]
        return cls(head, encoded_round, _strings(validators, _ADDRESS), _strings(seals, SIGNATURE_BYTES))

    def committed(self) -> bytes:
        """Without seals: what they sign."""
        return listed([self.head, self.round, _EMPTY_LIST])

    def on_chain(self) -> bytes:
        """Without seals and round: what the chain's own hash covers."""
        return listed([self.head, _ROUND_0, _EMPTY_LIST])


def quorum(validators: int) -> int:
    """ceil(2N/3)."""
    return (2 * validators + 2) // 3


class QbftVerifier:
    """The QBF1 scheme."""

    def scheme(self) -> bytes:
        """`QBF1`."""
        return b"QBF1"

    def initialise(self, genesis: bytes) -> TrustState:
        """Trust in these validators.

        Raises:
            Refused: Malformed, Oversize, ZeroValue, CommitteeInvalid (also: a number of dishonest ones, which QBFT's
                own quorum fixes).
        """
        first = SealedGenesis.decode(genesis)
        state = first.state()
        check_committee(first.signers, first.small_committee)
        if first.anchor.dishonest:
            raise Refused(Code.CommitteeInvalid, "dishonest", "0 is due")
        return state

    def verify(
        self, source_domain: bytes, state: TrustState, proof: bytes, limits: Limits
    ) -> tuple[TrustState, Finalised]:
        """See `verify_sealed`."""
        return verify_sealed(source_domain, state, proof, limits, find_committed)

    def epoch_of(self, proof: bytes) -> int:
        """The epoch that a proof speaks for."""
        return SealedProof.decode(proof).epoch

    def check_misbehaviour(
        self, source_domain: bytes, state: TrustState, first: bytes, second: bytes
    ) -> Sequence[bytes]:
        """See `check_sealed_misbehaviour`. One block with other seals, or of another round, is the same block."""
        return check_sealed_misbehaviour(source_domain, state, first, second, find_committed)


def find_committed(proof: SealedProof, headers: tuple[Header, ...], small: bool) -> Finding:
    """Who committed the one header, once they are a quorum.

    Raises:
        Refused: Malformed, Oversize, CommitteeInvalid (the block's own list), QuorumNotReached, BadSignature, HighS,
            NotSigner (a stranger, or a validator twice), QuorumNotReached (of the old list); in this order.
    """
    block, known = headers[0], proof.signers
    if len(headers) != 1 or block.mix != BFT_MIX:
        raise Refused(Code.Malformed, "headers", f"{len(headers)}, or not of QBFT")
    extra = Extra.decode(block.extra)
    if extra.validators != known:
        check_committee(extra.validators, small)
    if len(extra.seals) < quorum(len(extra.validators)):
        raise Refused(Code.QuorumNotReached, "seals", f"{len(extra.seals)} of {quorum(len(extra.validators))}")
    digest = block.hash_with(extra.committed())
    sealers: set[bytes] = set()
    for seal in extra.seals:
        sealer = recover(digest, from_recovery_id(seal))
        if sealer not in extra.validators or sealer in sealers:
            raise Refused(Code.NotSigner, "seals", f"0x{sealer.hex()} is no validator, or sealed twice")
        sealers.add(sealer)
    # A new list is the old one's word.
    if len(sealers.intersection(known)) < quorum(len(known)):
        raise Refused(Code.QuorumNotReached, "seals", "too few of the validators that are known")
    return Finding(block.hash_with(extra.on_chain()), frozenset(sealers), extra.validators)


def _is_vote(vote: Item) -> bool:
    """Nothing, or (whom, 0xff to add or nothing to drop)."""
    items = read_items(vote.content, Code.Malformed)
    if not items:
        return True
    if len(items) != 2 or any(item.is_list for item in items):
        return False
    return len(items[0].content) == _ADDRESS and items[1].content in (b"", b"\xff")


def _strings(item: Item, width: int) -> tuple[bytes, ...]:
    """A list of strings of this many bytes."""
    items = read_items(item.content, Code.Malformed)
    if len(items) > MAX_COMMITTEE:
        raise Refused(Code.Oversize, "extraData", f"a list of {len(items)}")
    if not item.is_list or any(one.is_list or len(one.content) != width for one in items):
        raise Refused(Code.Malformed, "extraData", f"not a list of {width} bytes each")
    return tuple(one.content for one in items)


__all__ = ["BFT_MIX", "Extra", "QbftVerifier", "find_committed", "quorum"]
