"""What is read of a node about its validators' commitments: recorded headers, and a node that makes things up."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from chains.substrate import beefy
from chains.substrate.rpc import Json, NodeError, Rpc
from poft.protocol.errors import Code, Refused

SAID = json.loads((Path(__file__).parent / "beefy_recorded.json").read_text())
BLOCKS = {int(block["number"]): block for block in SAID["blocks"]}
SETS = SAID["sets"]
FIRST = int(SETS[2]["first"])
"""The first block of a set: its header lists the members."""


class Recorded(Rpc):
    """Answers what five real nodes answered, but for what a test replaces."""

    def __init__(self) -> None:
        super().__init__("ws://recorded")
        self.headers = {number: json.loads(json.dumps(block["header"])) for number, block in BLOCKS.items()}
        self.justifications: dict[int, Json] = {
            number: [[list(b"BEEF"), list(bytes.fromhex(block["justification"][2:]))]]
            for number, block in BLOCKS.items()
        }
        self.head: Json = BLOCKS[max(BLOCKS)]["hash"]
        self.state: Json = None

    def ask_all(self, calls: Sequence[tuple[str, Sequence[object]]]) -> list[Json]:
        return [self._answer(method, params) for method, params in calls]

    def _answer(self, method: str, params: Sequence[object]) -> Json:
        names: dict[object, int] = {block["hash"]: number for number, block in BLOCKS.items()}
        match method:
            case "chain_getBlockHash":
                return BLOCKS[int(str(params[0]))]["hash"] if int(str(params[0])) in BLOCKS else None
            case "chain_getHeader":
                return self.headers[names[params[0]]]
            case "chain_getBlock":
                return {"block": {}, "justifications": self.justifications[names[params[0]]]}
            case "beefy_getFinalizedHead" if self.head is not None:
                return self.head
            case "state_call" if self.state is not None:
                return self.state
        raise NodeError(4003, "State already discarded" if method == "state_call" else "not ready")


@pytest.fixture
def node() -> Recorded:
    return Recorded()


def refused(code: Code, act: Callable[[], object]) -> None:
    with pytest.raises(Refused) as caught:
        act()
    assert caught.value.code is code, caught.value


def test_newest_commitment_is_that_of_the_nodes_beefy_head(node: Recorded) -> None:
    assert beefy.committed_height(node) == max(BLOCKS)
    node.head = None
    assert beefy.committed_height(node) == 0


def test_justifications_come_from_every_endpoint_that_has_one(node: Recorded) -> None:
    other = Recorded()
    other.justifications[FIRST] = [[list(b"FRNK"), [1, 2, 3]]]
    third = Recorded()
    third.justifications[FIRST] = None
    assert beefy.justifications([node, other, third], FIRST) == [bytes.fromhex(BLOCKS[FIRST]["justification"][2:])]
    assert beefy.justifications([node], max(BLOCKS) + 1000) == []


@pytest.mark.parametrize("bad", [[[list(b"BEEF"), [256]]], [[list(b"BEEF"), ["x"]]], [[list(b"BEEF"), [-1]]]])
def test_justification_that_is_no_bytes_is_refused(node: Recorded, bad: Json) -> None:
    node.justifications[FIRST] = bad
    refused(Code.Malformed, lambda: beefy.justifications([node], FIRST))


def test_header_names_the_next_committee(node: Recorded) -> None:
    assert "0x" + beefy.next_committee(node, FIRST).hex() == SETS[2]["nextCommittee"]
    assert "0x" + beefy.next_committee(node, FIRST - 1).hex() == SETS[1]["nextCommittee"]


def test_header_that_names_none_or_two_or_too_much_is_refused(node: Recorded) -> None:
    logs = node.headers[FIRST]["digest"]["logs"]
    (named,) = [log for log in logs if log.startswith("0x003101504f4642")]
    for changed in (
        [log for log in logs if log != named],
        [*logs, named],
        [log if log != named else named + "00" for log in logs],
        [log if log != named else named[:-2] for log in logs],
    ):
        node.headers[FIRST]["digest"]["logs"] = changed
        refused(Code.EvidenceDisagrees, lambda: beefy.next_committee(node, FIRST))


def test_first_block_of_a_set_lists_its_members_without_any_state(node: Recorded) -> None:
    found = {"0x" + address.hex() for address in beefy.validators(node, FIRST)}
    assert found == set(SETS[2]["members"])


def test_members_of_another_block_come_from_its_state(node: Recorded) -> None:
    refused(Code.EvidenceDisagrees, lambda: beefy.validators(node, FIRST - 1))
    (change,) = [log for log in node.headers[FIRST]["digest"]["logs"] if log.startswith("0x0442454546")]
    listed = bytes.fromhex(change[2:])[5:]
    keys = listed[listed.index(b"\x01") + 1 :]
    node.state = "0x01" + keys.hex()
    assert {"0x" + address.hex() for address in beefy.validators(node, FIRST - 1)} == set(SETS[2]["members"])
    node.state = "0x00"
    refused(Code.DevelopmentChain, lambda: beefy.validators(node, FIRST - 1))


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("0x01", Code.Malformed),
        ("0x0104" + "00" * 41, Code.Malformed),
        ("0x0104" + "02" + "ff" * 32 + "00" * 8, Code.Malformed),
        ("0x0104" + "00" * 42, Code.Malformed),
        ("0x010501" + "02" * (33 * 65) + "00" * 8, Code.Oversize),
        ("0x0103ffffffff", Code.Malformed),
    ],
    ids=["empty", "short", "no point", "long", "65 keys", "a huge length"],
)
def test_a_set_that_is_none_is_refused(node: Recorded, answer: str, code: Code) -> None:
    node.state = answer
    refused(code, lambda: beefy.validators(node, FIRST - 1))
