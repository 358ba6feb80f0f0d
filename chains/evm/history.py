"""What happened on an EVM chain: events of the contracts, read in pages.

Nodes bound the heights of one `eth_getLogs`; a history is read in ranges of `PAGE` heights from the deployment on. What
lies `SETTLED` blocks below the final height is kept, so that asking again costs one request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from poft.chain import Acknowledged, CheckpointRecord, OutboxEntry, Outcome
from poft.protocol.acknowledgement import Fate
from poft.protocol.checkpoint import Checkpoint
from poft.protocol.errors import Rejected, Unreachable
from poft.protocol.hashing import word_uint
from poft.protocol.packet import Packet
from poft.protocol.statements import Update, Verdict

from .abi import Log, artifact
from .records import address, as_struct, typed
from .rpc import NodeError, Rpc, batch_ranges, hex_bytes, refusal

PAGE = 2_000
"""Heights in one request: what hosted nodes allow at least."""
SETTLED = 64
"""Blocks below the final height: a devnet that was killed may lose its newest blocks, whatever it called final."""

SKIPPED = "skipped by governance"
"""`Outcome.failure` of a nonce that `Inbox.skip` consumed."""

Topic = bytes | None


RETIRED = "retired-"
"""Before a contract's name, in a deployment: the addresses, separated by blanks, that it had before it was replaced."""


def addresses_of(deployment: Mapping[str, str], contract: str) -> list[str]:
    """Where a contract is and was. Its log, nonces and imports went on, so its events are one history."""
    return [deployment[contract], *deployment.get(RETIRED + contract, "").split()]


class History:
    """Events of one deployment. `final_height` answers what the connection takes for final."""

    def __init__(self, rpc: Rpc, addresses: dict[str, str], first: int, final_height: Callable[[], int]) -> None:
        self._rpc = rpc
        self._addresses = addresses
        self._first = first
        self._final_height = final_height
        self._kept: dict[tuple[str, str, tuple[Topic, ...]], tuple[int, list[Log]]] = {}

    def events(self, contract: str, event: str, *topics: Topic) -> list[Log]:
        """All logs of an event with these indexed arguments, in the order of the ledger."""
        key = (contract, event, topics)
        upto, kept = self._kept.get(key, (self._first - 1, []))
        head = self._rpc.number("eth_blockNumber")
        fresh = self.between(contract, event, upto + 1, head, *topics)
        settled = min(head, self._final_height()) - SETTLED
        if settled > upto:
            self._kept[key] = (settled, kept + [log for log in fresh if log.height <= settled])
        return kept + fresh

    def between(self, contract: str, event: str, first: int, last: int, *topics: Topic) -> list[Log]:
        """The same within [first, last], not remembered."""
        source = artifact(contract)
        wanted = [hex_bytes(source.topic(event)), *(hex_bytes(topic) if topic else None for topic in topics)]
        logs = []
        for start, stop in batch_ranges(max(first, self._first), last, PAGE):
            query = {
                "address": addresses_of(self._addresses, contract),
                "fromBlock": hex(start),
                "toBlock": hex(stop),
                "topics": wanted,
            }
            logs += [source.log(event, record) for record in self._rpc.records("eth_getLogs", query)]
        return sorted(logs, key=lambda log: (log.height, log.position))

    # Outbox and inbox

    def outbox_entries(self, start: int, stop: int) -> list[OutboxEntry]:
        """Leaves [start, stop) of the outbox, as far as it has them."""
        return [
            OutboxEntry(
                typed(int, log.arguments["index"]),
                as_struct(Packet, log.arguments["packet"]),
                typed(bytes, log.arguments["payload"]),
                log.height,
            )
            for log in self.events("Outbox", "PacketSent")
            if start <= typed(int, log.arguments["index"]) < stop
        ]

    def outcomes(self, source: bytes) -> list[Outcome]:
        """What became of every packet of a source, by nonce; a retried packet counts as dispatched.

        A nonce that governance skipped names no packet.
        """
        retried = {typed(bytes, log.arguments["packetId"]) for log in self.events("Inbox", "PacketRetried")}
        outcomes = []
        for log in self.events("Inbox", "PacketReceived", None, source):
            packet_id, outcome = typed(bytes, log.arguments["packetId"]), log.arguments["outcome"]
            failed = outcome == Fate.FAILED and packet_id not in retried
            outcomes.append(
                Outcome(
                    packet_id,
                    typed(int, log.arguments["nonce"]),
                    log.height,
                    dispatched=outcome == Fate.APPLIED or (outcome == Fate.FAILED and not failed),
                    expired=outcome == Fate.EXPIRED,
                    failure=_reason(typed(bytes, log.arguments["reason"])) if failed else "",
                )
            )
        outcomes += [
            Outcome(bytes(32), typed(int, log.arguments["nonce"]), log.height, dispatched=False, failure=SKIPPED)
            for log in self.events("Inbox", "PacketSkipped", source)
        ]
        return sorted(outcomes, key=lambda outcome: outcome.nonce)

    def acknowledgements(self, destination: bytes) -> list[Acknowledged]:
        """What a destination said last of each packet that was sent to it."""
        said: dict[bytes, Acknowledged] = {}
        for log in self.events("Inbox", "PacketAcknowledged", destination):
            packet_id = typed(bytes, log.arguments["packetId"])
            fate = Fate(typed(int, log.arguments["fate"]))
            said.pop(packet_id, None)  # the last word stands where it was said
            said[packet_id] = Acknowledged(packet_id, fate, typed(bytes, log.arguments["carrier"]))
        return list(said.values())

    # Checkpoints

    def checkpoints(self, task: bytes) -> list[CheckpointRecord]:
        """Genesis and final checkpoints of a task, in order."""
        records = [
            CheckpointRecord(as_struct(Checkpoint, log.arguments["genesis"]), (), log.height)
            for log in self.events("Federation", "TaskCreated", task)
        ]
        records += [
            CheckpointRecord(as_struct(Checkpoint, log.arguments["checkpoint"]), _parents(log), log.height)
            for log in self.events("Federation", "RoundFinal", task)
        ]
        return records

    def imports(self) -> list[CheckpointRecord]:
        """Checkpoints that were accepted from other chains."""
        return [
            CheckpointRecord(
                as_struct(Checkpoint, log.arguments["checkpoint"]),
                _parents(log),
                log.height,
                typed(bytes, log.arguments["source"]),
                typed(bytes, log.arguments["previous"]),
            )
            for log in self.events("CheckpointRegistry", "CheckpointImported")
        ]

    # Rounds

    def encryption_keys(self, height: int) -> dict[bytes, bytes]:
        """The encryption key of every participant that had registered by this height."""
        return {
            address(log.arguments["participant"]): typed(bytes, log.arguments["encryptionKey"])
            for log in self.events("Federation", "MembershipChanged")
            if log.height <= height
        }

    def round_events(self, event: str, task: bytes, round: int) -> list[Log]:
        """Events of one round."""
        return self.events("Federation", event, task, word_uint(round, 64))

    def updates(self, task: bytes, round: int) -> dict[int, tuple[Update, bytes]]:
        """Member index → update and digest."""
        return {
            typed(int, log.arguments["index"]): (
                as_struct(Update, log.arguments["update"]),
                typed(bytes, log.arguments["digest"]),
            )
            for log in self.round_events("UpdateSubmitted", task, round)
        }

    def verdicts(self, task: bytes, round: int) -> dict[int, int]:
        """Member index → bitmap of the updates that it accepts."""
        return {
            typed(int, log.arguments["index"]): as_struct(Verdict, log.arguments["verdict"]).accepted
            for log in self.round_events("VerdictSubmitted", task, round)
        }

    def votes(self, task: bytes, round: int) -> dict[int, bytes]:
        """Member index → the checkpoint that it voted for."""
        return {
            typed(int, log.arguments["index"]): typed(bytes, log.arguments["checkpoint"])
            for log in self.round_events("VoteSubmitted", task, round)
        }


def ledger_bytes(rpc: Rpc, transaction: str, sent_bytes: int) -> int:
    """Bytes that a transaction put on the ledger: itself, its events, and 64 for every slot that was zero before.

    The slots come from `debug_traceTransaction`.

    Raises:
        Unreachable: the node has no such transaction.
        Rejected: the node does not trace.
    """
    record = rpc.record("eth_getTransactionReceipt", transaction)
    if record is None:
        raise Unreachable(f"{rpc.url} does not know {transaction}")
    events = 0
    for log in cast(list[dict[str, object]], record["logs"]):
        events += 32 * len(cast(Sequence[str], log["topics"])) + (len(cast(str, log["data"])) - 2) // 2
    tracer = {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}}
    try:
        trace = rpc.record("debug_traceTransaction", transaction, tracer)
    except NodeError as error:
        raise Rejected(f"{rpc.url} cannot count new storage: {error}") from error
    if trace is None:
        raise Unreachable(f"{rpc.url} has no trace of {transaction}")
    return sent_bytes + events + 64 * new_slots(trace)


def new_slots(trace: object) -> int:
    """Slots that a transaction filled: in `post` with a value, absent from or zero in `pre`."""
    sides = cast(dict[str, dict[str, dict[str, dict[str, str]]]], trace)
    count = 0
    for account, after in sides["post"].items():
        before = sides["pre"].get(account, {}).get("storage", {})
        for slot, value in after.get("storage", {}).items():
            count += int(value, 16) != 0 and int(before.get(slot, "0x0"), 16) == 0
    return count


def _parents(log: Log) -> tuple[bytes, ...]:
    return tuple(cast(Sequence[bytes], log.arguments["parents"]))


def _reason(data: bytes) -> str:
    """What an application failed with; nothing when it ran out of gas."""
    if not data:
        return "out of gas"
    rejected = refusal(NodeError(0, "the application failed", data))
    return rejected.code.name if rejected.code is not None else str(rejected)
