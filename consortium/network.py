"""The two chains of a consortium, from its members' shares: whoever has the shares writes the same files.

consortium.toml     the shares, the chains' names, who governs
node-spec.json      the Substrate chain, with every member as a validator
bootnodes           its validators: member, blank, address
genesis.json        the Clique chain, with every member as a signer
peers.toml          its signers, as geth reads them
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from chains.evm.devnet import chain_id_of
from chains.evm.geth import clique_genesis
from chains.substrate.genesis import Beginning
from chains.substrate.node_spec import NodeSpec, write_node_spec
from chains.substrate.validator_keys import SessionKeys
from poft.config import Settings, load
from poft.protocol.finality import MIN_COMMITTEE
from poft.whole_file import write_whole
from relayers.config import to_toml

from .member import Governor, Name, Share

MAX_MEMBERS = 16
CONSORTIUM, NODE_SPEC, BOOTNODES, GENESIS, PEERS = (
    "consortium.toml",
    "node-spec.json",
    "bootnodes",
    "genesis.json",
    "peers.toml",
)


class Consortium(Settings):
    """What everybody knows. The members stand in the order of their names."""

    evm: Name
    """Name of the Clique chain; its chain id follows from it."""
    substrate: Name
    period: Annotated[int, Field(ge=1, le=60)] = 1
    """Seconds between blocks of the Clique chain. The Substrate chain's slot is its runtime's."""
    governor: Governor
    members: Annotated[tuple[Share, ...], Field(min_length=MIN_COMMITTEE, max_length=MAX_MEMBERS)]

    @model_validator(mode="after")
    def _distinct(self) -> Consortium:
        if self.evm == self.substrate:
            raise ValueError("two chains have one name")
        for field in ("name", "aura", "grandpa", "beefy", "peer", "signer_address", "enode"):
            values = [getattr(member, field) for member in self.members]
            if len(set(values)) != len(values):
                raise ValueError(f"two members have one {field}")
        names = [member.name for member in self.members]
        if names != sorted(names):
            raise ValueError("members stand in the order of their names")
        return self

    @property
    def node_spec(self) -> NodeSpec:
        """The Substrate chain."""
        governor = self.governor.substrate
        accounts = (governor, *(member.payer_substrate for member in self.members))
        validators = tuple(
            SessionKeys(_octets(member.aura), _octets(member.grandpa), _octets(member.beefy)) for member in self.members
        )
        return NodeSpec(Beginning(self.substrate, accounts), validators, governor=governor)

    def member(self, name: str) -> Share:
        """The share of this name.

        Raises:
            KeyError: nobody is called so.
        """
        return {share.name: share for share in self.members}[name]


def create_consortium(
    folder: Path, evm: str, substrate: str, period: int, governor: Governor, shares: Sequence[Share]
) -> Consortium:
    """Writes the public files into a folder; the same shares give the same files.

    Raises:
        ConfigError: Node or chopsticks, in whose executor the runtime runs, is missing.
    """
    members = tuple(sorted(shares, key=lambda share: share.name))
    consortium = Consortium(evm=evm, substrate=substrate, period=period, governor=governor, members=members)
    folder.mkdir(parents=True, exist_ok=True)
    write_node_spec(consortium.node_spec, folder / NODE_SPEC)
    write_whole(folder / BOOTNODES, "".join(f"{one.name} {one.bootnode}\n" for one in members))
    signers = [_octets(one.signer_address) for one in members]
    coins = [_octets(governor.evm), *(_octets(one.payer_evm) for one in members)]
    genesis = clique_genesis(chain_id_of(evm), signers, coins, period)
    write_whole(folder / GENESIS, json.dumps(genesis, indent=2) + "\n")
    peers = ", ".join(f'"{one.static_node}"' for one in members)
    write_whole(folder / PEERS, f"[Node.P2P]\nStaticNodes = [{peers}]\n")
    write_whole(folder / CONSORTIUM, to_toml(consortium))
    return consortium


def read_consortium(folder: Path) -> Consortium:
    """The consortium of a folder; raises `ConfigError`."""
    return load(folder / CONSORTIUM, Consortium)


def _octets(text: str) -> bytes:
    return bytes.fromhex(text[2:])
