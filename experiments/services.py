"""Attestors and relayers of a run as separate processes: their files, their start, their end.

On embedded devnets their keys are ones that everybody knows; for any other chain they are drawn by chance, once, and
stay in the service's folder. Where a chain has several validators, each service has one of them for itself.

Every service has a folder with its configuration, key, state, log and pid. A service that a killed run left behind is
ended before its successor starts: two processes must not share a signing journal.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_bytes

import httpx
import psutil

from chains.evm.clique import SIGNERS
from experiments.chains import one_endpoint
from poft.chain import ChainSpec, devnet, free_port
from poft.cli.main import EXIT_CONFIG, EXIT_REFUSED
from poft.protocol.errors import ConfigError, Unreachable
from poft.protocol.hashing import keccak
from poft.protocol.signatures import key_address
from poft.whole_file import write_private
from relayers.config import (
    AttestorSettings,
    ChainSettings,
    Committee,
    LinkSettings,
    RelayerSettings,
    SourceSettings,
    chain_settings,
    to_toml,
)
from relayers.keys import write_devnet_key

START_SECONDS = 60.0
STOP_SECONDS = 10.0
FINALITY_SECONDS = 60.0
GATHER_SECONDS = 0.6
"""Of a block time of 1 s."""
_KEY = "key"
RESTARTS = 3
"""How often a run starts a service again that ended by itself."""


@dataclass(frozen=True, slots=True)
class Attestor:
    """An attestor of a run: its devnet key, and where it serves what it signed."""

    name: str
    key: bytes
    url: str

    @property
    def address(self) -> bytes:
        """Its seat in the committee."""
        return key_address(self.key)


def attestor_keys(seed: int, network: str, count: int) -> list[bytes]:
    """The devnet keys of a chain's attestors, in committee order (by address): public knowledge."""
    keys = [keccak(f"poft/devnet/attestor/{seed}/{network}/{i}".encode()) for i in range(count)]
    return sorted(keys, key=key_address)


def attestor_secrets(folder: Path, seed: int, network: str, development: bool, count: int) -> list[bytes]:
    """The keys of a chain's attestors, by folder; those that are drawn stay there."""
    if development:
        return attestor_keys(seed, network, count)
    return [bytes.fromhex(_drawn(folder / f"attestor-{network}-{i}" / _KEY)[2:]) for i in range(count)]


def payer_secret(folder: Path, index: int, network: str, kind: str, development: bool) -> str:
    """The secret of the account with which a relayer pays on a network."""
    return relayer_account(kind, index) if development else _drawn(folder / f"relayer-{index}" / f"{network}.key")


def _drawn(path: Path) -> str:
    """A key by chance, the same ever after."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, "0x" + token_bytes(32).hex() + "\n")
    return path.read_text().split()[0]


class Service:
    """One process of a run: `poft COMMAND --config FOLDER/COMMAND.toml`."""

    def __init__(self, folder: Path, command: str, url: str) -> None:
        self.name = folder.name
        self.url = url
        self._folder = folder
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._restarts = 0
        self._told = False

    def start(self) -> None:
        """Starts the process; `wait_ready` waits for it."""
        end_leftover(self._folder)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "poft.cli.main", self._command),
                    *("--config", str(self._folder / f"{self._command}.toml"), "--with-parent", str(os.getpid())),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._told = False
        (self._folder / "pid").write_text(str(self._process.pid))

    def wait_ready(self) -> None:
        """Returns when /health answers.

        Raises:
            ConfigError, Unreachable: as `check`; or it did not answer in time.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.check()
            try:
                if httpx.get(f"{self.url}/health", timeout=2.0).is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise Unreachable(f"{self.name} did not answer within {START_SECONDS:.0f} s; see {self._folder / 'log'}")

    def check(self) -> None:
        """Returns when the process runs, or was not started.

        Raises:
            ConfigError: it ended because of what it was told.
            Unreachable: it was killed, or its chain or its disk failed it.
        """
        if (status := self._ended()) is None:
            return
        if status in (EXIT_REFUSED, EXIT_CONFIG):
            raise ConfigError(self._obituary(status), f"Log: {self._folder}/log")
        raise Unreachable(f"{self._obituary(status)}. Log: {self._folder}/log")

    def revive(self) -> str | None:
        """Starts the process again if it was killed or gave up; what happened, in words, or None when it runs.

        Raises:
            ConfigError: what ended it would end it again.
            Unreachable: it has been started again too often.
        """
        if (status := self._ended()) is None:
            return None
        if status in (EXIT_REFUSED, EXIT_CONFIG) or self._restarts == RESTARTS:
            self.check()
        self._restarts += 1
        self.start()
        return f"{self._obituary(status)}; started again ({self._restarts} of {RESTARTS})"

    def _ended(self) -> int | None:
        """The exit status of a process that was started and not stopped; negative = the signal that ended it."""
        return None if self._process is None else self._process.poll()

    def _obituary(self, status: int) -> str:
        if status < 0:
            return f"{self.name} was ended by {signal.Signals(-status).name}"
        words = (self._folder / "log").read_text(errors="replace").strip().splitlines() or [""]
        return f"{self.name} ended with status {status}: {words[-1].removeprefix('poft: ')}"

    def kick(self) -> None:
        """Asks the service to look at its chains now; a service that is busy will look anyway."""
        try:
            httpx.post(f"{self.url}/kick", timeout=1.0)
        except httpx.TransportError:
            return

    def terminate(self) -> None:
        """Asks the process to end, once: a second signal would cut its farewell short. `stop` waits for it."""
        if self._process is not None and not self._told and self._process.poll() is None:
            self._told = True
            self._process.terminate()

    def stop(self) -> None:
        """Ends the process, politely first."""
        if self._process is None:
            return
        self.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
        self._process = None
        (self._folder / "pid").unlink(missing_ok=True)


def end_leftover(folder: Path) -> None:
    """Ends the process that an earlier run started in this folder, if it still runs."""
    try:
        process = psutil.Process(int((folder / "pid").read_text()))
        if str(folder) not in " ".join(process.cmdline()):
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return


def prepare_attestors(
    folder: Path, seed: int, network: str, spec: ChainSpec, count: int, finality_seconds: float = FINALITY_SECONDS
) -> tuple[list[Attestor], list[Service]]:
    """Writes the files of a chain's attestors; a journal that lies there stays. Attestors come in committee order."""
    attestors, services = [], []
    for i, key in enumerate(attestor_secrets(folder, seed, network, spec.development, count)):
        place = folder / f"attestor-{network}-{i}"
        place.mkdir(parents=True, exist_ok=True)
        listen = f"127.0.0.1:{free_port()}"
        if spec.development:
            write_devnet_key(place / _KEY, "0x" + key.hex())
        seen = spec if spec.development else one_endpoint(spec, i)
        settings = AttestorSettings(
            chain=chain_settings(replace(seen, key="")),
            key_file=_KEY,
            listen=listen,
            state="journal.sqlite",
            finality_seconds=finality_seconds,
        )
        write_private(place / "attest.toml", to_toml(settings))
        attestors.append(Attestor(place.name, key, f"http://{listen}"))
        services.append(Service(place, "attest", f"http://{listen}"))
    return sorted(attestors, key=lambda one: one.address), services


def prepare_relayers(
    folder: Path,
    specs: Mapping[str, ChainSpec],
    attestors: Mapping[str, Sequence[Attestor]],
    plan: Sequence[Sequence[tuple[str, str]]],
    batch: int = 8,
    gather_seconds: float = GATHER_SECONDS,
    finality_seconds: float = FINALITY_SECONDS,
) -> list[Service]:
    """Writes the files of the relayers, each with its links of the plan and accounts of its own on their chains."""
    services = []
    for i, links in enumerate(plan):
        place = folder / f"relayer-{i}"
        place.mkdir(parents=True, exist_ok=True)
        listen = f"127.0.0.1:{free_port()}"
        chains = [_paid(folder, i, replace(spec, name=name)) for name, spec in specs.items()]
        sources = [
            SourceSettings(
                chain=name,
                attestors=tuple(one.url for one in attestors[name]),
                committees=_committees(attestors[name]),
            )
            for name in sorted({source for source, _ in links})
        ]
        settings = RelayerSettings(
            chains=tuple(chains),
            sources=tuple(sources),
            links=tuple(_link(specs, a, b, batch, gather_seconds) for a, b in links),
            listen=listen,
            state="queue.sqlite",
            finality_seconds=finality_seconds,
        )
        write_private(place / "relay.toml", to_toml(settings))
        services.append(Service(place, "relay", f"http://{listen}"))
    return services


def _link(
    specs: Mapping[str, ChainSpec], source: str, destination: str, batch: int, gather_seconds: float
) -> LinkSettings:
    """A link. Where Clique signers choose transactions at the beginning of a block's time, packets are gathered."""
    waits = SIGNERS in specs[destination].deployment
    gather = gather_seconds if waits else 0.0
    return LinkSettings(source=source, destination=destination, max_batch=batch, gather_seconds=gather)


def _committees(attestors: Sequence[Attestor]) -> tuple[Committee, ...]:
    """The committee of a source, none where nobody attests."""
    members = tuple("0x" + one.address.hex() for one in attestors)
    return (Committee(epoch=1, members=members),) if members else ()


def _paid(folder: Path, index: int, spec: ChainSpec) -> ChainSettings:
    """A chain as a relayer's file has it: with the account that it pays from."""
    secret = payer_secret(folder, index, spec.name, spec.kind, spec.development)
    if spec.development:
        return chain_settings(replace(spec, key=secret))
    settings = chain_settings(replace(one_endpoint(spec, index), key=""))
    return settings.model_copy(update={"key_file": f"{spec.name}.key"})


def relayer_account(kind: str, index: int) -> str:
    """The devnet account that a relayer pays with."""
    return devnet(kind).account(f"relayer-{index}")


def start_all(services: Sequence[Service]) -> None:
    """Starts services side by side and waits until all of them answer."""
    for service in services:
        service.start()
    for service in services:
        service.wait_ready()


def stop_all(services: Sequence[Service]) -> None:
    """Stops services side by side, whatever state they are in."""
    for service in services:
        service.terminate()
    for service in services:
        service.stop()
