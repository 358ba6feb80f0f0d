"""The report of a run: report.json for programs, report.md and report.html with pictures for people.

Accuracies are measured here, from the ledgers' checkpoints and the store, on the held-out test set: nothing that a run
remembers is taken for granted. Seconds are sums over the networks' threads of the time spent in each part:

- training: local training of all participants; verification: judging updates, gating imports, aggregating;
- chain: waiting for the networks' own transactions; relay: waiting for the peers' exports;
- total: wall clock of the last start of the run to the report.
"""

from __future__ import annotations

import html
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from experiments.baselines import Curve
from experiments.config import ExperimentSettings
from experiments.deliveries import tally
from experiments.faults import Struck
from experiments.journal import read_history
from poft.chain import CheckpointRecord
from poft.config import canonical, digest
from poft.federation.executors import Executor
from poft.federation.lineage import get_model
from poft.federation.simulation import Event, Network
from poft.federation.work import MeasureJob, test_accuracy
from poft.whole_file import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PARTS = ("training", "chain", "relay", "verification", "total")
PACKAGES = ("poft", "torch", "numpy", "web3", "substrate-interface")


def write_report(
    folder: Path,
    settings: ExperimentSettings,
    networks: Mapping[str, Network],
    links: Sequence[tuple[str, str]],
    baselines: Sequence[Curve],
    executor: Executor,
    struck: Sequence[Struck] = (),
) -> Path:
    """Measures, and writes report.json, report.md, report.html and accuracy.png; returns the first."""
    curves = [_curve(settings, network, executor) for network in networks.values()]
    merges = _merges(settings)
    history = read_history(folder / "history.jsonl")
    record = _record(folder, settings, networks, links, curves, baselines, history)
    record["faults"] = [asdict(one) for one in struck]
    picture = folder / "accuracy.png"
    _draw(picture, curves, baselines, merges, history, struck)
    text = _markdown(settings, record)
    (folder / "report.md").write_text(text)
    (folder / "report.html").write_text(_html(settings, record, picture))
    path = folder / "report.json"
    write_whole(path, json.dumps(record, indent=2))
    return path


def _curve(settings: ExperimentSettings, network: Network, executor: Executor) -> Curve:
    """Test accuracy of every checkpoint that the network's ledger holds."""
    encoded = canonical(settings.task())
    models = [get_model(network.store, record) for record in network.chain.checkpoints(network.task)]
    scores = executor.map(test_accuracy, [MeasureJob(encoded, model) for model in models])
    return Curve(network.name, tuple(score.accuracy_ppm for score in scores))


def _merges(settings: ExperimentSettings) -> list[int]:
    """Rounds whose checkpoint was exported, and merged by the peers at the start of the next."""
    every = settings.exchange.every
    return list(range(every, settings.rounds, every)) if settings.all_links() else []


def _record(
    folder: Path,
    settings: ExperimentSettings,
    networks: Mapping[str, Network],
    links: Sequence[tuple[str, str]],
    curves: Sequence[Curve],
    baselines: Sequence[Curve],
    history: Sequence[Event],
) -> dict[str, object]:
    alone = [_last(curve) for curve in baselines if curve.name != "pooled"]
    pooled = [_last(curve) for curve in baselines if curve.name == "pooled"]
    attacks_path = folder / "forgeries.json"
    attacks = json.loads(attacks_path.read_text()) if attacks_path.exists() else {"forgeries": [], "costs": {}}
    units = {name: network.chain.cost_unit for name, network in networks.items()}
    by_unit: dict[str, dict[str, int]] = {}
    for name, costs in attacks["costs"].items():
        by_unit.setdefault(units[name], {"update": costs["update"], "delivery": costs["delivery"]})
    return {
        "experiment": settings.name,
        "config_digest": "0x" + digest(settings.task()).hex(),
        "seed": settings.seed,
        "accuracy": {
            "isolated_mean": round(mean(alone), 6) if alone else None,
            "cross_chain": round(mean(_last(curve) for curve in curves), 6),
            "pooled": pooled[0] if pooled else None,
        },
        "curves": [asdict(curve) for curve in (*curves, *baselines)],
        "checkpoints_delivered": {
            f"{a} → {b}": sum(
                one.dispatched and not one.failure for one in networks[b].chain.outcomes(networks[a].chain.domain)
            )
            for a, b in links
        },
        "packets": {f"{a} → {b}": asdict(tally(networks[a].chain, networks[b].chain)) for a, b in links},
        "forgeries": attacks["forgeries"],
        "ledger_bytes_per_export": _largest(history, "ledger_bytes"),
        "ledger_bytes_per_import": {name: costs["ledger_bytes"] for name, costs in attacks["costs"].items()},
        "gas": by_unit.get("gas"),
        "costs": [{"unit": unit, **costs} for unit, costs in sorted(by_unit.items())],
        "seconds": {part: round(_seconds(history, part), 3) for part in PARTS},
        "final_model_root": {name: "0x" + _final_root(network).hex() for name, network in networks.items()},
        "model_bytes": {name: _last_record(network).checkpoint.model_bytes for name, network in networks.items()},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def _delivered(source: Network, destination: Network) -> int:
    outcomes = destination.chain.outcomes(source.chain.domain)
    return sum(one.dispatched and not one.failure for one in outcomes)


def _last(curve: Curve) -> float:
    return curve.accuracy_ppm[-1] / 1e6


def _last_record(network: Network) -> CheckpointRecord:
    return network.chain.checkpoints(network.task)[-1]


def _final_root(network: Network) -> bytes:
    return _last_record(network).checkpoint.model_root


def _largest(history: Sequence[Event], field: str) -> dict[str, int]:
    """The largest value of a field of `export` events, by network."""
    found: dict[str, int] = {}
    for event in history:
        if event["event"] == "export":
            name = str(event["network"])
            found[name] = max(found.get(name, 0), int(str(event[field])))
    return found


def _seconds(history: Sequence[Event], part: str) -> float:
    values = [float(str(event["seconds"])) for event in history if event["event"] == "time" and event["part"] == part]
    # A resumed run has several totals: the last one is this start's.
    return sum(values) if part != "total" else (values[-1] if values else 0.0)


COLOURS = ("C0", "C3", "C2", "C4", "C5", "C6")


def _draw(
    path: Path,
    curves: Sequence[Curve],
    baselines: Sequence[Curve],
    merges: Sequence[int],
    history: Sequence[Event],
    struck: Sequence[Struck],
) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import MaxNLocator

    rows = [3, 2] if struck else [1]
    figure, found = pyplot.subplots(
        len(rows), figsize=(8, 4.5 if not struck else 7), dpi=120, squeeze=False, height_ratios=rows
    )
    axes = found[0][0]
    for curve in baselines:
        style = "-" if curve.name == "pooled" else ":"
        axes.plot([ppm / 1e4 for ppm in curve.accuracy_ppm], style, color="0.45", label=curve.name, linewidth=1.4)
    for curve, colour in zip(curves, COLOURS, strict=False):
        values = [ppm / 1e4 for ppm in curve.accuracy_ppm]
        axes.plot(values, color=colour, label=f"{curve.name}, cross-chain", linewidth=1.8)
        axes.plot(merges, [values[at] for at in merges if at < len(values)], "o", color=colour, markersize=4)
    for at, merge in enumerate(merges):
        axes.axvline(merge, color="0.85", linewidth=0.8, zorder=0, label="relayed" if at == 0 else None)
    axes.set_xlabel("round")
    axes.set_ylabel("test accuracy, %")
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=8, loc="lower right")
    axes.grid(alpha=0.2)
    if struck:
        _draw_faults(found[1][0], [curve.name for curve in curves], history, struck)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def _draw_faults(axes: Axes, names: Sequence[str], history: Sequence[Event], struck: Sequence[Struck]) -> None:
    """Rounds over time, and what was done to whom meanwhile: a band from the fault to the next final block."""
    from matplotlib.ticker import MaxNLocator

    final = [event for event in history if event["event"] == "round final"]
    for name, colour in zip(names, COLOURS, strict=False):
        mine = [event for event in final if event["network"] == name]
        times, rounds = [float(str(one["at"])) for one in mine], [int(str(one["round"])) for one in mine]
        axes.step(times, rounds, color=colour, where="post", label=name)
        for at, one in enumerate(fault for fault in struck if fault.network == name):
            axes.axvspan(one.began, one.ended + one.recovered, color=colour, alpha=0.18, linewidth=0)
            place = (one.began, 0.97 - 0.08 * (at + len(names) * names.index(name)) % 0.5)
            axes.annotate(one.what, place, xycoords=("data", "axes fraction"), fontsize=6.5, color=colour, va="top")
    axes.set_xlabel("seconds")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("rounds final")
    axes.grid(alpha=0.2)
    axes.legend(fontsize=8, loc="lower right")


def summary(record: Mapping[str, object]) -> list[tuple[str, str]]:
    """The rows that people look for first."""
    accuracy, seconds, gas = record["accuracy"], record["seconds"], record["gas"]
    rows = []
    if isinstance(accuracy, dict):
        for name, key in (
            ("every network alone, mean", "isolated_mean"),
            ("cross-chain", "cross_chain"),
            ("all data in one federation", "pooled"),
        ):
            if accuracy[key] is not None:
                rows.append((f"test accuracy, {name}", f"{100 * accuracy[key]:.1f} %"))
    for name in ("checkpoints_delivered", "ledger_bytes_per_export", "ledger_bytes_per_import"):
        value = record[name]
        if isinstance(value, dict) and value:
            rows.append((name.replace("_", " "), ", ".join(f"{k}: {v}" for k, v in value.items())))
    forgeries = record["forgeries"]
    if isinstance(forgeries, list) and forgeries:
        refused = sum(one["refused"] for one in forgeries)
        rows.append(("forgeries refused", f"{refused} of {len(forgeries)}"))
    packets = record["packets"]
    if isinstance(packets, dict):
        rows += [
            (f"packets {link}", f"{one['sent']} sent, {one['taken']} taken, {one['lost']} lost, {one['twice']} twice")
            for link, one in packets.items()
        ]
    faults = record["faults"]
    if isinstance(faults, list):
        rows += [(f"fault of {one['network']}", _lasted(one)) for one in faults]
    if isinstance(gas, dict):
        rows.append(("gas", f"finality update {gas['update']}, delivery {gas['delivery']}"))
    if isinstance(seconds, dict):
        rows.append(("seconds", ", ".join(f"{part} {seconds[part]:.1f}" for part in PARTS)))
    roots = record["final_model_root"]
    if isinstance(roots, dict):
        rows += [(f"final model of {name}", str(root)) for name, root in roots.items()]
    return rows


def _lasted(fault: Mapping[str, str | float]) -> str:
    times = f"{float(fault['began']):.0f} to {float(fault['ended']):.0f} s"
    return f"{fault['what']}, {times}; a new block was final {float(fault['recovered']):.1f} s later"


def _markdown(settings: ExperimentSettings, record: Mapping[str, object]) -> str:
    lines = [f"# {settings.name}", "", settings.description, "", "![accuracy](accuracy.png)", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in summary(record)]
    forgeries = record["forgeries"]
    if isinstance(forgeries, list) and forgeries:
        lines += ["", "## Forgeries", "", "| link | forgery | answer |", "|---|---|---|"]
        lines += [f"| {one['link']} | {one['name']} | {_answer(one)} |" for one in forgeries]
    return "\n".join(lines) + "\n"


def _answer(forgery: Mapping[str, object]) -> str:
    return (
        f"refused: {forgery['code']}" if forgery["refused"] else f"**not refused as it should be**: {forgery['code']}"
    )


def _html(settings: ExperimentSettings, record: Mapping[str, object], picture: Path) -> str:
    """One file that needs nothing else."""
    import base64

    def row(cells: Sequence[str]) -> str:
        return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"

    image = base64.b64encode(picture.read_bytes()).decode()
    table = "".join(row(cells) for cells in summary(record))
    forgeries = record["forgeries"]
    attacks = ""
    if isinstance(forgeries, list) and forgeries:
        body = "".join(row((one["link"], one["name"], _answer(one).replace("**", ""))) for one in forgeries)
        attacks = f"<h2>Forgeries</h2><table><tr><th>link</th><th>forgery</th><th>answer</th></tr>{body}</table>"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{html.escape(settings.name)}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
table {{ border-collapse: collapse; width: 100%; }}
td, th {{ border-bottom: 1px solid #ddd; padding: .3rem .6rem; text-align: left; vertical-align: top; }}
td {{ overflow-wrap: anywhere; }}
img {{ max-width: 100%; }}
</style></head><body>
<h1>{html.escape(settings.name)}</h1><p>{html.escape(settings.description)}</p>
<img alt="Test accuracy by round; relayed rounds are marked" src="data:image/png;base64,{image}">
<table>{table}</table>{attacks}
</body></html>
"""
