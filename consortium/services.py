"""A member's services: what its attestors and its relayer are told, and an experiment on the consortium's chains.

Keys are named by the files in which the services find them; nothing that is written here is secret, but for the
experiment, which pays and governs with governance's keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.config import ExperimentSettings, NetworkSettings
from poft.config import load
from poft.protocol.errors import ConfigError
from poft.whole_file import write_private, write_whole
from relayers.config import (
    AttestorSettings,
    ChainSettings,
    Committee,
    LinkSettings,
    RelayerSettings,
    SourceSettings,
    to_toml,
)
from relayers.keys import read_secret

from .founding import CHAINS, EPOCH, Chains, attestors
from .member import (
    ATTESTOR_EVM,
    ATTESTOR_EVM_PORT,
    ATTESTOR_SUBSTRATE,
    ATTESTOR_SUBSTRATE_PORT,
    PAYER_EVM,
    PAYER_SUBSTRATE,
    SECRETS,
)
from .network import Consortium, read_consortium

RELAYER_PORT = 7201
ATTEST_EVM, ATTEST_SUBSTRATE, RELAY = "attest-evm.toml", "attest-substrate.toml", "relay.toml"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """How a member's services reach its own nodes, and where they find their keys and keep their state."""

    evm: tuple[str, ...]
    substrate: tuple[str, ...]
    secrets: Path
    state: Path


def write_services(folder: Path, output: Path, around: Surroundings) -> None:
    """Writes the configurations of a member's attestors and of its relayer.

    Raises:
        ConfigError: the consortium has not been founded.
    """
    consortium, chains = read_consortium(folder), load(folder / CHAINS, Chains)
    evm = chains.evm.model_copy(update={"rpc": around.evm})
    substrate = chains.substrate.model_copy(update={"rpc": around.substrate})
    output.mkdir(parents=True, exist_ok=True)
    write_whole(output / ATTEST_EVM, to_toml(_attestor(evm, around, ATTESTOR_EVM, ATTESTOR_EVM_PORT)))
    write_whole(
        output / ATTEST_SUBSTRATE,
        to_toml(_attestor(substrate, around, ATTESTOR_SUBSTRATE, ATTESTOR_SUBSTRATE_PORT)),
    )
    write_whole(output / RELAY, to_toml(_relayer(consortium, evm, substrate, around)))


def write_experiment(
    experiment: Path, folder: Path, governor: Path, evm: Sequence[str], substrate: Sequence[str], output: Path
) -> None:
    """Writes an experiment whose networks are the consortium's, and whose packets the members' services carry.

    Raises:
        ConfigError: the experiment does not have one network of each kind.
    """
    settings, chains = load(experiment, ExperimentSettings), load(folder / CHAINS, Chains)
    if sorted(network.kind for network in settings.networks) != ["evm", "substrate"]:
        raise ConfigError(f"{experiment} has not one network of each kind", "Give it an evm and a substrate network")
    reached = {
        "evm": (chains.evm, tuple(evm), PAYER_EVM),
        "substrate": (chains.substrate, tuple(substrate), PAYER_SUBSTRATE),
    }
    networks = []
    for network in settings.networks:
        chain, urls, payer = reached[network.kind]
        key = read_secret(governor / SECRETS / payer, development=False)
        networks.append(_attached(network, chain, urls, key))
    relay = settings.relay.model_copy(update={"attestors": 0, "relayers": 0})
    there = settings.model_copy(update={"networks": tuple(networks), "relay": relay, "forgeries": False})
    write_private(output, to_toml(there))


def _attestor(chain: ChainSettings, around: Surroundings, key: str, port: int) -> AttestorSettings:
    return AttestorSettings(
        chain=chain,
        key_file=str(around.secrets / key),
        listen=f"0.0.0.0:{port}",
        state=str(around.state / "attestor.sqlite"),
        epoch=EPOCH,
    )


def _relayer(
    consortium: Consortium, evm: ChainSettings, substrate: ChainSettings, around: Surroundings
) -> RelayerSettings:
    def paid(chain: ChainSettings, key: str) -> ChainSettings:
        return chain.model_copy(update={"key_file": str(around.secrets / key)})

    def source(chain: ChainSettings, urls: Sequence[str]) -> SourceSettings:
        members = tuple("0x" + one.hex() for one in attestors(consortium, chain.kind))
        return SourceSettings(
            chain=chain.name, attestors=tuple(urls), committees=(Committee(epoch=EPOCH, members=members),)
        )

    return RelayerSettings(
        chains=(paid(evm, PAYER_EVM), paid(substrate, PAYER_SUBSTRATE)),
        sources=(
            source(evm, [one.attestor_evm for one in consortium.members]),
            source(substrate, [one.attestor_substrate for one in consortium.members]),
        ),
        links=(
            LinkSettings(source=evm.name, destination=substrate.name),
            LinkSettings(source=substrate.name, destination=evm.name),
        ),
        listen=f"0.0.0.0:{RELAYER_PORT}",
        state=str(around.state / "relayer.sqlite"),
    )


def _attached(network: NetworkSettings, chain: ChainSettings, urls: tuple[str, ...], key: str) -> NetworkSettings:
    return network.model_copy(
        update={
            "name": chain.name,
            "rpc": urls,
            "domain": chain.domain,
            "deployment": chain.deployment,
            "key": key,
            "finality": chain.finality,
        }
    )
