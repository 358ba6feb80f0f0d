"""`poft upgrade`: a new runtime for a Substrate chain, new contracts for an EVM chain (docs/operating.md, Upgrades)."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import Field

from poft.chain import StateSource, connect
from poft.cli.output import print_json, print_table
from poft.config import Settings, load
from poft.protocol.errors import ConfigError
from poft.verification.schemes.cmt1 import CommitteeGenesis
from poft.verification.schemes.esp1 import OutboxGenesis
from relayers.config import Bytes32Hex, ChainSettings, Committee

app = typer.Typer(help="Replace the code of a chain while its links go on.", no_args_is_help=True)

Config = Annotated[Path, typer.Option(help="TOML file of the upgrade (docs/operating.md).")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Look and check, change nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class RuntimeSettings(Settings):
    """`poft upgrade runtime --config FILE`."""

    chain: ChainSettings
    """As in an attestor's file, with the key of governance."""
    runtime: str
    """The new runtime: .wasm, or packed by zstd."""
    hash: Bytes32Hex | None = None
    """blake2b-256 of the WebAssembly that is meant, from another build of the same sources."""


class NeighbourSettings(Settings):
    """A chain that the upgraded one is linked with."""

    chain: ChainSettings
    """With a key of its governance, else what is due there is waited for."""
    committee: Committee
    """Its attestors, as the upgraded chain believes them now."""
    recovery: Committee
    """The upgraded chain's attestors in the epoch that speaks of the new contracts."""
    scheme: Literal["CMT1", "ESP1"] = "CMT1"
    """By which it follows the upgraded chain from then on."""


class ContractSettings(Settings):
    """`poft upgrade contracts --config FILE`."""

    chain: ChainSettings
    """As in a relayer's file, with the contracts in use and the key of the administrator."""
    neighbours: Annotated[tuple[NeighbourSettings, ...], Field(min_length=1)]
    state: str = "."
    """The folder that keeps the addresses of what was deployed (`upgrade.json`)."""
    patience_seconds: Annotated[float, Field(ge=0, le=86_400)] = 600
    """How long each step that others take is waited for."""
    give_up_failed: bool = False
    """Packets whose application failed are not retried any more: the old inbox is closed."""


@app.command()
def runtime(config: Config, dry_run: DryRun = False, json: AsJson = False) -> None:
    """Put a new runtime on a running Substrate chain."""
    from chains.substrate.rpc import Rpc
    from chains.substrate.upgrade import read_candidate, require_successor, running, upgrade

    settings, folder = load(config, RuntimeSettings), config.parent
    spec = settings.chain.spec(folder)
    if spec.kind != "substrate":
        raise ConfigError(f"{spec.name!r} is of kind {spec.kind!r}", "A runtime is for a chain of kind substrate")
    candidate = read_candidate(folder / settings.runtime, bytes.fromhex((settings.hash or "0x")[2:]))
    if dry_run:
        rpc = Rpc(spec.rpc[0])
        before = running(rpc)
        rpc.close()
        require_successor(candidate.version, before)
        _show_runtime(json, before.spec, candidate.version.spec, candidate.hash, 0, [])
        return
    done = upgrade(spec, candidate)
    rows = [
        (f"0x{source.hex()}", client.state.height, done.after.clients[source].state.height, client.generation)
        for source, client in done.before.clients.items()
    ]
    _show_runtime(json, done.before.version.spec, done.after.version.spec, candidate.hash, done.height, rows)


@app.command()
def contracts(config: Config, dry_run: DryRun = False, json: AsJson = False) -> None:
    """Put new contracts on a running EVM chain; given again, it goes on where it stood."""
    from chains.evm.upgrade import ContractUpgrade, Neighbour, Progress

    settings, folder = load(config, ContractSettings), config.parent
    spec = settings.chain.spec(folder)
    if spec.kind != "evm":
        raise ConfigError(f"{spec.name!r} is of kind {spec.kind!r}", "Contracts are on a chain of kind evm")
    own = connect(spec)
    with ExitStack() as stack:
        stack.callback(own.close)
        neighbours = []
        for one in settings.neighbours:
            there = connect(one.chain.spec(folder))
            stack.callback(there.close)
            believed = own.client(there.domain)
            small = believed.state.small_committee
            genesis = CommitteeGenesis(one.committee.epoch, one.committee.addresses(), small).encode()
            if believed.scheme == b"ESP1" and isinstance(there, StateSource):
                genesis = OutboxGenesis(there.outbox_address, genesis).encode()
            small = there.client(own.domain).state.small_committee
            recovery = CommitteeGenesis(one.recovery.epoch, one.recovery.addresses(), small).encode()
            neighbours.append(Neighbour(there, genesis, recovery, one.scheme.encode()))
        state = folder / settings.state
        upgrade = ContractUpgrade(spec, tuple(neighbours), state, settings.give_up_failed)
        stack.callback(upgrade.close)
        if dry_run:
            found = upgrade.look()
            if json:
                print_json([{"step": one.step, "done": one.done} for one in found])
            else:
                print_table("steps", ("step", "done"), [(one.step, "yes" if one.done else "") for one in found])
            return

        def tell(progress: Progress) -> None:
            if not json:
                print(progress.step, flush=True)

        after = upgrade.run(settings.patience_seconds, tell)
        if json:
            print_json({"deployment": dict(after.deployment)})
        else:
            print_table("deployment, for attestors and relayers", ("name", "value"), sorted(after.deployment.items()))


def _show_runtime(
    json: bool, before: int, after: int, digest: bytes, height: int, clients: list[tuple[str, int, int, int]]
) -> None:
    if json:
        print_json(
            {
                "before": before,
                "after": after,
                "hash": f"0x{digest.hex()}",
                "height": height,
                "clients": [
                    {"source": source, "heightBefore": first, "heightAfter": last, "generation": generation}
                    for source, first, last, generation in clients
                ],
            }
        )
        return
    said = f"runs since block {height} or earlier" if height else "may follow; nothing was changed"
    print(f"spec version {before} → {after}, code 0x{digest.hex()}: {said}")
    if clients:
        print_table("clients", ("source", "height before", "height after", "generation"), clients)
