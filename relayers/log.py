"""Log lines: one event a line on standard error, for people, or as JSON for machines."""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TextIO

Value = str | int | float | bool


class Level(StrEnum):
    """`alarm` wants a human; `warn` heals by itself."""

    INFO = "info"
    WARN = "warn"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class Log:
    """Writes events of one service. Lines of several threads never mix."""

    service: str
    json_lines: bool = False
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self, event: str, level: Level = Level.INFO, **fields: Value) -> None:
        """One line: what happened, and its particulars."""
        now = time.time()
        if self.json_lines:
            record = {"time": round(now, 3), "level": level.value, "service": self.service, "event": event}
            line = json.dumps({**record, **fields})
        else:
            clock = datetime.fromtimestamp(now, UTC).strftime("%H:%M:%S.%f")[:-3]
            detail = " ".join(f"{name}={value}" for name, value in fields.items())
            mark = "" if level is Level.INFO else f"{level.value.upper()}: "
            line = f"{clock} {self.service}: {mark}{event} {detail}".rstrip()
        with self._lock:
            print(line, file=self.stream, flush=True)
