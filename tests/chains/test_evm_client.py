"""The EVM client and devnet on a real anvil: the conformance kit, and what only an EVM chain can be attacked with."""

from __future__ import annotations

from chains.evm import EvmChain, EvmDevnet

from .chain_kit import ChainConformance, DevnetConformance


class TestEvmChain(ChainConformance):
    make_devnet = EvmDevnet
    make_chain = EvmChain


class TestEvmDevnet(DevnetConformance):
    make_devnet = EvmDevnet
    make_chain = EvmChain
