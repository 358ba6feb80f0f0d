"""Runs that several tests look at: one that nobody disturbed, and one that was interrupted after its first rounds."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree

import pytest

from .running import Command, experiment, final_rounds, poft, start, wait_for


@dataclass(frozen=True)
class Played:
    """A run's folder, the file that it was started with, and the command that it was."""

    folder: Path
    file: Path
    command: Command

    def copy(self, place: Path) -> Path:
        """The run's folder once more, for tests that change it."""
        return copytree(self.folder, place / "run")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Two attestors a chain, two relayers, two worker processes: what every other run is compared with."""
    place = tmp_path_factory.mktemp("finished")
    file = experiment(place, executor="process", attestors=2, relayers=2)
    command = poft("run", file, "--output", place / "run", folder=place)
    assert command.code == 0, command.said()
    return Played(place / "run", file, command)


@pytest.fixture(scope="session")
def halted(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """A run that got Ctrl-C when its first round had become final on some network."""
    place = tmp_path_factory.mktemp("halted")
    file = experiment(place)
    command = start("run", file, "--output", place / "run", folder=place)
    wait_for(lambda: final_rounds(place / "run") >= 1, "a final round", command)
    command.signal(signal.SIGINT)
    command.wait()
    return Played(place / "run", file, command)
