"""The port behind which every scheme convinces its clients: a scheme's half in a relayer.

A link decides *when* a client needs to be told something, and pays; a carrier knows *what* convinces a client of its
scheme: it collects that from wherever the scheme finds it (attestors over HTTP, the source's own node), and believes
none of it before it has verified it. `schemes.py` lists the carriers. A carrier belongs to one link's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from poft.chain import ClientStatus
from poft.verification.api import FinalityVerifier, TrustState

from .collect import Attestors
from .config import Committee
from .log import Log
from .queue import Queue
from .service import Connection


@dataclass(frozen=True, slots=True)
class Advance:
    """A step of the source that a client can be convinced of.

    `hands_over`: afterwards the client trusts others than before, so there may be more to tell at once. `prove` makes
    the proof around the consistency proof from the size that the client accepted last; it may ask the source.
    """

    height: int
    timestamp: int
    outbox_size: int
    outbox_root: bytes
    hands_over: bool
    prove: Callable[[Sequence[bytes]], bytes]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two proofs that cannot both be true: with them anybody freezes the client."""

    height: int
    first: bytes
    second: bytes


@dataclass(frozen=True, slots=True)
class Supplies:
    """What a carrier may draw on: one link's view of its source."""

    link: str
    source: Connection
    attestors: Attestors
    committees: tuple[Committee, ...]
    queue: Queue
    log: Log
    watch_seconds: float
    """The least time between two searches for evidence."""
    schemes: tuple[tuple[bytes, bool], ...] = ()
    """(name, whether in shadow) of the schemes in the list of an AND1 client, in its order."""
    validators: tuple[Committee, ...] = ()
    """Validator sets of the source that no node knows any more (BEF1)."""
    reorganised: Callable[[], None] = lambda: None
    """Counts a block that stands where another was proven to the destination."""


class Carrier(Protocol):
    """How clients of one scheme are convinced of one source. Methods raise `Refused` and `Unreachable` as chains do."""

    @property
    def verifier(self) -> FinalityVerifier:
        """The scheme: proofs are verified as the destination will."""
        ...

    def covering(self, client: ClientStatus, size: int) -> Advance | Contradiction | None:
        """The newest step whose outbox has at least `size` leaves; failing that, one that hands over.

        None: nothing yet, ask again.
        """
        ...

    def watching(self, client: ClientStatus, ageing: bool) -> Advance | Contradiction | None:
        """A hand-over that the client has not seen; when it is `ageing`, else the newest step."""
        ...

    def evidence(self, client: ClientStatus) -> Contradiction | None:
        """Looks for a contradiction around what the client accepted: something does not fit it."""
        ...


class PartCarrier(Carrier, Protocol):
    """A carrier whose scheme can stand in a list (AND1), where several have to speak of one block."""

    def offers(self, client: ClientStatus) -> Iterator[Advance]:
        """Steps that could follow what the client accepted, newest first; each costs a question when it is taken."""
        ...

    def at(self, client: ClientStatus, height: int) -> Advance | None:
        """The step to this height, if there is one that could follow."""
        ...

    def authorities(self, state: TrustState) -> Iterator[tuple[int, bytes]]:
        """(epoch, authority) that clients of this scheme have after they accepted `state.height`, best guess first.

        A client of a list shows but one hash of all: the epoch is at most `state.epoch`, and equal to it as long as
        nothing was accepted.
        """
        ...
