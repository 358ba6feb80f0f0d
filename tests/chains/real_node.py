"""Whether our own node is there: its tests need the program that `make node` builds."""

from __future__ import annotations

import pytest

from chains.substrate.poft_node import node_program
from poft.protocol.errors import ConfigError


def _missing() -> str:
    try:
        node_program()
    except ConfigError as error:
        return str(error)
    return ""


needs_node = pytest.mark.skipif(bool(_missing()), reason=_missing() or "our node is there")
"""Skips a test, and says what is missing, where the node was not built."""
