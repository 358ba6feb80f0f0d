"""The questions: what is asked, in the form of each implementation, and what Python answers.

`fields` of a question are those of the vectors (docs/vectors.md), so that a question can be written as one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

from poft.protocol.checkpoint import decode_payload
from poft.protocol.errors import Code, Refused
from poft.protocol.hashing import U64_MAX, WORD
from poft.protocol.merkle import verify_consistency, verify_inclusion
from poft.protocol.statements import Membership, Signed, Update, Verdict, Vote, verify_statement
from poft.verification.api import Finalised, Limits, TrustState
from poft.verification.receive import Expectation, PacketProof, check_packet
from poft.verification.schemes.cmt1 import CommitteeVerifier

from .encodings import abi_bytes, abi_call, abi_words, listed, octets, scale_struct, u64, word

STATE = "(uint64,uint64,uint64,uint64,bytes32,bytes32,bool)"
_PACKET = "(uint8,uint8,bytes32,bytes32,uint64,bytes32,bytes32,uint64,bytes32)"


@dataclass(frozen=True, slots=True)
class Answer:
    """A code and, with `Ok`, the result in SCALE and in ABI."""

    code: Code
    scale: bytes = b""
    abi: bytes = b""


class Question(Protocol):
    """What the three implementations are asked."""

    @property
    def rule(self) -> int:
        """The number that Rust knows the rule by."""
        ...

    def result(self) -> Answer:
        """Python's answer; `Refused` carries its code."""
        ...

    def scale(self) -> bytes:
        """The arguments for Rust."""
        ...

    def calldata(self) -> bytes | None:
        """The call of the harness contract, None where its types cannot hold the question."""
        ...

    def fields(self) -> dict[str, object]:
        """The input of a vector."""
        ...


def ask(question: Question) -> Answer:
    """Python's answer."""
    try:
        return question.result()
    except Refused as refused:
        return Answer(refused.code)


@dataclass(frozen=True, slots=True)
class Inclusion:
    rule: ClassVar[int] = 0
    leaf: bytes
    index: int
    size: int
    proof: tuple[bytes, ...]
    root: bytes

    def result(self) -> Answer:
        verify_inclusion(self.leaf, self.index, self.size, self.proof, self.root)
        return Answer(Code.Ok)

    def scale(self) -> bytes:
        return octets(self.leaf) + u64(self.index) + u64(self.size) + listed(self.proof) + self.root

    def calldata(self) -> bytes | None:
        if len(self.leaf) != WORD:
            return None
        head = self.leaf + word(self.index) + word(self.size) + self.root
        return abi_call("inclusion(bytes32,uint64,uint64,bytes32,bytes32[])", head, abi_words(self.proof))

    def fields(self) -> dict[str, object]:
        return {"leaf": self.leaf, "index": self.index, "size": self.size, "proof": self.proof, "root": self.root}


@dataclass(frozen=True, slots=True)
class Consistency:
    rule: ClassVar[int] = 1
    from_size: int
    from_root: bytes
    to_size: int
    to_root: bytes
    proof: tuple[bytes, ...]

    def result(self) -> Answer:
        verify_consistency(self.from_size, self.from_root, self.to_size, self.to_root, self.proof)
        return Answer(Code.Ok)

    def scale(self) -> bytes:
        return u64(self.from_size) + self.from_root + u64(self.to_size) + self.to_root + listed(self.proof)

    def calldata(self) -> bytes | None:
        head = word(self.from_size) + self.from_root + word(self.to_size) + self.to_root
        return abi_call("consistency(uint64,bytes32,uint64,bytes32,bytes32[])", head, abi_words(self.proof))

    def fields(self) -> dict[str, object]:
        return {
            "from_size": self.from_size,
            "from_root": self.from_root,
            "to_size": self.to_size,
            "to_root": self.to_root,
            "proof": self.proof,
        }


@dataclass(frozen=True, slots=True)
class Payload:
    rule: ClassVar[int] = 2
    payload: bytes

    def result(self) -> Answer:
        made = decode_payload(self.payload)
        both = made.checkpoint.id + made.previous
        return Answer(Code.Ok, both, both)

    def scale(self) -> bytes:
        return self.payload

    def calldata(self) -> bytes | None:
        return abi_call("payload(bytes)", b"", abi_bytes(self.payload))

    def fields(self) -> dict[str, object]:
        return {"payload": self.payload}


@dataclass(frozen=True, slots=True)
class Proven:
    """A finality proof, asked of a client."""

    rule: ClassVar[int] = 3
    domain: bytes
    state: TrustState
    proof: bytes
    limits: Limits

    def result(self) -> Answer:
        state, finalised = CommitteeVerifier().verify(self.domain, self.state, self.proof, self.limits)
        return Answer(Code.Ok, scale_state(state) + scale_finalised(finalised), abi_state(state))

    def scale(self) -> bytes:
        limits = u64(self.limits.now) + u64(self.limits.max_drift)
        return self.domain + scale_state(self.state) + octets(self.proof) + limits

    def calldata(self) -> bytes | None:
        return abi_call(
            f"verify(bytes32,{STATE},bytes,(uint256,uint256))",
            self.domain + abi_state(self.state),
            abi_bytes(self.proof),
            after=word(self.limits.now) + word(self.limits.max_drift),
        )

    def fields(self) -> dict[str, object]:
        said = {"domain": self.domain, "state": self.state, "encoded": self.proof}
        return {**said, "now": self.limits.now, "max_drift": self.limits.max_drift}


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    rule: ClassVar[int] = 4
    domain: bytes
    state: TrustState
    first: bytes
    second: bytes

    def result(self) -> Answer:
        signers = CommitteeVerifier().check_misbehaviour(self.domain, self.state, self.first, self.second)
        return Answer(Code.Ok, listed(signers), word(WORD) + abi_words([bytes(12) + signer for signer in signers]))

    def scale(self) -> bytes:
        return self.domain + scale_state(self.state) + octets(self.first) + octets(self.second)

    def calldata(self) -> bytes | None:
        return abi_call(
            f"checkMisbehaviour(bytes32,{STATE},bytes,bytes)",
            self.domain + abi_state(self.state),
            abi_bytes(self.first),
            abi_bytes(self.second),
        )

    def fields(self) -> dict[str, object]:
        return {"domain": self.domain, "state": self.state, "first": self.first, "second": self.second}


_KINDS: tuple[type[Membership | Update | Verdict | Vote], ...] = (Membership, Update, Verdict, Vote)


@dataclass(frozen=True, slots=True)
class Said:
    """A participant's statement. `rule` 5 to 8 say of which kind."""

    domain: bytes
    statement: Membership | Update | Verdict | Vote
    signature: bytes

    @property
    def rule(self) -> int:
        return 5 + _KINDS.index(type(self.statement))

    def result(self) -> Answer:
        digest = verify_statement(self.domain, Signed(self.statement, self.signature))  # type: ignore[type-var]
        return Answer(Code.Ok, digest, digest)

    def scale(self) -> bytes:
        return self.domain + (0).to_bytes(4, "little") + scale_struct(self.statement) + octets(self.signature)

    def calldata(self) -> bytes | None:
        types = ",".join(kind for _, kind in self.statement.fields())
        name = type(self.statement).__name__.lower()
        return abi_call(
            f"{name}(bytes32,({types}),bytes)", self.domain + self.statement.encode(), abi_bytes(self.signature)
        )

    def fields(self) -> dict[str, object]:
        return {
            "domain": self.domain,
            "type": type(self.statement).__name__,
            "statement": self.statement,
            "signature": self.signature,
        }


@dataclass(frozen=True, slots=True)
class Delivery:
    """A packet at a destination: whether it is dispatched, and the nonce that is due afterwards."""

    rule: ClassVar[int] = 9
    expected: Expectation
    delivered: PacketProof

    def result(self) -> Answer:
        dispatched = check_packet(self.expected, self.delivered)
        if self.expected.next_nonce == U64_MAX:
            raise Refused(Code.Oversize, "nonce", "none follows the last")
        due = self.expected.next_nonce + 1
        return Answer(Code.Ok, bytes([dispatched]) + u64(due), word(dispatched) + word(due))

    def scale(self) -> bytes:
        world, sent = self.expected, self.delivered
        (receiver,) = world.receivers
        return (
            b"".join((world.own_domain, world.source_domain, world.sender, receiver))
            + b"".join(u64(n) for n in (world.next_nonce, world.height, world.outbox_size))
            + world.outbox_root
            + scale_struct(sent.packet)
            + octets(sent.payload)
            + u64(sent.leaf_index)
            + listed(sent.proof)
        )

    def calldata(self) -> bytes | None:
        world, sent = self.expected, self.delivered
        packet = sent.packet.encode()
        payload, proof = abi_bytes(sent.payload), abi_words(sent.proof)
        at = len(packet) + 3 * WORD
        item = packet + word(at) + word(sent.leaf_index) + word(at + len(payload)) + payload + proof
        head = world.source_domain + world.sender + word(world.next_nonce) + word(world.outbox_size) + world.outbox_root
        return abi_call(
            f"deliver(bytes32,bytes32,uint64,uint64,bytes32,({_PACKET},bytes,uint64,bytes32[])[])",
            head,
            word(1) + word(WORD) + item,
        )

    def fields(self) -> dict[str, object]:
        sent = self.delivered
        return {
            "expectation": replace(self.expected, receivers=tuple(self.expected.receivers)),
            "packet": sent.packet,
            "payload": sent.payload,
            "leaf_index": sent.leaf_index,
            "proof": sent.proof,
        }


def scale_state(state: TrustState) -> bytes:
    numbers = (state.epoch, state.height, state.timestamp, state.outbox_size)
    return b"".join(map(u64, numbers)) + state.outbox_root + state.authority + bytes([state.small_committee])


def abi_state(state: TrustState) -> bytes:
    numbers = (state.epoch, state.height, state.timestamp, state.outbox_size)
    return b"".join(map(word, numbers)) + state.outbox_root + state.authority + word(state.small_committee)


def scale_finalised(found: Finalised) -> bytes:
    return (
        u64(found.height)
        + found.block_hash
        + found.state_root
        + u64(found.outbox_size)
        + found.outbox_root
        + u64(found.timestamp)
        + found.dissent.to_bytes(4, "little")
    )
