"""What became of every packet of a link, as the two ledgers have it: each is taken once, in the order of sending."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from poft.chain import Chain, OutboxEntry
from poft.protocol.errors import Code, Refused


@dataclass(frozen=True, slots=True)
class Tally:
    """Packets of one link: `lost` were sent and never consumed, `twice` were consumed more than once."""

    sent: int
    taken: int
    lost: int
    twice: int


def sent_to(source: Chain, destination: bytes) -> list[OutboxEntry]:
    """The packets in a source's outbox that are for one destination, in order."""
    entries = source.outbox_entries(0, source.outbox_size())
    return [entry for entry in entries if entry.packet.dest_domain == destination]


def tally(source: Chain, destination: Chain) -> Tally:
    """Counts what two ledgers say of one link."""
    sent = {entry.packet.id for entry in sent_to(source, destination.domain)}
    outcomes = destination.outcomes(source.domain)
    consumed = Counter(outcome.packet_id for outcome in outcomes)
    taken = {one.packet_id for one in outcomes if one.dispatched and not one.failure}
    return Tally(len(sent), len(taken), len(sent - consumed.keys()), sum(times > 1 for times in consumed.values()))


def require_delivered_once(source: Chain, destination: Chain) -> None:
    """Returns when every packet of a link was consumed once, in order.

    Raises:
        Refused: NonceGap, a packet was lost or came out of order; NonceReplayed, one was taken twice.
    """
    link = f"{source.spec.name} → {destination.spec.name}"
    found = tally(source, destination)
    if found.twice:
        raise Refused(Code.NonceReplayed, link, f"{found.twice} packets were taken twice")
    sent = [entry.packet.id for entry in sent_to(source, destination.domain)]
    if sent != [outcome.packet_id for outcome in destination.outcomes(source.domain)]:
        raise Refused(Code.NonceGap, link, f"{found.lost} packets were lost, or the order is another")
