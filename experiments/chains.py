"""The chains of a run: embedded devnets, or networks of several validators, each in a folder of its own.

`chains/NETWORK/spec.json` says how to reach a chain; a network's spec names every validator. Whoever needs one endpoint
takes one of them: attestors and relayers each have a validator of their own, as the members of a consortium do.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from poft.chain import Chain, ChainSpec, connect, devnet
from poft.chain_spec import write_spec
from poft.network import Network, is_network, network_kind
from poft.protocol.errors import Unreachable

_DEVNET = "devnet.json"
_POLL_SECONDS = 0.2


def start_devnet(place: Path, kind: str, name: str, accounts: Sequence[str], engine: str = "") -> ChainSpec:
    """Starts or resumes an embedded devnet; by the kind's own choice of engine where none is named."""
    spec = replace(devnet(kind, engine).start(place, name, 0, accounts), name=name)
    write_spec(place / "spec.json", spec)
    return spec


def start_network(
    place: Path, kind: str, name: str, validators: int, accounts: Sequence[str]
) -> tuple[ChainSpec, Network]:
    """Starts or resumes a network of several validators, whole and joined."""
    kinds = network_kind(kind)
    if is_network(place):
        network = kinds.open_network(place)
    else:
        place.mkdir(parents=True, exist_ok=True)
        network = kinds.create_network(place, name, validators, accounts)
    network.start()
    network.join()
    spec = replace(network.spec(network.positions), name=name)
    write_spec(place / "spec.json", spec)
    return spec, network


def engine_of(place: Path, kind: str) -> str:
    """What makes the blocks of an embedded devnet."""
    return devnet(kind).status(place).engine


def stop_chain(place: Path, kind: str) -> None:
    """Stops a devnet or network, however far its start had come; its state stays."""
    if (place / _DEVNET).exists():
        devnet(kind).stop(place)
    if is_network(place):
        network_kind(kind).open_network(place).stop()


def one_endpoint(spec: ChainSpec, at: int = 0) -> ChainSpec:
    """The spec of somebody who has an endpoint of its own: the `at`-th, counted round."""
    return replace(spec, rpc=(spec.rpc[at % len(spec.rpc)],))


class Failover:
    """Connections to one chain through its endpoints in turn: whoever uses it goes on where the next one stands."""

    def __init__(self, spec: ChainSpec) -> None:
        self._spec = spec
        self._at = 0
        self.chain: Chain = connect(one_endpoint(spec))

    def next(self) -> Chain:
        """A connection through the next endpoint that answers.

        Raises:
            Unreachable: none does.
        """
        self.chain.close()
        for _ in self._spec.rpc:
            self._at += 1
            try:
                self.chain = connect(one_endpoint(self._spec, self._at))
                return self.chain
            except Unreachable as error:
                failed = error
        raise failed

    def close(self) -> None:
        """Ends the connection."""
        self.chain.close()


def wait_until_final(chain: Chain, seconds: float) -> None:
    """Returns when the block that is the best now is final: nothing that it has can be taken back.

    Raises:
        Unreachable: it does not become final in time.
    """
    height, deadline = chain.height(), time.monotonic() + seconds
    while chain.final_height() < height:
        if time.monotonic() > deadline:
            raise Unreachable(f"{chain.spec.name}: block {height} is not final after {seconds:.0f} s")
        time.sleep(_POLL_SECONDS)
