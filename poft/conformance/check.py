"""The check of a scheme: every case to every implementation and every ledger, and what came of it.

An implementation is right about a case when its verdict is one of those that the case allows and, beyond Python, the
one that Python gave: where several codes are allowed, the languages still have to name the same. The first size of the
authority meets everything; the others meet the same attacks with fewer cut and flipped bytes.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from poft.chain import connect
from poft.conformance.attacks import Depth, attacks
from poft.conformance.cases import Case
from poft.conformance.hosts import Price, Said, knows, priced, story
from poft.conformance.native import InRust, built
from poft.conformance.plugin import Subject
from poft.conformance.questions import TAKEN, Implementation, InPython, Verdict
from poft.conformance.stages import kinds, setting
from poft.conformance.world import World, found
from poft.protocol.errors import ConfigError, PoftError

PYTHON, RUST = "python", "rust"
_SHALLOW = Depth(cuts=8, flips=16, garbage=0, thresholds=())
_RUNS = 5
"""Runs of which the median is shown."""
_MILLI = 1e3

Tick = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """A case that went wrong. `accepted`: an attack was taken, or changed what it must not."""

    where: str
    case: str
    due: str
    said: str
    accepted: bool


@dataclass(slots=True)
class Tally:
    """How one implementation or ledger did: honest objects that were taken, attacks refused with the right code."""

    where: str
    honest: int = 0
    honest_right: int = 0
    attacks: int = 0
    attacks_right: int = 0
    findings: list[Finding] = field(default_factory=list)

    def count(self, honest: bool, right: bool) -> None:
        """One case more."""
        self.honest += honest
        self.honest_right += honest and right
        self.attacks += not honest
        self.attacks_right += not honest and right


@dataclass(slots=True)
class Measurement:
    """Costs for a size of the authority; times in milliseconds, prices by kind of chain. None: was not measured."""

    members: int
    proof_bytes: int
    prove: float
    python: float
    rust: float | None = None
    prices: dict[str, Price] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Scorecard:
    """The result of a check. `absent` says what was not checked and why; `exempt` is the plug-in's own list."""

    scheme: str
    tallies: list[Tally] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    exempt: dict[str, str] = field(default_factory=dict)

    @property
    def findings(self) -> list[Finding]:
        """Everything that went wrong, and first what was taken."""
        found = [finding for tally in self.tallies for finding in tally.findings]
        return sorted(found, key=lambda finding: not finding.accepted)

    @property
    def sound(self) -> bool:
        """Whether every case came out as it has to, and something was asked: a description may exempt every case."""
        asked = all(tally.honest and tally.attacks for tally in self.tallies)
        return bool(self.tallies) and asked and not self.findings


def places() -> list[str]:
    """Where a scheme can be checked."""
    return [PYTHON, RUST, *kinds()]


def _quiet(_line: str) -> None:
    return


def check(
    subject: Subject,
    members: Sequence[int] = (4,),
    depth: Depth | None = None,
    on: Sequence[str] = (),
    release: bool = False,
    tick: Tick = _quiet,
) -> Scorecard:
    """Checks a scheme `on` these places (none named: all). `release` also times an optimised build of the Rust half.

    Raises:
        ConfigError: a place or a size does not exist, or something that the plug-in describes cannot be built.
    """
    _require(subject, members, on)
    where = list(on) or places()
    card = Scorecard(subject.name, exempt=dict(subject.plugin.exempt))
    cases = list(_cases(subject, members, depth or Depth()))
    _require_exemptions(subject, members[0], depth or Depth())
    tick(f"{len(cases)} cases for {subject.name} in Python")
    python = _ask(InPython(subject.verifier), cases, None, card)
    worlds = [found(subject, size) for size in members]
    card.measurements += [_measured(world) for world in worlds]
    if RUST in where:
        if subject.plugin.crate is None:
            card.absent[RUST] = "the plug-in describes no crate"
        else:
            tick("Rust")
            _ask(built(subject.plugin.crate), cases, python, card)
            if release:
                _time_rust(built(subject.plugin.crate, "release"), worlds, card)
    for kind in kinds():
        if kind in where:
            _on_ledger(kind, subject, members, cases, python, card, tick)
    return card


def _require(subject: Subject, members: Sequence[int], on: Sequence[str]) -> None:
    unknown = [place for place in on if place not in places()]
    if unknown:
        raise ConfigError(f"there is no place {unknown[0]!r} to check on", f"Places: {', '.join(places())}")
    plugin = subject.plugin
    for size in members:
        if not plugin.least_members <= size <= plugin.most_members:
            bounds = f"{plugin.least_members} to {plugin.most_members}"
            raise ConfigError(f"{subject.name} has no authority of {size} members", f"It has {bounds}")


def _require_exemptions(subject: Subject, members: int, depth: Depth) -> None:
    """An exemption of nothing is one whose case was renamed, or was never there."""
    if not subject.plugin.exempt:
        return
    names = [case.name for case in attacks(replace(subject, plugin=replace(subject.plugin, exempt={})), members, depth)]
    for pattern in subject.plugin.exempt:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ConfigError(f"{subject.name} exempts {pattern!r}, which is no case", "Take it out of the description")


def _cases(subject: Subject, members: Sequence[int], depth: Depth) -> Iterator[Case]:
    for at, size in enumerate(members):
        for case in attacks(subject, size, depth if at == 0 else _SHALLOW):
            yield case if at == 0 else replace(case, name=f"{size} members: {case.name}")


def _ask(
    implementation: Implementation, cases: Sequence[Case], reference: Sequence[Verdict] | None, card: Scorecard
) -> list[Verdict]:
    """The verdicts of an implementation, which are entered on the card."""
    tally = Tally(implementation.name)
    verdicts = implementation.answer([case.question for case in cases])
    for at, (case, verdict) in enumerate(zip(cases, verdicts, strict=True)):
        right, due = case.holds(verdict), case.due
        if right and reference is not None and case.holds(reference[at]) and verdict != reference[at]:
            right, due = False, f"the same as in Python: {reference[at]}"
        tally.count(case.honest, right)
        if not right:
            tally.findings.append(Finding(tally.where, case.name, due, str(verdict), case.taken(verdict)))
    card.tallies.append(tally)
    return verdicts


def _on_ledger(
    kind: str,
    subject: Subject,
    members: Sequence[int],
    cases: Sequence[Case],
    python: Sequence[Verdict],
    card: Scorecard,
    tick: Tick,
) -> None:
    with tempfile.TemporaryDirectory(prefix="poft-conformance-") as folder:
        tick(f"starting a devnet: {kind}")
        with setting(kind).open(subject, Path(folder)) as stage:
            if stage.verifier is not None:
                tick(stage.verifier.name)
                _ask(stage.verifier, cases, python, card)
            with closing(connect(stage.spec)) as chain, closing(connect(stage.stranger)) as stranger:
                if not knows(chain, subject, members[0]):
                    card.absent[kind] = stage.absent
                    return
                tick(f"the scheme behind its hosts: {kind}")
                tally = Tally(kind)
                card.tallies.append(tally)
                for one in story(chain, stranger, subject, members[0]):
                    _enter(tally, one)
                for measurement in card.measurements:
                    tick(f"prices of {measurement.members} members: {kind}")
                    measurement.units[kind] = chain.cost_unit
                    _price(kind, measurement, tally, lambda size: priced(chain, subject, size))


def _enter(tally: Tally, one: Said) -> None:
    """An attempt on a ledger, entered where it was made."""
    attempt = one.attempt
    tally.count(not attempt.codes, one.right)
    if not one.right:
        due = " or ".join(sorted(code.name for code in attempt.codes)) or TAKEN
        accepted = bool(attempt.codes) and one.word == TAKEN
        tally.findings.append(Finding(tally.where, attempt.name, due, one.word, accepted))


def _price(kind: str, measurement: Measurement, tally: Tally, ask: Callable[[int], Price]) -> None:
    """Enters a price; an honest step that the ledger refuses is a finding."""
    try:
        measurement.prices[kind] = ask(measurement.members)
    except PoftError as error:
        case = f"an honest update by {measurement.members} members"
        tally.findings.append(Finding(kind, case, TAKEN, str(error), False))


def _measured(world: World) -> Measurement:
    """Size and times of an update with history, by exactly a quorum."""
    claim, state = world.claims[1], world.states[1]
    proof = world.source.prove(claim)
    question = world.verify(state, proof)
    python = InPython(world.subject.verifier)
    return Measurement(
        world.members,
        len(proof),
        _milliseconds(lambda: world.source.prove(claim)),
        _milliseconds(lambda: python.answer([question])),
    )


def _time_rust(rust: InRust, worlds: Sequence[World], card: Scorecard) -> None:
    for world, measurement in zip(worlds, card.measurements, strict=True):
        question = world.verify(world.states[1], world.source.prove(world.claims[1]))
        measurement.rust = rust.milliseconds(question, _RUNS * 4)


def _milliseconds(run: Callable[[], object]) -> float:
    taken = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return _MILLI * statistics.median(taken)


__all__ = ["Finding", "Measurement", "Scorecard", "Tally", "check", "places"]
