"""How transactions are sent: one payer, one transaction at a time, nothing spent on what would be refused.

A transaction is estimated first, which runs it: a refusal comes back then, with the ledger's code, and costs nothing.
Sent, it is waited for; when it stays out of a block for `REPLACE_SECONDS` (fees rose, or it was dropped), it is sent
again under the same nonce for a quarter more. The nonce is always the account's count on the ledger, so what an earlier
process left in the pool is replaced and nothing queues behind it. A payer's key belongs to one process.

A reorganisation may take a transaction out of its block again, after this returned. Then the account's count is back at
its nonce, and the next transaction would silently replace it. So what was seen in a block is remembered, and offered
again, as it was signed, before anything new is sent.

What a unit of gas costs is the endpoint's word, and an endpoint may lie: more than `MAX_FEE_WEI`, or the deployment's
`maxFeePerGas`, is never offered.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_account.types import TransactionDictType
from eth_utils.address import to_checksum_address

from poft.chain import Receipt
from poft.protocol.errors import ChainError, ConfigError, Rejected, Unreachable

from .rpc import NodeError, Object, Rpc, hex_bytes, quantity, refusal

REPLACE_SECONDS = 20.0
"""More than one block of every chain that is meant to be used (1 to 12 s)."""
GIVE_UP_SECONDS = 180.0
"""Eight replacements, 6 times the first fee."""

MAX_FEE_WEI = 500 * 10**9
"""The most that is offered for a unit of gas, 500 gwei: a delivery of 170,000 gas then costs at most 0.085 coins."""
MAX_FEE = "maxFeePerGas"
"""Key in a deployment of another bound in wei (0x hex), for chains on which gas costs more, or less."""

REMEMBERED = 64
"""Transactions that are kept for another offer: more than a reorganisation takes back of one payer."""

_BUMP = (5, 4)
_PRIORITY_WEI = 10**9
_POLL_FIRST, _POLL_LONGEST = 0.001, 0.5


def fee_bound(deployment: Mapping[str, str]) -> int:
    """The most that is offered for a unit of gas; `ConfigError` when the deployment's bound cannot be read."""
    text = deployment.get(MAX_FEE)
    if text is None:
        return MAX_FEE_WEI
    if not re.fullmatch(r"0x[0-9a-fA-F]{1,32}", text) or int(text, 16) == 0:
        raise ConfigError(f"{MAX_FEE} {text!r} is not an amount of wei", f'Write it as 0x hex: "{MAX_FEE_WEI:#x}"')
    return int(text, 16)


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction in a block, and the record that the node has of it."""

    receipt: Receipt
    record: Object


class Payer:
    """An account that pays on one endpoint."""

    def __init__(self, rpc: Rpc, key: str, bound: int = MAX_FEE_WEI) -> None:
        if not key:
            raise ConfigError("this chain's spec has no key", "Set `key` to send transactions")
        try:
            self._account: LocalAccount = Account.from_key(key)
        except Exception as error:  # eth-keys raises its own ValidationError, binascii.Error and ValueError
            raise ConfigError("the key is not a private key of 32 bytes", "Write it as 0x and 64 digits") from error
        self._rpc, self._bound = rpc, bound
        self._chain_id = rpc.number("eth_chainId")
        self._mined: dict[int, bytes] = {}

    @property
    def address(self) -> str:
        """The account's address."""
        return to_checksum_address(self._account.address)

    def send(self, to: str | None, data: bytes, value: int = 0) -> Mined:
        """Sends a transaction and waits until it is in a block; `to` is None for a contract's creation.

        Raises:
            Rejected: the ledger refuses it, the endpoint's fee is above the bound (nothing was sent), or it failed
                in a block after all.
            Unreachable: the node does not answer, or no block takes it.
        """
        while True:
            nonce = self._next()
            call: Object = {"from": self.address, "data": hex_bytes(data), "value": hex(value)}
            if to is not None:
                call["to"] = to
            try:
                gas = self._rpc.number("eth_estimateGas", call)
            except NodeError as error:
                raise refusal(error) from error
            # Between the estimate and the block the state may move: a margin, of which the rest is not charged.
            mined = self._settle(to, data, value, nonce, gas + gas // 4 + 30_000)
            if mined is not None:
                return self._succeeded(mined, call)

    def _succeeded(self, mined: Mined, call: Object) -> Mined:
        """`mined`, or why it failed: in the state that its block left, the same call says what stood in the way."""
        if quantity(mined.record["status"]) == 1:
            return mined
        try:
            self._rpc.ask("eth_call", call, hex(mined.receipt.height))
        except NodeError as error:
            raise refusal(error) from error
        raise Rejected(f"transaction {mined.receipt.transaction} failed in block {mined.receipt.height}")

    def _settle(self, to: str | None, data: bytes, value: int, nonce: int, gas: int) -> Mined | None:
        """Sends under this nonce until a block has it; None when something else took the nonce."""
        fees = self._fees()
        sent: dict[str, bytes] = {}
        started = attempt = time.monotonic()
        transaction, raw = self._submit(to, data, value, nonce, gas, fees)
        sent[transaction] = raw
        pause = _POLL_FIRST
        while True:
            for known, raw in sent.items():
                record = self._receipt(known)
                if record is not None:
                    self._mined[nonce] = raw
                    self._mined.pop(nonce - REMEMBERED, None)
                    return _mined(record, len(raw))
            now = time.monotonic()
            if now - started > 1.0 and self._count() > nonce:
                if any(self._receipt(known) for known in sent):
                    continue
                return None
            if now - started > GIVE_UP_SECONDS:
                raise Unreachable(f"{self._rpc.url}: no block took {transaction} in {GIVE_UP_SECONDS:.0f} s")
            raised = _raised(fees)
            if now - attempt > REPLACE_SECONDS and max(raised.values()) <= self._bound:
                fees = raised
                transaction, raw = self._submit(to, data, value, nonce, gas, fees)
                sent[transaction], attempt = raw, now
            time.sleep(pause)
            pause = min(pause * 1.5, _POLL_LONGEST)

    def _next(self) -> int:
        """The account's count, once all that this payer saw in a block is in one (again)."""
        started, count = time.monotonic(), self._count()
        while count in self._mined:
            for nonce in sorted(self._mined):
                if nonce >= count:
                    self._offer(self._mined[nonce])
            if time.monotonic() - started > GIVE_UP_SECONDS:
                self._mined.clear()
                raise Unreachable(
                    f"{self._rpc.url}: a reorganisation took transaction {count} of {self.address} back,"
                    f" and no block took it again in {GIVE_UP_SECONDS:.0f} s"
                )
            time.sleep(_POLL_LONGEST)
            count = self._count()
        return count

    def _offer(self, raw: bytes) -> None:
        try:
            self._rpc.text("eth_sendRawTransaction", hex_bytes(raw))
        except NodeError:  # it has it already, or a block does: the count tells
            return

    def _receipt(self, transaction: str) -> Object | None:
        """The record of a transaction in a block, as soon as the node has it."""
        try:
            return self._rpc.record("eth_getTransactionReceipt", transaction)
        except NodeError as error:
            # geth's words, and the number that it has for everything: it has just started, or changed its branch.
            if "indexing is in progress" in str(error):
                return None
            raise

    def _submit(
        self, to: str | None, data: bytes, value: int, nonce: int, gas: int, fees: dict[str, int]
    ) -> tuple[str, bytes]:
        """Hash and bytes of the transaction that the node took; raises the fees until it takes one."""
        for _ in range(20):
            fields: dict[str, int | str | bytes] = {"nonce": nonce, "gas": gas, "value": value, "data": data, **fees}
            fields["chainId"] = self._chain_id
            if to is not None:
                fields["to"] = to_checksum_address(to)
            if "maxFeePerGas" in fees:
                fields["type"] = 2
            signed = self._account.sign_transaction(cast(TransactionDictType, fields))
            raw, own_hash = bytes(signed.raw_transaction), hex_bytes(bytes(signed.hash))
            try:
                self._rpc.text("eth_sendRawTransaction", hex_bytes(raw))
                return own_hash, raw
            except NodeError as error:
                # No number tells these three apart: clients share one for everything, but the words are all alike.
                words = str(error).lower()
                if "already known" in words or "already imported" in words or "nonce too low" in words:
                    return own_hash, raw
                if "underpriced" not in words:
                    raise refusal(error) from error
            fees.update(_raised(fees))
            self._check(fees)
        raise ChainError(f"{self._rpc.url} calls every fee too low, the last was {fees}")

    def _fees(self) -> dict[str, int]:
        head = self._rpc.record("eth_getBlockByNumber", "latest", False)
        base = head.get("baseFeePerGas") if head else None
        if base is None:
            return self._check({"gasPrice": self._rpc.number("eth_gasPrice")})
        # Twice the base fee outlasts six full blocks.
        return self._check({"maxFeePerGas": 2 * quantity(base) + _PRIORITY_WEI, "maxPriorityFeePerGas": _PRIORITY_WEI})

    def _check(self, fees: dict[str, int]) -> dict[str, int]:
        """`fees`; `Rejected` when they are above the bound, so that a lying endpoint cannot empty the account."""
        if (asked := max(fees.values())) > self._bound:
            raise Rejected(
                f"{self._rpc.url} asks for {asked} wei a unit of gas, more than {self._bound}; if that is the price,"
                f" set {MAX_FEE} (0x hex) in the chain's deployment"
            )
        return fees

    def _count(self) -> int:
        return self._rpc.number("eth_getTransactionCount", self.address, "latest")


def _raised(fees: Mapping[str, int]) -> dict[str, int]:
    return {name: fee * _BUMP[0] // _BUMP[1] + 1 for name, fee in fees.items()}


def _mined(record: Object, sent_bytes: int) -> Mined:
    height, cost = quantity(record["blockNumber"]), quantity(record["gasUsed"])
    return Mined(Receipt(str(record["transactionHash"]), height, cost, sent_bytes), record)
