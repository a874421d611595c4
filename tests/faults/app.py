"""A guarded app on disk, which records every run in a file; driven without a server.

Rules: everything is in the current folder, under names without one, so that a process that forked builds its guard in
a folder of its own; the app marks that it runs before it does anything, and with no other means than the operating
system's.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from authguard import AuthGuard
from authguard.testing import FakeClock, Mint, SigningKey
from tests.support.harness import AUDIENCE, ISSUER, POLICY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

STORE = Path("store.db")
LOG = Path("audit.jsonl")
#: signs the log of every folder alike
SIGNING = "PRIVATE+KEY+house+7061468b+AXxu2VZUlYq4ldk3AbrbBC5PjydjsulNTFpEaNweN7dx"
#: one line for each run of the app: the record that admitted it, and what it was asked
RUNS = Path("runs")
TEXT = (
    POLICY
    + """\
audit: {durability: {sensitive: group, high: sync}}
budget: {request: 5m, in_flight: 1000}
transactions: {max_held: 1000}
"""
)
_handles: dict[Path, int] = {}
REFUND = "/orders/o1/refund"


def note(path: Path, line: str) -> None:
    """Append a line to a file in one write, as whoever is killed a moment later can."""
    if path not in _handles:
        _handles[path] = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(_handles[path], f"{line}\n".encode())


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Mark the run; then do what the body's `app` says: answer, refuse, fail, or report something of the customer."""
    guard = scope["state"]["authguard"]
    headers = dict(scope["headers"])
    note(RUNS, f"{guard.record_id} {headers.get(b'idempotency-key', b'-').decode()}")
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    wanted = json.loads(body or b"{}").get("app", "answer")
    if wanted == "report":
        await guard.report("verification.doubted")
    if wanted == "raise":
        raise ArithmeticError
    status = {"refuse": 409, "fail": 500}.get(wanted, 200)
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b'{"app":true}'})


@dataclass(frozen=True, slots=True)
class Reply:
    """What the caller got; status 0 where it got nothing.

    Attributes:
        status: of HTTP.
        body: as sent.
        mark: the guard's outcome on an answer of the app's.
    """

    status: int = 0
    body: bytes = b""
    mark: str = ""

    @property
    def next(self) -> dict[str, Any]:
        """What the guard says to do next."""
        found: dict[str, Any] = json.loads(self.body)["next"]
        return found

    @property
    def outcome(self) -> str:
        """The guard's outcome; `ran` where the app answered."""
        found = json.loads(self.body or b"{}")
        return "ran" if "app" in found else str(found.get("outcome", ""))


@dataclass
class House:
    """One guard, its clock and its issuer.

    Attributes:
        home: the folder of the policy and of the issuer's keys.
        text: of the policy.
        settings: further arguments of `AuthGuard`.
        issuer: an issuer in a process of its own, where there is one.
        rivals: requests that were begun beside the one that is looked at.
    """

    home: Path
    text: str = TEXT
    settings: dict[str, Any] = field(default_factory=dict)
    issuer: Any = None
    rivals: list[asyncio.Task[Reply]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self._tokens: dict[str, str] = {}
        self.mint = Mint(self.clock, ISSUER, AUDIENCE, MappingProxyType({"ES256": SigningKey.generate("ES256")}))
        (self.home / "keys.json").write_text(json.dumps(self.mint.jwks("ES256")), "utf-8")
        (self.home / "policy.yaml").write_text(self.text, "utf-8")
        self.build()

    def build(self) -> None:
        """Build a guard, as a process that starts does; nothing is opened yet."""
        given: dict[str, Any] = {"store": STORE, "audit_log": LOG, "pseudonym_key": bytes(32), **self.settings}
        self.guard = AuthGuard(
            app, self.home / "policy.yaml", clock=self.clock, environ={}, signing_key=SIGNING, **given
        )

    def token(self, **claims: Any) -> str:
        """Mint a token of a customer in good standing, who signed in now; the same at the same moment."""
        plain = {"sub": "alice", "scope": "chat accounts refunds", "acr": "aal2", "account_status": "ok"}
        name = repr((self.clock.now(), claims))
        if name not in self._tokens:
            self._tokens[name] = self.mint.mint(**(plain | claims))
        return self._tokens[name]

    async def ask(
        self,
        path: str,
        token: str = "",
        *,
        body: object = None,
        key: str = "",
        method: str = "POST",
        heard: Callable[[dict[str, Any]], Awaitable[None]] | None = None,
    ) -> Reply:
        """Send one request and hear the whole answer.

        Args:
            path: of the request.
            token: bearer token.
            body: JSON value.
            key: ``Idempotency-Key``.
            method: of the request.
            heard: told of each message that reaches the caller, before this hears of it.
        """
        content = b"" if body is None else json.dumps(body).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        if token:
            headers.append((b"authorization", f"Bearer {token}".encode()))
        if key:
            headers.append((b"idempotency-key", key.encode()))
        scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
        }
        scope |= {"headers": headers, "root_path": "", "client": ("127.0.0.1", 1), "extensions": {}}
        status, mark, parts = 0, "", []

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0)  # as a server's does
            return {"type": "http.request", "body": content}

        async def send(message: dict[str, Any]) -> None:
            nonlocal status, mark
            await asyncio.sleep(0)
            if heard is not None:
                await heard(message)
            status = message.get("status", status)
            mark = dict(message.get("headers", ())).get(b"authguard-outcome", mark.encode()).decode()
            parts.append(message.get("body", b""))

        await self.guard(scope, receive, send)
        return Reply(status, b"".join(parts), mark)

    async def chat(self, token: str = "", **more: Any) -> Reply:
        """Chat."""
        return await self.ask("/chat", token or self.token(), **more)

    async def refund(
        self, token: str = "", *, key: str = "k1", amount: int = 100, then: str = "answer", **more: Any
    ) -> Reply:
        """Ask for money; `then` is what the app does."""
        body = {"amount": amount, "currency": "EUR", "app": then}
        return await self.ask(REFUND, token or self.token(), body=body, key=key, **more)


def runs() -> list[tuple[str, str]]:
    """List the runs of the app: the record that admitted each, and its ``Idempotency-Key``."""
    found = RUNS.read_text("utf-8").splitlines() if RUNS.exists() else []
    return [(record, key) for record, _, key in (line.partition(" ") for line in found)]
