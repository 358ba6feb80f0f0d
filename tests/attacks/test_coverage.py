"""No line of docs/protocol.md section 11 without a case: the table in `coverage.py` against text, vectors and tests."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest

from .coverage import ELSEWHERE, SECTION_11, Case

ROOT = Path(__file__).parents[2]
CASES = [(family, line, case) for family, lines in SECTION_11.items() for line, case in lines.items()]


def families() -> dict[str, set[str]]:
    """What section 11 lists, by family."""
    text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    section = text.split("\n## 11.")[1].split("\n## 12.")[0].split("\n", 1)[1]
    found = {}
    for paragraph in re.split(r"\n(?=[A-Z][A-Za-z ]*: )", "\n" + section)[1:]:
        family, lines = paragraph.split(": ", 1)
        found[family] = {" ".join(line.split()).rstrip(".") for line in lines.split(";")}
    return found


@cache
def answers(file: str) -> dict[str, str]:
    """Name → code of every vector of a file."""
    cases = json.loads((ROOT / "tests" / "vectors" / f"{file}.json").read_text(encoding="utf-8"))["cases"]
    return {case["name"]: case.get("error", "Ok") for case in cases}


def test_every_family_is_in_the_table_or_said_to_be_elsewhere() -> None:
    assert set(families()) == set(SECTION_11) | set(ELSEWHERE)


@pytest.mark.parametrize("family", SECTION_11)
def test_every_line_has_a_case(family: str) -> None:
    assert families()[family] == set(SECTION_11[family])


@pytest.mark.parametrize(("family", "line", "case"), CASES, ids=[f"{family}: {line}" for family, line, _ in CASES])
def test_case_exists_with_its_code(family: str, line: str, case: Case) -> None:
    assert case.vectors or case.tests, f"{family}: {line}"
    for vector in case.vectors:
        file, _, rest = vector.partition(":")
        name, _, codes = rest.partition("=")
        found = {code for known, code in answers(file).items() if fnmatchcase(known, name)}
        assert found, f"no vector {vector}"
        assert found <= set(codes.split("|")), f"{vector} answers {found}"
    for test in case.tests:
        path, _, name = test.partition(":")
        declared = re.search(rf"\b(def|function|fn) {name}\(", (ROOT / path).read_text(encoding="utf-8"))
        assert declared, f"{path} has no {name}"
