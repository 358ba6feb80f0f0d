"""CLQ1 and QBF1: the questions, honest ones, and one random mutation of one. There is no Solidity half to ask.

Most mutations are sealed, up to where they are made: otherwise the first hash that does not fit would answer for every
rule below it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from random import Random

from poft.conformance.clq1 import CliqueSource, Turn
from poft.conformance.qbf1 import Commit, QbftSource
from poft.conformance.source import Claim
from poft.protocol.errors import Code
from poft.protocol.hashing import U64_MAX, keccak
from poft.protocol.merkle import consistency_proof, log_root
from poft.verification.api import FinalityVerifier, Limits, TrustState
from poft.verification.schemes.clq1 import CliqueVerifier
from poft.verification.schemes.qbf1 import QbftVerifier
from poft.verification.sealed import SealedProof

from .encodings import octets, u64
from .mutate import Case
from .mutate import octets as broken
from .questions import Answer, scale_state

CLQ1, QBF1 = 16, 17
_VERIFIERS: dict[int, FinalityVerifier] = {CLQ1: CliqueVerifier(), QBF1: QbftVerifier()}
_LEAVES = [keccak(b"poft/differential/packet" + bytes([n])) for n in range(5)]
_KNOWN, _SIZE, _NOW = 2, 5, 1_000_000
_SIZES = (4, 5, 7)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A proof of either scheme, asked of a client."""

    rule: int
    domain: bytes
    state: TrustState
    proof: bytes
    limits: Limits

    def result(self) -> Answer:
        state, found = _VERIFIERS[self.rule].verify(self.domain, self.state, self.proof, self.limits)
        return Answer(Code.Ok, scale_state(state) + found.block_hash + found.state_root, b"")

    def scale(self) -> bytes:
        limits = u64(self.limits.now) + u64(self.limits.max_drift)
        return self.domain + scale_state(self.state) + octets(self.proof) + limits

    def calldata(self) -> bytes | None:
        return None

    def fields(self) -> dict[str, object]:
        said: dict[str, object] = {"rule": str(self.rule), "domain": self.domain, "state": self.state}
        return {**said, "proof": self.proof, "now": self.limits.now, "max_drift": self.limits.max_drift}


@cache
def _clique(members: int) -> CliqueSource:
    return CliqueSource(members, b"differential")


@cache
def _qbft(members: int) -> QbftSource:
    return QbftSource(members, b"differential")


def _claim(rng: Random) -> Claim:
    path = tuple(consistency_proof(_LEAVES, _KNOWN))
    root = log_root(_LEAVES)
    return Claim(rng.randint(41, 60), _NOW, _SIZE, root, path, hand_over=rng.randrange(4) == 0, fork=rng.randrange(2))


def _asked(rule: int, source: CliqueSource | QbftSource, proof: bytes) -> Sealed:
    """Of a client that knows two packets, at height 40."""
    fresh = _VERIFIERS[rule].initialise(source.genesis())
    known = log_root(_LEAVES[:_KNOWN])
    state = replace(fresh, height=40, timestamp=_NOW - 10, outbox_size=_KNOWN, outbox_root=known)
    return Sealed(rule, source.domain, state, proof, Limits(_NOW, 60))


def an_honest_seal(rng: Random) -> Sealed:
    """A proof that its client takes."""
    members, claim = rng.choice(_SIZES), _claim(rng)
    if rng.randrange(2):
        clique = _clique(members)
        return _asked(CLQ1, clique, clique.prove(claim))
    qbft = _qbft(members)
    return _asked(QBF1, qbft, qbft.prove(claim))


def a_seal(rng: Random) -> Case:
    """One mutation of headers, of the proof around them, or of its bytes."""
    make: Callable[[Random], Case] = rng.choice((_a_chain, _a_commit, _a_proof, _bytes))
    return make(rng)


def _a_chain(rng: Random) -> Case:
    source, claim = _clique(rng.choice(_SIZES)), _claim(rng)
    turns = source._turns(claim, rng.randint(0, len(source._keys)))
    name = "as many as there are"
    if turns:
        at = rng.randrange(len(turns))
        name, turn = _turn(rng, source, turns[at])
        turns[at] = turn
        cut = rng.randrange(4)
        turns = turns[: len(turns) - 1] if cut == 0 else turns
    proof = replace(source.proof(claim), headers=tuple(source.chain(claim, turns)))
    return Case(_asked(CLQ1, source, proof.encode()), f"turn.{name}")


def _turn(rng: Random, source: CliqueSource, turn: Turn) -> tuple[str, Turn]:
    other = rng.choice(source._keys)
    made = {
        "other": replace(turn, key=other),
        "stranger": replace(turn, key=keccak(b"stranger")),
        "weight": replace(turn, difficulty=rng.choice((0, 1, 2, 3, U64_MAX))),
        "skip": replace(turn, skip=rng.choice((1, 2, len(source._keys)))),
        "parent": replace(turn, parent=keccak(b"fork")),
        "mix": replace(turn, mix=keccak(b"mix")),
        "listed": replace(turn, listed=source.signers(rng.randint(1, len(source._keys)))),
        "fields": replace(turn, extra_fields=(bytes(32), b"", b"", bytes(32))[: rng.randint(1, 4)]),
        "signature": replace(turn, signature=rng.randbytes(rng.choice((0, 64, 65, 66)))),
        "v": replace(turn, signature=rng.randbytes(64) + bytes([rng.choice((0, 1, 2, 27))])),
        "nothing": turn,
    }
    name = rng.choice(list(made))
    return name, made[name]


def _a_commit(rng: Random) -> Case:
    source, claim = _qbft(rng.choice(_SIZES)), _claim(rng)
    commit = source._commit(claim, rng.randint(0, len(source._keys)))
    keys = commit.keys
    made: dict[str, Commit] = {
        "fewer": replace(commit, keys=keys[1:]),
        "twice": replace(commit, keys=(*keys, *keys[:1])),
        "stranger": replace(commit, keys=(*keys, keccak(b"stranger"))),
        "validators": replace(commit, validators=commit.validators[: rng.randrange(len(commit.validators))]),
        "order": replace(commit, validators=commit.validators[::-1]),
        "round": replace(commit, round=rng.randbytes(rng.randint(0, 5))),
        "vote": replace(commit, vote=rng.choice(([], b"", [bytes(20), b""], [bytes(20), b"\xff"], [bytes(20), b"\1"]))),
        "vanity": replace(commit, vanity=rng.randbytes(rng.choice((31, 32, 33)))),
        "mix": replace(commit, mix=rng.randbytes(32)),
        "signatures": replace(commit, signatures=tuple(rng.randbytes(rng.choice((64, 65))) for _ in keys)),
        "behind": replace(commit, behind=(rng.randbytes(2),)),
        "nothing": commit,
    }
    name = rng.choice(list(made))
    proof = replace(source.proof(claim), headers=(source.committed(claim, made[name]),))
    return Case(_asked(QBF1, source, proof.encode()), f"commit.{name}")


def _a_proof(rng: Random) -> Case:
    """What a relayer can change around honest headers."""
    asked = an_honest_seal(rng)
    proof = SealedProof.decode(asked.proof)
    at = proof.anchor
    made: dict[str, SealedProof] = {
        "domain": replace(proof, anchor=replace(at, domain=rng.randbytes(32))),
        "outbox": replace(proof, anchor=replace(at, outbox=rng.randbytes(20))),
        "code": replace(proof, anchor=replace(at, code_hash=rng.randbytes(32))),
        "since": replace(proof, anchor=replace(at, since=rng.choice((1, 40, U64_MAX)))),
        "dishonest": replace(proof, anchor=replace(at, dishonest=at.dishonest ^ 1 << rng.randrange(8))),
        "epoch": replace(proof, epoch=rng.choice((0, 2, U64_MAX))),
        "size": replace(proof, outbox_size=rng.choice((0, 1, 2, 3, U64_MAX))),
        "root": replace(proof, outbox_root=rng.randbytes(32)),
        "signers": replace(proof, signers=proof.signers[1:]),
        "nodes": replace(proof, consistency=proof.consistency[1:]),
        "node": replace(proof, consistency=(*proof.consistency, rng.randbytes(32))),
        "headers": replace(proof, headers=proof.headers[::-1] if len(proof.headers) > 1 else ()),
        "way": replace(proof, state=replace(proof.state, account=proof.state.account[1:])),
    }
    name = rng.choice(list(made))
    forges = not (name == "headers" and len(proof.headers) == 1)
    return Case(replace(asked, proof=made[name].encode()), f"proof.{name}", forges)


def _bytes(rng: Random) -> Case:
    asked = an_honest_seal(rng)
    if rng.randrange(4) == 0:
        state = rng.choice(
            (
                replace(asked.state, height=rng.choice((0, 50, 60, U64_MAX))),
                replace(asked.state, epoch=rng.choice((0, 2))),
                replace(asked.state, timestamp=U64_MAX),
                replace(asked.state, small_committee=True),
            )
        )
        return Case(replace(asked, state=state), "state")
    name, data = broken(rng, asked.proof)
    return Case(replace(asked, proof=data), f"bytes.{name}")
