"""GRANDPA justifications: whether more than two thirds of an authority set voted for a block.

The rules are those of `finality-grandpa` and `sp-consensus-grandpa`. A justification is

    round u64 ‖ target hash 32 ‖ target number u32 ‖ votes ‖ headers            (SCALE, little endian)

and a vote (precommit) `hash 32 ‖ number u32 ‖ ed25519 signature 64 ‖ key 32`. What is signed is
`01 ‖ hash ‖ number ‖ round ‖ set id`, so that a vote speaks for one round of one authority set. A vote counts for the
target when it names the target or a block that descends from it through the headers that come along. A key counts once:
one that voted twice (it equivocated) does not make the rest invalid, because a minority could stop others by doing so.
Nothing here asks a node; the authority set is the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from poft.protocol.errors import Code, Refused

from .proof import next_digest
from .reader import Reader
from .runtime import blake2_256

ENGINE = b"FRNK"
"""GRANDPA's name beside its justifications and digest items."""

_SUBJECT = "justification"
_PRECOMMIT = b"\x01"
_MAX_BYTES = 1 << 20
"""A thousand votes are 132 kB, a thousand headers of this project's chains 200 kB."""
_MAX_AUTHORITIES = 1024
_VOTE_BYTES = 132


@dataclass(frozen=True, slots=True)
class AuthoritySet:
    """The keys that vote, with their weights, and the number of the set: 0 since genesis, one more with each change."""

    identity: int
    weights: dict[bytes, int]

    @classmethod
    def decode(cls, identity: int, raw: bytes) -> AuthoritySet:
        """The list as the ledger stores it (`Grandpa.Authorities`): (key, weight u64) each.

        Raises:
            Refused: Malformed, Oversize, CommitteeInvalid (nobody, a key twice, a weight of zero).
        """
        reader = Reader(raw, "authority set", Code.Malformed)
        count = reader.compact()
        if count > _MAX_AUTHORITIES:
            raise Refused(Code.Oversize, "authority set", f"{count} authorities")
        entries = [(reader.take(32), reader.integer(8)) for _ in range(count)]
        reader.end()
        weights = dict(entries)
        if not weights or len(weights) != count or not all(weights.values()):
            raise Refused(Code.CommitteeInvalid, "authority set", f"{count} entries")
        return cls(identity, weights)

    @property
    def threshold(self) -> int:
        """Weight that finalises: all but the largest minority that may be faulty, which is more than two thirds."""
        total = sum(self.weights.values())
        return total - (total - 1) // 3


@dataclass(frozen=True, slots=True)
class Vote:
    """A precommit and who signed it."""

    target: bytes
    number: int
    signature: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """As much of a header as leads from a block to its parent."""

    hash: bytes
    parent: bytes
    number: int


@dataclass(frozen=True, slots=True)
class Justification:
    """What one round of votes finalised."""

    round: int
    target: bytes
    number: int
    votes: tuple[Vote, ...]
    headers: tuple[Header, ...]

    @classmethod
    def decode(cls, raw: bytes) -> Justification:
        """A justification as nodes keep and send it.

        Raises:
            Refused: Oversize, Malformed.
        """
        if len(raw) > _MAX_BYTES:
            raise Refused(Code.Oversize, _SUBJECT, f"{len(raw)} bytes")
        reader = Reader(raw, _SUBJECT, Code.Malformed)
        round_number, target, number = reader.integer(8), reader.take(32), reader.integer(4)
        count = reader.compact()
        if count > len(raw) // _VOTE_BYTES:
            raise Refused(Code.Malformed, _SUBJECT, f"{count} votes in {len(raw)} bytes")
        votes = tuple(Vote(reader.take(32), reader.integer(4), reader.take(64), reader.take(32)) for _ in range(count))
        headers = tuple(_header(raw, reader) for _ in range(_headers(reader, len(raw))))
        reader.end()
        return cls(round_number, target, number, votes, headers)


def verify_justification(raw: bytes, authorities: AuthoritySet, block: bytes, number: int) -> Justification:
    """The justification, once it finalises this block by votes of this authority set.

    Raises:
        Refused: Oversize, Malformed; EvidenceDisagrees (it is another block's, or has headers that no vote needs);
            NotSigner; BadSignature (also of another round or set); QuorumNotReached.
    """
    found = Justification.decode(raw)
    if (found.target, found.number) != (block, number):
        raise Refused(Code.EvidenceDisagrees, _SUBJECT, f"it finalises block {found.number}, 0x{found.target.hex()}")
    parents = {header.hash: header for header in found.headers}
    needed: set[bytes] = set()
    voters: set[bytes] = set()
    for vote in found.votes:
        if vote.key not in authorities.weights:
            raise Refused(Code.NotSigner, _SUBJECT, "0x" + vote.key.hex())
        _check_signature(vote, found.round, authorities.identity)
        path, reached = _path(vote, found, parents)
        needed |= path
        if reached:
            voters.add(vote.key)
    if needed != set(parents) or len(parents) != len(found.headers):
        raise Refused(Code.EvidenceDisagrees, _SUBJECT, "headers that no vote needs")
    weight = sum(authorities.weights[key] for key in voters)
    if weight < authorities.threshold:
        raise Refused(Code.QuorumNotReached, _SUBJECT, f"{weight} of {authorities.threshold}")
    return found


def _check_signature(vote: Vote, round_number: int, identity: int) -> None:
    numbers = vote.number.to_bytes(4, "little") + round_number.to_bytes(8, "little") + identity.to_bytes(8, "little")
    try:
        Ed25519PublicKey.from_public_bytes(vote.key).verify(vote.signature, _PRECOMMIT + vote.target + numbers)
    except (InvalidSignature, ValueError) as error:  # ValueError: the key is no point
        raise Refused(Code.BadSignature, _SUBJECT, "0x" + vote.key.hex()) from error


def _path(vote: Vote, found: Justification, parents: dict[bytes, Header]) -> tuple[set[bytes], bool]:
    """(headers from the vote's block towards the target, whether they lead there)."""
    path: set[bytes] = set()
    block, number = vote.target, vote.number
    while number > found.number and block in parents and parents[block].number == number:
        path.add(block)
        block, number = parents[block].parent, number - 1
    return path, (block, number) == (found.target, found.number)


def _headers(reader: Reader, size: int) -> int:
    count = reader.compact()
    if count > size // 98:  # the shortest header: three hashes, a number, an empty digest
        raise Refused(Code.Malformed, _SUBJECT, f"{count} headers in {size} bytes")
    return count


def _header(raw: bytes, reader: Reader) -> Header:
    """parent 32 ‖ compact number ‖ state root 32 ‖ extrinsics root 32 ‖ digest; its hash is blake2b-256."""
    start = reader.at
    parent, number = reader.take(32), reader.compact()
    reader.take(64)
    for _ in next_digest(reader):
        pass
    return Header(blake2_256(raw[start : reader.at]), parent, number)
