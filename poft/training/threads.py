"""One thread for whatever must give equal bytes.

Sums over several threads are split differently for every thread count, and the last bit of a float64 sum follows the
split. Rounding to the grid hides nearly all of these differences, but a value that sits on a rounding boundary would
show one; so the computations that are hashed run on a single thread, and participants are what runs in parallel.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Runs torch on one thread inside the block and restores the caller's number afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
