"""Genesis of a development chain, built by the runtime itself (`GenesisBuilder`, run by `genesis.mjs`).

The raw genesis has three things that the runtime's preset cannot know: the network's name (so that chains which share
the constant genesis hash of the embedded node have different domains), the accounts that get coins, and the time: the
first block is stamped one slot after the genesis, instead of one slot after 1970.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import zstandard
from substrateinterface import Keypair
from substrateinterface.utils.hasher import xxh128

from poft.protocol.errors import ConfigError

from .rpc import Json

GENESIS_HASH = b"\x45" * 32
"""What chopsticks gives every chain as the hash of its genesis block."""
SLOT_MILLIS = 1000
"""The runtime's slot (`MILLI_SECS_PER_BLOCK`)."""
COINS = 1 << 80
"""What an account gets; one extrinsic costs about 2³¹."""

_PRESET = "development"
_RUNTIME = Path(__file__).parent / "runtime.wasm.zst"
_SCRIPT = Path(__file__).parent / "genesis.mjs"


@dataclass(frozen=True, slots=True)
class Genesis:
    """What a chain begins with. `time` in milliseconds."""

    name: str
    accounts: tuple[str, ...]
    time: int

    def overrides(self) -> dict[str, Json]:
        """The parts of the runtime's genesis configuration that this genesis sets."""
        return {
            "bridge": {"networkName": self.name, "genesisHash": "0x" + GENESIS_HASH.hex()},
            "federation": {"name": self.name},
        }


def build(genesis: Genesis, node: str, modules: Path) -> dict[str, Json]:
    """The chain specification that chopsticks starts from.

    Raises:
        ConfigError: the runtime refuses this configuration, or is missing.
    """
    if not _RUNTIME.exists():
        raise ConfigError(f"{_RUNTIME.name} is missing", "run make runtime")
    with tempfile.NamedTemporaryFile(suffix=".wasm") as code:
        code.write(zstandard.ZstdDecompressor().decompress(_RUNTIME.read_bytes(), max_output_size=1 << 26))
        code.flush()
        storage = _ask_runtime(genesis, [node, str(_SCRIPT), code.name, _PRESET, str(modules)])
    slot, millis = genesis.time // SLOT_MILLIS, genesis.time // SLOT_MILLIS * SLOT_MILLIS
    storage[_value_key("Timestamp", "Now")] = "0x" + millis.to_bytes(8, "little").hex()
    storage[_value_key("Aura", "CurrentSlot")] = "0x" + slot.to_bytes(8, "little").hex()
    return {
        "name": genesis.name,
        "id": genesis.name,
        "properties": {"ss58Format": 42, "tokenDecimals": 12, "tokenSymbol": "UNIT"},
        "genesis": {"raw": {"top": storage}},
    }


def keypair(secret: str) -> Keypair:
    """The payer of a secret: a 0x seed of 32 bytes, or a derivation from the development phrase such as //Alice.

    Raises:
        ConfigError: the secret has neither form.
    """
    try:
        if secret.startswith("0x"):
            return Keypair.create_from_seed(secret)
        if secret.startswith("//"):
            return Keypair.create_from_uri(secret)
    except (ValueError, NotImplementedError) as error:
        raise ConfigError("the payer's key is not usable", str(error)) from error
    raise ConfigError("the payer's key has an unknown form", "Give a 0x seed of 32 bytes or a derivation like //Alice")


def merge(base: Mapping[str, Json], patch: Mapping[str, Json]) -> dict[str, Json]:
    """`base` with `patch` over it: objects merge, everything else replaces (as the node's own preset rule has it)."""
    merged = dict(base)
    for key, value in patch.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _ask_runtime(genesis: Genesis, command: Sequence[str]) -> dict[str, Json]:
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as child:
        assert child.stdin and child.stdout and child.stderr  # they are pipes
        offer = child.stdout.readline()
        if offer:
            presets = json.loads(offer)
            base = merge(json.loads(presets["defaults"]), json.loads(presets["preset"]))
            configuration = _endow(merge(base, genesis.overrides()), genesis.accounts)
            child.stdin.write(json.dumps(configuration) + "\n")
            child.stdin.flush()
        storage = child.stdout.readline()
        words = child.stderr.read()
    if child.returncode != 0 or not storage:
        raise ConfigError("the runtime did not build a genesis", words.strip()[-2000:])
    built = json.loads(storage)
    return {str(key): str(value) for key, value in built.items()}


def _endow(configuration: dict[str, Json], accounts: Sequence[str]) -> dict[str, Json]:
    known = configuration["balances"]
    assert isinstance(known, dict) and isinstance(known["balances"], list)  # the runtime wrote it
    there = {entry[0] for entry in known["balances"] if isinstance(entry, list)}
    new = sorted({keypair(secret).ss58_address for secret in accounts} - there)  # the pallet refuses duplicates
    balances: list[Json] = [*known["balances"], *([address, COINS] for address in new)]
    return {**configuration, "balances": {**known, "balances": balances}}


def _value_key(pallet: str, item: str) -> str:
    """Key of a storage value: twox128 of the pallet's name, then of the item's."""
    return "0x" + (xxh128(pallet.encode()) + xxh128(item.encode())).hex()
