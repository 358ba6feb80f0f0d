"""What five real nodes signed while one validator replaced another (`validator_changes.py`), beside their headers."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from chains.substrate.headers import Handover, digest_of, handover_item, header_hash, outbox_item
from chains.substrate.rpc import Json
from chains.substrate.runtime import items, number, octets, record
from poft.protocol.finality import committee_hash, quorum
from poft.verification.beefy import Justification

from .validator_changes import FOUNDERS, NODES, RECORD, keys_of

SAID: dict[str, Json] = json.loads(RECORD.read_text())
BLOCKS = [record(one) for one in items(SAID["blocks"])]
SETS = [record(one) for one in items(SAID["sets"])]
DOMAIN = octets(SAID["domain"])


def members(of: dict[str, Json]) -> list[bytes]:
    return [octets(member) for member in items(of["members"])]


def set_of(block: dict[str, Json]) -> dict[str, Json]:
    return next(one for one in reversed(SETS) if number(one["first"]) <= number(block["number"]))


def addresses(positions: range) -> list[bytes]:
    return sorted(keys_of(at).public.address for at in positions)


def test_sets_are_the_founders_then_those_and_then_the_new_ones() -> None:
    assert [number(one["setId"]) for one in SETS] == [0, 1, 2]
    before, after = addresses(range(FOUNDERS)), addresses(range(1, NODES))
    assert [members(one) for one in SETS] == [before, before, after]
    announced = [octets(one["nextCommittee"]) for one in SETS]
    assert announced == [committee_hash(2, before), committee_hash(3, after), committee_hash(4, after)]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: str(block["number"]))
def test_commitment_says_what_the_header_says_by_a_quorum_of_the_blocks_set(block: dict[str, Json]) -> None:
    justification = Justification.decode(octets(block["justification"]))
    said, header = justification.commitment, record(block["header"])
    digest = digest_of(header)
    assert said.block_hash == header_hash(header) == octets(block["hash"])
    assert (said.height, said.state_root) == (number(block["number"]), octets(header["stateRoot"]))
    assert (said.outbox_size, said.outbox_root) == outbox_item(digest)
    assert handover_item(digest) == Handover(DOMAIN, said.timestamp, said.next_committee)
    assert said.domain == DOMAIN

    signing = set_of(block)
    assert (said.set_id, said.next_committee) == (number(signing["setId"]), octets(signing["nextCommittee"]))
    signed = justification.signers()
    assert set(signed) <= set(members(signing))
    assert len(signed) == len(justification.signatures) >= quorum(len(members(signing)))


def test_first_block_of_a_set_is_signed_by_that_set() -> None:
    def at(choose: Callable[[int], int]) -> list[int]:
        numbers = [choose(number(one["first"])) for one in SETS]
        found = {number(block["number"]): block for block in BLOCKS}
        return [
            Justification.decode(octets(found[n]["justification"])).commitment.set_id for n in numbers if n in found
        ]

    assert at(lambda first: first) == [0, 1, 2]
    assert at(lambda first: first - 1) == [0, 1]
