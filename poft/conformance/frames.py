"""Questions and answers as bytes, for an implementation behind a pipe; twin: `primitives/src/harness.rs`.

A question is its length (u32), a tag and a body; an answer its length (u32), a code (255: the implementation panicked)
and, after `Ok`, the result. Everything is packed, big-endian:

| tag | question | body | result |
|---|---|---|---|
| 0 | `scheme` | | 4 bytes |
| 1 | `initialise` | genesis | state |
| 2 | `verify` | domain 32, state, now 8, maxDrift 8, proof | state, finalised |
| 3 | `epochOf` | proof | 8 |
| 4 | `checkMisbehaviour` | domain 32, state, length of the first 4, first, second | 20 for each signer |
| 5 | how long `verify` takes | times 4, body of 2 | nanoseconds of the median 8 |

state = epoch 8, height 8, timestamp 8, outboxSize 8, outboxRoot 32, authority 32, smallCommittee 1;
finalised = height 8, blockHash 32, stateRoot 32, outboxSize 8, outboxRoot 32, timestamp 8, dissent 4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from poft.conformance.questions import (
    TAKEN,
    CheckMisbehaviour,
    EpochOf,
    Initialise,
    Question,
    Result,
    SchemeOf,
    Verdict,
    Verify,
)
from poft.protocol.errors import Code
from poft.verification.api import Finalised, Limits, TrustState

PANIC = 255
_STATE = struct.Struct(">QQQQ32s32s?")
_FINALISED = struct.Struct(">Q32s32sQ32sQI")
_LIMITS = struct.Struct(">QQ")
_HEAD = struct.Struct(">IB")
_ADDRESS = 20


class BadFrame(Exception):
    """What a harness wrote is no answer; the message says where."""


def asked(question: Question) -> bytes:
    """The frame of a question."""
    match question:
        case SchemeOf():
            return _frame(0, b"")
        case Initialise(genesis):
            return _frame(1, genesis)
        case Verify():
            return _frame(2, _verify(question))
        case EpochOf(proof):
            return _frame(3, proof)
        case CheckMisbehaviour(domain, state, first, second):
            return _frame(4, domain + _packed(state) + len(first).to_bytes(4, "big") + first + second)


def timed(question: Verify, times: int) -> bytes:
    """The frame that asks how long this takes."""
    return _frame(5, times.to_bytes(4, "big") + _verify(question))


def answers(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(code, result) of every answer.

    Raises:
        BadFrame: the data ends within an answer.
    """
    at = 0
    while at < len(data):
        if at + _HEAD.size > len(data):
            raise BadFrame("the harness stopped within an answer's head")
        length, code = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if at + length > len(data):
            raise BadFrame("the harness stopped within an answer")
        yield code, data[at : at + length]
        at += length


def verdict(question: Question, code: int, result: bytes) -> Verdict:
    """What an answer says."""
    if code == PANIC:
        return Verdict("panic")
    if code not in Code._value2member_map_:
        return Verdict(f"code {code}, which does not exist")
    if code != Code.Ok:
        return Verdict(Code(code).name)
    try:
        return Verdict(TAKEN, _result(question, result))
    except (struct.error, BadFrame) as error:
        return Verdict(f"a result of {len(result)} bytes: {error}")


def _result(question: Question, data: bytes) -> Result:
    match question:
        case SchemeOf():
            return data
        case Initialise():
            return _state(data)
        case Verify():
            return _state(data[: _STATE.size]), Finalised(*_FINALISED.unpack(data[_STATE.size :]))
        case EpochOf():
            return int(struct.unpack(">Q", data)[0])
        case CheckMisbehaviour():
            if len(data) % _ADDRESS:
                raise BadFrame("not whole addresses")
            return tuple(data[at : at + _ADDRESS] for at in range(0, len(data), _ADDRESS))


def _verify(question: Verify) -> bytes:
    limits: Limits = question.limits
    return (
        question.source_domain + _packed(question.state) + _LIMITS.pack(limits.now, limits.max_drift) + question.proof
    )


def _packed(state: TrustState) -> bytes:
    return _STATE.pack(
        state.epoch,
        state.height,
        state.timestamp,
        state.outbox_size,
        state.outbox_root,
        state.authority,
        state.small_committee,
    )


def _state(data: bytes) -> TrustState:
    epoch, height, timestamp, size, root, authority, small = _STATE.unpack(data)
    return TrustState(epoch, authority, height, timestamp, size, root, small)


def _frame(tag: int, body: bytes) -> bytes:
    return _HEAD.pack(len(body), tag) + body


__all__ = ["PANIC", "BadFrame", "answers", "asked", "timed", "verdict"]
