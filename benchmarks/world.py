"""Parts shared by all cases: one issuer, one policy, one bare app, and requests with new header bytes each time.

Rule: the guarded side is the public `AuthGuard` with a policy file, a key file and a log file, as a user runs it.
"""

from __future__ import annotations

import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from authguard import AuthGuard
from authguard.testing import FakeClock, Mint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
    from pathlib import Path

    from starlette.requests import Request

    Scope = dict[str, Any]
    Message = MutableMapping[str, Any]
    App = Callable[[Any, Any, Any], Awaitable[None]]

ISSUER: Final = "https://issuer.test"
AUDIENCE: Final = "https://agent.test"
PATH: Final = "/chat"
#: seconds for which a token lives: longer than any run
LIFETIME: Final = 7200
POLICY: Final = """\
authguard: 1
name: bench
extends: standard
issuers:
  - issuer: https://issuer.test
    audience: https://agent.test
    algorithms: [ES256]
    keys: {file: keys.json}
    max_lifetime: 4h
agents: [concierge]
accounts:
  - {from: claim, claim: account_status, map: {ok: normal, frozen: suspended, estate: deceased}}
operations:
  - {name: health, match: {path: /healthz, method: GET}, risk: public, effect: read}
  - {name: chat, match: {path: /chat, method: GET}, risk: routine, effect: read, scopes: [chat]}
  - {name: order, match: {path: '/orders/{order_id}', method: GET}, risk: sensitive, effect: read, scopes: [orders]}
  - name: refund
    match: {path: '/orders/{order_id}/refund', method: POST}
    risk: high
    effect: write
    scopes: [refunds]
    assurance: {acr: aal2, max_age: 5m}
otherwise: {risk: sensitive, effect: write}
assurance: {order: [aal1, aal2, aal3]}
identity: {credential: aal2}
fallbacks:
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
"""


class StillClock:
    """Reads the machine's clock for its cost, but returns a fixed time until it is advanced.

    The last activity of a session is written again after 15 seconds, which would be a change of state. The warm rows
    have none, and the rows of state changes advance this clock.
    """

    __slots__ = ("moment",)

    def __init__(self, moment: float) -> None:
        self.moment = moment

    def now(self) -> float:
        """Return the time in epoch seconds UTC."""
        time.time()
        return self.moment


@dataclass(frozen=True, slots=True)
class World:
    """One issuer and one deployment's files, in a folder of the run's own.

    Attributes:
        folder: holds the policy, the keys, the logs and the stores.
        mint: signs tokens.
        minting: the clock of the mint.
        began: epoch seconds UTC at which the first token was issued.
    """

    folder: Path
    mint: Mint
    minting: FakeClock
    began: float

    @classmethod
    def create(cls, folder: Path, policy: str = POLICY) -> World:
        """Write the policy and the keys."""
        began = float(int(time.time()))
        minting = FakeClock(began)
        mint = Mint.create(minting, issuer=ISSUER, audience=AUDIENCE)
        (folder / "keys.json").write_text(json.dumps(mint.jwks("ES256")), encoding="utf-8")
        (folder / "policy.yaml").write_text(policy, encoding="utf-8")
        return cls(folder, mint, minting, began)

    def tokens(self, number: int, *, after: float = 0.0, first: int = 0) -> tuple[str, ...]:
        """Sign one token for each of a number of customers, each in a separate session.

        Args:
            number: number of tokens.
            after: seconds after the start at which they are issued; the sign-in time is unchanged, so later tokens are
                refreshed tokens of the same sessions.
            first: number of the first customer.
        """
        self.minting.set(self.began + after)
        return tuple(
            self.mint.mint(
                sub=f"customer-{index}",
                sid=f"session-{index}",
                lifetime=LIFETIME,
                auth_time=int(self.began),
                acr="aal2",
                scope="chat orders refunds",
                account_status="ok",
            )
            for index in range(first, first + number)
        )

    @asynccontextmanager
    async def guarded(
        self,
        name: str,
        clock: StillClock,
        *,
        app: App | None = None,
        store: str | Path = "memory",
        allowed_modules: tuple[str, ...] = (),
    ) -> AsyncIterator[AuthGuard]:
        """Wrap the bare app in the public middleware, and close it afterwards.

        Args:
            name: name of the log.
            clock: the guard's clock.
            app: an app instead of the bare one.
            store: as for `AuthGuard`.
            allowed_modules: as for `AuthGuard`.
        """
        guarded = AuthGuard(
            bare() if app is None else app,
            policy=self.folder / "policy.yaml",
            store=store,
            audit_log=self.folder / f"{name}.jsonl",
            pseudonym_key=b"benchmark" * 4,
            allowed_modules=allowed_modules,
            clock=clock,
            environ={},
        )
        try:
            yield guarded
        finally:
            await guarded.enforcer.close()


async def answer(_: Request) -> Response:
    """Answer as short as an app can."""
    return PlainTextResponse("ok")


def bare() -> Starlette:
    """Build the bare app: one route, no middleware."""
    return Starlette(routes=[Route(PATH, answer)])


def request(authorization: bytes = b"", *, path: str = PATH) -> Scope:
    """Build the scope of one request as a server does, with header bytes that no dictionary has hashed yet."""
    headers = [(b"host", b"agent.test"), (b"user-agent", b"bench"), (b"accept", b"*/*")]
    if authorization:
        headers.append((b"authorization", b"Bearer %b" % authorization))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "scheme": "http",
        "method": "GET",
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "state": {},
    }


async def receive() -> Message:
    """Return an empty body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: Message) -> None:
    """Discard a message."""


async def status_of(app: App, scope: Scope) -> int:
    """Send one request and return its status: a case is valid only with the expected response."""
    seen: list[int] = []

    async def note(message: Message) -> None:
        if message["type"] == "http.response.start":
            seen.append(message["status"])

    await app(scope, receive, note)
    return seen[0]
