"""A body that takes long: what changed meanwhile counts, it takes a place of its account, and a server serves it."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from authguard import AuthGuard
from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.records.entries import DecisionEntry
from authguard.testing import DpopClient, FakeClock, Mint
from tests.asgi.shop import Shop
from tests.support.harness import POLICY
from tests.verification.server import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from starlette.requests import Request

REFUND = json.dumps({"amount": 12.5, "currency": "EUR"}).encode()
PATH = "/orders/7/refund"
#: seconds after which a test is given up
PATIENCE = 120


def headers(token: bytes, key: str = "k1") -> dict[str, str]:
    return {"Authorization": token.decode(), "Idempotency-Key": key, "Content-Type": "application/json"}


async def slowly(content: bytes, meanwhile: Callable[[], None]) -> AsyncIterator[bytes]:
    """Send a body in two parts, with something in between."""
    yield content[:5]
    meanwhile()
    yield content[5:]


async def test_a_token_that_expires_during_its_body_is_refused() -> None:
    shop = Shop()
    token = shop.desk.login()

    def later() -> None:
        shop.desk.clock.advance(30)
        shop.desk.check.known[token] = NotProven("expired", Reason.TOKEN_EXPIRED)

    async with shop.client() as client:
        answer = await client.post(PATH, content=slowly(REFUND, later), headers=headers(token))
    assert (answer.status_code, answer.json()["outcome"]) == (401, "challenge")
    assert shop.runs == []
    (record,) = shop.desk.sink.of(DecisionEntry)
    assert (record.reason, record.at) == ("token-expired", shop.desk.clock.now())  # type: ignore[union-attr]


async def test_an_account_that_is_locked_during_its_body_is_refused() -> None:
    shop = Shop()
    token = shop.desk.login()

    def later() -> None:
        shop.desk.clock.advance(30)
        locked = shop.desk.login(claims={"account_status": "locked"}, auth_time=1_800_000_000.0)
        shop.desk.check.known[token] = shop.desk.check.known[locked]

    async with shop.client() as client:
        answer = await client.post(PATH, content=slowly(REFUND, later), headers=headers(token))
    assert answer.status_code == 403
    assert shop.runs == []


async def test_a_quick_body_is_checked_once_and_a_slow_one_twice() -> None:
    shop = Shop()
    async with shop.client() as client:
        for number, seconds in enumerate((0.0, shop.desk.policy.budget.request, 60.0)):
            token = shop.desk.login(f"customer-{number}")
            before = shop.desk.check.checks
            body = slowly(REFUND, lambda seconds=seconds: shop.desk.clock.advance(seconds))  # type: ignore[misc]
            answer = await client.post(PATH, content=body, headers=headers(token))
            assert answer.status_code == 200, answer.text
            assert shop.desk.check.checks == before + 1  # the second time from the cache
    records = shop.desk.sink.of(DecisionEntry)
    assert records[-1].at == shop.desk.clock.now()


class Desk:
    """A real guard: signatures, proofs, SQLite; one operation with a body."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.clock = FakeClock()
        self.mint = Mint.create(self.clock)
        (folder / "keys.json").write_text(json.dumps(self.mint.jwks("ES256")), "utf-8")
        (folder / "policy.yaml").write_text(POLICY + more, "utf-8")
        self.sizes: list[int] = []
        self.guard = AuthGuard(
            Starlette(routes=[Route("/orders/{order_id}/refund", self._refund, methods=["POST"])]),
            folder / "policy.yaml",
            store=folder / "store.db",
            audit_log=folder / "audit.jsonl",
            clock=self.clock,
            environ={},
        )

    async def _refund(self, request: Request) -> JSONResponse:
        self.sizes.append(len(await request.body()))
        return JSONResponse({"refunded": True})

    def token(self, **claims: Any) -> str:
        """Mint a token of a customer who may be refunded."""
        return self.mint.mint(**{"scope": "chat refunds", "acr": "aal2", "account_status": "ok", **claims})


async def test_a_proof_of_possession_is_not_taken_for_a_replay_after_a_slow_body(tmp_path: Path) -> None:
    text = POLICY.replace("    keys: {file: keys.json}\n", "    keys: {file: keys.json}\n    sender_constraint: dpop\n")
    desk = Desk(tmp_path)
    (tmp_path / "policy.yaml").write_text(text, "utf-8")
    desk.guard = AuthGuard(
        desk.guard.app,
        tmp_path / "policy.yaml",
        store=tmp_path / "store.db",
        audit_log=tmp_path / "audit.jsonl",
        public_url="http://shop.test",
        clock=desk.clock,
        environ={},
    )
    holder = DpopClient.create(desk.clock)
    token = desk.token(cnf=holder.confirmation)
    given = {**holder.headers(token, "POST", f"http://shop.test{PATH}"), "Idempotency-Key": "k1"}
    body = slowly(REFUND, lambda: desk.clock.advance(90))
    transport = httpx2.ASGITransport(desk.guard)
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop.test") as client:
        answer = await client.post(PATH, content=body, headers={**given, "Content-Type": "application/json"})
        assert (answer.status_code, answer.json()) == (200, {"refunded": True})
        again = await client.post(PATH, content=REFUND, headers={**given, "Content-Type": "application/json"})
        assert again.status_code == 401, "the proof is used up all the same"
    await desk.guard.enforcer.close()


async def test_slow_bodies_for_the_guards_endpoints_take_places_too() -> None:
    shop = Shop(POLICY + "budget: {in_flight: 2}\n")
    token = shop.desk.login()
    held, release = anyio.Event(), anyio.Event()
    waiting = 0

    async def hanging() -> AsyncIterator[bytes]:
        nonlocal waiting
        yield b"{"
        waiting += 1
        if waiting == 2:
            held.set()
        await release.wait()
        yield b"}"

    async def verify(client: httpx2.AsyncClient, content: Any, of: bytes = token) -> httpx2.Response:
        return await client.post("/.authguard/verify", content=content, headers=headers(of))

    with anyio.fail_after(PATIENCE):
        async with shop.client() as client:
            slow = [asyncio.ensure_future(verify(client, hanging())) for _ in range(2)]
            await held.wait()
            refused = await verify(client, b"{}")
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            other = await verify(client, b"{}", shop.desk.login("bob"))
            assert other.status_code == 400
            release.set()
            assert {answer.status_code for answer in await asyncio.gather(*slow)} == {400}
            assert (await verify(client, b"{}")).status_code == 400


async def send(url: str, head: bytes, parts: list[tuple[float, bytes]]) -> bytes:
    """Send a request in parts over a socket, each after some real seconds; return the reply."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    reply = asyncio.ensure_future(reader.read())
    writer.write(head)
    for seconds, part in parts:
        await asyncio.wait([reply], timeout=seconds)
        if reply.done():
            break
        writer.write(part)
        await writer.drain()
    answer = await reply
    writer.close()
    return answer


@pytest.mark.integration
async def test_a_slow_phone_is_served_and_a_trickle_comes_to_an_end_at_a_real_server(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "budget: {request: 1s, body_idle_timeout: 2s, body_min_rate: 1KiB, body_timeout: 5m}\n")
    content = json.dumps({"amount": 12.5, "currency": "EUR", "note": "x" * 300_000}).encode()

    def head(key: str) -> bytes:
        lines = [
            f"POST {PATH} HTTP/1.1",
            "Host: shop.test",
            "Connection: close",
            f"Authorization: Bearer {desk.token()}",
            f"Idempotency-Key: {key}",
            "Content-Type: application/json",
            f"Content-Length: {len(content)}",
        ]
        return "\r\n".join([*lines, "", ""]).encode()

    step = len(content) // 30 + 1
    phone = [(0.1, content[start : start + step]) for start in range(0, len(content), step)]
    trickle = [(0.5, content[place : place + 1]) for place in range(200)]
    with anyio.fail_after(PATIENCE):
        async with serving(desk.guard) as url:
            served, ended = await asyncio.gather(send(url, head("phone"), phone), send(url, head("trickle"), trickle))
    assert served.startswith(b"HTTP/1.1 200"), served[:300]
    assert desk.sizes == [len(content)]
    assert ended.startswith(b"HTTP/1.1 408"), ended[:300]
    assert b"body-timeout" in ended
