"""Chain specifications for poft-node: one genesis, from the runtime's own builder, for one, four or n validators.

The runtime's preset is the base; what a network decides is laid over it: its name, its first validators (public keys),
who governs it, who has coins. Two networks differ in their domain by their name, and by a digest of runtime and first
validators in the place of the genesis hash, which cannot stand in the state that it is the hash of.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from substrateinterface.utils.ss58 import ss58_encode  # type: ignore[import-untyped]

from poft.protocol.domain import substrate_domain
from poft.protocol.errors import ConfigError
from poft.whole_file import write_whole

from .chopsticks import node_binary, node_modules
from .genesis import GENESIS_HASH, GOVERNOR, Beginning, address, request, runtime_code
from .rpc import Json
from .validator_keys import SessionKeys

_SCRIPT = Path(__file__).parent / "spec.mjs"
_BUILD_SECONDS = 120.0
_GENESIS_TAG = b"poft/genesis/v1"
_SS58 = 42
SESSION_LENGTH = 60
"""The runtime's own default: a minute of blocks."""


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """What a specification is made of. Without validators it is the runtime's development chain, with Alice alone."""

    beginning: Beginning
    validators: tuple[SessionKeys, ...] = ()
    session_length: int = SESSION_LENGTH
    """Blocks: a change of validators is announced at the end of a session, and done at the end of the next."""
    governor: str = GOVERNOR
    """Address or secret of who governs it."""

    @property
    def id(self) -> str:
        """The name as nodes use it in folders and protocols."""
        return re.sub("[^a-z0-9]+", "-", self.beginning.name.lower()).strip("-") or "network"

    @property
    def genesis_hash(self) -> bytes:
        """What stands for the genesis hash in the domain: the embedded node's constant, or the digest."""
        if not self.validators:
            return GENESIS_HASH
        keys = b"".join(keys.encoded for keys in self.validators)
        return blake2b(_GENESIS_TAG + _digest(runtime_code(self.beginning.runtime)) + keys, digest_size=32).digest()

    @property
    def domain(self) -> bytes:
        """The chain's domain."""
        return substrate_domain(self.genesis_hash, self.beginning.name)

    @property
    def authorities(self) -> dict[str, Json]:
        """Who validates, as this project's runtime is told."""
        founders: list[Json] = [[ss58(one.account), ss58(one.account), _session(one)] for one in self.validators]
        told: dict[str, Json] = {"validators": {"sessionLength": self.session_length}}
        return {**told, "session": {"keys": founders}} if founders else told


def write_node_spec(spec: NodeSpec, path: Path) -> None:
    """Writes the specification file; the runtime runs once for it.

    Raises:
        ConfigError: Node or chopsticks, in whose executor the runtime runs, is missing, or the runtime refuses.
    """
    node, modules = node_binary(), node_modules()
    path.parent.mkdir(parents=True, exist_ok=True)
    wasm, order = path.with_suffix(".wasm"), path.with_suffix(".request")
    try:
        wasm.write_bytes(runtime_code(spec.beginning.runtime))
        write_whole(order, json.dumps(_request(spec, wasm)))
        command = [node, str(_SCRIPT), str(modules), str(order), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_BUILD_SECONDS)
        if done.returncode:
            said = " ".join(done.stderr.split()[:40])
            raise ConfigError(
                f"the runtime does not build the genesis of {spec.beginning.name!r}: {said}", "Check its settings"
            )
    finally:
        wasm.unlink(missing_ok=True)
        order.unlink(missing_ok=True)


def _request(spec: NodeSpec, wasm: Path) -> dict[str, Json]:
    """genesis.mjs's request, with what a network decides for itself."""
    asked = request(spec.beginning.name, wasm, spec.beginning.accounts)
    configuration = asked["configuration"]
    assert isinstance(configuration, dict)
    bridge = configuration["bridge"]
    assert isinstance(bridge, dict)
    bridge["genesisHash"] = "0x" + spec.genesis_hash.hex()
    configuration["sudo"] = {"key": address(spec.governor)}
    configuration.update(spec.authorities)
    return {**asked, "id": spec.id, "chainType": "Local" if spec.validators else "Development"}


def _session(keys: SessionKeys) -> dict[str, Json]:
    return {"aura": ss58(keys.aura), "grandpa": ss58(keys.grandpa), "beefy": ss58(keys.beefy)}


def ss58(key: bytes) -> str:
    """A key as genesis configurations have it."""
    return str(ss58_encode(key, _SS58))


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=32).digest()
