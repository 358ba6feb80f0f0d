"""One member: its secrets, each in a file for its owner alone, and the share that the others see.

A validator needs several files (keystore, name among its peers, password). They travel as one secret, a bundle: a line
for each file, its name, a blank, its content. The containers' entry scripts unpack it in memory.
"""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from coincurve import PrivateKey
from eth_account import Account
from pydantic import Field

from chains.substrate.genesis import keypair
from chains.substrate.validator_keys import ValidatorKeys
from poft.config import Settings
from poft.protocol.errors import ConfigError
from poft.protocol.signatures import key_address
from poft.whole_file import write_private, write_whole
from relayers.config import AddressHex, Bytes32Hex, HttpUrl, Listen, to_toml

SHARE, SECRETS = "share.toml", "secrets"
VALIDATOR, SIGNER = "validator", "signer"
ATTESTOR_EVM, ATTESTOR_SUBSTRATE = "attestor-evm", "attestor-substrate"
PAYER_EVM, PAYER_SUBSTRATE = "payer-evm", "payer-substrate"
"""Names of secrets: files here, and what containers find in /run/secrets."""

VALIDATOR_PORT, SIGNER_PORT, ATTESTOR_EVM_PORT, ATTESTOR_SUBSTRATE_PORT = 30333, 30303, 7101, 7102
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
Account58 = Annotated[str, Field(pattern=r"^[1-9A-HJ-NP-Za-km-z]{46,50}$")]


class Share(Settings):
    """What the others know of a member: public keys, and where its nodes and attestors are reached."""

    name: Name
    validator: Listen
    """HOST:PORT at which its Substrate validator is found by its peers."""
    aura: Bytes32Hex
    grandpa: Bytes32Hex
    beefy: Annotated[str, Field(pattern="^0x0[23][0-9a-f]{64}$")]
    peer: str
    """The validator's name among its peers."""
    signer: Listen
    """HOST:PORT of its Clique signer: an IP address, or a name that resolves whenever a peer starts."""
    signer_address: AddressHex
    enode: Annotated[str, Field(pattern="^[0-9a-f]{128}$")]
    attestor_evm: HttpUrl
    attestor_evm_address: AddressHex
    attestor_substrate: HttpUrl
    attestor_substrate_address: AddressHex
    payer_evm: AddressHex
    """The account with which its relayer pays there."""
    payer_substrate: Account58

    @property
    def bootnode(self) -> str:
        """The validator's address in libp2p's form."""
        host, _, port = self.validator.rpartition(":")
        return f"/{_host_kind(host)}/{host.strip('[]')}/tcp/{port}/p2p/{self.peer}"

    @property
    def static_node(self) -> str:
        """The signer's address in devp2p's form."""
        return f"enode://{self.enode}@{self.signer}?discport=0"


class Governor(Settings):
    """Who governs both chains at their beginning: public addresses."""

    evm: AddressHex
    substrate: Account58


def create_member(
    folder: Path, name: str, validator: str, signer: str, attestor_evm: str, attestor_substrate: str
) -> Share:
    """A member with new keys: `secrets/` for itself, `share.toml` for the others. The addresses are HOST:PORT.

    Raises:
        ConfigError: the folder has a member already; its keys are not overwritten.
    """
    own = ValidatorKeys(secrets.token_bytes(32))
    signer_key, node_key = _key(), _key()
    attests_evm, attests_substrate, pays_evm, pays_substrate = (_key() for _ in range(4))
    share = Share(
        name=name,
        validator=validator,
        aura=_hex(own.public.aura),
        grandpa=_hex(own.public.grandpa),
        beefy=_hex(own.public.beefy),
        peer=own.peer,
        signer=signer,
        signer_address=_hex(key_address(signer_key)),
        enode=PrivateKey(node_key).public_key.format(compressed=False)[1:].hex(),
        attestor_evm=f"http://{attestor_evm}",
        attestor_evm_address=_hex(key_address(attests_evm)),
        attestor_substrate=f"http://{attestor_substrate}",
        attestor_substrate_address=_hex(key_address(attests_substrate)),
        payer_evm=_hex(key_address(pays_evm)),
        payer_substrate=keypair(_hex(pays_substrate)).ss58_address,
    )
    _write_secrets(
        folder,
        {
            VALIDATOR: _validator_bundle(own),
            SIGNER: _signer_bundle(signer_key, node_key),
            ATTESTOR_EVM: _hex(attests_evm) + "\n",
            ATTESTOR_SUBSTRATE: _hex(attests_substrate) + "\n",
            PAYER_EVM: _hex(pays_evm) + "\n",
            PAYER_SUBSTRATE: _hex(pays_substrate) + "\n",
        },
    )
    write_whole(folder / SHARE, to_toml(share))
    return share


def create_governor(folder: Path) -> Governor:
    """New keys of governance, laid out as a member's.

    Raises:
        ConfigError: the folder has some already.
    """
    evm, substrate = _key(), _key()
    governor = Governor(evm=_hex(key_address(evm)), substrate=keypair(_hex(substrate)).ss58_address)
    _write_secrets(folder, {PAYER_EVM: _hex(evm) + "\n", PAYER_SUBSTRATE: _hex(substrate) + "\n"})
    write_whole(folder / SHARE, to_toml(governor))
    return governor


def bundle(files: Mapping[str, str]) -> str:
    """Several files as one: a line each. Contents have no line breaks."""
    return "".join(f"{name} {content}\n" for name, content in sorted(files.items()))


def _validator_bundle(keys: ValidatorKeys) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        keystore, node_key = Path(scratch) / "keystore", Path(scratch) / "node.key"
        keys.write(keystore, node_key)
        files = {f"keystore/{file.name}": file.read_text() for file in keystore.iterdir()}
        return bundle({**files, node_key.name: node_key.read_text()})


def _signer_bundle(key: bytes, node_key: bytes) -> str:
    password = secrets.token_hex(16)
    sealed: Mapping[str, object] = Account.encrypt(key, password)
    address = f"0x{sealed['address']}"
    return bundle(
        {"keystore/signer": json.dumps(sealed), "password": password, "address": address, "nodekey": node_key.hex()}
    )


def _write_secrets(folder: Path, contents: Mapping[str, str]) -> None:
    place = folder / SECRETS
    if place.exists():
        raise ConfigError(f"{place} exists", "Choose another folder: keys are not overwritten")
    place.mkdir(mode=0o700, parents=True)
    for name, content in contents.items():
        write_private(place / name, content)


def _key() -> bytes:
    """A random secp256k1 key; as good a seed for sr25519. Out of range once in 2^128, and refused where it is used."""
    return secrets.token_bytes(32)


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _host_kind(host: str) -> str:
    try:
        return f"ip{ip_address(host.strip('[]')).version}"
    except ValueError:
        return "dns"
