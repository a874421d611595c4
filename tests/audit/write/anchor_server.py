"""A service that keeps checkpoints, as a process: POST adds one to a file, and is answered then; GET gives all.

Usage: anchor_server.py FILE PORT TOKEN; prints its port when it listens.
"""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from authguard.audit import checkpoint_file

FILE, PORT, TOKEN = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]


class Handler(BaseHTTPRequestHandler):
    """Keeps what is posted with the token."""

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _may(self) -> bool:
        return self.headers.get("authorization") == f"Bearer {TOKEN}"

    def do_POST(self) -> None:
        """Keep a checkpoint."""
        note = self.rfile.read(int(self.headers["content-length"])).decode()
        if not self._may() or self.headers["content-type"] != "text/plain; charset=utf-8":
            self._answer(403)
            return
        with FILE.open("ab") as file:
            file.write(checkpoint_file.encode_line(note))
        self._answer(201)

    def do_GET(self) -> None:
        """Give all."""
        if self._may():
            self._answer(200, FILE.read_bytes() if FILE.exists() else b"")
        else:
            self._answer(403)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


class Server(HTTPServer):
    """Takes its port back at once after it was killed."""

    allow_reuse_address = True


server = Server(("127.0.0.1", PORT), Handler)
print(server.server_port, flush=True)  # noqa: T201 - that is how the test hears of it
server.serve_forever()
