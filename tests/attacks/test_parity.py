"""Parity: for a random valid case and one random mutation, the three implementations return the same verdict and code.

Real Rust and real Solidity answer; `python -m tests.differential` runs as many mutations as one likes.
"""

from __future__ import annotations

import pytest

from tests.differential.__main__ import described, shown
from tests.differential.comparing import Report, compare
from tests.differential.implementations import Rust, solidity

pytestmark = pytest.mark.devnet
MUTATIONS = 6000


@pytest.fixture(scope="module")
def report() -> Report:
    rust = Rust()
    with solidity() as contract:
        return compare(rust, contract, MUTATIONS, seed=2026)


def test_implementations_agree_on_every_mutation(report: Report) -> None:
    print(shown(report, 1.0))
    assert not report.found, "\n".join(
        f"{described(difference.case)}\n  python {difference.python}\n  rust {difference.rust}\n"
        f"  solidity {difference.solidity}"
        for difference in report.found
    )


def test_no_forgery_is_accepted(report: Report) -> None:
    assert not report.forgeries, "\n".join(described(case) for case in report.forgeries[:5])


def test_nothing_honest_is_refused(report: Report) -> None:
    assert report.honest >= MUTATIONS // 10
    assert not report.refused_honest, "\n".join(described(case) for case in report.refused_honest[:5])


def test_mutations_reach_every_rule_and_its_codes(report: Report) -> None:
    """A catalogue that stops too early would agree about nothing much."""
    assert len(report.rules) == 14
    # More than half of a fair share.
    assert min(report.rules.values()) > 0.55 * MUTATIONS / len(report.rules)
    assert set(report.codes) >= {
        *("Ok", "Malformed", "Oversize", "IndexOutOfRange", "ProofLength", "RootMismatch", "InconsistentLog"),
        *("BadSignature", "HighS", "NotSigner", "CommitteeInvalid", "CommitteeMismatch", "BitmapMismatch"),
        *("QuorumNotReached", "WrongEpoch", "StaleHeight", "SizeRegression", "RootChanged", "TimestampRegression"),
        *("TimestampDrift", "BadHandover", "NotMisbehaviour", "WrongVersion", "WrongKind", "WrongSource"),
        *("WrongDestination", "WrongReceiver", "WrongSender", "NonceReplayed", "NonceGap", "PayloadMismatch"),
        *("ParentsMismatch", "BadStateProof", "CommitmentMismatch", "SchemesDisagree", "UnknownScheme"),
    }
