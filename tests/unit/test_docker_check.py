"""`make docker-check`: the committed files pass, and each mistake that it is there for is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from docker.check import findings, hadolint, reaches

ROOT = Path(__file__).parents[2]
NEEDED = ("docker", "Makefile", "pyproject.toml", ".dockerignore", "constraints.txt", "package.json")

MISTAKES = {
    "floating base": ("node/Dockerfile", "FROM debian:12.15-slim", "FROM debian:latest", "base debian:latest is not"),
    "root": ("geth/Dockerfile", "USER 10001:10001\n", "", "does not set a numeric user"),
    "source that is gone": ("geth/Dockerfile", "docker/unpack.sh", "docker/unpacked.sh", "unpacked.sh: it does not"),
    "source that is ignored": ("poft/Dockerfile", "COPY LICENSE ", "COPY Makefile ", "keeps it away"),
    "stage that is gone": ("poft/Dockerfile", "--from=npm /poft", "--from=yarn /poft", "--from=yarn names no earlier"),
    "key in the image": ("node/Dockerfile", "STOPSIGNAL", "ENV NODE_KEY=0x1\nSTOPSIGNAL", "looks like a secret"),
    "entry that is not there": ("node/Dockerfile", '["validator.sh"]', '["validate.sh"]', "validate.sh is not in"),
    "another geth": ("geth/Dockerfile", "geth@v1.13.15", "geth@v1.13.14", "the project's geth is v1.13.15"),
    "old Rust": ("node/Dockerfile", "rust:1.95.0", "rust:1.80.0", "or newer is needed"),
    "free versions": ("poft/Dockerfile", "--constraint constraints.txt .\n", ".\n", "without constraints.txt"),
    "another Python": ("poft/Dockerfile", "python3.11 -m", "python3.12 -m", "the project's Python is 3.11"),
    "service as root": ("services.yaml", 'user: "10001:10001"', 'user: "0:0"', "runs as root"),
    "writable": ("services.yaml", "read_only: true", "read_only: false", "can be written"),
    "capabilities": ("services.yaml", "cap_drop: [ALL]", "cap_drop: [NET_RAW]", "it has capabilities"),
    "image of another version": ("services.yaml", "poft/node:0.1.0", "poft/node:0.2.0", "the project is 0.1.0"),
    "health at another port": ("services.yaml", '"health.py", "7201"', '"health.py", "7101"', "it listens on 7201"),
    "command that is not there": ("services.yaml", "[relay, --json", "[carry, --json", "poft has no command carry"),
    "file that nobody writes": (
        "services.yaml",
        "/config/relay.toml",
        "/config/relayer.toml",
        "relayer.toml is no file",
    ),
    "undeclared volume": ("demo.yaml", '"runs:/runs"', '"run:/runs"', "run is not declared"),
    "undeclared secret": ("organisation.yaml", "secrets: [signer]", "secrets: [singer]", "singer is not declared"),
    "published RPC": ("organisation.yaml", '["30303:30303"]', '["8545:8545"]', "port 8545:8545 is published"),
    "secret in the environment": (
        "organisation.yaml",
        "environment: {MEMBER:",
        "environment: {VALIDATOR_KEY: x, MEMBER:",
        "VALIDATOR_KEY in the environment",
    ),
    "file of the network that is not there": (
        "node/validator.sh",
        "/network/node-spec.json",
        "/network/spec.json",
        "/network/spec.json is no file",
    ),
    "script that does not parse": ("poft/demo.sh", "set -eu", "if then", "demo.sh"),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in NEEDED:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, tmp_path / name)
    for name in ("chains", "consortium", "experiments", "poft", "relayers", "LICENSE", "README.md"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in (".npmrc", "package-lock.json"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def test_committed_files_have_nothing_to_say(copy: Path) -> None:
    assert findings(ROOT) == findings(copy) == []


def test_linter_has_nothing_to_say() -> None:
    assert hadolint(ROOT) == []


@pytest.mark.parametrize(("file", "was", "becomes", "complaint"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes_are_named(copy: Path, file: str, was: str, becomes: str, complaint: str) -> None:
    path = copy / "docker" / file
    assert was in path.read_text()
    path.write_text(path.read_text().replace(was, becomes, 1))
    assert any(complaint in finding for finding in findings(copy)), findings(copy)


@pytest.mark.parametrize("name", ["node_modules", ".git", "tests", "runs", ".poft"])
def test_nothing_else_reaches_the_builder(name: str) -> None:
    assert not reaches(ROOT, ROOT / name / "anything")
    assert reaches(ROOT, ROOT / "poft" / "cli" / "main.py")
    assert not reaches(ROOT, ROOT / "poft" / "cli" / "__pycache__")
