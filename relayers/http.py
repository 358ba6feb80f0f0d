"""The HTTP side of a service: a few fixed routes, bounded in time, size and number of connections."""

from __future__ import annotations

import errno
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from poft.protocol.errors import ArtifactError, ConfigError

CONNECTIONS = 64
"""Requests served at once; more are turned away."""
TIMEOUT = 5.0
"""Seconds that a client may take to send its request, or to read the answer."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer."""

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = "application/json"


Query = Mapping[str, list[str]]
Route = Callable[[Query], Response]


def json_response(record: Mapping[str, object], status: HTTPStatus = HTTPStatus.OK) -> Response:
    """A JSON object."""
    return Response(json.dumps(record).encode(), status)


def metrics_route(registry: CollectorRegistry) -> Route:
    """`GET /metrics` for Prometheus."""
    return lambda _query: Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def kick_route(kick: Callable[[], None]) -> Route:
    """`POST /kick`: look now instead of at the next poll."""

    def route(_query: Query) -> Response:
        kick()
        return json_response({"kicked": True})

    return route


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = CONNECTIONS

    def __init__(self, address: tuple[str, int], routes: Mapping[str, Route]) -> None:
        self.routes = routes
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.slots = threading.BoundedSemaphore(CONNECTIONS)
        super().__init__(address, _Handler)

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        if self.slots.acquire(blocking=False):
            super().process_request(request, client_address)
        elif isinstance(request, socket.socket):
            self.shutdown_request(request)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.slots.release()

    def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """A client that hung up or fell asleep is no event for the log."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    timeout = TIMEOUT
    server: _Server

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        split = urlsplit(self.path)
        route = self.server.routes.get(f"{method} {split.path}")
        if route is None:
            response = json_response({"error": "no such page"}, HTTPStatus.NOT_FOUND)
        else:
            try:
                response = route(parse_qs(split.query, max_num_fields=8))
            except ValueError as error:
                response = json_response({"error": str(error)}, HTTPStatus.BAD_REQUEST)
            except ArtifactError as error:
                response = json_response({"error": str(error)}, HTTPStatus.SERVICE_UNAVAILABLE)
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are counted by whoever watches the metrics, not written to the log."""


@contextmanager
def serve(listen: str, routes: Mapping[str, Route]) -> Iterator[str]:
    """Serves "METHOD /path" routes while the context lasts; yields the URL.

    Raises:
        ConfigError: the address cannot be taken.
    """
    host, _, port = listen.rpartition(":")
    try:
        server = _Server((host.strip("[]"), int(port)), routes)
    except (OSError, OverflowError) as error:
        reason = "is in use" if isinstance(error, OSError) and error.errno == errno.EADDRINUSE else f"failed: {error}"
        raise ConfigError(f"listening on {listen} {reason}", "Set listen to another HOST:PORT") from error
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="http", daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def integer(query: Query, name: str) -> int | None:
    """An unsigned integer of a query; `ValueError` when it is something else."""
    values = query.get(name)
    if values is None:
        return None
    if len(values) != 1 or not values[0].isascii() or not values[0].isdigit() or len(values[0]) > 20:
        raise ValueError(f"{name} has to be one unsigned integer")
    return int(values[0])
