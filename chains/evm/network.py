"""Networks of several EVM signers on one machine, geth with Clique: see `chains.network`.

A folder has `genesis.json` and `config.toml` (who the peers are); a signer has `keystore/`, `password`, `nodekey` and
`geth/` (the chain). Signers begin to seal when they see enough peers: who seals alone makes a branch that is thrown
away later.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from coincurve import PrivateKey

from chains import network
from chains.network import State, Validator
from chains.process import runs
from poft.chain import ChainSpec, free_port
from poft.network import ValidatorStatus
from poft.protocol.errors import ConfigError
from poft.protocol.hashing import keccak
from poft.protocol.signatures import key_address
from poft.whole_file import write_private, write_whole

from .abi import artifact
from .clique import SIGNERS, read_signers
from .deploy import chain_domain, deploy
from .devnet import GOVERNOR, KIND, EvmDevnet, chain_id_of
from .finality import Seals, final_height
from .geth import CLIQUE, DATABASE, clique_genesis, geth_program, write_account
from .rpc import Rpc, hex_bytes, quantity, read_bytes

MAX_SIGNERS = 16
_GENESIS, _PEERS, _DATABASE = "genesis.json", "config.toml", "geth"
_PASSWORD = "for tests only"
_STATUS_SECONDS = 5.0


def create_network(
    folder: Path, name: str, validators: int, accounts: Sequence[str] = (), period: int = 1
) -> EvmNetwork:
    """See `poft.network.NetworkKind.create_network`; `period` in seconds between blocks."""
    folder = folder.resolve()
    network.require_room(folder, validators, MAX_SIGNERS)
    geth_program(CLIQUE)
    folder.mkdir(parents=True, exist_ok=True)
    keys = [_key(name, position) for position in range(validators)]
    payers = [EvmDevnet().account(GOVERNOR), *accounts]
    coins = [key_address(read_bytes(secret)) for secret in payers]
    genesis = clique_genesis(chain_id_of(name), [key_address(key) for key in keys], coins, period)
    write_whole(folder / _GENESIS, json.dumps(genesis, indent=2))
    members = tuple(_member(folder, position, key) for position, key in enumerate(keys))
    peers = ", ".join(f'"{member.peer}"' for member in members)
    write_whole(folder / _PEERS, f"[Node.P2P]\nStaticNodes = [{peers}]\n")
    state = State(KIND, name, "", members, {})
    network.write_state(folder, state)
    return EvmNetwork(folder, state)


def open_network(folder: Path) -> EvmNetwork:
    """See `poft.network.NetworkKind.open_network`."""
    folder = folder.resolve()
    return EvmNetwork(folder, network.read_state(folder, KIND))


class EvmNetwork(network.Network):
    """The signers of one folder; made by `create_network` and `open_network`."""

    @property
    def engine(self) -> str:
        """See `poft.network.Network.engine`."""
        return f"geth {CLIQUE.removeprefix('v')}"

    def spec(self, positions: Sequence[int] = (0,)) -> ChainSpec:
        """See `poft.network.Network.spec`."""
        if not self._state.domain:
            raise ConfigError(f"the network {self.name!r} was never started", "Start it first")
        spec = ChainSpec(
            name=self.name,
            kind=KIND,
            rpc=tuple(self.validators[at].rpc for at in positions),
            domain=bytes.fromhex(self._state.domain),
            deployment=self._state.deployment,
            key=EvmDevnet().account(GOVERNOR),
        )
        if not self._state.deployment:
            signers = " ".join(signer.account for signer in self.validators)
            spec = replace(spec, deployment={**deploy(spec).deployment, SIGNERS: signers})
            self.save(replace(self._state, deployment=spec.deployment))
        return spec

    def program(self) -> Path:
        """See `chains.network.Network.program`."""
        return geth_program(CLIQUE)

    def database(self, position: int) -> Path:
        """See `chains.network.Network.database`."""
        return self.home(position) / _DATABASE

    def arguments(self, position: int) -> list[str]:
        """See `chains.network.Network.arguments`; a new database begins with the genesis."""
        home, member = self.home(position), self.validators[position]
        if not self.database(position).exists():
            self._begin(position)
        peers, chain_id = str(self._folder / _PEERS), str(chain_id_of(self.name))
        return [
            *["--datadir", str(home), "--config", peers, "--networkid", chain_id],
            *["--port", str(member.peer_port), "--nodiscover", "--nodekey", str(home / "nodekey"), "--nat", "none"],
            *["--http", "--http.port", str(member.rpc_port), "--http.api", "eth,net,web3,clique,admin,miner,debug"],
            *["--miner.etherbase", member.account, "--unlock", member.account, "--password", str(home / "password")],
            *["--allow-insecure-unlock", "--syncmode", "full", "--gcmode", "archive", "--ipcdisable", *DATABASE],
            # Fees of development: nobody else pays here.
            *["--miner.gasprice", "1", "--authrpc.port", "0", "--verbosity", "2"],
        ]

    def cut(self, position: int, peers: Sequence[str]) -> None:
        """See `chains.network.Network.cut`."""
        for peer in peers:
            _ask(self.validators[position].rpc, "admin_removePeer", peer)

    def connect(self, position: int, peers: Sequence[str]) -> None:
        """See `chains.network.Network.connect`."""
        for peer in peers:
            _ask(self.validators[position].rpc, "admin_addPeer", peer)

    def answers(self, position: int) -> bool:
        """Whether it sees half of its peers: enough for a majority with itself."""
        running = sum(runs(one.process) for one in self.validators)
        peers = quantity(_ask(self.validators[position].rpc, "net_peerCount"))
        return peers >= min(running - 1, len(self.validators) // 2)

    def began(self, positions: Sequence[int]) -> None:
        """They seal only now, when all of them see their peers. The domain is known once a signer has run."""
        for at in positions:
            _ask(self.validators[at].rpc, "miner_start")
        if not self._state.domain:
            rpc = Rpc(self.validators[positions[0]].rpc)
            self.save(replace(self._state, domain=chain_domain(rpc).hex()))
            rpc.close()

    def look(self, position: int, status: ValidatorStatus) -> ValidatorStatus:
        """See `chains.network.Network.look`; `final` by Clique's rule."""
        rpc = Rpc(self.validators[position].rpc, _STATUS_SECONDS)
        try:
            head, peers = rpc.number("eth_blockNumber"), rpc.number("net_peerCount")
            signers = read_signers(" ".join(one.account for one in self.validators))
            final = final_height(rpc, Seals(signers))
            outbox = self._state.deployment.get("Outbox")
            size = int.from_bytes(rpc.call(outbox, artifact("Outbox").call("state"))[:32], "big") if outbox else 0
        finally:
            rpc.close()
        return replace(status, height=head, final=final, peers=peers, outbox_size=size)

    def _begin(self, position: int) -> None:
        scheme = ["--datadir", str(self.home(position)), "--state.scheme", "hash", *DATABASE]
        command = [str(self.program()), *scheme, "init", str(self._folder / _GENESIS)]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            raise self.failed(position, made.stderr)


def _key(name: str, position: int) -> bytes:
    """A key that anybody can derive: worth nothing."""
    return keccak(f"poft/network/evm/{name}/{position}".encode())


def _member(folder: Path, position: int, key: bytes) -> Validator:
    home = network.home(folder, position)
    write_account(home, key, _PASSWORD)
    node_key = keccak(b"node" + key)
    write_private(home / "nodekey", node_key.hex())
    enode = PrivateKey(node_key).public_key.format(compressed=False)[1:].hex()
    peer_port = free_port()
    peer = f"enode://{enode}@127.0.0.1:{peer_port}?discport=0"
    return Validator(f"http://127.0.0.1:{free_port()}", peer_port, peer, hex_bytes(key_address(key)))


def _ask(url: str, method: str, *params: object) -> str | int | bool | None:
    rpc = Rpc(url)
    try:
        answer = rpc.ask(method, *params)
        return answer if not isinstance(answer, dict | list) else None
    finally:
        rpc.close()


__all__ = ["EvmNetwork", "create_network", "open_network"]
