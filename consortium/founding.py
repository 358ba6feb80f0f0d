"""What governance does once both chains run: contracts, and on each chain a client that follows the other one.

The clients take the members' attestors as their committee (CMT1). `chains.toml` then says how either chain is
recognised; it has no key and may be shown to anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from chains.evm.clique import SIGNERS
from chains.evm.deploy import deploy
from chains.substrate.rpc import Rpc
from poft.chain import Chain, ChainSpec, connect
from poft.config import Settings, load
from poft.protocol.errors import Code, Refused
from poft.protocol.finality import check_committee
from poft.verification.schemes.cmt1 import CommitteeGenesis
from poft.whole_file import write_whole
from relayers.config import ChainSettings, chain_settings, to_toml
from relayers.keys import read_secret

from .member import PAYER_EVM, PAYER_SUBSTRATE, SECRETS
from .network import Consortium, read_consortium

CHAINS = "chains.toml"
EPOCH = 1
"""Of the committees at the beginning."""


class Chains(Settings):
    """`chains.toml`: the EVM chain, then the Substrate chain."""

    chains: Annotated[tuple[ChainSettings, ...], Field(min_length=2, max_length=2)]

    @property
    def evm(self) -> ChainSettings:
        """The Clique chain."""
        return self.chains[0]

    @property
    def substrate(self) -> ChainSettings:
        """The Substrate chain."""
        return self.chains[1]


def attestors(consortium: Consortium, kind: str) -> tuple[bytes, ...]:
    """Those who watch the chain of a kind, as a committee: sorted addresses.

    Raises:
        Refused: CommitteeInvalid.
    """
    texts = [
        one.attestor_evm_address if kind == "evm" else one.attestor_substrate_address for one in consortium.members
    ]
    members = tuple(sorted(bytes.fromhex(text[2:]) for text in texts))
    check_committee(members, small=False)
    return members


def found(
    folder: Path, governor: Path, evm: Sequence[str], substrate: Sequence[str], max_drift: int, staleness: int
) -> Chains:
    """Deploys what is missing and makes the clients that are missing; asked again it changes nothing.

    Raises:
        Refused: WrongDomain, another chain answers; or governance is somebody else.
    """
    consortium = read_consortium(folder)
    payers = {
        "evm": read_secret(governor / SECRETS / PAYER_EVM, development=False),
        "substrate": read_secret(governor / SECRETS / PAYER_SUBSTRATE, development=False),
    }
    if (folder / CHAINS).exists():
        known = load(folder / CHAINS, Chains)
        specs = [
            replace(known.evm.spec(folder), rpc=tuple(evm), key=payers["evm"]),
            replace(known.substrate.spec(folder), rpc=tuple(substrate), key=payers["substrate"]),
        ]
    else:
        signers = " ".join(sorted(one.signer_address for one in consortium.members))
        placed = deploy(ChainSpec(consortium.evm, "evm", tuple(evm), b"", key=payers["evm"]))
        specs = [
            replace(placed, deployment={**placed.deployment, SIGNERS: signers}),
            _substrate(consortium, substrate, payers["substrate"]),
        ]
        chains = Chains(chains=tuple(chain_settings(replace(spec, key="")) for spec in specs))
        write_whole(folder / CHAINS, to_toml(chains))
    with closing(connect(specs[0])) as left, closing(connect(specs[1])) as right:
        for source, destination in ((left, right), (right, left)):
            _follow(destination, source, attestors(consortium, source.spec.kind), max_drift, staleness)
    return load(folder / CHAINS, Chains)


def _substrate(consortium: Consortium, urls: Sequence[str], key: str) -> ChainSpec:
    with closing(Rpc(urls[0])) as rpc:
        genesis = rpc.text("chain_getBlockHash", 0)
    domain = consortium.node_spec.domain
    return ChainSpec(consortium.substrate, "substrate", tuple(urls), domain, {"genesis": genesis}, key)


def _follow(destination: Chain, source: Chain, members: tuple[bytes, ...], max_drift: int, staleness: int) -> None:
    try:
        destination.client(source.domain)
    except Refused as refused:
        if refused.code is not Code.Uninitialised:
            raise
        genesis = CommitteeGenesis(EPOCH, members, small_committee=False).encode()
        destination.create_client(source.domain, b"CMT1", genesis, max_drift, staleness)
