"""Federations: aggregation rules, import policy and the pure functions of a round. Nothing here talks to a chain."""
