"""What a relayer measures of its links, for Prometheus."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge

_PREFIX = "poft_relayer"


@dataclass(frozen=True, slots=True)
class SecondsByPart:
    """Seconds that a link spent in read, collect, prove and submit."""

    _counter: Counter
    _link: str

    def labels(self, part: str) -> Counter:
        """The counter of one part."""
        return self._counter.labels(self._link, part)


@dataclass(frozen=True, slots=True)
class LinkMetrics:
    """The series of one link. `cost` is in the destination's unit: gas, or picoseconds of reference time."""

    pending: Gauge
    client_height: Gauge
    delivered: Counter
    races: Counter
    taken_back: Counter
    reorganised: Counter
    cost: Counter
    sent_bytes: Counter
    seconds: SecondsByPart


class Metrics:
    """All series of a relayer."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._pending = Gauge(f"{_PREFIX}_pending", "Packets to deliver", ["link"], registry=registry)
        self._height = Gauge(f"{_PREFIX}_client_height", "Height that is accepted", ["link"], registry=registry)
        self._delivered = Counter(f"{_PREFIX}_delivered", "Packets delivered", ["link"], registry=registry)
        self._races = Counter(f"{_PREFIX}_races", "Deliveries that another made", ["link"], registry=registry)
        self._taken = Counter(f"{_PREFIX}_taken_back", "Packets lost to reorganisations", ["link"], registry=registry)
        self._reorganised = Counter(
            f"{_PREFIX}_reorganised",
            "Other blocks where one was proven to the destination",
            ["link"],
            registry=registry,
        )
        self._cost = Counter(f"{_PREFIX}_cost", "Gas or weight of deliveries", ["link"], registry=registry)
        self._bytes = Counter(f"{_PREFIX}_sent_bytes", "Bytes of transactions", ["link"], registry=registry)
        self._seconds = Counter(f"{_PREFIX}_seconds", "Time by part", ["link", "part"], registry=registry)
        self.final_height = Gauge(f"{_PREFIX}_final_height", "Newest final block", ["chain"], registry=registry)
        self.finality_stopped = Gauge(
            f"{_PREFIX}_finality_stopped", "1 while a chain finalises nothing", ["chain"], registry=registry
        )
        self.failures = Counter(f"{_PREFIX}_failures", "Failed steps", ["link", "reason"], registry=registry)
        self.attestor_faults = Counter(
            f"{_PREFIX}_attestor_faults", "Bad answers of attestors", ["attestor", "reason"], registry=registry
        )

    def link(self, name: str) -> LinkMetrics:
        """The series of one link."""
        return LinkMetrics(
            self._pending.labels(name),
            self._height.labels(name),
            self._delivered.labels(name),
            self._races.labels(name),
            self._taken.labels(name),
            self._reorganised.labels(name),
            self._cost.labels(name),
            self._bytes.labels(name),
            SecondsByPart(self._seconds, name),
        )
