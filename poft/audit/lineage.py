"""`poft verify`: walks the lineage of a task over all ledgers and repeats every aggregation bit for bit.

Trusted are the ledgers' answers (each chain's node is asked), and nothing else: every model, update and metric is
fetched by digest, every tally, root and aggregation is computed again. For every network

1. the task names the configuration, and its genesis model follows from it;
2. every round: assignment, statement digests, tally, quorum of votes, trainingRoot, datasetRoot;
3. every round: predecessor, imports that were due, the gate's decisions, the aggregated model, its metrics;
4. every import: it is a final checkpoint of its source's own ledger, stands in the source's outbox under the
   destination's trusted root, and was consumed once, in order;
5. the trusted state of every light client agrees with the source's ledger at that height.

A finding does not end the walk: the report lists all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from poft.chain import Chain, CheckpointRecord, RoundRecord
from poft.config import canonical, digest
from poft.federation.executors import Executor
from poft.federation.lineage import (
    accepted_updates,
    due_imports,
    fetch_imports,
    get_model,
    get_update,
    last_accepted,
    round_roots,
)
from poft.federation.rounds import assign_steps
from poft.federation.simulation import trainers
from poft.federation.task import TaskSettings, workspace
from poft.federation.work import AdoptJob, AggregateJob, TrainJob, adoption, aggregate, train
from poft.model.commitment import checkpoint_model, commit
from poft.model.store import ArtifactStore
from poft.protocol.checkpoint import decode_payload, parents_hash
from poft.protocol.errors import ArtifactError, Code, PoftError, Refused
from poft.protocol.hashing import ZERO32
from poft.protocol.merkle import log_root
from poft.protocol.statements import statement_digest
from poft.training.fixed_point import Parameters, to_floats
from poft.training.networks import initial_parameters


@dataclass(frozen=True, slots=True)
class Ledger:
    """One network as the auditor sees it."""

    name: str
    chain: Chain
    store: ArtifactStore
    task: bytes
    index: int


@dataclass(slots=True)
class AuditReport:
    """What was checked (check → how often) and what did not hold."""

    checks: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether everything held, and something was checked at all."""
        return not self.failures and bool(self.checks)

    def equal(self, what: str, subject: str, found: object, expected: object) -> None:
        """Counts a check; a difference becomes a failure."""
        self.checks[what] = self.checks.get(what, 0) + 1
        if found != expected:
            self.failures.append(f"{subject}: {what}: {_show(found)} where {_show(expected)} is due")

    @contextmanager
    def part(self, subject: str) -> Iterator[None]:
        """A refusal inside becomes a failure of `subject`."""
        try:
            yield
        except PoftError as error:
            self.failures.append(f"{subject}: {error}")


def audit(
    ledgers: Sequence[Ledger],
    settings: TaskSettings,
    executor: Executor,
    *,
    replay_training: bool = False,
    tick: Callable[[str], None] = lambda _line: None,
) -> AuditReport:
    """Walks all ledgers. `replay_training` also trains every update again: the exact profile must give equal bytes."""
    report = AuditReport()
    by_domain = {ledger.chain.domain: ledger for ledger in ledgers}
    for ledger in ledgers:
        _audit_network(ledger, settings, executor, report, replay_training, tick)
        _audit_imports(ledger, by_domain, report)
        tick(f"{ledger.name}: imports")
    return report


def _audit_network(
    ledger: Ledger,
    settings: TaskSettings,
    executor: Executor,
    report: AuditReport,
    replay_training: bool,
    tick: Callable[[str], None],
) -> None:
    space = workspace(settings)
    try:
        status = ledger.chain.task(ledger.task)
    except Refused as fault:
        if fault.code is not Code.UnknownTask:
            raise
        words = "this ledger has no task of it: it is not what was trained"
        report.failures.append(f"{ledger.name}: {Refused(fault.code, 'configuration', words)}")
        return
    report.equal("config digest", ledger.name, status.task.config_digest, digest(settings))
    own = ledger.chain.checkpoints(ledger.task)
    initial = commit(to_floats(initial_parameters(space.network, settings.seed)))
    report.equal("genesis model", ledger.name, own[0].checkpoint.model_root, initial.model_root)
    numbers = [record.checkpoint.round for record in own]
    report.equal("rounds strictly ascending", ledger.name, numbers, sorted(set(numbers)))
    report.equal("last final round", ledger.name, numbers[-1], status.last_final_round)
    imports = ledger.chain.imports()
    history: list[RoundRecord] = []
    for at, made in enumerate(own[1:], start=1):
        number = made.checkpoint.round
        subject = f"{ledger.name} round {number}"
        with report.part(subject):
            record = ledger.chain.round(ledger.task, number)
            _audit_record(ledger, settings, record, made, report, subject)
            base = _audit_base(ledger, settings, executor, own[: at + 1], record, imports, report, subject)
            if replay_training:
                _audit_training(ledger, settings, executor, record, history, base, report, subject)
            _audit_aggregate(ledger, settings, executor, record, made, base, report, subject)
            history.append(record)
        tick(subject)


def _audit_record(
    ledger: Ledger,
    settings: TaskSettings,
    record: RoundRecord,
    made: CheckpointRecord,
    report: AuditReport,
    subject: str,
) -> None:
    """What the ledger did itself, done again."""
    n = len(record.members)
    addresses = [member.participant for member in record.members]
    report.equal("member order", subject, addresses, sorted(set(addresses)))
    capacities = {member.participant: member.capacity for member in record.members}
    steps = assign_steps(capacities, settings.training.steps_per_round)
    report.equal("assignment", subject, record.steps, tuple(steps[address] for address in addresses))
    for i, (update, stated) in record.updates.items():
        found = statement_digest(ledger.chain.domain, update)
        report.equal("update digest", f"{subject} {update.trainer.hex()}", found, stated)
        report.equal("update trainer", subject, update.trainer, addresses[i])
    tally = sum(1 << i for i in record.updates if 3 * sum(bits >> i & 1 for bits in record.verdicts.values()) > 2 * n)
    report.equal("tally", subject, record.accepted, tally)
    identity = made.checkpoint.id
    report.equal("final checkpoint", subject, record.checkpoint, identity)
    behind = sum(vote == identity for vote in record.votes.values())
    report.equal("quorum of votes", subject, 3 * behind > 2 * n, True)
    training_root, dataset_root = round_roots(accepted_updates(record))
    report.equal("trainingRoot", subject, made.checkpoint.training_root, training_root)
    report.equal("datasetRoot", subject, made.checkpoint.dataset_root, dataset_root)
    report.equal("parentsHash", subject, made.checkpoint.parents_hash, parents_hash(made.parents))


def _audit_base(
    ledger: Ledger,
    settings: TaskSettings,
    executor: Executor,
    own: Sequence[CheckpointRecord],
    record: RoundRecord,
    imports: Sequence[CheckpointRecord],
    report: AuditReport,
    subject: str,
) -> Parameters:
    """The parameters that the round trained on; checks predecessor and adopted imports."""
    before, made = own[-2], own[-1]
    report.equal("predecessor", subject, made.parents[0], before.checkpoint.id)
    local = get_model(ledger.store, before)
    due = due_imports(settings, record.round, record.start_height, own[:-1], imports)
    if not due:
        report.equal("adopted imports", subject, made.parents[1:], ())
        return local
    imported, _ = fetch_imports(ledger.store, before, due, settings.merge_policy())
    job = AdoptJob(canonical(settings), local, max(1, before.checkpoint.samples), imported)
    base, verdicts = executor.map(adoption, [job])[0]
    adopted = tuple(verdict.checkpoint for verdict in verdicts if verdict.adopted)
    report.equal("adopted imports", subject, made.parents[1:], adopted)
    return base


def _audit_training(
    ledger: Ledger,
    settings: TaskSettings,
    executor: Executor,
    record: RoundRecord,
    history: Sequence[RoundRecord],
    base: Parameters,
    report: AuditReport,
    subject: str,
) -> None:
    """Every update, trained again."""
    network = workspace(settings).network
    # Which part of the data an address holds is known for the simulation's own participants.
    known = {one.address: one for one in trainers(settings, ledger.index, ledger.name)}
    chosen = [(i, update) for i, (update, _) in sorted(record.updates.items()) if update.trainer in known]
    jobs = []
    for i, update in chosen:
        one = known[update.trainer]
        earlier = last_accepted(history, update.trainer)
        previous = get_update(ledger.store, network, earlier[0]) if earlier else None
        name = one.name.encode()
        jobs.append(
            TrainJob(
                canonical(settings), ledger.index, one.holding, name, record.round, record.steps[i], base, previous
            )
        )
    for (_, update), again in zip(chosen, executor.map(train, jobs), strict=True):
        who = f"{subject} {known[update.trainer].name}"
        report.equal("training replay", who, update.update_root, commit(again.update).model_root)
        report.equal("step log", who, update.training_root, again.training_root)


def _audit_aggregate(
    ledger: Ledger,
    settings: TaskSettings,
    executor: Executor,
    record: RoundRecord,
    made: CheckpointRecord,
    base: Parameters,
    report: AuditReport,
    subject: str,
) -> None:
    """The aggregated model and its metrics, from the accepted updates' bytes."""
    network = workspace(settings).network
    accepted = {
        trainer: (get_update(ledger.store, network, update), update.samples)
        for trainer, (update, _) in accepted_updates(record).items()
    }
    model, metrics = executor.map(aggregate, [AggregateJob(canonical(settings), base, accepted, record.round)])[0]
    report.equal("aggregation", subject, made.checkpoint.model_root, commit(to_floats(model)).model_root)
    report.equal("metrics", subject, made.checkpoint.metrics_hash, metrics.hash())
    samples = sum(count for _, count in accepted.values())
    report.equal("samples", subject, made.checkpoint.samples, samples)
    # The stored container, chunk by chunk.
    report.equal("stored model", subject, commit(to_floats(get_model(ledger.store, made))).model_root,
                 made.checkpoint.model_root)  # fmt: skip


def _audit_imports(ledger: Ledger, by_domain: Mapping[bytes, Ledger], report: AuditReport) -> None:
    """What came from other chains, held against their ledgers."""
    imports = ledger.chain.imports()
    for domain in sorted({record.source_domain for record in imports}):
        source = by_domain.get(domain)
        if source is None:
            report.failures.append(f"{ledger.name}: imports from 0x{domain.hex()}, whose ledger is not at hand")
            continue
        subject = f"{source.name} → {ledger.name}"
        with report.part(subject):
            _audit_link(ledger, source, [r for r in imports if r.source_domain == domain], report, subject)


def _audit_link(
    ledger: Ledger, source: Ledger, imports: Sequence[CheckpointRecord], report: AuditReport, subject: str
) -> None:
    # Outcomes first: a relayer may be at work, and every packet consumed by now is in an outbox trusted by now.
    outcomes = ledger.chain.outcomes(source.chain.domain)
    state = ledger.chain.client(source.chain.domain).state
    entries = source.chain.outbox_entries(0, state.outbox_size)
    leaves = [entry.packet.id for entry in entries]
    report.equal("trusted outbox", subject, log_root(leaves), state.outbox_root)
    evidence = source.chain.finality_evidence(state.height)
    report.equal("finality evidence", subject, (evidence.outbox_size, evidence.outbox_root),
                 (state.outbox_size, state.outbox_root))  # fmt: skip
    announced = {
        decode_payload(entry.payload).checkpoint.id: entry
        for entry in entries
        if entry.packet.dest_domain == ledger.chain.domain
    }
    nonces = sorted(outcome.nonce for outcome in outcomes)
    report.equal("consumed once, in order", subject, nonces, list(range(len(nonces))))
    sent = {entry.packet.nonce: entry.packet.id for entry in entries if entry.packet.dest_domain == ledger.chain.domain}
    taken = {outcome.packet_id: outcome for outcome in outcomes if outcome.packet_id != ZERO32}
    for outcome in taken.values():
        # A nonce that governance skipped names no packet. Whatever became of the others: a packet that the source
        # never sent was consumed on forged evidence.
        which = f"{subject} nonce {outcome.nonce}"
        report.equal("consumed packet is in the source's outbox", which, outcome.packet_id, sent.get(outcome.nonce))
    originals = {record.checkpoint.id: record for record in source.chain.checkpoints(source.task)}
    for record in imports:
        identity = record.checkpoint.id
        which = f"{subject} round {record.checkpoint.round}"
        original = originals.get(identity)
        if original is None:
            raise Refused(Code.ReplayMismatch, which, "the source's ledger does not have this checkpoint")
        report.equal("same checkpoint on both ledgers", which, record.checkpoint, original.checkpoint)
        report.equal("same parents on both ledgers", which, record.parents, original.parents)
        entry = announced.get(identity)
        report.equal("announced in the source's outbox", which, entry is not None, True)
        if entry is not None:
            consumed = taken.get(entry.packet.id)
            report.equal("delivered", which, consumed is not None and consumed.dispatched, True)
        try:
            ledger.store.commitment(checkpoint_model(record.checkpoint))
            report.equal("imported model's bytes", which, True, True)
        except ArtifactError as error:
            report.failures.append(f"{which}: {error}")


def _show(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
