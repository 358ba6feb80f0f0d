"""A new runtime for a running chain: checked, authorised by governance, applied, and looked at afterwards.

The ledger has two steps (`frame_system`). Governance authorises the hash of the code; whoever has that code applies it.
The block that does so still runs the old runtime; the next runs the migrations of the new one before anything else.

The ledger itself checks the name and that the version grows. It does not compile the code: a damaged file would be
applied, and the chain would never make a block again. So the code is compiled here first, and what is authorised is a
hash, which everybody who builds the runtime can compare.

Each step looks at the ledger first, so a command that was cut off is given again. Afterwards outbox, nonces and clients
must be what they were, or have gone on from there.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from poft.chain import ChainSpec, ClientStatus
from poft.protocol.errors import Code, ConfigError, Refused, Rejected, Unreachable

from .chopsticks import node_binary, node_modules
from .client import BRIDGE, SubstrateChain
from .genesis import keypair, runtime_code
from .rpc import Rpc
from .runtime import Runtime, blake2_256, number, octets, record
from .sending import Payer

_SCRIPT = Path(__file__).parent / "runtime_version.mjs"
_COMPILE_SECONDS = 120.0
_CODE = "0x3a636f6465"
"""`:code`."""
_DOMAIN_BYTES = 32
_POLL_SECONDS = 0.2
APPLY_SECONDS = 120.0
"""Until the first block of the new runtime must be there: twenty blocks of six seconds."""


@dataclass(frozen=True, slots=True)
class Version:
    """What a runtime says of itself."""

    name: str
    spec: int
    transaction: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A runtime that was compiled, and may be applied."""

    code: bytes
    version: Version

    @property
    def hash(self) -> bytes:
        """What governance authorises."""
        return blake2_256(self.code)


@dataclass(frozen=True, slots=True)
class Standing:
    """What an upgrade must keep: the outbox's size, and by source the client and the nonce that is due."""

    version: Version
    outbox_size: int
    clients: dict[bytes, ClientStatus]
    nonces: dict[bytes, int]


@dataclass(frozen=True, slots=True)
class Upgraded:
    """An upgrade that was done."""

    before: Standing
    after: Standing
    height: int
    """The first block of the new runtime, or a later one."""


def read_candidate(path: Path, expected: bytes = b"") -> Candidate:
    """The runtime in a file (.wasm, or packed by zstd), once it has been compiled.

    Raises:
        ConfigError: the file is missing or damaged, or is not the runtime of the hash that is expected.
    """
    code = runtime_code(path)
    if expected and blake2_256(code) != expected:
        raise ConfigError(
            f"{path} has the hash 0x{blake2_256(code).hex()}, not 0x{expected.hex()}", "Build it from the same sources"
        )
    with tempfile.TemporaryDirectory() as folder:
        wasm = Path(folder) / "runtime.wasm"
        wasm.write_bytes(code)
        command = [node_binary(), str(_SCRIPT), str(node_modules()), str(wasm)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_COMPILE_SECONDS)
    if done.returncode:
        said = done.stderr.strip().splitlines()[:1]
        raise ConfigError(f"{path} does not compile: {''.join(said)}", "Build the runtime again")
    said_of_itself = json.loads(done.stdout)
    version = Version(said_of_itself["specName"], said_of_itself["specVersion"], said_of_itself["transactionVersion"])
    return Candidate(code, version)


def running(rpc: Rpc) -> Version:
    """The version that executes what comes after the head."""
    said = rpc.record("state_getRuntimeVersion", rpc.text("chain_getBlockHash"))
    return Version(str(said["specName"]), number(said["specVersion"]), number(said["transactionVersion"]))


def require_successor(candidate: Version, before: Version) -> None:
    """Returns when a runtime may follow another.

    Raises:
        Refused: WrongDomain, it is of another chain; WrongVersion, its version is not greater.
    """
    if candidate.name != before.name:
        raise Refused(Code.WrongDomain, "runtime", f"it is for {candidate.name!r}, this chain is {before.name!r}")
    if candidate.spec <= before.spec:
        detail = f"{candidate.spec} is not greater than {before.spec}, which the chain runs"
        raise Refused(Code.WrongVersion, "runtime", detail)
    if candidate.transaction < before.transaction:
        detail = f"transaction version {candidate.transaction} after {before.transaction}"
        raise Refused(Code.WrongVersion, "runtime", detail)


def standing(chain: SubstrateChain, runtime: Runtime) -> Standing:
    """What the chain believes and has sent, now."""
    prefix = runtime.storage_key(BRIDGE, "Clients")
    head = runtime.rpc.text("chain_getBlockHash")
    sources = sorted(octets(key)[-_DOMAIN_BYTES:] for key in runtime.keys(prefix, head))
    return Standing(
        running(runtime.rpc),
        chain.outbox_size(),
        {source: chain.client(source) for source in sources},
        {source: chain.next_nonce(source) for source in sources},
    )


def losses(before: Standing, after: Standing) -> list[str]:
    """What an upgrade took away; a chain that goes on meanwhile only adds."""
    found = []
    if after.outbox_size < before.outbox_size:
        found.append(f"the outbox has {after.outbox_size} of {before.outbox_size} packets")
    for source, client in before.clients.items():
        name = f"0x{source.hex()}"
        now = after.clients.get(source)
        if now is None:
            found.append(f"the client of {name} is gone")
        elif (now.scheme, now.generation, now.frozen) != (client.scheme, client.generation, client.frozen):
            found.append(f"the client of {name} is another")
        elif (now.state.epoch, now.state.height) < (client.state.epoch, client.state.height):
            found.append(f"the client of {name} fell back to height {now.state.height}")
        if after.nonces.get(source, 0) < before.nonces[source]:
            found.append(f"of {name}, nonce {after.nonces.get(source, 0)} is due again")
    return found


def upgrade(spec: ChainSpec, candidate: Candidate) -> Upgraded:
    """Replaces the runtime of a chain; the payer of the spec is governance (sudo).

    Raises:
        Refused: WrongDomain, WrongVersion, as `require_successor`; EvidenceDisagrees, something was lost.
        Rejected: the payer is not governance, or the ledger does not take the code.
        Unreachable: the chain does not answer, or makes no block with the new runtime.
    """
    chain = SubstrateChain(spec)
    rpc = Rpc(spec.rpc[0])
    try:
        runtime = Runtime(rpc)
        payer = Payer(runtime, keypair(spec.key))
        before = standing(chain, runtime)
        if octets(rpc.ask("state_getStorage", _CODE)) != candidate.code:
            require_successor(candidate.version, before.version)
            _authorise(runtime, payer, candidate)
            payer.send("System", "apply_authorized_upgrade", {"code": "0x" + candidate.code.hex()})
            if octets(rpc.ask("state_getStorage", _CODE)) != candidate.code:
                raise Rejected("the ledger does not take the code", Code.WrongVersion)
        height = _await(runtime, candidate.version.spec)
        after = standing(chain, runtime)
    finally:
        rpc.close()
        chain.close()
    lost = losses(before, after)
    if lost:
        raise Refused(Code.EvidenceDisagrees, "upgrade", "; ".join(lost))
    return Upgraded(before, after, height)


def authorised(runtime: Runtime) -> bytes:
    """Hash of the code that governance has authorised; empty = none."""
    found = runtime.read("System", "AuthorizedUpgrade")
    return b"" if found is None else octets(record(found)["code_hash"])


def _authorise(runtime: Runtime, payer: Payer, candidate: Candidate) -> None:
    if authorised(runtime) != candidate.hash:
        payer.send("System", "authorize_upgrade", {"code_hash": "0x" + candidate.hash.hex()}, root=True)


def _await(runtime: Runtime, version: int) -> int:
    """Height of a block that the new runtime has executed."""
    deadline = time.monotonic() + APPLY_SECONDS
    while time.monotonic() < deadline:
        head = runtime.rpc.text("chain_getBlockHash")
        if runtime.layout(head).version == version:
            return int(str(runtime.rpc.record("chain_getHeader", head)["number"]), 16)
        time.sleep(_POLL_SECONDS)
    raise Unreachable(f"{runtime.rpc.url}: no block of version {version} after {APPLY_SECONDS:.0f} s")
