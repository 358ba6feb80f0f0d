"""The keys of a validator, and the files in which its node looks for them.

A validator has one secret of 32 bytes; each of its keys comes from a seed of its own, blake2b-256 of a label and that
secret. A keystore has one file per key, called by the type (four letters in hex) and the public key; it holds the seed
as JSON, as `poft-node key insert` writes it. Nothing of it goes into a chain's specification but the public keys.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import base58
from coincurve import PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from substrateinterface import Keypair  # type: ignore[import-untyped]

from poft.whole_file import write_private

_PEER_PREFIX = bytes.fromhex("002408011220")
"""Multihash `identity`, 36 bytes, of libp2p's PublicKey message: type Ed25519, 32 bytes."""


@dataclass(frozen=True, slots=True)
class ValidatorKeys:
    """Public keys of a validator; its seeds are derived again where they are needed."""

    secret: bytes = field(repr=False)

    @property
    def aura(self) -> bytes:
        """sr25519: makes blocks."""
        return bytes(Keypair.create_from_seed(_seed("aura", self.secret)).public_key)

    @property
    def grandpa(self) -> bytes:
        """ed25519: votes on finality."""
        return _ed25519(_seed("gran", self.secret))

    @property
    def beefy(self) -> bytes:
        """secp256k1, compressed: signs what other chains verify."""
        return PrivateKey(_seed("beef", self.secret)).public_key.format(compressed=True)

    @property
    def peer(self) -> str:
        """Name of the validator's node in the network."""
        return peer_name(_ed25519(_seed("node", self.secret)))

    def write(self, keystore: Path, node_key: Path) -> None:
        """Writes keystore and node key, readable by their owner alone."""
        keystore.mkdir(mode=0o700, parents=True, exist_ok=True)
        for kind, public in (("aura", self.aura), ("gran", self.grandpa), ("beef", self.beefy)):
            seed = json.dumps("0x" + _seed(kind, self.secret).hex())
            write_private(keystore / (kind.encode().hex() + public.hex()), seed)
        write_private(node_key, _seed("node", self.secret).hex())


def peer_name(key: bytes) -> str:
    """What a network calls the node with this ed25519 key."""
    return base58.b58encode(_PEER_PREFIX + key).decode("ascii")


def development_keys(network: str, position: int) -> ValidatorKeys:
    """Keys that anybody can derive, for networks on one machine."""
    return ValidatorKeys(_blake2(f"poft/development/{network}/{position}".encode()))


def _seed(kind: str, secret: bytes) -> bytes:
    return _blake2(f"poft/validator/{kind}/".encode() + secret)


def _ed25519(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def _blake2(data: bytes) -> bytes:
    return blake2b(data, digest_size=32).digest()
