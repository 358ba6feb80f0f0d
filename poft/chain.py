"""What the library needs of a chain, whatever its kind.

`Chain` is implemented by `chains.evm.EvmChain` and `chains.substrate.SubstrateChain`, and found through the entry-point
group `poft.chains` by the `kind` of a `ChainSpec`. Nothing above this module asks which chain it has. Reads return what
the connected node says: whoever needs more than that node's word asks for `finality_evidence`, which checks it.

Errors of every method: `Unreachable` when the node does not answer, `Rejected` with the ledger's code when a
transaction is refused (nothing was changed then), `Refused` when evidence does not hold.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from poft.protocol.acknowledgement import Fate
from poft.protocol.checkpoint import Checkpoint
from poft.protocol.errors import ConfigError
from poft.protocol.packet import Packet
from poft.protocol.statements import Membership, Signed, Update, Verdict, Vote
from poft.verification.api import Finalised, TrustState
from poft.verification.receive import PacketProof
from poft.verification.state_proof import StateProof


@dataclass(frozen=True, slots=True)
class ChainSpec:
    """How to reach a chain, as it stands in TOML and in a devnet's folder.

    `rpc` may name several endpoints of the same chain: whoever attests asks all of them. `domain` is the chain that is
    expected behind them. `deployment` holds what the kind needs to find the contracts (EVM: name → 0x address).
    `key` is the payer's secret (EVM: 0x private key; Substrate: 0x seed or a derivation such as //Alice); empty = read
    only. `finality` says when a block is final, in the words of the kind, where its chains differ in that (EVM:
    "finalized", "safe", "clique", "confirmations 12"); empty = as such chains usually have it. `development`
    says that this is a devnet, so that evidence which such chains cannot give is not asked for.
    """

    name: str
    kind: str
    rpc: tuple[str, ...]
    domain: bytes
    deployment: dict[str, str] = field(default_factory=dict)
    key: str = field(default="", repr=False)
    finality: str = ""
    development: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a transaction did. `cost` in gas, or in picoseconds of reference time; `sent_bytes` = its size."""

    transaction: str
    height: int
    cost: int
    sent_bytes: int


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """Leaf `index` of a chain's outbox: the packet, its payload, and the block that appended it."""

    index: int
    packet: Packet
    payload: bytes
    height: int


@dataclass(frozen=True, slots=True)
class ClientStatus:
    """A destination's light client of one source. `scheme` names how it is convinced."""

    scheme: bytes
    state: TrustState
    generation: int
    frozen: bool
    max_drift: int
    staleness: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a delivered packet. `failure` is what the application refused it with, in the ledger's words."""

    packet_id: bytes
    nonce: int
    height: int
    dispatched: bool
    expired: bool = False
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A packet of this chain, and what its destination said became of it. `carrier` delivered it over there."""

    packet_id: bytes
    fate: Fate
    carrier: bytes


class Phase(IntEnum):
    """Where a round stands."""

    NONE = 0
    TRAINING = 1
    VERIFYING = 2
    AGGREGATING = 3
    FINAL = 4
    FAILED = 5


@dataclass(frozen=True, slots=True)
class Member:
    """A participant in a round's member list, which is sorted by address."""

    participant: bytes
    capacity: int
    encryption_key: bytes


@dataclass(frozen=True, slots=True)
class Task:
    """A training request, as it stands on the ledger."""

    config_digest: bytes
    rounds: int
    steps_per_round: int
    export_every: int
    phase_blocks: int
    min_trainers: int


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """A task and how far it has come. `round` is the last round that was started (0 = none)."""

    task: Task
    round: int
    phase: Phase
    last_final_round: int
    last_checkpoint: bytes


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """One round as the ledger has it. `steps`, bitmaps and indices follow `members`.

    `updates`: member index → the statement and its digest. `votes`: member index → checkpoint id.
    """

    round: int
    phase: Phase
    start_height: int
    deadline: int
    members: tuple[Member, ...]
    steps: tuple[int, ...]
    updates: dict[int, tuple[Update, bytes]]
    verdicts: dict[int, int]
    accepted: int
    votes: dict[int, bytes]
    checkpoint: bytes


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """A checkpoint that this chain knows. `source_domain` is zero for its own; then `previous` is zero as well."""

    checkpoint: Checkpoint
    parents: tuple[bytes, ...]
    height: int
    source_domain: bytes = bytes(32)
    previous: bytes = bytes(32)


@dataclass(frozen=True, slots=True)
class Peer:
    """A federation on another chain whose checkpoints are taken. `endpoint` sends over there."""

    domain: bytes
    federation: bytes
    task: bytes
    genesis_checkpoint: bytes
    endpoint: bytes


class Chain(Protocol):
    """One chain, asked and paid through one connection. Methods block; a connection belongs to one thread."""

    @property
    def spec(self) -> ChainSpec:
        """What this connection was made from."""
        ...

    @property
    def domain(self) -> bytes:
        """The domain that the ledger itself states; equal to the spec's (checked on connecting: `WrongDomain`)."""
        ...

    @property
    def cost_unit(self) -> str:
        """What `Receipt.cost` counts: "gas" or "ps of ref_time"."""
        ...

    @property
    def endpoint(self) -> bytes:
        """Sender and receiver of this chain's checkpoint packets."""
        ...

    @property
    def inbox_endpoint(self) -> bytes:
        """Sender and receiver of this chain's acknowledgements."""
        ...

    def close(self) -> None:
        """Ends the connection."""
        ...

    # Blocks and finality

    def height(self) -> int:
        """Height of the best block."""
        ...

    def final_height(self) -> int:
        """Height of the newest block that is final by the spec's setting."""
        ...

    @property
    def first_height(self) -> int:
        """The first block that says something about the outbox: there is none before."""
        ...

    def block_hash(self, height: int) -> bytes:
        """Hash of the block that the connected node has at this height, by its word.

        Raises:
            Refused: NotFinal, it has none there.
        """
        ...

    def finality_evidence(self, height: int) -> Finalised:
        """What block `height` says, with header, storage and proof in agreement on every endpoint.

        Raises:
            Refused: NotFinal, EvidenceDisagrees, DevelopmentChain (evidence that only a devnet may lack is missing).
        """
        ...

    def outbox_heights(self, first: int, last: int) -> list[int]:
        """Heights in [first, last] whose block changed the outbox, ascending."""
        ...

    def outbox_size(self) -> int:
        """Leaves in the outbox at the best block."""
        ...

    def outbox_entries(self, start: int, stop: int) -> list[OutboxEntry]:
        """Leaves [start, stop) of the outbox, in order."""
        ...

    # Light clients and inbox (this chain as a destination)

    def client(self, source_domain: bytes) -> ClientStatus:
        """The light client of a source; `Refused(Uninitialised)` when there is none."""
        ...

    def next_nonce(self, source_domain: bytes) -> int:
        """The nonce that the inbox expects next from this source."""
        ...

    def update_client(self, source_domain: bytes, proof: bytes) -> Receipt:
        """A finality update alone: works on a stale client too, which a delivery does not."""
        ...

    def deliver(
        self,
        source_domain: bytes,
        proof: bytes | None,
        outbox_size: int,
        packets: Sequence[PacketProof],
    ) -> Receipt:
        """One transaction: a finality update (if any), then packets proven against the outbox of that size."""
        ...

    def halted(self, source_domain: bytes) -> bool:
        """Whether deliveries and retries from this source are stopped."""
        ...

    def acknowledgements(self, destination_domain: bytes) -> list[Acknowledged]:
        """What the inbox over there said last of each of this chain's packets, in the order of those words."""
        ...

    def outcomes(self, source_domain: bytes) -> list[Outcome]:
        """What became of every packet delivered from this source, by nonce."""
        ...

    def retry(self, packet: Packet, payload: bytes) -> Receipt:
        """Dispatches a consumed packet whose application had failed once more."""
        ...

    def submit_misbehaviour(self, source_domain: bytes, first: bytes, second: bytes) -> Receipt:
        """Freezes the client of a source that contradicted itself."""
        ...

    # Governance

    def create_client(
        self, source_domain: bytes, scheme: bytes, genesis: bytes, max_drift: int, staleness: int
    ) -> Receipt:
        """Follows a source by a scheme. `max_drift` and `staleness` in seconds of this chain's time.

        `Rejected` with `UnknownScheme` where this chain cannot verify it.
        """
        ...

    def recover_client(self, source_domain: bytes, scheme: bytes, genesis: bytes) -> Receipt:
        """Lifts a freeze: a later epoch, a new generation, nothing known of the source; nonces go on.

        The scheme may be another than before.
        """
        ...

    def freeze_client(self, source_domain: bytes) -> Receipt:
        """Stops believing a source, until it is recovered."""
        ...

    def set_halted(self, source_domain: bytes, halted: bool) -> Receipt:
        """Stops deliveries and retries from a source, or lifts that. What is believed of the source goes on."""
        ...

    def set_acknowledgements(self, source_domain: bytes, inbox: bytes) -> Receipt:
        """Acknowledges packets of a source to its inbox, and takes that inbox's acknowledgements; zero = no more."""
        ...

    def set_peer(self, peer: Peer) -> Receipt:
        """Takes checkpoints of a federation on another chain."""
        ...

    def set_routes(self, task: bytes, routes: Sequence[tuple[bytes, bytes]]) -> Receipt:
        """Where a task's checkpoints are exported to: (destination domain, receiving endpoint)."""
        ...

    def peer(self, source_domain: bytes, federation: bytes, task: bytes) -> Peer | None:
        """Who speaks for a federation on another chain, as it was set last; None where that is nobody."""
        ...

    def routes(self, task: bytes) -> list[tuple[bytes, bytes]]:
        """Where a task's checkpoints are exported to."""
        ...

    def peer_inbox(self, source_domain: bytes) -> bytes:
        """The inbox over there that is told what became of its packets; zero where none is."""
        ...

    def admit(self, participants: Sequence[bytes]) -> Receipt:
        """Allows these training keys to join."""
        ...

    def expel(self, participants: Sequence[bytes]) -> Receipt:
        """Takes that back; effective with the next round."""
        ...

    def create_task(self, task: Task, genesis: Checkpoint) -> Receipt:
        """Requests training. The genesis checkpoint names federation and task."""
        ...

    # Federation

    def federation(self) -> bytes:
        """Id of the federation on this chain."""
        ...

    def members(self) -> list[Member]:
        """Who would take part in a round that started now, sorted by address."""
        ...

    def set_members(self, statements: Sequence[Signed[Membership]]) -> Receipt:
        """Carries memberships."""
        ...

    def task(self, task: bytes) -> TaskStatus:
        """A task; `Refused(UnknownTask)` when there is none."""
        ...

    def round(self, task: bytes, round: int) -> RoundRecord:
        """A round; `Refused(WrongRound)` when it was not started."""
        ...

    def start_round(self, task: bytes) -> Receipt:
        """Starts the next round."""
        ...

    def submit_updates(self, task: bytes, updates: Sequence[Signed[Update]]) -> Receipt:
        """Carries trainers' updates."""
        ...

    def submit_verdicts(self, task: bytes, verdicts: Sequence[Signed[Verdict]]) -> Receipt:
        """Carries verifiers' verdicts."""
        ...

    def submit_votes(self, task: bytes, votes: Sequence[Signed[Vote]]) -> Receipt:
        """Carries votes for a checkpoint."""
        ...

    def finalise(self, task: bytes, checkpoint: Checkpoint, parents: Sequence[bytes]) -> Receipt:
        """Embeds the checkpoint that more than two thirds voted for, and exports it where that is due."""
        ...

    def advance(self, task: bytes) -> Receipt:
        """Pushes an overdue round on."""
        ...

    def checkpoints(self, task: bytes) -> list[CheckpointRecord]:
        """This chain's own checkpoints of a task, genesis first."""
        ...

    def imports(self) -> list[CheckpointRecord]:
        """Checkpoints accepted from other chains, in the order of acceptance."""
        ...

    def ledger_bytes(self, receipts: Sequence[Receipt]) -> int:
        """Bytes that these transactions put on the ledger: calldata or extrinsics, events, new storage."""
        ...


@dataclass(frozen=True, slots=True)
class DevnetStatus:
    """A devnet of this project on this machine."""

    name: str
    kind: str
    engine: str
    running: bool
    pid: int
    rpc: str
    folder: str


@runtime_checkable
class StateSource(Protocol):
    """A chain whose state proves what its outbox is (scheme ESP1): an EVM."""

    @property
    def outbox_address(self) -> bytes:
        """The account of the outbox, 20 bytes."""
        ...

    def state_proof(self, height: int) -> StateProof:
        """From the state root at a height to the outbox's commitment, as the connected node gives it.

        Raises:
            Refused: DevelopmentChain, EvidenceDisagrees.
        """
        ...


@runtime_checkable
class CommitmentSource(Protocol):
    """A chain whose validators sign what its outbox is (scheme BEF1): a Substrate chain with BEEFY.

    Everything is as the connected nodes say: whoever carries it verifies it, or has it refused.
    """

    def committed_height(self) -> int:
        """The newest block for which the connected node has a commitment; 0 before the first."""
        ...

    def justifications(self, height: int) -> list[bytes]:
        """The commitment of a block with its signatures (SCALE), from each endpoint that has one."""
        ...

    def next_committee(self, height: int) -> bytes:
        """Who signs after the set that signs this block: what its header says."""
        ...

    def validators(self, height: int) -> tuple[bytes, ...]:
        """Addresses of the set that signs this block.

        Raises:
            Refused: DevelopmentChain, the chain has no such set; EvidenceDisagrees, the node does not know it any more.
        """
        ...


@dataclass(frozen=True, slots=True)
class Consortium:
    """Whom a chain's spec names as its sealers, and the outbox that clients of them believe (`verification/sealed.py`).

    `since`: the last recovery's height, below which nothing is proven. `checkpoint`: every so many blocks the signers
    are listed.
    """

    outbox: bytes
    code_hash: bytes
    signers: tuple[bytes, ...]
    since: int
    checkpoint: int


class Branch(Protocol):
    """The chain as one endpoint has it, by its word: whoever carries it verifies it, or has it refused."""

    @property
    def url(self) -> str:
        """Who says so."""
        ...

    def head(self) -> int:
        """Height of its newest block."""
        ...

    def header(self, height: int) -> bytes | None:
        """RLP of a block's header; None where it has none."""
        ...

    def outbox(self, height: int) -> tuple[int, bytes]:
        """(size, root) of the outbox at a height, as its state commits to it."""
        ...

    def state_proof(self, height: int) -> StateProof:
        """From the state root at a height to the outbox's commitment."""
        ...


@runtime_checkable
class SealedSource(Protocol):
    """A chain whose signers seal its headers, and whose state proves its outbox (scheme CLQ1): an EVM."""

    def consortium(self) -> Consortium:
        """Its sealers.

        Raises:
            Refused: CommitteeInvalid, the spec names none.
        """
        ...

    def branches(self) -> list[Branch]:
        """The chain as each endpoint has it, the one that is otherwise asked first."""
        ...


class Devnet(Protocol):
    """Starts and stops development chains of one kind; entry-point group `poft.devnets`."""

    def start(self, folder: Path, name: str, port: int, accounts: Sequence[str] = ()) -> ChainSpec:
        """Starts the chain in `folder`, or resumes it from the state that lies there; waits until it answers.

        `port` 0 means the port of last time, else a free one.
        A new chain gets its contracts or genesis; the payer of the spec that is returned governs it. `accounts` are
        secrets of further payers (in the form that the kind's specs take), which get coins. The process outlives the
        caller (it is stopped by `stop`), and its pid stands in `folder/devnet.json`.

        Raises:
            ConfigError: the port is in use, a tool is missing, the folder belongs to another kind.
        """
        ...

    def account(self, label: str) -> str:
        """A development secret for a payer with this label: the same on every call, worth nothing anywhere else."""
        ...

    def stop(self, folder: Path) -> None:
        """Stops the chain of this folder if it runs; its state stays."""
        ...

    def status(self, folder: Path) -> DevnetStatus:
        """Whether the chain of this folder runs."""
        ...


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def connect(spec: ChainSpec) -> Chain:
    """A connection to the chain of a spec.

    Raises:
        ConfigError: no plug-in of this kind is installed.
        Unreachable: nothing answers behind the URL.
        Refused: WrongDomain, another chain answers.
    """
    return cast(type[Chain], installed_plugin("poft.chains", spec.kind))(spec)  # type: ignore[call-arg]


def devnet(kind: str, engine: str = "") -> Devnet:
    """The devnets of a kind, made by the engine that is named where the kind has several.

    Raises:
        ConfigError: no plug-in of this kind is installed.
    """
    plugin = cast(Callable[..., Devnet], installed_plugin("poft.devnets", kind))
    return plugin(engine) if engine else plugin()


def installed_plugin(group: str, kind: str) -> object:
    """What is installed for a kind of chain in a group of entry points.

    Raises:
        ConfigError: nothing is.
    """
    found = entry_points(group=group)
    names = sorted(point.name for point in found)
    if kind not in names:
        raise ConfigError(f"no chain of kind {kind!r} is installed", f"Installed kinds: {', '.join(names)}")
    return found[kind].load()
