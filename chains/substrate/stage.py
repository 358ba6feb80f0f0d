"""A scheme on Substrate, for the conformance kit: a devnet whose runtime has it in its list of schemes.

A pallet gives no verdict without a transaction, so only the hosts are asked here; the crate's harness answers for the
scheme itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from poft.conformance.plugin import Subject
from poft.conformance.stages import STRANGER, Stage

from .devnet import SubstrateDevnet
from .genesis import RUNTIME


class SubstrateStage:
    """Entry point `substrate` of the group `poft.stages`."""

    @contextmanager
    def open(self, subject: Subject, folder: Path) -> Iterator[Stage]:
        """See `poft.conformance.stages.Setting.open`."""
        runtime = subject.plugin.runtime or RUNTIME
        devnet = SubstrateDevnet(runtime=runtime)
        spec = devnet.start(folder, "conformance-substrate", 0, [devnet.account(STRANGER)])
        try:
            absent = f"{runtime.name} does not have the scheme; --runtime names one that does"
            yield Stage(spec, replace(spec, key=devnet.account(STRANGER)), None, absent)
        finally:
            devnet.stop(folder)
