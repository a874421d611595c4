"""The scope that the guard shares with the app and with the middleware outside: no request gets what is another's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import httpx2
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from authguard.asgi.guard import current_guard
from authguard.asgi.middleware import GuardMiddleware
from authguard.records.entries import DecisionEntry
from tests.support.harness import POLICY, EnforcerHarness

if TYPE_CHECKING:
    from starlette.requests import Request

PREFIX = "/.authguard"
BY_HEADER = (
    "channels: {from: {header: X-Channel, secret_header: X-Channel-Secret, secret_env: CHANNEL_SECRET},"
    " trusts: {web: [web]}}\n"
)


class Outside:
    """A middleware outside the guard; it may bring a state that all its requests share."""

    def __init__(self, app: Any, shared: dict[str, Any] | None = None) -> None:
        self.app = app
        self.shared = shared
        self.scopes: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self.shared is not None:
            scope["state"] = self.shared
        self.scopes.append(scope)
        await self.app(scope, receive, send)


def client_of(app: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://shop.test")


def bearer(token: bytes, **headers: str) -> dict[str, str]:
    return {"Authorization": token.decode(), **headers}


async def test_requests_that_share_a_state_get_their_own_guard() -> None:
    desk = EnforcerHarness()
    both_run = anyio.Event()
    running = 0

    async def chat(request: Request) -> JSONResponse:
        nonlocal running
        first = current_guard(request).subject
        running += 1
        if running == 2:
            both_run.set()
        await both_run.wait()
        return JSONResponse([first, current_guard(request).subject, request.user.identity, request.state.shared])

    app = Starlette(routes=[Route("/chat", chat, methods=["POST"])])
    outside = Outside(GuardMiddleware(app, desk.enforcer, prefix=PREFIX), {"shared": "by all"})
    seen: dict[str, Any] = {}
    with anyio.fail_after(60):
        async with client_of(outside) as client, anyio.create_task_group() as group:

            async def ask(subject: str) -> None:
                answer = await client.post("/chat", headers=bearer(desk.login(subject)))
                seen[subject] = answer.json()

            for subject in ("alice", "bob"):
                group.start_soon(ask, subject)
    for subject in ("alice", "bob"):
        assert seen[subject][:2] == [subject, subject]
        assert seen[subject][2].endswith(f":{subject}")


async def test_a_guard_within_a_guard_is_the_one_that_its_app_gets() -> None:
    desk, inner_desk = EnforcerHarness(), EnforcerHarness()
    for _ in range(100):
        inner_desk.ids.record(0.0)  # the two guards share no id

    async def chat(request: Request) -> JSONResponse:
        return JSONResponse([current_guard(request).record_id, request.state.outer])

    inner = GuardMiddleware(
        Starlette(routes=[Route("/chat", chat, methods=["POST"])]), inner_desk.enforcer, prefix=PREFIX
    )
    token = desk.login()
    inner_desk.check.known.update(desk.check.known)
    outside = Outside(GuardMiddleware(inner, desk.enforcer, prefix=PREFIX), {"outer": "seen"})
    async with client_of(outside) as client:
        record, outer = (await client.post("/chat", headers=bearer(token))).json()
    assert outer == "seen"
    assert record in {entry.id for entry in inner_desk.sink.entries}
    assert record not in {entry.id for entry in desk.sink.entries}


async def test_a_refused_request_leaves_the_scope_as_it_was() -> None:
    outside = Outside(GuardMiddleware(Starlette(), EnforcerHarness().enforcer, prefix=PREFIX), {"kept": 1})
    async with client_of(outside) as client:
        assert (await client.post("/chat", headers={"Authguard-Anything": "x"})).status_code == 401
        assert (await client.get("/nowhere")).status_code == 401
    for scope in outside.scopes:
        assert scope["state"] == {"kept": 1}
        assert not scope.keys() & {"user", "auth"}
    assert b"authguard-anything" in dict(outside.scopes[0]["headers"])


async def test_what_the_app_must_not_see_is_gone_for_middleware_outside_too() -> None:
    desk = EnforcerHarness(POLICY + BY_HEADER, channel_secrets=(b"s3cret" * 8,))

    async def chat(request: Request) -> JSONResponse:
        return JSONResponse(sorted(name for name in request.headers if name.startswith(("x-", "authguard"))))

    app = Starlette(routes=[Route("/chat", chat, methods=["POST"])])
    outside = Outside(GuardMiddleware(app, desk.enforcer, prefix=PREFIX))
    sent = {"X-Channel": "web", "X-Channel-Secret": "s3cret" * 8, "Authguard-Anything": "x", "X-Other": "y"}
    async with client_of(outside) as client:
        answer = await client.post("/chat", headers=bearer(desk.login(), **sent))
    assert answer.json() == ["x-channel", "x-other"]
    names = [name for name, _ in outside.scopes[0]["headers"] if name.startswith((b"x-", b"authguard"))]
    assert sorted(names) == [b"x-channel", b"x-other"]


async def test_a_middleware_that_calls_the_guard_again_with_the_same_scope_gets_a_second_decision() -> None:
    desk = EnforcerHarness()
    seen: list[str] = []

    async def chat(request: Request) -> JSONResponse:
        seen.append(current_guard(request).record_id)
        assert request.scope["state"]["authguard"].record_id == seen[-1]
        return JSONResponse({}, 503 if len(seen) == 1 else 200)

    guarded = GuardMiddleware(Starlette(routes=[Route("/chat", chat, methods=["POST"])]), desk.enforcer, prefix=PREFIX)

    async def retrying(scope: Any, receive: Any, send: Any) -> None:
        async def ignore(message: Any) -> None:
            del message

        await guarded(scope, receive, ignore)
        await guarded(scope, receive, send)

    async with client_of(retrying) as client:
        assert (await client.post("/chat", headers=bearer(desk.login()))).status_code == 200
    assert len(set(seen)) == 2
    assert seen == [entry.id for entry in desk.sink.of(DecisionEntry)]
