"""A server on loopback that does what a test says with the bytes of each connection."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

#: seconds until a connection that nobody closes is closed; no test waits for it
_PATIENCE_S = 300.0


def reply(body: bytes = b"{}", status: str = "200 OK", *headers: str, length: int = -1) -> bytes:
    """Return a response; its media type is JSON unless a header says something else."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body) if length < 0 else length}", *headers]
    if not any(line.lower().startswith("content-type") for line in headers):
        lines.append("content-type: application/json")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class RawServer:
    """Accepts connections in a thread; each gets the next answer of the script, the last one for ever.

    Attributes:
        requests: the received requests, with their bodies.
    """

    def __init__(self, *script: bytes | Callable[[socket.socket], None]) -> None:
        self.requests: list[bytes] = []
        self._script = list(script)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        """Return the URL of the server."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._thread.join(_PATIENCE_S)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(_PATIENCE_S)
            self._open.append(connection)
            with contextlib.suppress(OSError):
                self.requests.append(_read_request(connection))
                said = self._script.pop(0) if len(self._script) > 1 else self._script[0]
                if isinstance(said, bytes):
                    connection.sendall(said)
                    connection.close()
                else:
                    said(connection)


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def hang(_: socket.socket) -> None:
    """Leave the connection open and say nothing."""


def cut(connection: socket.socket) -> None:
    """Close the connection in the middle of a body."""
    connection.sendall(reply(b'{"a"', length=100))
    connection.close()


def trickle(connection: socket.socket) -> None:
    """Say that there is a body, and leave the connection open after its first byte."""
    connection.sendall(reply(b"{", length=100))
