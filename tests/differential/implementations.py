"""The two ledgers' implementations as processes: Rust natively, Solidity in anvil.

Both are built when they are asked for, so that what is compared is what the checkout says. An answer is a word and a
result: the name of a code, or how the implementation broke (`panic`, `revert ...`), which equals no code.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from chains.evm.foundry import foundry_binary
from chains.evm.rpc import Object, Rpc
from poft.chain import free_port
from poft.protocol.errors import Code, ConfigError, Unreachable
from poft.protocol.hashing import keccak

from .encodings import abi_call, abi_list, read_list
from .honest import DESTINATION, HEIGHT
from .questions import Question

ROOT = Path(__file__).parents[2]
_REFUSED = keccak(b"Refused(uint8)")[:4]
_PANIC = 255
_READY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What an implementation said: the name of a code, and after `Ok` the result in its own encoding."""

    word: str
    result: bytes = b""


class Rust:
    """`primitives/examples/differential.rs`, one run for each batch."""

    def __init__(self) -> None:
        target = os.environ.get("CARGO_TARGET_DIR") or str(
            Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "poft" / "target"
        )
        # The development profile, whose arithmetic checks for overflow: a wrapped number must not pass silently.
        _run(
            ["cargo", "build", "--quiet", "--locked", "--package", "poft-primitives", "--example", "differential"],
            ROOT / "chains" / "substrate",
            {**os.environ, "CARGO_TARGET_DIR": target},
        )
        self._binary = Path(target) / "debug" / "examples" / "differential"

    def answer(self, questions: Sequence[Question]) -> list[Reply]:
        """A reply to each question."""
        frames = []
        for question in questions:
            data = question.scale()
            frames.append(len(data).to_bytes(4, "little") + bytes([question.rule]) + data)
        run = subprocess.run([self._binary], input=b"".join(frames), capture_output=True, check=True)
        replies, at = [], 0
        while at < len(run.stdout):
            length, code = int.from_bytes(run.stdout[at : at + 4], "little"), run.stdout[at + 4]
            word = "panic" if code == _PANIC else Code(code).name
            replies.append(Reply(word, run.stdout[at + 5 : at + 5 + length]))
            at += 5 + length
        return replies


class Solidity:
    """`DifferentialHarness.sol` in an anvil of its own; `receiver` is its endpoint as an application."""

    def __init__(self, rpc: Rpc, address: str) -> None:
        self._rpc = rpc
        self._address = address
        self.receiver = bytes(12) + bytes.fromhex(address[2:])

    def answer(self, questions: Sequence[Question]) -> list[Reply | None]:
        """A reply to each question, None where the contract's types cannot hold it."""
        calls = [question.calldata() for question in questions]
        data = abi_call("run(bytes[])", b"", abi_list([call for call in calls if call is not None]))
        answer = self._rpc.text(
            "eth_call", {"to": self._address, "data": "0x" + data.hex(), "gas": hex(2**40)}, "latest"
        )
        found = iter(read_list(bytes.fromhex(answer[2:])))
        return [None if call is None else _reply(next(found)) for call in calls]


def _reply(answer: bytes) -> Reply:
    if answer[0]:
        return Reply(Code.Ok.name, answer[1:])
    reason = answer[1:]
    if len(reason) == 36 and reason[:4] == _REFUSED:
        return Reply(Code(int.from_bytes(reason[4:], "big")).name)
    return Reply(f"revert 0x{reason.hex()}")


@contextmanager
def solidity(root: Path = ROOT) -> Iterator[Solidity]:
    """Compiles the harness of this checkout, starts anvil, deploys; ends anvil afterwards."""
    folder = root / "chains" / "evm"
    name = "DifferentialHarness"
    # Apart from forge's own outputs: a partial build there would make its other artifacts look fresh.
    apart = ["--out", "out/differential", "--cache-path", "cache/differential"]
    _run([str(foundry_binary("forge")), "build", "--offline", *apart, f"test/{name}.sol"], folder, dict(os.environ))
    output = folder / "out" / "differential" / f"{name}.sol" / f"{name}.json"
    compiled = json.loads(output.read_text(encoding="utf-8"))
    port = free_port()
    command = [str(foundry_binary("anvil")), "--port", str(port), "--accounts", "1", "--hardfork", "paris", "--quiet"]
    command += ["--gas-limit", str(2**41), "--disable-code-size-limit", "--no-request-size-limit"]
    with tempfile.TemporaryDirectory() as cache:
        anvil = subprocess.Popen([*command, "--cache-path", cache], stdout=subprocess.DEVNULL)
        rpc = Rpc(f"http://127.0.0.1:{port}", timeout=120.0)
        try:
            yield Solidity(rpc, _deploy(rpc, compiled["bytecode"]["object"]))
        finally:
            rpc.close()
            anvil.terminate()
            anvil.wait()


def _deploy(rpc: Rpc, bytecode: str) -> str:
    accounts = cast(list[str], _patiently(lambda: rpc.ask("eth_accounts")))
    made = rpc.text("eth_sendTransaction", {"from": accounts[0], "data": bytecode, "gas": hex(2**26)})
    receipt = cast(Object, _patiently(lambda: rpc.record("eth_getTransactionReceipt", made)))
    if receipt["status"] != "0x1":
        raise ConfigError("the harness contract was not deployed", "Look at DifferentialHarness.sol's constructor")
    address = str(receipt["contractAddress"])
    rpc.ask("anvil_mine", hex(HEIGHT - rpc.number("eth_blockNumber")))
    domain = rpc.text("eth_call", {"to": address, "data": "0x" + abi_call("DOMAIN()", b"").hex()}, "latest")
    height = rpc.number("eth_call", {"to": address, "data": "0x" + abi_call("height()", b"").hex()}, "latest")
    if bytes.fromhex(domain[2:]) != DESTINATION or height != HEIGHT:
        raise ConfigError(f"the harness stands at block {height}, domain {domain}", "Make honest.py agree with it")
    return address


def _patiently(question: Callable[[], object]) -> object:
    """The first answer that is not empty, from a node that is starting or mining."""
    until = time.monotonic() + _READY_SECONDS
    while True:
        try:
            if (answer := question()) is not None:
                return answer
        except Unreachable:
            if time.monotonic() > until:
                raise
        if time.monotonic() > until:
            raise ConfigError(f"anvil did not answer for {_READY_SECONDS:.0f} s", "Look at the machine's load")
        time.sleep(0.02)


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}", "Correct the sources")
