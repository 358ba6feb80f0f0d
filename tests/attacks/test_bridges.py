"""What known bridges got wrong, as naive designs that fall and as the rule that stops the same here.

    Nomad, August 2022          an upgrade set the trusted root to zero; a message that was never proven has root zero
    Wormhole, February 2022     the caller chose the account that said the signatures were good
    BNB bridge, October 2022    a proof node carried a value that its hash did not cover
    Poly Network, August 2021   a delivered message could call any contract, the keeper of the committee among them
    Ronin, March 2022           five of nine keys: whoever holds a quorum finalises what he likes, which is CMT1's trust

Only the mechanism is rebuilt, in a few lines each; the code of those bridges is not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields, replace

import pytest

from poft.protocol.errors import Code, Refused
from poft.protocol.finality import Finality, sign_finality
from poft.protocol.hashing import ZERO32, keccak, word_uint
from poft.protocol.merkle import EMPTY_ROOT, consistency_proof, verify_consistency, verify_inclusion
from poft.protocol.packet import PacketKind
from poft.verification.api import Limits, TrustState
from poft.verification.receive import Expectation, PacketProof, check_packet
from poft.verification.schemes.cmt1 import CommitteeProof, CommitteeVerifier
from tests.vectors.generate import (
    DRIFT,
    LEAVES,
    NOW,
    OTHER,
    RECEIVER,
    SENDER,
    SOURCE,
    a_packet,
    a_statement,
    committee,
    trusted,
)

CMT1 = CommitteeVerifier()
LIMITS = Limits(NOW, DRIFT)


def honest() -> tuple[TrustState, CommitteeProof]:
    keys = committee(4)
    said = a_statement()
    signatures = tuple(sign_finality(key, SOURCE, said) for key in list(keys.values())[:3])
    return trusted(tuple(keys)), CommitteeProof(
        said, tuple(keys), 0b111, signatures, (), tuple(consistency_proof(LEAVES[:30], 13))
    )


class NaiveReplica:
    """Messages are proven first and processed later; `confirmed` holds the roots that count."""

    def __init__(self, trusted_root: bytes) -> None:
        self.proven_under: defaultdict[bytes, bytes] = defaultdict(lambda: ZERO32)
        self.confirmed = {trusted_root}

    def process(self, message: bytes) -> bool:
        return self.proven_under[message] in self.confirmed


def test_zero_root_counts_as_proven() -> None:
    assert not NaiveReplica(keccak(b"some root")).process(b"pay the attacker")
    assert NaiveReplica(ZERO32).process(b"pay the attacker")

    # Here an empty log has a root of its own, zero is none, and a delivery carries its proof.
    assert EMPTY_ROOT != ZERO32
    packet = a_packet(0, b"pay the attacker")
    for size, root, code in (
        (0, ZERO32, Code.IndexOutOfRange),
        (1, ZERO32, Code.RootMismatch),
        (0, EMPTY_ROOT, Code.IndexOutOfRange),
        (1, EMPTY_ROOT, Code.RootMismatch),
    ):
        expected = Expectation(OTHER, SOURCE, SENDER, (RECEIVER,), 0, 1, size, root)
        with pytest.raises(Refused) as refused:
            check_packet(expected, PacketProof(packet, b"pay the attacker", 0, ()))
        assert refused.value.code == code
    with pytest.raises(Refused) as refused:
        verify_consistency(0, ZERO32, 5, keccak(b"any"), [])
    assert refused.value.code == Code.InconsistentLog
    with pytest.raises(Refused) as refused:
        CMT1.verify(SOURCE, TrustState(0, ZERO32), CommitteeProof(a_statement(epoch=0), (), 0, ()).encode(), LIMITS)
    assert refused.value.code == Code.CommitteeMismatch


def test_prover_chooses_who_verifies() -> None:
    """Members travel with the proof because calldata is cheaper than storage: the stored hash decides."""
    state, proof = honest()
    strangers = committee(4, 50)
    signatures = tuple(sign_finality(key, SOURCE, proof.statement) for key in list(strangers.values())[:3])
    forged = replace(proof, members=tuple(strangers), signatures=signatures)

    def naive(proof: CommitteeProof) -> bool:
        return CMT1.verify(SOURCE, trusted(proof.members), proof.encode(), LIMITS) is not None

    assert naive(forged)

    with pytest.raises(Refused) as refused:
        CMT1.verify(SOURCE, state, forged.encode(), LIMITS)
    assert refused.value.code == Code.CommitteeMismatch


def every_changed_byte(proof: CommitteeProof) -> Iterator[CommitteeProof]:
    """The proof with one bit flipped in each byte of each of its parts, one at a time."""

    def flipped(data: bytes) -> Iterator[bytes]:
        return (data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in range(len(data)))

    for field in fields(Finality):
        value = getattr(proof.statement, field.name)
        changed = flipped(value) if isinstance(value, bytes) else (value ^ 1 << bit for bit in range(64))
        for other in changed:
            yield replace(proof, statement=replace(proof.statement, **{field.name: other}))  # type: ignore[arg-type]
    for bit in range(64):
        yield replace(proof, bitmap=proof.bitmap ^ 1 << bit)
    for name in ("members", "signatures", "consistency"):
        listed = getattr(proof, name)
        for i, item in enumerate(listed):
            for other in flipped(item):
                yield replace(proof, **{name: (*listed[:i], other, *listed[i + 1 :])})  # type: ignore[arg-type]
        yield replace(proof, **{name: (*listed, listed[-1])})  # type: ignore[arg-type]
    yield replace(proof, next_members=(proof.members[0],))


def test_every_byte_of_a_proof_counts() -> None:
    """A naive node hashes its left child and forgets the right one, so the right one is the attacker's."""

    def naive_node(left: bytes, right: bytes) -> bytes:
        return keccak(left if left else right)

    assert naive_node(b"left", b"honest") == naive_node(b"left", b"forged")

    state, proof = honest()
    CMT1.verify(SOURCE, state, proof.encode(), LIMITS)
    tried = 0
    for forged in every_changed_byte(proof):
        with pytest.raises(Refused):
            CMT1.verify(SOURCE, state, forged.encode(), LIMITS)
        tried += 1
    assert tried > 900


def test_packets_reach_registered_applications_only() -> None:
    """Nothing that a packet says calls a contract that did not register, least of all one that governs the bridge."""
    payload = b"setKeeper(attacker)"
    governed = b"\0" * 12 + keccak(b"light client")[12:]
    for changes, code in (
        ({"receiver": governed}, Code.WrongReceiver),
        ({"kind": int(PacketKind.GOVERNANCE)}, Code.WrongKind),
        ({"sender": governed}, Code.WrongSender),
    ):
        packet = a_packet(0, payload, **changes)
        expected = Expectation(OTHER, SOURCE, SENDER, (RECEIVER,), 0, 1, 1, keccak(b"\0" + packet.id))
        verify_inclusion(packet.id, 0, 1, (), expected.outbox_root)
        with pytest.raises(Refused) as refused:
            check_packet(expected, PacketProof(packet, payload, 0, ()))
        assert refused.value.code == code


def test_unbound_source_chain() -> None:
    """A digest over height and root alone: what one chain's committee said about itself is good for every chain."""
    said = a_statement()

    def naive_digest(said: Finality) -> bytes:
        return keccak(word_uint(said.height, 64) + said.outbox_root)

    assert naive_digest(said) == naive_digest(replace(said, block_hash=keccak(b"another chain's block")))

    state, proof = honest()
    with pytest.raises(Refused) as refused:
        CMT1.verify(OTHER, state, proof.encode(), LIMITS)
    assert refused.value.code == Code.NotSigner
