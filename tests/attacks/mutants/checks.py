"""Refusals in Solidity and Rust: where they stand, and every way to leave one out or an operand of its condition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from . import Mutant

_OPENING, _CLOSING = "([{", ")]}"


@dataclass(frozen=True, slots=True)
class Check:
    """A refusal: `code` unless `condition` (joined by `join`) holds. Positions in the source; `absent` replaces all."""

    begin: int
    end: int
    condition: tuple[int, int]
    join: str
    code: str
    absent: str = ""


def mutated(file: str, source: str, checks: Iterator[Check]) -> Iterator[Mutant]:
    """Each check left out, and each operand of its condition."""
    for check in checks:
        line = source.count("\n", 0, check.begin) + 1
        text = source[: check.begin] + check.absent + source[check.end :]
        begin, end = check.condition
        yield Mutant(file, line, f"{check.code}: never `{' '.join(source[begin:end].split())}`", text)
        operands = split(source[begin:end], check.join)
        if len(operands) < 2:
            continue
        for i, operand in enumerate(operands):
            kept = f" {check.join} ".join(operands[:i] + operands[i + 1 :])
            change = f"{check.code}: without `{' '.join(operand.split())}`"
            yield Mutant(file, line, change, source[:begin] + kept + source[end:])


def split(text: str, separator: str) -> list[str]:
    """The parts of a text between separators that stand outside of every bracket."""
    depth, parts, start, i = 0, [], 0, 0
    while i < len(text):
        depth += (text[i] in _OPENING) - (text[i] in _CLOSING)
        if not depth and text.startswith(separator, i):
            parts.append(text[start:i].strip())
            i = start = i + len(separator)
        else:
            i += 1
    return [*parts, text[start:].strip()]


def closing(text: str, opening: int) -> int:
    """Where the bracket at this position is closed."""
    depth = 0
    for i in range(opening, len(text)):
        depth += (text[i] in _OPENING) - (text[i] in _CLOSING)
        if not depth:
            return i
    raise ValueError("a bracket is not closed")
