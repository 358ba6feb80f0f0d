"""Extrinsics: signing, sending, and what became of them.

A refusal reaches the payer in one of two ways: the development node answers the submission with it and makes no block;
a real node includes the extrinsic, and the block's events say so. Both carry a `DispatchError`, and both become
`Rejected` with the ledger's code. An extrinsic counts as sent when it lies in a block.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from substrateinterface import Keypair  # type: ignore[import-untyped]

from poft.chain import Receipt
from poft.protocol.errors import Code, Rejected, Unreachable

from .rpc import Json, NodeError, Rpc
from .runtime import Runtime, blake2_256, items, number, octets, record

INCLUSION_SECONDS = 120.0
"""Until an extrinsic that a pool took counts as lost: twenty blocks of six seconds."""

_POLL_SECONDS = 0.05
_NONCE_ATTEMPTS = 50
"""Each is lost to another process with the same key; the chain goes on meanwhile."""
_INVALID = 1010
_TEMPORARILY_BANNED = 1012
_LOW_PRIORITY = 1014
_DISPATCH = 1020
"""The development node's number for a dispatch that failed (node.mjs)."""

_BAD_ORIGIN = 2
_MODULE = 3
_OUR_PALLETS = ("Bridge", "Federation", "Validators")


@dataclass(frozen=True, slots=True)
class Included:
    """Where an extrinsic is: its block, its position in it, and its bytes."""

    block: str
    height: int
    index: int
    raw: bytes


class Payer:
    """Sends extrinsics from one account and waits until they are in a block."""

    def __init__(self, runtime: Runtime, key: Keypair) -> None:
        self._runtime = runtime
        self._key = key

    def send(self, pallet: str, name: str, arguments: dict[str, Json], root: bool = False) -> Receipt:
        """Makes a call; through sudo when it is governance's.

        Raises:
            Rejected: the ledger refused; nothing but the fee has changed.
            Unreachable: the node went away. The extrinsic may or may not be in a block.
        """
        included = self._include(pallet, name, arguments, root)
        cost, error = outcome(self._runtime, included)
        if error:
            raise refusal(self._runtime, error)
        return Receipt(hash_of(included.raw), included.height, cost, len(included.raw))

    def _include(self, pallet: str, name: str, arguments: dict[str, Json], root: bool) -> Included:
        rpc = self._runtime.rpc
        for _ in range(_NONCE_ATTEMPTS):
            version = self._runtime.next()
            call = version.compose(pallet, name, arguments)
            if root:
                call = version.compose("Sudo", "sudo", {"call": call})  # type: ignore[dict-item]
            account = record(self._runtime.read("System", "Account", [self._key.ss58_address]))
            raw = self._runtime.sign(version, call, self._key, number(account["nonce"]))
            start = height_of(rpc.record("chain_getHeader"))
            try:
                rpc.ask("author_submitExtrinsic", "0x" + raw.hex())
            except NodeError as error:
                if error.number == _DISPATCH:
                    raise refusal(self._runtime, bytes.fromhex(error.words[2:])) from error
                if _is_nonce_taken(error):
                    continue  # another process pays with the same key and was faster
                if self._runtime.next() is not version:
                    continue  # the runtime was upgraded meanwhile, and takes no signature for the version before
                raise Rejected(f"the node does not take the extrinsic: {error}") from error
            included = self._await(raw, start, version.version)
            if included is not None:
                return included
        raise Rejected(f"another process uses the nonces of {self._key.ss58_address}")

    def _await(self, raw: bytes, start: int, version: int) -> Included | None:
        """The block after height `start` that has the extrinsic; None when the runtime was upgraded before any had it:
        a signature is for one version, so none ever will.
        """
        rpc, deadline = self._runtime.rpc, time.monotonic() + INCLUSION_SECONDS
        seen, checked = start, -1
        while time.monotonic() < deadline:
            head = height_of(rpc.record("chain_getHeader"))
            for height in range(seen + 1, head + 1):
                found = locate(rpc, hash_of(raw), height)
                if found is not None:
                    return found
                seen = height
            if seen != checked and self._runtime.version_of_code(rpc.text("chain_getBlockHash", seen)) != version:
                return None
            checked = seen
            time.sleep(_POLL_SECONDS)
        raise Unreachable(f"{rpc.url}: the extrinsic is in no block after {INCLUSION_SECONDS:.0f} s")


def locate(rpc: Rpc, transaction: str, height: int) -> Included | None:
    """The extrinsic of this hash in the block of this height, if it is there."""
    block = rpc.text("chain_getBlockHash", height)
    body = items(record(rpc.record("chain_getBlock", block)["block"])["extrinsics"])
    for index, raw in enumerate(map(octets, body)):
        if hash_of(raw) == transaction:
            return Included(block, height, index, raw)
    return None


def hash_of(raw: bytes) -> str:
    """Hash of an extrinsic."""
    return "0x" + blake2_256(raw).hex()


def outcome(runtime: Runtime, included: Included) -> tuple[int, bytes]:
    """(reference time in picoseconds, SCALE-encoded `DispatchError` or nothing) of an included extrinsic."""
    cost, error = 0, b""
    for event, _ in _events(runtime, included):
        name, attributes = f"{event['module_id']}.{event['event_id']}", event["attributes"]
        if name in ("System.ExtrinsicSuccess", "System.ExtrinsicFailed"):
            info = record(record(attributes)["dispatch_info"])
            cost = number(record(info["weight"])["ref_time"])
        if name == "System.ExtrinsicFailed":
            error = encode_dispatch_error(runtime, record(attributes)["dispatch_error"])
        if name == "Sudo.Sudid":
            result = record(record(attributes)["sudo_result"])
            if "Err" in result:
                error = encode_dispatch_error(runtime, result["Err"])
    return cost, error


def event_bytes(runtime: Runtime, included: Included) -> int:
    """Length of the events of one extrinsic as they are stored."""
    return sum(size for _, size in _events(runtime, included))


def _events(runtime: Runtime, included: Included) -> list[tuple[dict[str, Json], int]]:
    return [
        (record(entry["event"]), size)
        for entry, size in runtime.events(included.block)
        if entry["phase"] == "ApplyExtrinsic" and entry["extrinsic_idx"] == included.index
    ]


def encode_dispatch_error(runtime: Runtime, error: Json) -> bytes:
    """A decoded `DispatchError` in the form in which the development node hands it over."""
    return runtime.encode("sp_runtime::DispatchError", error)


def refusal(runtime: Runtime, error: bytes) -> Rejected:
    """What a dispatch error says: the ledger's code where it named one."""
    if error[0] == _MODULE:
        pallet, variant, code = error[1], error[2], error[3]
        ours = [runtime.pallet_index(name) for name in _OUR_PALLETS if runtime.has_pallet(name)]
        if pallet in ours and variant == 0:
            return Rejected("the ledger refused", Code(code))
        if pallet == runtime.pallet_index("Sudo"):
            return Rejected("the payer is not governance", Code.Unauthorised)
    if error[0] == _BAD_ORIGIN:
        return Rejected("the payer lacks the right", Code.Unauthorised)
    return Rejected(str(runtime.decode("sp_runtime::DispatchError", error)))


def height_of(header: dict[str, Json]) -> int:
    """Height of a header as JSON-RPC shows it."""
    return int.from_bytes(octets("0x" + str(header.get("number"))[2:].rjust(16, "0")), "big")


def _is_nonce_taken(error: NodeError) -> bool:
    # 1010 with `stale` or `future`: the nonce; 1013 and 1014: a pool has another extrinsic with it already.
    if error.number == _INVALID:
        return any(word in error.words.lower() for word in ("stale", "future", "outdated"))
    return _TEMPORARILY_BANNED < error.number <= _LOW_PRIORITY
