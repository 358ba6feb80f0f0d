"""What a destination may still take back, as one link sees it: pure functions of what it read.

A relayer looks at the destination's newest block, because waiting for finality before the next batch would cost a link
its speed. So a delivery can go away again with its block. Then the ledger lost the nonce together with the packet, the
next look finds the lower nonce, and the packet is delivered again: never twice, since no history has it twice. Here
this is noticed and gets its name: above finality a reorganisation is the chain's daily life; below it, somebody has to
look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Horizon:
    """`nonce` is what the destination expected at the last look, `final` what it expected in a final block.

    `waiting`: a nonce, and a height at which it was surely reached; final once that height is, if nothing was taken
    back in between.
    """

    nonce: int
    final: int = 0
    waiting: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class TakenBack:
    """The destination expects `first` again, where it expected `past`."""

    first: int
    past: int
    below_finality: bool


def look(
    horizon: Horizon | None, nonce: int, height: Callable[[], int], final_height: Callable[[], int]
) -> tuple[Horizon, TakenBack | None]:
    """The horizon after a look at the next nonce. `height` and `final_height` of the destination, asked only when they
    matter, and after the nonce was read.
    """
    if horizon is None:
        return Horizon(nonce, 0, (nonce, height()) if nonce else None), None
    if nonce < horizon.nonce:
        taken = TakenBack(nonce, horizon.nonce, nonce < horizon.final)
        return Horizon(nonce, min(horizon.final, nonce)), taken
    if horizon.waiting is not None and final_height() >= horizon.waiting[1]:
        horizon = replace(horizon, final=horizon.waiting[0], waiting=None)
    if horizon.waiting is None and nonce > horizon.final:
        horizon = replace(horizon, waiting=(nonce, height()))
    return replace(horizon, nonce=nonce), None
