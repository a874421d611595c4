"""A guarded app with a verifier, and tokens of providers that state no sign-in time, by their presets and shapes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final

import httpx2
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from authguard import AuthGuard
from authguard.testing import FakeClock, Mint, load_shape

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.requests import Request
    from starlette.websockets import WebSocket

    from authguard.ports import Question

POLICY: Final = """\
authguard: 1
name: fresh
extends: standard
issuers:
  - {provider: PROVIDER, issuer: 'ISSUER', audience: 'AUDIENCE', keys: {file: keys.json}, evidence: any}
agents: [concierge, {client: robot, alone: true}]
accounts: none
budget: {request: 60s}
operations:
  - {name: chat, match: {path: /chat, method: POST}, risk: routine, effect: read}
  - {name: orders, match: {path: /orders, method: GET}, risk: sensitive, effect: read}
  - {name: pay, match: {path: /pay, method: POST}, risk: high, effect: write, assurance: {max_age: 5m}}
  - {name: live, match: {websocket: /live}, risk: public, effect: read}
otherwise: deny
assurance: {order: [aal1, aal2]}
identity: {credential: aal2}
"""
VERIFIERS: Final = """\
verifiers:
  pin: {type: python, call: "tests.support.fresh_house:judge", timeout: 60s}
  other: {type: python, call: "tests.support.fresh_house:judge", timeout: 60s}
methods:
  default: {all: [pin]}
  alternate: {all: [other]}
"""
NO_VERIFIERS: Final = """\
fallbacks:
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
"""
#: providers with tokens that have neither a sign-in time nor a session id
UNDATED: Final = ("auth0", "google", "entra")
#: providers with a session id; the tests leave the sign-in time out
WITH_SID: Final = ("supabase", "cognito")
SHAPES: Final = (*UNDATED, *WITH_SID)
SUBJECT: Final = "customer-1"
RIGHT: Final = "1234"


@dataclass
class Judge:
    """What the verifier does, and whom it was asked about."""

    asked: list[str] = field(default_factory=list)
    before: Callable[[], Any] = lambda: None


#: of the test that runs now
current = Judge()


async def judge(question: Question) -> bool:
    """Compare the answer with the right one, after what the test does meanwhile."""
    current.asked.append(question.subject)
    done = current.before()
    if isawaitable(done):
        await done
    return question.answers.get("answer") == RIGHT


async def _ok(request: Request) -> Response:
    return JSONResponse({"user": request.state.authguard.subject})


async def _live(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


class FreshHouse:
    """A guarded app in a folder; several guards may share its store."""

    def __init__(self, folder: Path, policy: str = POLICY + VERIFIERS, *, shape: str = "auth0") -> None:
        global current  # noqa: PLW0603 - the policy names the function by its module
        self.judge = current = Judge()
        self.folder = folder
        self.shape = shape
        self.clock = FakeClock(1_800_000_000.9)
        known = load_shape(shape)
        self.issuer = known.issuer
        self.mint = replace(Mint.create(self.clock), issuer=known.issuer, audience=known.audience)
        (folder / "keys.json").write_text(json.dumps(self.mint.jwks("ES256", "RS256")), "utf-8")
        for word, value in (("PROVIDER", shape), ("ISSUER", known.issuer), ("AUDIENCE", known.audience)):
            policy = policy.replace(word, value)
        (folder / "policy.yaml").write_text(policy, "utf-8")
        self.guard = self.build("one")

    def build(self, name: str) -> AuthGuard:
        """Build a guard on the store of the folder, with a log of its own."""
        routes = [
            Route("/chat", _ok, methods=["POST"]),
            Route("/orders", _ok),
            Route("/pay", _ok, methods=["POST"]),
            WebSocketRoute("/live", _live),
        ]
        return AuthGuard(
            Starlette(routes=routes),
            self.folder / "policy.yaml",
            store=self.folder / "store.db",
            audit_log=self.folder / f"{name}.jsonl",
            allowed_modules=("tests.support.fresh_house",),
            clock=self.clock,
            environ={},
        )

    def token(self, kind: str = "access", *, signed_in: float | None = None, **facts: Any) -> str:
        """Mint a token as the provider would, now; a refreshed token has the same facts."""
        return self.mint.mint_as(self.shape, kind, signed_in=signed_in, **{"lifetime": 3_600, **facts})

    async def ask(
        self, method: str, path: str, token: str, *, guard: AuthGuard | None = None, **sent: Any
    ) -> httpx2.Response:
        """Send a request over ASGI."""
        transport = httpx2.ASGITransport(guard or self.guard)
        async with httpx2.AsyncClient(transport=transport, base_url="http://a.test") as client:
            headers = {"Authorization": f"Bearer {token}", **sent.pop("headers", {})}
            return await client.request(method, path, headers=headers, **sent)

    async def chat(self, token: str, *, guard: AuthGuard | None = None) -> str:
        """Chat; return ``ok``, or status and outcome of the refusal."""
        return told(await self.ask("POST", "/chat", token, guard=guard))

    async def verify(
        self, token: str, answer: str = RIGHT, *, method: str = "default", guard: AuthGuard | None = None
    ) -> str:
        """Answer the verifier's question."""
        verifier = "pin" if method == "default" else "other"
        body = {"method": method, "answers": {verifier: answer}}
        return told(await self.ask("POST", "/.authguard/verify", token, guard=guard, json=body))

    async def sign_out(self, token: str, *, everywhere: bool = False, guard: AuthGuard | None = None) -> None:
        """Sign out; the reply comes when the clock second is over, so the test's clock follows."""
        path = "sessions/end" if everywhere else "session/end"
        answer = await self.ask("POST", f"/.authguard/{path}", token, guard=guard)
        assert answer.status_code == 200, answer.text
        self.clock.advance(1)


def told(answer: httpx2.Response) -> str:
    """Return what a caller is told, in short."""
    if answer.status_code == 200:
        return "ok"
    return f"{answer.status_code} {answer.json().get('outcome') or answer.json()['type'].rpartition(':')[2]}"
