"""Governance of an EVM chain through the AccessManager's delays, on a real chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from chains.evm import EvmChain, EvmDevnet
from chains.evm.abi import artifact
from chains.evm.governing import ADMINISTRATOR, Governor
from chains.evm.records import address
from chains.evm.rpc import Rpc
from chains.evm.sending import Payer
from poft.chain import ChainSpec
from poft.protocol.errors import Code, Refused

from .chain_kit import label

pytestmark = pytest.mark.devnet

DELAY = 3600
SOURCE = label("source")


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainSpec]:
    folder, devnet = tmp_path_factory.mktemp("governed"), EvmDevnet()
    accounts = [devnet.account("slow"), devnet.account("nobody")]
    try:
        yield devnet.start(folder, "governed", 0, accounts)
    finally:
        devnet.stop(folder)


def governor(spec: ChainSpec, key: str) -> Governor:
    rpc = Rpc(spec.rpc[0])
    return Governor(rpc, Payer(rpc, key), spec.deployment["Authority"])


def test_call_with_a_delay_is_scheduled_then_made(spec: ChainSpec) -> None:
    chain, rpc = EvmChain(spec), Rpc(spec.rpc[0])
    slow, inbox = EvmDevnet().account("slow"), spec.deployment["Inbox"]
    manager = artifact("Authority")
    member = Payer(rpc, slow).address
    Payer(rpc, spec.key).send(
        spec.deployment["Authority"], manager.call("grantRole", ADMINISTRATOR, address(member), DELAY)
    )
    governed = governor(spec, slow)
    assert governed.require_administrator() == DELAY

    def halt() -> None:
        governed.call(inbox, "Inbox", "setHalted", SOURCE, True)

    for _ in range(2):  # asked again before its time, it is not scheduled anew
        with pytest.raises(Refused) as caught:
            halt()
        assert caught.value.code is Code.DeadlineNotReached
        assert not chain.halted(SOURCE)
    rpc.ask("evm_increaseTime", hex(DELAY))
    rpc.ask("evm_mine")
    halt()
    assert chain.halted(SOURCE)
    chain.close()


def test_manager_itself_is_governed_with_the_same_delay(spec: ChainSpec) -> None:
    fast = governor(spec, spec.key)
    registry = spec.deployment["CheckpointRegistry"]
    assert fast.require_administrator() == 0 and not fast.closed(registry)
    fast.manage("setTargetClosed", address(registry), True, target=registry)
    assert fast.closed(registry)
    fast.manage("setTargetClosed", address(registry), False, target=registry)
    assert not fast.closed(registry)


def test_stranger_governs_nothing(spec: ChainSpec) -> None:
    stranger = governor(replace(spec, key=""), EvmDevnet().account("nobody"))
    with pytest.raises(Refused) as caught:
        stranger.call(spec.deployment["Inbox"], "Inbox", "setHalted", SOURCE, False)
    assert caught.value.code is Code.Unauthorised
