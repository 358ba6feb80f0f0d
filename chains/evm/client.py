"""The EVM behind `poft.chain.Chain`: reads, transactions and evidence of one deployment of our contracts.

On connecting, the domain is computed from what the node says about its genesis and chain id, and compared with the
spec's and with the one that the Outbox was deployed for: an endpoint that was moved to another chain is `WrongDomain`.
Ordinary reads and transactions use the first endpoint of the spec; evidence asks all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from poft.chain import (
    Acknowledged,
    Branch,
    ChainSpec,
    CheckpointRecord,
    ClientStatus,
    Consortium,
    Member,
    OutboxEntry,
    Outcome,
    Peer,
    Phase,
    Receipt,
    RoundRecord,
    Task,
    TaskStatus,
)
from poft.protocol.checkpoint import Checkpoint
from poft.protocol.domain import evm_endpoint
from poft.protocol.errors import Code, ConfigError, Refused, Rejected
from poft.protocol.packet import Packet
from poft.protocol.statements import Membership, Signed, Update, Verdict, Vote
from poft.verification.api import Finalised, TrustState
from poft.verification.receive import PacketProof
from poft.verification.state_proof import StateProof

from .abi import CONTRACTS, VERIFIERS, artifact, verifier_key
from .branches import EndpointBranch, read_consortium
from .deploy import FIRST_BLOCK, OUTBOX_BLOCK, chain_domain
from .evidence import agreed_evidence, commitment_proof, read_state_proof
from .finality import final_height, read_finality
from .history import History, ledger_bytes
from .records import (
    Values,
    address,
    as_tuple,
    membership_tuples,
    packet_tuples,
    signed_tuples,
    typed,
)
from .rpc import Rpc, read_bytes
from .sending import Payer, fee_bound

_ZERO32 = bytes(32)


class EvmChain:
    """One connection. See `poft.chain.Chain` for every method."""

    def __init__(self, spec: ChainSpec) -> None:
        missing = [name for name in CONTRACTS if name not in spec.deployment]
        if missing:
            raise ConfigError(f"{spec.name}: the deployment lacks {', '.join(missing)}", "Deploy the contracts first")
        if not spec.rpc:
            raise ConfigError(f"{spec.name}: no rpc endpoint", "Name at least one URL")
        self._spec, self._finality = spec, read_finality(spec)
        self._endpoints = [Rpc(url) for url in spec.rpc]
        self._rpc = self._endpoints[0]
        self._payer: Payer | None = None
        _require_domain(self._rpc, spec)
        self._first = int(spec.deployment.get(FIRST_BLOCK, "0x1"), 16)
        self._history = History(self._rpc, spec.deployment, self._first, self.final_height)
        self._endpoint = evm_endpoint(address(spec.deployment["CheckpointRegistry"]))

    @property
    def spec(self) -> ChainSpec:
        return self._spec

    @property
    def domain(self) -> bytes:
        return self._spec.domain

    @property
    def cost_unit(self) -> str:
        return "gas"

    @property
    def endpoint(self) -> bytes:
        return self._endpoint

    @property
    def inbox_endpoint(self) -> bytes:
        return evm_endpoint(address(self._spec.deployment["Inbox"]))

    def close(self) -> None:
        for endpoint in self._endpoints:
            endpoint.close()

    # Blocks and finality

    def height(self) -> int:
        return self._rpc.number("eth_blockNumber")

    def final_height(self) -> int:
        return final_height(self._rpc, self._finality)

    @property
    def first_height(self) -> int:
        return int(self._spec.deployment.get(OUTBOX_BLOCK, hex(self._first)), 16)

    def block_hash(self, height: int) -> bytes:
        header = self._rpc.record("eth_getBlockByNumber", hex(height), False)
        if header is None:
            raise Refused(Code.NotFinal, "height", f"{self._rpc.url} has no block {height}")
        return read_bytes(header.get("hash"))

    def finality_evidence(self, height: int) -> Finalised:
        for endpoint in self._endpoints:
            if endpoint is not self._rpc:
                _require_domain(endpoint, self._spec)
            if height > (final := final_height(endpoint, self._finality)):
                raise Refused(Code.NotFinal, "height", f"{height}, {endpoint.url} has {final} as its newest final one")
        return agreed_evidence(self._endpoints, self.outbox_address, height)

    @property
    def outbox_address(self) -> bytes:
        return address(self._spec.deployment["Outbox"])

    def state_proof(self, height: int) -> StateProof:
        return read_state_proof(commitment_proof(self._rpc, self.outbox_address, height))

    def consortium(self) -> Consortium:
        return read_consortium(self._rpc, self.outbox_address, self._spec.deployment)

    def branches(self) -> list[Branch]:
        def check(endpoint: Rpc) -> None:
            if endpoint is not self._rpc:
                _require_domain(endpoint, self._spec)

        return [EndpointBranch(endpoint, self.outbox_address, check) for endpoint in self._endpoints]

    def outbox_heights(self, first: int, last: int) -> list[int]:
        return sorted({log.height for log in self._history.between("Outbox", "PacketSent", first, last)})

    def outbox_size(self) -> int:
        return typed(int, self._read("Outbox", "state")[0])

    def outbox_entries(self, start: int, stop: int) -> list[OutboxEntry]:
        return self._history.outbox_entries(start, stop)

    # Light clients and inbox

    def client(self, source_domain: bytes) -> ClientStatus:
        try:
            state, generation, frozen = self._read("LightClient", "clientState", source_domain)
            verifier, max_age, max_drift = self._read("LightClient", "clientConfig", source_domain)
        except Rejected as rejected:
            if rejected.code is Code.Uninitialised:
                raise Refused(Code.Uninitialised, "client", f"none of 0x{source_domain.hex()}") from rejected
            raise
        epoch, height, timestamp, size, root, authority, small = cast(
            tuple[int, int, int, int, bytes, bytes, bool], state
        )
        return ClientStatus(
            self._scheme(typed(str, verifier)),
            TrustState(epoch, authority, height, timestamp, size, root, small),
            typed(int, generation),
            typed(bool, frozen),
            typed(int, max_drift),
            typed(int, max_age),
        )

    def next_nonce(self, source_domain: bytes) -> int:
        return typed(int, self._read("Inbox", "linkState", source_domain)[0])

    def update_client(self, source_domain: bytes, proof: bytes) -> Receipt:
        return self._send("LightClient", "update", source_domain, proof)

    def deliver(
        self,
        source_domain: bytes,
        proof: bytes | None,
        outbox_size: int,
        packets: Sequence[PacketProof],
    ) -> Receipt:
        return self._send("Inbox", "deliver", source_domain, proof or b"", outbox_size, packet_tuples(packets))

    def halted(self, source_domain: bytes) -> bool:
        return typed(bool, self._read("Inbox", "linkState", source_domain)[1])

    def acknowledgements(self, destination_domain: bytes) -> list[Acknowledged]:
        return self._history.acknowledgements(destination_domain)

    def outcomes(self, source_domain: bytes) -> list[Outcome]:
        return self._history.outcomes(source_domain)

    def retry(self, packet: Packet, payload: bytes) -> Receipt:
        return self._send("Inbox", "retry", as_tuple(packet), payload)

    def submit_misbehaviour(self, source_domain: bytes, first: bytes, second: bytes) -> Receipt:
        return self._send("LightClient", "submitMisbehaviour", source_domain, first, second)

    # Governance

    def create_client(
        self, source_domain: bytes, scheme: bytes, genesis: bytes, max_drift: int, staleness: int
    ) -> Receipt:
        verifier = self._verifier(scheme)
        return self._send("LightClient", "create", source_domain, verifier, genesis, staleness, max_drift)

    def recover_client(self, source_domain: bytes, scheme: bytes, genesis: bytes) -> Receipt:
        return self._send("LightClient", "recover", source_domain, self._verifier(scheme), genesis)

    def freeze_client(self, source_domain: bytes) -> Receipt:
        return self._send("LightClient", "freeze", source_domain)

    def set_halted(self, source_domain: bytes, halted: bool) -> Receipt:
        return self._send("Inbox", "setHalted", source_domain, halted)

    def set_acknowledgements(self, source_domain: bytes, inbox: bytes) -> Receipt:
        return self._send("Inbox", "setAcknowledgements", source_domain, inbox)

    def set_peer(self, peer: Peer) -> Receipt:
        return self._send(
            "CheckpointRegistry",
            "setPeer",
            peer.domain,
            peer.federation,
            peer.task,
            peer.genesis_checkpoint,
            peer.endpoint,
        )

    def set_routes(self, task: bytes, routes: Sequence[tuple[bytes, bytes]]) -> Receipt:
        return self._send("CheckpointRegistry", "setRoutes", task, list(routes))

    def peer(self, source_domain: bytes, federation: bytes, task: bytes) -> Peer | None:
        number, _, genesis = cast(
            tuple[int, int, bytes], self._read("CheckpointRegistry", "peerState", source_domain, federation, task)[0]
        )
        if number == 0:
            return None
        registry = self._spec.deployment["CheckpointRegistry"]
        sender = typed(bytes, self._read("Inbox", "senderOf", source_domain, registry)[0])
        return Peer(source_domain, federation, task, genesis, sender)

    def routes(self, task: bytes) -> list[tuple[bytes, bytes]]:
        return list(cast(Sequence[tuple[bytes, bytes]], self._read("CheckpointRegistry", "routesOf", task)[0]))

    def peer_inbox(self, source_domain: bytes) -> bytes:
        return typed(bytes, self._read("Inbox", "senderOf", source_domain, self._spec.deployment["Inbox"])[0])

    def admit(self, participants: Sequence[bytes]) -> Receipt:
        return self._send("Federation", "admit", list(participants))

    def expel(self, participants: Sequence[bytes]) -> Receipt:
        return self._send("Federation", "expel", list(participants))

    def create_task(self, task: Task, genesis: Checkpoint) -> Receipt:
        config = (
            task.config_digest,
            task.rounds,
            task.steps_per_round,
            task.export_every,
            task.phase_blocks,
            task.min_trainers,
        )
        return self._send("Federation", "createTask", config, as_tuple(genesis))

    # Federation

    def federation(self) -> bytes:
        return typed(bytes, self._read("Federation", "federation")[0])

    def members(self) -> list[Member]:
        return self._members(self._read("Federation", "members")[0], self.height())

    def set_members(self, statements: Sequence[Signed[Membership]]) -> Receipt:
        return self._send("Federation", "setMembers", membership_tuples(statements))

    def task(self, task: bytes) -> TaskStatus:
        config, last_final, last_final_round, round = self._task(task)
        phase = Phase.NONE if round == 0 else Phase(typed(int, self._round(task, round)[0]))
        return TaskStatus(Task(*config), round, phase, last_final_round, last_final)

    def round(self, task: bytes, round: int) -> RoundRecord:
        config, *_ = self._task(task)
        started = self._history.events("Federation", "RoundStarted", task, round.to_bytes(32, "big"))
        if not started:
            raise Refused(Code.WrongRound, "round", f"round {round} was not started")
        start = started[0].arguments
        height = typed(int, start["startBlock"])
        state = self._round(task, round)
        phase, phase_block, accepted = Phase(typed(int, state[0])), typed(int, state[4]), typed(int, state[7])
        seats = self._read("Federation", "memberSet", start["memberSet"])[0]
        final = self._history.round_events("RoundFinal", task, round)
        return RoundRecord(
            round=round,
            phase=phase,
            start_height=height,
            deadline=phase_block + Task(*config).phase_blocks,
            members=tuple(self._members(seats, height)),
            steps=tuple(cast(Sequence[int], start["steps"])),
            updates=self._history.updates(task, round),
            verdicts=self._history.verdicts(task, round),
            accepted=accepted,
            votes=self._history.votes(task, round),
            checkpoint=typed(bytes, final[0].arguments["checkpointId"]) if final else _ZERO32,
        )

    def start_round(self, task: bytes) -> Receipt:
        return self._send("Federation", "startRound", task)

    def submit_updates(self, task: bytes, updates: Sequence[Signed[Update]]) -> Receipt:
        return self._send("Federation", "submitUpdates", task, signed_tuples(updates))

    def submit_verdicts(self, task: bytes, verdicts: Sequence[Signed[Verdict]]) -> Receipt:
        return self._send("Federation", "submitVerdicts", task, signed_tuples(verdicts))

    def submit_votes(self, task: bytes, votes: Sequence[Signed[Vote]]) -> Receipt:
        return self._send("Federation", "submitVotes", task, signed_tuples(votes))

    def finalise(self, task: bytes, checkpoint: Checkpoint, parents: Sequence[bytes]) -> Receipt:
        return self._send("Federation", "finalise", task, as_tuple(checkpoint), list(parents))

    def advance(self, task: bytes) -> Receipt:
        return self._send("Federation", "advance", task)

    def checkpoints(self, task: bytes) -> list[CheckpointRecord]:
        return self._history.checkpoints(task)

    def imports(self) -> list[CheckpointRecord]:
        return self._history.imports()

    def ledger_bytes(self, receipts: Sequence[Receipt]) -> int:
        return sum(ledger_bytes(self._rpc, receipt.transaction, receipt.sent_bytes) for receipt in receipts)

    # Verifiers

    def _verifier(self, scheme: bytes) -> str:
        """Address of the contract that verifies a scheme here."""
        placed = self._spec.deployment.get(verifier_key(scheme))
        if placed is None:
            raise Rejected(f"{self._spec.name}: no verifier of {scheme!r} is deployed", Code.UnknownScheme)
        return placed

    def _scheme(self, verifier: str) -> bytes:
        """What the verifier contract at this address calls itself: all have one interface."""
        interface = artifact(VERIFIERS[0].contract)
        return typed(bytes, interface.result("scheme", self._rpc.call(verifier, interface.call("scheme")))[0])

    # One contract

    def _read(self, contract: str, function: str, *arguments: object) -> Values:
        source = artifact(contract)
        data = self._rpc.call(self._spec.deployment[contract], source.call(function, *arguments))
        return source.result(function, data)

    def _send(self, contract: str, function: str, *arguments: object) -> Receipt:
        if self._payer is None:
            self._payer = Payer(self._rpc, self._spec.key, fee_bound(self._spec.deployment))
        data = artifact(contract).call(function, *arguments)
        return self._payer.send(self._spec.deployment[contract], data).receipt

    def _task(self, task: bytes) -> tuple[tuple[bytes, int, int, int, int, int], bytes, int, int]:
        record = self._read("Federation", "taskState", task)[0]
        config, last_final, last_final_round, round = cast(
            tuple[tuple[bytes, int, int, int, int, int], bytes, int, int], record
        )
        if last_final == _ZERO32:
            raise Refused(Code.UnknownTask, "task", f"0x{task.hex()}")
        return config, last_final, last_final_round, round

    def _round(self, task: bytes, round: int) -> Values:
        return cast(Values, self._read("Federation", "roundState", task, round)[0])

    def _members(self, seats: object, height: int) -> list[Member]:
        keys = self._history.encryption_keys(height)
        pairs = [(address(seat[0]), seat[1]) for seat in cast(Sequence[tuple[str, int]], seats)]
        return [Member(participant, capacity, keys[participant]) for participant, capacity in pairs]


def _require_domain(endpoint: Rpc, spec: ChainSpec) -> None:
    found = chain_domain(endpoint)
    if found != spec.domain:
        raise Refused(
            Code.WrongDomain, endpoint.url, f"0x{found.hex()} answers where 0x{spec.domain.hex()} is expected"
        )
    outbox = artifact("Outbox")
    data = endpoint.call(spec.deployment["Outbox"], outbox.call("domain"))
    if not data:
        raise ConfigError(f"{endpoint.url}: no Outbox at {spec.deployment['Outbox']}", "Deploy the contracts first")
    if outbox.result("domain", data) != (spec.domain,):
        raise Refused(Code.WrongDomain, "Outbox", "it was deployed for another domain")
