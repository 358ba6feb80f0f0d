"""What transactions put on the ledger, in bytes: the extrinsic, its events, and the storage that its block added.

Storage is counted under the prefixes of the bridge and the federation pallet, as the growth from the parent's state to
the block's: a new entry with its key and value, a changed entry by how much longer it became. So the figure belongs to
the block; on the chains of this project a block has one extrinsic besides the time.
"""

from __future__ import annotations

from collections.abc import Sequence

from substrateinterface.utils.hasher import xxh128  # type: ignore[import-untyped]

from poft.chain import Receipt
from poft.protocol.errors import Code, Refused

from .rpc import Rpc
from .runtime import Runtime, octets
from .sending import event_bytes, locate

_PREFIXES = tuple("0x" + xxh128(pallet).hex() for pallet in (b"Bridge", b"Federation"))


def ledger_bytes(runtime: Runtime, receipts: Sequence[Receipt]) -> int:
    """Bytes that these transactions put on the ledger."""
    return sum(_one(runtime, receipt) for receipt in receipts)


def _one(runtime: Runtime, receipt: Receipt) -> int:
    included = locate(runtime.rpc, receipt.transaction, receipt.height)
    if included is None:
        raise Refused(Code.EvidenceDisagrees, receipt.transaction, f"is not in block {receipt.height}")
    parent = runtime.rpc.text("chain_getBlockHash", receipt.height - 1)
    before, after = _sizes(runtime, parent), _sizes(runtime, included.block)
    added = sum(
        size - before[key] if key in before else len(octets(key)) + size
        for key, size in after.items()
        if size > before.get(key, -1)
    )
    return len(included.raw) + event_bytes(runtime, included) + added


def _sizes(runtime: Runtime, block: str) -> dict[str, int]:
    """Length of every value of our pallets at a block, by key."""
    keys = [key for prefix in _PREFIXES for key in runtime.keys(prefix, block)]
    values = _values(runtime.rpc, keys, block)
    return {key: len(value) for key, value in zip(keys, values, strict=True)}


def _values(rpc: Rpc, keys: Sequence[str], block: str) -> list[bytes]:
    return [octets(value) for value in rpc.ask_all([("state_getStorage", [key, block]) for key in keys])]
