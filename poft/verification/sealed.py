"""What CLQ1 and QBF1 share: a block that its chain's own signers sealed, and the outbox in the state below it.

A client trusts a list of signers of *one* network. Seals do not say of which: nothing in a Clique or QBFT header names
its chain, so two networks with the same signers make headers that look alike. What tells them apart is in the state:
an outbox contract has the domain of its chain in its code (`Outbox.sol`: an immutable, made of the genesis hash and the
chain id on which it was deployed), so the hash of that code, which the account proof shows, is another on every chain.
A client is created for (domain, outbox, code hash), and every proof and every half of some evidence has to lead to that
code at that address, else `WrongDomain`.

Seals do not name an epoch either: what was sealed before a recovery is still sealed. `since` bounds it: blocks up to
that height prove nothing, neither progress nor misbehaviour.

Genesis: `domain 32 ‖ outbox 20 ‖ code hash 32 ‖ since 8 ‖ dishonest 1 ‖ epoch 8 ‖ small 1 (0 or 1) ‖ n 1 ‖ n · 20`.
The authority of a client is keccak(abi.encode(bytes32 domain, address outbox, bytes32 codeHash, uint64 since,
uint64 dishonest, bytes32 committee)), committee as in CMT1. A proof is

    32 20 32 8 1   domain, outbox, code hash, since, dishonest: with the signers, the preimage of the authority
    8 8 32         epoch, outbox size, outbox root
    1 1 1          number of signers n, of consistency nodes c, of headers h
    20 n, 32 c     signers, consistency proof from the last accepted size
    (2, l)*        the headers, each behind its length: first the block that is final
    1, (2, l)*     number of nodes from the state root to the outbox's account; each node behind its length
    1, (2, l)*     the same from the account's storage root to the commitment

Twin: `primitives/src/sealed.rs`; encoding and order of checks are the same.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from poft.protocol.errors import Code, Refused
from poft.protocol.finality import MAX_COMMITTEE, committee_hash
from poft.protocol.hashing import U64_MAX, keccak, word_address, word_bytes32, word_uint
from poft.protocol.merkle import verify_consistency
from poft.verification.api import Finalised, Limits, TrustState
from poft.verification.headers import MAX_HEADER, Header
from poft.verification.packing import pack, parts, sized
from poft.verification.state_proof import COMMITMENT_SLOT, StateProof, outbox_commitment, proven_contract

MAX_HEADERS = 128
"""CLQ1 with 64 signers of whom 21 are dishonest needs at most 66."""
MAX_NODES = 128
"""Of a consistency proof (docs/protocol.md section 3)."""

_GENESIS = struct.Struct(">32s20s32sQBQBB")
_HEAD = struct.Struct(">32s20s32sQBQQ32sBBB")
_ADDRESS, _HASH, _LENGTH = 20, 32, 2


@dataclass(frozen=True, slots=True)
class Anchor:
    """The one network, and the one contract in it, that a client believes; `dishonest` is CLQ1's f, 0 in QBF1."""

    domain: bytes
    outbox: bytes
    code_hash: bytes
    since: int = 0
    dishonest: int = 0

    def authority(self, epoch: int, signers: Sequence[bytes]) -> bytes:
        """The authority of a client that trusts these signers in this epoch."""
        return keccak(
            word_bytes32(self.domain, "domain")
            + word_address(self.outbox, "outbox")
            + word_bytes32(self.code_hash, "code hash")
            + word_uint(self.since, 64, "since")
            + word_uint(self.dishonest, 64, "dishonest")
            + committee_hash(epoch, signers)
        )


@dataclass(frozen=True, slots=True)
class SealedGenesis:
    """Whom a client trusts first."""

    anchor: Anchor
    epoch: int
    signers: tuple[bytes, ...]
    small_committee: bool = False

    def encode(self) -> bytes:
        """The bytes that governance passes; `Malformed` where a value does not fit its field."""
        at = self.anchor
        packed = pack(
            _GENESIS,
            word_bytes32(at.domain, "domain"),
            word_address(at.outbox, "outbox")[-_ADDRESS:],
            word_bytes32(at.code_hash, "code hash"),
            at.since,
            at.dishonest,
            self.epoch,
            int(self.small_committee),
            len(self.signers),
        )
        return packed + b"".join(sized(self.signers, _ADDRESS))

    @classmethod
    def decode(cls, data: bytes) -> SealedGenesis:
        """The inverse.

        Raises:
            Refused: Malformed, Oversize.
        """
        if len(data) < _GENESIS.size:
            raise Refused(Code.Malformed, "genesis", f"{len(data)} bytes")
        domain, outbox, code_hash, since, dishonest, epoch, flag, n = _GENESIS.unpack_from(data)
        if n > MAX_COMMITTEE:
            raise Refused(Code.Oversize, "signers", f"{n} of at most {MAX_COMMITTEE}")
        if flag > 1 or len(data) != _GENESIS.size + _ADDRESS * n:
            raise Refused(Code.Malformed, "genesis", f"{len(data)} bytes for {n} signers")
        signers = parts(data, _GENESIS.size, n, _ADDRESS)
        return cls(Anchor(domain, outbox, code_hash, since, dishonest), epoch, signers, bool(flag))

    def state(self) -> TrustState:
        """The first state of a client. Signers are checked by the scheme.

        Raises:
            Refused: ZeroValue (domain, outbox, code hash or epoch).
        """
        at = self.anchor
        for name, value in (("domain", at.domain), ("outbox", at.outbox), ("code hash", at.code_hash)):
            if not any(value):
                raise Refused(Code.ZeroValue, name)
        if self.epoch == 0:
            raise Refused(Code.ZeroValue, "epoch", "epochs count from 1")
        authority = at.authority(self.epoch, self.signers)
        return TrustState(epoch=self.epoch, authority=authority, small_committee=self.small_committee)


@dataclass(frozen=True, slots=True)
class SealedProof:
    """A block, who sealed it, and the outbox in its state."""

    anchor: Anchor
    epoch: int
    outbox_size: int
    outbox_root: bytes
    signers: tuple[bytes, ...]
    consistency: tuple[bytes, ...]
    headers: tuple[bytes, ...]
    state: StateProof

    def encode(self) -> bytes:
        """The bytes that a relayer carries.

        Raises:
            Refused: Malformed where a value does not fit its field, Oversize.
        """
        at = self.anchor
        packed = pack(
            _HEAD,
            word_bytes32(at.domain, "domain"),
            word_address(at.outbox, "outbox")[-_ADDRESS:],
            word_bytes32(at.code_hash, "code hash"),
            at.since,
            at.dishonest,
            self.epoch,
            self.outbox_size,
            word_bytes32(self.outbox_root, "outbox root"),
            len(self.signers),
            len(self.consistency),
            len(self.headers),
        )
        if len(self.headers) > MAX_HEADERS or any(len(header) > MAX_HEADER for header in self.headers):
            raise Refused(Code.Oversize, "headers", f"at most {MAX_HEADERS} of at most {MAX_HEADER} bytes")
        headers = b"".join(len(header).to_bytes(_LENGTH, "big") + header for header in self.headers)
        lists = b"".join((*sized(self.signers, _ADDRESS), *sized(self.consistency, _HASH)))
        return packed + lists + headers + self.state.encode()

    @classmethod
    def decode(cls, data: bytes) -> SealedProof:
        """Strict: sizes are checked and every byte belongs to a field; headers are read by the scheme.

        Raises:
            Refused: Malformed, Oversize.
        """
        if len(data) < _HEAD.size:
            raise Refused(Code.Malformed, "proof", f"{len(data)} bytes")
        domain, outbox, code_hash, since, dishonest, epoch, size, root, n, c, h = _HEAD.unpack_from(data)
        if n > MAX_COMMITTEE or c > MAX_NODES or h > MAX_HEADERS:
            raise Refused(Code.Oversize, "proof", f"{n} signers, {c} nodes, {h} headers")
        signers, at = parts(data, _HEAD.size, n, _ADDRESS), _HEAD.size + _ADDRESS * n
        consistency, at = parts(data, at, c, _HASH), at + _HASH * c
        headers = []
        for _ in range(h):
            length, at = int.from_bytes(data[at : at + _LENGTH], "big"), at + _LENGTH
            if length > MAX_HEADER:
                raise Refused(Code.Oversize, "header", f"{length} bytes")
            headers.append(data[at : at + length])
            at += length
        # What is cut off before leaves nothing for the state proof: `Malformed` as well.
        state = StateProof.decode(data[at:])
        anchor = Anchor(domain, outbox, code_hash, since, dishonest)
        return cls(anchor, epoch, size, root, signers, consistency, tuple(headers), state)


@dataclass(frozen=True, slots=True)
class Finding:
    """What the seals say: the block's hash, who vouched for it, and who may seal from now on."""

    block_hash: bytes
    sealers: frozenset[bytes]
    signers: tuple[bytes, ...]


Seals = Callable[[SealedProof, tuple[Header, ...], bool], Finding]
"""A scheme's rule: from a proof, its headers and the devnet flag to a finding, or `Refused`."""


def verify_sealed(
    source_domain: bytes, state: TrustState, encoded: bytes, limits: Limits, seals: Seals
) -> tuple[TrustState, Finalised]:
    """The state after this proof and what it established. The block that was accepted last is a no-op.

    Raises:
        Refused: Malformed, Oversize, CommitteeMismatch, WrongDomain; WrongEpoch, StaleHeight, SizeRegression,
            RootChanged, TimestampRegression, TimestampDrift; what the seals are refused with; BadStateProof,
            WrongDomain, CommitmentMismatch; ProofLength, InconsistentLog; BadHandover. In this order.
    """
    proof, headers = _read(source_domain, state, encoded)
    block = headers[0]
    accepted = (state.epoch, state.height, state.outbox_size, state.outbox_root)
    repeated = state.height > 0 and (proof.epoch, block.number, proof.outbox_size, proof.outbox_root) == accepted
    if not repeated:
        _check_step(state, proof, block, limits)
    finding = seals(proof, headers, state.small_committee)
    _check_outbox(proof, block)
    finalised = Finalised(
        block.number, finding.block_hash, block.state_root, proof.outbox_size, proof.outbox_root, block.timestamp
    )
    if repeated:
        return state, finalised
    # History was only appended to.
    verify_consistency(state.outbox_size, state.outbox_root, proof.outbox_size, proof.outbox_root, proof.consistency)
    epoch, authority = state.epoch, state.authority
    if finding.signers != proof.signers:
        if epoch == U64_MAX:
            raise Refused(Code.BadHandover, "epoch", "no epoch follows the last")
        epoch += 1
        authority = proof.anchor.authority(epoch, finding.signers)
    following = replace(
        state,
        epoch=epoch,
        authority=authority,
        height=block.number,
        timestamp=block.timestamp,
        outbox_size=proof.outbox_size,
        outbox_root=proof.outbox_root,
    )
    return following, finalised


def check_sealed_misbehaviour(
    source_domain: bytes, state: TrustState, first: bytes, second: bytes, seals: Seals
) -> Sequence[bytes]:
    """The signers who vouched for both of two blocks of which one cannot be the chain's.

    Contradictions: two blocks of one height, or two roots of one size. Each half is a proof that would convince a
    client, but for what the client knew before. The state proof is part of it: without it, the blocks of another
    network with the same signers would be evidence.

    Raises:
        Refused: NotMisbehaviour, or whatever is wrong with a half.
    """
    (a, block, one), (b, other, two) = (_half(source_domain, state, half, seals) for half in (first, second))
    one_height = block.number == other.number and one.block_hash != two.block_hash
    one_size = a.outbox_size == b.outbox_size and a.outbox_root != b.outbox_root
    if not (one_height or one_size):
        raise Refused(Code.NotMisbehaviour, "evidence", "both blocks can be the chain's")
    return [signer for signer in a.signers if signer in one.sealers and signer in two.sealers]


def _half(source_domain: bytes, state: TrustState, encoded: bytes, seals: Seals) -> tuple[SealedProof, Header, Finding]:
    proof, headers = _read(source_domain, state, encoded)
    if proof.epoch != state.epoch:
        raise Refused(Code.WrongEpoch, "epoch")
    if headers[0].number <= proof.anchor.since:
        raise Refused(Code.StaleHeight, "height", f"{headers[0].number} is not after {proof.anchor.since}")
    finding = seals(proof, headers, state.small_committee)
    _check_outbox(proof, headers[0])
    return proof, headers[0], finding


def _read(source_domain: bytes, state: TrustState, encoded: bytes) -> tuple[SealedProof, tuple[Header, ...]]:
    """A proof for this client: decoded, by its authority, about its source."""
    proof = SealedProof.decode(encoded)
    headers = tuple(Header.decode(header) for header in proof.headers)
    if not headers:
        raise Refused(Code.Malformed, "headers", "none")
    if proof.anchor.authority(state.epoch, proof.signers) != state.authority:
        raise Refused(Code.CommitteeMismatch, "authority")
    if proof.anchor.domain != source_domain:
        raise Refused(Code.WrongDomain, "domain", f"0x{proof.anchor.domain.hex()}")
    return proof, headers


def _check_step(state: TrustState, proof: SealedProof, block: Header, limits: Limits) -> None:
    """The block follows what is known."""
    if proof.epoch != state.epoch:
        raise Refused(Code.WrongEpoch, "epoch", f"{proof.epoch} where {state.epoch} is current")
    if block.number <= max(state.height, proof.anchor.since):
        raise Refused(Code.StaleHeight, "height", f"{block.number} after {max(state.height, proof.anchor.since)}")
    if proof.outbox_size < state.outbox_size:
        raise Refused(Code.SizeRegression, "outboxSize", f"{proof.outbox_size} after {state.outbox_size}")
    if proof.outbox_size == state.outbox_size and proof.outbox_root != state.outbox_root:
        raise Refused(Code.RootChanged, "outboxRoot", f"two roots for size {proof.outbox_size}")
    if block.timestamp < state.timestamp:
        raise Refused(Code.TimestampRegression, "timestamp")
    if block.timestamp > limits.now + limits.max_drift:
        raise Refused(Code.TimestampDrift, "timestamp", f"{block.timestamp - limits.now} s ahead of this chain")


def _check_outbox(proof: SealedProof, block: Header) -> None:
    """The block's state has the outbox of this client's network, and in it the commitment that the proof opens."""
    at = proof.anchor
    code_hash, word = proven_contract(block.state_root, at.outbox, COMMITMENT_SLOT, proof.state)
    if code_hash != at.code_hash:
        raise Refused(Code.WrongDomain, "outbox", f"the code there is 0x{code_hash.hex()}")
    if word != outbox_commitment(proof.outbox_size, proof.outbox_root):
        raise Refused(Code.CommitmentMismatch, "outbox", f"size {proof.outbox_size} is not in the state")


__all__ = [
    "MAX_HEADERS",
    "Anchor",
    "Finding",
    "SealedGenesis",
    "SealedProof",
    "Seals",
    "check_sealed_misbehaviour",
    "verify_sealed",
]
