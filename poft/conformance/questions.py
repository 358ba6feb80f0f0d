"""What an implementation of a scheme is asked, and what it answers: the five functions of docs/protocol.md section 8.

The Python implementation answers in process, the Rust one behind a pipe (`frames.py`), the Solidity one in an
`eth_call` (`chains/evm/stage.py`). A verdict is a word and a result: the name of a code, or how the implementation
broke ("panic", "revert ...", "raised ..."), which equals no code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from poft.protocol.errors import Code, Refused
from poft.verification.api import Finalised, FinalityVerifier, Limits, TrustState

TAKEN = Code.Ok.name
"""The word of a verdict that has a result."""


@dataclass(frozen=True, slots=True)
class SchemeOf:
    """`scheme()`."""


@dataclass(frozen=True, slots=True)
class Initialise:
    """`initialise(genesis)`."""

    genesis: bytes


@dataclass(frozen=True, slots=True)
class Verify:
    """`verify(sourceDomain, state, proof, limits)`."""

    source_domain: bytes
    state: TrustState
    proof: bytes
    limits: Limits


@dataclass(frozen=True, slots=True)
class EpochOf:
    """`epochOf(proof)`."""

    proof: bytes


@dataclass(frozen=True, slots=True)
class CheckMisbehaviour:
    """`checkMisbehaviour(sourceDomain, state, first, second)`."""

    source_domain: bytes
    state: TrustState
    first: bytes
    second: bytes


Question = SchemeOf | Initialise | Verify | EpochOf | CheckMisbehaviour
Result = bytes | TrustState | tuple[TrustState, Finalised] | int | tuple[bytes, ...]
"""Of the five, in their order. Signers are 20-byte addresses in the order of the authority's members."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an implementation said. `result` is None unless the word is `Ok`."""

    word: str
    result: Result | None = None

    def __str__(self) -> str:
        return self.word if self.result is None else f"{self.word}: {shown(self.result)}"


def shown(result: Result) -> str:
    """A result in one line: hashes by their first bytes."""
    match result:
        case bytes():
            return repr(result)
        case int():
            return f"epoch {result}"
        case TrustState():
            outbox = f"outbox {result.outbox_size} {_short(result.outbox_root)}"
            small = ", small committee" if result.small_committee else ""
            said = f"epoch {result.epoch} {_short(result.authority)}, height {result.height}, time {result.timestamp}"
            return f"{said}, {outbox}{small}"
        case (TrustState() as state, Finalised() as final):
            block = f"block {_short(final.block_hash)}, state {_short(final.state_root)}"
            apart = f", finalised at height {final.height} time {final.timestamp}, outbox {final.outbox_size}"
            same = (final.height, final.timestamp, final.outbox_size) == (
                state.height,
                state.timestamp,
                state.outbox_size,
            )
            dissent = f", dissent {final.dissent}" if final.dissent else ""
            return f"{shown(state)}, {block}{'' if same else apart}{dissent}"
        case _:
            return f"{len(result)} signers: " + ", ".join(_short(one) for one in result if isinstance(one, bytes))


def _short(data: bytes) -> str:
    return "0x" + data[:4].hex()


class Implementation(Protocol):
    """A scheme in one language."""

    @property
    def name(self) -> str:
        """`python`, `rust` or `solidity`."""
        ...

    def answer(self, questions: Sequence[Question]) -> list[Verdict]:
        """A verdict for each."""
        ...


class InPython:
    """The Python half, in this process."""

    name = "python"

    def __init__(self, verifier: FinalityVerifier) -> None:
        self._verifier = verifier

    def answer(self, questions: Sequence[Question]) -> list[Verdict]:
        """A verdict for each."""
        return [self._one(question) for question in questions]

    def _one(self, question: Question) -> Verdict:
        try:
            return Verdict(TAKEN, self._ask(question))
        except Refused as refused:
            return Verdict(refused.code.name)
        except Exception as error:
            # A plug-in of somebody else's: whatever else it raises is a finding, not the end of the check.
            return Verdict(f"raised {type(error).__name__}: {error}")

    def _ask(self, question: Question) -> Result:
        verifier = self._verifier
        match question:
            case SchemeOf():
                return verifier.scheme()
            case Initialise(genesis):
                return verifier.initialise(genesis)
            case Verify(domain, state, proof, limits):
                return verifier.verify(domain, state, proof, limits)
            case EpochOf(proof):
                return verifier.epoch_of(proof)
            case CheckMisbehaviour(domain, state, first, second):
                return tuple(verifier.check_misbehaviour(domain, state, first, second))


__all__ = [
    "TAKEN",
    "CheckMisbehaviour",
    "EpochOf",
    "Implementation",
    "InPython",
    "Initialise",
    "Question",
    "Result",
    "SchemeOf",
    "Verdict",
    "Verify",
    "shown",
]
