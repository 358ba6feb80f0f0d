"""One enumeration in three languages: names and numbers are equal, and the vectors use only these."""

from __future__ import annotations

import json
import re
from pathlib import Path

from poft.protocol.errors import Code

ROOT = Path(__file__).parents[2]


def _solidity() -> dict[str, int]:
    text = (ROOT / "chains/evm/contracts/types/Code.sol").read_text()
    body = re.search(r"enum Code\s*\{(.*?)\}", text, re.DOTALL)
    assert body is not None
    names = re.findall(r"^\s*([A-Z]\w*)\s*,?\s*(?://.*)?$", body[1], re.MULTILINE)
    return {name: number for number, name in enumerate(names)}


def _rust() -> dict[str, int]:
    text = (ROOT / "chains/substrate/primitives/src/code.rs").read_text()
    return {name: int(number) for name, number in re.findall(r"^\s*([A-Z]\w*)\s*=\s*(\d+)", text, re.MULTILINE)}


def test_codes_are_equal_in_solidity() -> None:
    assert _solidity() == {code.name: code.value for code in Code}


def test_codes_are_equal_in_rust() -> None:
    assert _rust() == {code.name: code.value for code in Code}


def test_codes_are_dense_from_zero() -> None:
    assert [code.value for code in Code] == list(range(len(Code)))


def test_vectors_name_known_codes() -> None:
    for path in sorted((ROOT / "tests/vectors").glob("*.json")):
        for case in json.loads(path.read_text())["cases"]:
            assert ("error" in case) != ("expect" in case), (path.name, case["name"])
            if "error" in case:
                assert case["error"] in Code.__members__, (path.name, case["name"])
