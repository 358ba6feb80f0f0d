"""Configuration of the two services: one TOML file each; every default stands beside its unit and its reason.

Paths are relative to the configuration file. An unknown key is a `ConfigError` that names the nearest known one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, model_validator

from poft.chain import ChainSpec
from poft.config import Settings, load
from poft.protocol.errors import ConfigError, Refused
from poft.protocol.finality import check_committee

from .keys import read_secret

_LISTEN = re.compile(r"(?P<host>[\w.\-]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})")


def _hex(size: int) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(rf"0x[0-9a-fA-F]{{{2 * size}}}", value):
            raise ValueError(f"0x and {2 * size} hexadecimal digits are due")
        return value.lower()

    return AfterValidator(check)


def _listen(value: str) -> str:
    match = _LISTEN.fullmatch(value)
    if match is None or int(match["port"]) > 65535:
        raise ValueError("HOST:PORT is due, for instance 127.0.0.1:7101; port 0 takes a free one")
    return value


Bytes32Hex = Annotated[str, _hex(32)]
AddressHex = Annotated[str, _hex(20)]
Listen = Annotated[str, AfterValidator(_listen)]
HttpUrl = Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=2048)]


class ChainSettings(Settings):
    """How to reach a chain: the fields of `poft.chain.ChainSpec`."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    kind: str
    rpc: Annotated[tuple[str, ...], Field(min_length=1)]
    domain: Bytes32Hex
    deployment: dict[str, str] = Field(default_factory=dict)
    key: str = Field(default="", repr=False)
    """The payer's secret in the clear: devnets only."""
    key_file: str = ""
    """A file of mode 0600 with the payer's secret: everything else."""
    finality: Annotated[str, Field(max_length=64)] = ""
    """When a block is final, in the words of the kind (EVM: "finalized", "safe", "clique", "confirmations 12")."""
    development: bool = False
    """This is a devnet: evidence that such chains cannot give is not asked for."""

    @model_validator(mode="after")
    def _one_secret(self) -> ChainSettings:
        if self.key and self.key_file:
            raise ValueError("key and key_file exclude each other")
        if self.key and not self.development:
            raise ValueError("a key in the clear is for devnets; use key_file")
        return self

    def spec(self, folder: Path) -> ChainSpec:
        """The spec; reads `key_file`."""
        return ChainSpec(
            self.name,
            self.kind,
            self.rpc,
            bytes.fromhex(self.domain[2:]),
            dict(self.deployment),
            read_secret(folder / self.key_file, self.development) if self.key_file else self.key,
            self.finality,
            self.development,
        )


class HandOver(Settings):
    """The block whose statement hands over to the next epoch's committee; equal at all attestors."""

    height: Annotated[int, Field(gt=0)]
    members: tuple[AddressHex, ...]

    def addresses(self) -> tuple[bytes, ...]:
        """The next committee."""
        return _addresses(self.members)


class AttestorSettings(Settings):
    """`poft attest --config FILE`."""

    chain: ChainSettings
    key_file: str
    """secp256k1 key of this attestor: an Ethereum keystore, or a raw key; mode 0600."""
    password_file: str = ""
    """Password of the keystore; mode 0600."""
    listen: Listen = "127.0.0.1:7101"
    state: str = "attestor.sqlite"
    """The signing journal. Never delete or copy it: it is what keeps this key from signing twice."""
    epoch: Annotated[int, Field(gt=0)] = 1
    """Epoch of the committee that this key sits in when it starts."""
    hand_over: HandOver | None = None
    every: Annotated[int, Field(gt=0)] = 20
    """A statement at every multiple of so many blocks, besides those that changed the outbox."""
    catch_up: Annotated[int, Field(gt=0)] = 256
    """An attestor that is further behind than so many blocks skips to there: nodes prune old states."""
    poll_seconds: Annotated[float, Field(gt=0, le=600)] = 0.25
    """How often the chain is asked; `POST /kick` asks at once."""
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 10
    """For how long a chain that does not answer is tried at the start."""
    finality_seconds: Annotated[float, Field(gt=0, le=86_400)] = 60
    """After so long without a new final block it is said that finality has stopped; more than any block takes."""

    @model_validator(mode="after")
    def _reachable(self) -> AttestorSettings:
        if self.every > self.catch_up:
            raise ValueError(f"every ({self.every}) must not exceed catch_up ({self.catch_up})")
        return self


class Committee(Settings):
    """An attestor committee of a source in one epoch, sorted by address."""

    epoch: Annotated[int, Field(gt=0)]
    members: tuple[AddressHex, ...]

    @model_validator(mode="after")
    def _valid(self) -> Committee:
        try:
            check_committee(self.addresses(), small=True)
        except Refused as refused:
            raise ValueError(str(refused)) from refused
        return self

    def addresses(self) -> tuple[bytes, ...]:
        """The members, in committee order."""
        return _addresses(self.members)


class SourceSettings(Settings):
    """Who attests a source, and where they serve it; nobody, where its own validators' votes are the proof."""

    chain: str
    attestors: Annotated[tuple[HttpUrl, ...], Field(max_length=64)] = ()
    committees: tuple[Committee, ...] = ()
    validators: tuple[Committee, ...] = ()
    """A Substrate chain's first validator set (epoch 1), for clients that still trust it when no node has its state."""
    schemes: Annotated[tuple[Annotated[str, Field(pattern=r"^[A-Z0-9]{4}( shadow)?$")], ...], Field(max_length=8)] = ()
    """The list of AND1 clients of this source: its schemes in order, "ESP1 shadow" for one in shadow."""

    @model_validator(mode="after")
    def _both(self) -> SourceSettings:
        if bool(self.attestors) != bool(self.committees):
            raise ValueError(f"source {self.chain}: attestors and committees come together or not at all")
        return self

    def listed(self) -> tuple[tuple[bytes, bool], ...]:
        """(name, whether in shadow) of the schemes in the list."""
        return tuple((scheme[:4].encode(), scheme.endswith(" shadow")) for scheme in self.schemes)


class LinkSettings(Settings):
    """One direction of traffic, by names of chains."""

    source: str
    destination: str
    max_batch: Annotated[int, Field(ge=1, le=32)] = 8
    """Packets in one transaction; the ledgers take at most 32."""
    gather_seconds: Annotated[float, Field(ge=0, le=60)] = 0
    """Pause after a delivery that was not full: what becomes final meanwhile travels with the next one. Where a block's
    transactions are chosen when the block before it is there (Clique), half a block time costs nothing: what is sent
    any earlier waits in the pool."""


class RelayerSettings(Settings):
    """`poft relay --config FILE`."""

    chains: Annotated[tuple[ChainSettings, ...], Field(min_length=2)]
    sources: Annotated[tuple[SourceSettings, ...], Field(min_length=1)]
    links: Annotated[tuple[LinkSettings, ...], Field(min_length=1)]
    listen: Listen = "127.0.0.1:7201"
    state: str = "relayer.sqlite"
    """The queue. It may be deleted: everything in it is on the ledgers."""
    poll_seconds: Annotated[float, Field(gt=0, le=600)] = 0.25
    """How often the chains are asked; `POST /kick` asks at once."""
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 10
    """For how long a chain that does not answer is tried at the start."""
    finality_seconds: Annotated[float, Field(gt=0, le=86_400)] = 60
    """After so long without a new final block it is said that finality has stopped; more than any block takes."""
    attestor_seconds: Annotated[float, Field(gt=0, le=60)] = 2
    """How long one attestor may take to send one page."""
    watch_seconds: Annotated[float, Field(gt=0, le=86_400)] = 30
    """How often a link without packets asks for a hand-over, or for news when its client is half way to being stale."""

    @model_validator(mode="after")
    def _names_fit(self) -> RelayerSettings:
        names = [chain.name for chain in self.chains]
        if len(set(names)) != len(names):
            raise ValueError(f"two chains have one name: {', '.join(sorted(names))}")
        domains = [chain.domain for chain in self.chains]
        if len(set(domains)) != len(domains):
            raise ValueError("two chains have one domain")
        sources = [source.chain for source in self.sources]
        if len(set(sources)) != len(sources):
            raise ValueError("a source is listed twice")
        for link in self.links:
            if link.source == link.destination:
                raise ValueError(f"link {link.source} to itself")
            if link.source not in sources:
                raise ValueError(f"link from {link.source}: no [[sources]] entry has this chain")
        if len({(link.source, link.destination) for link in self.links}) != len(self.links):
            raise ValueError("a link is listed twice")
        unknown = ({link.destination for link in self.links} | set(sources)) - set(names)
        if unknown:
            raise ValueError(f"no chain is called {', '.join(sorted(unknown))}; chains: {', '.join(names)}")
        return self


def load_attestor(path: Path) -> AttestorSettings:
    """An attestor's configuration; raises `ConfigError`."""
    return load(path, AttestorSettings)


def load_relayer(path: Path) -> RelayerSettings:
    """A relayer's configuration; raises `ConfigError`."""
    settings = load(path, RelayerSettings)
    for chain in settings.chains:
        pays = any(link.destination == chain.name for link in settings.links)
        if pays and not (chain.key or chain.key_file):
            raise ConfigError(
                f"{path}: chain {chain.name} is a destination, and has no key to pay with",
                "Set key_file (or key, on a devnet)",
            )
    return settings


def chain_settings(spec: ChainSpec) -> ChainSettings:
    """A spec as it stands in a configuration file; its key stays in the clear, so it must be a devnet's."""
    return ChainSettings(
        name=spec.name,
        kind=spec.kind,
        rpc=spec.rpc,
        domain="0x" + spec.domain.hex(),
        deployment=spec.deployment,
        key=spec.key,
        finality=spec.finality,
        development=spec.development,
    )


def to_toml(settings: BaseModel) -> str:
    """A configuration as a TOML file that `load` reads back to the same values."""
    return "\n".join(_table(settings.model_dump(mode="json", exclude_none=True), ())) + "\n"


def _table(values: dict[str, object], path: Sequence[str]) -> list[str]:
    """Plain keys first: TOML has no way back from a sub-table to its parent."""
    lines, tables = [], []
    for key, value in values.items():
        here = (*path, key)
        if isinstance(value, dict):
            tables += ["", f"[{_dotted(here)}]", *_table(value, here)]
        elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            for item in value:
                tables += ["", f"[[{_dotted(here)}]]", *_table(item, here)]
        else:
            lines.append(f"{_dotted([key])} = {_scalar(value)}")
    return lines + tables


def _dotted(path: Sequence[str]) -> str:
    return ".".join(part if re.fullmatch(r"[\w-]+", part, re.ASCII) else _scalar(part) for part in path)


def _scalar(value: object) -> str:
    """Strings, integers, floats, booleans and lists of them: TOML writes them as JSON does."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _addresses(members: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(member[2:]) for member in members)
