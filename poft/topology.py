"""Networks and links as a graph: what can reach what, and who carries which link.

A link is a direction. Checkpoints spread along paths, merged at every hop, so a network learns from every network
that has a path to it.
"""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx

from poft.protocol.errors import ConfigError

Link = tuple[str, str]


def topology(networks: Sequence[str], links: Sequence[Link]) -> nx.DiGraph[str]:
    """The graph of these networks and links; a link to an unknown network or to itself is a `ConfigError`."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(networks)
    for source, destination in links:
        if source not in graph or destination not in graph:
            raise ConfigError(f"link {source} → {destination} names an unknown network")
        if source == destination:
            raise ConfigError(f"link from {source} to itself")
        graph.add_edge(source, destination)
    return graph


def unreached(graph: nx.DiGraph[str]) -> list[Link]:
    """Pairs (a, b) without a path from a to b: what b never learns of, in the order of names."""
    return [
        (source, destination)
        for source in sorted(graph)
        for destination in sorted(set(graph) - set(nx.single_source_shortest_path_length(graph, source)))
    ]


def hops(graph: nx.DiGraph[str]) -> int:
    """Exchanges until every network has heard of every one that reaches it: the longest of the shortest paths."""
    lengths = nx.all_pairs_shortest_path_length(graph)
    return max((length for _, reached in lengths for length in reached.values()), default=0)


def relay_plan(graph: nx.DiGraph[str], relayers: int, copies: int) -> list[list[Link]]:
    """Links for each relayer: every link to `copies` different ones, loads differing by at most one.

    Raises:
        ConfigError: fewer relayers than copies.
    """
    if not 1 <= copies <= relayers:
        raise ConfigError(f"{copies} relayers for a link, out of {relayers}")
    plan: list[list[Link]] = [[] for _ in range(relayers)]
    turn = 0
    for link in sorted(graph.edges):
        for _ in range(copies):
            plan[turn % relayers].append(link)
            turn += 1
    return plan
