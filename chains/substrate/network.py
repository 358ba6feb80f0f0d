"""Networks of several validators of our own node on one machine: see `chains.network`.

A folder has `node-spec.json` (the chain); a validator has `keystore/`, `node.key` and `data/`. The hash of the genesis
pins what is attested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from chains import network
from chains.network import State, Validator
from poft.chain import ChainSpec, free_port
from poft.network import ValidatorStatus
from poft.protocol.errors import ConfigError

from .devnet import KIND
from .genesis import GOVERNOR, RUNTIME, Beginning, value_key
from .node_spec import SESSION_LENGTH, NodeSpec, write_node_spec
from .poft_node import PoftNode, common_arguments, node_is_built, node_program
from .rpc import Rpc
from .runtime import number, octets
from .sending import height_of
from .validator_keys import ValidatorKeys, development_keys

MAX_VALIDATORS = 64
"""`MaxAuthorities` of the runtime."""

_SPEC, _DATA, _KEYSTORE, _NODE_KEY = "node-spec.json", "data", "keystore", "node.key"
_GENESIS = "genesis"
_STATUS_SECONDS = 5.0


def create_network(
    folder: Path,
    name: str,
    validators: int,
    accounts: Sequence[str] = (),
    *,
    founders: int | None = None,
    session_length: int = SESSION_LENGTH,
    runtime: Path = RUNTIME,
    begin: type[NodeSpec] = NodeSpec,
) -> SubstrateNetwork:
    """See `poft.network.NetworkKind.create_network`. `founders` of the nodes validate from the first block on (all,
    when not told); the others follow, until governance has them validate, at the end of a session.
    The chain begins with `runtime`, which is told of its validators in the way of `begin`.
    """
    folder = folder.resolve()
    network.require_room(folder, validators, MAX_VALIDATORS)
    node_program()
    keys = [development_keys(name, position) for position in range(validators)]
    first = tuple(one.public for one in keys[:founders])
    spec = begin(Beginning(name, tuple(accounts), runtime), first, session_length=session_length)
    write_node_spec(spec, folder / _SPEC)
    members = tuple(_member(folder, position, one) for position, one in enumerate(keys))
    state = State(KIND, name, spec.domain.hex(), members, {})
    network.write_state(folder, state)
    return SubstrateNetwork(folder, state)


def open_network(folder: Path) -> SubstrateNetwork:
    """See `poft.network.NetworkKind.open_network`."""
    folder = folder.resolve()
    return SubstrateNetwork(folder, network.read_state(folder, KIND))


class SubstrateNetwork(network.Network):
    """The validators of one folder; made by `create_network` and `open_network`."""

    @property
    def domain(self) -> bytes:
        """The chain's domain."""
        return bytes.fromhex(self._state.domain)

    @property
    def engine(self) -> str:
        """See `poft.network.Network.engine`."""
        return f"{PoftNode.name} {PoftNode().version()}" if node_is_built() else PoftNode.name

    def spec(self, positions: Sequence[int] = (0,)) -> ChainSpec:
        """See `poft.network.Network.spec`."""
        if not self._state.deployment:
            raise ConfigError(f"the network {self.name!r} was never started", "Start it first")
        return ChainSpec(
            name=self.name,
            kind=KIND,
            rpc=tuple(self.validators[at].rpc for at in positions),
            domain=self.domain,
            deployment=self._state.deployment,
            key=GOVERNOR,
        )

    def program(self) -> Path:
        """See `chains.network.Network.program`."""
        return node_program()

    def database(self, position: int) -> Path:
        """See `chains.network.Network.database`."""
        return self.home(position) / _DATA

    def arguments(self, position: int) -> list[str]:
        """See `chains.network.Network.arguments`."""
        home, member = self.home(position), self.validators[position]
        others = [one.peer for at, one in enumerate(self.validators) if at != position]
        return [
            *common_arguments(self._folder / _SPEC, self.database(position), member.rpc_port),
            *["--validator", "--name", f"{self.name}-{position}"],
            *["--keystore-path", str(home / _KEYSTORE), "--node-key-file", str(home / _NODE_KEY)],
            *["--listen-addr", _address(member.peer_port)],
            # No place for peers that are not named, and those who are can be taken back by `part`: an unsafe method, on
            # the loopback interface. A single validator has nobody to wait for.
            *["--rpc-methods", "unsafe", "--in-peers", "0", "--out-peers", "0"],
            *(["--reserved-nodes", *others] if others else ["--force-authoring"]),
        ]

    def cut(self, position: int, peers: Sequence[str]) -> None:
        """See `chains.network.Network.cut`."""
        names = [peer.rsplit("/", 1)[1] for peer in peers]
        _tell(self.validators[position].rpc, "system_removeReservedPeer", names)

    def connect(self, position: int, peers: Sequence[str]) -> None:
        """See `chains.network.Network.connect`."""
        _tell(self.validators[position].rpc, "system_addReservedPeer", peers)

    def answers(self, position: int) -> bool:
        """See `chains.network.Network.answers`."""
        rpc = Rpc(self.validators[position].rpc)
        try:
            rpc.ask("chain_getHeader")
            return True
        finally:
            rpc.close()

    def began(self, positions: Sequence[int]) -> None:
        """The genesis is known once a validator has run."""
        if not self._state.deployment:
            rpc = Rpc(self.validators[positions[0]].rpc)
            self.save(replace(self._state, deployment={_GENESIS: rpc.text("chain_getBlockHash", 0)}))
            rpc.close()

    def look(self, position: int, status: ValidatorStatus) -> ValidatorStatus:
        """See `chains.network.Network.look`."""
        rpc = Rpc(self.validators[position].rpc, _STATUS_SECONDS)
        try:
            head = rpc.record("chain_getHeader")
            final = rpc.record("chain_getHeader", rpc.text("chain_getFinalizedHead"))
            peers = number(rpc.record("system_health")["peers"])
            outbox = rpc.ask("state_getStorage", value_key("Bridge", "Outbox"))
        finally:
            rpc.close()
        size = int.from_bytes(octets(outbox)[:8], "little") if outbox else 0
        return replace(status, height=height_of(head), final=height_of(final), peers=peers, outbox_size=size)


def _member(folder: Path, position: int, keys: ValidatorKeys) -> Validator:
    home = network.home(folder, position)
    keys.write(home / _KEYSTORE, home / _NODE_KEY)
    peer_port = free_port()
    peer = f"{_address(peer_port)}/p2p/{keys.peer}"
    return Validator(f"ws://127.0.0.1:{free_port()}", peer_port, peer, "0x" + keys.public.aura.hex())


def _tell(url: str, method: str, values: Sequence[str]) -> None:
    rpc = Rpc(url)
    try:
        rpc.ask_all([(method, (value,)) for value in values])
    finally:
        rpc.close()


def _address(peer_port: int) -> str:
    return f"/ip4/127.0.0.1/tcp/{peer_port}"
