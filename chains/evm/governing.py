"""Calls that are governance's, through the delay that the AccessManager asks of their caller.

Without a delay a call is a transaction. With one it is scheduled, may be looked at by everybody and cancelled by a
guardian, and is made once its time has come: the same command, given again later, does that.
"""

from __future__ import annotations

from datetime import UTC, datetime

from poft.protocol.errors import Code, Refused

from .abi import artifact
from .records import address, typed
from .rpc import Rpc, quantity
from .sending import Payer

ADMINISTRATOR = 0
"""AccessManager's `ADMIN_ROLE`."""


class Governor:
    """The payer as administrator of an `Authority`."""

    def __init__(self, rpc: Rpc, payer: Payer, authority: str) -> None:
        self._rpc, self._payer, self._authority = rpc, payer, authority
        self._manager = artifact("Authority")

    def closed(self, target: str) -> bool:
        """Whether every restricted function of a contract is closed, to governance as well."""
        return typed(bool, self._ask("isTargetClosed", address(target))[0])

    def require_administrator(self) -> int:
        """The payer's delay in seconds.

        Raises:
            Refused: Unauthorised, it is not the administrator.
        """
        member, delay = self._ask("hasRole", ADMINISTRATOR, address(self._payer.address))
        if not member:
            raise Refused(Code.Unauthorised, "governance", f"{self._payer.address} is not the administrator")
        return typed(int, delay)

    def manage(self, function: str, *arguments: object, target: str = "") -> None:
        """A function of the manager itself, about `target`, which may have a delay of its own.

        Raises:
            Refused: Unauthorised; DeadlineNotReached, it is scheduled and its time has not come.
            Rejected: the ledger refused.
        """
        own = typed(int, self._ask("getTargetAdminDelay", address(target))[0]) if target else 0
        self._make(self._authority, self._manager.call(function, *arguments), own)

    def call(self, target: str, contract: str, function: str, *arguments: object) -> None:
        """A restricted function of a contract. Raises as `manage`."""
        self._make(target, artifact(contract).call(function, *arguments), 0)

    def _make(self, target: str, data: bytes, own_delay: int) -> None:
        delay = max(self.require_administrator(), own_delay)
        if delay:
            self._require_due(target, data, delay)
        self._payer.send(target, data)

    def _require_due(self, target: str, data: bytes, delay: int) -> None:
        operation = self._ask("hashOperation", address(self._payer.address), address(target), data)[0]
        due = typed(int, self._ask("getSchedule", operation)[0])
        if due == 0:
            # Time 0: as soon as the delay allows.
            self._payer.send(self._authority, self._manager.call("schedule", address(target), data, 0))
            due = typed(int, self._ask("getSchedule", operation)[0])
        head = self._rpc.record("eth_getBlockByNumber", "latest", False)
        now = quantity(head["timestamp"]) if head is not None else 0
        if now < due:
            when = datetime.fromtimestamp(due, UTC).isoformat()
            detail = f"operation 0x{typed(bytes, operation).hex()} may be made from {when} on ({delay} s of delay)"
            raise Refused(Code.DeadlineNotReached, "governance", detail)

    def _ask(self, function: str, *arguments: object) -> tuple[object, ...]:
        data = self._rpc.call(self._authority, self._manager.call(function, *arguments))
        return self._manager.result(function, data)
