"""Real go-ethereum behind the chain interface: its development mode, and a network of four Clique signers.

Where geth was not built these tests fail, and say `make geth`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chains.evm import EvmChain, EvmDevnet
from chains.evm.geth_devnet import GethDevnet
from chains.evm.network import create_network
from poft.protocol.errors import ConfigError

from .chain_kit import ChainConformance, DevnetConformance, Net

pytestmark = [pytest.mark.built, pytest.mark.devnet, pytest.mark.slow]


class TestGethDevelopmentMode(ChainConformance):
    make_devnet = GethDevnet
    make_chain = EvmChain

    def test_tags_are_settings(self, net: Net) -> None:
        head = EvmChain(net.spec).height()
        safe, final = (EvmChain(replace(net.spec, finality=tag)) for tag in ("safe", "finalized"))
        assert safe.final_height() == head
        assert final.final_height() == (head - 1) // 32 * 32 > 0
        assert final.finality_evidence(final.final_height()).height == final.final_height()


def test_start_refused_without_geth_names_what_builds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(ConfigError, match=r"geth v1\.16\.7 is not installed.*make geth"):
        GethDevnet().start(tmp_path / "devnet", "no tool", 0)
    with pytest.raises(ConfigError, match=r"geth v1\.13\.15 is not installed.*make geth"):
        create_network(tmp_path / "network", "no tool", 4)
    assert not (tmp_path / "devnet").exists() and not (tmp_path / "network").exists()


class TestGethDevnet(DevnetConformance):
    make_devnet = GethDevnet
    make_chain = EvmChain


class TestFourCliqueSigners(ChainConformance):
    """Without a period: a block for every transaction, sealed in turns, so that the kit ends."""

    make_devnet = EvmDevnet
    make_chain = EvmChain

    @pytest.fixture(scope="class")
    @classmethod
    def net(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
        stranger = EvmDevnet().account("stranger")
        network = create_network(tmp_path_factory.mktemp("kit"), "conformance", 4, [stranger], period=0)
        network.start()
        try:
            yield Net(network.spec(), EvmChain, stranger)
        finally:
            network.stop()
