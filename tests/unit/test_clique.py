"""Clique: who sealed a block, and when no other branch can become heavier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import pytest
import rlp

from chains.evm.clique import Sealed, is_safe, read_signers, safe_height, sealed, tolerated
from chains.evm.evidence import header_fields, header_hash
from chains.evm.rpc import Object, hex_bytes
from poft.protocol.errors import Code, Refused
from poft.protocol.hashing import keccak
from poft.protocol.signatures import CURVE_ORDER, key_address, unsafe_sign_digest

KEYS = sorted((keccak(b"clique signer %d" % i) for i in range(4)), key=key_address)
SIGNERS = tuple(key_address(key) for key in KEYS)
STRANGER = keccak(b"nobody")


def header(height: int, parent: bytes, key: bytes, difficulty: int = 2, **changes: str) -> Object:
    """A header of London, sealed by a key."""
    made: Object = {
        "parentHash": hex_bytes(parent),
        "sha3Uncles": hex_bytes(keccak(rlp.encode([]))),
        "miner": "0x" + "00" * 20,
        "stateRoot": "0x" + "11" * 32,
        "transactionsRoot": "0x" + "22" * 32,
        "receiptsRoot": "0x" + "33" * 32,
        "logsBloom": "0x" + "00" * 256,
        "difficulty": hex(difficulty),
        "number": hex(height),
        "gasLimit": hex(30_000_000),
        "gasUsed": "0x0",
        "timestamp": hex(1_700_000_000 + height),
        "extraData": "0x" + "00" * 32,
        "mixHash": "0x" + "00" * 32,
        "nonce": "0x" + "00" * 8,
        "baseFeePerGas": hex(7),
        **changes,
    }
    raw = unsafe_sign_digest(key, keccak(rlp.encode(header_fields(made))))
    made["extraData"] = str(made["extraData"]) + raw[:64].hex() + f"{raw[64] - 27:02x}"
    made["hash"] = hex_bytes(header_hash(made))
    return made


def chain(turns: Sequence[tuple[int, int]]) -> dict[int, Object]:
    """Blocks from 1 on, by (signer, difficulty)."""
    made: dict[int, Object] = {}
    parent = keccak(b"genesis")
    for height, (signer, difficulty) in enumerate(turns, 1):
        made[height] = header(height, parent, KEYS[signer], difficulty)
        parent = bytes.fromhex(str(made[height]["hash"])[2:])
    return made


def test_sealer_is_who_signed_all_other_fields() -> None:
    block = header(9, keccak(b"parent"), KEYS[2])
    assert sealed(block).sealer == SIGNERS[2]
    assert (sealed(block).height, sealed(block).difficulty) == (9, 2)
    forged: Object = {**block, "stateRoot": "0x" + "12" * 32}
    with pytest.raises(Refused) as refused:
        sealed(forged)
    assert refused.value.code is Code.EvidenceDisagrees
    forged["hash"] = hex_bytes(header_hash(forged))
    assert sealed(forged).sealer not in SIGNERS


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ("00" * 96, Code.BadSignature),
        ("00" * 97, Code.BadSignature),
        ("00" * 32 + "11" * 64 + "02", Code.BadSignature),
        ("00" * 32 + "11" * 32 + f"{CURVE_ORDER - 1:064x}" + "00", Code.HighS),
    ],
)
def test_seals_that_are_none(extra: str, code: Code) -> None:
    block: Object = {**header(1, bytes(32), KEYS[0]), "extraData": "0x" + extra}
    block["hash"] = hex_bytes(header_hash(block))
    with pytest.raises(Refused) as refused:
        sealed(block)
    assert refused.value.code is code


def test_three_signers_in_turn_make_a_block_safe() -> None:
    """Four signers, one of them dishonest: k > 2 and W > 2 (5 - k)."""
    blocks = chain([(0, 2), (1, 2), (2, 2), (3, 2), (0, 2)])
    assert safe_height(5, blocks.__getitem__, SIGNERS) == 2
    assert safe_height(2, blocks.__getitem__, SIGNERS) == 0
    alone = chain([(0, 1)] * 9)
    assert safe_height(9, alone.__getitem__, SIGNERS) == 0  # one signer proves nothing, however long it goes on
    pair = chain([(0, 2), (1, 2)] * 10)
    assert safe_height(20, pair.__getitem__, SIGNERS) == 0  # nor do two: the other two may be as heavy


def test_headers_that_do_not_belong_together() -> None:
    blocks = chain([(0, 2), (1, 2), (2, 2)])
    other = chain([(1, 2), (2, 2), (3, 2)])
    for broken in ({**blocks, 2: other[2]}, {**blocks, 2: blocks[1]}):
        with pytest.raises(Refused) as refused:
            safe_height(3, broken.__getitem__, SIGNERS)
        assert refused.value.code is Code.EvidenceDisagrees
    foreign = {1: header(1, keccak(b"genesis"), STRANGER)}
    with pytest.raises(Refused) as refused:
        safe_height(1, foreign.__getitem__, SIGNERS)
    assert refused.value.code is Code.NotSigner


@pytest.mark.parametrize("signers", [3, 4, 5, 7])
def test_no_branch_without_a_safe_block_is_heavier(signers: int) -> None:
    """Every branch that the others, and the dishonest a second time, could build beside it weighs less."""
    dishonest = tolerated(signers)
    turn = signers // 2 + 1
    for count, weight in product(range(1, signers + 1), range(1, 3 * signers)):
        above = [
            replace(Sealed(i, b"", b"", bytes([i % count]) * 20, 1), difficulty=weight if i == 0 else 0)
            for i in range(count)
        ]
        if not is_safe(above, signers, dishonest):
            continue
        free = signers - count + dishonest  # who may seal beside it: the others, and the dishonest again
        # A branch needs a new signer in each of `turn` consecutive blocks: with fewer, it ends after one each.
        assert free < turn
        assert 2 * free < weight


@pytest.mark.parametrize("text", ["", "0x11", "0x" + "11" * 20 + " 0x" + "11" * 20, "0x" + "11" * 21])
def test_signers_that_cannot_be_any(text: str) -> None:
    with pytest.raises(Refused) as refused:
        read_signers(text)
    assert refused.value.code is Code.CommitteeInvalid
