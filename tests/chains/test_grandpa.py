"""GRANDPA justifications: what a node, a minority of validators, or somebody between can put into one.

Built here byte by byte after the SCALE layout, with real ed25519 keys; `grandpa_recorded.json` has some that four
validators of our node made.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chains.substrate.grandpa import AuthoritySet, Justification, verify_justification
from chains.substrate.proof import compact
from poft.protocol.errors import Code, Refused

ROUND, SET, HEIGHT = 41, 3, 1000


@dataclass(frozen=True, slots=True)
class Block:
    raw: bytes
    number: int

    @property
    def hash(self) -> bytes:
        return blake2b(self.raw, digest_size=32).digest()


def block(parent: bytes, number: int, fork: int = 0) -> Block:
    digest = compact(1) + b"\x06aura" + compact(8) + fork.to_bytes(8, "little")
    return Block(parent + compact(number) + bytes(32) + bytes(32) + digest, number)


def chain(parent: Block, length: int, fork: int = 0) -> list[Block]:
    blocks = [parent]
    for _ in range(length):
        blocks.append(block(blocks[-1].hash, blocks[-1].number + 1, fork))
    return blocks[1:]


KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([at + 1]) * 32) for at in range(4)]
STRANGER = Ed25519PrivateKey.from_private_bytes(b"\x77" * 32)
TARGET = block(b"\x11" * 32, HEIGHT)


def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


AUTHORITIES = AuthoritySet(SET, {public(key): 1 for key in KEYS})


def vote(
    key: Ed25519PrivateKey, target: Block = TARGET, round_number: int = ROUND, identity: int = SET, kind: int = 1
) -> bytes:
    named = target.hash + target.number.to_bytes(4, "little")
    numbers = round_number.to_bytes(8, "little") + identity.to_bytes(8, "little")
    return named + key.sign(bytes([kind]) + named + numbers) + public(key)


def justification(votes: Sequence[bytes], headers: Sequence[Block] = (), target: Block = TARGET) -> bytes:
    head = ROUND.to_bytes(8, "little") + target.hash + target.number.to_bytes(4, "little")
    ancestry = compact(len(headers)) + b"".join(header.raw for header in headers)
    return head + compact(len(votes)) + b"".join(votes) + ancestry


HONEST = justification([vote(key) for key in KEYS[:3]])


def verify(raw: bytes, authorities: AuthoritySet = AUTHORITIES, target: Block = TARGET) -> Justification:
    return verify_justification(raw, authorities, target.hash, target.number)


def refused(raw: bytes, authorities: AuthoritySet = AUTHORITIES, target: Block = TARGET) -> Code:
    with pytest.raises(Refused) as caught:
        verify(raw, authorities, target)
    return caught.value.code


# --- of real validators ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recorded:
    number: int
    hash: bytes
    raw: bytes


RECORD = json.loads((Path(__file__).parent / "grandpa_recorded.json").read_text())
RECORDED_SET = AuthoritySet.decode(RECORD["set_id"], bytes.fromhex(RECORD["authorities"][2:]))
RECORDED = [
    Recorded(one["number"], bytes.fromhex(one["hash"][2:]), bytes.fromhex(one["justification"][2:]))
    for one in RECORD["justifications"]
]


@pytest.mark.parametrize("one", RECORDED, ids=lambda one: f"block {one.number}")
def test_recorded_justification_is_accepted_for_its_block_and_set_alone(one: Recorded) -> None:
    found = verify_justification(one.raw, RECORDED_SET, one.hash, one.number)
    assert len(RECORDED_SET.weights) == 4
    assert len(found.votes) in (3, 4)
    for block_hash, number in ((one.hash, one.number + 1), (bytes(32), one.number)):
        with pytest.raises(Refused):
            verify_justification(one.raw, RECORDED_SET, block_hash, number)
    with pytest.raises(Refused) as caught:
        verify_justification(one.raw, replace(RECORDED_SET, identity=1), one.hash, one.number)
    assert caught.value.code is Code.BadSignature


@pytest.mark.parametrize("one", RECORDED, ids=lambda one: f"block {one.number}")
def test_recorded_justification_refused_with_any_byte_altered_or_missing(one: Recorded) -> None:
    for at in range(len(one.raw)):
        for altered in (one.raw[:at] + bytes([one.raw[at] ^ 0x10]) + one.raw[at + 1 :], one.raw[:at]):
            with pytest.raises(Refused):
                verify_justification(altered, RECORDED_SET, one.hash, one.number)


def test_recorded_votes_of_two_blocks_do_not_add_up() -> None:
    first, second = RECORDED[:2]
    votes = 45 + 2 * 132
    mixed = first.raw[:44] + b"\x0c" + first.raw[45:votes] + second.raw[votes : votes + 132] + b"\0"
    with pytest.raises(Refused) as caught:
        verify_justification(mixed, RECORDED_SET, first.hash, first.number)
    assert caught.value.code is Code.BadSignature


# --- quorum ----------------------------------------------------------------------------------------------------------


def test_justification_accepted_by_three_of_four() -> None:
    found = verify(HONEST)
    assert (found.round, found.target, found.number) == (ROUND, TARGET.hash, HEIGHT)
    assert verify(justification([vote(key) for key in KEYS]))


@pytest.mark.parametrize("votes", [0, 1, 2])
def test_justification_refused_without_quorum(votes: int) -> None:
    assert refused(justification([vote(key) for key in KEYS[:votes]])) is Code.QuorumNotReached


def test_threshold_is_more_than_two_thirds_of_the_weight() -> None:
    for total in range(1, 100):
        weights = AuthoritySet(0, {bytes([at]) * 32: 1 for at in range(total)})
        assert 3 * weights.threshold > 2 * total
        assert 3 * (weights.threshold - 1) <= 2 * total
    heavy = AuthoritySet(SET, {public(key): weight for key, weight in zip(KEYS, (5, 1, 1, 1), strict=True)})
    assert heavy.threshold == 6
    assert refused(justification([vote(key) for key in KEYS[1:]]), heavy) is Code.QuorumNotReached
    assert verify(justification([vote(key) for key in KEYS[:2]]), heavy)


def test_key_counts_once_however_often_it_votes() -> None:
    assert refused(justification([vote(KEYS[0])] * 3)) is Code.QuorumNotReached
    above = chain(TARGET, 1)
    twice = [vote(KEYS[0]), vote(KEYS[0], above[0]), vote(KEYS[1])]
    assert refused(justification(twice, above)) is Code.QuorumNotReached


def test_equivocating_minority_does_not_stop_the_others() -> None:
    elsewhere = block(b"\x22" * 32, HEIGHT)
    votes = [vote(key) for key in KEYS[:3]]
    assert verify(justification([*votes, vote(KEYS[3], elsewhere), vote(KEYS[3])]))
    assert verify(justification([vote(KEYS[0], elsewhere), *votes]))


# --- signatures ------------------------------------------------------------------------------------------------------


def test_justification_refused_from_a_stranger() -> None:
    assert refused(justification([*(vote(key) for key in KEYS[:3]), vote(STRANGER)])) is Code.NotSigner


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(vote(KEYS[2], round_number=ROUND + 1), id="another round"),
        pytest.param(vote(KEYS[2], identity=SET + 1), id="the next set"),
        pytest.param(vote(KEYS[2], identity=SET - 1), id="the set before"),
        pytest.param(vote(KEYS[2], kind=0), id="a prevote"),
        pytest.param(vote(KEYS[2], kind=2), id="a proposal"),
        pytest.param(vote(KEYS[2])[:36] + bytes(64) + public(KEYS[2]), id="zeros"),
        pytest.param(vote(KEYS[1])[:100] + public(KEYS[2]), id="another's"),
        pytest.param(vote(KEYS[2], block(b"\x22" * 32, HEIGHT))[:36] + vote(KEYS[2])[36:], id="another block's"),
    ],
)
def test_justification_refused_with_a_signature_of_something_else(forged: bytes) -> None:
    assert refused(justification([vote(KEYS[0]), vote(KEYS[1]), forged])) is Code.BadSignature
    # However many others there are: no node that checks its votes keeps one.
    assert refused(justification([*(vote(key) for key in KEYS), forged])) is Code.BadSignature


def test_justification_refused_by_another_authority_set() -> None:
    assert refused(HONEST, AuthoritySet(SET + 1, AUTHORITIES.weights)) is Code.BadSignature
    others = AuthoritySet(SET, {public(STRANGER): 1})
    assert refused(HONEST, others) is Code.NotSigner


def test_key_that_is_no_point_is_refused() -> None:
    broken = b"\xff" * 32
    raw = justification([vote(KEYS[0])[:100] + broken])
    assert refused(raw, AuthoritySet(SET, {broken: 1})) is Code.BadSignature


# --- what was voted for ----------------------------------------------------------------------------------------------


def test_justification_refused_for_another_block() -> None:
    assert refused(HONEST, target=block(b"\x22" * 32, HEIGHT)) is Code.EvidenceDisagrees
    assert refused(HONEST, target=Block(TARGET.raw, HEIGHT + 1)) is Code.EvidenceDisagrees


def test_votes_for_descendants_count() -> None:
    above = chain(TARGET, 3)
    votes = [vote(KEYS[0], above[0]), vote(KEYS[1], above[2]), vote(KEYS[2])]
    assert verify(justification(votes, above))
    assert verify(justification(votes, above[::-1]))


def test_votes_for_ancestors_do_not_count() -> None:
    above = chain(TARGET, 2)
    votes = [vote(key) for key in KEYS[:3]]
    assert refused(justification(votes, target=above[1]), target=above[1]) is Code.QuorumNotReached


def test_votes_for_a_fork_do_not_count() -> None:
    fork = chain(block(b"\x22" * 32, HEIGHT), 2)
    votes = [vote(KEYS[0]), vote(KEYS[1]), vote(KEYS[2], fork[1])]
    assert refused(justification(votes, fork)) is Code.QuorumNotReached


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_votes_without_their_ancestry_do_not_count(missing: int) -> None:
    above = chain(TARGET, 3)
    votes = [vote(KEYS[0]), vote(KEYS[1]), vote(KEYS[2], above[2])]
    rest = [header for at, header in enumerate(above) if at != missing]
    assert refused(justification(votes, rest)) in (Code.QuorumNotReached, Code.EvidenceDisagrees)


def test_vote_with_a_height_that_its_block_has_not_does_not_count() -> None:
    above = chain(TARGET, 1)[0]
    lied = Block(above.raw, above.number + 1)
    assert refused(justification([vote(KEYS[0]), vote(KEYS[1]), vote(KEYS[2], lied)])) is Code.QuorumNotReached
    same = Block(TARGET.raw, HEIGHT + 1)
    assert refused(justification([vote(key, same) for key in KEYS[:3]])) is Code.QuorumNotReached


def test_headers_that_no_vote_needs_are_refused() -> None:
    above = chain(TARGET, 1)
    votes = [vote(key) for key in KEYS[:3]]
    assert refused(justification(votes, above)) is Code.EvidenceDisagrees
    needed = [*votes[:2], vote(KEYS[2], above[0])]
    assert refused(justification(needed, [*above, *above])) is Code.EvidenceDisagrees


# --- bytes -----------------------------------------------------------------------------------------------------------


def test_every_altered_byte_is_refused() -> None:
    above = chain(TARGET, 1)
    raw = justification([vote(KEYS[0]), vote(KEYS[1]), vote(KEYS[2], above[0])], above)
    assert verify(raw)
    for at in range(len(raw)):
        for flip in (1, 0x80):
            refused(raw[:at] + bytes([raw[at] ^ flip]) + raw[at + 1 :])


def test_every_shorter_and_longer_justification_is_refused() -> None:
    for length in range(len(HONEST)):
        assert refused(HONEST[:length]) is Code.Malformed
    assert refused(HONEST + b"\0") is Code.Malformed


def test_counts_beyond_the_bytes_are_refused_before_anything_is_read() -> None:
    head = HONEST[:44]
    assert refused(head + compact((1 << 30) - 1)) is Code.Malformed
    assert refused(head + b"\x03\xff\xff\xff\xff") is Code.Malformed
    assert refused(HONEST[:-1] + compact((1 << 30) - 1)) is Code.Malformed
    assert refused(bytes((1 << 20) + 1)) is Code.Oversize


# --- authority sets --------------------------------------------------------------------------------------------------


def entries(*weights: tuple[bytes, int]) -> bytes:
    return compact(len(weights)) + b"".join(key + weight.to_bytes(8, "little") for key, weight in weights)


def test_authority_set_reads_what_the_ledger_stores() -> None:
    one, two = bytes([1]) * 32, bytes([2]) * 32
    assert AuthoritySet.decode(7, entries((one, 1), (two, 5))) == AuthoritySet(7, {one: 1, two: 5})


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        pytest.param(entries(), Code.CommitteeInvalid, id="nobody"),
        pytest.param(entries((b"\1" * 32, 1), (b"\1" * 32, 1)), Code.CommitteeInvalid, id="a key twice"),
        pytest.param(entries((b"\1" * 32, 0)), Code.CommitteeInvalid, id="a weight of zero"),
        pytest.param(entries((b"\1" * 32, 1))[:-1], Code.Malformed, id="ends early"),
        pytest.param(entries((b"\1" * 32, 1)) + b"\0", Code.Malformed, id="goes on"),
        pytest.param(compact(1025), Code.Oversize, id="too many"),
        pytest.param(b"", Code.Malformed, id="empty"),
    ],
)
def test_authority_set_refused(raw: bytes, code: Code) -> None:
    with pytest.raises(Refused) as caught:
        AuthoritySet.decode(0, raw)
    assert caught.value.code is code
