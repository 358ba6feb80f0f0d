"""What one link costs, as the ledgers charge it: an invented source, real signatures, real ledgers as destinations.

The source is a log in this process and a committee whose keys are known, so that its outbox can have any size; the
destinations are development chains with our contracts and our runtime. A case is a committee, a size of the source's
outbox and a batch of packets; its update proves the last tenth of the outbox consistent, its delivery brings one more
update and the packets in one transaction. Costs are in what the ledger charges: gas, picoseconds of reference time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from poft.chain import Chain, Peer, Receipt, connect, devnet
from poft.protocol.checkpoint import Checkpoint, CheckpointPayload, parents_hash
from poft.protocol.errors import ChainError
from poft.protocol.finality import Finality, sign_finality
from poft.protocol.hashing import ZERO32, keccak
from poft.protocol.merkle import Log
from poft.protocol.packet import VERSION, Packet, PacketKind
from poft.protocol.signatures import key_address
from poft.verification.api import Limits, TrustState
from poft.verification.receive import Expectation, PacketProof, check_packet
from poft.verification.schemes.cmt1 import CommitteeGenesis, CommitteeVerifier, build_proof

from .timing import timed

COMMITTEES = (4, 7, 21, 31, 64)
BATCHES = (1, 8, 32)
LOG_SIZES = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
KINDS = ("evm", "substrate")

_DRIFT = 3600
_STALENESS = 10**6


@dataclass(frozen=True, slots=True)
class LinkCost:
    """One case on one kind of ledger. `*_bytes` are the transaction's; `ledger_bytes` with events and new storage.

    `update` is a transaction of its own; `delivery` holds another update and the batch; `packet` the one packet of a
    transaction without an update. `prove` and `verify` are milliseconds of the delivery's checks in Python.
    """

    kind: str
    unit: str
    members: int
    log_size: int
    batch: int
    update: int
    delivery: int
    packet: int
    update_bytes: int
    delivery_bytes: int
    packet_bytes: int
    ledger_bytes: int
    prove: float
    verify: float


@dataclass(slots=True)
class Source:
    """A chain that exists in this process only; one outbox for all destinations, as on a real one."""

    name: str
    members: int
    log: Log = field(default_factory=Log)
    height: int = 1

    @property
    def domain(self) -> bytes:
        return keccak(f"bench/{self.name}".encode())

    @property
    def keys(self) -> list[bytes]:
        """Sorted by address, as a committee is."""
        return sorted((keccak(f"bench/{self.name}/{i}".encode()) for i in range(self.members)), key=key_address)

    @property
    def genesis(self) -> bytes:
        return CommitteeGenesis(1, tuple(key_address(key) for key in self.keys), False).encode()

    @property
    def peer(self) -> Peer:
        """Its federation, as a destination registers it."""
        names = ("federation", "task", "genesis", "sender")
        return Peer(self.domain, *(keccak(f"bench/{self.name}/{name}".encode()) for name in names))

    def grow(self, size: int) -> None:
        """Packets for destinations that are not measured."""
        for i in range(len(self.log), size):
            self.log.append(i.to_bytes(32, "big"))

    def statement(self) -> Finality:
        """About its next block."""
        self.height += 1
        size = len(self.log)
        block, state = keccak(b"block"), keccak(b"state")
        return Finality(1, self.height, block, state, size, self.log.root(size), int(time.time()), ZERO32)

    def sign(self, statement: Finality) -> dict[bytes, bytes]:
        return {key_address(key): sign_finality(key, self.domain, statement) for key in self.keys}

    def prove(self, statement: Finality, signatures: dict[bytes, bytes], accepted: int) -> bytes:
        """A finality proof for whoever knows the first `accepted` leaves."""
        path = self.log.consistency_path(accepted, statement.outbox_size)
        return build_proof(statement, sorted(signatures), signatures, path).encode()


@dataclass(slots=True)
class Link:
    """A source and a destination. `packets` by nonce, each with its position in the source's outbox."""

    source: Source
    chain: Chain
    packets: list[tuple[int, Packet, bytes]] = field(default_factory=list)

    def open(self) -> None:
        """Creates the client, and delivers a first packet, which alone pays for the link's own storage."""
        source = self.source
        self.chain.create_client(source.domain, CommitteeVerifier().scheme(), source.genesis, _DRIFT, _STALENESS)
        self.chain.set_peer(source.peer)
        self.send()
        self.update()
        self.chain.deliver(source.domain, None, len(source.log), self.deliveries(0))

    def send(self) -> None:
        """A checkpoint for the destination."""
        peer, nonce = self.source.peer, len(self.packets)
        parents = (keccak(b"parent"),)
        checkpoint = Checkpoint(
            federation=peer.federation,
            task=peer.task,
            round=nonce + 1,
            model_root=keccak(b"model"),
            model_bytes=10**9,
            manifest_hash=keccak(b"manifest"),
            parents_hash=parents_hash(parents),
            samples=10**6,
            metrics_hash=keccak(b"metrics"),
            training_root=keccak(b"training"),
            dataset_root=keccak(b"data"),
            locator_hash=ZERO32,
        )
        payload = CheckpointPayload(checkpoint, parents, peer.genesis_checkpoint).encode()
        packet = Packet(
            *(VERSION, PacketKind.CHECKPOINT, peer.domain, self.chain.domain, nonce),
            *(peer.endpoint, self.chain.endpoint, 0, keccak(payload)),
        )
        self.packets.append((len(self.source.log), packet, payload))
        self.source.log.append(packet.id)

    def update(self) -> Receipt:
        """A finality proof alone."""
        source, statement = self.source, self.source.statement()
        proof = source.prove(statement, source.sign(statement), self.accepted().outbox_size)
        return self.chain.update_client(source.domain, proof)

    def accepted(self) -> TrustState:
        return self.chain.client(self.source.domain).state

    def deliveries(self, first: int) -> list[PacketProof]:
        """The packets from this nonce on, against the whole log."""
        log = self.source.log
        return [
            PacketProof(packet, payload, index, tuple(log.inclusion_path(index, len(log))))
            for index, packet, payload in self.packets[first:]
        ]

    def expected(self, nonce: int, statement: Finality) -> Expectation:
        """What the destination knows when this packet comes."""
        peer, chain = self.source.peer, self.chain
        outbox = (statement.outbox_size, statement.outbox_root)
        return Expectation(chain.domain, peer.domain, peer.endpoint, (chain.endpoint,), nonce, 1, *outbox)


def committee_costs(kinds: Sequence[str] = KINDS) -> Iterator[LinkCost]:
    """One packet and its update from each size of committee, in a log of 1,000."""
    with ExitStack() as ending:
        yield from _committees([_started(kind, ending) for kind in kinds])


def costs() -> Iterator[LinkCost]:
    """Every case on every kind of ledger: committees and batches from 1,000 packets on, sizes with a committee of 4."""
    with ExitStack() as ending:
        chains = [_started(kind, ending) for kind in KINDS]
        yield from _committees(chains)
        links = _opened("batches", 4, chains)
        for position, batch in enumerate(BATCHES):
            yield from _case(links, 1_000 + 200 * position, batch)
        links = _opened("sizes", 4, chains)
        for size in LOG_SIZES:
            yield from _case(links, size, 1)


def _committees(chains: list[Chain]) -> Iterator[LinkCost]:
    for members in COMMITTEES:
        yield from _case(_opened(f"committee of {members}", members, chains), 1_000, 1)


def _started(kind: str, ending: ExitStack) -> Chain:
    folder = Path(ending.enter_context(TemporaryDirectory(prefix="poft-bench-")))
    ledger = devnet(kind)
    spec = ledger.start(folder, f"bench-{kind}", 0)
    ending.callback(ledger.stop, folder)
    chain = connect(spec)
    ending.callback(chain.close)
    return chain


def _opened(name: str, members: int, chains: list[Chain]) -> list[Link]:
    source = Source(name, members)
    links = [Link(source, chain) for chain in chains]
    for link in links:
        link.open()
    return links


def _case(links: list[Link], size: int, batch: int) -> Iterator[LinkCost]:
    """The links share their source's log, which must not grow between two of them."""
    source = links[0].source
    source.grow(size * 9 // 10)
    for link in links:
        link.update()
    source.grow(size - batch * len(links))
    updates = [link.update() for link in links]
    for link in links:
        for _ in range(batch):
            link.send()
    found = [_delivered(link, update, batch) for link, update in zip(links, updates, strict=True)]
    for link in links:
        link.send()
    for link, cost in zip(links, found, strict=True):
        link.update()
        alone = link.chain.deliver(source.domain, None, len(source.log), link.deliveries(len(link.packets) - 1))
        refused = [one for one in link.chain.outcomes(source.domain) if one.failure or not one.dispatched]
        if refused:
            raise ChainError(f"{link.chain.spec.name} did not apply a delivery: {refused[0]}")
        yield replace(cost, packet=alone.cost, packet_bytes=alone.sent_bytes)


def _delivered(link: Link, update: Receipt, batch: int) -> LinkCost:
    source, chain, first = link.source, link.chain, len(link.packets) - batch
    state, statement = link.accepted(), source.statement()
    signatures = source.sign(statement)

    def prove() -> tuple[bytes, list[PacketProof]]:
        return source.prove(statement, signatures, state.outbox_size), link.deliveries(first)

    proof, packets = prove()
    limits = Limits(int(time.time()), _DRIFT)

    def verify() -> None:
        CommitteeVerifier().verify(source.domain, state, proof, limits)
        for position, delivered in enumerate(packets):
            check_packet(link.expected(first + position, statement), delivered)

    prove_ms, verify_ms = timed(prove), timed(verify)
    delivery = chain.deliver(source.domain, proof, len(source.log), packets)
    return LinkCost(
        kind=chain.spec.kind,
        unit=chain.cost_unit,
        members=source.members,
        log_size=len(source.log),
        batch=batch,
        update=update.cost,
        delivery=delivery.cost,
        packet=0,
        update_bytes=update.sent_bytes,
        delivery_bytes=delivery.sent_bytes,
        packet_bytes=0,
        ledger_bytes=chain.ledger_bytes([delivery]),
        prove=round(prove_ms, 3),
        verify=round(verify_ms, 3),
    )
