"""`poft verify` and `poft status` on a finished run: what a third party is told, and what an alteration does."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import rmtree

import pytest

from poft.run_folder import ledgers, open_run

from .conftest import Played
from .running import NETWORKS, ROUNDS, flip, poft, stored_model

pytestmark = [pytest.mark.devnet, pytest.mark.slow]


def test_a_finished_run_holds_and_every_training_can_be_repeated(finished: Played, tmp_path: Path) -> None:
    """The chains are down: they are resumed for the check, and stopped again."""
    command = poft("verify", finished.folder, "--training", "--json", folder=tmp_path)
    assert command.code == 0, command.said()
    record = command.record()
    assert isinstance(record, dict) and record["sound"] and not record["failures"]
    rounds = len(NETWORKS) * ROUNDS
    assert record["checks"]["aggregation"] == record["checks"]["quorum of votes"] == rounds
    assert record["checks"]["training replay"] == 4 * rounds
    assert record["checks"]["delivered"] == rounds
    command.nothing_left()


def test_altered_artifacts_are_named(finished: Played, tmp_path: Path) -> None:
    """A model of one network and an update of the other, a byte each, and a third model is gone."""
    run = finished.copy(tmp_path)
    altered = stored_model(run, NETWORKS[0])
    with ledgers(open_run(run)) as found:
        other = found[1]
        update = other.chain.round(other.task, ROUNDS).updates[0][0]
        missing = other.chain.checkpoints(other.task)[1].checkpoint.model_root.hex()
    flip(altered)
    flip(run / "store" / NETWORKS[1] / "models" / update.update_root.hex() / "model.safetensors")
    rmtree(run / "store" / NETWORKS[1] / "models" / missing)
    command = poft("verify", run, "--json", folder=tmp_path)
    assert command.code == 1, command.said()
    record = command.record()
    assert isinstance(record, dict) and not record["sound"]
    said = "\n".join(record["failures"])
    assert f"{NETWORKS[0]} round {ROUNDS}: ChunkMismatch (64): model {altered.parent.name} of round {ROUNDS}" in said
    assert f"{NETWORKS[1]} round {ROUNDS}: ChunkMismatch (64): update {update.update_root.hex()}" in said
    assert f"models/{missing}/manifest.json: missing" in said
    command.nothing_left()


def test_another_configuration_is_not_what_the_ledgers_name(finished: Played, tmp_path: Path) -> None:
    run = finished.copy(tmp_path)
    path = run / "experiment.json"
    record = json.loads(path.read_text())
    record["training"]["steps_per_round"] += 1
    path.write_text(json.dumps(record))
    command = poft("verify", run, folder=tmp_path)
    assert command.code == 1
    for network in NETWORKS:
        assert f"FAILED  {network}: UnknownTask (50): configuration: " in command.said()
    assert "it is not what was trained" in command.said()
    command.nothing_left()


def test_damaged_description_of_a_run(finished: Played, tmp_path: Path) -> None:
    run = finished.copy(tmp_path)
    (run / "experiment.json").write_text("{")
    command = poft("verify", run, folder=tmp_path)
    assert command.code == 2
    assert "experiment.json is damaged" in command.complaint()


def test_status_of_a_finished_run_and_of_its_chains(finished: Played, tmp_path: Path) -> None:
    command = poft("status", finished.folder, "--json", folder=tmp_path)
    assert command.code == 0
    record = command.record()
    assert isinstance(record, dict)
    assert record["networks"] == [{"network": name, "state": "down"} for name in NETWORKS]
    assert record["links"] == []
    assert record["services"] and {service["state"] for service in record["services"]} == {"down"}
    with ledgers(open_run(finished.folder)):
        command = poft("status", finished.folder, "--json", folder=tmp_path)
    record = command.record()
    assert isinstance(record, dict)
    for network in record["networks"]:
        assert (network["state"], network["round"], network["phase"]) == ("up", ROUNDS, "final")
        assert network["outbox"] == ROUNDS and network["height"] >= network["final"] > ROUNDS
    links = {link["link"]: link for link in record["links"]}
    assert set(links) == {f"{a} → {b}" for a in NETWORKS for b in NETWORKS if a != b}
    assert all(link["next nonce"] == ROUNDS and link["state"] == "live" for link in links.values())
