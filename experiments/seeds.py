"""One experiment over several seeds: a run each in FOLDER/seed-N, then mean and spread in report.json and report.md.

The interval is Student's t over the seeds (two-sided 95 %). A seed whose run is complete is not run again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import sqrt
from pathlib import Path
from statistics import mean, stdev

from experiments.config import ExperimentSettings
from experiments.run import remove_run, run_experiment
from poft.config import canonical
from poft.protocol.errors import ConfigError

T_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""97.5 % quantile of Student's t for 1 to 9 degrees of freedom; more seeds take the normal quantile 1.96."""
ROWS = (
    ("isolated_mean", "every network alone, mean"),
    ("cross_chain", "cross-chain"),
    ("pooled", "all data in one federation"),
    ("gain", "gain of cross-chain over alone, points"),
    ("gap", "gap to pooled, points"),
)


def run_seeds(
    settings: ExperimentSettings, folder: Path, *, fresh: bool, as_json: bool, engines: Mapping[str, str]
) -> Path:
    """Runs every seed, or goes on where an earlier call stopped; returns the report's JSON file."""
    if not settings.baselines:
        raise ConfigError("seeds compare with the baselines", "Set baselines = true, or leave seeds out")
    records = []
    for seed in settings.seeds:
        one, place = settings.with_seed(seed), folder / f"seed-{seed}"
        if fresh and place.exists():
            remove_run(place)
        if not _complete(place, one):
            run_experiment(one, place, fresh=False, as_json=as_json, engines=engines)
        records.append(json.loads((place / "report.json").read_text()))
    record = {"experiment": settings.name, "seeds": list(settings.seeds), **_spread(records)}
    (folder / "report.md").write_text(_markdown(settings, record, records))
    path = folder / "report.json"
    path.write_text(json.dumps(record, indent=2))
    return path


def seeds_summary(record: Mapping[str, object]) -> list[tuple[str, str, str]]:
    """(what, mean, interval) of every row."""
    rows = []
    for key, name in ROWS:
        value = record[key]
        if isinstance(value, dict):
            rows.append((name, f"{value['mean']:.2f}", f"± {value['half_width']:.2f}"))
    return rows


def _complete(place: Path, settings: ExperimentSettings) -> bool:
    marker = place / "experiment.json"
    return (place / "report.json").exists() and marker.exists() and marker.read_text() == canonical(settings).decode()


def _points(record: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """A run's accuracies in points (per cent), with gain and gap."""
    values = {key: 100 * value for key, value in record["accuracy"].items()}
    values["gain"] = values["cross_chain"] - values["isolated_mean"]
    values["gap"] = values["pooled"] - values["cross_chain"]
    return values


def _spread(records: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    points = [_points(record) for record in records]
    n = len(points)
    quantile = T_95[n - 2] if 2 <= n <= len(T_95) + 1 else 1.96
    result = {}
    for key, _ in ROWS:
        values = [one[key] for one in points]
        half = quantile * stdev(values) / sqrt(n) if n > 1 else 0.0
        result[key] = {"mean": mean(values), "half_width": half, "least": min(values), "most": max(values)}
    return result


def _markdown(
    settings: ExperimentSettings,
    record: Mapping[str, object],
    records: Sequence[Mapping[str, Mapping[str, float]]],
) -> str:
    lines = [f"# {settings.name}", "", settings.description, ""]
    lines += ["| seed | alone, mean | cross-chain | pooled | gain | gap |", "|---|---|---|---|---|---|"]
    for seed, one in zip(settings.seeds, records, strict=True):
        values = _points(one)
        lines.append(f"| {seed} | " + " | ".join(f"{values[key]:.1f}" for key, _ in ROWS) + " |")
    cells = []
    for key, _ in ROWS:
        value = record[key]
        if isinstance(value, dict):
            cells.append(f"{value['mean']:.1f} ± {value['half_width']:.1f}")
    lines.append("| mean, 95 % interval | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
