"""The experiment file: networks, links, what they train, and what is measured (see experiments/demo.toml)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from poft.config import Settings
from poft.federation.task import DataSettings, ExchangeSettings, TaskSettings, TrainingSettings
from poft.protocol.errors import ConfigError
from poft.topology import topology

from .faults import FaultSettings
from .trust import FOLLOWS, VOTED, Scheme


class NetworkSettings(Settings):
    """One network: its chain, and the capacities (samples/s) of its participants.

    The chain is an embedded devnet; with `validators` a network of so many of them (our own node, geth with Clique);
    with `rpc` a chain that runs already: then `domain`, `deployment` and `key` say which chain that has to be, where
    the contracts are, and who pays.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")
    kind: str
    capacities: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1, max_length=64)
    validators: int = Field(default=0, ge=0, le=32)
    rpc: tuple[str, ...] = ()
    domain: str = Field(default="", pattern="^(0x[0-9a-fA-F]{64})?$")
    deployment: dict[str, str] = Field(default_factory=dict)
    key: str = Field(default="", repr=False)
    finality: str = ""

    @model_validator(mode="after")
    def _attached(self) -> NetworkSettings:
        if bool(self.rpc) != bool(self.domain) or (self.rpc and not self.key):
            raise ValueError("attaching to a chain needs rpc, domain and key together")
        if self.rpc and self.validators:
            raise ValueError("a chain that is attached to has its validators: rpc and validators exclude each other")
        return self


class LinkSettings(Settings):
    """A direction in which checkpoints travel, and the scheme that convinces its destination."""

    source: str
    destination: str
    scheme: Scheme | None = None
    """None: the one of `[relay]`."""


class RelaySettings(Settings):
    """Who watches and who carries."""

    scheme: Scheme = "CMT1"
    """How destinations are convinced, on links that do not say otherwise."""
    attestors: int = Field(default=4, ge=0, le=64, description="attestors of each chain")
    """0, with 0 relayers: others watch and carry, and the chains follow each other already."""
    relayers: int = Field(default=2, ge=0, le=16)
    copies: int = Field(default=2, ge=1, le=16)
    """Relayers of each link; at most all of them are used."""
    max_drift: int = Field(default=43_200, ge=1, lt=65_536)
    """Seconds that a source's clock may run ahead: devnets that make blocks on demand leave the wall clock behind."""
    staleness: int = Field(default=7 * 86_400, ge=1)
    """Seconds of the destination's time after which an unrefreshed client takes nothing more."""
    finality_seconds: float = Field(default=60.0, gt=0)
    """After so long without a final block, services of a chain that is no devnet say that finality has stopped."""
    wait: float = Field(default=120.0, gt=0)
    """Seconds to wait for the peers' exports, or for a network of several validators that does not answer or does not
    go on, before the run gives up with an error."""


class ExperimentSettings(Settings):
    """A whole experiment."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")
    description: str = ""
    seed: int = Field(default=1, ge=0, lt=2**63)
    seeds: tuple[int, ...] = ()
    """Run the experiment once for each of these seeds, and report mean and spread; `seed` is not used then."""
    rounds: int = Field(default=13, ge=1)
    baselines: bool = True
    """Also train every network alone, and all participants in one federation, without chains."""
    forgeries: bool = True
    """Attack the links over their RPC before the last exchange."""
    executor: Literal["serial", "process"] = "process"
    workers: int = Field(default=0, ge=0)
    """Worker processes, 0 = one a core."""
    networks: tuple[NetworkSettings, ...] = Field(min_length=1)
    links: tuple[LinkSettings, ...] = ()
    """Empty: every network to every other."""
    data: DataSettings = DataSettings()
    training: TrainingSettings = TrainingSettings()
    exchange: ExchangeSettings = ExchangeSettings()
    relay: RelaySettings = RelaySettings()
    faults: tuple[FaultSettings, ...] = ()
    """What is done to networks of several validators while they train."""

    @model_validator(mode="after")
    def _consistent(self) -> ExperimentSettings:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("a seed is listed twice")
        names = [network.name for network in self.networks]
        if len(set(names)) != len(names):
            raise ValueError("two networks have one name")
        if (self.relay.attestors == 0) != (self.relay.relayers == 0):
            raise ValueError("attestors and relayers of a run belong together: both 0, or none")
        if self.relay.attestors == 0 and self.forgeries:
            raise ValueError("forgeries = true needs attestors of the run's own: it signs in their names")
        if self.relay.attestors == 0 and not all(network.rpc for network in self.networks):
            raise ValueError("nobody else watches a chain that the run starts itself: attestors = 0 needs rpc")
        try:
            topology(names, [(link.source, link.destination) for link in self.links])
        except ConfigError as error:
            raise ValueError(str(error)) from error
        for link in self.all_links():
            followed = FOLLOWS.get(link.scheme or self.relay.scheme)
            if followed not in (None, self.network(link.source).kind):
                scheme = link.scheme or self.relay.scheme
                raise ValueError(f"link {link.source} → {link.destination}: {scheme} follows {followed} sources only")
            source = self.network(link.source)
            if link.scheme in VOTED and not (source.validators or source.rpc):
                raise ValueError(f"link {link.source} → {link.destination}: {link.scheme} needs validators that sign")
        for fault in self.faults:
            if fault.network not in names:
                raise ValueError(f"a fault names the unknown network {fault.network}")
            fault.check(self.network(fault.network).validators, self.rounds)
        return self

    def network(self, name: str) -> NetworkSettings:
        """The network of a name."""
        return next(network for network in self.networks if network.name == name)

    def embedded(self) -> ExperimentSettings:
        """The same federation on embedded devnets, where nothing fails: what its models are compared with."""
        networks = tuple(one.model_copy(update={"validators": 0}) for one in self.networks)
        links = tuple(
            link.model_copy(update={"scheme": "CMT1"}) if link.scheme in VOTED else link for link in self.all_links()
        )
        return self.model_copy(update={"networks": networks, "faults": (), "links": links})

    def task(self) -> TaskSettings:
        """What every network's task trains."""
        return TaskSettings(
            seed=self.seed,
            rounds=self.rounds,
            shares=tuple(network.capacities for network in self.networks),
            data=self.data,
            training=self.training,
            exchange=self.exchange,
        )

    def with_seed(self, seed: int) -> ExperimentSettings:
        """The experiment of one seed."""
        return self.model_copy(update={"seed": seed, "seeds": ()})

    def all_links(self) -> tuple[LinkSettings, ...]:
        """The links, spelt out."""
        names = [network.name for network in self.networks]
        links = self.links or [LinkSettings(source=a, destination=b) for a in names for b in names if a != b]
        return tuple(one if one.scheme else one.model_copy(update={"scheme": self.relay.scheme}) for one in links)
