"""Sends the requests of an exchange over HTTP/2 without TLS, one stream each, and waits until each has ended."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, StreamEnded, StreamReset
from h2.exceptions import ProtocolError

from tests.support.served_app import PATIENCE

if TYPE_CHECKING:
    from tests.differential.requests import Exchange, Request

#: of one connection, which HTTP/2 does not have (RFC 9113 8.2.2)
HOP_BY_HOP: Final = frozenset({b"connection", b"upgrade", b"http2-settings", b"transfer-encoding", b"expect"})
_LAX: Final = H2Configuration(
    header_encoding=None,
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
    validate_inbound_headers=False,
)


def exchange2(port: int, sent: Exchange, silence: float) -> None:
    """Send each request on a stream of its own, in order.

    Args:
        port: on loopback.
        sent: its requests.
        silence: seconds without a byte after which the connection is given up.
    """
    connection = H2Connection(_LAX)
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
        line.settimeout(silence)
        connection.initiate_connection()
        open_streams = set()
        try:
            for number, request in enumerate(sent.requests):
                stream = 2 * number + 1
                connection.send_headers(stream, _headers(request), end_stream=not request.body)
                open_streams.add(stream)
                if request.body:
                    connection.send_data(stream, request.body, end_stream=True)
            line.sendall(connection.data_to_send())
            while open_streams and (more := line.recv(65_536)):
                for event in connection.receive_data(more):
                    if isinstance(event, StreamEnded | StreamReset):
                        open_streams.discard(event.stream_id)
                    if isinstance(event, ConnectionTerminated):
                        return
                line.sendall(connection.data_to_send())
        except (ProtocolError, TimeoutError, ConnectionError):
            return


def _headers(request: Request) -> list[tuple[bytes, bytes]]:
    """Write a request's headers as HTTP/2 has them; of a WebSocket, those of an extended CONNECT (RFC 8441)."""
    hosts = [value for name, value in request.headers if name == b"Host"]
    websocket = (b"Upgrade", b"websocket") in request.headers
    first = [(b":method", b"CONNECT" if websocket else request.method), (b":scheme", b"http")]
    first += [(b":protocol", b"websocket")] if websocket else []
    first += [(b":authority", hosts[0])] if hosts else []
    others = [(name.lower(), value.strip()) for name, value in request.headers if name.lower() not in HOP_BY_HOP]
    more = [(name, value) for name, value in others if name != b"host"] + [(b"host", host) for host in hosts[1:]]
    return [*first, (b":path", request.target), *more]
