"""When a block of an EVM chain is final: which settings there are, and what each refuses."""

from __future__ import annotations

from typing import cast

import pytest

from chains.evm.clique import SIGNERS
from chains.evm.finality import Confirmations, Finality, Seals, Tag, final_height, read_finality
from chains.evm.rpc import Json, NodeError, Object, Rpc
from poft.chain import ChainSpec
from poft.protocol.errors import Code, ConfigError, Refused

ONE, OTHER = "0x" + "11" * 20, "0x" + "22" * 20


def spec(finality: str = "", signers: str = "", development: bool = False) -> ChainSpec:
    return ChainSpec(
        name="alpha",
        kind="evm",
        rpc=("http://127.0.0.1:8545",),
        domain=bytes(32),
        deployment={SIGNERS: signers} if signers else {},
        finality=finality,
        development=development,
    )


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (spec("finalized"), Tag("finalized")),
        (spec("safe"), Tag("safe")),
        (spec("confirmations 12"), Confirmations(12)),
        (spec("confirmations 0", development=True), Confirmations(0)),
        (spec("clique", f"{OTHER} {ONE}"), Seals((bytes.fromhex("11" * 20), bytes.fromhex("22" * 20)))),
        (spec(signers=ONE), Seals((bytes.fromhex("11" * 20),))),
        (spec("finalized", signers=ONE), Tag("finalized")),
        (spec(), Tag("finalized")),
        (spec(development=True), Confirmations(0)),
    ],
)
def test_setting_means(said: ChainSpec, meant: Finality) -> None:
    assert read_finality(said) == meant


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (spec("final"), "alpha: finality 'final'.*confirmations N"),
        (spec("Finalized"), "'Finalized'"),
        (spec("latest"), "'latest'"),
        (spec("12"), "'12'"),
        (spec("confirmations"), "'confirmations'"),
        (spec("confirmations -1"), "'confirmations -1'"),
        (spec("confirmations 10000"), "'confirmations 10000'"),
        (spec("confirmations 0"), "newest block is final on a development chain only"),
        (spec("clique"), f"without signers.*{SIGNERS}"),
    ],
)
def test_setting_refused_by_name(said: ChainSpec, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_finality(said)


def test_setting_refused_signers_that_cannot_be_any() -> None:
    with pytest.raises(Refused) as refused:
        read_finality(spec(signers=f"{ONE} {ONE}"))
    assert refused.value.code is Code.CommitteeInvalid


class Node:
    """A node at a height, with some tags."""

    url = "http://node"

    def __init__(self, head: int, **tags: int | None) -> None:
        self._head, self._tags = head, tags

    def number(self, _method: str) -> int:
        return self._head

    def record(self, _method: str, tag: str, _full: bool) -> Object | None:
        if tag not in self._tags:
            raise NodeError(-39001, f"{tag} block not found")
        height: Json = self._tags[tag]
        return None if height is None else {"number": hex(cast(int, height))}


def at(node: Node, finality: Finality) -> int:
    return final_height(cast(Rpc, node), finality)


def test_final_height_is_what_the_setting_says() -> None:
    node = Node(100, finalized=64, safe=96)
    assert [at(node, one) for one in (Tag("finalized"), Tag("safe"), Confirmations(7))] == [64, 96, 93]
    assert at(Node(3), Confirmations(7)) == 0
    assert at(Node(100, finalized=None), Tag("finalized")) == 0
    assert at(Node(0), Tag("finalized")) == 0


def test_final_height_refused_node_without_the_tag() -> None:
    with pytest.raises(ConfigError, match=r"http://node knows no safe block.*confirmations N"):
        at(Node(100, finalized=64), Tag("safe"))
