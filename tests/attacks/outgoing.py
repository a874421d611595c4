"""Attacks on what goes out: a proxy of the environment that hears bearer tokens."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

from tests.attacks.harness import Site, attack, http_request, send_raw
from tests.attacks.log_warm import POLICY

if TYPE_CHECKING:
    from collections.abc import Iterator

from contextlib import contextmanager

APP = """\
from authguard import AuthGuard

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})

app = AuthGuard(app, "policy.yaml", store="authguard.db", audit_log="log/audit.jsonl")
"""
TOKEN = "the-token-of-the-anchor"


@contextmanager
def listening(heard: list[bytes]) -> Iterator[int]:
    """Listen on loopback, keep what comes, and answer 200 to it; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    line, _ = server.accept()
                except OSError:
                    return
                with line:
                    line.settimeout(10)
                    try:
                        heard.append(line.recv(65536))
                        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield int(server.getsockname()[1])
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)


@attack(14)
def a_proxy_hears_the_anchor(site: Site) -> None:
    """Set `HTTP_PROXY` around a guard whose anchor is on this machine, and read the anchor's token there."""
    site.policy(POLICY)
    site.clock.set(time.time())
    proxied: list[bytes] = []
    anchored: list[bytes] = []
    with listening(proxied) as proxy, listening(anchored) as anchor:
        around = {
            **dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), f"http://127.0.0.1:{proxy}"),
            "NO_PROXY": "",
            "no_proxy": "",
            "AUTHGUARD_ANCHORS": f"http://127.0.0.1:{anchor}/log",
            "AUTHGUARD_ANCHOR_TOKEN": TOKEN,
        }
        with site.served(APP, environ=around) as port:
            send_raw(port, http_request("POST", "/read", body=b"{}", token=site.token()))
        # the stop signs the log and brings the checkpoint to the anchor
    assert not any(TOKEN.encode() in one for one in proxied), "the proxy was shown the token"
    assert any(TOKEN.encode() in one for one in anchored), "the anchor heard nothing"
