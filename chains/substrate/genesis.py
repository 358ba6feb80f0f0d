"""Genesis of a development chain: what is asked of the runtime's own `GenesisBuilder` (genesis.mjs runs it).

Three things the runtime's preset cannot know: the network's name, so that chains which share the constant genesis hash
of the embedded node have different domains; the accounts that get coins; and a time, without which the node would
stamp the first block with the clock and the same name would not give the same chain.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import zstandard
from substrateinterface import Keypair  # type: ignore[import-untyped]
from substrateinterface.utils.hasher import xxh128  # type: ignore[import-untyped]
from substrateinterface.utils.ss58 import is_valid_ss58_address  # type: ignore[import-untyped]

from poft.protocol.domain import substrate_domain
from poft.protocol.errors import ConfigError

from .rpc import Json

GENESIS_HASH = b"\x45" * 32
"""What chopsticks gives every chain as the hash of its genesis block."""
GOVERNOR = "//Alice"
"""The account behind sudo in the runtime's development preset."""
COINS = 1 << 80
"""What an account gets. An extrinsic costs about 2³³."""

_PRESET = "development"
_TIME_MILLIS = 1_700_000_000_000
_SLOT_MILLIS = 1000
"""The runtime's slot (`MILLI_SECS_PER_BLOCK`)."""
_SEED = re.compile("0x[0-9a-fA-F]{64}")
_MAX_RUNTIME = 1 << 26
_ZSTD, _WASM = b"\x28\xb5\x2f\xfd", b"\0asm"
"""What files of either kind begin with."""
RUNTIME = Path(__file__).parent / "runtime.wasm.zst"
"""Written by `build_runtime.sh`."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a new chain is made of: its name, those who begin with coins (addresses or secrets), its runtime."""

    name: str
    accounts: tuple[str, ...] = ()
    runtime: Path = RUNTIME


def domain_of(name: str) -> bytes:
    """Domain of the development chain of this name."""
    return substrate_domain(GENESIS_HASH, name)


def request(name: str, runtime: Path, accounts: Sequence[str]) -> dict[str, Json]:
    """What genesis.mjs is asked for: the chain called `name`, on the runtime unpacked at `runtime`."""
    octets: list[Json] = list(name.encode())
    endowed: list[Json] = [*sorted({address(account) for account in accounts})]
    return {
        "name": name,
        "runtime": str(runtime),
        "preset": _PRESET,
        "configuration": {
            "bridge": {"networkName": octets, "genesisHash": "0x" + GENESIS_HASH.hex()},
            "federation": {"name": octets},
        },
        "endowed": endowed,
        "coins": f"#{COINS}",
        "storage": {
            value_key("Timestamp", "Now"): _u64(_TIME_MILLIS),
            value_key("Aura", "CurrentSlot"): _u64(_TIME_MILLIS // _SLOT_MILLIS),
        },
    }


def runtime_code(path: Path = RUNTIME) -> bytes:
    """The WebAssembly of a runtime: this project's, or another that has its pallets. A .zst is unpacked.

    Raises:
        ConfigError: it is not there, or is no WebAssembly.
    """
    if not path.is_file():
        raise ConfigError(f"{path} is missing", "run make runtime" if path == RUNTIME else "Build that runtime")
    code = path.read_bytes()
    try:
        if code.startswith(_ZSTD):
            code = zstandard.ZstdDecompressor().decompress(code, max_output_size=_MAX_RUNTIME)
    except zstandard.ZstdError as error:
        raise ConfigError(f"{path} cannot be unpacked: {error}") from error
    if not code.startswith(_WASM):
        raise ConfigError(f"{path} is no WebAssembly", "Name a .wasm, or one packed by zstd")
    return code


def keypair(secret: str) -> Keypair:
    """The payer of a secret: a 0x seed of 32 bytes, or a derivation from the development phrase such as //Alice.

    Raises:
        ConfigError: the secret has neither form.
    """
    if _SEED.fullmatch(secret):
        return Keypair.create_from_seed(secret)
    if secret.startswith("//"):
        return Keypair.create_from_uri(secret)
    raise ConfigError("the payer's key has an unknown form", "Give a 0x seed of 32 bytes or a derivation like //Alice")


def address(account: str) -> str:
    """SS58 address of an account that is named by it, or by its secret.

    Raises:
        ConfigError: it is neither.
    """
    return account if is_valid_ss58_address(account) else str(keypair(account).ss58_address)


def value_key(pallet: str, item: str) -> str:
    """Key of a storage value: twox128 of the pallet's name, then of the item's."""
    return "0x" + bytes(xxh128(pallet.encode()) + xxh128(item.encode())).hex()


def _u64(value: int) -> str:
    return "0x" + value.to_bytes(8, "little").hex()
