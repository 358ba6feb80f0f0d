"""The conformance kit against schemes that leave one thing out: each is caught, by the name of an attack it takes.

A mutant is the text of CMT1 with a rule removed, so that all else about it is right. `make mutants` removes every check
of the verification path and asks all tests; here it is the kit alone that has to notice, as it has to for a scheme of
which it knows nothing.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from poft.conformance.attacks import Depth, attacks
from poft.conformance.cmt1 import PLUGIN, CommitteeSource
from poft.conformance.plugin import Subject
from poft.conformance.questions import TAKEN, InPython, Verdict
from poft.conformance.source import Claim
from poft.protocol.finality import check_quorum
from poft.protocol.hashing import keccak
from poft.verification import api
from poft.verification.schemes import cmt1
from poft.verification.schemes.cmt1 import CommitteeProof, CommitteeVerifier

SHALLOW = Depth(cuts=12, flips=24, garbage=4, thresholds=(1, 4, 5, 6))
ONE_DOMAIN = keccak(b"every chain")

MUTANTS: dict[str, tuple[tuple[str, str], set[str]]] = {
    "a quorum of two thirds, rounded down": (
        ("if 3 * len(signatures) <= 2 * n:", "if len(signatures) < 2 * n // 3:"),
        {"2 of 4", "3 of 5", "4 of 6", "evidence: the second half without a quorum"},
    ),
    "no quorum": (
        ("if 3 * len(signatures) <= 2 * n:", "if False:"),
        {"nobody signed", "half of a quorum", "0 of 1", "a hand-over, a signer short"},
    ),
    "no epoch": (
        (
            'if said.epoch != state.epoch:\n            raise Refused(Code.WrongEpoch, "epoch", f',
            "if False:\n            raise Refused(Code.WrongEpoch, '', f",
        ),
        {"epoch: past", "epoch: next", "epoch: after the next", "epoch: 2^64-1", "an old signature after a recovery"},
    ),
    "no consistency proof": (
        (
            "verify_consistency(\n            state.outbox_size, state.outbox_root, said.outbox_size, "
            "said.outbox_root, brought.consistency\n        )",
            "pass",
        ),
        {"history rewritten, with its own nodes", "history without nodes", "a log of 2^64-1 packets"},
    ),
    "no height": (("if said.height <= state.height:", "if False:"), {"a height before the last", "height 0"}),
    "a height that may repeat": (
        ("if said.height <= state.height:", "if said.height < state.height:"),
        {"the last height with another outbox"},
    ),
    "no time": (
        ("if said.timestamp > limits.now + limits.max_drift:", "if False:"),
        {"a time beyond the drift", "time 2^64-1"},
    ),
    "an edge of the drift that is outside": (
        ("if said.timestamp > limits.now + limits.max_drift:", "if said.timestamp >= limits.now + limits.max_drift:"),
        {"a time at the edge of the drift"},
    ),
    "time that runs backwards": (("if said.timestamp < state.timestamp:", "if False:"), {"an older time", "time 0"}),
    "an authority of the prover's choice": (
        ("        if committee_hash(state.epoch, brought.members) != state.authority:", "        if False:"),
        {"signed by strangers", "the old authority in the new epoch", "scheme: the prover's own committee"},
    ),
    "a signature for whoever": (
        ("verify_signer(digest, signature, signer)", "pass"),
        {"signed for another chain", "used for another chain", "update: bit 1 of byte 25 flipped"},
    ),
    "a repetition that nobody signs": (
        ("_check_signatures(source_domain, brought)\n            return state, finalised", "return state, finalised"),
        {"the last update again, a signer short"},
    ),
    "a decoder that does not mind what trails": (
        ("if len(data) != nodes_at + _NODE * c:", "if len(data) < nodes_at + _NODE * c:"),
        {"update: a trailing byte", "update: twice in a row", "64 KiB and a byte", "evidence: a trailing byte"},
    ),
    "a hand-over to whoever": (
        ("if committee_hash(following, proof.next_members) != proof.statement.next_committee:", "if False:"),
        {"scheme: a hand-over to others than the statement's"},
    ),
    "evidence that is none": (
        ("if not (one_height or one_size):", "if False:"),
        {"evidence: one statement twice", "evidence: two true statements"},
    ),
    "evidence of one height alone": (
        ("if not (one_height or one_size):", "if not one_height:"),
        {"evidence: two roots for one size"},
    ),
    "evidence that nobody signed": (
        ("    _check_signatures(source_domain, proof)\n    return proof", "    return proof"),
        {"evidence: a half about another chain", "evidence: the first half without a quorum"},
    ),
    "epoch 0": (("if first.epoch == 0:", "if False:"), {"genesis: epoch 0"}),
    "a state that grows of itself": (
        ("height=said.height,\n                timestamp", "height=said.height + 1,\n                timestamp"),
        {"the first update", "an update with history", "4 of 5"},
    ),
}
"""What is missing → (text of CMT1, what stands there instead), names of cases that have to fail."""


def wrong(subject: Subject) -> dict[str, tuple[Verdict, bool]]:
    """Case → (verdict, whether an attack was taken), for every case that comes out wrong."""
    cases = attacks(subject, 4, SHALLOW)
    verdicts = InPython(subject.verifier).answer([case.question for case in cases])
    return {
        case.name: (verdict, case.taken(verdict))
        for case, verdict in zip(cases, verdicts, strict=True)
        if not case.holds(verdict)
    }


@pytest.fixture
def mutant(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[api.FinalityVerifier]:
    old, new = request.param
    # What it shares with other schemes stands in the copy too, so that it can be changed there.
    shared = "from poft.protocol.finality import SIGNATURE_BYTES, quorum, verify_signer\n" + inspect.getsource(
        check_quorum
    )
    text = Path(cmt1.__file__).read_text(encoding="utf-8") + shared
    assert text.count(old) == 1, f"{old!r} is in CMT1 {text.count(old)} times"
    path = tmp_path / "mutant_of_cmt1.py"
    path.write_text(text.replace(old, new), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    yield module.CommitteeVerifier()
    del sys.modules[path.stem]


@pytest.mark.parametrize(
    ("mutant", "caught"),
    [pytest.param(change, caught, id=name) for name, (change, caught) in MUTANTS.items()],
    indirect=["mutant"],
)
def test_a_scheme_that_leaves_one_thing_out_is_caught(mutant: api.FinalityVerifier, caught: set[str]) -> None:
    found = wrong(Subject("CMT1", mutant, PLUGIN))
    assert caught <= found.keys(), f"not caught: {caught - found.keys()}; caught: {sorted(found)}"


class TakesEverything(CommitteeVerifier):
    """Believes whatever it can decode."""

    def verify(
        self, source_domain: bytes, state: api.TrustState, proof: bytes, limits: api.Limits
    ) -> tuple[api.TrustState, api.Finalised]:
        del source_domain, limits
        said = CommitteeProof.decode(proof).statement
        outbox = (said.outbox_size, said.outbox_root)
        finalised = api.Finalised(said.height, said.block_hash, said.state_root, *outbox, said.timestamp)
        known = replace(state, height=said.height, timestamp=said.timestamp)
        return replace(known, outbox_size=said.outbox_size, outbox_root=said.outbox_root), finalised


def test_a_scheme_that_takes_everything_is_caught_by_every_attack_on_updates() -> None:
    found = wrong(Subject("CMT1", TakesEverything(), PLUGIN))
    assert sum(taken for _, taken in found.values()) > 40
    for name in (
        "a height before the last",
        "another root for the same size",
        "epoch: past",
        "signed by strangers",
        "nobody signed",
        "history rewritten, with its own nodes",
        "a client that was never created",
    ):
        assert found[name][0].word == TAKEN
        assert found[name][1], name


class SignsForNoChain(CommitteeSource):
    """A source whose scheme forgets the domain: members sign the same for every chain."""

    def prove(self, claim: Claim, signers: int | None = None, domain: bytes | None = None) -> bytes:
        del domain
        return super().prove(claim, signers, ONE_DOMAIN)


class KnowsNoDomain(CommitteeVerifier):
    """The verifier of that scheme."""

    def verify(
        self, source_domain: bytes, state: api.TrustState, proof: bytes, limits: api.Limits
    ) -> tuple[api.TrustState, api.Finalised]:
        del source_domain
        return super().verify(ONE_DOMAIN, state, proof, limits)


def test_a_scheme_that_forgets_the_domain_is_caught() -> None:
    found = wrong(Subject("CMT1", KnowsNoDomain(), replace(PLUGIN, source=SignsForNoChain)))
    for name in ("signed for another chain", "used for another chain"):
        assert found[name] == (found[name][0], True)
        assert found[name][0].word == TAKEN


class Crashes(CommitteeVerifier):
    """Meets garbage with whatever Python raises."""

    def epoch_of(self, proof: bytes) -> int:
        return int.from_bytes(proof[:8], "big") // len(proof)


def test_a_scheme_that_crashes_is_a_finding_and_not_the_end_of_the_check() -> None:
    found = wrong(Subject("CMT1", Crashes(), PLUGIN))
    assert found["the epoch of nothing"][0].word.startswith("raised ZeroDivisionError")


def test_cmt1_itself_gets_nothing_wrong() -> None:
    assert wrong(Subject("CMT1", CommitteeVerifier(), PLUGIN)) == {}
