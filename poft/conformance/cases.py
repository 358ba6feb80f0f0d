"""A case: a question to a scheme, and what has to become of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from poft.conformance.questions import TAKEN, Question, Result, Verdict, shown
from poft.protocol.errors import Code

ANY = frozenset(Code) - {Code.Ok}
"""Refused, for whatever reason: bytes without meaning may offend any rule."""
DECODING = frozenset({Code.Malformed, Code.Oversize, Code.BadStateProof})
"""What a decoder answers to bytes that are cut, padded or empty; the last is a state proof's own decoder."""
SIGNATURE = frozenset({Code.NotSigner, Code.BadSignature, Code.HighS})
"""A signature that is not what it should be; one of an aggregate cannot say whose."""
DOMAIN = frozenset({*SIGNATURE, Code.WrongDomain, Code.CommitmentMismatch})
"""Something of another chain: no signature for this one, or a scheme that proves where its block comes from."""
AUTHORITY = frozenset({Code.CommitteeMismatch, Code.WrongEpoch, *SIGNATURE})
"""Somebody else speaks, or speaks for another epoch: a scheme may see either first."""


@dataclass(frozen=True, slots=True)
class Case:
    """`codes` are those with which it may be refused, `result` what it must give when it is taken.

    Honest cases have no codes, attacks no result. With both, refusing is right and so is that very result: the mutation
    may have hit bytes without a meaning.
    """

    name: str
    question: Question
    codes: frozenset[Code] = frozenset()
    result: Result | None = None

    @property
    def honest(self) -> bool:
        """Whether it has to be taken."""
        return not self.codes

    @property
    def due(self) -> str:
        """What would be right, in words."""
        names = sorted(code.name for code in self.codes)
        refusals = "any refusal" if self.codes == ANY else " or ".join(names)
        if self.result is None:
            return refusals
        return f"{TAKEN}: {shown(self.result)}" if self.honest else f"{refusals}, or no difference"

    def holds(self, verdict: Verdict) -> bool:
        """Whether this verdict is right."""
        if verdict.word == TAKEN:
            return self.result is not None and verdict.result == self.result
        return verdict.word in {code.name for code in self.codes}

    def taken(self, verdict: Verdict) -> bool:
        """Whether an attack got what it wanted: it was taken, with a result that it must not have."""
        return verdict.word == TAKEN and verdict.result != self.result


def taken(name: str, question: Question, result: Result) -> Case:
    """An honest case."""
    return Case(name, question, frozenset(), result)


def refused(name: str, question: Question, *codes: Code | Iterable[Code]) -> Case:
    """An attack."""
    allowed = [{code} if isinstance(code, Code) else frozenset(code) for code in codes]
    return Case(name, question, frozenset[Code]().union(*allowed))


def refused_or_same(name: str, question: Question, codes: Iterable[Code], result: Result) -> Case:
    """Bytes changed that may have no meaning."""
    return Case(name, question, frozenset(codes), result)


__all__ = ["ANY", "AUTHORITY", "DECODING", "DOMAIN", "SIGNATURE", "Case", "refused", "refused_or_same", "taken"]
