"""A run's folder as a third party finds it: configuration, chains, stores (written by experiments/run.py)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from poft.audit.lineage import Ledger
from poft.chain import ChainSpec, connect, devnet
from poft.chain_spec import read_spec
from poft.config import digest
from poft.federation.task import TaskSettings
from poft.model.store import ArtifactStore
from poft.network import is_network, network_kind
from poft.protocol.domain import task_id
from poft.protocol.errors import ConfigError


@dataclass(frozen=True, slots=True)
class RunFolder:
    """What a run left: its name, its networks in order, and what they trained."""

    path: Path
    name: str
    networks: tuple[str, ...]
    settings: TaskSettings

    def spec(self, network: str) -> ChainSpec:
        """How to reach a network's chain."""
        return read_spec(self.path / "chains" / network / "spec.json")

    def store(self, network: str) -> ArtifactStore:
        """A network's artifacts, with the other networks' as mirrors."""
        others = [str(self.path / "store" / other) for other in self.networks if other != network]
        return ArtifactStore(str(self.path / "store" / network), others)


def open_run(path: Path) -> RunFolder:
    """The run in this folder; `ConfigError` when there is none."""
    try:
        record = json.loads((path / "experiment.json").read_text())
        settings = TaskSettings.model_validate(
            {
                **{key: record[key] for key in ("seed", "rounds", "data", "training", "exchange")},
                "shares": [network["capacities"] for network in record["networks"]],
            }
        )
        names = tuple(str(network["name"]) for network in record["networks"])
        return RunFolder(path, str(record["name"]), names, settings)
    except FileNotFoundError as error:
        raise ConfigError(f"{path} is not the folder of a run", "poft run EXPERIMENT.toml makes one") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}/experiment.json is damaged: {error}", "Start the run afresh") from error


@contextmanager
def ledgers(run: RunFolder) -> Iterator[list[Ledger]]:
    """Connections to all ledgers of a run. Chains of its own that are down are resumed from their folders, and stopped
    again. Of a network of several validators every one is asked where evidence is due."""
    with ExitStack() as open_things:
        found = []
        for index, name in enumerate(run.networks):
            spec = _resumed(run.spec(name), run.path / "chains" / name, open_things)
            chain = connect(spec)
            open_things.callback(chain.close)
            task = task_id(chain.federation(), digest(run.settings))
            found.append(Ledger(name, chain, run.store(name), task, index))
        yield found


def _resumed(spec: ChainSpec, folder: Path, open_things: ExitStack) -> ChainSpec:
    """The spec of a chain that runs; whatever is started for it ends with `open_things`."""
    if spec.development:
        plugin = devnet(spec.kind)
        if plugin.status(folder).running:
            return spec
        open_things.callback(plugin.stop, folder)
        return replace(plugin.start(folder, spec.name, 0), name=spec.name)
    if is_network(folder):
        network = network_kind(spec.kind).open_network(folder)
        if not all(one.running for one in network.status()):
            open_things.callback(network.stop)
            network.start()
            network.join()
    return spec
