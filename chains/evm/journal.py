"""A devnet's history on disk: what anvil would need to be told to build the same chain again.

    python chains/evm/journal.py URL PID FILE     follow the chain until the process with this pid ends

anvil keeps its chain in memory. Its own `--state` rewrites one file with everything, which a kill −9 can leave cut off,
and with the old states that `eth_getProof` needs it is 60 MB after 500 blocks. But anvil is deterministic: the same
genesis, transactions and timestamps give the same blocks, to the hash. So one line per block is appended here, and
`replay` feeds them to a fresh anvil (3 ms a block) and compares every hash. A cut-off last line is dropped.

Only what transactions did is kept. State that was set through `anvil_set*` is not, and replaying such a chain fails.

The follower is a process of its own and must be there before the first transaction, so it needs the standard library
alone: importing web3 takes up to a second on a busy machine.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from poft.protocol.errors import ArtifactError, Unreachable

POLL_SECONDS = 0.05
"""What a kill −9 of anvil can lose; asking costs a millisecond."""
PATIENCE = 5.0
"""Seconds to wait for one answer; then the process is looked for."""


class Node(Protocol):
    """Somebody who answers JSON-RPC: `Rpc`, or the follower's own connection."""

    def ask(self, method: str, *params: object) -> object:
        """The result of one call."""
        ...


@dataclass(frozen=True, slots=True)
class Block:
    """One line: a block's time, base fee (after a reorganisation anvil's own count is off), and raw transactions."""

    height: int
    hash: str
    timestamp: int
    base_fee: str
    transactions: tuple[str, ...]

    def line(self) -> str:
        """This block as a line of the journal."""
        return json.dumps(
            [self.height, self.hash, self.timestamp, self.base_fee, list(self.transactions)], separators=(",", ":")
        )


def read(path: Path) -> list[Block]:
    """The blocks in a journal, from height 1; a last line that was cut off does not count.

    Raises:
        ArtifactError: a line in the middle is damaged, or heights are not consecutive.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="ascii").split("\n")
    blocks = []
    for at, line in enumerate(lines[:-1]):  # what follows the last line end was cut off, or is empty
        try:
            height, block_hash, timestamp, base_fee, transactions = json.loads(line)
            block = Block(height, block_hash, timestamp, base_fee, tuple(transactions))
        except ValueError as error:
            raise ArtifactError(f"{path}: line {at + 1} is damaged") from error
        if block.height != at + 1:
            raise ArtifactError(f"{path}: line {at + 1} holds block {block.height}")
        blocks.append(block)
    return blocks


def catch_up(rpc: Node, path: Path, known: Sequence[Block]) -> list[Block]:
    """Appends what the chain has beyond `known`, and returns what the journal holds then.

    Blocks that a reorganisation took back are cut off first.
    """
    blocks = list(known)
    head = _height(rpc)
    kept = len(blocks)
    while kept and (kept > head or _hash(rpc, kept) != blocks[kept - 1].hash):
        kept -= 1
    fresh = [_block(rpc, height) for height in range(kept + 1, head + 1)]
    if kept < len(blocks) or _cut_off(path):
        del blocks[kept:]
        _write(path, "".join(block.line() + "\n" for block in blocks), "w")
    if fresh:
        _write(path, "".join(block.line() + "\n" for block in fresh), "a")
    return blocks + fresh


def replay(rpc: Node, blocks: Sequence[Block]) -> None:
    """Builds these blocks on a fresh anvil.

    Raises:
        ArtifactError: a block comes out with another hash.
    """
    if not blocks:
        return
    rpc.ask("evm_setAutomine", False)
    for block in blocks:
        for raw in block.transactions:
            rpc.ask("eth_sendRawTransaction", raw)
        rpc.ask("evm_setNextBlockTimestamp", block.timestamp)
        rpc.ask("anvil_setNextBlockBaseFeePerGas", block.base_fee)
        rpc.ask("evm_mine")
        if (built := _hash(rpc, block.height)) != block.hash:
            raise ArtifactError(f"block {block.height} of the journal is {block.hash}, replayed it is {built}")
    rpc.ask("evm_setAutomine", True)


class _Plain:
    """JSON-RPC with the standard library."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, method: str, *params: object) -> object:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return json.load(answer)["result"]
        except (OSError, ValueError, KeyError) as error:
            raise Unreachable(f"{self._url}: {method}: {error}") from error


def follow(url: str, pid: int, path: Path) -> None:
    """Keeps the journal of a running chain until its process has ended."""
    rpc, blocks, newest = _Plain(url), read(path), ""
    while True:
        try:
            # By hash: a reorganisation may leave the height as it was.
            if (now := _header(rpc, "latest")["hash"]) != newest:
                blocks, newest = catch_up(rpc, path, blocks), str(now)
        except Unreachable:
            if not _exists(pid):
                return
        time.sleep(POLL_SECONDS)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _header(rpc: Node, block: str) -> dict[str, object]:
    found = rpc.ask("eth_getBlockByNumber", block, False)
    if not isinstance(found, dict):
        raise Unreachable(f"block {block} went away")
    return found


def _height(rpc: Node) -> int:
    return int(str(_header(rpc, "latest")["number"]), 16)


def _hash(rpc: Node, height: int) -> str:
    return str(_header(rpc, hex(height))["hash"])


def _block(rpc: Node, height: int) -> Block:
    header = _header(rpc, hex(height))
    hashes = header["transactions"]
    if not isinstance(hashes, list):
        raise Unreachable(f"block {height} has no transactions")
    raw = tuple(str(rpc.ask("eth_getRawTransactionByHash", transaction)) for transaction in hashes)
    timestamp = int(str(header["timestamp"]), 16)
    return Block(height, str(header["hash"]), timestamp, str(header["baseFeePerGas"]), raw)


def _cut_off(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _write(path: Path, text: str, mode: str) -> None:
    try:
        with path.open(mode, encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:  # a full disk, above all
        raise ArtifactError(f"{path}: {error.strerror}") from error


if __name__ == "__main__":
    follow(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
