"""A Substrate chain with the bridge and the federation pallet, as `poft.chain.Chain`.

Reads come from storage at one block each, so that a record never mixes two states; governance goes through sudo.
"""

from __future__ import annotations

from collections.abc import Sequence

from poft.chain import (
    Acknowledged,
    ChainSpec,
    CheckpointRecord,
    ClientStatus,
    Member,
    OutboxEntry,
    Outcome,
    Peer,
    Receipt,
    RoundRecord,
    Task,
    TaskStatus,
)
from poft.protocol.checkpoint import Checkpoint
from poft.protocol.domain import pallet_endpoint
from poft.protocol.errors import Code, ConfigError, Refused, Rejected
from poft.protocol.packet import Packet
from poft.protocol.statements import Membership, Signed, Update, Verdict, Vote
from poft.verification.api import Finalised
from poft.verification.receive import PacketProof

from . import beefy, records
from .accounting import ledger_bytes
from .evidence import agreed_evidence
from .genesis import keypair
from .rpc import Json, Rpc
from .runtime import Runtime, items, number, octets, record, scale
from .sending import Payer, height_of

BRIDGE, FEDERATION = "Bridge", "Federation"
SCHEME_BYTES = 4
_DOMAIN_BYTES = 32


class SubstrateChain:
    """See `poft.chain.Chain`; `spec.rpc` are websocket URLs."""

    def __init__(self, spec: ChainSpec) -> None:
        if not spec.rpc:
            raise ConfigError(f"chain {spec.name!r} has no rpc", "Give it at least one websocket URL")
        if spec.finality:
            raise ConfigError(f"chain {spec.name!r} has GRANDPA's finality, not {spec.finality!r}", "Set none")
        self._spec = spec
        key = keypair(spec.key) if spec.key else None
        self._endpoints: list[Runtime] = []
        try:
            for url in spec.rpc:
                self._endpoints.append(Runtime(Rpc(url)))
                _check_domain(self._endpoints[-1], spec.domain)
        except BaseException:
            self.close()
            raise
        self._runtime = self._endpoints[0]
        self._rpc = self._runtime.rpc
        self._payer = Payer(self._runtime, key) if key else None

    @property
    def spec(self) -> ChainSpec:
        """See `poft.chain.Chain.spec`."""
        return self._spec

    @property
    def domain(self) -> bytes:
        """See `poft.chain.Chain.domain`."""
        return self._spec.domain

    @property
    def cost_unit(self) -> str:
        """See `poft.chain.Chain.cost_unit`: picoseconds of reference time."""
        return "ps of ref_time"

    @property
    def endpoint(self) -> bytes:
        """See `poft.chain.Chain.endpoint`."""
        return pallet_endpoint(FEDERATION)

    @property
    def inbox_endpoint(self) -> bytes:
        """See `poft.chain.Chain.inbox_endpoint`."""
        return pallet_endpoint(BRIDGE)

    def close(self) -> None:
        """See `poft.chain.Chain.close`."""
        for endpoint in self._endpoints:
            endpoint.rpc.close()

    # Blocks and finality

    def height(self) -> int:
        """See `poft.chain.Chain.height`."""
        return height_of(self._rpc.record("chain_getHeader"))

    def final_height(self) -> int:
        """See `poft.chain.Chain.final_height`; GRANDPA's."""
        return height_of(self._rpc.record("chain_getHeader", self._rpc.text("chain_getFinalizedHead")))

    @property
    def first_height(self) -> int:
        """See `poft.chain.Chain.first_height`: the bridge is in the genesis."""
        return 1

    def block_hash(self, height: int) -> bytes:
        """See `poft.chain.Chain.block_hash`."""
        found = self._rpc.ask("chain_getBlockHash", height)
        if found is None:
            raise Refused(Code.NotFinal, "height", f"{self._rpc.url} has no block {height}")
        return octets(found)

    def finality_evidence(self, height: int) -> Finalised:
        """See `poft.chain.Chain.finality_evidence`."""
        return agreed_evidence(self._endpoints, height, self._spec)

    def outbox_heights(self, first: int, last: int) -> list[int]:
        """See `poft.chain.Chain.outbox_heights`; heights ascend with the index, so the first is found by bisection."""
        at = self._rpc.text("chain_getBlockHash")
        low, size = 0, self._outbox_size(at)
        high = size
        while low < high:
            middle = (low + high) // 2
            (entry,) = self._entries(middle, middle + 1, at)
            low, high = (middle + 1, high) if entry.height < first else (low, middle)
        heights: list[int] = []
        while low < size:
            chunk = [entry.height for entry in self._entries(low, min(low + 64, size), at)]
            heights += [height for height in chunk if height <= last]
            if chunk[-1] > last:
                break
            low += len(chunk)
        return sorted(set(heights))

    def outbox_size(self) -> int:
        """See `poft.chain.Chain.outbox_size`."""
        return self._outbox_size(self._rpc.text("chain_getBlockHash"))

    def outbox_entries(self, start: int, stop: int) -> list[OutboxEntry]:
        """See `poft.chain.Chain.outbox_entries`."""
        at = self._rpc.text("chain_getBlockHash")
        return self._entries(start, min(stop, self._outbox_size(at)), at)

    # Commitments of the validators (`poft.chain.CommitmentSource`)

    def committed_height(self) -> int:
        """See `poft.chain.CommitmentSource.committed_height`."""
        return beefy.committed_height(self._rpc)

    def justifications(self, height: int) -> list[bytes]:
        """See `poft.chain.CommitmentSource.justifications`."""
        return beefy.justifications([endpoint.rpc for endpoint in self._endpoints], height)

    def next_committee(self, height: int) -> bytes:
        """See `poft.chain.CommitmentSource.next_committee`."""
        return beefy.next_committee(self._rpc, height)

    def validators(self, height: int) -> tuple[bytes, ...]:
        """See `poft.chain.CommitmentSource.validators`."""
        return beefy.validators(self._rpc, height)

    # Light clients and inbox

    def client(self, source_domain: bytes) -> ClientStatus:
        """See `poft.chain.Chain.client`."""
        found = self._runtime.read(BRIDGE, "Clients", [scale(source_domain)])
        if found is None:
            raise Refused(Code.Uninitialised, "client", f"none of 0x{source_domain.hex()}")
        return records.client_status(found)

    def next_nonce(self, source_domain: bytes) -> int:
        """See `poft.chain.Chain.next_nonce`."""
        return number(self._runtime.read(BRIDGE, "NextNonce", [scale(source_domain)]))

    def update_client(self, source_domain: bytes, proof: bytes) -> Receipt:
        """See `poft.chain.Chain.update_client`."""
        return self._send(BRIDGE, "update_client", source_domain=source_domain, proof=proof)

    def deliver(
        self,
        source_domain: bytes,
        proof: bytes | None,
        outbox_size: int,
        packets: Sequence[PacketProof],
    ) -> Receipt:
        """See `poft.chain.Chain.deliver`."""
        return self._send(
            BRIDGE, "deliver", source_domain=source_domain, proof=proof, outbox_size=outbox_size, packets=packets
        )

    def halted(self, source_domain: bytes) -> bool:
        """See `poft.chain.Chain.halted`."""
        return bool(self._runtime.read(BRIDGE, "Halted", [scale(source_domain)]))

    def acknowledgements(self, destination_domain: bytes) -> list[Acknowledged]:
        """See `poft.chain.Chain.acknowledgements`."""
        at = self._rpc.text("chain_getBlockHash")
        destination = scale(destination_domain)
        prefix = self._runtime.storage_key(BRIDGE, "Acknowledgements", [destination])
        ids = [octets(key)[-len(destination_domain) :] for key in self._runtime.keys(prefix, at)]
        wanted = [(BRIDGE, "Acknowledgements", [destination, scale(packet_id)]) for packet_id in ids]
        words = map(records.acknowledged, ids, self._runtime.read_all(wanted, at))
        return [word for _, word in sorted(words, key=lambda placed: placed[0])]

    def outcomes(self, source_domain: bytes) -> list[Outcome]:
        """See `poft.chain.Chain.outcomes`."""
        at = self._rpc.text("chain_getBlockHash")
        source = scale(source_domain)
        consumed = number(self._runtime.read(BRIDGE, "NextNonce", [source], at))
        wanted = [(BRIDGE, "Deliveries", [source, nonce]) for nonce in range(consumed)]
        return [records.outcome(nonce, found) for nonce, found in enumerate(self._runtime.read_all(wanted, at))]

    def retry(self, packet: Packet, payload: bytes) -> Receipt:
        """See `poft.chain.Chain.retry`."""
        return self._send(BRIDGE, "retry", packet=packet, payload=payload)

    def submit_misbehaviour(self, source_domain: bytes, first: bytes, second: bytes) -> Receipt:
        """See `poft.chain.Chain.submit_misbehaviour`."""
        return self._send(BRIDGE, "submit_misbehaviour", source_domain=source_domain, first=first, second=second)

    # Governance

    def create_client(
        self, source_domain: bytes, scheme: bytes, genesis: bytes, max_drift: int, staleness: int
    ) -> Receipt:
        """See `poft.chain.Chain.create_client`."""
        return self._govern(
            BRIDGE,
            "create_client",
            source_domain=source_domain,
            scheme=_named(scheme),
            genesis=genesis,
            max_drift=max_drift,
            staleness=staleness,
        )

    def recover_client(self, source_domain: bytes, scheme: bytes, genesis: bytes) -> Receipt:
        """See `poft.chain.Chain.recover_client`."""
        return self._govern(
            BRIDGE, "recover_client", source_domain=source_domain, scheme=_named(scheme), genesis=genesis
        )

    def freeze_client(self, source_domain: bytes) -> Receipt:
        """See `poft.chain.Chain.freeze_client`."""
        return self._govern(BRIDGE, "freeze_client", source_domain=source_domain)

    def set_halted(self, source_domain: bytes, halted: bool) -> Receipt:
        """See `poft.chain.Chain.set_halted`."""
        return self._govern(BRIDGE, "set_halted", source_domain=source_domain, halted=halted)

    def set_acknowledgements(self, source_domain: bytes, inbox: bytes) -> Receipt:
        """See `poft.chain.Chain.set_acknowledgements`."""
        return self._govern(BRIDGE, "set_acknowledgements", source_domain=source_domain, peer_inbox=inbox)

    def set_peer(self, peer: Peer) -> Receipt:
        """See `poft.chain.Chain.set_peer`."""
        return self._govern(
            FEDERATION,
            "set_peer",
            source_domain=peer.domain,
            federation=peer.federation,
            task=peer.task,
            genesis_checkpoint=peer.genesis_checkpoint,
            endpoint=peer.endpoint,
        )

    def set_routes(self, task: bytes, routes: Sequence[tuple[bytes, bytes]]) -> Receipt:
        """See `poft.chain.Chain.set_routes`."""
        return self._govern(FEDERATION, "set_routes", task=task, routes=[tuple(route) for route in routes])

    def peer(self, source_domain: bytes, federation: bytes, task: bytes) -> Peer | None:
        """See `poft.chain.Chain.peer`."""
        key = [scale(source_domain), scale(federation), scale(task)]
        found = self._runtime.read(FEDERATION, "Peers", key)
        if found is None:
            return None
        said = record(found)
        return Peer(source_domain, federation, task, octets(said["genesis_checkpoint"]), octets(said["endpoint"]))

    def routes(self, task: bytes) -> list[tuple[bytes, bytes]]:
        """See `poft.chain.Chain.routes`."""
        pairs = map(items, items(self._runtime.read(FEDERATION, "Routes", [scale(task)])))
        return [(octets(domain), octets(receiver)) for domain, receiver in pairs]

    def peer_inbox(self, source_domain: bytes) -> bytes:
        """See `poft.chain.Chain.peer_inbox`."""
        found = self._runtime.read(BRIDGE, "Senders", [scale(source_domain), scale(self.inbox_endpoint)])
        return bytes(_DOMAIN_BYTES) if found is None else octets(found)

    def admit(self, participants: Sequence[bytes]) -> Receipt:
        """See `poft.chain.Chain.admit`."""
        return self._govern(FEDERATION, "admit", participants=participants)

    def expel(self, participants: Sequence[bytes]) -> Receipt:
        """See `poft.chain.Chain.expel`."""
        return self._govern(FEDERATION, "expel", participants=participants)

    def create_task(self, task: Task, genesis: Checkpoint) -> Receipt:
        """See `poft.chain.Chain.create_task`."""
        return self._govern(FEDERATION, "create_task", task=task, genesis=genesis)

    # Federation

    def federation(self) -> bytes:
        """See `poft.chain.Chain.federation`."""
        return octets(self._runtime.read(FEDERATION, "FederationId"))

    def members(self) -> list[Member]:
        """See `poft.chain.Chain.members`."""
        at = self._rpc.text("chain_getBlockHash")
        return self._member_set(self._runtime.read(FEDERATION, "MemberSetCount", at=at), at)

    def set_members(self, statements: Sequence[Signed[Membership]]) -> Receipt:
        """See `poft.chain.Chain.set_members`."""
        return self._send(FEDERATION, "set_members", statements=statements)

    def task(self, task: bytes) -> TaskStatus:
        """See `poft.chain.Chain.task`."""
        found = self._runtime.read(FEDERATION, "Tasks", [scale(task)])
        if found is None:
            raise Refused(Code.UnknownTask, "task", "0x" + task.hex())
        return records.task_status(found)

    def round(self, task: bytes, round: int) -> RoundRecord:
        """See `poft.chain.Chain.round`."""
        at = self._rpc.text("chain_getBlockHash")
        stored = self._runtime.read(FEDERATION, "Rounds", [scale(task), round], at)
        if stored is None:
            raise Refused(Code.WrongRound, "round", f"{round} was not started")
        found = record(stored)

        def said(item: str, bitmap: str) -> dict[int, dict[str, Json]]:
            bits = number(found[bitmap])
            indices = [at for at in range(bits.bit_length()) if bits >> at & 1]
            wanted = [(FEDERATION, item, [scale(task), round, index]) for index in indices]
            return dict(zip(indices, map(record, self._runtime.read_all(wanted, at)), strict=True))

        return RoundRecord(
            round=round,
            phase=records.phase(found["phase"]),
            start_height=number(found["start_height"]),
            deadline=number(found["deadline"]),
            members=tuple(self._member_set(found["member_set"], at)),
            steps=tuple(number(steps) for steps in items(found["steps"])),
            updates={
                index: (records.struct(Update, entry["update"]), octets(entry["digest"]))
                for index, entry in said("Updates", "submitted").items()
            },
            verdicts={index: number(entry["accepted"]) for index, entry in said("Verdicts", "spoken").items()},
            accepted=number(found["accepted"]),
            votes={index: octets(entry["checkpoint"]) for index, entry in said("Votes", "voted").items()},
            checkpoint=octets(found["checkpoint"]),
        )

    def start_round(self, task: bytes) -> Receipt:
        """See `poft.chain.Chain.start_round`."""
        return self._send(FEDERATION, "start_round", task=task)

    def submit_updates(self, task: bytes, updates: Sequence[Signed[Update]]) -> Receipt:
        """See `poft.chain.Chain.submit_updates`."""
        return self._send(FEDERATION, "submit_updates", task=task, updates=updates)

    def submit_verdicts(self, task: bytes, verdicts: Sequence[Signed[Verdict]]) -> Receipt:
        """See `poft.chain.Chain.submit_verdicts`."""
        return self._send(FEDERATION, "submit_verdicts", task=task, verdicts=verdicts)

    def submit_votes(self, task: bytes, votes: Sequence[Signed[Vote]]) -> Receipt:
        """See `poft.chain.Chain.submit_votes`."""
        return self._send(FEDERATION, "submit_votes", task=task, votes=votes)

    def finalise(self, task: bytes, checkpoint: Checkpoint, parents: Sequence[bytes]) -> Receipt:
        """See `poft.chain.Chain.finalise`."""
        return self._send(FEDERATION, "finalise", task=task, checkpoint=checkpoint, parents=parents)

    def advance(self, task: bytes) -> Receipt:
        """See `poft.chain.Chain.advance`."""
        return self._send(FEDERATION, "advance", task=task)

    def checkpoints(self, task: bytes) -> list[CheckpointRecord]:
        """See `poft.chain.Chain.checkpoints`; a failed round has none."""
        at = self._rpc.text("chain_getBlockHash")
        status = self._runtime.read(FEDERATION, "Tasks", [scale(task)], at)
        if status is None:
            raise Refused(Code.UnknownTask, "task", "0x" + task.hex())
        last = number(record(status)["last_final_round"])
        ids = self._runtime.read_all([(FEDERATION, "OwnCheckpoints", [scale(task), n]) for n in range(last + 1)], at)
        return self._checkpoints([name for name in ids if name is not None], at)

    def imports(self) -> list[CheckpointRecord]:
        """See `poft.chain.Chain.imports`."""
        at = self._rpc.text("chain_getBlockHash")
        count = number(self._runtime.read(FEDERATION, "ImportCount", at=at))
        return self._checkpoints(self._runtime.read_all([(FEDERATION, "Imports", [n]) for n in range(count)], at), at)

    def ledger_bytes(self, receipts: Sequence[Receipt]) -> int:
        """See `poft.chain.Chain.ledger_bytes`."""
        return ledger_bytes(self._runtime, receipts)

    # Internals

    def _outbox_size(self, at: str) -> int:
        return number(record(self._runtime.read(BRIDGE, "Outbox", at=at))["size"])

    def _entries(self, start: int, stop: int, at: str) -> list[OutboxEntry]:
        wanted = [(BRIDGE, "Packets", [index]) for index in range(start, stop)]
        return [records.outbox_entry(start + n, found) for n, found in enumerate(self._runtime.read_all(wanted, at))]

    def _member_set(self, position: Json, at: str) -> list[Member]:
        return [records.member(entry) for entry in items(self._runtime.read(FEDERATION, "MemberSets", [position], at))]

    def _checkpoints(self, ids: Sequence[Json], at: str) -> list[CheckpointRecord]:
        found = self._runtime.read_all([(FEDERATION, "Checkpoints", [name]) for name in ids], at)
        return [records.checkpoint_record(entry) for entry in found]

    def _send(self, pallet: str, call: str, root: bool = False, **arguments: object) -> Receipt:
        if self._payer is None:
            raise ConfigError(f"chain {self._spec.name!r} is read only", "Give it a key that pays for transactions")
        return self._payer.send(pallet, call, {name: scale(value) for name, value in arguments.items()}, root)

    def _govern(self, pallet: str, call: str, **arguments: object) -> Receipt:
        return self._send(pallet, call, root=True, **arguments)


def _check_domain(runtime: Runtime, expected: bytes) -> None:
    """The chain behind the URL is the one that is meant; `WrongDomain` if not."""
    url = runtime.rpc.url
    if not runtime.has_pallet(BRIDGE):
        raise Refused(Code.WrongDomain, "domain", f"the chain behind {url} has no bridge")
    found = octets(runtime.read(BRIDGE, "Domain"))
    if found != expected:
        raise Refused(Code.WrongDomain, "domain", f"{url} is 0x{found.hex()}, not 0x{expected.hex()}")


def _named(scheme: bytes) -> bytes:
    """A scheme's name, as long as the runtime's names are."""
    if len(scheme) != SCHEME_BYTES:
        raise Rejected(f"no scheme is called {scheme!r}", Code.UnknownScheme)
    return scheme
