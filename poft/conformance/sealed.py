"""What the sources of CLQ1 and QBF1 share: signers with keys, headers in RLP, an outbox whose code names its chain.

Headers and `extraData` are encoded by pyrlp, tries by py-trie: neither knows this project's reading of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import replace

import rlp  # type: ignore[import-untyped]

from poft.conformance.evm_state import State, evm_state
from poft.conformance.source import Block, Claim, Forgery
from poft.protocol.domain import evm_domain
from poft.protocol.errors import Code
from poft.protocol.finality import MAX_COMMITTEE, MIN_COMMITTEE
from poft.protocol.hashing import keccak
from poft.protocol.signatures import CURVE_ORDER, key_address, unsafe_sign_digest
from poft.verification.headers import Header
from poft.verification.sealed import Anchor, SealedGenesis, SealedProof
from poft.verification.state_proof import StateProof, outbox_commitment

Fields = list[bytes]
EXTRA = 12
"""Position of `extraData` among a header's fields."""
_LONDON = 16


class SealedSource(ABC):
    """A chain whose signers seal what they are told."""

    def __init__(self, members: int, seed: bytes) -> None:
        self.domain = evm_domain(keccak(b"poft/conformance/genesis" + seed), 1)
        self.epoch = 1
        self.outbox = keccak(b"poft/conformance/outbox" + seed)[:20]
        self._seed = seed
        self._keys = sorted((self._key(n) for n in range(members)), key=key_address)
        self._dishonest = self._assumed(members)
        self._small = members < MIN_COMMITTEE

    @abstractmethod
    def _assumed(self, members: int) -> int:
        """The number of dishonest signers in the genesis."""

    @abstractmethod
    def _block(self, claim: Claim) -> Header:
        """The block that a claim is about."""

    @abstractmethod
    def _headers(self, claim: Claim, signers: int | None, domain: bytes | None) -> list[bytes]:
        """The block with the evidence for it."""

    def _key(self, number: int) -> bytes:
        """Public: never use it elsewhere."""
        return keccak(b"poft/conformance/signer" + self._seed + number.to_bytes(2, "big"))

    def signers(self, count: int) -> tuple[bytes, ...]:
        return addresses(self._keys[:count])

    @property
    def anchor(self) -> Anchor:
        """What a client of this source trusts, beside its signers."""
        return Anchor(self.domain, self.outbox, code_hash(self.domain), 0, self._dishonest)

    def genesis(self, epoch: int | None = None) -> bytes:
        in_epoch = self.epoch if epoch is None else epoch
        return SealedGenesis(self.anchor, in_epoch, self.signers(len(self._keys)), self._small).encode()

    def block(self, claim: Claim) -> Block:
        made = self._block(claim)
        return Block(self._hash(made), made.state_root)

    def _hash(self, block: Header) -> bytes:
        return block.hash

    def hand_over(self) -> None:
        self._keys = self._following()
        self.epoch += 1

    def _following(self) -> list[bytes]:
        """The next authority's keys: one member joins, and where there is no room another leaves."""
        stay = self._keys[: MAX_COMMITTEE - 1]
        return sorted([*stay, self._key(MAX_COMMITTEE + self.epoch)], key=key_address)

    def _joining(self) -> list[bytes]:
        return [key for key in self._following() if key not in self._keys]

    def prove(self, claim: Claim, signers: int | None = None, domain: bytes | None = None) -> bytes:
        return self.proof(claim, signers, domain).encode()

    def proof(self, claim: Claim, signers: int | None = None, domain: bytes | None = None) -> SealedProof:
        """The claim with its headers and its state, for a client in the claim's epoch."""
        return SealedProof(
            self.anchor,
            claim.epoch,
            claim.outbox_size,
            claim.outbox_root,
            self.signers(len(self._keys)),
            claim.consistency,
            tuple(self._headers(claim, signers, domain)),
            self.state(claim, domain).proof,
        )

    def state(self, claim: Claim, domain: bytes | None = None) -> State:
        """The state of the claim's block; on the chain of another domain the outbox has another code."""
        commitment = outbox_commitment(claim.outbox_size, claim.outbox_root)
        return evm_state(claim, self._seed, self.outbox, code_hash(domain or self.domain), commitment)

    def fields(self, claim: Claim, mix: bytes, difficulty: int, domain: bytes | None = None) -> Fields:
        """The header of the claim's block, without `extraData`."""
        parent = keccak(b"parent" + self._seed + bytes([claim.fork]) + claim.height.to_bytes(9, "big"))
        root = self.state(claim, domain).root
        return header_fields(parent, claim.height, claim.timestamp, root, mix, difficulty)

    def misplaced(self, claim: Claim) -> Iterable[Forgery]:
        """Forgeries about where the block is from and what its state says: the same in both schemes."""
        proof = self.proof(claim)
        at, ways = proof.anchor, proof.state
        later = self.state(replace(claim, fork=claim.fork + 1)).proof

        def made(name: str, forged: SealedProof, *codes: Code) -> Forgery:
            return Forgery(name, forged.encode(), frozenset(codes))

        for name, anchor in (
            ("another outbox", replace(at, outbox=bytes(19) + b"\1")),
            ("another code", replace(at, code_hash=keccak(b"own"))),
            ("another start", replace(at, since=1)),
            ("another number of dishonest signers", replace(at, dishonest=at.dishonest + 1)),
            ("another chain's name", replace(at, domain=keccak(b"elsewhere"))),
        ):
            yield made(name, replace(proof, anchor=anchor), Code.CommitteeMismatch)
        yield made("a signer left out", replace(proof, signers=proof.signers[:-1]), Code.CommitteeMismatch)
        swapped = replace(proof, signers=(keccak(b"own")[:20], *proof.signers[1:]))
        yield made("a signer of the prover's own", swapped, Code.CommitteeMismatch)
        twin = self.proof(claim, domain=keccak(b"the other network"))
        yield made("the block of a network with the same signers", twin, Code.WrongDomain)
        size = replace(proof, outbox_size=proof.outbox_size + 1)
        yield made("a size that the state does not have", size, Code.CommitmentMismatch)
        root = replace(proof, outbox_root=keccak(b"own"))
        yield made("a root that the state does not have", root, Code.CommitmentMismatch)
        for name, state in (
            ("the state of another block", later),
            ("no way to the account", StateProof((), ways.storage)),
            ("no way to the slot", StateProof(ways.account, ())),
            ("both ways swapped", StateProof(ways.storage, ways.account)),
            ("a way cut short", StateProof(ways.account[:-1], ways.storage)),
            ("a node twice", StateProof((*ways.account, ways.account[-1]), ways.storage)),
        ):
            yield made(name, replace(proof, state=state), Code.BadStateProof)
        yield made("no headers", replace(proof, headers=()), Code.Malformed)
        yield made("no state", replace(proof, state=StateProof((), ())), Code.BadStateProof)
        many = (*[proof.headers[0]] * 128, proof.headers[0])
        yield Forgery("129 headers", _counted(proof, many), frozenset({Code.Oversize}))
        for name, header in _misshapen(proof.headers[0]):
            yield made(name, replace(proof, headers=(header, *proof.headers[1:])), Code.Malformed)


def _counted(proof: SealedProof, headers: Sequence[bytes]) -> bytes:
    """A proof with more headers than `encode` allows."""
    bare = replace(proof, headers=()).encode()
    at = 143
    listed = b"".join(len(header).to_bytes(2, "big") + header for header in headers)
    return bare[:at] + bytes([len(headers)]) + bare[at + 1 :] + listed


def _misshapen(header: bytes) -> Iterable[tuple[str, bytes]]:
    """Headers that are none."""
    fields = rlp.decode(header)

    def changed(at: int, value: object) -> bytes:
        return bytes(rlp.encode([*fields[:at], value, *fields[at + 1 :]]))

    yield "an empty header", b""
    yield "a header of 14 fields", rlp.encode(fields[:14])
    yield "a header of 22 fields", rlp.encode([*fields, *[b""] * (22 - len(fields))])
    yield "a header with a byte behind it", header + b"\0"
    yield "a header that is a string", rlp.encode(header)
    yield "a header with a list for its state root", changed(3, [b""])
    yield "a parent of 31 bytes", changed(0, fields[0][1:])
    yield "a number with a leading zero", changed(8, b"\0" + fields[8])
    yield "a number of 9 bytes", changed(8, b"\1" * 9)
    yield "a bloom filter of 255 bytes", changed(6, fields[6][1:])
    yield "extraData of nothing", changed(EXTRA, b"")


def header_fields(parent: bytes, height: int, time: int, root: bytes, mix: bytes, difficulty: int) -> Fields:
    """A header of London without `extraData`."""
    empty = keccak(b"nothing")
    numbers = [number(value) for value in (difficulty, height, 30_000_000, 0, time)]
    before = [parent, keccak(rlp.encode([])), bytes(20), root, empty, empty, bytes(256), *numbers]
    return [*before, b"", mix, bytes(8), number(7)]


def with_extra(fields: Fields, extra: bytes) -> Fields:
    """The same header with this `extraData`."""
    return [*fields[:EXTRA], extra, *fields[EXTRA + 1 :]]


def encoded(fields: Fields) -> bytes:
    """The header as it is hashed."""
    return bytes(rlp.encode(fields))


def seal(key: bytes, fields: Fields) -> bytes:
    """A signature over a header, as its chain writes one: v is 0 or 1."""
    raw = unsafe_sign_digest(key, keccak(encoded(fields)))
    return raw[:64] + bytes([raw[64] - 27])


def spoiled(good: bytes) -> Iterable[tuple[str, bytes, Code]]:
    """Seals that are none."""
    r, s, v = good[:32], int.from_bytes(good[32:64], "big"), good[64]
    yield "a seal with high s", r + (CURVE_ORDER - s).to_bytes(32, "big") + bytes([1 - v]), Code.HighS
    yield "a seal with v = 27", good[:64] + bytes([27 + v]), Code.BadSignature
    yield "a seal with v = 2", good[:64] + b"\2", Code.BadSignature
    yield "a seal with r = 0", bytes(32) + good[32:], Code.BadSignature
    yield "a seal with s = 0", good[:32] + bytes(32) + good[64:], Code.BadSignature
    yield "a seal with r = the order", CURVE_ORDER.to_bytes(32, "big") + good[32:], Code.BadSignature


def addresses(keys: Iterable[bytes]) -> tuple[bytes, ...]:
    """Of these keys."""
    return tuple(map(key_address, keys))


def number(value: int) -> bytes:
    """A number as RLP has it."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def code_hash(domain: bytes) -> bytes:
    """Of an outbox on the chain with this domain."""
    return keccak(b"an outbox's code with its chain's domain in it: " + domain)


__all__ = [
    "EXTRA",
    "Fields",
    "SealedSource",
    "addresses",
    "code_hash",
    "encoded",
    "header_fields",
    "number",
    "seal",
    "spoiled",
    "with_extra",
]
