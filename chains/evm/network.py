"""Networks of several EVM signers on one machine: geth with Clique, real blocks and peers, on the loopback interface.

A network lives in a folder: `network.json` (what it is, and the pids of those that run), `genesis.json`, `config.toml`
(who the peers are), and `signer-0/`, `signer-1/`, … with `keystore/`, `nodekey`, `geth/` (the chain) and `geth.log`
each. Every signer has two ports of its own and knows the others by address and key, so that any of them can die and
come back. Signers begin to seal when they see enough peers: who seals alone makes a branch that is thrown away later.
The keys are ones that anybody can derive: such a network is for tests and trials.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil
from coincurve import PrivateKey

from chains.process import Process, end, launch, require_free, runs
from poft.chain import ChainSpec, free_port
from poft.protocol.errors import ChainError, ConfigError, Unreachable
from poft.protocol.hashing import keccak
from poft.protocol.signatures import key_address
from poft.whole_file import write_private, write_whole

from .clique import SIGNERS
from .deploy import chain_domain, deploy
from .devnet import GOVERNOR, EvmDevnet, chain_id_of
from .geth import CLIQUE, clique_genesis, geth_program, write_account
from .rpc import Rpc, hex_bytes, quantity, read_bytes

MAX_SIGNERS = 16
_STATE, _GENESIS, _PEERS, _LOG = "network.json", "genesis.json", "config.toml", "geth.log"
_PASSWORD = "for tests only"
_READY_SECONDS, _MESH_SECONDS, _KILL_SECONDS = 60.0, 60.0, 10.0
_LOG_LINES = 8


@dataclass(frozen=True, slots=True)
class Signer:
    """One member: its ports, its name among its peers, its process while it runs."""

    address: str
    rpc_port: int
    peer_port: int
    enode: str
    process: Process | None = None

    @property
    def rpc(self) -> str:
        """URL of its JSON-RPC."""
        return f"http://127.0.0.1:{self.rpc_port}"

    @property
    def peer(self) -> str:
        """Where its peers find it."""
        return f"enode://{self.enode}@127.0.0.1:{self.peer_port}?discport=0"


@dataclass(frozen=True, slots=True)
class SignerStatus:
    """What a signer says of itself; `height` and what follows are 0 while it is down."""

    position: int
    running: bool
    pid: int
    rpc: str
    height: int = 0
    peers: int = 0


@dataclass(frozen=True, slots=True)
class _State:
    """`network.json`; the deployment is known once the contracts are there."""

    name: str
    chain_id: int
    signers: tuple[Signer, ...]
    deployment: dict[str, str] | None = None


def create_network(folder: Path, name: str, signers: int, accounts: Sequence[str] = (), period: int = 1) -> EvmNetwork:
    """A network that has not been started: genesis, keys and ports. `accounts` (0x keys) begin with coins.

    Raises:
        ConfigError: the folder has a network, the number is out of range, a tool is missing.
    """
    folder = folder.resolve()
    if (folder / _STATE).exists():
        raise ConfigError(f"{folder} holds a network", "Choose another folder, or remove this one")
    if not 1 <= signers <= MAX_SIGNERS:
        raise ConfigError(f"a network of {signers} signers", f"Choose 1 to {MAX_SIGNERS}")
    program = geth_program(CLIQUE)
    folder.mkdir(parents=True, exist_ok=True)
    keys = [_key(name, position) for position in range(signers)]
    payers = [EvmDevnet().account(GOVERNOR), *accounts]
    coins = [key_address(read_bytes(secret)) for secret in payers]
    genesis = clique_genesis(chain_id_of(name), [key_address(key) for key in keys], coins, period)
    write_whole(folder / _GENESIS, json.dumps(genesis, indent=2))
    members = tuple(_member(folder, program, position, key) for position, key in enumerate(keys))
    peers = ", ".join(f'"{member.peer}"' for member in members)
    write_whole(folder / _PEERS, f"[Node.P2P]\nStaticNodes = [{peers}]\n")
    network = EvmNetwork(folder, _State(name, chain_id_of(name), members))
    network.save()
    return network


def open_network(folder: Path) -> EvmNetwork:
    """The network of a folder.

    Raises:
        ConfigError: there is none.
    """
    path = folder.resolve() / _STATE
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        members = tuple(
            Signer(**{**one, "process": Process(**one["process"]) if one["process"] else None})
            for one in stored.pop("signers")
        )
        return EvmNetwork(folder.resolve(), _State(**stored, signers=members))
    except FileNotFoundError as error:
        raise ConfigError(f"{folder} holds no network", "Create one first") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is not a network's state", "Remove the folder to begin again") from error


class EvmNetwork:
    """The signers of one folder; made by `create_network` and `open_network`."""

    def __init__(self, folder: Path, state: _State) -> None:
        self._folder = folder
        self._state = state

    @property
    def signers(self) -> tuple[Signer, ...]:
        """The members, running or not."""
        return self._state.signers

    @property
    def positions(self) -> range:
        """Their numbers."""
        return range(len(self.signers))

    def log(self, position: int) -> Path:
        """What a signer has written since it first started."""
        return _home(self._folder, position) / _LOG

    def start(self, positions: Sequence[int] = ()) -> None:
        """Starts these signers, or all, where they do not run; returns when they answer, see peers, and seal.

        Raises:
            ConfigError: one of them ended, or its port is in use. What this call started is stopped then.
        """
        begun = [at for at in positions or self.positions if not runs(self.signers[at].process)]
        program = geth_program(CLIQUE)
        for at in begun:
            require_free(self.signers[at].rpc_port)
            require_free(self.signers[at].peer_port)
        try:
            for at in begun:
                process = launch([str(program), *self._arguments(at)], self.log(at), {})
                self._set(at, replace(self.signers[at], process=process))
            self.save()
            for at in begun:
                self._wait(at)
            for at in begun:
                _ask(self.signers[at].rpc, "miner_start")
        except BaseException:  # whatever it was, also Ctrl-C: nothing that was started here stays behind
            self.stop(begun)
            raise

    def stop(self, positions: Sequence[int] = ()) -> None:
        """Ends these signers, or all, in order; their data stays."""
        for at in positions or self.positions:
            end(self.signers[at].process)
            self._set(at, replace(self.signers[at], process=None))
        self.save()

    def kill(self, position: int) -> None:
        """Ends a signer as a power cut does (SIGKILL)."""
        process = self.signers[position].process
        found = process.find() if process else None
        if found is not None:
            found.kill()
            psutil.wait_procs([found], _KILL_SECONDS)
        self._set(position, replace(self.signers[position], process=None))
        self.save()

    def part(self, groups: Sequence[Sequence[int]]) -> None:
        """Cuts the connections between groups of signers that run; `join` heals it."""
        for group in groups:
            for at in group:
                for other in self.positions:
                    if other not in group:
                        _ask(self.signers[at].rpc, "admin_removePeer", self.signers[other].peer)

    def join(self) -> None:
        """Connects all signers that run again."""
        for at in self.positions:
            if runs(self.signers[at].process):
                for other in self.positions:
                    if other != at:
                        _ask(self.signers[at].rpc, "admin_addPeer", self.signers[other].peer)

    def spec(self, positions: Sequence[int] = (0,)) -> ChainSpec:
        """How to reach the chain through these signers; deploys the contracts where they are not there yet."""
        urls = tuple(self.signers[at].rpc for at in positions)
        rpc = Rpc(urls[0])
        spec = ChainSpec(
            name=self._state.name,
            kind="evm",
            rpc=urls,
            domain=chain_domain(rpc),
            deployment=self._state.deployment or {},
            key=EvmDevnet().account(GOVERNOR),
        )
        rpc.close()
        if self._state.deployment is None:
            signers = " ".join(signer.address for signer in self.signers)
            placed = {**deploy(spec).deployment, SIGNERS: signers}
            self._state = replace(self._state, deployment=placed)
            self.save()
            spec = replace(spec, deployment=placed)
        return spec

    def status(self) -> list[SignerStatus]:
        """What every signer says."""
        return [_status(at, signer) for at, signer in enumerate(self.signers)]

    def save(self) -> None:
        """Writes `network.json`."""
        write_whole(self._folder / _STATE, json.dumps(asdict(self._state), indent=2, sort_keys=True) + "\n")

    def _set(self, position: int, signer: Signer) -> None:
        members = self.signers
        self._state = replace(self._state, signers=(*members[:position], signer, *members[position + 1 :]))

    def _arguments(self, position: int) -> list[str]:
        home, member = _home(self._folder, position), self.signers[position]
        return [
            *["--datadir", str(home), "--config", str(self._folder / _PEERS), "--networkid", str(self._state.chain_id)],
            *["--port", str(member.peer_port), "--nodiscover", "--nodekey", str(home / "nodekey"), "--nat", "none"],
            *["--http", "--http.port", str(member.rpc_port), "--http.api", "eth,net,web3,clique,admin,miner"],
            *["--miner.etherbase", member.address, "--unlock", member.address, "--password", str(home / "password")],
            *["--allow-insecure-unlock", "--syncmode", "full", "--gcmode", "archive", "--ipcdisable"],
            # Fees of development: nobody else pays here.
            *["--miner.gasprice", "1", "--authrpc.port", "0", "--verbosity", "2"],
        ]

    def _wait(self, position: int) -> None:
        """Until it answers, and sees half of its peers: enough for a majority with itself."""
        member = self.signers[position]
        running = sum(runs(one.process) for one in self.signers)
        wanted = min(running - 1, len(self.signers) // 2)
        deadline = time.monotonic() + _READY_SECONDS + _MESH_SECONDS
        while time.monotonic() < deadline:
            if not runs(member.process):
                said = " ".join(self.log(position).read_text(errors="replace").splitlines()[-_LOG_LINES:])
                raise ConfigError(f"signer {position} ended before it answered: {said}", f"See {self.log(position)}")
            try:
                if quantity(_ask(member.rpc, "net_peerCount")) >= wanted:
                    return
            except (Unreachable, ChainError):
                pass  # not listening yet
            time.sleep(0.1)
        raise Unreachable(f"signer {position} sees no peers; see {self.log(position)}")


def _key(name: str, position: int) -> bytes:
    """A key that anybody can derive: worth nothing."""
    return keccak(f"poft/network/evm/{name}/{position}".encode())


def _member(folder: Path, program: Path, position: int, key: bytes) -> Signer:
    home = _home(folder, position)
    write_account(home, key, _PASSWORD)
    node_key = keccak(b"node" + key)
    write_private(home / "nodekey", node_key.hex())
    made = subprocess.run(
        [program, "--datadir", home, "--state.scheme", "hash", "init", folder / _GENESIS],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise ConfigError(f"geth init failed: {made.stderr.strip()[-400:]}", f"See {folder / _GENESIS}")
    enode = PrivateKey(node_key).public_key.format(compressed=False)[1:].hex()
    return Signer(hex_bytes(key_address(key)), free_port(), free_port(), enode)


def _home(folder: Path, position: int) -> Path:
    return folder / f"signer-{position}"


def _ask(url: str, method: str, *params: object) -> str | int | bool | None:
    rpc = Rpc(url)
    try:
        answer = rpc.ask(method, *params)
        return answer if not isinstance(answer, dict | list) else None
    finally:
        rpc.close()


def _status(position: int, signer: Signer) -> SignerStatus:
    running = signer.process if runs(signer.process) else None
    status = SignerStatus(position, running is not None, running.pid if running else 0, signer.rpc)
    if running is None:
        return status
    rpc = Rpc(signer.rpc)
    try:
        return replace(status, height=rpc.number("eth_blockNumber"), peers=rpc.number("net_peerCount"))
    except Unreachable:  # it runs and does not answer: the zeros say so
        return status
    finally:
        rpc.close()


__all__ = ["EvmNetwork", "Signer", "SignerStatus", "create_network", "open_network"]
