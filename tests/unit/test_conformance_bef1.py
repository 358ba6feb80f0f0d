"""BEF1 in the conformance kit: what every scheme is asked, of sets of one, four and seven validators."""

from __future__ import annotations

from poft.conformance.check import check
from poft.conformance.plugin import find


def test_every_attack_is_refused_with_its_code_and_everything_honest_is_taken() -> None:
    card = check(find("BEF1"), members=(4, 1, 7), on=("python",))
    assert card.findings == []
    assert card.sound


def test_only_what_cannot_be_said_in_a_commitment_is_exempt() -> None:
    assert set(find("BEF1").plugin.exempt) == {"height 2^64-1", "evidence: two successors"}
