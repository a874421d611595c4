"""A real HTTP server on loopback that publishes the documents of an issuer, as a test scripts them."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

METADATA = "/.well-known/openid-configuration"


class IssuerServer:
    """Publishes documents until the end of a ``with`` block.

    Attributes:
        url: its address, without a slash at the end.
        documents: path -> a document, raw bytes, or a status.
        asked: the requested paths, in order.
    """

    def __init__(self, **documents: Any) -> None:
        self.documents: dict[str, Any] = documents
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def publish(self, jwks: object, path: str = "", **metadata: Any) -> str:
        """Publish metadata and a key set below a path; return the issuer."""
        issuer = f"{self.url}{path}"
        self.documents[path + METADATA] = {"issuer": issuer, "jwks_uri": f"{issuer}/jwks"} | metadata
        self.documents[f"{path}/jwks"] = jwks
        return issuer

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        documents, asked = self.documents, self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                found = documents.get(self.path, 404)
                body = (
                    b"" if isinstance(found, int) else found if isinstance(found, bytes) else json.dumps(found).encode()
                )
                self.send_response(found if isinstance(found, int) else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the standard library
                """Print nothing."""

        return Handler
