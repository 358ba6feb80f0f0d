"""The description of a plug-in for `poft plugin check`; entry-point group `poft.conformance`, named by scheme.

    [project.entry-points."poft.verifiers"]
    ABC1 = "poft_abc1.scheme:Verifier"

    [project.entry-points."poft.conformance"]
    ABC1 = "poft_abc1.conformance:PLUGIN"

The Python verifier is found through `poft.verifiers`, as everybody else finds it. Whatever is described beside it is
checked too: a contract, a crate, a runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from poft.conformance.source import HonestSource
from poft.protocol.errors import ConfigError
from poft.verification.api import FinalityVerifier

DESCRIPTIONS = "poft.conformance"
VERIFIERS = "poft.verifiers"


@dataclass(frozen=True, slots=True)
class Contract:
    """A verifier contract: `artifact` is forge's JSON, or the name of one of the project's own contracts.

    `project` is the folder with the foundry.toml that makes the JSON; forge builds there before the check, so that what
    is checked is what the sources say. An argument that is a `Contract`, or one within a tuple, is deployed first and
    passed as its address; so are the project's own, unless the chain has them.
    """

    artifact: Path | str
    arguments: tuple[object, ...] = ()
    project: Path | None = None


@dataclass(frozen=True, slots=True)
class Crate:
    """A Rust crate with an example that calls `poft_primitives::harness::serve(&verifier)`; it is built first.

    `harness` names the example. Crates share one target folder, so it should carry the scheme's name.
    """

    manifest: Path
    harness: str


@dataclass(frozen=True, slots=True)
class Plugin:
    """A scheme as the kit sees it.

    `source(members, seed)` makes an honest source. `threshold`: more than this share of the members convinces; the kit
    computes thresholds from it, not from the source; where no share says it, `fewest` gives the number that convinces
    for so many members. `least_members` is the smallest authority the scheme knows, `most_members` the largest.
    `runtime` is the WebAssembly (plain or .zst) of a runtime that has the scheme, where it is not the project's own.
    `exempt` names cases that cannot apply, each with its reason: the scorecard prints them.
    """

    source: Callable[[int, bytes], HonestSource]
    contract: Contract | None = None
    crate: Crate | None = None
    runtime: Path | None = None
    threshold: Fraction = Fraction(2, 3)
    fewest: Callable[[int], int] | None = None
    least_members: int = 1
    most_members: int = 64
    exempt: Mapping[str, str] = field(default_factory=dict)

    def quorum(self, members: int) -> int:
        """The fewest of so many members that convince."""
        if self.fewest is not None:
            return self.fewest(members)
        return members * self.threshold.numerator // self.threshold.denominator + 1


@dataclass(frozen=True, slots=True)
class Subject:
    """A scheme that can be checked."""

    name: str
    verifier: FinalityVerifier
    plugin: Plugin


def installed() -> list[str]:
    """Names of the schemes that are installed."""
    return sorted({point.name for point in entry_points(group=VERIFIERS)})


def distribution(name: str) -> str:
    """The package that brings a scheme."""
    points = _points(VERIFIERS, name)
    return points[0].dist.name if points and points[0].dist is not None else ""


def is_described(name: str) -> bool:
    """Whether a scheme has a description, so that it can be checked."""
    return bool(_points(DESCRIPTIONS, name))


def find(name: str) -> Subject:
    """The scheme of this name.

    Raises:
        ConfigError: it is not installed or not described, two packages claim the name, or what an entry point names
            is something else.
    """
    verifiers, descriptions = _points(VERIFIERS, name), _points(DESCRIPTIONS, name)
    if not verifiers:
        known = ", ".join(installed())
        raise ConfigError(f"no scheme {name!r} is installed", f"Installed: {known}; pip install -e a plug-in's folder")
    if not descriptions:
        raise ConfigError(f"{name} has no conformance description", f"Add an entry point of the group {DESCRIPTIONS}")
    verifier, plugin = _load(verifiers[0]), _load(descriptions[0])
    if not callable(verifier):
        raise ConfigError(f"{verifiers[0].value} is not a class", f"Let {VERIFIERS} name the verifier's class")
    if not isinstance(plugin, Plugin):
        raise ConfigError(f"{descriptions[0].value} is no Plugin", "See poft.conformance.Plugin")
    return Subject(name, verifier(), plugin)


def _points(group: str, name: str) -> list[EntryPoint]:
    # The same distribution may be found twice, as an installation and on the path: one value, no contradiction.
    points = {point.value: point for point in entry_points(group=group, name=name)}
    if len(points) > 1:
        raise ConfigError(f"{' and '.join(sorted(points))} both claim {name} in {group}", "Uninstall one of them")
    return list(points.values())


def _load(point: EntryPoint) -> object:
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"the entry point {point.name} = {point.value} cannot be loaded: {error}") from error


__all__ = ["Contract", "Crate", "Plugin", "Subject", "distribution", "find", "installed", "is_described"]
