"""`poft upgrade`: a new runtime for a Substrate chain, new contracts for an EVM chain (docs/operating.md, Upgrades)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poft.cli.output import print_json, print_table
from poft.config import Settings, load
from poft.protocol.errors import ConfigError
from relayers.config import Bytes32Hex, ChainSettings

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
