"""`poft consortium`: from keys to running services, in the order of the commands below (docs/docker.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Make the networks of a consortium and the files of its members.", no_args_is_help=True)

Network = Annotated[Path, typer.Option(help="Folder of the consortium's public files.")]
Keys = Annotated[Path, typer.Option("--governor", help="Folder of `poft consortium governor`.")]
Evm = Annotated[list[str], typer.Option("--evm-rpc", help="URL of a signer; may be repeated.")]
Substrate = Annotated[list[str], typer.Option("--substrate-rpc", help="URL of a validator; may be repeated.")]
Folder = Annotated[Path, typer.Option(help="Where the new files go.")]


@app.command()
def member(
    name: Annotated[str, typer.Argument(help="The member's name, in small letters.")],
    folder: Folder,
    validator: Annotated[str, typer.Option(help="HOST:PORT of its Substrate validator, for peers.")],
    signer: Annotated[str, typer.Option(help="HOST:PORT of its Clique signer, for peers; HOST best as IP address.")],
    attestor_evm: Annotated[str, typer.Option(help="HOST:PORT of its attestor of the EVM chain, for relayers.")],
    attestor_substrate: Annotated[str, typer.Option(help="The same for the Substrate chain.")],
) -> None:
    """Make a member's keys, and the share that it gives to the others."""
    from .member import SHARE, create_member

    create_member(folder, name, validator, signer, attestor_evm, attestor_substrate)
    typer.echo(f"{folder / SHARE}: for the others")


@app.command()
def governor(folder: Folder) -> None:
    """Make the keys of governance."""
    from .member import SHARE, create_governor

    create_governor(folder)
    typer.echo(f"{folder / SHARE}: for the others")


@app.command()
def network(
    shares: Annotated[list[Path], typer.Argument(help="Everybody's share.toml.")],
    governor: Annotated[Path, typer.Option(help="Governance's share.toml.")],
    folder: Folder,
    evm: Annotated[str, typer.Option(help="Name of the EVM chain.")] = "alpha",
    substrate: Annotated[str, typer.Option(help="Name of the Substrate chain.")] = "beta",
    period: Annotated[int, typer.Option(help="Seconds between blocks of the EVM chain.")] = 1,
) -> None:
    """Make both chains' public files; everybody who has the shares gets the same."""
    from poft.config import load

    from .member import Governor, Share
    from .network import create_consortium

    everybody = [load(path, Share) for path in shares]
    create_consortium(folder, evm, substrate, period, load(governor, Governor), everybody)
    typer.echo(f"{folder}: {evm} and {substrate}, {len(everybody)} members")


@app.command()
def found(
    network: Network,
    governor: Keys,
    evm_rpc: Evm,
    substrate_rpc: Substrate,
    max_drift: Annotated[int, typer.Option(help="Seconds by which the chains' clocks may differ.")] = 60,
    staleness: Annotated[int, typer.Option(help="Seconds after which a client without news takes none.")] = 604_800,
) -> None:
    """Governance: deploy the contracts, and make each chain follow the other. May be repeated."""
    from .founding import CHAINS, found

    found(network, governor, evm_rpc, substrate_rpc, max_drift, staleness)
    typer.echo(f"{network / CHAINS}: for the others")


@app.command()
def services(
    network: Network,
    folder: Folder,
    evm_rpc: Evm,
    substrate_rpc: Substrate,
    secrets: Annotated[Path, typer.Option(help="Where the services will find their keys.")] = Path("/run/secrets"),
    state: Annotated[Path, typer.Option(help="Where the services will keep their state.")] = Path("/state"),
) -> None:
    """Write the configurations of a member's attestors and relayer."""
    from .services import Surroundings, write_services

    write_services(network, folder, Surroundings(tuple(evm_rpc), tuple(substrate_rpc), secrets, state))
    typer.echo(f"{folder}: attest-evm.toml, attest-substrate.toml, relay.toml")


@app.command()
def experiment(
    experiment: Annotated[Path, typer.Argument(help="An experiment with an evm and a substrate network.")],
    network: Network,
    governor: Keys,
    evm_rpc: Evm,
    substrate_rpc: Substrate,
    output: Annotated[Path, typer.Option(help="The file to write; it holds governance's keys.")],
) -> None:
    """Governance: turn an experiment into one on the consortium's chains, for `poft run`."""
    from .services import write_experiment

    write_experiment(experiment, network, governor, evm_rpc, substrate_rpc, output)
    typer.echo(f"{output}: poft run {output}")
