"""A hostile RPC endpoint: whatever it answers, evidence is refused or the endpoint is called unreachable."""

from __future__ import annotations

import pytest
import rlp  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.evm.evidence import header_hash, proven_slot
from chains.evm.rpc import Json, quantity, read_bytes
from poft.protocol.errors import Code, Refused, Unreachable
from poft.protocol.hashing import keccak

ITEMS = st.recursive(st.binary(max_size=40), lambda inner: st.lists(inner, max_size=17), max_leaves=20)
NODES = st.lists(st.one_of(ITEMS.map(rlp.encode), st.binary(max_size=40)), max_size=4)


def shown(nodes: list[bytes]) -> list[Json]:
    return ["0x" + node.hex() for node in nodes]


@settings(max_examples=300, deadline=None)
@given(NODES, NODES)
def test_made_up_trie_nodes_prove_nothing(account: list[bytes], storage: list[bytes]) -> None:
    root = keccak(account[0]) if account else bytes(32)
    answer: dict[str, Json] = {"accountProof": shown(account), "storageProof": [{"proof": shown(storage)}]}
    with pytest.raises(Refused) as refused:
        proven_slot(root, bytes(20), bytes(32), answer)
    assert refused.value.code is Code.EvidenceDisagrees


@pytest.mark.parametrize("value", ["", "0x", "0xg1", "12", "0x-1", "-0x1", "0x" + "1" * 65, 7, None, [], {}])
def test_a_quantity_that_is_none_makes_the_endpoint_unreachable(value: Json) -> None:
    with pytest.raises(Unreachable):
        quantity(value)


@pytest.mark.parametrize("value", ["", "0", "0x1", "0xzz", 7, None, []])
def test_data_that_is_none_makes_the_endpoint_unreachable(value: Json) -> None:
    with pytest.raises(Unreachable):
        read_bytes(value)


def test_an_empty_header_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        header_hash({})
    assert refused.value.code is Code.EvidenceDisagrees
