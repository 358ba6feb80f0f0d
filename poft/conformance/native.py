"""A scheme's Rust half as a process: its crate's harness is built when the check begins, then fed with frames.

The profile is cargo's `dev`, whose arithmetic checks for overflow: a number that wraps must not pass silently. Times
come from a release build of the same harness, where one is asked for.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from poft.conformance.frames import BadFrame, answers, asked, timed, verdict
from poft.conformance.plugin import Crate
from poft.conformance.questions import Question, Verdict, Verify
from poft.protocol.errors import Code, ConfigError

_SECONDS = 300.0
_BUILD_SECONDS = 1800.0
"""From nothing, on a slow machine that builds other things as well."""
_NANO = 1e-6
"""Milliseconds in a nanosecond."""


class InRust:
    """The Rust half."""

    name = "rust"

    def __init__(self, binary: Path) -> None:
        self._binary = binary

    def answer(self, questions: Sequence[Question]) -> list[Verdict]:
        """A verdict for each; those that a dead process left unanswered say so."""
        said, end = self._run(b"".join(asked(question) for question in questions))
        verdicts = [verdict(question, *one) for question, one in zip(questions, said, strict=False)]
        return verdicts + [Verdict(end)] * (len(questions) - len(verdicts))

    def milliseconds(self, question: Verify, times: int) -> float | None:
        """Median time of this verification; None when it is refused."""
        said, _ = self._run(timed(question, times))
        taken = [result for code, result in said if code == Code.Ok]
        return int.from_bytes(taken[0], "big") * _NANO if taken else None

    def _run(self, frames: bytes) -> tuple[list[tuple[int, bytes]], str]:
        try:
            run = subprocess.run([self._binary], input=frames, capture_output=True, check=False, timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            return [], f"no answer after {_SECONDS:.0f} s"
        except OSError as error:
            raise ConfigError(f"{self._binary} cannot be run: {error.strerror}") from error
        said: list[tuple[int, bytes]] = []
        try:
            said.extend(answers(run.stdout))
        except BadFrame as error:
            return said, str(error)
        return said, f"the harness ended with {run.returncode}: {run.stderr.decode(errors='replace').strip()[-200:]}"


def built(crate: Crate, profile: str = "dev") -> InRust:
    """Builds the harness of a crate.

    Raises:
        ConfigError: cargo is missing, the manifest is not there, or the crate does not compile.
    """
    if not crate.manifest.is_file():
        raise ConfigError(f"{crate.manifest} is missing", "Install poft and the plug-in from their sources (pip -e)")
    target = target_folder()
    command = ["cargo", "build", "--quiet", "--offline", "--manifest-path", str(crate.manifest)]
    command += ["--profile", profile, "--example", crate.harness]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "CARGO_TARGET_DIR": str(target)},
            capture_output=True,
            text=True,
            check=False,
            timeout=_BUILD_SECONDS,
        )
    except OSError as error:
        raise ConfigError("cargo is missing", "Install Rust 1.90 or newer (rustup.rs)") from error
    except subprocess.TimeoutExpired as error:
        raise ConfigError(f"cargo is not done after {_BUILD_SECONDS:.0f} s", "See what else builds there") from error
    if done.returncode:
        raise ConfigError(f"{' '.join(command)} failed:\n{done.stderr}", "Correct the crate")
    return InRust(target / ("debug" if profile == "dev" else profile) / "examples" / crate.harness)


def target_folder() -> Path:
    """Where cargo builds: outside of the checkouts, so that all of them share what they depend on."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("CARGO_TARGET_DIR") or cache / "poft" / "target")


__all__ = ["InRust", "built", "target_folder"]
