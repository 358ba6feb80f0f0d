"""go-ethereum as a program: where it lies, and what it is told.

Two versions are used. 1.13.15 is the last that mines Clique; newer ones have a development mode with finality. `make
geth` builds both outside the checkout.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from eth_account import Account

from poft.protocol.errors import ConfigError
from poft.whole_file import write_private

CLIQUE, CURRENT = "v1.13.15", "v1.16.7"
CHAIN_GAS_LIMIT = 60_000_000
DATABASE = ("--db.engine", "leveldb")
"""Hands every write to the system; the other engine keeps up to 32 KiB to itself, which a kill −9 loses."""
_COINS = 10**27
_LONDON = (
    "homesteadBlock",
    "eip150Block",
    "eip155Block",
    "eip158Block",
    "byzantiumBlock",
    "constantinopleBlock",
    "petersburgBlock",
    "istanbulBlock",
    "berlinBlock",
    "londonBlock",
)


def geth_program(version: str) -> Path:
    """The executable of this version.

    Raises:
        ConfigError: it was not built.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = cache / "poft" / "geth" / version / "geth"
    if not found.exists():
        raise ConfigError(f"geth {version} is not installed", "run make geth (Go 1.21 or newer is needed)")
    return found


def clique_genesis(chain_id: int, signers: Sequence[bytes], coins: Sequence[bytes], period: int) -> dict[str, object]:
    """Genesis of a Clique network that stops at London, as Clique does. `period` in seconds between blocks."""
    return {
        "config": {
            "chainId": chain_id,
            **dict.fromkeys(_LONDON, 0),
            "clique": {"period": period, "epoch": 30_000},
        },
        "difficulty": "0x1",
        "gasLimit": hex(CHAIN_GAS_LIMIT),
        # 32 bytes of vanity, the signers, room for a seal (EIP-225).
        "extraData": "0x" + (bytes(32) + b"".join(sorted(signers)) + bytes(65)).hex(),
        "alloc": {account.hex(): {"balance": hex(_COINS)} for account in coins},
    }


def write_account(folder: Path, key: bytes, password: str) -> None:
    """A signer's key as geth keeps it, with a password beside it, readable by their owner."""
    keystore = folder / "keystore"
    keystore.mkdir(parents=True, exist_ok=True)
    # One round of scrypt: the key is one that anybody can derive, and unlocking it should take no second.
    sealed: Mapping[str, object] = Account.encrypt(key, password, kdf="pbkdf2", iterations=1)
    write_private(keystore / f"signer-{sealed['address']}", json.dumps(sealed))
    write_private(folder / "password", password)
