"""What a run has to tell: one JSON line an event in history.jsonl, one line of text a round for people.

The journal is a record, not a memory: a resumed run reads the ledgers, and appends.
"""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

from poft.federation.simulation import Event
from poft.protocol.errors import ArtifactError


class Journal:
    """Appends events to a file and prints those that people wait for. Safe for several threads."""

    def __init__(self, path: Path, as_json: bool) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)
        self._as_json = as_json
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def emit(self, event: Event) -> None:
        """Records an event, stamped with the seconds since this run (or its resumption) began.

        Raises:
            ArtifactError: the disk is full or went away.
        """
        stamped = {"at": self.elapsed(), **event}
        with self._lock:
            try:
                self._file.write((json.dumps(stamped) + "\n").encode())
            except OSError as error:
                raise ArtifactError(f"{self._path}: {error.strerror}. Free space, then start again") from error
            if self._as_json:
                if event["event"] != "time":
                    print(json.dumps(stamped), flush=True)
            elif (line := describe(event)) is not None:
                print(f"{stamped['at']:7.1f} s  {line}", flush=True)

    def elapsed(self) -> float:
        """Seconds since this run (or its resumption) began."""
        return round(time.monotonic() - self._began, 3)

    def say(self, event: str, **fields: str | int | float | list[str]) -> None:
        """Records an event of the run itself."""
        self.emit({"event": event, **fields})

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def read_history(path: Path) -> list[Event]:
    """The events of a run, over all its resumptions; a line that a kill cut off is left out."""
    events: list[Event] = []
    if not path.exists():
        return events
    for line in path.read_text().splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:
            continue
    return events


def describe(event: Event) -> str | None:
    """The line for people, None for events that are only recorded."""
    kind, network = event["event"], event.get("network", "")
    if kind == "round final":
        adopted = event["adopted"]
        merged = f"  merged {len(adopted)} import" if isinstance(adopted, list) and adopted else ""
        return (
            f"{network:<10} round {event['round']:>3}/{event['rounds']}  "
            f"{event['accepted']}/{event['trainers']} updates  "
            f"validation {int(str(event['validation_ppm'])) / 10_000:5.1f} %{merged}"
        )
    if kind == "import considered" and event["code"] != "Ok":
        return f"{network:<10} import refused by the gate: {event['code']}"
    if kind == "forgery":
        verdict = "refused" if event["refused"] else "ACCEPTED"
        return f"{event['link']:<16} {event['name']:<40} {verdict} {event['code']}"
    if kind in ("fault", "fault over", "trouble"):
        return f"{network:<10} {kind.upper()}: {event['text']}"
    if kind in ("step", "update refused", "waiting", "baseline"):
        return " ".join(str(value) for key, value in event.items() if key != "event")
    return None
