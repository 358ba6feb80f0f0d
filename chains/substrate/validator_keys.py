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
from coincurve import PrivateKey, PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from substrateinterface import Keypair  # type: ignore[import-untyped]

from poft.protocol.hashing import keccak
from poft.whole_file import write_private

_PEER_PREFIX = bytes.fromhex("002408011220")
"""Multihash `identity`, 36 bytes, of libp2p's PublicKey message: type Ed25519, 32 bytes."""

_POSSESSION = b"POP_"
"""Context of sp-core's proofs of possession."""


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """The public keys that a validator works with, as the runtime has them (`SessionKeys`), in its order."""

    aura: bytes
    """sr25519, 32 bytes: makes blocks."""
    grandpa: bytes
    """ed25519, 32 bytes: votes on finality."""
    beefy: bytes
    """secp256k1, compressed, 33 bytes: signs what other chains verify."""

    @property
    def account(self) -> bytes:
        """The account that a founding validator answers with: the one of the key that makes blocks."""
        return self.aura

    @property
    def encoded(self) -> bytes:
        """As `Session.set_keys` takes them."""
        return self.aura + self.grandpa + self.beefy

    @property
    def address(self) -> bytes:
        """By which other chains know the BEEFY key: the last 20 bytes of the keccak of its point."""
        return beefy_address(self.beefy)


@dataclass(frozen=True, slots=True)
class ValidatorKeys:
    """Public keys of a validator; its seeds are derived again where they are needed."""

    secret: bytes = field(repr=False)

    @property
    def public(self) -> SessionKeys:
        """What everybody may know."""
        return SessionKeys(
            aura=bytes(self.payer.public_key),
            grandpa=_ed25519(self.seed("gran")),
            beefy=PrivateKey(self.seed("beef")).public_key.format(compressed=True),
        )

    @property
    def payer(self) -> Keypair:
        """Signs extrinsics of the validator's account."""
        return Keypair.create_from_seed(self.seed("aura"))

    def seed(self, kind: str) -> bytes:
        """The seed of one key: `aura`, `gran`, `beef` or `node`."""
        return _blake2(f"poft/validator/{kind}/".encode() + self.secret)

    @property
    def ownership(self) -> bytes:
        """What `Session.set_keys` wants as a proof that the account has the three keys: "POP_" ‖ account, signed by
        each. sr25519 and ed25519 sign the bytes, secp256k1 their blake2b-256, with a recovery number of 0 or 1.
        """
        statement = _POSSESSION + self.public.account
        voting = Ed25519PrivateKey.from_private_bytes(self.seed("gran")).sign(statement)
        signing = PrivateKey(self.seed("beef")).sign_recoverable(_blake2(statement), hasher=None)
        return bytes(self.payer.sign(statement)) + voting + signing

    @property
    def peer(self) -> str:
        """Name of the validator's node in the network."""
        return peer_name(_ed25519(self.seed("node")))

    def write(self, keystore: Path, node_key: Path) -> None:
        """Writes keystore and node key, readable by their owner alone."""
        keystore.mkdir(mode=0o700, parents=True, exist_ok=True)
        keys = self.public
        for kind, public in (("aura", keys.aura), ("gran", keys.grandpa), ("beef", keys.beefy)):
            seed = json.dumps("0x" + self.seed(kind).hex())
            write_private(keystore / (kind.encode().hex() + public.hex()), seed)
        write_private(node_key, self.seed("node").hex())


def beefy_address(key: bytes) -> bytes:
    """Address of a secp256k1 key."""
    return keccak(PublicKey(key).format(compressed=False)[1:])[12:]


def peer_name(key: bytes) -> str:
    """What a network calls the node with this ed25519 key."""
    return base58.b58encode(_PEER_PREFIX + key).decode("ascii")


def development_keys(network: str, position: int) -> ValidatorKeys:
    """Keys that anybody can derive, for networks on one machine."""
    return ValidatorKeys(_blake2(f"poft/development/{network}/{position}".encode()))


def _ed25519(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def _blake2(data: bytes) -> bytes:
    return blake2b(data, digest_size=32).digest()
