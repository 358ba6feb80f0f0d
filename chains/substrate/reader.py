"""SCALE from front to back. Whatever ends early, or goes on, is refused by the name of what was read."""

from __future__ import annotations

from poft.protocol.errors import Code, Refused


class Reader:
    """Reads `data`; refusals name `subject` and carry `code`."""

    def __init__(self, data: bytes, subject: str, code: Code = Code.EvidenceDisagrees) -> None:
        self._data = data
        self._at = 0
        self._subject = subject
        self._code = code

    @property
    def at(self) -> int:
        """Bytes that were read."""
        return self._at

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if self._at + count > len(self._data):
            raise self._refused("it ends early")
        self._at += count
        return self._data[self._at - count : self._at]

    def integer(self, width: int) -> int:
        """An unsigned integer of `width` bytes."""
        return int.from_bytes(self.take(width), "little")

    def compact(self) -> int:
        """An integer below 2³⁰ in the compact form."""
        first = self.take(1)[0]
        mode = first & 3
        if mode == 3:
            raise self._refused("a length beyond 2^30")
        value = int.from_bytes(bytes([first]) + self.take((1 << mode) - 1), "little") >> 2
        if mode and value < (1 << 6 if mode == 1 else 1 << 14):
            raise self._refused("a length that is not in its shortest form")
        return value

    def octets(self) -> bytes:
        """Bytes with their length before them."""
        return self.take(self.compact())

    def end(self) -> None:
        """Refuses what goes on."""
        if self._at != len(self._data):
            raise self._refused(f"{len(self._data) - self._at} bytes too many")

    def _refused(self, detail: str) -> Refused:
        return Refused(self._code, self._subject, detail)
