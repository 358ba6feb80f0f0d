"""What a relayer does next on a link: pure functions of what it read, so that every case is a test without a chain.

1. Nothing to deliver: idle; now and then look whether the signers handed over, or the client is about to go stale.
2. The oldest packet is in an outbox that the destination has accepted: deliver, no finality proof is needed.
3. Otherwise: collect a step of the source that covers it (`carriers.py`), and deliver both in one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass

from poft.chain import ClientStatus, OutboxEntry
from poft.protocol.errors import Code, Refused
from poft.protocol.merkle import Log
from poft.verification.api import FinalityVerifier, Limits, TrustState
from poft.verification.receive import Expectation, PacketProof, check_packet

from .carriers import Advance


@dataclass(frozen=True, slots=True)
class LinkView:
    """A link at one moment. `pending` begins with the packet that carries `next_nonce`.

    `refresh` asks for a finality update although the packets are covered: the destination called its own state stale.
    `watch` says that an idle link is due for a look at the source. `now` in seconds: this machine's clock decides
    only when an update is worth its cost, so a wrong one makes updates early or late.
    """

    client: ClientStatus
    next_nonce: int
    pending: tuple[OutboxEntry, ...]
    max_batch: int
    refresh: bool = False
    watch: bool = False
    now: int = 0


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing to do."""


@dataclass(frozen=True, slots=True)
class Known:
    """Deliver these against the outbox that the destination accepted last."""

    batch: tuple[OutboxEntry, ...]


@dataclass(frozen=True, slots=True)
class Collect:
    """Find a step of the source whose outbox has at least `size` leaves."""

    size: int


@dataclass(frozen=True, slots=True)
class Watch:
    """Carry a hand-over, if there is one, without packets; when `ageing`, else the newest step."""

    ageing: bool


def ageing(client: ClientStatus, now: int) -> bool:
    """Whether half the time is over after which the destination calls what it knows stale."""
    return client.state.height > 0 and 2 * (now - client.state.timestamp) > client.staleness


def decide(view: LinkView) -> Idle | Known | Collect | Watch:
    """The next thing to do.

    Raises:
        Refused: Frozen, NonceGap (the source's outbox lacks the packet that the destination expects).
    """
    if not view.pending:
        watched = view.watch and not view.client.frozen
        return Watch(ageing(view.client, view.now)) if watched else Idle()
    if view.client.frozen:
        raise Refused(Code.Frozen, "client", "only governance of the destination lifts a freeze")
    first = view.pending[0]
    if first.packet.nonce != view.next_nonce:
        raise Refused(Code.NonceGap, "outbox", f"{first.packet.nonce} where {view.next_nonce} is next")
    accepted = view.client.state.outbox_size
    if first.index < accepted and not view.refresh:
        return Known(batch_within(view, accepted))
    return Collect(max(first.index + 1, accepted))


def batch_within(view: LinkView, size: int) -> tuple[OutboxEntry, ...]:
    """The packets that an outbox of this size proves, in nonce order, at most a batch."""
    return tuple(entry for entry in view.pending[: view.max_batch] if entry.index < size)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One transaction, verified here as the destination will verify it."""

    proof: bytes | None
    outbox_size: int
    batch: tuple[OutboxEntry, ...]
    packets: tuple[PacketProof, ...]


@dataclass(frozen=True, slots=True)
class Ends:
    """Who sends and who receives on a link: checkpoints between applications, acknowledgements between inboxes."""

    source: bytes
    destination: bytes
    sender: bytes
    receiver: bytes
    source_inbox: bytes
    inbox: bytes


def build_delivery(
    ends: Ends,
    view: LinkView,
    log: Log,
    verifier: FinalityVerifier,
    advance: Advance | None,
) -> Delivery:
    """Proofs for the next batch; `log` is the source's outbox.

    Raises:
        Refused: what the destination would refuse it for, so that nothing is paid for that.
    """
    state = view.client.state
    proof = None
    if advance is not None:
        proof, state = _prove(ends.source, state, verifier, advance, log)
    batch = batch_within(view, state.outbox_size)
    packets = tuple(
        PacketProof(entry.packet, entry.payload, entry.index, tuple(log.inclusion_path(entry.index, state.outbox_size)))
        for entry in batch
    )
    for nonce, delivered in enumerate(packets, view.next_nonce):
        # Expiry is for the destination to decide: it consumes an expired packet, and the link goes on behind it.
        expected = Expectation(
            ends.destination,
            ends.source,
            ends.sender,
            (ends.receiver,),
            nonce,
            0,
            state.outbox_size,
            state.outbox_root,
            ends.inbox,
            ends.source_inbox,
        )
        check_packet(expected, delivered)
    return Delivery(proof, state.outbox_size, batch, packets)


def _prove(
    source: bytes, state: TrustState, verifier: FinalityVerifier, advance: Advance, log: Log
) -> tuple[bytes, TrustState]:
    proof = advance.prove(log.consistency_path(state.outbox_size, advance.outbox_size))
    # The destination judges drift by its own clock; this machine's clock has no say.
    after, _ = verifier.verify(source, state, proof, Limits(advance.timestamp, 0))
    return proof, after


def backoff(failures: int, first: float, longest: float) -> float:
    """Seconds to wait after so many failures in a row: doubled each time."""
    return min(longest, first * 2.0 ** min(failures - 1, 32)) if failures else 0.0
