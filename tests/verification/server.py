"""`AuthGuard` with a policy file under uvicorn, called by an HTTP client.

Its clock is the test's; everything else is what an installation has: SQLite, the chained log, real tokens, sockets.
"""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from authguard import AuthGuard
from authguard.testing import FakeClock, Mint
from tests.support.harness import POLICY
from tests.verification import functions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from starlette.requests import Request
    from starlette.routing import BaseRoute

HEAD = POLICY[: POLICY.index("verifiers:\n")]
#: seconds that a session is left alone for at the most while time passes, so that it does not idle
STRIDE = 8 * 60.0


async def balance(_: Request) -> JSONResponse:
    return JSONResponse({"balance": 12})


async def chat(_: Request) -> JSONResponse:
    return JSONResponse({"said": "hello"})


ROUTES: tuple[BaseRoute, ...] = (Route("/balance", balance), Route("/chat", chat, methods=["POST"]))


@asynccontextmanager
async def serving(app: Any, **settings: Any) -> AsyncIterator[str]:
    """Serve an app on loopback, by uvicorn in this very loop; give its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, **settings))
        served = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await served


class House:
    """One guarded app that is served.

    Attributes:
        url: where.
        clock: of the guard.
        told: what the app's functions were asked.
    """

    def __init__(self, folder: Path, verifiers: str, routes: Sequence[BaseRoute] = ROUTES) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.began = self.clock.now()
        self.mint = Mint.create(self.clock)
        self.told = functions.told = functions.Told()
        (folder / "keys.json").write_text(json.dumps(self.mint.jwks("ES256")), "utf-8")
        (folder / "policy.yaml").write_text(HEAD + verifiers, "utf-8")
        self.guard = AuthGuard(
            Starlette(routes=list(routes)),
            folder / "policy.yaml",
            store=folder / "store.db",
            audit_log=folder / "audit.jsonl",
            allowed_modules=("tests.verification.functions",),
            clock=self.clock,
            environ={},
        )
        self.url = ""
        self.client = httpx2.AsyncClient(trust_env=False)

    @asynccontextmanager
    async def served(self, **settings: Any) -> AsyncIterator[House]:
        """Serve it on loopback, by uvicorn, for as long as the context lasts."""
        async with serving(self.guard, lifespan="on", **settings) as self.url:
            bounds = httpx2.Limits(max_connections=None)
            self.client = httpx2.AsyncClient(base_url=self.url, trust_env=False, timeout=60, limits=bounds)
            async with self.client:
                yield self

    def token(self, sid: str = "s1", sub: str = "alice", **claims: Any) -> str:
        """Mint a token of the weak sign-in with which the customer came; a later one of a session refreshes it."""
        given = {
            "scope": "chat accounts",
            "acr": "aal1",
            "account_status": "ok",
            "auth_time": int(self.began),
            **claims,
        }
        return self.mint.mint(sub=sub, sid=sid, **given)

    async def balance(self, **who: Any) -> httpx2.Response:
        """Ask for something that needs proof of identity."""
        return await self.client.get("/balance", headers=self._bearer(who))

    async def chat(self, **who: Any) -> httpx2.Response:
        """Ask for something that needs none."""
        return await self.client.post("/chat", headers=self._bearer(who))

    async def prove(self, method: str = "default", answers: Any = None, **who: Any) -> httpx2.Response:
        """Answer a method, or begin it."""
        body = {"method": method} if answers is None else {"method": method, "answers": answers}
        return await self.client.post("/.authguard/verify", headers=self._bearer(who), json=body)

    async def pass_time(self, seconds: float, **who: Any) -> None:
        """Let time pass while the customer goes on chatting, so that their session does not idle."""
        while seconds > 0:
            self.clock.advance(min(seconds, STRIDE))
            seconds -= STRIDE
            await self.chat(**who)

    def _bearer(self, who: dict[str, Any]) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(**who)}"}


def told(answer: httpx2.Response) -> tuple[int, str, str]:
    """Tell an answer of the guard in three words: status, outcome (empty where it let pass) and what comes next."""
    body = answer.json()
    return answer.status_code, body.get("outcome", ""), body.get("next", {}).get("action", "")
