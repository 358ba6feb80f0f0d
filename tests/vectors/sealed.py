"""Vectors of CLQ1 and QBF1: the conformance kit's own cases, as many as a file bears (docs/vectors.md)."""

from __future__ import annotations

import json

from poft.conformance.attacks import Depth
from poft.conformance.plugin import find
from poft.conformance.vectors import document

_DEPTH = Depth(cuts=3, flips=12, garbage=2, thresholds=())


def cases(scheme: str) -> object:
    """Of a scheme with four signers."""
    return json.loads(document(find(scheme), 4, _DEPTH))["cases"]
