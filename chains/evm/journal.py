"""A devnet's history on disk: what anvil would need to be told to build the same chain again.

    python -m chains.evm.journal URL PID FILE     follow the chain until the process with this pid ends

anvil keeps its chain in memory. Its own `--state` rewrites one file with everything, which a kill −9 can leave cut off,
and with the old states that `eth_getProof` needs it is 60 MB after 500 blocks. But anvil is deterministic: the same
genesis, transactions and timestamps give the same blocks, to the hash. So one line per block is appended here, and
`replay` feeds them to a fresh anvil (3 ms a block) and compares every hash. A cut-off last line is dropped.

Only what transactions did is kept. State that was set through `anvil_set*` is not, and replaying such a chain fails.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from poft.protocol.errors import ArtifactError, Unreachable

from .rpc import NodeError, Rpc, quantity

POLL_SECONDS = 0.05
"""What a kill −9 of anvil can lose; asking costs a millisecond."""
PATIENCE = 5.0
"""Seconds to wait for one answer; then the process is looked for."""


@dataclass(frozen=True, slots=True)
class Block:
    """One line: when the block was made, its hash, and its raw transactions in order."""

    height: int
    hash: str
    parent: str
    timestamp: int
    transactions: tuple[str, ...]

    def line(self) -> str:
        """This block as a line of the journal."""
        return json.dumps(
            [self.height, self.hash, self.parent, self.timestamp, list(self.transactions)], separators=(",", ":")
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
            height, block_hash, parent, timestamp, transactions = json.loads(line)
            block = Block(height, block_hash, parent, timestamp, tuple(transactions))
        except ValueError as error:
            raise ArtifactError(f"{path}: line {at + 1} is damaged") from error
        if block.height != at + 1:
            raise ArtifactError(f"{path}: line {at + 1} holds block {block.height}")
        blocks.append(block)
    return blocks


def catch_up(rpc: Rpc, path: Path, known: Sequence[Block]) -> list[Block]:
    """Appends what the chain has beyond `known`, and returns what the journal holds then.

    Blocks that a reorganisation took back are cut off first.
    """
    blocks = list(known)
    head = rpc.number("eth_blockNumber")
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


def replay(rpc: Rpc, blocks: Sequence[Block]) -> None:
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
        rpc.ask("evm_mine")
        if (built := _hash(rpc, block.height)) != block.hash:
            raise ArtifactError(f"block {block.height} of the journal is {block.hash}, replayed it is {built}")
    rpc.ask("evm_setAutomine", True)


def follow(url: str, pid: int, path: Path) -> None:
    """Keeps the journal of a running chain until its process has ended."""
    rpc, blocks, head = Rpc(url, timeout=PATIENCE), read(path), -1
    while True:
        try:
            if (now := rpc.number("eth_blockNumber")) != head:
                blocks, head = catch_up(rpc, path, blocks), now
        except (Unreachable, NodeError):
            if not psutil.pid_exists(pid):
                return
        time.sleep(POLL_SECONDS)


def _hash(rpc: Rpc, height: int) -> str:
    block = rpc.record("eth_getBlockByNumber", hex(height), False)
    return str(block["hash"]) if block else ""


def _block(rpc: Rpc, height: int) -> Block:
    block = rpc.record("eth_getBlockByNumber", hex(height), False)
    if block is None or not isinstance(hashes := block["transactions"], list):
        raise Unreachable(f"{rpc.url}: block {height} went away")
    raw = tuple(rpc.text("eth_getRawTransactionByHash", transaction) for transaction in hashes)
    return Block(height, str(block["hash"]), str(block["parentHash"]), quantity(block["timestamp"]), raw)


def _cut_off(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _write(path: Path, text: str, mode: str) -> None:
    with path.open(mode, encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


if __name__ == "__main__":
    follow(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
