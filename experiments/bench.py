"""Benchmarks: every figure beside what it is compared with, measured in the same run on the same machine.

    python -m experiments.bench [--output build/bench.json] [--only NAME]

A figure is the median over repetitions. Ratios travel between machines, milliseconds do not. `link` measures what the
ledgers charge instead (`bench_link.py`), `charges` what a call takes natively beside what the pallets charge for it,
`latency` how long a packet takes between two networks of four validators, and how many a link carries
(`bench_latency.py`; only when it is asked for).
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from poft.protocol.errors import ConfigError
from poft.protocol.hashing import ZERO32, keccak, sha256

from .bench_latency import Latency, measure
from .bench_link import LinkCost, committee_costs, costs
from .timing import timed

if TYPE_CHECKING:
    from poft.training.data import Samples
    from poft.training.fixed_point import Parameters
    from poft.training.networks import Network


@dataclass(frozen=True, slots=True)
class Measurement:
    """`value` and `against` in milliseconds; `ratio` = value / against."""

    name: str
    value: float
    compared_with: str
    against: float
    ratio: float


def measurement(name: str, work: Callable[[], object], compared: str, other: Callable[[], object]) -> Measurement:
    """Two pieces of work, side by side."""
    value, against = timed(work), timed(other)
    return Measurement(name, round(value, 4), compared, round(against, 4), round(value / against, 3))


def verification() -> list[Measurement]:
    """One delivery as a destination checks it: 3 of 4 signatures, a log of 1,000 packets."""
    from eth_keys.backends.native.main import NativeECCBackend
    from eth_keys.datatypes import Signature

    from poft.protocol.finality import Finality, committee_hash, sign_finality
    from poft.protocol.merkle import consistency_path, inclusion_path, leaf_hash, log_root
    from poft.protocol.packet import Packet
    from poft.protocol.signatures import key_address
    from poft.verification.api import Limits, TrustState
    from poft.verification.receive import Expectation, PacketProof, check_packet
    from poft.verification.schemes.cmt1 import CommitteeVerifier, build_proof

    source, own, payload = keccak(b"source"), keccak(b"own"), bytes(544)
    packets = [Packet(1, 1, source, own, i, own, own, 0, keccak(payload)) for i in range(1000)]
    leaves = [packet.id for packet in packets]
    hashes = [leaf_hash(leaf) for leaf in leaves]
    root, old = log_root(leaves), log_root(leaves[:900])
    keys = {key_address(key): key for key in (keccak(bytes([i])) for i in range(4))}
    members = sorted(keys)
    statement = Finality(1, 10, ZERO32, ZERO32, 1000, root, 1, ZERO32)
    signatures = {member: sign_finality(keys[member], source, statement) for member in members}
    built = build_proof(statement, members, signatures, consistency_path(hashes, 900))
    proof = built.encode()
    state = TrustState(1, committee_hash(1, members), 5, 1, 900, old)
    delivered = PacketProof(packets[950], payload, 950, tuple(inclusion_path(hashes, 950)))
    expected = Expectation(own, source, own, (own,), 950, 7, 1000, root)

    def verify() -> None:
        CommitteeVerifier().verify(source, state, proof, Limits(1, 1))
        check_packet(expected, delivered)

    digest, backend = statement.digest(source), NativeECCBackend()
    parsed = [Signature(s[:64] + bytes([s[64] - 27])) for s in built.signatures]
    return [
        measurement(
            "verify one delivery: update 3 of 4 with consistency proof, then one packet",
            verify,
            "the three signature recoveries alone in pure Python (eth-keys)",
            lambda: [backend.ecdsa_recover(digest, signature) for signature in parsed],
        ),
        measurement(
            "build the proofs of one delivery from 1,000 packet ids",
            lambda: (inclusion_path(hashes, 950), consistency_path(hashes, 900)),
            "hashing the 1,000 leaves",
            lambda: [leaf_hash(leaf) for leaf in leaves],
        ),
    ]


def commitment() -> list[Measurement]:
    """Committing to a model of 64 MiB."""
    from poft.model.commitment import commit

    tensors = {"w": np.random.Generator(np.random.Philox(1)).standard_normal(8 << 20)}
    raw = tensors["w"].tobytes()
    return [
        measurement("commit to a model of 64 MiB", lambda: commit(tensors), "sha256 of its bytes", lambda: sha256(raw))
    ]


def aggregation() -> list[Measurement]:
    """Rules on 20 updates of a million parameters."""
    import torch

    from poft.federation.aggregation import Context, get

    draw = np.random.Generator(np.random.Philox(2))
    updates = draw.integers(-(2**30), 2**30, (20, 1_000_000), dtype=np.int64)
    weights = np.ones(20, np.int64)
    tensor = torch.from_numpy(updates)
    context = Context(2, 1)
    results = []
    for rule in ("fedavg", "trimmed_mean", "robust"):
        results.append(
            measurement(
                f"{rule}, 20 updates of 1 M int64 parameters",
                partial(get(rule), updates, weights, context),
                "trimmed mean with torch.sort",
                lambda: torch.sort(tensor, dim=0).values[2:-2].sum(0) // 16,
            )
        )
    return results


STEPS, BATCH, RATE = 50, 32, 0.1


def training() -> list[Measurement]:
    """Local training in the exact profile against a plain loop, both on one thread."""
    import torch

    from poft.training.data import load_dataset
    from poft.training.local import StepConfig, train_local
    from poft.training.networks import build, initial_parameters

    splits = load_dataset("digits", 1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    results = []
    for name in ("mlp", "cnn"):
        network = build(name, splits.input_shape, splits.classes)
        base = initial_parameters(network, 1)
        exact = partial(train_local, network, base, splits.train, STEPS, StepConfig(RATE, BATCH), 1)
        results.append(
            measurement(
                f"{STEPS} steps of the exact profile with step log, {name}, batch {BATCH}",
                exact,
                "the same steps as a plain float32 torch loop",
                partial(_plain_training, network, base, splits.train),
            )
        )
    torch.set_num_threads(threads)
    return results


def _plain_training(network: Network, base: Parameters, samples: Samples) -> None:
    """What somebody writes who wants no reproducible bytes."""
    import torch

    from poft.training.fixed_point import to_floats

    tensors = {name: torch.from_numpy(values).float().requires_grad_() for name, values in to_floats(base).items()}
    features, labels = torch.from_numpy(samples.features).float(), torch.from_numpy(samples.labels)
    order = Random(1)
    for _ in range(STEPS):
        chosen = torch.tensor(order.sample(range(len(labels)), BATCH))
        loss = torch.nn.functional.cross_entropy(network.forward(tensors, features[chosen]), labels[chosen])
        gradients = torch.autograd.grad(loss, list(tensors.values()))
        with torch.no_grad():
            for tensor, gradient in zip(tensors.values(), gradients, strict=True):
                tensor -= RATE * gradient


SUITES = {
    "verification": verification,
    "commitment": commitment,
    "aggregation": aggregation,
    "training": training,
}
LINK, CHARGES, LATENCY = "link", "charges", "latency"


def natively() -> dict[str, float]:
    """Milliseconds of the parts of a call in Rust, by the primitives' own example; needs cargo."""
    folder = Path(__file__).parents[1] / "chains" / "substrate"
    command = ["cargo", "run", "--quiet", "--release", "--locked", "-p", "poft-primitives", "--features", "testing"]
    run = subprocess.run([*command, "--example", "cost"], cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode:
        raise ConfigError(f"the example did not run:\n{run.stderr}", "Install Rust 1.90 or newer")
    return {name: int(ns) / 1e6 for name, ns in re.findall(r"^(.+): (\d+) ns$", run.stdout, re.M)}


def charges(link: Sequence[LinkCost]) -> list[Measurement]:
    """What the bridge pallet charges for an update beside what checking its proof takes natively."""
    native, found = natively(), []
    for cost in link:
        name = f"finality proof, {2 * cost.members // 3 + 1} of {cost.members}"
        if cost.kind == "substrate" and cost.log_size == 1_000 and cost.batch == 1 and name in native:
            charged = cost.update / 1e9
            ratio = round(charged / native[name], 2)
            found.append(Measurement(f"charged: {name}", charged, "natively", native[name], ratio))
    return found


def gas() -> dict[str, object]:
    """The committed gas snapshot (forge writes and checks it)."""
    folder = Path(__file__).parents[1] / "chains/evm/snapshots"
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def link_rows(link: Sequence[LinkCost]) -> list[tuple[str, ...]]:
    """One row a case."""
    return [
        (
            f"{one.kind}, {2 * one.members // 3 + 1} of {one.members}, log {one.log_size:,}, batch {one.batch}",
            *(_charged(one, amount) for amount in (one.update, one.delivery, one.packet)),
            f"{one.update_bytes:,}, {one.delivery_bytes:,}, {one.ledger_bytes:,}",
            f"{one.prove:.3f}, {one.verify:.3f}",
        )
        for one in link
    ]


def latency_rows(latencies: Sequence[Latency]) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Heads, and one row a direction."""
    heads = ("link", "packets", "p50", "p95", "longest", "goal for p95", "gathered", "sent to final, p50")
    return heads, [astuple(one) for one in latencies]


def _charged(cost: LinkCost, amount: int) -> str:
    return f"{amount:,} gas" if cost.unit == "gas" else f"{amount / 1e9:.3f} ms"


def _chosen(only: str | None) -> Iterator[LinkCost]:
    """The cases on ledgers that this run wants; they are what takes long."""
    if only in (None, LINK):
        yield from costs()
    elif only == CHARGES:
        yield from committee_costs(("substrate",))


def main() -> None:
    """Runs the suites, prints tables, writes JSON."""
    from poft.cli.output import print_table

    parser = argparse.ArgumentParser(description="benchmarks, side by side")
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"))
    parser.add_argument("--only", choices=sorted([*SUITES, LINK, CHARGES, LATENCY]))
    args = parser.parse_args()
    found = [one for name in SUITES if args.only in (None, name) for one in SUITES[name]()]
    link: list[LinkCost] = []
    for cost in _chosen(args.only):
        link.append(cost)
        print(f"{len(link)}: {link_rows([cost])[0][0]}", file=sys.stderr)
    # Whoever has no Rust gets everything else.
    if args.only == CHARGES or (args.only is None and shutil.which("cargo")):
        found += charges(link)
    # Half an hour of two networks: only when it is asked for.
    latencies, sustained = measure() if args.only == LATENCY else ([], [])
    record = {
        "machine": {"processor": platform.machine(), "python": platform.python_version()},
        "measurements": [asdict(one) for one in found],
        "link": [asdict(one) for one in link],
        "latency": [asdict(one) for one in latencies],
        "sustained": [asdict(one) for one in sustained],
        "gas": gas(),
    }
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(record, indent=2))
    rows = [(m.name, f"{m.value:.3f} ms", m.compared_with, f"{m.against:.3f} ms", f"{m.ratio:.2f}") for m in found]
    if rows:
        print_table(str(args.output), ("measured", "", "compared with", "", "ratio"), rows)
    if latencies:
        print_table("source final to destination accepted, seconds", *latency_rows(latencies))
        print_table(
            "sustained, packets a second",
            ("link", "in a transaction", "packets", "a second"),
            [(one.link, one.batch, one.packets, one.per_second) for one in sustained],
        )
    if link:
        heads = (
            "case",
            "update",
            "update and batch",
            "one packet",
            "bytes: update, batch, on the ledger",
            "ms: prove, verify",
        )
        print_table("what the ledgers charge", heads, link_rows(link))


if __name__ == "__main__":
    main()
