"""The signing journal: the only way to an attestor's signature, and what keeps it from contradicting itself.

A statement is checked against everything that was signed before, signed, and written durably (SQLite, WAL,
synchronous = FULL) in one transaction. Signatures leave the process from this file alone, so a crash at any moment
leaves either no signature or one that is remembered. The outbox's frontier is kept too: an outbox that does not extend
what was signed, whatever its size, is never signed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from poft.protocol.errors import ArtifactError, Code, ConfigError, Refused
from poft.protocol.finality import Finality, sign_finality
from poft.protocol.hashing import ZERO32, words
from poft.protocol.merkle import Frontier
from poft.protocol.signatures import key_address
from poft.protocol.structs import decode_fields

from .wire import PAGE, Attestation

_SCHEMA = """
CREATE TABLE IF NOT EXISTS owner (
    one INTEGER PRIMARY KEY CHECK (one = 1), domain BLOB NOT NULL, attestor BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS statements (
    height INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, body BLOB NOT NULL, signature BLOB NOT NULL,
    next_members BLOB NOT NULL, peaks BLOB NOT NULL);
"""
_MAX_HEIGHT = 2**63 - 1  # SQLite's integers
_BUSY_SECONDS = 5.0


class Journal:
    """One attestor's journal, opened for signing. A connection belongs to one thread."""

    def __init__(self, path: Path, domain: bytes, key: bytes) -> None:
        self._domain, self._key = domain, key
        self.attestor = key_address(key)
        try:
            self._db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
            self._db.execute("INSERT OR IGNORE INTO owner VALUES (1, ?, ?)", (domain, self.attestor))
            owner = self._db.execute("SELECT domain, attestor FROM owner").fetchone()
        except sqlite3.Error as error:
            raise _failed(path, error) from error
        self._path = path
        if owner != (domain, self.attestor):
            raise ConfigError(
                f"{path} is the journal of attestor 0x{owner[1].hex()} on chain 0x{owner[0].hex()}",
                "Give every key and chain a journal of its own",
            )

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    def last(self) -> Finality | None:
        """The newest statement that was signed."""
        try:
            row = self._db.execute("SELECT body FROM statements ORDER BY height DESC LIMIT 1").fetchone()
        except sqlite3.Error as error:
            raise _failed(self._path, error) from error
        return None if row is None else _decode(row[0])

    def sign(self, statement: Finality, appended: Sequence[bytes], next_members: Sequence[bytes] = ()) -> Attestation:
        """Signs a statement, or returns the signature that exists for it. `appended`: packet ids since `last`.

        Raises:
            Refused: EvidenceDisagrees (this height was signed with other content), StaleHeight, WrongEpoch,
                SizeRegression, RootChanged, TimestampRegression, InconsistentLog (the ids do not lead to the root).
            ArtifactError: the journal cannot be written; nothing was signed then.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                made = self._sign(statement, appended, next_members)
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise _failed(self._path, error) from error
        return made

    def _sign(self, statement: Finality, appended: Sequence[bytes], next_members: Sequence[bytes]) -> Attestation:
        body = statement.encode()
        if statement.height > _MAX_HEIGHT:
            raise Refused(Code.Oversize, "height", str(statement.height))
        row = self._db.execute(
            "SELECT body, signature, next_members FROM statements WHERE height = ?", (statement.height,)
        ).fetchone()
        if row is not None:
            if row[0] != body:
                raise Refused(
                    Code.EvidenceDisagrees, f"height {statement.height}", "another statement was signed for it"
                )
            return _attestation(*row)
        row = self._db.execute("SELECT body, peaks FROM statements ORDER BY height DESC LIMIT 1").fetchone()
        log = Frontier()
        if row is not None:
            last = _decode(row[0])
            _check_follows(last, statement)
            log = Frontier(last.outbox_size, tuple(words(row[1])))
        for packet_id in appended:
            log = log.append(packet_id)
        if (log.size, log.root) != (statement.outbox_size, statement.outbox_root):
            raise Refused(
                Code.InconsistentLog, f"height {statement.height}", "the outbox is not what was signed, appended to"
            )
        signature = sign_finality(self._key, self._domain, statement)
        packed = b"".join(next_members)
        self._db.execute(
            "INSERT INTO statements VALUES (?, ?, ?, ?, ?, ?)",
            (statement.height, statement.epoch, body, signature, packed, b"".join(log.peaks)),
        )
        return Attestation(statement, signature, tuple(next_members))


def _check_follows(last: Finality, statement: Finality) -> None:
    """Returns when both statements can be true and in this order (docs/protocol.md section 8, CMT1)."""
    epoch = last.epoch + (last.next_committee != ZERO32)
    if statement.epoch != epoch:
        raise Refused(Code.WrongEpoch, "epoch", f"{statement.epoch} where {epoch} is current")
    if statement.height <= last.height:
        raise Refused(Code.StaleHeight, "height", f"{statement.height} after {last.height}")
    if statement.outbox_size < last.outbox_size:
        raise Refused(Code.SizeRegression, "outboxSize", f"{statement.outbox_size} after {last.outbox_size}")
    if statement.outbox_size == last.outbox_size and statement.outbox_root != last.outbox_root:
        raise Refused(Code.RootChanged, "outboxRoot", f"two roots for size {last.outbox_size}")
    if statement.timestamp < last.timestamp:
        raise Refused(Code.TimestampRegression, "timestamp", f"{statement.timestamp} after {last.timestamp}")


def read_page(path: Path, after: int, epoch: int | None, before: int | None) -> list[Attestation]:
    """The newest statements with after < height (< before), ascending: at most a page. From any thread."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as db:
            rows = db.execute(
                "SELECT body, signature, next_members FROM statements WHERE height > ? AND height < ?"
                " AND (? IS NULL OR epoch = ?) ORDER BY height DESC LIMIT ?",
                (
                    min(after, _MAX_HEIGHT),
                    _MAX_HEIGHT if before is None else min(before, _MAX_HEIGHT),
                    epoch,
                    epoch,
                    PAGE,
                ),
            ).fetchall()
    except sqlite3.Error as error:
        raise _failed(path, error) from error
    return [_attestation(*row) for row in reversed(rows)]


def _attestation(body: bytes, signature: bytes, next_members: bytes) -> Attestation:
    members = tuple(next_members[at : at + 20] for at in range(0, len(next_members), 20))
    return Attestation(_decode(body), signature, members)


def _decode(body: bytes) -> Finality:
    return Finality(*decode_fields(Finality, list(words(body))))  # type: ignore[arg-type]


def _failed(path: Path, error: sqlite3.Error) -> ArtifactError:
    return ArtifactError(f"{path}: {error}. Check the disk's space and the file's owner; never sign without it")
