"""What a quorum of attestors says, from pages that each of them served. Pure: nothing here believes anybody.

Only statements that enough committee members seem to have signed get their signatures verified, newest first, so that
garbage costs a relayer little.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from poft.protocol.errors import Refused
from poft.protocol.finality import Finality, committee_hash, quorum
from poft.protocol.hashing import ZERO32
from poft.protocol.signatures import recover
from poft.verification.api import TrustState
from poft.verification.schemes.cmt1 import build_proof

from .wire import Attestation


@dataclass(frozen=True, slots=True)
class Certified:
    """A statement, and verified signatures of a quorum by member. `next_members` fit its hand-over."""

    statement: Finality
    signatures: Mapping[bytes, bytes]
    next_members: tuple[bytes, ...] = ()

    def proof(self, members: Sequence[bytes], consistency: Sequence[bytes]) -> bytes:
        """The proof that a destination takes."""
        return build_proof(self.statement, members, self.signatures, consistency, self.next_members).encode()


def certified(
    domain: bytes, state: TrustState, members: Sequence[bytes], pages: Iterable[Sequence[Attestation]]
) -> Iterator[Certified]:
    """The statements of the state's epoch that a quorum signed and that could follow it, newest first."""
    for found in all_certified(domain, state.epoch, members, pages):
        if found.statement.height > state.height and found.statement.outbox_size >= state.outbox_size:
            yield found


def all_certified(
    domain: bytes, epoch: int, members: Sequence[bytes], pages: Iterable[Sequence[Attestation]]
) -> Iterator[Certified]:
    """The statements of an epoch that a quorum signed, newest first, whatever a destination accepted."""
    groups: dict[Finality, list[Attestation]] = {}
    for page in pages:
        for attestation in page:
            if attestation.statement.epoch == epoch:
                groups.setdefault(attestation.statement, []).append(attestation)
    for said in sorted(groups, key=lambda said: (-said.height, said.encode())):
        if (found := _certify(domain, said, members, groups[said])) is not None:
            yield found


def covering(found: Iterable[Certified], size: int) -> Certified | None:
    """The newest statement whose outbox has at least `size` leaves; failing that, one that hands over.

    A client that stands before a hand-over learns nothing from later epochs until it has seen it.
    """
    hand_over = None
    for candidate in found:
        if candidate.statement.outbox_size >= size:
            return candidate
        if candidate.statement.next_committee != ZERO32:
            hand_over = candidate
    return hand_over


def handing_over(found: Iterable[Certified]) -> Certified | None:
    """The statement that hands over, if there is one."""
    return next((one for one in found if one.statement.next_committee != ZERO32), None)


def opposes(state: TrustState, said: Finality) -> bool:
    """Whether a certified statement of the state's epoch cannot be true together with what the destination accepted.

    A new client stands at height 0 and has accepted nothing.
    """
    if state.height == 0:
        return False
    if (said.height - state.height) * (said.outbox_size - state.outbox_size) < 0:
        return True
    same = said.height == state.height or said.outbox_size == state.outbox_size
    return same and (said.outbox_size, said.outbox_root) != (state.outbox_size, state.outbox_root)


def contradiction(found: Sequence[Certified]) -> tuple[Certified, Certified] | None:
    """Two certified statements that cannot both be true: evidence against a committee."""
    for a, b in combinations(found, 2):
        one_height = a.statement.height == b.statement.height
        one_size = a.statement.outbox_size == b.statement.outbox_size
        if one_height or (one_size and a.statement.outbox_root != b.statement.outbox_root):
            return a, b
    return None


def _certify(
    domain: bytes, said: Finality, members: Sequence[bytes], attestations: Sequence[Attestation]
) -> Certified | None:
    needed = quorum(len(members))
    if len(attestations) < needed:
        return None
    digest = said.digest(domain)
    signatures: dict[bytes, bytes] = {}
    for attestation in attestations:
        try:
            signer = recover(digest, attestation.signature)
        except Refused:
            continue  # a hostile attestor's signature counts for nobody
        if signer in members:
            signatures.setdefault(signer, attestation.signature)
        if len(signatures) == needed:
            break
    if len(signatures) < needed:
        return None
    if said.next_committee == ZERO32:
        return Certified(said, signatures)
    for attestation in attestations:
        if committee_hash(said.epoch + 1, attestation.next_members) == said.next_committee:
            return Certified(said, signatures, attestation.next_members)
    return None
