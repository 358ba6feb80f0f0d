"""The kit's own parts: what it calls right and wrong, frames, descriptions, names of schemes, the skeleton's files."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from typer.testing import CliRunner

from poft.cli.main import build
from poft.cli.plugin import sizes
from poft.conformance.attacks import Depth, attacks, flipped, noise, spread
from poft.conformance.cases import ANY, refused, refused_or_same, taken
from poft.conformance.check import check
from poft.conformance.cmt1 import PLUGIN, CommitteeSource
from poft.conformance.frames import PANIC, BadFrame, answers, asked, verdict
from poft.conformance.native import InRust
from poft.conformance.plugin import Contract, Crate, Plugin, Subject, distribution, find, installed, is_described
from poft.conformance.questions import CheckMisbehaviour, EpochOf, Initialise, SchemeOf, Verdict, Verify
from poft.conformance.skeleton import write
from poft.conformance.source import Claim, Forgery
from poft.conformance.vectors import document
from poft.protocol.errors import Code, ConfigError
from poft.protocol.hashing import keccak
from poft.verification.api import Finalised, Limits, TrustState
from poft.verification.schemes.cmt1 import CommitteeVerifier

STATE = TrustState(1, keccak(b"authority"), 2, 3, 4, keccak(b"root"), True)
FINALISED = Finalised(5, keccak(b"block"), keccak(b"state"), 6, keccak(b"outbox"), 7, 8)
CMT1 = Subject("CMT1", CommitteeVerifier(), PLUGIN)


def test_an_honest_case_is_right_with_its_very_result_alone() -> None:
    case = taken("honest", EpochOf(b""), 7)
    assert case.honest
    assert case.holds(Verdict("Ok", 7))
    assert not case.holds(Verdict("Ok", 8))
    assert not case.holds(Verdict("Malformed"))


def test_an_attack_is_right_with_one_of_its_codes_alone() -> None:
    case = refused("attack", EpochOf(b""), Code.Malformed, {Code.Oversize})
    assert case.holds(Verdict("Malformed"))
    assert case.holds(Verdict("Oversize"))
    for said in (Verdict("WrongEpoch"), Verdict("panic"), Verdict("revert: out of gas"), Verdict("Ok", 7)):
        assert not case.holds(said)
    assert case.taken(Verdict("Ok", 7))
    assert not case.taken(Verdict("WrongEpoch"))


def test_bytes_without_meaning_may_change_if_the_result_does_not() -> None:
    case = refused_or_same("flip", EpochOf(b""), ANY, 7)
    assert case.holds(Verdict("Ok", 7))
    assert case.holds(Verdict("NotSigner"))
    assert not case.holds(Verdict("Ok", 8))
    assert case.taken(Verdict("Ok", 8))
    assert not case.holds(Verdict("panic"))


def test_samples_are_spread_from_the_first_byte_to_the_last() -> None:
    assert list(spread(3, 8)) == [0, 1, 2]
    sample = spread(1000, 10)
    assert len(sample) == 10
    assert (sample[0], sample[-1]) == (0, 999)
    assert flipped(b"\0\0\0", 1) == b"\0\2\0"
    assert noise(b"a", 1) == noise(b"a", 1) != noise(b"b", 1)


def test_frames_carry_every_result_back() -> None:
    packed = (
        ((1).to_bytes(8, "big") + (2).to_bytes(8, "big") + (3).to_bytes(8, "big") + (4).to_bytes(8, "big"))
        + STATE.outbox_root
        + STATE.authority
        + b"\1"
    )
    established = (5).to_bytes(8, "big") + FINALISED.block_hash + FINALISED.state_root + (6).to_bytes(8, "big")
    established += FINALISED.outbox_root + (7).to_bytes(8, "big") + (8).to_bytes(4, "big")
    verify = Verify(keccak(b"domain"), STATE, b"proof", Limits(9, 10))
    assert asked(verify)[5:] == keccak(b"domain") + packed + bytes(7) + b"\x09" + bytes(7) + b"\x0a" + b"proof"
    assert verdict(verify, 0, packed + established) == Verdict("Ok", (STATE, FINALISED))
    assert verdict(Initialise(b""), 0, packed) == Verdict("Ok", STATE)
    assert verdict(EpochOf(b""), 0, bytes(7) + b"\x05") == Verdict("Ok", 5)
    assert verdict(SchemeOf(), 0, b"CMT1") == Verdict("Ok", b"CMT1")
    evidence = CheckMisbehaviour(keccak(b"domain"), STATE, b"first", b"second")
    assert asked(evidence).endswith((5).to_bytes(4, "big") + b"firstsecond")
    assert verdict(evidence, 0, b"a" * 20 + b"b" * 20) == Verdict("Ok", (b"a" * 20, b"b" * 20))


def test_answers_that_are_none_are_words_that_equal_no_code() -> None:
    assert verdict(EpochOf(b""), PANIC, b"") == Verdict("panic")
    assert verdict(EpochOf(b""), 22, b"") == Verdict("WrongEpoch")
    assert "does not exist" in verdict(EpochOf(b""), 200, b"").word
    assert "a result of 3 bytes" in verdict(EpochOf(b""), 0, b"abc").word
    assert "a result of 21 bytes" in verdict(CheckMisbehaviour(b"", STATE, b"", b""), 0, bytes(21)).word
    with pytest.raises(BadFrame):
        list(answers(b"\0\0\0\5\0abc"))
    with pytest.raises(BadFrame):
        list(answers(b"\0\0"))


def test_a_harness_that_dies_leaves_a_verdict_for_every_question(tmp_path: Path) -> None:
    dying = tmp_path / "harness"
    dying.write_text("#!/bin/sh\ncat >/dev/null\necho stack overflow >&2\nexit 3\n", encoding="ascii")
    dying.chmod(0o755)
    said = InRust(dying).answer([SchemeOf(), EpochOf(b"")])
    assert [one.word for one in said] == ["the harness ended with 3: stack overflow"] * 2
    with pytest.raises(ConfigError, match="cannot be run"):
        InRust(tmp_path / "nothing").answer([SchemeOf()])


def test_thresholds_come_from_the_description() -> None:
    assert [PLUGIN.quorum(n) for n in (1, 2, 3, 4, 6, 7, 64)] == [1, 2, 3, 3, 5, 5, 43]
    majority = replace(PLUGIN, threshold=Fraction(1, 2))
    assert [majority.quorum(n) for n in (1, 2, 3, 4)] == [1, 2, 2, 3]
    card = check(replace(CMT1, plugin=majority), on=("python",))
    assert {"2 of 3", "3 of 5"} <= {finding.case for finding in card.findings}


def test_exempt_cases_are_left_out_and_named() -> None:
    exempt = replace(CMT1, plugin=replace(PLUGIN, exempt={"epoch: *": "this scheme has one epoch"}))
    names = {case.name for case in attacks(exempt, 4, Depth(4, 4, 1, ()))}
    assert "epoch: past" not in names
    assert "a hand-over" in names
    assert check(exempt, on=("python",)).exempt == {"epoch: *": "this scheme has one epoch"}


def test_an_exemption_of_nothing_and_two_forgeries_of_one_name_are_errors_of_the_description() -> None:
    stale = replace(CMT1, plugin=replace(PLUGIN, exempt={"epoch: pastt": "a typing error"}))
    with pytest.raises(ConfigError, match="exempts 'epoch: pastt', which is no case"):
        check(stale, on=("python",))

    class Repeats(CommitteeSource):
        def forgeries(self, state: TrustState, claim: Claim) -> list[Forgery]:
            return list(super().forgeries(state, claim)[:1]) * 2

    with pytest.raises(ConfigError, match="two forgeries called "):
        attacks(replace(CMT1, plugin=replace(PLUGIN, source=Repeats)), 4, Depth())


def test_a_scheme_that_exempts_itself_from_everything_is_not_sound() -> None:
    exempt = replace(CMT1, plugin=replace(PLUGIN, exempt={"*": "trust me"}))
    card = check(exempt, on=("python",))
    assert not card.findings
    assert not card.sound


def test_every_case_has_its_own_name_and_sources_are_the_same_for_the_same_seed() -> None:
    cases = attacks(CMT1, 7, Depth())
    assert len({case.name for case in cases}) == len(cases) > 500
    assert cases == attacks(CMT1, 7, Depth())
    one, other = CommitteeSource(4, b"a"), CommitteeSource(4, b"b")
    assert one.domain != other.domain
    assert one.genesis() != other.genesis()


def test_find_names_what_is_missing() -> None:
    assert "CMT1" in installed()
    assert is_described("CMT1")
    assert distribution("CMT1") == "poft"
    assert find("CMT1").plugin is PLUGIN
    with pytest.raises(ConfigError, match="no scheme 'NONE' is installed"):
        find("NONE")


def test_a_check_refuses_places_and_sizes_that_do_not_exist() -> None:
    with pytest.raises(ConfigError, match="no place 'moon'"):
        check(CMT1, on=("moon",))
    with pytest.raises(ConfigError, match="no authority of 65 members"):
        check(CMT1, members=(65,), on=("python",))
    with pytest.raises(ConfigError, match="no list of numbers"):
        sizes("4,x")
    without = replace(CMT1, plugin=Plugin(CommitteeSource))
    assert check(without, on=("python", "rust")).absent == {"rust": "the plug-in describes no crate"}
    gone = replace(CMT1, plugin=replace(PLUGIN, crate=Crate(Path("no", "Cargo.toml"), "no")))
    with pytest.raises(ConfigError, match="is missing"):
        check(gone, on=("rust",))


def test_the_command_prints_a_scorecard_and_its_exit_code_says_whether_it_is_sound() -> None:
    run = CliRunner().invoke(build(), ["plugin", "check", "CMT1", "--on", "python", "--sample", "4", "--json"])
    assert run.exit_code == 0, run.output
    card = json.loads(run.output)
    assert card["sound"]
    assert card["tallies"][0]["attacks"] == card["tallies"][0]["attacks_refused"] > 100
    assert card["costs"][0]["proof_bytes"] == 577
    shown = CliRunner().invoke(build(), ["plugin", "check", "CMT1", "--on", "python", "--sample", "4"])
    assert "every case came out as it has to" in shown.output
    listed = CliRunner().invoke(build(), ["plugin", "list", "--json"])
    assert {"scheme": "CMT1", "package": "poft", "checkable": True} in json.loads(listed.output)


def test_vectors_are_the_cases_with_their_verdicts() -> None:
    vectors = json.loads(document(CMT1))
    assert vectors["format"] == "poft-vectors/1"
    by_name = {case["name"]: case for case in vectors["cases"]}
    assert by_name["epoch: past"]["error"] == "WrongEpoch"
    assert by_name["the scheme names itself"]["expect"] == {"scheme": "0x" + b"CMT1".hex()}
    assert by_name["the first update"]["expect"]["state"]["height"] == "10"
    assert len(by_name["evidence: two successors"]["expect"]["signers"]) == 3
    with pytest.raises(ConfigError, match="gets 'the scheme names itself' wrong"):
        document(replace(CMT1, name="CMT2"))


@pytest.mark.parametrize("name", ["abc1", "ABC", "ABCDE", "1ABC", "AB-1", ""])
def test_new_refuses_what_is_no_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no name for a scheme"):
        write(name, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_new_overwrites_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a scheme CMT1 is installed"):
        write("CMT1", tmp_path / "new")
    (tmp_path / "mine").write_text("mine", encoding="ascii")
    with pytest.raises(ConfigError, match="holds something"):
        write("ABC1", tmp_path)
    with pytest.raises(ConfigError, match="holds something"):
        write("ABC1", tmp_path / "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_new_fills_every_place_of_every_template(tmp_path: Path) -> None:
    made = write("QED7", tmp_path / "qed7")
    files = [path for path in made.rglob("*") if path.is_file()]
    assert {path.relative_to(made).as_posix() for path in files} >= {
        "README.md",
        ".gitignore",
        "pyproject.toml",
        "poft_qed7/scheme.py",
        "poft_qed7/conformance.py",
        "evm/contracts/Qed7Verifier.sol",
        "substrate/src/lib.rs",
        "substrate/examples/qed7.rs",
        "substrate/Cargo.lock",
    }
    for path in files:
        assert "@" not in path.name
        if path.name != "Cargo.lock":
            text = path.read_text(encoding="utf-8")
            for mark in ("@NAME@", "@Name@", "@lower@", "@poft@", "TODO"):
                assert mark not in text, f"{mark} in {path}"


def test_a_contract_is_named_by_its_artifact() -> None:
    assert PLUGIN.contract == Contract("CommitteeVerifier")
