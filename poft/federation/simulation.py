"""All participants of one network in one process, against their real chain.

A step looks at the ledger, does what is due, and returns; nothing that matters is kept in memory. So a run that was
killed goes on where the ledger stands, and a participant that was restarted computes what it would have computed.
Statements of all participants travel in one transaction a phase (docs/federation.md: any account may carry any number).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from poft.chain import Chain, CheckpointRecord, Phase, RoundRecord, Task, TaskStatus
from poft.config import canonical, digest
from poft.federation.executors import Executor
from poft.federation.lineage import (
    accepted_updates,
    due_imports,
    fetch_imports,
    get_model,
    get_update,
    last_accepted,
    merges_imports,
    put_model,
    put_update,
    round_roots,
)
from poft.federation.merging import Adoption
from poft.federation.rounds import MAX_SAMPLES, Judgement, accepted_bitmap, scores_root
from poft.federation.scoring import Metrics
from poft.federation.task import TaskSettings, Workspace, workspace
from poft.federation.work import (
    AdoptJob,
    AggregateJob,
    JudgeJob,
    TrainJob,
    adoption,
    aggregate,
    judge,
    timed_train,
)
from poft.model.store import ArtifactStore
from poft.protocol.checkpoint import Checkpoint, parents_hash
from poft.protocol.domain import task_id
from poft.protocol.errors import ArtifactError, Code, Refused
from poft.protocol.finality import quorum
from poft.protocol.hashing import ZERO32, keccak
from poft.protocol.merkle import EMPTY_ROOT
from poft.protocol.signatures import key_address
from poft.protocol.statements import Membership, Update, Verdict, Vote, sign_statement
from poft.training.fixed_point import Parameters
from poft.training.networks import initial_parameters

PHASE_BLOCKS = 10_000
"""Deadline of a phase. Devnets make a block for every transaction, so this is generous in time and never hit."""

Event = dict[str, str | int | float | list[str]]
T = TypeVar("T")


class Progress(Enum):
    """What a step found to do."""

    MOVED = "moved"
    WAITING = "waiting for imports"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Trainer:
    """A participant of the simulation: its stable name, its key, and which part of the data it holds."""

    name: str
    key: bytes
    address: bytes
    capacity: int
    holding: int


@dataclass(frozen=True, slots=True)
class Base:
    """What a round trains on, and how it came about."""

    parameters: Parameters
    predecessor: CheckpointRecord
    adopted: tuple[bytes, ...]
    verdicts: tuple[Adoption, ...]


def devnet_key(seed: int, name: str) -> bytes:
    """A participant's training key in a simulation: public knowledge, the same on every run of a seed."""
    return keccak(f"poft/devnet/participant/{seed}/{name}".encode())


def encryption_key(training_key: bytes) -> bytes:
    """The X25519 public key (RFC 7748) that a simulated participant registers, derived from its training key."""
    secret = X25519PrivateKey.from_private_bytes(keccak(b"poft/devnet/encryption" + training_key))
    return secret.public_key().public_bytes_raw()


def trainers(settings: TaskSettings, network: int, network_name: str) -> list[Trainer]:
    """The participants of a network."""
    made = []
    for i, capacity in enumerate(settings.shares[network]):
        name = f"{network_name}/{i}"
        key = devnet_key(settings.seed, name)
        made.append(Trainer(name, key, key_address(key), capacity, i))
    return made


class Network:
    """One network's participants. `emit` hears of everything that happened, `peers` are the domains it imports from."""

    def __init__(
        self,
        name: str,
        index: int,
        settings: TaskSettings,
        chain: Chain,
        store: ArtifactStore,
        executor: Executor,
        emit: Callable[[Event], None],
        peers: Sequence[bytes] = (),
    ) -> None:
        self.name = name
        self.chain = chain
        self.store = store
        self.federation = chain.federation()
        self.task = task_id(self.federation, digest(settings))
        self._index = index
        self._settings = settings
        self._encoded = canonical(settings)
        self._executor = executor
        self._emit = emit
        self._peers = tuple(peers)
        self._trainers = {one.address: one for one in trainers(settings, index, name)}
        self._bases: dict[int, Base] = {}
        self._final: list[RoundRecord] = []

    # Set-up

    def genesis(self) -> Checkpoint:
        """The task's genesis checkpoint: the initial model, which follows from network and seed. Stores the model."""
        space = self._space()
        ref = put_model(self.store, initial_parameters(space.network, self._settings.seed))
        return Checkpoint(
            self.federation,
            self.task,
            0,
            ref.model_root,
            ref.model_bytes,
            ref.manifest_hash,
            parents_hash(()),
            0,
            ZERO32,
            EMPTY_ROOT,
            EMPTY_ROOT,
            keccak(self.name.encode()),
        )

    def enrol(self) -> None:
        """Admits and registers the participants, and creates the task, as far as that has not happened yet."""
        registered = {member.participant for member in self.chain.members()}
        missing = [one for one in self._trainers.values() if one.address not in registered]
        if missing:
            self._timed("chain", lambda: self.chain.admit([one.address for one in missing]))
            statements = [
                sign_statement(
                    one.key,
                    self.chain.domain,
                    Membership(self.federation, one.address, encryption_key(one.key), one.capacity, 1),
                )
                for one in missing
            ]
            self._timed("chain", lambda: self.chain.set_members(statements))
        try:
            self.chain.task(self.task)
        except Refused as refused:
            if refused.code is not Code.UnknownTask:
                raise
            settings = self._settings
            task = Task(
                config_digest=digest(settings),
                rounds=settings.rounds,
                steps_per_round=settings.training.steps_per_round,
                export_every=settings.exchange.every,
                phase_blocks=PHASE_BLOCKS,
                min_trainers=quorum(len(self._trainers)),
            )
            self._timed("chain", lambda: self.chain.create_task(task, self.genesis()))

    # The round

    def step(self) -> Progress:
        """Does what is due on the ledger now."""
        status = self.chain.task(self.task)
        if status.phase in (Phase.NONE, Phase.FINAL, Phase.FAILED):
            return self._start(status)
        record = self.chain.round(self.task, status.round)
        if status.phase is Phase.TRAINING:
            self._train(record)
        elif status.phase is Phase.VERIFYING:
            self._verify(record)
        else:
            self._aggregate(record)
        return Progress.MOVED

    def _start(self, status: TaskStatus) -> Progress:
        if status.last_final_round >= self._settings.rounds:
            return Progress.DONE
        upcoming = status.round + 1  # a failed round uses its number up
        if merges_imports(self._settings, upcoming) and not self._arrived(upcoming - 1):
            return Progress.WAITING
        self._timed("chain", lambda: self.chain.start_round(self.task))
        return Progress.MOVED

    def _arrived(self, round_number: int) -> bool:
        """Whether every peer's export of this round is here for good: on a branch that is given up, a round that has
        begun would stand before its imports."""
        if not self._peers:
            return True
        final = self.chain.final_height()
        imports = [record for record in self.chain.imports() if record.height <= final]
        return {r.source_domain for r in imports if r.checkpoint.round >= round_number}.issuperset(self._peers)

    def _train(self, record: RoundRecord) -> None:
        base = self._base(record)
        history = self._history(record.round)
        jobs, who = [], []
        for i, member in enumerate(record.members):
            one = self._trainers.get(member.participant)
            if one is None or not record.steps[i] or i in record.updates:
                continue
            before = last_accepted(history, one.address)
            previous = get_update(self.store, self._space().network, before[0]) if before else None
            jobs.append(
                TrainJob(
                    self._encoded,
                    self._index,
                    one.holding,
                    one.name.encode(),
                    record.round,
                    record.steps[i],
                    base.parameters,
                    previous,
                )
            )
            who.append((i, one))
        trained = self._timed("training", lambda: self._executor.map(timed_train, jobs))
        statements = []
        for (i, one), (made, millis) in zip(who, trained, strict=True):
            ref = put_update(self.store, made.update)
            update = Update(
                self.federation,
                self.task,
                record.round,
                one.address,
                base.predecessor.checkpoint.id,
                ref.model_root,
                ref.model_bytes,
                made.samples,
                millis,
                made.steps,
                made.training_root,
                made.dataset_root,
                made.access_root,
                ZERO32,
            )
            statements.append(sign_statement(one.key, self.chain.domain, update, i))
        self._timed("chain", lambda: self.chain.submit_updates(self.task, statements))

    def _verify(self, record: RoundRecord) -> None:
        findings = self._timed("verification", lambda: self._judge(record))
        members = [member.participant for member in record.members]
        bitmap, root = accepted_bitmap(members, findings), scores_root(members, findings)
        statements = [
            sign_statement(
                one.key,
                self.chain.domain,
                Verdict(self.federation, self.task, record.round, one.address, bitmap, root),
                i,
            )
            for i, one in self._speakers(record, record.verdicts)
        ]
        self._timed("chain", lambda: self.chain.submit_verdicts(self.task, statements))

    def _judge(self, record: RoundRecord) -> dict[bytes, Judgement]:
        updates = {}
        for update, _ in record.updates.values():
            if update.samples > MAX_SAMPLES:
                self._say("update refused", round=record.round, trainer=update.trainer.hex(), reason="too many samples")
                continue
            try:
                updates[update.trainer] = get_update(self.store, self._space().network, update)
            except (Refused, ArtifactError) as fault:
                # Bytes that do not match, or are not there, cannot be accepted; the others can.
                self._say("update refused", round=record.round, trainer=update.trainer.hex(), reason=str(fault))
        job = JudgeJob(self._encoded, self._base(record).parameters, updates)
        return self._executor.map(judge, [job])[0]

    def _aggregate(self, record: RoundRecord) -> None:
        checkpoint, parents, metrics = self._timed("verification", lambda: self._result(record))
        statements = [
            sign_statement(
                one.key,
                self.chain.domain,
                Vote(self.federation, self.task, record.round, one.address, checkpoint.id),
                i,
            )
            for i, one in self._speakers(record, record.votes)
        ]
        if statements:
            self._timed("chain", lambda: self.chain.submit_votes(self.task, statements))
        receipt = self._timed("chain", lambda: self.chain.finalise(self.task, checkpoint, parents))
        if record.round % self._settings.exchange.every == 0:
            self._say("export", round=record.round, ledger_bytes=self.chain.ledger_bytes([receipt]))
        self._say(
            "round final",
            round=record.round,
            rounds=self._settings.rounds,
            checkpoint=checkpoint.id.hex(),
            model_root=checkpoint.model_root.hex(),
            validation_ppm=metrics.accuracy_ppm,
            accepted=record.accepted.bit_count(),
            trainers=len(record.updates),
            adopted=[parent.hex() for parent in parents[1:]],
        )

    def _result(self, record: RoundRecord) -> tuple[Checkpoint, tuple[bytes, ...], Metrics]:
        base = self._base(record)
        accepted = accepted_updates(record)
        updates = {
            trainer: (get_update(self.store, self._space().network, update), update.samples)
            for trainer, (update, _) in accepted.items()
        }
        job = AggregateJob(self._encoded, base.parameters, updates, record.round)
        model, metrics = self._executor.map(aggregate, [job])[0]
        self.store.put_blob(metrics.encode())
        ref = put_model(self.store, model)
        parents = (base.predecessor.checkpoint.id, *base.adopted)
        training_root, dataset_root = round_roots(accepted)
        checkpoint = Checkpoint(
            self.federation,
            self.task,
            record.round,
            ref.model_root,
            ref.model_bytes,
            ref.manifest_hash,
            parents_hash(parents),
            sum(update.samples for update, _ in accepted.values()),
            metrics.hash(),
            training_root,
            dataset_root,
            keccak(self.name.encode()),
        )
        return checkpoint, parents, metrics

    # What a round builds on

    def _base(self, record: RoundRecord) -> Base:
        if record.round not in self._bases:
            own = self.chain.checkpoints(self.task)
            due = due_imports(self._settings, record.round, record.start_height, own, self.chain.imports())
            local = get_model(self.store, own[-1])
            parameters = local
            verdicts: tuple[Adoption, ...] = ()
            if due:
                policy = self._settings.merge_policy()
                imports, refused = self._timed("verification", lambda: fetch_imports(self.store, own[-1], due, policy))
                job = AdoptJob(self._encoded, local, max(1, own[-1].checkpoint.samples), imports)
                parameters, judged = self._timed("verification", lambda: self._executor.map(adoption, [job])[0])
                verdicts = (*judged, *refused)
            adopted = tuple(verdict.checkpoint for verdict in verdicts if verdict.adopted)
            self._bases = {record.round: Base(parameters, own[-1], adopted, verdicts)}
            for verdict in verdicts:
                self._say(
                    "import considered",
                    round=record.round,
                    checkpoint=verdict.checkpoint.hex(),
                    code=verdict.code.name,
                    merged_ppm=verdict.merged.accuracy_ppm if verdict.merged else -1,
                )
        return self._bases[record.round]

    def _history(self, before_round: int) -> list[RoundRecord]:
        """The final rounds before this one, oldest first; read once each."""
        known = self._final[-1].round if self._final else 0
        for number in range(known + 1, before_round):
            if (record := self.chain.round(self.task, number)).phase is Phase.FINAL:
                self._final.append(record)
        return [record for record in self._final if record.round < before_round]

    def _speakers(self, record: RoundRecord, spoken: dict[int, int] | dict[int, bytes]) -> list[tuple[int, Trainer]]:
        """Members of the round that are simulated here and have not spoken yet, with their indices."""
        found = []
        for i, member in enumerate(record.members):
            one = self._trainers.get(member.participant)
            if one is not None and i not in spoken:
                found.append((i, one))
        return found

    def _space(self) -> Workspace:
        return workspace(self._settings)

    def _say(self, event: str, **fields: str | int | float | list[str]) -> None:
        self._emit({"event": event, "network": self.name, **fields})

    def _timed(self, part: str, work: Callable[[], T]) -> T:
        began = time.monotonic()
        result = work()
        self._say("time", part=part, seconds=time.monotonic() - began)
        return result
