"""Files that are there whole or not at all: written beside their place, then renamed onto it (POSIX rename)."""

from __future__ import annotations

from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """A file that anybody may read."""
    _write(path, text, 0o644)


def write_private(path: Path, text: str) -> None:
    """A file that its owner alone may read, before there is anything in it."""
    _write(path, text, 0o600)


def _write(path: Path, text: str, mode: int) -> None:
    partial = path.with_suffix(".partial")
    # Left over from a killed writer, it may have other rights.
    partial.unlink(missing_ok=True)
    partial.touch(mode=mode)
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
