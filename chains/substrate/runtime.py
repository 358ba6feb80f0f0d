"""What the runtime behind an endpoint calls and stores, by its own metadata, also across its upgrades.

A runtime is replaced on a running chain. The block that brings the new code was still executed by the old one, and so
its state is written as the old one has it; the next block migrates it. So a block's state is read by the version that
executed it, which `System.LastRuntimeUpgrade` names, and an extrinsic is made for the version whose code the head has,
since that will execute the next block. Each version's metadata is read once.

substrate-interface decodes the metadata, encodes arguments and signs; the requests go through `Rpc`. Three of its ways
are replaced. It would ask for head, header and version before every call. It takes the hashes that a signature is for
from `chain_getBlockHash`: a resumed development node answers something else for 0 there than its runtime signs for, so
genesis comes from `System.BlockHash(0)`, which a chain has from its first block on, and any other from the header after
it. And it shows bytes as text where they happen to be UTF-8: here bytes are always 0x strings.

The codec below it keeps what it knows of a chain's types in classes that all connections of the process share, so one
connection at a time encodes and decodes (`_CODEC`); waiting for a node is not part of that.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from hashlib import blake2b

from scalecodec.base import ScaleBytes, ScaleType  # type: ignore[import-untyped]
from scalecodec.exceptions import RemainingScaleBytesNotEmptyException  # type: ignore[import-untyped]
from scalecodec.types import GenericStorageEntryMetadata, HexBytes  # type: ignore[import-untyped]
from substrateinterface import Keypair, SubstrateInterface  # type: ignore[import-untyped]
from substrateinterface.utils.hasher import xxh128  # type: ignore[import-untyped]

from poft.protocol.errors import Code, Refused

from .reader import Reader
from .rpc import Json, Rpc

_CODEC = threading.RLock()

LIFETIME = 64
"""Blocks in which an extrinsic may be included; a power of two."""

_PAGE = 1000
_HEX = re.compile("0x(?:[0-9a-fA-F]{2})*")
_NO_SCALE = (RemainingScaleBytesNotEmptyException, ValueError, IndexError, KeyError, TypeError, NotImplementedError)
"""What the codec raises for bytes that are not of a type."""
_LAST_UPGRADE = "0x" + bytes(xxh128(b"System") + xxh128(b"LastRuntimeUpgrade")).hex()
"""Where every runtime keeps the version that executed the block: (compact version, name)."""


class Metadata(SubstrateInterface):  # type: ignore[misc]  # substrate-interface has no types
    """One version of a runtime: its calls and its storage. substrate-interface over our connection."""

    def __init__(self, rpc: Rpc, code: str) -> None:
        """`code` is a block whose state has this version's code."""
        self._rpc = rpc
        self._code = code
        self._signed_for: dict[int, str] = {}
        with _CODEC:
            super().__init__(websocket=_NoSocket(), auto_reconnect=False)
            super().init_runtime(block_hash=code)
            self._show_bytes_as_hex()

    @property
    def version(self) -> int:
        """Its `spec_version`."""
        return int(self.runtime_version)

    def rpc_request(self, method: str, params: Sequence[object], result_handler: None = None) -> dict[str, Json]:
        """The way every request of the library takes."""
        assert result_handler is None  # nothing here subscribes through the library
        if method == "chain_getHeader":
            # The library wants to know whose parent has the code; here the block that has it was named.
            return {"result": {"parentHash": self._code}}
        return {"result": self._rpc.ask(method, *params)}

    def init_runtime(self, block_hash: str | None = None, block_id: int | None = None) -> None:
        """The version that was read stays."""

    def get_block_hash(self, block_id: int | None = None) -> str:
        """The blocks that extrinsics are signed for; the library asks for no others."""
        assert block_id is not None
        return self._signed_for[block_id]

    def _show_bytes_as_hex(self) -> None:
        types = [entry.value["type"]["def"] for entry in self.metadata.portable_registry["types"]]
        known = self.runtime_config.type_registry["types"]
        for position, definition in enumerate(types):
            if "sequence" in definition and types[definition["sequence"]["type"]].get("primitive") == "u8":
                known[f"scale_info::{position}"] = HexBytes

    # Storage

    def stores(self, pallet: str, item: str) -> bool:
        """Whether this version has such a storage value."""
        found = self.metadata.get_metadata_pallet(pallet)
        return found is not None and found.get_storage_function(item) is not None

    def storage_key(self, pallet: str, item: str, key: Sequence[Json] = ()) -> str:
        """Where a storage value lies."""
        with _CODEC:
            return str(self.create_storage_key(pallet, item, list(key)).to_hex())

    def decode(self, type_string: str, raw: bytes) -> Json:
        """A SCALE value of a type that the metadata names."""
        try:
            with _CODEC:
                value: Json = self.decoder(type_string, raw).decode()
        except _NO_SCALE as error:
            raise Refused(Code.Malformed, "storage", f"no {type_string}: {error}") from error
        return value

    def stored(self, pallet: str, item: str, raw: bytes | None) -> Json:
        """What the bytes of a storage value mean; without any, the item's default or None."""
        function = self.item(pallet, item)
        if raw is None:
            if function.value["modifier"] != "Default":
                return None
            raw = bytes(function.value_object["default"].value_object)
        return self.decode(function.get_value_type_string(), raw)

    def encode(self, type_string: str, value: Json) -> bytes:
        """The SCALE form of a value of a type that the metadata names."""
        with _CODEC:
            return bytes(self.encode_scale(type_string, value).data)

    def item(self, pallet: str, item: str) -> GenericStorageEntryMetadata:
        """What the metadata says about a storage value."""
        return self.metadata.get_metadata_pallet(pallet).get_storage_function(item)

    def decoder(self, type_string: str, raw: bytes) -> ScaleType:
        """A decoder that has not begun."""
        return self.runtime_config.create_scale_object(type_string, ScaleBytes(raw), metadata=self.metadata)

    # Calls

    def compose(self, pallet: str, name: str, arguments: dict[str, Json]) -> object:
        """A call, ready to be signed."""
        with _CODEC:
            return self.compose_call(pallet, name, arguments)

    def sign(self, call: object, payer: Keypair, nonce: int, genesis: str, birth: int, block: str) -> bytes:
        """A signed extrinsic as it travels, alive from the block of height `birth` on."""
        self._signed_for = {birth: block, 0: genesis}
        era = {"period": LIFETIME, "current": birth}
        with _CODEC:
            return bytes(self.create_signed_extrinsic(call, payer, era=era, nonce=nonce).data.data)


class _NoSocket:
    """In the place of the library's own connection, which is never opened."""

    def close(self) -> None:
        """Nothing to end."""


class Runtime:
    """Storage and calls of the chain behind one endpoint, whichever version it has come to."""

    def __init__(self, rpc: Rpc) -> None:
        self.rpc = rpc
        self._known: dict[int, Metadata] = {}
        first, head = (str(block) for block in rpc.ask_all([("chain_getBlockHash", [0]), ("chain_getBlockHash", [])]))
        self._last = self.layout(head)
        self._genesis = str(first if head == first else self.read("System", "BlockHash", [0]))

    @property
    def metadata(self) -> Metadata:
        """The version by which a state was read last."""
        return self._last

    # Versions

    def layout(self, block: str) -> Metadata:
        """How the state of a block is written: the version that executed the block."""
        return self._layout(block, self.rpc.ask("state_getStorage", _LAST_UPGRADE, block))

    def next(self) -> Metadata:
        """The version that executes what comes after the head."""
        head = self.rpc.text("chain_getBlockHash")
        version = self.version_of_code(head)
        if version not in self._known:
            self._known[version] = Metadata(self.rpc, head)
        return self._known[version]

    def version_of_code(self, block: str) -> int:
        """Version of the code in the state of a block, which executes the block after it."""
        return number(self.rpc.record("state_getRuntimeVersion", block)["specVersion"])

    def _layout(self, block: str, last_upgrade: Json) -> Metadata:
        version = None if last_upgrade is None else Reader(octets(last_upgrade), "runtime version").compact()
        if version is None or version not in self._known:
            code = block
            if version is not None and self.version_of_code(block) != version:
                code = str(self.rpc.record("chain_getHeader", block)["parentHash"])
            found = Metadata(self.rpc, code)
            if version not in (None, found.version):
                detail = f"{self.rpc.url}: version {version} executed {block}, and its parent has {found.version}"
                raise Refused(Code.EvidenceDisagrees, "runtime version", detail)
            return self._known.setdefault(found.version, found)
        return self._known[version]

    def has_pallet(self, pallet: str) -> bool:
        """Whether the runtime has a pallet of this name."""
        return self._last.metadata.get_metadata_pallet(pallet) is not None

    def pallet_index(self, pallet: str) -> int:
        """Number of a pallet in module errors, which no upgrade changes."""
        return int(self._last.metadata.get_metadata_pallet(pallet).value["index"])

    # Storage

    def read(self, pallet: str, item: str, key: Sequence[Json] = (), at: str | None = None) -> Json:
        """One storage value, at a block or at the head; its default (or None) where nothing is stored."""
        return self.read_all([(pallet, item, key)], at)[0]

    def read_all(self, wanted: Sequence[tuple[str, str, Sequence[Json]]], at: str | None = None) -> list[Json]:
        """Several storage values of one block, in their order.

        The version is asked for along with the values, so that it costs no round trip while it stays.
        """
        block = at or self.rpc.text("chain_getBlockHash")
        layout = self._last
        if not all(layout.stores(pallet, item) for pallet, item, _ in wanted):
            layout = self.layout(block)
        while True:
            keys = [_LAST_UPGRADE, *(layout.storage_key(*one) for one in wanted)]
            last_upgrade, *values = self.rpc.ask_all([("state_getStorage", [key, block]) for key in keys])
            self._last = self._layout(block, last_upgrade)
            if self._last is layout:
                break
            layout = self._last
        return [
            layout.stored(pallet, item, None if raw is None else octets(raw))
            for (pallet, item, _), raw in zip(wanted, values, strict=True)
        ]

    def storage_key(self, pallet: str, item: str, key: Sequence[Json] = ()) -> str:
        """Where a storage value lies."""
        return self._last.storage_key(pallet, item, key)

    def keys(self, prefix: str, at: str) -> list[str]:
        """All storage keys with a prefix at a block."""
        found: list[str] = []
        while True:
            page = self.rpc.ask("state_getKeysPaged", prefix, _PAGE, found[-1] if found else prefix, at)
            found += [str(key) for key in page] if isinstance(page, list) else []
            if not isinstance(page, list) or len(page) < _PAGE:
                return found

    def decode(self, type_string: str, raw: bytes) -> Json:
        """A SCALE value of a type that the metadata names."""
        return self._last.decode(type_string, raw)

    def encode(self, type_string: str, value: Json) -> bytes:
        """The SCALE form of a value of a type that the metadata names."""
        return self._last.encode(type_string, value)

    def stored(self, pallet: str, item: str, raw: bytes | None) -> Json:
        """What the bytes of a storage value mean, in the version by which was read last."""
        return self._last.stored(pallet, item, raw)

    def events(self, at: str) -> list[tuple[dict[str, Json], int]]:
        """The events of a block in their order, each with its length in storage."""
        layout = self.layout(at)
        raw = self.rpc.ask("state_getStorage", layout.storage_key("System", "Events"), at)
        kind = layout.item("System", "Events").get_value_type_string()
        with _CODEC:
            decoder = layout.decoder(kind, octets(raw) if raw else b"\0")
            decoder.decode()
        return [(record(one.value), one.data_end_offset - one.data_start_offset) for one in decoder.elements]

    # Calls

    def sign(self, version: Metadata, call: object, payer: Keypair, nonce: int) -> bytes:
        """A signed extrinsic as it travels. It dies `LIFETIME` blocks after the newest final one: what no block has
        taken by then, none ever will.
        """
        # The parent of a final block: of the head itself the runtime does not know the hash yet.
        header = self.rpc.record("chain_getHeader", self.rpc.text("chain_getFinalizedHead"))
        birth = max(int(str(header["number"]), 16) - 1, 0)
        return version.sign(call, payer, nonce, self._genesis, birth, str(header["parentHash"]))


def scale(value: object) -> Json:
    """A value as substrate-interface takes it: bytes as 0x, records as objects by their fields' names."""
    match value:
        case bytes():
            return "0x" + value.hex()
        case None | bool() | int() | str():
            return value
        case list() | tuple():
            return [scale(item) for item in value]
    names = [name for name in getattr(type(value), "__slots__", ()) if not name.startswith("_")]
    if not names:
        raise TypeError(f"{type(value).__name__} has no SCALE form")
    return {name: scale(getattr(value, name)) for name in names}


def record(value: Json) -> dict[str, Json]:
    """A decoded struct."""
    if not isinstance(value, dict):
        raise Refused(Code.Malformed, "storage", f"{value!r} where a struct is due")
    return value


def items(value: Json) -> list[Json]:
    """A decoded list or tuple."""
    if not isinstance(value, list | tuple):
        raise Refused(Code.Malformed, "storage", f"{value!r} where a list is due")
    return list(value)


def octets(value: Json) -> bytes:
    """Decoded bytes."""
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise Refused(Code.Malformed, "storage", f"{value!r} where bytes are due")
    return bytes.fromhex(value[2:])


def number(value: Json) -> int:
    """A decoded integer."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused(Code.Malformed, "storage", f"{value!r} where an integer is due")
    return value


def plain(value: Json) -> object:
    """A field of one of the protocol's structs: bytes or an integer."""
    return octets(value) if isinstance(value, str) else number(value)


def blake2_256(data: bytes) -> bytes:
    """The hash that Substrate gives headers and extrinsics."""
    return blake2b(data, digest_size=32).digest()
