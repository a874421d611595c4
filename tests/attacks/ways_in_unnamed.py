"""Attacks by a route that the policy does not name, where the policy says nothing of such routes."""

from __future__ import annotations

import asyncio
import warnings

from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request  # noqa: TC002 - FastAPI reads annotations when it runs
from starlette.responses import JSONResponse
from starlette.routing import Host, Mount, Route

from tests.attacks.harness import Site, ask, attack
from tests.attacks.harness_ways import BODY, SILENT, plain_app, records


async def _pay(_: Request) -> JSONResponse:
    return JSONResponse({"paid": True})


@attack(13)
def an_unnamed_route_is_open_by_default(site: Site) -> None:
    """Ask for a route that was added in a hurry, under a policy that says nothing of such routes."""
    site.policy(SILENT)
    ran: list[str] = []

    async def send_all() -> list[int]:
        guard = site.guard(plain_app(ran))
        token = site.token()
        await ask(guard, "GET", "/healthz")
        ran.clear()
        asked = [("GET", "/export"), ("PUT", "/pay"), ("OPTIONS", "/pay"), ("POST", "//pay"), ("POST", "/PAY")]
        return [(await ask(guard, method, path, token, body=BODY)).status for method, path in asked]

    statuses = asyncio.run(send_all())
    assert not ran, f"`{ran[0]}` ran, although nobody named it"
    assert statuses == [404] * 5, f"the answers are {statuses}"
    assert records(site, "operation-unnamed") == len(statuses), "a refusal is not recorded"


@attack(13)
def a_route_is_moved_out_of_the_policy_by_a_router(site: Site) -> None:
    """Pay by a route that `include_router(prefix=...)`, `root_path` or a mount moved away from its name."""
    site.policy(SILENT)
    router = APIRouter()
    router.add_api_route("/pay", _pay, methods=["POST"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer FastAPI warns of `root_path`, and still takes it off
        included, rooted = FastAPI(), FastAPI(root_path="/api")
    included.include_router(router, prefix="/v1")
    rooted.include_router(router)
    routes = [Route("/pay", _pay, methods=["POST"])]
    mounted = Starlette(routes=[Mount("/shop", routes=routes), Host("pay.test", Starlette(routes=routes))])
    for app, path in ((included, "/v1/pay"), (rooted, "/api/pay"), (mounted, "/shop/pay")):
        answer = asyncio.run(ask(site.guard(app), "POST", path, site.token(), body=BODY))
        assert answer.status != 200, f"`POST {path}` paid"
        assert answer.status == 404, f"the answer to `POST {path}` is {answer.status}"


@attack(13)
def a_refusal_of_the_unnamed_waits_for_the_credential(site: Site) -> None:
    """Ask for what nobody named with a token that has to be fetched for: the answer may not depend on it."""
    site.policy(SILENT.replace("keys: {file: keys.json}", "keys: {jwks_uri: 'https://127.0.0.1:9/keys'}"))
    ran: list[str] = []

    async def send_all() -> list[bytes]:
        guard = site.guard(plain_app(ran))
        tokens = ("", site.token(), "x" * 50)
        return [(await ask(guard, "GET", "/export", token)).body for token in tokens]

    bodies = asyncio.run(send_all())
    assert all(b"operation-unnamed" in body for body in bodies), f"the answer depends on the credential: {bodies[1]!r}"


@attack(13)
def an_unnamed_handshake_is_accepted_by_default(site: Site) -> None:
    """Open a WebSocket that the policy does not name."""
    site.policy(SILENT)
    ran: list[str] = []
    guard = site.guard(plain_app(ran))
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, str]) -> None:
        sent.append(message["type"])

    token = site.token().encode()
    scope = {
        "type": "websocket",
        "path": "/talk",
        "raw_path": b"/talk",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"authorization", b"Bearer " + token)],
        "client": ("192.0.2.7", 4711),
        "subprotocols": [],
        "state": {},
    }
    asyncio.run(guard(scope, receive, send))
    assert not ran, "the handshake reached the app"
    assert records(site, "operation-unnamed") == 1, "the refusal is not recorded"


@attack(13)
def a_moved_route_passes_the_check_of_the_app(site: Site) -> None:
    """Deploy an app whose router moved a named route away: the check in CI has to fail, and say what to type."""
    site.policy(SILENT)
    (site.folder / "moved.py").write_text(
        "from fastapi import APIRouter, FastAPI\n\nrouter = APIRouter()\n\n\n@router.post('/pay')\n"
        "async def pay(): ...\n\n\napp = FastAPI(openapi_url=None)\napp.include_router(router, prefix='/v1')\n",
        "utf-8",
    )
    done = site.command("policy", "check", "policy.yaml", "--app", "moved:app")
    assert done.code == 3, f"the check ends with {done.code}"
    assert "path: '/v1/pay'" in done.out, "it does not say what to type"
