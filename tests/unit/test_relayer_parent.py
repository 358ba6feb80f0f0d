"""A service ends with the process that started it, even if that one was gone before the service could look."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

SERVICE = "import sys, time; from relayers.commands import stop_with_parent; stop_with_parent(int(sys.argv[1])); "


def test_service_ends_when_its_parent_was_gone_before_it_looked() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    service = subprocess.Popen([sys.executable, "-c", SERVICE + "time.sleep(60)", str(gone.pid)])
    assert service.wait(30) == -signal.SIGTERM


def test_service_stays_while_its_parent_lives() -> None:
    service = subprocess.Popen([sys.executable, "-c", SERVICE + "time.sleep(1.5)", str(os.getpid())])
    assert service.wait(30) == 0
