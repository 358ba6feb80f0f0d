"""What every kind of chain must do: `ChainConformance` for `poft.chain.Chain`, `DevnetConformance` for its devnets.

A kind's test file inherits both and says how its devnet is made; nothing here knows which kind it has::

    class TestEvmChain(ChainConformance):
        make_devnet = staticmethod(EvmDevnet)

Everything is real: the chain is a devnet with the project's contracts or pallets, and a source that it follows is a
committee with keys over a real log (`Source`), whose proofs are those that attestors and relayers make.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest

from poft.chain import Acknowledged, Chain, ChainSpec, Devnet, Peer, Phase, RoundRecord, Task, TaskStatus, free_port
from poft.protocol.acknowledgement import Acknowledgement, Fate, decode_acknowledgement
from poft.protocol.checkpoint import Checkpoint, CheckpointPayload, parents_hash
from poft.protocol.domain import evm_domain, task_id
from poft.protocol.errors import Code, ConfigError, Refused, Rejected, Unreachable
from poft.protocol.finality import Finality, committee_hash, sign_finality
from poft.protocol.hashing import ZERO32, keccak
from poft.protocol.merkle import consistency_proof, inclusion_proof, log_root
from poft.protocol.packet import VERSION, Packet, PacketKind
from poft.protocol.signatures import key_address
from poft.protocol.statements import (
    Membership,
    Signed,
    Update,
    Verdict,
    Vote,
    sign_statement,
    statement_digest,
)
from poft.verification.receive import PacketProof
from poft.verification.schemes.cmt1 import CommitteeGenesis, CommitteeProof

PARTICIPANTS = 10
STEPS = 100


def until(condition: Callable[[], bool], what: str, patience: float = 60.0) -> None:
    """Returns when something has come about."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"not after {patience:.0f} s: {what}"
        time.sleep(0.2)


def wait_until_final(chain: Chain, height: int, patience: float = 60.0) -> None:
    """Returns when a block is final. There are chains on which only a transaction makes a block: so there are some."""
    deadline = time.monotonic() + patience
    while (final := chain.final_height()) < height:
        assert time.monotonic() < deadline, f"block {height} is not final after {patience:.0f} s: {final} is"
        chain.set_routes(label("pass the time"), [])


# --- objects ---------------------------------------------------------------------------------------------------------


def label(*parts: object) -> bytes:
    """32 bytes that depend on these words alone."""
    return keccak("/".join(str(part) for part in ("poft/kit", *parts)).encode())


@contextmanager
def refuses(code: Code) -> Iterator[None]:
    """The ledger, or the evidence, refuses what is inside with this code."""
    with pytest.raises((Rejected, Refused)) as caught:
        yield
    error = caught.value
    assert isinstance(error, Rejected | Refused)
    assert error.code is code, f"{error} where {code.name} is due"


@dataclass(frozen=True, slots=True)
class Person:
    """A participant's training key."""

    key: bytes

    @property
    def address(self) -> bytes:
        return key_address(self.key)


def people(count: int = PARTICIPANTS) -> list[Person]:
    """Participants, ascending by address."""
    return sorted((Person(label("participant", n)) for n in range(count)), key=lambda person: person.address)


def memberships(chain: Chain, members: Sequence[Person], sequence: int = 1) -> list[Signed[Membership]]:
    """Everybody joins, with capacities 1, 2, 3, ..."""
    federation = chain.federation()
    return [
        sign_statement(
            person.key,
            chain.domain,
            Membership(federation, person.address, label("encryption", at), at + 1, sequence),
        )
        for at, person in enumerate(members)
    ]


def genesis_checkpoint(chain: Chain, config_digest: bytes) -> Checkpoint:
    """Round 0 of a task."""
    federation = chain.federation()
    return Checkpoint(
        federation=federation,
        task=task_id(federation, config_digest),
        round=0,
        model_root=label("genesis model"),
        model_bytes=1000,
        manifest_hash=label("manifest"),
        parents_hash=parents_hash([]),
        samples=0,
        metrics_hash=ZERO32,
        training_root=ZERO32,
        dataset_root=ZERO32,
        locator_hash=ZERO32,
    )


def create_task(
    chain: Chain, name: str, export_every: int = 0, phase_blocks: int = 50, min_trainers: int = 3
) -> tuple[bytes, Checkpoint]:
    """A task called `name`, and its genesis."""
    digest = label("task", name)
    genesis = genesis_checkpoint(chain, digest)
    chain.create_task(Task(digest, 100, STEPS, export_every, phase_blocks, min_trainers), genesis)
    return genesis.task, genesis


def updates(chain: Chain, task: bytes, members: Sequence[Person]) -> list[Signed[Update]]:
    """What everybody contributes to the running round."""
    status, federation = chain.task(task), chain.federation()
    record = chain.round(task, status.round)
    by_address = {person.address: person for person in members}
    signed = []
    for at, (member, steps) in enumerate(zip(record.members, record.steps, strict=True)):
        if steps:
            statement = Update(
                federation=federation,
                task=task,
                round=status.round,
                trainer=member.participant,
                base=status.last_checkpoint,
                update_root=label("update", at, status.round),
                update_bytes=1000,
                samples=32 * steps,
                compute_millis=10,
                steps=steps,
                training_root=label("training", at),
                dataset_root=label("dataset", at),
                access_root=label("access", at),
                cipher_hash=ZERO32,
            )
            signed.append(sign_statement(by_address[member.participant].key, chain.domain, statement, at))
    return signed


def verdicts(chain: Chain, task: bytes, members: Sequence[Person], accepted: int) -> list[Signed[Verdict]]:
    """Everybody accepts these updates of the running round."""
    federation, round = chain.federation(), chain.task(task).round
    return [
        sign_statement(
            person.key, chain.domain, Verdict(federation, task, round, person.address, accepted, label("scores")), at
        )
        for at, person in enumerate(members)
    ]


def votes(chain: Chain, task: bytes, members: Sequence[Person], checkpoint: bytes) -> list[Signed[Vote]]:
    """Everybody votes for this checkpoint in the running round."""
    federation, round = chain.federation(), chain.task(task).round
    return [
        sign_statement(person.key, chain.domain, Vote(federation, task, round, person.address, checkpoint), at)
        for at, person in enumerate(members)
    ]


def next_checkpoint(chain: Chain, task: bytes, imported: Sequence[bytes] = ()) -> tuple[Checkpoint, tuple[bytes, ...]]:
    """The checkpoint that the running round leads to, and its parents."""
    status = chain.task(task)
    record = chain.round(task, status.round)
    digests = [digest for at, (_, digest) in sorted(record.updates.items()) if record.accepted >> at & 1]
    parents = (status.last_checkpoint, *imported)
    return (
        Checkpoint(
            federation=chain.federation(),
            task=task,
            round=status.round,
            model_root=label("model", status.round),
            model_bytes=1000,
            manifest_hash=label("manifest"),
            parents_hash=parents_hash(parents),
            samples=32 * STEPS,
            metrics_hash=label("metrics", status.round),
            training_root=log_root(digests),
            dataset_root=label("datasets"),
            locator_hash=label("locator", status.round),
        ),
        parents,
    )


def play_round(chain: Chain, task: bytes, members: Sequence[Person], imported: Sequence[bytes] = ()) -> Checkpoint:
    """One round from its start to its final checkpoint, one transaction a phase."""
    chain.start_round(task)
    chain.submit_updates(task, updates(chain, task, members))
    chain.submit_verdicts(task, verdicts(chain, task, members, (1 << len(members)) - 1))
    checkpoint, parents = next_checkpoint(chain, task, imported)
    chain.submit_votes(task, votes(chain, task, members, checkpoint.id))
    chain.finalise(task, checkpoint, parents)
    return checkpoint


# --- a source --------------------------------------------------------------------------------------------------------


@dataclass
class Source:
    """A chain that the one under test follows: its domain, its committee's keys and its outbox."""

    name: str
    receiver: bytes
    dest_domain: bytes
    keys: list[bytes] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    packets: list[tuple[Packet, bytes]] = field(default_factory=list)
    height: int = 0
    epoch: int = 1

    def __post_init__(self) -> None:
        self.keys = self.committee_keys(self.epoch)

    def committee_keys(self, epoch: int) -> list[bytes]:
        return sorted((label(self.name, "attestor", epoch, n) for n in range(4)), key=key_address)

    def hand_over(self) -> None:
        """A new committee in the next epoch."""
        self.epoch += 1
        self.keys = self.committee_keys(self.epoch)

    @property
    def domain(self) -> bytes:
        return evm_domain(label(self.name, "genesis"), 1)

    @property
    def sender(self) -> bytes:
        return label(self.name, "sender")

    @property
    def inbox(self) -> bytes:
        return label(self.name, "inbox")

    @property
    def federation(self) -> bytes:
        return label(self.name, "federation")

    @property
    def task(self) -> bytes:
        return label(self.name, "task")

    @property
    def genesis_checkpoint(self) -> bytes:
        return label(self.name, "genesis checkpoint")

    @property
    def members(self) -> tuple[bytes, ...]:
        return tuple(key_address(key) for key in self.keys)

    @property
    def genesis(self) -> CommitteeGenesis:
        return CommitteeGenesis(self.epoch, self.members)

    @property
    def peer(self) -> Peer:
        return Peer(self.domain, self.federation, self.task, self.genesis_checkpoint, self.sender)

    def export(self, round: int, previous: bytes, task: bytes | None = None) -> Checkpoint:
        """Appends a packet that announces a checkpoint."""
        checkpoint = Checkpoint(
            federation=self.federation,
            task=task or self.task,
            round=round,
            model_root=label(self.name, "model", round),
            model_bytes=1000,
            manifest_hash=label("manifest"),
            parents_hash=parents_hash([label(self.name, "parent")]),
            samples=100,
            metrics_hash=ZERO32,
            training_root=label(self.name, "training", round),
            dataset_root=ZERO32,
            locator_hash=ZERO32,
        )
        payload = CheckpointPayload(checkpoint, (label(self.name, "parent"),), previous).encode()
        self._send(PacketKind.CHECKPOINT, self.sender, self.receiver, payload)
        return checkpoint

    def acknowledge(self, receiver: bytes, *fates: tuple[bytes, Fate]) -> None:
        """Appends a packet that tells what became of packets."""
        payload = Acknowledgement(label(self.name, "carrier"), fates).encode()
        self._send(PacketKind.ACKNOWLEDGEMENT, self.inbox, receiver, payload)

    def _send(self, kind: PacketKind, sender: bytes, receiver: bytes, payload: bytes) -> None:
        nonce = len(self.packets)
        packet = Packet(VERSION, kind, self.domain, self.dest_domain, nonce, sender, receiver, 0, keccak(payload))
        self.packets.append((packet, payload))
        self.leaves.append(packet.id)
        self.height += 10

    def statement(self, **changes: int | bytes) -> Finality:
        """What an honest attestor says about the newest block."""
        honest = Finality(
            epoch=self.epoch,
            height=self.height,
            block_hash=label(self.name, "block", self.height),
            state_root=label(self.name, "state", self.height),
            outbox_size=len(self.leaves),
            outbox_root=log_root(self.leaves),
            timestamp=int(time.time()),
            next_committee=ZERO32,
        )
        return replace(honest, **changes)  # type: ignore[arg-type]

    def proof(self, accepted: int, signers: Sequence[int] = (0, 1, 2), statement: Finality | None = None) -> bytes:
        """A finality proof for a destination that has accepted an outbox of this size."""
        said = statement or self.statement()
        return CommitteeProof(
            statement=said,
            members=self.members,
            bitmap=sum(1 << at for at in signers),
            signatures=tuple(sign_finality(self.keys[at], self.domain, said) for at in signers),
            consistency=tuple(consistency_proof(self.leaves, accepted)) if accepted <= len(self.leaves) else (),
        ).encode()

    def delivery(self, index: int, size: int | None = None) -> PacketProof:
        """A packet with the proof that it is leaf `index` of the outbox of this size."""
        packet, payload = self.packets[index]
        leaves = self.leaves[: len(self.leaves) if size is None else size]
        return PacketProof(packet, payload, index, tuple(inclusion_proof(leaves, index)))


def altered(proof: bytes, **changes: object) -> bytes:
    """A CMT1 proof with other fields."""
    return replace(CommitteeProof.decode(proof), **changes).encode()  # type: ignore[arg-type]


def carry(source: Chain, destination: Chain, attestors: Sequence[bytes]) -> list[bytes]:
    """What relayers and attestors do: every packet of `source` that `destination` waits for, in one transaction.

    The statement is what `source` proves about its newest outbox, signed by all attestors. Returns the packets' ids.
    """
    heights = source.outbox_heights(0, source.final_height())
    evidence = source.finality_evidence(heights[-1])
    entries = source.outbox_entries(0, evidence.outbox_size)
    leaves = [entry.packet.id for entry in entries]
    state = destination.client(source.domain).state
    said = Finality(
        epoch=state.epoch,
        height=evidence.height,
        block_hash=evidence.block_hash,
        state_root=evidence.state_root,
        outbox_size=evidence.outbox_size,
        outbox_root=evidence.outbox_root,
        timestamp=evidence.timestamp,
        next_committee=ZERO32,
    )
    proof = CommitteeProof(
        statement=said,
        members=tuple(key_address(key) for key in attestors),
        bitmap=(1 << len(attestors)) - 1,
        signatures=tuple(sign_finality(key, source.domain, said) for key in attestors),
        consistency=tuple(consistency_proof(leaves, state.outbox_size)),
    ).encode()
    first = destination.next_nonce(source.domain)
    due = [
        PacketProof(entry.packet, entry.payload, entry.index, tuple(inclusion_proof(leaves, entry.index)))
        for entry in entries
        if entry.packet.dest_domain == destination.domain and entry.packet.nonce >= first
    ]
    destination.deliver(source.domain, proof, evidence.outbox_size, due)
    return [item.packet.id for item in due]


def committee(name: str, size: int = 4) -> list[bytes]:
    """Keys of a committee, in the order of their addresses."""
    return sorted((label(name, "attestor", n) for n in range(size)), key=key_address)


def link(source: Chain, task: bytes, genesis: Checkpoint, destination: Chain, attestors: Sequence[bytes]) -> None:
    """`destination` follows `source` and takes the checkpoints of a task there; `source` sends them."""
    members = tuple(key_address(key) for key in attestors)
    destination.create_client(source.domain, b"CMT1", CommitteeGenesis(1, members).encode(), 60, 3600)
    destination.set_peer(Peer(source.domain, source.federation(), task, genesis.id, source.endpoint))
    source.set_routes(task, [(destination.domain, destination.endpoint)])


# --- chains ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Net:
    """A running chain and what a test needs of it."""

    spec: ChainSpec
    connect: Callable[[ChainSpec], Chain]
    stranger: str
    """Secret of a payer that has coins and no rights."""

    def as_stranger(self) -> Chain:
        """A connection without rights."""
        return self.connect(replace(self.spec, key=self.stranger))


@dataclass(frozen=True, slots=True)
class Started(Net):
    """A devnet that runs, and where."""

    devnet: Devnet
    folder: Path


@pytest.mark.devnet
class ChainConformance:
    """Behaviour of a `Chain` that has governance rights, on a devnet of its own; or on what a kind's `net` brings."""

    make_devnet: Callable[[], Devnet]
    make_chain: Callable[[ChainSpec], Chain]

    @pytest.fixture(scope="class")
    @classmethod
    def net(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
        devnet = cls.make_devnet()
        folder = tmp_path_factory.mktemp("devnet")
        stranger = devnet.account("stranger")
        spec = devnet.start(folder, "conformance", free_port(), [stranger])
        yield Net(spec, cls.make_chain, stranger)
        devnet.stop(folder)

    @pytest.fixture(scope="class")
    @classmethod
    def chain(cls, net: Net) -> Iterator[Chain]:
        chain = net.connect(net.spec)
        yield chain
        chain.close()

    @pytest.fixture(scope="class")
    @classmethod
    def members(cls, chain: Chain) -> list[Person]:
        members = people()
        chain.admit([person.address for person in members])
        chain.set_members(memberships(chain, members))
        return members

    def source(self, chain: Chain, name: str, peer: bool = True) -> Source:
        """A source with a client here; its federation is a peer unless told otherwise."""
        source = Source(name, chain.endpoint, chain.domain)
        chain.create_client(source.domain, b"CMT1", source.genesis.encode(), 60, 3600)
        if peer:
            chain.set_peer(source.peer)
        return source

    # Connecting

    def test_domain_is_the_one_that_the_ledger_states(self, net: Net, chain: Chain) -> None:
        assert chain.domain == net.spec.domain
        assert chain.cost_unit
        assert len(chain.endpoint) == len(chain.federation()) == 32

    def test_connect_refused_other_chain_behind_url(self, net: Net) -> None:
        with refuses(Code.WrongDomain):
            net.connect(replace(net.spec, domain=label("another chain")))

    def test_connect_unreachable_nothing_listens(self, net: Net) -> None:
        scheme = net.spec.rpc[0].split(":")[0]
        with pytest.raises(Unreachable):
            net.connect(replace(net.spec, rpc=(f"{scheme}://127.0.0.1:{free_port()}",)))

    def test_governance_refused_without_rights(self, net: Net, chain: Chain) -> None:
        stranger = net.as_stranger()
        before = chain.members()
        with refuses(Code.Unauthorised):
            stranger.admit([label("outsider")[:20]])
        with refuses(Code.Unauthorised):
            stranger.set_peer(Source("stranger", chain.endpoint, chain.domain).peer)
        assert chain.members() == before
        stranger.close()

    # Rounds

    def test_members_sorted_with_keys_and_capacities(self, chain: Chain, members: list[Person]) -> None:
        found = chain.members()
        assert [member.participant for member in found] == [person.address for person in members]
        assert [member.capacity for member in found] == list(range(1, PARTICIPANTS + 1))
        assert found[3].encryption_key == label("encryption", 3)

    def test_membership_refused_not_admitted_or_stale(self, chain: Chain, members: list[Person]) -> None:
        outsider = Person(label("outsider"))
        before = chain.members()
        with refuses(Code.NotAdmitted):
            chain.set_members(memberships(chain, [outsider]))
        with refuses(Code.StaleSequence):
            chain.set_members(memberships(chain, members[:1]))
        forged = replace(memberships(chain, members[:1], 7)[0], signature=bytes(64) + b"\x1b")
        with refuses(Code.BadSignature):
            chain.set_members([forged])
        assert chain.members() == before

    def test_round_runs_to_a_final_checkpoint(self, chain: Chain, members: list[Person]) -> None:
        task, genesis = create_task(chain, "whole round")
        assert chain.task(task) == TaskStatus(
            Task(label("task", "whole round"), 100, STEPS, 0, 50, 3), 0, Phase.NONE, 0, genesis.id
        )
        receipt = chain.start_round(task)
        record = chain.round(task, 1)
        assert (record.phase, record.start_height) == (Phase.TRAINING, receipt.height)
        assert [member.participant for member in record.members] == [person.address for person in members]
        assert sum(record.steps) == STEPS
        assert list(record.steps) == sorted(record.steps)
        sent = updates(chain, task, members)
        receipt = chain.submit_updates(task, sent)
        assert receipt.cost > 0
        assert receipt.sent_bytes > 65 * len(sent)
        assert chain.ledger_bytes([receipt]) > receipt.sent_bytes
        record = chain.round(task, 1)
        assert record.phase is Phase.VERIFYING
        assert record.updates == {
            signed.index: (signed.statement, statement_digest(chain.domain, signed.statement)) for signed in sent
        }
        # Member 0's update is taken by too few.
        everything = (1 << PARTICIPANTS) - 1
        chain.submit_verdicts(task, verdicts(chain, task, members, everything - 1)[:6])
        chain.submit_verdicts(task, verdicts(chain, task, members, everything)[6:])
        record = chain.round(task, 1)
        assert (record.phase, record.accepted) == (Phase.AGGREGATING, everything - 1)
        assert record.verdicts == {at: everything - (at < 6) for at in range(PARTICIPANTS)}
        checkpoint, parents = next_checkpoint(chain, task)
        chain.submit_votes(task, votes(chain, task, members, checkpoint.id))
        receipt = chain.finalise(task, checkpoint, parents)
        record = chain.round(task, 1)
        assert (record.phase, record.checkpoint) == (Phase.FINAL, checkpoint.id)
        assert record.votes == dict.fromkeys(range(PARTICIPANTS), checkpoint.id)
        assert chain.task(task).last_checkpoint == checkpoint.id
        own = chain.checkpoints(task)
        assert [entry.checkpoint for entry in own] == [genesis, checkpoint]
        assert (own[1].parents, own[1].height) == ((genesis.id,), receipt.height)

    def test_round_refuses_forged_statements(self, chain: Chain, members: list[Person]) -> None:
        task, genesis = create_task(chain, "forged statements")
        with refuses(Code.UnknownTask):
            chain.task(label("no task"))
        with refuses(Code.WrongRound):
            chain.round(task, 1)
        chain.start_round(task)
        honest = updates(chain, task, members)
        before = chain.round(task, 1)

        def altered(**changes: int | bytes) -> list[Signed[Update]]:
            """A member signs something else."""
            statement = replace(honest[2].statement, **changes)  # type: ignore[arg-type]
            at = honest[2].index
            return [sign_statement(members[at].key, chain.domain, statement, at)]

        cases: list[tuple[Code, list[Signed[Update]]]] = [
            (Code.WrongDomain, altered(federation=label("other federation"))),
            (Code.WrongRound, altered(round=2)),
            (Code.NotRegistered, [replace(honest[2], index=63)]),
            (Code.NotRegistered, [replace(honest[2], index=honest[3].index)]),
            (Code.NotAssigned, altered(steps=STEPS)),
            (Code.WrongBase, altered(base=label("other base"))),
            (Code.ZeroValue, altered(update_root=ZERO32)),
            (Code.NotSigner, [replace(honest[2], signature=honest[3].signature)]),
            (Code.BadSignature, [replace(honest[2], signature=honest[2].signature[:64] + b"\x1d")]),
            (Code.AlreadySubmitted, [honest[2], honest[2]]),
            (Code.WrongRound, [honest[3], *altered(round=0)]),
        ]
        for code, statements in cases:
            with refuses(code):
                chain.submit_updates(task, statements)
        with refuses(Code.WrongPhase):
            chain.submit_votes(task, votes(chain, task, members, genesis.id))
        with refuses(Code.WrongPhase):
            chain.start_round(task)
        with refuses(Code.DeadlineNotReached):
            chain.advance(task)
        assert chain.round(task, 1) == before

    def test_finalise_refused_without_what_it_needs(self, chain: Chain, members: list[Person]) -> None:
        task, _ = create_task(chain, "finalise")
        chain.start_round(task)
        chain.submit_updates(task, updates(chain, task, members))
        with refuses(Code.BitmapMismatch):
            chain.submit_verdicts(task, verdicts(chain, task, members, 1 << PARTICIPANTS))
        chain.submit_verdicts(task, verdicts(chain, task, members, (1 << PARTICIPANTS) - 1))
        checkpoint, parents = next_checkpoint(chain, task)
        # Six of ten is not more than two thirds.
        chain.submit_votes(task, votes(chain, task, members, checkpoint.id)[:6])
        before = chain.round(task, 1)
        unknown = (parents[0], label("never imported"))
        cases: list[tuple[Code, Checkpoint, tuple[bytes, ...]]] = [
            (Code.QuorumNotReached, checkpoint, parents),
            (Code.WrongRound, replace(checkpoint, round=2), parents),
            (Code.ZeroValue, replace(checkpoint, model_root=ZERO32), parents),
            (Code.ParentsMismatch, checkpoint, unknown),
            (Code.WrongPredecessor, replace(checkpoint, parents_hash=parents_hash(unknown[1:])), unknown[1:]),
            (Code.UnknownParent, replace(checkpoint, parents_hash=parents_hash(unknown)), unknown),
            (Code.TrainingRootMismatch, replace(checkpoint, training_root=label("other")), parents),
        ]
        for code, forged, its_parents in cases:
            with refuses(code):
                chain.finalise(task, forged, its_parents)
        assert chain.round(task, 1) == before
        chain.submit_votes(task, votes(chain, task, members, checkpoint.id)[6:7])
        chain.finalise(task, checkpoint, parents)
        with refuses(Code.WrongPhase):
            chain.finalise(task, checkpoint, parents)

    def test_round_fails_after_its_deadline_and_starts_again(self, chain: Chain, members: list[Person]) -> None:
        task, genesis = create_task(chain, "overdue", phase_blocks=3)
        chain.start_round(task)
        late = updates(chain, task, members)
        deadline = chain.round(task, 1).deadline
        while chain.height() <= deadline:
            chain.set_routes(label("pass the time"), [])
        with refuses(Code.DeadlinePassed):
            chain.submit_updates(task, late)
        chain.advance(task)
        assert chain.task(task).phase is Phase.FAILED
        assert chain.task(task).last_checkpoint == genesis.id
        chain.start_round(task)
        # The failed round used its number up: what was signed for it counts in no other.
        assert chain.task(task).round == 2
        record = chain.round(task, 2)
        assert (record.phase, record.updates) == (Phase.TRAINING, {})
        assert chain.round(task, 1).phase is Phase.FAILED
        with refuses(Code.WrongRound):
            chain.submit_updates(task, late)

    def test_expelled_participant_is_missing_from_the_next_round(self, chain: Chain, members: list[Person]) -> None:
        task, _ = create_task(chain, "expelled")
        chain.expel([members[0].address])
        chain.start_round(task)
        assert [m.participant for m in chain.round(task, 1).members] == [p.address for p in members[1:]]
        chain.admit([members[0].address])
        assert len(chain.members()) == PARTICIPANTS

    # Outbox

    def test_final_checkpoint_goes_out_with_evidence(self, chain: Chain, members: list[Person]) -> None:
        destination, receiver = label("destination"), label("receiver")
        task, genesis = create_task(chain, "exported", export_every=1)
        chain.set_routes(task, [(destination, receiver)])
        size, height = chain.outbox_size(), chain.height()
        first = play_round(chain, task, members)
        second = play_round(chain, task, members)
        entries = chain.outbox_entries(size, size + 10)
        assert [entry.index for entry in entries] == [size, size + 1]
        assert chain.outbox_size() == size + 2
        assert chain.outbox_heights(height, chain.height()) == [entry.height for entry in entries]
        for nonce, (entry, checkpoint, previous) in enumerate(
            zip(entries, (first, second), (genesis, first), strict=True)
        ):
            payload = CheckpointPayload(checkpoint, (previous.id,), previous.id).encode()
            assert entry.payload == payload
            assert entry.packet == Packet(
                VERSION,
                PacketKind.CHECKPOINT,
                chain.domain,
                destination,
                nonce,
                chain.endpoint,
                receiver,
                0,
                keccak(payload),
            )
            leaves = [leaf.packet.id for leaf in chain.outbox_entries(0, entry.index + 1)]
            wait_until_final(chain, entry.height)
            evidence = chain.finality_evidence(entry.height)
            assert (evidence.height, evidence.outbox_size) == (entry.height, entry.index + 1)
            assert evidence.outbox_root == log_root(leaves)
            assert abs(evidence.timestamp - time.time()) < 60

    def test_evidence_refused_above_the_final_height(self, chain: Chain) -> None:
        assert chain.final_height() <= chain.height()
        with refuses(Code.NotFinal):
            chain.finality_evidence(chain.height() + 5)

    # Inbox

    def test_checkpoint_arrives_once(self, chain: Chain) -> None:
        source = self.source(chain, "arrives")
        status = chain.client(source.domain)
        assert (status.state.epoch, status.state.height, status.generation, status.frozen) == (1, 0, 0, False)
        assert (status.max_drift, status.staleness) == (60, 3600)
        first = source.export(1, source.genesis_checkpoint)
        receipt = chain.deliver(source.domain, source.proof(0), 1, [source.delivery(0)])
        assert chain.next_nonce(source.domain) == 1
        record = chain.imports()[-1]
        assert (record.checkpoint, record.height, record.source_domain) == (first, receipt.height, source.domain)
        assert (record.previous, record.parents) == (source.genesis_checkpoint, (label(source.name, "parent"),))
        (outcome,) = chain.outcomes(source.domain)
        assert (outcome.packet_id, outcome.dispatched, outcome.failure) == (source.leaves[0], True, "")
        # A batch: one finality update, two packets.
        second = source.export(2, first.id)
        source.export(3, second.id)
        chain.deliver(source.domain, source.proof(1), 3, [source.delivery(1), source.delivery(2)])
        assert [outcome.nonce for outcome in chain.outcomes(source.domain)] == [0, 1, 2]
        assert chain.client(source.domain).state.outbox_size == 3
        with refuses(Code.NonceReplayed):
            chain.deliver(source.domain, None, 3, [source.delivery(0)])
        # An update whose statement was accepted already is nothing new.
        chain.update_client(source.domain, source.proof(3, statement=source.statement()))
        assert chain.next_nonce(source.domain) == 3

    def test_delivery_refuses_forgeries(self, chain: Chain) -> None:
        source = self.source(chain, "forged")
        for round in range(1, 6):
            source.export(round, source.genesis_checkpoint)
        with refuses(Code.UnknownOutbox):
            chain.deliver(source.domain, None, 5, [source.delivery(0)])
        with refuses(Code.Uninitialised):
            chain.deliver(label("nobody"), source.proof(0), 5, [source.delivery(0)])
        before = chain.client(source.domain), chain.next_nonce(source.domain), len(chain.imports())
        honest, packet = source.proof(0), source.delivery(0)
        signed = CommitteeProof.decode(honest)
        other = Source("forged, other committee", chain.endpoint, chain.domain)
        for code, proof in (
            (Code.QuorumNotReached, source.proof(0, signers=(0, 1))),
            (Code.CommitteeMismatch, altered(honest, members=other.members)),
            (Code.BitmapMismatch, altered(honest, bitmap=0b1111)),
            (Code.NotSigner, altered(honest, signatures=(signed.signatures[0],) * 3)),
            (Code.NotSigner, altered(honest, statement=replace(signed.statement, outbox_root=label("forged")))),
            (Code.WrongEpoch, source.proof(0, statement=source.statement(epoch=2))),
            (Code.TimestampDrift, source.proof(0, statement=source.statement(timestamp=int(time.time()) + 600))),
            (Code.ProofLength, altered(honest, consistency=(ZERO32,))),
            (Code.BadHandover, altered(honest, next_members=signed.members)),
        ):
            with refuses(code):
                chain.deliver(source.domain, proof, 5, [packet])
        for code, forged in (
            (Code.PayloadMismatch, replace(packet, payload=packet.payload[:-1] + b"\1")),
            (Code.RootMismatch, replace(packet, packet=replace(packet.packet, payload_hash=label("forged")))),
            (Code.RootMismatch, replace(packet, leaf_index=1)),
            (Code.IndexOutOfRange, replace(packet, leaf_index=5)),
            (Code.ProofLength, replace(packet, proof=packet.proof[:-1])),
            (Code.NonceGap, source.delivery(1)),
            (Code.WrongVersion, replace(packet, packet=replace(packet.packet, version=2))),
            (Code.WrongKind, replace(packet, packet=replace(packet.packet, kind=3))),
            (Code.WrongReceiver, replace(packet, packet=replace(packet.packet, kind=2))),
            (Code.WrongSource, replace(packet, packet=replace(packet.packet, source_domain=label("other")))),
            (Code.WrongDestination, replace(packet, packet=replace(packet.packet, dest_domain=label("other")))),
            (Code.WrongReceiver, replace(packet, packet=replace(packet.packet, receiver=label("other")))),
            (Code.WrongSender, replace(packet, packet=replace(packet.packet, sender=label("other")))),
            (Code.Oversize, replace(packet, payload=bytes(5000))),
        ):
            with refuses(code):
                chain.deliver(source.domain, honest, 5, [forged])
        assert (chain.client(source.domain), chain.next_nonce(source.domain), len(chain.imports())) == before
        chain.deliver(source.domain, honest, 5, [packet])
        # History that was rewritten: the third leaf is another one.
        source.export(6, source.genesis_checkpoint)
        source.leaves[2] = label("rewritten")
        with refuses(Code.InconsistentLog):
            chain.deliver(source.domain, source.proof(5), 6, [])
        with refuses(Code.StaleHeight):
            chain.deliver(source.domain, source.proof(5, statement=source.statement(height=1)), 6, [])

    def test_failed_application_is_kept_and_retried(self, chain: Chain) -> None:
        source = self.source(chain, "retried")
        checkpoint = source.export(1, source.genesis_checkpoint, task=label("retried", "task to come"))
        chain.deliver(source.domain, source.proof(0), 1, [source.delivery(0)])
        (outcome,) = chain.outcomes(source.domain)
        assert (outcome.dispatched, outcome.failure) == (False, Code.UnknownPeer.name)
        packet, payload = source.packets[0]
        with refuses(Code.UnknownPeer):
            chain.retry(packet, payload)
        chain.set_peer(replace(source.peer, task=checkpoint.task))
        with refuses(Code.PayloadMismatch):
            chain.retry(packet, payload + bytes(32))
        chain.retry(packet, payload)
        assert chain.imports()[-1].checkpoint == checkpoint
        assert chain.outcomes(source.domain)[0].dispatched
        with refuses(Code.NothingToRetry):
            chain.retry(packet, payload)

    def test_source_learns_what_became_of_its_packets_where_governance_wants_it(self, net: Net, chain: Chain) -> None:
        source = self.source(chain, "acknowledged")
        for _ in range(3):
            source.export(1, source.genesis_checkpoint)
        sent = chain.outbox_size()
        chain.deliver(source.domain, source.proof(0), 3, [source.delivery(0)])
        assert chain.outbox_size() == sent
        stranger = net.as_stranger()
        with refuses(Code.Unauthorised):
            stranger.set_acknowledgements(source.domain, source.inbox)
        with refuses(Code.WrongDomain):
            chain.set_acknowledgements(chain.domain, source.inbox)
        chain.set_acknowledgements(source.domain, source.inbox)
        # Two checkpoints of a round that is known: the application refuses both.
        stranger.deliver(source.domain, None, 3, [source.delivery(1), source.delivery(2)])
        stranger.close()
        (entry,) = chain.outbox_entries(sent, sent + 1)
        packet = entry.packet
        assert (packet.kind, packet.dest_domain, packet.expires_at) == (2, source.domain, 0)
        assert (packet.sender, packet.receiver) == (chain.inbox_endpoint, source.inbox)
        said = decode_acknowledgement(entry.payload)
        assert said.fates == tuple((source.packets[nonce][0].id, Fate.FAILED) for nonce in (1, 2))
        assert said.carrier != ZERO32
        chain.set_acknowledgements(source.domain, ZERO32)
        source.export(2, source.genesis_checkpoint)
        chain.deliver(source.domain, source.proof(3), 4, [source.delivery(3)])
        assert chain.outbox_size() == sent + 1

    def test_acknowledgements_of_the_peers_inbox_are_kept_in_their_order(self, chain: Chain) -> None:
        source, (first, second) = self.source(chain, "acknowledges"), (label("first sent"), label("second sent"))
        source.acknowledge(chain.inbox_endpoint, (first, Fate.FAILED), (second, Fate.APPLIED))
        with refuses(Code.WrongReceiver):
            chain.deliver(source.domain, source.proof(0), 1, [source.delivery(0)])
        chain.set_acknowledgements(source.domain, source.inbox)
        sent = chain.outbox_size()
        chain.deliver(source.domain, source.proof(0), 1, [source.delivery(0)])
        assert chain.acknowledgements(label("another chain")) == []
        carrier = label(source.name, "carrier")
        applied = Acknowledged(second, Fate.APPLIED, carrier)
        assert chain.acknowledgements(source.domain) == [Acknowledged(first, Fate.FAILED, carrier), applied]
        # A retry over there; that a packet was applied is the last word about it.
        source.acknowledge(chain.inbox_endpoint, (second, Fate.EXPIRED), (first, Fate.APPLIED))
        chain.deliver(source.domain, source.proof(1), 2, [source.delivery(1)])
        assert chain.acknowledgements(source.domain) == [applied, Acknowledged(first, Fate.APPLIED, carrier)]
        assert chain.outbox_size() == sent, "an acknowledgement is not acknowledged"

    def test_halted_link_takes_nothing_in(self, net: Net, chain: Chain) -> None:
        source, other = self.source(chain, "halted"), self.source(chain, "goes on", peer=False)
        source.export(1, source.genesis_checkpoint)
        stranger = net.as_stranger()
        with refuses(Code.Unauthorised):
            stranger.set_halted(source.domain, True)
        stranger.close()
        chain.set_halted(source.domain, True)
        assert (chain.halted(source.domain), chain.halted(other.domain)) == (True, False)
        chain.update_client(source.domain, source.proof(0))
        with refuses(Code.Halted):
            chain.deliver(source.domain, None, 1, [source.delivery(0)])
        chain.set_halted(source.domain, False)
        assert not chain.halted(source.domain)
        chain.deliver(source.domain, None, 1, [source.delivery(0)])

    def test_frozen_by_governance_believes_nothing(self, net: Net, chain: Chain) -> None:
        source = self.source(chain, "frozen", peer=False)
        source.export(1, source.genesis_checkpoint)
        stranger = net.as_stranger()
        with refuses(Code.Unauthorised):
            stranger.freeze_client(source.domain)
        stranger.close()
        chain.freeze_client(source.domain)
        assert chain.client(source.domain).frozen
        with refuses(Code.Frozen):
            chain.update_client(source.domain, source.proof(0))
        with refuses(Code.Frozen):
            chain.freeze_client(source.domain)

    def test_bytes_that_are_no_proof_are_refused_by_name(self, chain: Chain) -> None:
        source, nobody = self.source(chain, "garbage", peer=False), label("nobody's domain")
        genesis = source.genesis.encode()
        for code, scheme, bytes_of in (
            (Code.UnknownScheme, b"NONE", genesis),
            (Code.UnknownScheme, b"CMT", genesis),
            (Code.Malformed, b"CMT1", b""),
            (Code.Malformed, b"CMT1", genesis + b"\0"),
            (Code.Oversize, b"CMT1", bytes(65_537)),
        ):
            with refuses(code):
                chain.create_client(nobody, scheme, bytes_of, 60, 3600)
        source.export(1, source.genesis_checkpoint)
        honest = source.proof(0)
        for code, proof in (
            (Code.Malformed, b""),
            (Code.Malformed, honest[:-1]),
            (Code.Malformed, honest + b"\0"),
            (Code.Oversize, bytes(65_537)),
        ):
            with refuses(code):
                chain.update_client(source.domain, proof)
            with refuses(code):
                chain.submit_misbehaviour(source.domain, proof, honest)
        chain.update_client(source.domain, honest)

    def test_contradiction_freezes_until_governance_recovers(self, net: Net, chain: Chain) -> None:
        source = self.source(chain, "contradicts")
        source.export(1, source.genesis_checkpoint)
        first = source.proof(0)
        second = source.proof(0, statement=source.statement(block_hash=label("fork"), outbox_root=label("fork")))
        with refuses(Code.NotMisbehaviour):
            chain.submit_misbehaviour(source.domain, first, first)
        stranger = net.as_stranger()
        stranger.submit_misbehaviour(source.domain, first, second)
        assert chain.client(source.domain).frozen
        with refuses(Code.Frozen):
            chain.deliver(source.domain, first, 1, [source.delivery(0)])
        with refuses(Code.Unauthorised):
            stranger.recover_client(source.domain, b"CMT1", source.genesis.encode())
        stranger.close()
        source.hand_over()
        chain.recover_client(source.domain, b"CMT1", source.genesis.encode())
        status = chain.client(source.domain)
        assert (status.frozen, status.generation, status.state.epoch) == (False, 1, 2)
        with refuses(Code.CommitteeMismatch):
            chain.deliver(source.domain, first, 1, [source.delivery(0)])
        chain.deliver(source.domain, source.proof(0), 1, [source.delivery(0)])
        assert chain.next_nonce(source.domain) == 1

    def test_committee_hands_over(self, chain: Chain) -> None:
        source = self.source(chain, "hands over")
        source.export(1, source.genesis_checkpoint)
        upcoming = tuple(key_address(key) for key in source.committee_keys(2))
        proof = source.proof(0, statement=source.statement(next_committee=committee_hash(2, upcoming)))
        with refuses(Code.BadHandover):
            chain.deliver(source.domain, altered(proof, next_members=source.members), 1, [])
        chain.deliver(source.domain, altered(proof, next_members=upcoming), 1, [source.delivery(0)])
        assert chain.client(source.domain).state.epoch == 2
        source.export(2, source.genesis_checkpoint)
        with refuses(Code.CommitteeMismatch):
            chain.deliver(source.domain, source.proof(1), 2, [])
        source.hand_over()
        chain.deliver(source.domain, source.proof(1), 2, [])
        assert chain.client(source.domain).state.outbox_size == 2

    def test_client_refused_twice_or_unknown(self, chain: Chain) -> None:
        source = self.source(chain, "twice", peer=False)
        with refuses(Code.AlreadyInitialised):
            chain.create_client(source.domain, b"CMT1", source.genesis.encode(), 60, 3600)
        with refuses(Code.Uninitialised):
            chain.client(label("unknown source"))
        other = Source("small", chain.endpoint, chain.domain)
        with refuses(Code.CommitteeInvalid):
            chain.create_client(other.domain, b"CMT1", CommitteeGenesis(1, other.members[:3]).encode(), 60, 3600)
        with refuses(Code.ZeroValue):
            chain.create_client(other.domain, b"CMT1", replace(other.genesis, epoch=0).encode(), 60, 3600)

    def test_import_becomes_a_parent(self, chain: Chain, members: list[Person]) -> None:
        source = self.source(chain, "merged")
        task, genesis = create_task(chain, "merging")
        imported = source.export(1, source.genesis_checkpoint)
        chain.deliver(source.domain, source.proof(0), 1, [source.delivery(0)])
        final = play_round(chain, task, members, [imported.id])
        assert chain.checkpoints(task)[-1].parents == (genesis.id, imported.id)
        assert chain.task(task).last_checkpoint == final.id


@pytest.mark.devnet
class DevnetConformance:
    """Behaviour of a `Devnet`: its life cycle, and what survives."""

    make_devnet: Callable[[], Devnet]
    make_chain: Callable[[ChainSpec], Chain]

    @pytest.fixture
    def started(self, tmp_path: Path) -> Iterator[Started]:
        kind = type(self)
        devnet = kind.make_devnet()
        spec = devnet.start(tmp_path, "lifecycle", free_port())
        yield Started(spec, kind.make_chain, devnet.account("stranger"), devnet, tmp_path)
        devnet.stop(tmp_path)

    def test_account_is_the_same_on_every_call(self) -> None:
        devnet = type(self).make_devnet()
        assert devnet.account("relayer") == devnet.account("relayer") != devnet.account("attestor")

    def test_start_again_answers_with_the_same_chain(self, started: Started) -> None:
        port = int(started.devnet.status(started.folder).rpc.rsplit(":", 1)[1])
        pid = started.devnet.status(started.folder).pid
        assert started.devnet.start(started.folder, "lifecycle", port) == started.spec
        assert started.devnet.status(started.folder).pid == pid

    def test_two_names_have_two_domains(self, started: Started, tmp_path: Path) -> None:
        folder = tmp_path / "second"
        spec = started.devnet.start(folder, "another name", free_port())
        started.devnet.stop(folder)
        assert spec.domain != started.spec.domain

    def test_start_refused_port_in_use(self, started: Started, tmp_path: Path) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            with pytest.raises(ConfigError, match=str(port)):
                started.devnet.start(tmp_path / "blocked", "blocked", port)

    @pytest.mark.parametrize("end", ["stop", "kill"])
    def test_history_survives(self, started: Started, end: str) -> None:
        chain = started.connect(started.spec)
        members = people(4)
        chain.admit([person.address for person in members])
        chain.set_members(memberships(chain, members))
        task, _ = create_task(chain, "resumed", export_every=1)
        chain.set_routes(task, [(label("destination"), label("receiver"))])
        play_round(chain, task, members)
        entries = chain.outbox_entries(0, 10)
        said = facts(chain, task, entries[0].height)
        chain.close()
        status = started.devnet.status(started.folder)
        if end == "stop":
            started.devnet.stop(started.folder)
        else:
            time.sleep(1.0)  # what a devnet may keep to itself before a kill −9 loses it
            os.kill(status.pid, signal.SIGKILL)
            psutil.wait_procs([psutil.Process(status.pid)] if psutil.pid_exists(status.pid) else [], timeout=5)
        assert not started.devnet.status(started.folder).running
        assert started.devnet.start(started.folder, "lifecycle", 0) == started.spec
        chain = started.connect(started.spec)
        assert facts(chain, task, entries[0].height) == said
        play_round(chain, task, members)
        assert chain.task(task).last_final_round == 2
        chain.close()

    def test_stop_of_a_folder_without_devnet_does_nothing(self, tmp_path: Path) -> None:
        type(self).make_devnet().stop(tmp_path)

    def test_stopped_node_is_unreachable(self, started: Started) -> None:
        chain = started.connect(started.spec)
        started.devnet.stop(started.folder)
        started.devnet.stop(started.folder)
        assert not started.devnet.status(started.folder).running
        with pytest.raises(Unreachable):
            chain.height()


def facts(chain: Chain, task: bytes, height: int) -> tuple[object, ...]:
    """What an auditor reads of a chain's past."""
    record: RoundRecord = chain.round(task, 1)
    return (
        chain.task(task),
        record,
        chain.checkpoints(task),
        chain.outbox_entries(0, 10),
        chain.finality_evidence(height),
        chain.members(),
    )
