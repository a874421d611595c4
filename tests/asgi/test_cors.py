"""`cors` in the policy: no code of the app runs for a pre-flight request, and the allowed pages can read refusals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from authguard import AuthGuard, PolicyError
from authguard.asgi.cors import EXPOSED_HEADERS
from authguard.core.cors import ALLOWED_HEADERS
from authguard.testing import FakeClock, Mint
from tests.support.harness import POLICY

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

SHOP = "https://shop.test"


class House:
    """A guarded app that records its requests, under the policy and further lines."""

    def __init__(self, folder: Path, more: str) -> None:
        clock = FakeClock()
        self.mint = Mint.create(clock)
        self.ran: list[str] = []
        (folder / "keys.json").write_text(json.dumps(self.mint.jwks("ES256")), "utf-8")
        (folder / "policy.yaml").write_text(POLICY + more, "utf-8")
        app = Starlette(routes=[Route("/chat", self._chat, methods=["POST", "OPTIONS"])])
        self.guard = AuthGuard(
            app, folder / "policy.yaml", store="memory", audit_log=folder / "log.jsonl", clock=clock, environ={}
        )

    async def _chat(self, request: Request) -> JSONResponse:
        self.ran.append(request.method)
        return JSONResponse({"ok": True}, headers={"X-Turn": "7"})

    def client(self) -> httpx2.AsyncClient:
        """Return a client of the guarded app."""
        return httpx2.AsyncClient(transport=httpx2.ASGITransport(self.guard), base_url="http://a.test")

    def signed_in(self) -> dict[str, str]:
        """Return the header of a customer with a normal account."""
        token = self.mint.mint(scope="chat", acr="aal2", account_status="ok")
        return {"Authorization": f"Bearer {token}"}


def preflight(origin: str, headers: str = "authorization,content-type", method: str = "POST") -> dict[str, str]:
    """Return the headers of a browser's pre-flight request for a page of that origin."""
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }


async def test_a_preflight_is_answered_outside_of_the_app_for_the_origins_that_are_named(tmp_path: Path) -> None:
    house = House(tmp_path, f"cors: {{allow_origins: ['{SHOP}'], allow_methods: [POST], max_age: 60}}\n")
    async with house.client() as client:
        let = await client.options("/chat", headers=preflight(SHOP))
        other = await client.options("/chat", headers=preflight("https://evil.test"))
        method = await client.options("/chat", headers=preflight(SHOP, method="DELETE"))
        odd = await client.options("/chat", headers=preflight(SHOP, headers="x-odd"))
    assert (let.status_code, let.headers["access-control-allow-origin"]) == (200, SHOP)
    assert let.headers["access-control-max-age"] == "60"
    assert set(ALLOWED_HEADERS) <= set(let.headers["access-control-allow-headers"].split(", "))
    assert [other.status_code, method.status_code, odd.status_code] == [400, 400, 400]
    assert "access-control-allow-origin" not in other.headers
    assert not house.ran


async def test_a_refusal_and_an_answer_of_the_app_can_be_read_by_the_page(tmp_path: Path) -> None:
    house = House(tmp_path, f"cors: {{allow_origins: ['{SHOP}'], allow_methods: [POST], expose_headers: [X-Turn]}}\n")
    async with house.client() as client:
        refused = await client.post("/chat", headers={"Origin": SHOP})
        answered = await client.post("/chat", headers={"Origin": SHOP} | house.signed_in())
        stranger = await client.post("/chat", headers={"Origin": "https://evil.test"})
    assert [refused.status_code, answered.status_code, stranger.status_code] == [401, 200, 401]
    for answer in (refused, answered):
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert answer.headers["access-control-expose-headers"].split(", ") == [*EXPOSED_HEADERS, "X-Turn"]
    assert "access-control-allow-origin" not in stranger.headers
    assert house.ran == ["POST"]


async def test_without_the_key_an_options_is_decided_and_no_cors_header_is_sent(tmp_path: Path) -> None:
    house = House(tmp_path, "")
    async with house.client() as client:
        answer = await client.options("/chat", headers=preflight(SHOP))
    assert answer.status_code == 404
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert not house.ran


async def test_an_options_that_is_no_preflight_is_decided_although_cors_is_declared(tmp_path: Path) -> None:
    house = House(tmp_path, f"cors: {{allow_origins: ['{SHOP}']}}\n")
    async with house.client() as client:
        plain = await client.options("/chat")
        half = await client.options("/chat", headers={"Origin": SHOP})
        other_half = await client.options("/chat", headers={"Access-Control-Request-Method": "POST"})
    assert [plain.status_code, half.status_code, other_half.status_code] == [404, 404, 404]
    assert not house.ran


@pytest.mark.parametrize(
    ("cors", "code"),
    [
        ("{allow_origins: ['*'], allow_credentials: true}", "cors-open"),
        ("{allow_origin_regex: '.*', allow_credentials: true}", "cors-open"),
        ("{allow_origin_regex: 'https://.*', allow_credentials: true}", "cors-open"),
        (f"{{allow_origins: ['{SHOP}'], allow_headers: ['*'], allow_credentials: true}}", "cors-open"),
        (f"{{allow_origins: ['{SHOP}'], allow_methods: ['*'], allow_credentials: true}}", "cors-open"),
        ("{allow_methods: [POST]}", "cors-origin"),
        ("{allow_origin_regex: '('}", "cors-origin"),
        ("{allow_origins: ['null']}", "malformed-value"),
        ("{allow_origins: ['https://shop.test/']}", "malformed-value"),
        ("{allow_origins: ['shop.test']}", "malformed-value"),
        ("{allow_private_network: true}", "unknown-key"),
    ],
)
def test_what_lets_any_page_in_is_refused_when_the_guard_is_built(tmp_path: Path, cors: str, code: str) -> None:
    with pytest.raises(PolicyError) as refused:
        House(tmp_path, f"cors: {cors}\n")
    assert [problem.code for problem in refused.value.problems if problem.severity == "error"] == [code]


@pytest.mark.parametrize(
    "cors", ["{allow_origins: ['*'], allow_methods: ['*'], allow_headers: ['*']}", "{allow_origin_regex: '.*'}"]
)
def test_any_origin_without_credentials_may_be_said(tmp_path: Path, cors: str) -> None:
    House(tmp_path, f"cors: {cors}\n")
