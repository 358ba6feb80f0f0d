"""Rules that the ledger cannot check alone, computed from ledger records and the store: what a round builds on.

The network runner uses them to take part, `poft verify` to repeat what was done. Everything is a pure function of
records; only the models are fetched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from poft.chain import CheckpointRecord, RoundRecord
from poft.federation.merging import Adoption, Import, MergePolicy
from poft.federation.task import TaskSettings
from poft.model.commitment import ModelRef, checkpoint_model
from poft.model.manifest import CHUNK_SIZE
from poft.model.store import ArtifactStore
from poft.model.stream import describe
from poft.protocol.checkpoint import Checkpoint
from poft.protocol.errors import Code, Refused
from poft.protocol.merkle import log_root
from poft.protocol.statements import Update
from poft.training.fixed_point import Parameters, from_floats, to_floats
from poft.training.networks import Network

MAX_IMPORT = 1 << 30
"""Bytes of an import: another network chose its size, and a merge holds it in memory."""
_CHOSEN = {Code.NonFinite, Code.OutOfRange, Code.UnsupportedDtype, Code.Malformed, Code.ZeroValue, Code.DuplicateTensor}
"""What only the author of a model can have caused: it was found in bytes that match the checkpoint."""


def put_model(store: ArtifactStore, model: Parameters) -> ModelRef:
    """Stores a model as float64 tensors, which its integers fit into exactly."""
    return store.put_model(to_floats(model)).ref


def get_model(store: ArtifactStore, record: CheckpointRecord) -> Parameters:
    """The integers of a checkpoint's model, every chunk verified."""
    ref = checkpoint_model(record.checkpoint)
    with _named(f"model {ref.model_root.hex()} of round {record.checkpoint.round}"):
        return from_floats(_floats(store.get_model(ref)))


def put_update(store: ArtifactStore, update: Parameters) -> ModelRef:
    """Stores an update as int64 tensors."""
    return store.put_model(update).ref


def get_update(store: ArtifactStore, network: Network, statement: Update) -> Parameters:
    """The integers of an update, every chunk verified. The manifest follows from the network."""
    zeros = {name: np.zeros(shape, np.int64) for name, shape in network.shapes.items()}
    manifest = describe(zeros, CHUNK_SIZE)
    with _named(f"update {statement.update_root.hex()} of round {statement.round}"):
        tensors = store.get_model(ModelRef(statement.update_root, manifest.hash, statement.update_bytes))
    return {name: tensors[name].astype(np.int64, copy=False) for name in sorted(tensors)}


def merges_imports(settings: TaskSettings, round_number: int) -> bool:
    """Whether a round begins with a merge: the one after each export."""
    return round_number > 1 and (round_number - 1) % settings.exchange.every == 0


def due_imports(
    settings: TaskSettings,
    round_number: int,
    start_height: int,
    own: Sequence[CheckpointRecord],
    imports: Sequence[CheckpointRecord],
) -> list[CheckpointRecord]:
    """The imports that a round has to consider: of every peer the newest one of a round before this.

    Taken are those that the registry had accepted when the round started and that no earlier checkpoint has merged.
    "Of a round before this" keeps a fast peer from changing what a slow network merges: the outcome does not depend
    on who was faster.
    """
    if not merges_imports(settings, round_number):
        return []
    merged = {parent for record in own for parent in record.parents[1:]}
    newest: dict[tuple[bytes, bytes, bytes], CheckpointRecord] = {}
    for record in imports:
        made = record.checkpoint
        if record.height > start_height or made.round >= round_number:
            continue
        peer = (record.source_domain, made.federation, made.task)
        if peer not in newest or newest[peer].checkpoint.round < made.round:
            newest[peer] = record
    return sorted((r for r in newest.values() if r.checkpoint.id not in merged), key=lambda r: r.checkpoint.id)


def fetch_imports(
    store: ArtifactStore, own: CheckpointRecord, due: Sequence[CheckpointRecord], policy: MergePolicy
) -> tuple[list[Import], list[Adoption]]:
    """The due imports with their models fetched and verified, and the word on those that cannot enter a merge.

    A peer decides what it announces, so nothing that it announces may stop a round: what its author did is found by
    everybody alike and makes the import one that is not adopted. Another architecture is refused before a byte is
    fetched, except under `trunk`, which takes it. Bytes that are missing or wrong are no finding but a fault, raised.

    Raises:
        Refused: ChunkMismatch, ManifestMismatch, ModelRootMismatch, SizeMismatch.
        ArtifactError: no place has the bytes.
    """
    usable, refused = [], []
    for record in due:
        made = record.checkpoint
        if made.model_bytes > MAX_IMPORT:
            code = Code.Oversize
        elif policy.kind != "trunk" and not _same_architecture(made, own.checkpoint):
            code = Code.ManifestMismatch
        else:
            try:
                usable.append(Import(made.id, get_model(store, record), made.samples, made.metrics_hash))
                continue
            except Refused as refusal:
                if refusal.code not in _CHOSEN:
                    raise
                code = refusal.code
        refused.append(Adoption(made.id, code, None, None))
    return usable, refused


def _same_architecture(one: Checkpoint, other: Checkpoint) -> bool:
    return (one.manifest_hash, one.model_bytes) == (other.manifest_hash, other.model_bytes)


def accepted_updates(record: RoundRecord) -> dict[bytes, tuple[Update, bytes]]:
    """Trainer → (statement, digest) of the updates that the tally accepted, in member order."""
    chosen = sorted(i for i in record.updates if record.accepted >> i & 1)
    return {record.members[i].participant: record.updates[i] for i in chosen}


def round_roots(accepted: Mapping[bytes, tuple[Update, bytes]]) -> tuple[bytes, bytes]:
    """(trainingRoot, datasetRoot) of the round's checkpoint: logs over the accepted updates in member order."""
    digests = [digest for _, digest in accepted.values()]
    datasets = [update.dataset_root for update, _ in accepted.values()]
    return log_root(digests), log_root(datasets)


def last_accepted(history: Sequence[RoundRecord], participant: bytes) -> tuple[Update, bytes] | None:
    """The participant's newest accepted update in these final rounds: the state of its momentum."""
    for record in reversed(history):
        if (found := accepted_updates(record).get(participant)) is not None:
            return found
    return None


@contextmanager
def _named(artifact: str) -> Iterator[None]:
    """Lets a refusal inside say which artifact it is about: whoever reads it has a whole store of them."""
    try:
        yield
    except Refused as fault:
        raise Refused(fault.code, artifact, f"{fault.subject} {fault.detail}".strip()) from fault


def _floats(
    tensors: Mapping[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]],
) -> Mapping[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    for name, tensor in tensors.items():
        if tensor.dtype != np.float64:
            raise Refused(Code.UnsupportedDtype, name, f"{tensor.dtype} where float64 is due")
    return {name: tensor.astype(np.float64, copy=False) for name, tensor in tensors.items()}
