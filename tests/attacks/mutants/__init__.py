"""Mutants of one language each: which files, which changes, and what is asked whether it notices."""

from __future__ import annotations

from dataclasses import dataclass

UNBUILT = "does not compile"
"""What a fate says of a mutant that never ran."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: `text` is the file's new content."""

    file: str
    line: int
    change: str
    text: str


UNCHANGED = Mutant("", 0, "", "")
"""The checkout as it is, which every test must pass."""
