"""The kinds of requests to one deployment: what has to happen before each, the request, and its expected response.

`benchmarks.calls` counts the calls of each kind, and `benchmarks.costs` times them.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from benchmarks.warm import OK, UnfairError
from benchmarks.world import LIFETIME, PATH, POLICY, StillClock, World, answer, request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from starlette.requests import Request
    from starlette.websockets import WebSocket

    from authguard import AuthGuard
    from authguard.ports import Question
    from benchmarks.world import Message, Scope

ORDER: Final = "/orders/7"
REFUND: Final = "/orders/7/refund"
LIVE: Final = "/live"
METADATA: Final = "/.well-known/oauth-protected-resource"
VERIFY: Final = "/.authguard/verify"
TRANSACTIONS: Final = "/.authguard/transactions"
#: a purchase within the limits, and one over the limit of a call
WITHIN: Final = b'{"amount": 12.5, "currency": "EUR", "item": "tea", "to": "the corner shop", "note": "as agreed"}'
OVER: Final = WITHIN.replace(b"12.5", b"900.0")
ANSWERS: Final = b'{"method": "default", "answers": {"it": "123456"}}'
REASON: Final = b'{"reason": "the customer called back"}'
HELD: Final = 202
REFUSED: Final = 401
HANDED_OFF: Final = 403
ACCEPTED: Final = 101

LIMITED: Final = """\
    assurance: {acr: aal2, max_age: 5m}
    amount: {at: /amount, currency: {at: /currency}}
    limits:
      - {amount: 500 EUR, per: call}
      - {amount: 5000 EUR, per: 1d, by: subject}
    idempotency: required
  - {name: live, match: {websocket: /live}, risk: routine, effect: read, scopes: [chat]}
"""
VERIFIED: Final = """\
settings: {public_url: 'https://agent.test'}
verifiers:
  it: {type: python, call: 'benchmarks.kinds:judge'}
methods:
  default: {all: [it]}
  alternate: {all: [it]}
"""
#: the policy of the benchmarks, with limits, a WebSocket, a verifier and a public URL
EVERY_KIND: Final = (
    POLICY.partition("fallbacks:\n")[0].replace("    assurance: {acr: aal2, max_age: 5m}\n", LIMITED) + VERIFIED
)


def judge(question: Question) -> bool:
    """Accept the right answer."""
    return question.answers.get("answer") == "123456"


@dataclass(frozen=True, slots=True)
class Sent:
    """One request with its body and the expected status.

    Attributes:
        scope: ASGI's.
        body: the whole body.
        status: of the response; of an accepted WebSocket, 101.
    """

    scope: Scope
    body: bytes = b""
    status: int = OK


@dataclass(frozen=True, slots=True)
class Deployment:
    """One guarded app with every kind of operation, and its customers.

    Attributes:
        world: signs the tokens.
        guarded: the app.
    """

    world: World
    guarded: AuthGuard
    _numbers: Any = field(default_factory=count)

    def token(self, **claims: Any) -> bytes:  # noqa: ANN401 - claims are JSON
        """Sign a token of a new customer in a new session."""
        number = next(self._numbers)
        given: dict[str, Any] = {
            "sub": f"customer-{number:06}",
            "sid": f"session-{number:06}",
            "lifetime": LIFETIME,
            "auth_time": int(self.world.began),
            "acr": "aal2",
            "scope": "chat orders refunds",
            "account_status": "ok",
        }
        return self.world.mint.mint(**given | claims).encode()

    async def known(self, *, times: int = 1, **claims: Any) -> bytes:  # noqa: ANN401 - claims are JSON
        """Sign a token and send it to `/chat`, so that its customer, session and token are known."""
        token = self.token(**claims)
        for _ in range(times):
            await self.send(Sent(request(token)))
        return token

    async def send(self, sent: Sent) -> bytes:
        """Send one request and return the response's body.

        Raises:
            UnfairError: the status is another than expected.
        """
        seen = Seen(sent)
        await self.guarded(sent.scope, seen.receive, seen.send)
        if seen.status != sent.status:
            raise UnfairError(f"{sent.scope['path']} was answered {seen.status}: {seen.body[:200]!r}")
        return seen.body


class Seen:
    """The server's side of one request: it gives the body, and notes the response.

    Attributes:
        status: of the response; 101 for an accepted WebSocket.
        body: of the response.
    """

    __slots__ = ("_left", "body", "status")

    def __init__(self, sent: Sent) -> None:
        self.status = 0
        self.body = b""
        first: Message = {"type": "http.request", "body": sent.body, "more_body": False}
        if sent.scope["type"] == "websocket":
            first = {"type": "websocket.connect"}
        self._left: list[Message] = [first]

    async def receive(self) -> Message:
        """Return the next message of the client."""
        return self._left.pop() if self._left else {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Note a message of the app."""
        match message["type"]:
            case "http.response.start" | "websocket.http.response.start":
                self.status = message["status"]
            case "http.response.body" | "websocket.http.response.body":
                self.body += message.get("body", b"")
            case "websocket.accept":
                self.status = ACCEPTED


async def buy(incoming: Request) -> Response:
    """Answer a purchase."""
    await incoming.body()
    return JSONResponse({"bought": True})


async def live(socket: WebSocket) -> None:
    """Accept a WebSocket and close it."""
    await socket.accept()
    await socket.close()


def every_route() -> Starlette:
    """Build the app without a guard."""
    return Starlette(
        routes=[
            Route(PATH, answer),
            Route("/orders/{order_id}", answer),
            Route("/orders/{order_id}/refund", buy, methods=["POST"]),
            WebSocketRoute(LIVE, live),
        ]
    )


@asynccontextmanager
async def deployed(folder: Path, store: str | Path) -> AsyncIterator[Deployment]:
    """Build the deployment, and close it afterwards.

    Args:
        folder: for its files.
        store: as for `AuthGuard`.
    """
    world = World.create(folder, EVERY_KIND)
    clock = StillClock(world.began + 1)
    modules = ("benchmarks.kinds",)
    async with world.guarded("kinds", clock, app=every_route(), store=store, allowed_modules=modules) as guarded:
        yield Deployment(world, guarded)


def posted(token: bytes, path: str, **headers: str) -> Scope:
    """Build the scope of a POST with a JSON body."""
    scope = request(token, path=path)
    scope["method"] = "POST"
    scope["headers"].append((b"content-type", b"application/json"))
    scope["headers"] += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return scope


def handshake(token: bytes) -> Scope:
    """Build the scope of a WebSocket handshake."""
    scope = request(token, path=LIVE)
    del scope["method"]
    return scope | {"type": "websocket", "scheme": "wss", "subprotocols": []}


def purchase(token: bytes, body: bytes = WITHIN, status: int = OK) -> Sent:
    """Build a purchase; a token buys once."""
    return Sent(posted(token, REFUND, idempotency_key="key-1"), body, status)


async def _warm(at: Deployment) -> Sent:
    return Sent(request(await at.known(times=3)))


async def _known(at: Deployment) -> Sent:
    return Sent(request(await at.known()))


async def _first(at: Deployment) -> Sent:
    return Sent(request(at.token()))


async def _refusal(at: Deployment) -> Sent:
    del at
    return Sent(request(), status=REFUSED)


async def _write(at: Deployment) -> Sent:
    return purchase(await at.known())


async def _hold(at: Deployment) -> Sent:
    return purchase(await at.known(), OVER, HELD)


async def _approval(at: Deployment) -> Sent:
    held = json.loads(await at.send(await _hold(at)))["next"]["transaction"]
    approver = await at.known(roles=["supervisor"])
    return Sent(posted(approver, f"{TRANSACTIONS}/{held}/approve"), REASON)


async def _handoff(at: Deployment) -> Sent:
    return Sent(request(await at.known(account_status="frozen"), path=ORDER), status=HANDED_OFF)


async def _verification(at: Deployment) -> Sent:
    return Sent(posted(await at.known(acr="aal1"), VERIFY), ANSWERS)


async def _handshake(at: Deployment) -> Sent:
    token = await at.known()
    for _ in range(2):
        await at.send(Sent(handshake(token), status=ACCEPTED))
    return Sent(handshake(token), status=ACCEPTED)


async def _metadata(at: Deployment) -> Sent:
    del at
    return Sent(request(path=METADATA))


#: kind -> what makes it possible, and returns the request
KINDS: Final[dict[str, Callable[[Deployment], Awaitable[Sent]]]] = {
    "warm": _warm,
    "known session": _known,
    "first sight": _first,
    "refusal": _refusal,
    "high write": _write,
    "hold": _hold,
    "approval": _approval,
    "hand-off": _handoff,
    "verification": _verification,
    "WebSocket": _handshake,
    "metadata": _metadata,
}


async def batch(at: Deployment, kind: str, number: int) -> Sequence[Sent]:
    """Prepare a number of requests of a kind."""
    return [await KINDS[kind](at) for _ in range(number)]
