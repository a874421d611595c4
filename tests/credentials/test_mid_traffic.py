"""The identity provider is killed, restarted and rotates its keys under traffic, through the whole guard.

The provider is a separate process on loopback. A 401 for an outage is wrong, and so is a 503 if known keys are usable.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest

from authguard import AuthGuard
from authguard.testing import FakeClock, IdentityProvider
from tests.support.harness import POLICY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

STALE = 1_800.0
#: seconds of a token
LIFETIME = 3_000


async def _app(scope: Any, receive: Any, send: Any) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class Deployment:
    """A guard that discovers its keys at a real provider; the test sets the clock of both."""

    def __init__(self, folder: Path, idp: IdentityProvider) -> None:
        self.clock = FakeClock()
        self.idp = idp
        self.tick()
        policy = POLICY.replace("keys: {file: keys.json}", f"keys: discovery\n    stale_keys: {STALE:g}s")
        policy = policy.replace("https://issuer.test", idp.issuer).replace("[ES256]", "[ES256, RS256]")
        (folder / "policy.yaml").write_text(policy + "budget: {request: 5m}\n", "utf-8")
        self.guard = AuthGuard(
            _app, folder / "policy.yaml", store="memory", audit_log=folder / "log.jsonl", clock=self.clock, environ={}
        )
        self.transport = httpx2.ASGITransport(self.guard)

    def tick(self, seconds: float = 0.0) -> None:
        """Advance the clock of the guard, and of the provider if it runs."""
        self.clock.advance(seconds)
        if self.idp.pid is not None:
            self.idp.set_clock(at=self.clock.now())

    def tokens(self, number: int, **claims: Any) -> list[str]:
        """Mint tokens for this number of people."""
        given = {"scope": "chat", "acr": "aal2", "account_status": "ok", "lifetime": LIFETIME} | claims
        return [self.idp.sign_in(f"customer-{index}", **given).access_token for index in range(number)]

    async def chat(self, token: str) -> int:
        """Send one request, and return its status."""
        async with httpx2.AsyncClient(transport=self.transport, base_url="http://shop.test") as client:
            answer = await client.post("/chat", headers={"Authorization": f"Bearer {token}"})
        return answer.status_code

    async def all(self, tokens: Iterable[str]) -> Counter[int]:
        """Send requests with all tokens concurrently, and return their statuses."""
        found: Counter[int] = Counter()

        async def ask(token: str) -> None:
            found[await self.chat(token)] += 1

        async with anyio.create_task_group() as group:
            for token in tokens:
                group.start_soon(ask, token)
        return found


@pytest.fixture
def idp(unused_tcp_port: int) -> Iterator[IdentityProvider]:
    with IdentityProvider(port=unused_tcp_port) as provider:
        yield provider


@pytest.fixture
async def deployment(tmp_path: Path, idp: IdentityProvider) -> Any:
    deployment = Deployment(tmp_path, idp)
    yield deployment
    await deployment.guard.enforcer.close()


async def test_killing_the_provider_in_mid_traffic_drops_nothing_and_mis_answers_nothing(
    deployment: Deployment,
) -> None:
    warm, first_sight = deployment.tokens(20), iter(deployment.tokens(200, lifetime=3_500))
    assert await deployment.all(warm) == {200: 20}
    unseen = deployment.idp.rotate_keys("RS256") and deployment.tokens(1, alg="RS256")[0]
    served: Counter[int] = Counter()
    over = anyio.Event()

    async def traffic() -> None:
        for token in itertools.cycle(warm):
            served[await deployment.chat(token)] += 1
            served[await deployment.chat(next(first_sight, token))] += 1
            await anyio.lowlevel.checkpoint()  # a request with a cached token never suspends
            if over.is_set():
                return

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(traffic)
        await _until(lambda: served[200] > 50)
        await anyio.to_thread.run_sync(deployment.idp.stop)
        for _ in range(7):  # keys become due and stale, and fetches fail
            before = served[200]
            deployment.clock.advance(100)
            await _until(lambda before=before: served[200] > before + 20)  # type: ignore[misc]
        over.set()
    assert set(served) == {200}
    # an unknown key: an outage, not a forgery
    assert await deployment.chat(unseen) == 503
    deployment.clock.advance(STALE)
    assert await deployment.all(warm[:3]) == {503: 3}
    deployment.clock.advance(LIFETIME)
    # that a token has expired which was verified before is known without keys
    assert await deployment.all([*warm[:3], *warm[:3]]) == {401: 6}


async def test_a_provider_that_comes_back_with_other_keys_serves_at_once_and_its_old_ones_are_gone(
    deployment: Deployment,
) -> None:
    (old,) = deployment.tokens(1)
    assert await deployment.chat(old) == 200
    await anyio.to_thread.run_sync(deployment.idp.stop)
    deployment.clock.advance(300)
    assert await deployment.chat(old) == 200
    await anyio.to_thread.run_sync(deployment.idp.start)
    deployment.tick(3)
    (new,) = deployment.tokens(1)
    assert await deployment.chat(new) == 200
    assert await deployment.chat(old) == 401


async def test_rotation_under_five_hundred_first_sights_makes_one_fetch_and_loses_none(deployment: Deployment) -> None:
    assert await deployment.all(deployment.tokens(1)) == {200: 1}
    for overlap in (True, False):
        deployment.idp.rotate_keys("ES256", overlap=overlap)
        deployment.tick(1)
        new = deployment.tokens(500)
        asked = deployment.idp.requests()["/jwks"]
        assert await deployment.all(new) == {200: 500}
        assert deployment.idp.requests()["/jwks"] == asked + 1


async def test_rotation_in_mid_traffic_refuses_nobody_whose_key_is_published(deployment: Deployment) -> None:
    statuses: Counter[int] = Counter()
    for _ in range(6):
        live = deployment.tokens(5)
        statuses += await deployment.all(live)
        deployment.idp.rotate_keys("ES256")
        deployment.tick(20)
        statuses += await deployment.all([*live, *deployment.tokens(5)])
    assert statuses == {200: 90}


async def _until(happened: Callable[[], bool]) -> None:
    with anyio.fail_after(600):
        while not happened():
            await anyio.lowlevel.checkpoint()
