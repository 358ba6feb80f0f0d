"""The relayer's queue: what it knows of source outboxes, and how far each packet is. SQLite, WAL.

Nothing in it is needed for exactly-once delivery: the destination's next nonce decides what is still to be delivered,
and a deleted file is read again from the sources. It saves that reading, and it is what an operator looks at:

    sqlite3 relayer.sqlite "SELECT nonce, status, attempts, detail FROM packets"
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from poft.chain import OutboxEntry
from poft.protocol.errors import ArtifactError
from poft.protocol.hashing import words
from poft.protocol.packet import Packet
from poft.protocol.structs import decode_fields

_SCHEMA = """
CREATE TABLE IF NOT EXISTS packets (
    source BLOB NOT NULL, leaf INTEGER NOT NULL, destination BLOB NOT NULL, nonce TEXT NOT NULL, id BLOB NOT NULL,
    body BLOB NOT NULL, payload BLOB NOT NULL, height INTEGER NOT NULL,
    status TEXT NOT NULL DEFAULT 'queued', attempts INTEGER NOT NULL DEFAULT 0, detail TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (source, leaf)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_link ON packets (source, destination, nonce);
CREATE TABLE IF NOT EXISTS committees (authority BLOB PRIMARY KEY, members BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS lists (authority BLOB PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS released (
    authority BLOB PRIMARY KEY, height INTEGER NOT NULL, hash BLOB NOT NULL, proof BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS competing (
    source BLOB NOT NULL, height INTEGER NOT NULL, hash BLOB NOT NULL, header BLOB NOT NULL, endpoint TEXT NOT NULL,
    PRIMARY KEY (source, height, hash)) WITHOUT ROWID;
"""


class Status(StrEnum):
    """How far a packet is."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"


class Queue:
    """The queue as one thread sees it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._db = sqlite3.connect(path, timeout=5.0, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            # A power failure may take the last transactions: they are read again from the source.
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    def leaves(self, source: bytes) -> list[bytes]:
        """Packet ids of a source's outbox, as far as they were read."""
        return [row[0] for row in self._all("SELECT id FROM packets WHERE source = ? ORDER BY leaf", (source,))]

    def add(self, source: bytes, entries: Sequence[OutboxEntry]) -> None:
        """Further entries of a source's outbox, all or none."""
        rows = [
            (
                source,
                entry.index,
                entry.packet.dest_domain,
                _order(entry.packet.nonce),
                entry.packet.id,
                entry.packet.encode(),
                entry.payload,
                entry.height,
            )
            for entry in entries
        ]
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT OR IGNORE INTO packets (source, leaf, destination, nonce, id, body, payload, height)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def forget(self, source: bytes) -> None:
        """Drops what was read of a source: a certified root says that it is not so (any more)."""
        self._do("DELETE FROM packets WHERE source = ?", (source,))

    def pending(self, source: bytes, destination: bytes, next_nonce: int, limit: int) -> list[OutboxEntry]:
        """The oldest packets of a link that the destination has not consumed, whatever their status here."""
        rows = self._all(
            "SELECT leaf, body, payload, height FROM packets WHERE source = ? AND destination = ? AND nonce >= ?"
            " ORDER BY leaf LIMIT ?",
            (source, destination, _order(next_nonce), limit),
        )
        return [OutboxEntry(leaf, _packet(body), payload, height) for leaf, body, payload, height in rows]

    def consumed(self, source: bytes, destination: bytes, next_nonce: int, detail: str) -> None:
        """Notes that the destination consumed every packet with a lower nonce, whoever brought it."""
        self._do(
            "UPDATE packets SET status = ?, detail = ? WHERE source = ? AND destination = ? AND nonce < ?"
            " AND status != ?",
            (Status.DELIVERED, detail, source, destination, _order(next_nonce), Status.DELIVERED),
        )

    def taken_back(self, source: bytes, destination: bytes, next_nonce: int) -> None:
        """Notes that the destination lost packets from this nonce on: they are to be delivered again."""
        self._do(
            "UPDATE packets SET status = ?, detail = ? WHERE source = ? AND destination = ? AND nonce >= ?"
            " AND status = ?",
            (Status.QUEUED, "taken back", source, destination, _order(next_nonce), Status.DELIVERED),
        )

    def mark(self, source: bytes, leaf: int, status: Status, detail: str) -> None:
        """Notes how far a packet is; `detail` is a transaction or what went wrong."""
        self._do(
            "UPDATE packets SET status = ?, detail = ?, attempts = attempts + ? WHERE source = ? AND leaf = ?",
            (status, detail, int(status is Status.SENT), source, leaf),
        )

    def counts(self) -> dict[str, int]:
        """Packets by status."""
        return dict(self._all("SELECT status, count(*) FROM packets GROUP BY status", ()))

    def learn(self, authority: bytes, members: Sequence[bytes]) -> None:
        """Remembers who stands behind a committee's hash."""
        self._do("INSERT OR REPLACE INTO committees VALUES (?, ?)", (authority, b"".join(members)))

    def committee(self, authority: bytes) -> tuple[bytes, ...] | None:
        """The members behind a committee's hash, when they were learnt."""
        rows = self._all("SELECT members FROM committees WHERE authority = ?", (authority,))
        return tuple(rows[0][0][at : at + 20] for at in range(0, len(rows[0][0]), 20)) if rows else None

    def committees(self) -> list[tuple[bytes, ...]]:
        """Every committee that was learnt, the newest first."""
        rows = self._all("SELECT members FROM committees ORDER BY rowid DESC", ())
        return [tuple(row[0][at : at + 20] for at in range(0, len(row[0]), 20)) for row in rows]

    def learn_list(self, authority: bytes, body: bytes) -> None:
        """Remembers the list of schemes behind a hash (AND1)."""
        self._do("INSERT OR REPLACE INTO lists VALUES (?, ?)", (authority, body))

    def trusted_list(self, authority: bytes) -> bytes | None:
        """The list behind a hash, when it was learnt."""
        rows = self._all("SELECT body FROM lists WHERE authority = ?", (authority,))
        return rows[0][0] if rows else None

    def release(self, authority: bytes, height: int, block_hash: bytes, proof: bytes) -> None:
        """Remembers the newest block that was proven to clients of this authority, with its proof."""
        self._do("INSERT OR REPLACE INTO released VALUES (?, ?, ?, ?)", (authority, height, block_hash, proof))

    def released(self, authority: bytes) -> tuple[int, bytes, bytes] | None:
        """(height, hash, proof) of that block."""
        rows = self._all("SELECT height, hash, proof FROM released WHERE authority = ?", (authority,))
        return rows[0] if rows else None

    def compete(self, source: bytes, height: int, block_hash: bytes, header: bytes, endpoint: str) -> bool:
        """Keeps a header that stands where another block was released; whether it is new."""
        known = self._all(
            "SELECT 1 FROM competing WHERE source = ? AND height = ? AND hash = ?", (source, height, block_hash)
        )
        self._do(
            "INSERT OR IGNORE INTO competing VALUES (?, ?, ?, ?, ?)", (source, height, block_hash, header, endpoint)
        )
        return not known

    def competing(self, source: bytes) -> list[tuple[int, bytes, bytes, str]]:
        """(height, hash, header, endpoint) of every header that was kept."""
        return self._all("SELECT height, hash, header, endpoint FROM competing WHERE source = ?", (source,))

    def _all(self, query: str, values: Sequence[bytes | int | str]) -> list[tuple]:  # type: ignore[type-arg]
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _do(self, statement: str, values: Sequence[bytes | int | str]) -> None:
        try:
            self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> ArtifactError:
        return ArtifactError(f"{self._path}: {error}. Check the disk's space and the file's owner, or delete the file")


def _order(nonce: int) -> str:
    """A uint64 as text that sorts as the number does: SQLite's integers end at 2**63."""
    return f"{nonce:020d}"


def _packet(body: bytes) -> Packet:
    return Packet(*decode_fields(Packet, list(words(body))))  # type: ignore[arg-type]
