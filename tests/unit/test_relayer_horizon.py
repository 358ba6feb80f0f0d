"""What a destination may still take back: noticed, named by whether it was final, delivered again and taken once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayers.horizon import Horizon, TakenBack, look
from relayers.link import Step
from relayers.queue import Queue
from tests.ledgers import DESTINATION, SOURCE, Destination
from tests.links import World, drain, linked_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with linked_world(tmp_path) as made:
        yield made


def test_delivery_above_finality_is_taken_back_below_it_is_an_alarm() -> None:
    seen, taken = look(None, 3, lambda: 10, lambda: 0)
    assert (seen, taken) == (Horizon(3, 0, (3, 10)), None)
    for final in (8, 9):
        seen, taken = look(seen, 4, lambda: 11, lambda final=final: final)  # type: ignore[misc]
        assert (seen, taken) == (Horizon(4, 0, (3, 10)), None)
    assert look(seen, 2, lambda: 0, lambda: 0)[1] == TakenBack(2, 4, below_finality=False)
    seen, taken = look(seen, 4, lambda: 12, lambda: 10)
    assert (seen, taken) == (Horizon(4, 3, (4, 12)), None)
    assert look(seen, 3, lambda: 0, lambda: 0) == (Horizon(3, 3), TakenBack(3, 4, below_finality=False))
    assert look(seen, 2, lambda: 0, lambda: 0) == (Horizon(2, 2), TakenBack(2, 4, below_finality=True))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 5)), max_size=30))
def test_alarm_exactly_when_a_block_that_was_final_lost_packets(moves: list[tuple[int, int, int]]) -> None:
    """Against a chain that is written out: the nonce of every block, blocks on top, blocks taken away, and how far
    behind the head finality is. A link looks after each.
    """
    nonces, final, released = [0], 0, 0
    horizon: Horizon | None = None
    for added, removed, lag in moves:
        kept = max(len(nonces) - removed, 1)
        lost = nonces[-1] - nonces[kept - 1]
        nonces = nonces[:kept]
        horizon, taken = look(horizon, nonces[-1], lambda: len(nonces) - 1, lambda: final)  # noqa: B023
        # Whoever looks after each change misses none.
        assert (taken is not None) == (lost > 0)
        if taken is not None:
            # It never cries without a reason; what it never saw become final it cannot know.
            assert not taken.below_finality or nonces[-1] < released
        released = min(released, nonces[-1])
        nonces += [nonces[-1] + 1 + at for at in range(added)]
        horizon, _ = look(horizon, nonces[-1], lambda: len(nonces) - 1, lambda: final)  # noqa: B023
        final = max(final, len(nonces) - 1 - lag)
        final = min(final, len(nonces) - 1)
        released = max(released, nonces[final])


def test_packets_that_a_destination_took_back_are_delivered_again_and_once(world: World, tmp_path: Path) -> None:
    link, destination = world.link(), world.destination
    destination.lag = 5
    world.emit(b"one", b"two")
    assert drain(link) == [Step.DELIVERED]
    fresh = Destination()
    destination.status, destination.received = fresh.status, []
    assert drain(link) == [Step.DELIVERED]
    assert destination.received == [(0, b"one"), (1, b"two")]
    said = world.said.getvalue()
    assert "the destination took packets back; delivering again" in said
    assert "reorganisation below finality" not in said
    with closing(Queue(tmp_path / "queue")) as queue:
        assert queue.counts() == {"delivered": 2}
        assert queue.pending(SOURCE, DESTINATION, 2, 8) == []


def test_packets_lost_below_the_destinations_finality_raise_the_alarm(world: World) -> None:
    link, destination = world.link(), world.destination
    world.emit(b"one")
    assert drain(link) == [Step.DELIVERED]
    assert link.step() is Step.IDLE  # the delivery's block is final
    fresh = Destination()
    destination.status, destination.received = fresh.status, []
    assert drain(link) == [Step.DELIVERED]
    assert destination.received == [(0, b"one")]
    assert "reorganisation below finality: packets that were final are delivered again" in world.said.getvalue()
