"""A served app that refused customers, each for another cause: uvicorn on loopback, real tokens, real commands."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from authguard import AuthGuard
from authguard.cli import main
from authguard.clock import SystemClock
from authguard.testing import Mint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.requests import Request

POLICY = """\
authguard: 1
name: desk
extends: support-desk
issuers:
  - {issuer: 'https://issuer.test', audience: 'https://agent.test', algorithms: [ES256], keys: {file: keys.json}}
agents: [{issuer: 'https://issuer.test', client: concierge}]
rollback: {authority: {engage: {role: operations}, release: {role: operations}}}
"""
#: seconds after which a start, a reply or a stop is given up
PATIENCE_S = 300.0
BY = ("--by", "Ines")


@dataclass(frozen=True, slots=True)
class RefusedCustomers:
    """What the app left behind.

    Attributes:
        folder: with the policy, the store, the log and the keys of the issuer.
        instances: customer -> `instance` of the reply that refused it.
        held: id of the transaction that was denied.
    """

    folder: Path
    instances: dict[str, str]
    held: str

    @property
    def options(self) -> tuple[str, ...]:
        return (
            *("--policy", str(self.folder / "policy.yaml")),
            *("--store", str(self.folder / "var" / "authguard.db")),
            *("--log", str(self.folder / "var" / "audit.jsonl")),
        )

    @property
    def variables(self) -> dict[str, str]:
        names = ("AUTHGUARD_POLICY", "AUTHGUARD_STORE", "AUTHGUARD_AUDIT_LOG")
        return dict(zip(names, self.options[1::2], strict=True))


@contextmanager
def served(app: Any) -> Iterator[httpx2.Client]:
    """Serve an app by uvicorn; yield a client with its address."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started.set()

    server = Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        assert started.wait(PATIENCE_S)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with httpx2.Client(base_url=address, timeout=PATIENCE_S, trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def call(*words: str) -> None:
    """Run a command that must succeed."""
    with pytest.raises(SystemExit) as end:
        main(list(words))
    assert not end.value.code


async def _serve(_: Request) -> PlainTextResponse:
    return PlainTextResponse("done")


def create(folder: Path) -> RefusedCustomers:
    """Serve and refuse customers in a folder, and stop the app."""
    mint = Mint.create(SystemClock())
    (folder / "policy.yaml").write_text(POLICY, "utf-8")
    (folder / "keys.json").write_text(json.dumps(mint.jwks("ES256")), "utf-8")
    routes = [
        Route("/chat", _serve, methods=["POST"]),
        Route("/orders/{order_id}/refund", _serve, methods=["POST"]),
    ]
    guard = AuthGuard(
        Starlette(routes=routes),
        policy=folder / "policy.yaml",
        store=folder / "var" / "authguard.db",
        audit_log=folder / "var" / "audit.jsonl",
        environ={},
    )
    made = RefusedCustomers(folder, {}, "")
    with served(guard) as client:

        def post(path: str, sub: str, key: str = "k1", body: dict[str, str] | None = None, **claims: Any) -> Any:
            given = {"acr": "aal2", "scope": "chat refunds:write", "account_status": "ok", "sid": sub, **claims}
            headers = {"authorization": f"Bearer {mint.mint(sub=sub, **given)}", "idempotency-key": key}
            reply = client.post(path, json=body or {}, headers=headers)
            if not reply.is_success or reply.status_code == 202:
                made.instances[sub] = reply.json()["instance"]
            return reply

        small = {"amount": "40", "currency": "EUR"}
        assert post("/chat", "alice").text == "done"
        post("/chat", "expired", lifetime=-600)
        post("/chat", "scopeless", scope="other")
        post("/orders/7/refund", "locked", body=small, account_status="locked")
        post("/orders/7/refund", "rich", body={"amount": "99999", "currency": "EUR"})
        post("/orders/7/refund", "unverified", body=small, acr="aal1")
        held = post("/orders/7/refund", "denied", body=small, act={"sub": "concierge"}).json()["next"]["transaction"]
        call("transactions", "deny", held, *BY, "--reason", "not our order", *made.options)
        post("/orders/7/refund", "denied", body=small, act={"sub": "concierge"})
        call("rollback", "engage", *BY, "--reason", "bad answers", *made.options)
        # the app reads the state of the service about once a second
        for _ in range(3_000):
            if not post("/chat", "stopped").is_success:
                break
        call("rollback", "release", *BY, "--reason", "mended", *made.options)
    return RefusedCustomers(folder, made.instances, held)
