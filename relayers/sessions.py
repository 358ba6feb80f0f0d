"""When which validator set of a source signs, found out by a few headers.

Every header names the committee that signs after the present one, and that name contains its epoch: it is the same in
all blocks of a set and never comes back. So the first block of a set is found by halving, whatever the length of its
time. A node that lies about headers makes a relayer look in the wrong place, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

FIRST_BLOCK = 1
"""The genesis block has no header of ours."""


@dataclass(frozen=True, slots=True)
class Session:
    """The time of one validator set: from its first block on, which it has to commit to, to the last one known."""

    epoch: int
    first: int
    last: int


class Sessions:
    """What was found out so far; belongs to one thread. `named(height)` is the next committee of a block's header."""

    def __init__(self, named: Callable[[int], bytes]) -> None:
        self._named = named
        self._firsts: dict[int, int] = {}

    def find(self, epoch: int, height: int, known: int) -> Session | None:
        """The session of an epoch, going back from a block whose set has the epoch `known`; None where it is later, or
        before the first.
        """
        last, at = height, known
        while at >= max(epoch, 1):
            first = self._first(at, last)
            if at == epoch:
                return Session(at, first, last)
            if first <= FIRST_BLOCK:
                return None
            last, at = first - 1, at - 1
        return None

    def holding(self, wanted: int, height: int, known: int) -> Session | None:
        """The session that a block belongs to, going back likewise."""
        last, at = height, known
        while wanted <= last and at >= 1:
            first = self._first(at, last)
            if first <= wanted:
                return Session(at, first, last)
            last, at = first - 1, at - 1
        return None

    def _first(self, epoch: int, last: int) -> int:
        """The first block of the set that has this one."""
        if epoch not in self._firsts:
            name = self._named(last)
            low, high = FIRST_BLOCK, last
            while low < high:
                middle = (low + high) // 2
                if self._named(middle) == name:
                    high = middle
                else:
                    low = middle + 1
            self._firsts[epoch] = low
        return self._firsts[epoch]
