"""A verification service in a process, for tests that kill it; it prints its port, and a line per request.

Run as a script: ``responder.py PORT hang`` answers no question, ``responder.py PORT pass`` passes everybody.
"""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY = b'{"score": 1.0}'


class Service(BaseHTTPRequestHandler):
    """Hears a question, says so on standard output, and answers or does not."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        print("asked", flush=True)  # noqa: T201 - the test reads it
        if sys.argv[2] == "hang":
            threading.Event().wait()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Service)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)  # noqa: T201 - the test reads it
    sys.stdin.read()  # ends with whoever started it
