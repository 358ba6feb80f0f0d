"""Topology: reachability, distance, and plans that cover every link often enough."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poft.protocol.errors import ConfigError
from poft.topology import hops, relay_plan, topology, unreached

NAMES = ["a", "b", "c", "d", "e"]
links = st.lists(st.sampled_from([(a, b) for a in NAMES for b in NAMES if a != b]), unique=True)


def test_unreached_names_what_never_arrives() -> None:
    assert unreached(topology(["a", "b", "c"], [("a", "b"), ("b", "c")])) == [("b", "a"), ("c", "a"), ("c", "b")]


def test_ring_reaches_everybody_in_as_many_hops_as_it_is_long() -> None:
    ring = topology(NAMES, list(zip(NAMES, [*NAMES[1:], NAMES[0]], strict=True)))
    assert unreached(ring) == []
    assert hops(ring) == len(NAMES) - 1


@pytest.mark.parametrize("link", [("a", "x"), ("x", "a"), ("a", "a")])
def test_topology_refuses_impossible_links(link: tuple[str, str]) -> None:
    with pytest.raises(ConfigError):
        topology(NAMES, [link])


@given(links, st.integers(1, 6), st.integers(1, 6))
def test_plan_gives_every_link_its_copies_to_different_relayers(
    chosen: list[tuple[str, str]], relayers: int, copies: int
) -> None:
    graph = topology(NAMES, chosen)
    if copies > relayers:
        with pytest.raises(ConfigError):
            relay_plan(graph, relayers, copies)
        return
    plan = relay_plan(graph, relayers, copies)
    assert len(plan) == relayers
    for link in chosen:
        assert sum(link in carried for carried in plan) == copies
    assert max(map(len, plan)) - min(map(len, plan)) <= 1
