"""The Substrate client and devnet on a real chopsticks: the conformance kit, and what only this kind can suffer."""

from __future__ import annotations

from chains.substrate import SubstrateChain, SubstrateDevnet

from .chain_kit import ChainConformance, DevnetConformance


class TestSubstrateChain(ChainConformance):
    make_devnet = SubstrateDevnet
    make_chain = SubstrateChain


class TestSubstrateDevnet(DevnetConformance):
    make_devnet = SubstrateDevnet
    make_chain = SubstrateChain
