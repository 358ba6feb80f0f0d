"""The cases of a scheme as vectors (docs/vectors.md): what its implementations' own test suites replay.

A case's `input` names the function in `call` and its arguments; `expect` is the result, `error` the code. Where a case
allows several codes the file has the one that Python gives, because the languages have to name the same. Cases about
size alone, of more than 8 KiB, are left to the kit: a file of vectors is read by people as well.
"""

from __future__ import annotations

import json

from poft.conformance.attacks import Depth, attacks
from poft.conformance.plugin import Subject
from poft.conformance.questions import (
    TAKEN,
    CheckMisbehaviour,
    EpochOf,
    Initialise,
    InPython,
    Question,
    Result,
    SchemeOf,
    Verify,
)
from poft.protocol.errors import ConfigError
from poft.verification.api import TrustState

_DEPTH = Depth(cuts=8, flips=32, garbage=4)
_MAX_BYTES = 8192

Json = str | bool | list["Json"] | dict[str, "Json"]


def document(subject: Subject, members: int = 4, depth: Depth = _DEPTH) -> str:
    """A file of vectors, ending with a line break; the same for the same scheme.

    Raises:
        ConfigError: the Python half gets a case wrong, so there is nothing to go by.
    """
    cases = [case for case in attacks(subject, members, depth) if _length(case.question) <= _MAX_BYTES]
    verdicts = InPython(subject.verifier).answer([case.question for case in cases])
    entries: list[Json] = []
    for case, verdict in zip(cases, verdicts, strict=True):
        if not case.holds(verdict):
            raise ConfigError(
                f"{subject.name} gets {case.name!r} wrong in Python: {verdict.word} where {case.due} is due",
                f"poft plugin check {subject.name} --on python",
            )
        entry: dict[str, Json] = {"name": case.name, "input": _input(case.question)}
        if verdict.word == TAKEN and verdict.result is not None:
            entry["expect"] = _expected(verdict.result)
        else:
            entry["error"] = verdict.word
        entries.append(entry)
    return json.dumps({"format": "poft-vectors/1", "cases": entries}, indent=1) + "\n"


def _length(question: Question) -> int:
    match question:
        case SchemeOf():
            return 0
        case Initialise(genesis):
            return len(genesis)
        case Verify() | EpochOf():
            return len(question.proof)
        case CheckMisbehaviour():
            return len(question.first) + len(question.second)


def _input(question: Question) -> Json:
    match question:
        case SchemeOf():
            return {"call": "scheme"}
        case Initialise(genesis):
            return {"call": "initialise", "genesis": _hex(genesis)}
        case Verify(domain, state, proof, limits):
            known: dict[str, Json] = {"call": "verify", "domain": _hex(domain), "state": _state(state)}
            return known | {"proof": _hex(proof), "now": str(limits.now), "maxDrift": str(limits.max_drift)}
        case EpochOf(proof):
            return {"call": "epochOf", "proof": _hex(proof)}
        case CheckMisbehaviour(domain, state, first, second):
            known = {"call": "checkMisbehaviour", "domain": _hex(domain), "state": _state(state)}
            return known | {"first": _hex(first), "second": _hex(second)}


def _expected(result: Result) -> Json:
    match result:
        case bytes():
            return {"scheme": _hex(result)}
        case int():
            return {"epoch": str(result)}
        case TrustState():
            return {"state": _state(result)}
        case (TrustState() as state, finalised) if not isinstance(finalised, bytes):
            shown: dict[str, Json] = {"state": _state(state), "blockHash": _hex(finalised.block_hash)}
            return shown | {"stateRoot": _hex(finalised.state_root), "dissent": str(finalised.dissent)}
        case _:
            return {"signers": [_hex(signer) for signer in result if isinstance(signer, bytes)]}


def _state(state: TrustState) -> dict[str, Json]:
    return {
        "epoch": str(state.epoch),
        "height": str(state.height),
        "timestamp": str(state.timestamp),
        "outboxSize": str(state.outbox_size),
        "outboxRoot": _hex(state.outbox_root),
        "authority": _hex(state.authority),
        "smallCommittee": state.small_committee,
    }


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


__all__ = ["document"]
