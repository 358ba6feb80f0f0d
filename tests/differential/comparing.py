"""Puts cases to the three implementations and keeps what they disagree on."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random

from .catalogue import mutated, untouched
from .implementations import Reply, Rust, Solidity
from .mutate import Case
from .questions import Answer, ask

UNSETTLED: dict[tuple[str, ...], str] = {
    # (rule, Python, Rust, Solidity): why they differ; an entry goes when the implementation named is corrected.
}
"""Kinds of disagreement that are known. None of them accepts anything."""

BATCH = 250
"""Cases in one process of Rust and one eth_call: a few hundred kilobytes each way."""
_HONEST_EVERY = 10


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A case and what each implementation said about it."""

    case: Case
    python: str
    rust: str
    solidity: str

    @property
    def kind(self) -> tuple[str, ...]:
        """Rule and words: disagreements of one kind have one cause, most likely."""
        return type(self.case.question).__name__, *(said.split()[0] for said in (self.python, self.rust, self.solidity))


@dataclass(slots=True)
class Report:
    """What a run found. `smallest` holds the smallest case of each kind of disagreement."""

    mutations: int = 0
    honest: int = 0
    without_solidity: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    mutators: set[tuple[str, str]] = field(default_factory=set)
    forgeries: list[Case] = field(default_factory=list)
    refused_honest: list[Case] = field(default_factory=list)
    disagreements: int = 0
    smallest: dict[tuple[str, ...], Disagreement] = field(default_factory=dict)

    @property
    def found(self) -> list[Disagreement]:
        """The smallest of each kind that is not known."""
        return [difference for kind, difference in self.smallest.items() if kind not in UNSETTLED]

    @property
    def clean(self) -> bool:
        """No new disagreement, no forgery taken, nothing honest refused."""
        return not (self.found or self.forgeries or self.refused_honest)


def compare(rust: Rust, solidity: Solidity, mutations: int, seed: int) -> Report:
    """Runs so many mutations, and an honest case for every tenth, whose answers must be `Ok`."""
    rng, report = Random(seed), Report()
    with ThreadPoolExecutor(2) as pool:
        pending = None
        while report.mutations < mutations or pending:
            cases: list[Case] = []
            while report.mutations < mutations and len(cases) < BATCH:
                cases.append(mutated(rng, solidity.receiver))
                report.mutations += 1
                if report.mutations % _HONEST_EVERY == 0:
                    cases.append(untouched(rng, solidity.receiver))
                    report.honest += 1
            following = None
            if cases:
                questions = [case.question for case in cases]
                asked = pool.submit(rust.answer, questions), pool.submit(solidity.answer, questions)
                following = (cases, [ask(question) for question in questions], *asked)
            if pending:
                before, python, rust_side, solidity_side = pending
                _judge(report, before, python, rust_side.result(), solidity_side.result())
            pending = following
    return report


def _judge(
    report: Report, cases: list[Case], python: list[Answer], rust: list[Reply], solidity: list[Reply | None]
) -> None:
    for case, mine, native, contract in zip(cases, python, rust, solidity, strict=True):
        report.codes[mine.code.name] += 1
        report.rules[type(case.question).__name__] += 1
        report.mutators.add((type(case.question).__name__, case.mutation))
        if contract is None:
            report.without_solidity += 1
        if case.forges and mine.code == 0:
            report.forgeries.append(case)
        if not case.mutation and mine.code != 0:
            report.refused_honest.append(case)
        agreed = native == Reply(mine.code.name, mine.scale)
        # What follows the new state on the EVM is the scheme's own result, of another shape than in the twins.
        agreed &= contract is None or (contract.word == mine.code.name and contract.result.startswith(mine.abi))
        if not agreed:
            report.disagreements += 1
            found = Disagreement(
                case, _text(mine.code.name, mine.abi), _text(native.word, native.result), _words(contract)
            )
            known = report.smallest.get(found.kind)
            if known is None or len(case.question.scale()) < len(known.case.question.scale()):
                report.smallest[found.kind] = found


def _text(word: str, result: bytes) -> str:
    return f"{word} 0x{result.hex()}" if result else word


def _words(contract: Reply | None) -> str:
    return "not expressible" if contract is None else _text(contract.word, contract.result)
