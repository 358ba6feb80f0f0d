"""A scheme as a researcher meets it: the kit on every ledger, a new plug-in that works, and one whose halves differ."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from chains.evm.foundry import foundry_binary
from chains.evm.stage import EvmStage
from poft.conformance.attacks import Depth, attacks
from poft.conformance.check import check
from poft.conformance.native import built, target_folder
from poft.conformance.plugin import Contract, Crate, Plugin, Subject, find
from poft.conformance.questions import TAKEN, Implementation
from poft.conformance.skeleton import write

pytestmark = pytest.mark.devnet
ROOT = Path(__file__).parents[2]
SHALLOW = Depth(cuts=8, flips=24, garbage=4, thresholds=(1, 4, 5))
HEADERS = {"scheme: the header of another block", "scheme: a header with another parent", "scheme: a header of zeros"}


def test_cmt1_passes_in_every_language_and_on_every_ledger() -> None:
    card = check(find("CMT1"), members=(4, 7), depth=Depth(cuts=16, flips=64))
    assert card.sound, [(finding.where, finding.case, finding.said) for finding in card.findings]
    assert {tally.where for tally in card.tallies} == {"python", "rust", "solidity", "evm", "substrate"}
    assert not card.absent
    for tally in card.tallies:
        assert tally.attacks_right == tally.attacks >= 30
        assert tally.honest_right == tally.honest >= 10
    four, seven = card.measurements
    assert four.prices["evm"].update < seven.prices["evm"].update < 100_000
    assert four.prices["substrate"].update > 0


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `poft plugin new` writes, installed as `pip install -e` does it."""
    folder = tmp_path_factory.mktemp("researcher") / "qed7"
    run("poft.cli.main", "plugin", "new", "QED7", "--folder", str(folder))
    subprocess.run(
        [sys.executable, "-c", "import setuptools; setuptools.setup()", "-q", "egg_info"], cwd=folder, check=True
    )
    return folder


def environment(*folders: Path) -> dict[str, str]:
    paths = [*map(str, folders), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "CARGO_TARGET_DIR": str(target_folder())}


def run(*arguments: str, on: Path | None = None, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        env=environment(*([on] if on else [])),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


def test_a_new_plugin_passes_as_it_is(plugin: Path) -> None:
    listed = json.loads(run("poft.cli.main", "plugin", "list", "--json", on=plugin))
    assert {"scheme": "QED7", "package": "poft-qed7", "checkable": True} in listed
    where = ["--on", "python", "--on", "rust", "--on", "evm"]
    card = json.loads(run("poft.cli.main", "plugin", "check", "QED7", *where, "--sample", "16", "--json", on=plugin))
    assert card["sound"]
    assert [tally["where"] for tally in card["tallies"]] == ["python", "rust", "solidity", "evm"]
    assert card["costs"][0]["ledgers"]["evm"]["update"] < 100_000


def test_a_new_plugins_own_tests_pass(plugin: Path) -> None:
    run("poft_qed7.vectors", on=plugin)
    assert len(json.loads((plugin / "vectors" / "qed7.json").read_text())["cases"]) > 100
    run("pytest", "-q", on=plugin, cwd=plugin)
    for command, folder in (
        ([str(foundry_binary("forge")), "test", "--offline"], plugin / "evm"),
        (["cargo", "test", "--quiet", "--offline"], plugin / "substrate"),
    ):
        done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"


def imported(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    monkeypatch.syspath_prepend(str(plugin))
    from importlib import import_module

    described = import_module("poft_qed7.conformance").PLUGIN
    assert isinstance(described, Plugin)
    return Subject("QED7", import_module("poft_qed7.scheme").Qed7Verifier(), described)


def accepted(subject: Subject, implementation: Implementation) -> set[str]:
    """Attacks that this implementation takes."""
    cases = attacks(subject, 4, SHALLOW)
    verdicts = implementation.answer([case.question for case in cases])
    return {case.name for case, said in zip(cases, verdicts, strict=True) if case.taken(said) and said.word == TAKEN}


def test_a_contract_that_forgets_what_its_twins_check_is_caught(
    plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = imported(plugin, monkeypatch)
    project = plugin / "evm"
    text = (project / "contracts" / "Qed7Verifier.sol").read_text(encoding="utf-8")
    rule = "require(keccak256(header) == blockHash, Refused(Code.CommitmentMismatch));"
    assert rule in text
    text = text.replace(rule, "").replace("contract Qed7Verifier", "contract Forgetful")
    (project / "contracts" / "Forgetful.sol").write_text(text, encoding="utf-8")
    artifact = project / "out" / "Forgetful.sol" / "Forgetful.json"
    forgetful = replace(subject, plugin=replace(subject.plugin, contract=Contract(artifact, (), project)))
    with EvmStage().open(forgetful, tmp_path / "chain") as stage:
        assert stage.verifier is not None
        assert "scheme: a header with another parent" in accepted(forgetful, stage.verifier)


def test_a_crate_that_forgets_what_its_twins_check_is_caught(
    plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = imported(plugin, monkeypatch)
    written = write("QED9", tmp_path / "other")
    source = written / "substrate" / "src" / "lib.rs"
    text = source.read_text(encoding="utf-8").replace('b"QED9"', 'b"QED7"')
    rule = "keccak(header) == *block_hash && header.get(32..) == Some(state_root.as_bytes())"
    assert rule in text
    source.write_text(text.replace(rule, "!header.is_empty() && block_hash != state_root"), encoding="utf-8")
    assert accepted(subject, built(Crate(written / "substrate" / "Cargo.toml", "qed9"))) >= HEADERS
