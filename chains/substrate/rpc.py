"""One JSON-RPC endpoint of a Substrate node over a websocket, and what its errors mean.

Three answers: a result, `Unreachable` (nothing came back), `NodeError` (the node said no). Requests of one call are
pipelined: they are all sent before the first answer is read, so that a record of ten values costs one round trip. A
broken connection is opened anew by the next call; a request that was cut off is never repeated by itself, because it
may have been a transaction.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from websocket import WebSocket, WebSocketException, create_connection

from poft.protocol.errors import ChainError, Unreachable

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]

TIMEOUT = 60.0
"""Seconds until an endpoint counts as gone. chopsticks answers nothing while it builds a block."""

IDLE_SECONDS = 20.0
"""A connection that was not used for longer is made anew: nodes drop whoever does not answer their pings (every 30 s),
and nobody here listens between two calls."""

_METHOD_NOT_FOUND = -32601
_MAX_PIPELINE = 256


class NodeError(ChainError):
    """The node answered with an error: its number and its words."""

    def __init__(self, number: int, message: str) -> None:
        self.number = number
        self.words = message
        super().__init__(f"{message} ({number})")

    @property
    def unknown_method(self) -> bool:
        """Whether the node lacks the method that was called."""
        return self.number == _METHOD_NOT_FOUND


class Rpc:
    """One endpoint."""

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        self.url = url
        self._timeout = timeout
        self._socket: WebSocket | None = None
        self._used = 0.0
        self._next = 1

    def ask(self, method: str, *params: object) -> Json:
        """The result of one call.

        Raises:
            Unreachable: no connection, no answer, or something that is not JSON-RPC.
            NodeError: the node refused.
        """
        return self.ask_all([(method, params)])[0]

    def ask_all(self, calls: Sequence[tuple[str, Sequence[object]]]) -> list[Json]:
        """The results of several calls, in their order."""
        answers: list[Json] = []
        for start in range(0, len(calls), _MAX_PIPELINE):
            answers += self._exchange(calls[start : start + _MAX_PIPELINE])
        return answers

    def text(self, method: str, *params: object) -> str:
        """The result of a call that answers with a string."""
        value = self.ask(method, *params)
        if not isinstance(value, str):
            raise Unreachable(f"{self.url}: {method} answered {value!r}")
        return value

    def record(self, method: str, *params: object) -> dict[str, Json]:
        """The result of a call that answers with an object."""
        value = self.ask(method, *params)
        if not isinstance(value, dict):
            raise Unreachable(f"{self.url}: {method} answered {value!r}")
        return value

    def close(self) -> None:
        """Ends the connection; a later call opens another one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, calls: Sequence[tuple[str, Sequence[object]]]) -> list[Json]:
        first = self._next
        self._next += len(calls)
        answers: dict[int, dict[str, Json]] = {}
        try:
            socket = self._connected()
            for number, (method, params) in enumerate(calls, first):
                socket.send(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}))
            while len(answers) < len(calls):
                message = json.loads(socket.recv())
                number = message.get("id")
                if isinstance(number, int) and first <= number < self._next:
                    answers[number] = message
        except (OSError, WebSocketException, ValueError, AttributeError) as error:
            # ValueError, AttributeError: what came is no JSON object. Answers to the other requests may be under way.
            self.close()
            raise Unreachable(f"{self.url}: {calls[0][0]}: {error or type(error).__name__}") from error
        return [self._result(answers[number]) for number in range(first, self._next)]

    def _connected(self) -> WebSocket:
        now = time.monotonic()
        if now - self._used > IDLE_SECONDS:
            self.close()
        self._used = now
        if self._socket is None:
            self._socket = create_connection(self.url, timeout=self._timeout, skip_utf8_validation=True)
        return self._socket

    def _result(self, message: dict[str, Json]) -> Json:
        error = message.get("error")
        if isinstance(error, dict):
            number = error.get("code")
            words = ": ".join(str(error[k]) for k in ("message", "data") if error.get(k))
            raise NodeError(number if isinstance(number, int) else 0, words)
        if "result" not in message:
            raise Unreachable(f"{self.url}: an answer without a result")
        return message["result"]
