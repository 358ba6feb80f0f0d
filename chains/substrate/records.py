"""Storage of the pallets as the records of `poft.chain` (README.md, "Storage that clients read")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TypeVar

from poft.chain import (
    Acknowledged,
    CheckpointRecord,
    ClientStatus,
    Member,
    OutboxEntry,
    Outcome,
    Phase,
    Task,
    TaskStatus,
)
from poft.protocol.acknowledgement import Fate
from poft.protocol.checkpoint import Checkpoint
from poft.protocol.packet import Packet
from poft.verification.api import TrustState

from .rpc import Json
from .runtime import items, number, octets, record

T = TypeVar("T")

SKIPPED = "skipped by governance"
"""`Outcome.failure` of a nonce that `Bridge.skip_packet` consumed."""


def struct(kind: type[T], value: Json) -> T:
    """A record whose fields have the names of the dataclass's."""
    found = record(value)
    return kind(**{field.name: _plain(found[field.name]) for field in fields(kind)})  # type: ignore[arg-type]


def outbox_entry(index: int, value: Json) -> OutboxEntry:
    """`Bridge.Packets`."""
    found = record(value)
    return OutboxEntry(index, struct(Packet, found["packet"]), octets(found["payload"]), number(found["height"]))


def client_status(value: Json) -> ClientStatus:
    """`Bridge.Clients`."""
    found = record(value)
    return ClientStatus(
        octets(found["scheme"]),
        struct(TrustState, found["state"]),
        number(found["generation"]),
        bool(found["frozen"]),
        number(found["max_drift"]),
        number(found["staleness"]),
    )


def outcome(nonce: int, value: Json) -> Outcome:
    """`Bridge.Deliveries`. A nonce that governance skipped names no packet."""
    found = record(value)
    result = found["outcome"]
    failure = SKIPPED if result == "Skipped" else ""
    if isinstance(result, Mapping):
        failure = str(result["Failed"])
    return Outcome(
        octets(found["packet_id"]),
        nonce,
        number(found["height"]),
        dispatched=result == "Dispatched",
        expired=result == "Expired",
        failure=failure,
    )


def acknowledged(packet_id: bytes, value: Json) -> tuple[int, Acknowledged]:
    """One of `Bridge.Acknowledgements`, and its place among them."""
    found = record(value)
    fate = Fate[str(found["fate"]).upper()]
    return number(found["position"]), Acknowledged(packet_id, fate, octets(found["carrier"]))


def member(value: Json) -> Member:
    """One of `Federation.MemberSets`."""
    return struct(Member, value)


def phase(value: Json) -> Phase:
    """A round's phase by its name on the ledger."""
    return Phase[str(value).upper()]


def task_status(value: Json) -> TaskStatus:
    """`Federation.Tasks`."""
    found = record(value)
    return TaskStatus(
        struct(Task, found["task"]),
        number(found["round"]),
        phase(found["phase"]),
        number(found["last_final_round"]),
        octets(found["last_checkpoint"]),
    )


def checkpoint_record(value: Json) -> CheckpointRecord:
    """`Federation.Checkpoints`."""
    found = record(value)
    return CheckpointRecord(
        struct(Checkpoint, found["checkpoint"]),
        tuple(octets(parent) for parent in items(found["parents"])),
        number(found["height"]),
        octets(found["source_domain"]),
        octets(found["previous"]),
    )


def _plain(value: Json) -> bytes | int:
    if isinstance(value, str):
        return octets(value)
    return value if isinstance(value, bool) else number(value)
