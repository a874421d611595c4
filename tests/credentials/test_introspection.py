"""Introspection requests are shared by concurrent callers, bounded in number and time, and suspended in an outage."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import anyio
import httpx2
import pytest

from authguard.credentials import introspection as module
from authguard.credentials.introspection import IntrospectionLimits, Introspector
from authguard.credentials.introspection_client import (
    UNCLEAR,
    UNREACHABLE,
    IntrospectionEndpoint,
    IntrospectionResult,
    TokenStatus,
)

NOW = 1_800_000_000.0
ENDPOINT = IntrospectionEndpoint("https://idp.test/introspect", "Basic x")


class Server:
    """An issuer behind a scripted transport.

    Attributes:
        answer: the response, or the exception to raise.
        asked: number of requests.
        most: highest number of concurrent requests.
        gate: if set, responses wait for it.
    """

    def __init__(self) -> None:
        self.answer: Any = {"active": True}
        self.asked = self.most = self.now = 0
        self.gate: anyio.Event | None = None

    async def respond(self, _: httpx2.Request) -> httpx2.Response:
        self.asked += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            if self.gate is not None:
                await self.gate.wait()
            if isinstance(self.answer, Exception):
                raise self.answer
            return httpx2.Response(200, json=self.answer)
        finally:
            self.now -= 1


@pytest.fixture
def server() -> Server:
    return Server()


def introspector(server: Server, cache: float = 30.0, **limits: Any) -> Introspector:
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(server.respond))
    made = Introspector(cache, client, IntrospectionLimits(**limits))
    made.open(ENDPOINT)
    return made


async def introspect(of: Introspector, name: str = "token", now: float = NOW) -> IntrospectionResult:
    return await of.introspect(name.encode(), sha256(name.encode()).digest(), now)


async def ask_at_once(of: Introspector, names: list[str]) -> list[IntrospectionResult]:
    found: list[IntrospectionResult] = []

    async def one(name: str) -> None:
        found.append(await introspect(of, name))

    async with anyio.create_task_group() as tasks:
        for name in names:
            tasks.start_soon(one, name)
    return found


async def test_of_100_who_ask_about_one_token_one_is_sent(server: Server) -> None:
    of = introspector(server)
    assert await ask_at_once(of, ["token"] * 100) == [{}] * 100
    assert server.asked == 1


async def test_who_gives_up_cancels_nothing_for_the_others(server: Server) -> None:
    of, server.gate = introspector(server), anyio.Event()
    found: list[IntrospectionResult] = []

    async def patient() -> None:
        found.append(await introspect(of))

    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as hasty:
            tasks.start_soon(patient)
            hasty.cancel()
            await introspect(of)
        server.gate.set()
    assert found == [{}]
    assert server.asked == 1


async def test_no_more_questions_are_on_their_way_than_the_manners_say(server: Server) -> None:
    of = introspector(server, max_concurrency=4)
    found = await ask_at_once(of, [str(number) for number in range(40)])
    assert found == [{}] * 40
    assert server.most <= 4


async def test_too_many_who_wait_are_told_at_once(server: Server) -> None:
    of, server.gate = introspector(server, max_pending=8, timeout=30.0), anyio.Event()
    found: list[IntrospectionResult] = []

    async def one(number: int) -> None:
        found.append(await introspect(of, str(number)))

    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(one, number)
        await anyio.wait_all_tasks_blocked()
        assert found == [UNREACHABLE] * 42
        server.gate.set()
    assert len(found) == 50
    assert server.asked == 8


async def test_an_issuer_that_hangs_costs_a_bounded_wait(server: Server) -> None:
    of, server.gate = introspector(server, timeout=0.02), anyio.Event()
    assert [await introspect(of, name) for name in "abcdef"] == [UNREACHABLE] * 6
    assert server.asked == 3  # no request is sent then
    assert len(of._calls) == 0


async def test_an_issuer_is_left_alone_after_failures_and_asked_once_when_the_rest_is_over(server: Server) -> None:
    of, server.answer = introspector(server), httpx2.ConnectError("down")
    for _ in range(10):
        assert await introspect(of) is UNREACHABLE
    assert server.asked == 6  # each of three requests is repeated once
    assert await ask_at_once(of, ["a", "b", "c"]) == [UNREACHABLE] * 3
    assert server.asked == 6
    for _ in range(5):
        assert await introspect(of, now=NOW + 5.0) is UNREACHABLE
    assert server.asked == 8
    server.answer = {"active": True}
    assert await introspect(of, now=NOW + 10.0) == {}
    assert await introspect(of, "other", now=NOW + 10.0) == {}


async def test_a_token_at_which_the_server_stumbles_does_not_shut_out_the_others(server: Server) -> None:
    of, server.answer = introspector(server), {"active": "what?"}
    for number in range(10):
        await introspect(of, str(number))
    server.answer = {"active": True}
    assert await introspect(of) == {}


async def test_a_turn_that_did_not_come_says_nothing_of_the_issuer(server: Server) -> None:
    # on a busy machine some start so late that they time out at once; only eight failures would open the breaker
    of, server.gate = introspector(server, max_concurrency=1, timeout=0.05, failure_threshold=8), anyio.Event()
    assert await ask_at_once(of, list("abcdefgh")) == [UNREACHABLE] * 8
    server.gate = None
    assert await introspect(of) == {}


async def test_a_clock_that_steps_back_ends_a_rest(server: Server) -> None:
    of, server.answer = introspector(server), httpx2.ConnectError("down")
    for _ in range(3):
        await introspect(of)
    server.answer = {"active": True}
    assert await introspect(of, now=NOW - 3_600.0) == {}


async def test_what_is_not_active_is_remembered_for_the_caches_time_and_no_longer(server: Server) -> None:
    of, server.answer = introspector(server), {"active": False}
    digest = sha256(b"token").digest()
    assert not of.is_known_inactive(digest, NOW)
    assert await introspect(of) is TokenStatus.INACTIVE
    assert of.is_known_inactive(digest, NOW)
    assert of.is_known_inactive(digest, NOW + 29.9)
    assert not of.is_known_inactive(digest, NOW + 30.0)
    assert not of.is_known_inactive(digest, NOW)  # the entry is expired then


async def test_nothing_is_remembered_where_the_policy_wants_no_cache(server: Server) -> None:
    of, server.answer = introspector(server, cache=0.0), {"active": False}
    await introspect(of)
    assert not of.is_known_inactive(sha256(b"token").digest(), NOW)


async def test_a_flood_of_inactive_tokens_is_bounded(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_INACTIVE_TOKENS", 16)
    of, server.answer = introspector(server), {"active": False}
    for number in range(64):
        await introspect(of, str(number))
    assert len(of._inactive) == 16
    assert of.is_known_inactive(sha256(b"63").digest(), NOW)
    assert not of.is_known_inactive(sha256(b"0").digest(), NOW)


async def test_closing_calls_back_what_is_on_its_way(server: Server) -> None:
    of, server.gate = introspector(server, timeout=30.0), anyio.Event()
    found: list[IntrospectionResult] = []

    async def one() -> None:
        found.append(await introspect(of))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        await anyio.wait_all_tasks_blocked()
        await of.close()
    assert found == [UNREACHABLE]


def test_it_works_under_another_event_loop_and_under_trio(server: Server) -> None:
    of = introspector(server)

    async def twice() -> None:
        assert await ask_at_once(of, ["a", "b"]) == [{}, {}]

    anyio.run(twice)
    anyio.run(twice)
    anyio.run(twice, backend="trio")


class Outages:
    """Responds with each of the statuses and its `Retry-After`, then that the token is active."""

    def __init__(self, *script: tuple[int, str]) -> None:
        self.script, self.asked = list(script), 0

    async def respond(self, _: httpx2.Request) -> httpx2.Response:
        self.asked += 1
        if not self.script:
            return httpx2.Response(200, json={"active": True})
        status, retry_after = self.script.pop(0)
        return httpx2.Response(status, headers={"Retry-After": retry_after} if retry_after else {})


@pytest.mark.parametrize(
    ("script", "result", "asked"),
    [
        ([(503, "")], {}, 2),
        ([(429, "0")], {}, 2),
        ([(429, "86400")], UNREACHABLE, 1),
        ([(503, ""), (503, "")], UNREACHABLE, 2),
        ([(401, "")], UNCLEAR, 1),
        ([(404, "")], UNCLEAR, 1),
        ([(302, "")], UNCLEAR, 1),
        ([(500, "")], UNCLEAR, 1),
    ],
)
async def test_an_outage_is_repeated_once_within_the_deadline_and_a_misconfiguration_never(
    script: list[tuple[int, str]], result: IntrospectionResult, asked: int
) -> None:
    server = Outages(*script)
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(server.respond))
    of = Introspector(30.0, client)
    of.open(ENDPOINT)
    assert await introspect(of) == result
    assert server.asked == asked


@pytest.mark.parametrize(
    ("script", "told", "asked"),
    [
        ([(401, "")], [("check `client_id` and the secret", False)], 1),
        ([(404, "")], [("check `url`", False)], 1),
        ([(503, ""), (503, "")], [("no usable response", True)], 2),
        ([(503, "")], [("calls a made-up token active", False)], 2),
    ],
)
async def test_at_the_start_a_misconfiguration_or_an_outage_is_told_in_the_background(
    script: list[tuple[int, str]], told: list[tuple[str, bool]], asked: int
) -> None:
    server, found = Outages(*script), list[tuple[str, bool]]()
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(server.respond))
    of = Introspector(30.0, client)
    of.prefetch(lambda message, is_outage: found.append((message, is_outage)))
    assert len(of._checks) == 0, "nothing is sent before there is an endpoint"
    of.open(ENDPOINT)
    of.prefetch(lambda message, is_outage: found.append((message, is_outage)))
    check = of._checks.find("endpoint")
    assert check is not None
    await check.wait()
    assert [(words in message, is_outage) for (message, is_outage), (words, _) in zip(found, told, strict=True)] == [
        (True, is_outage) for _, is_outage in told
    ]
    assert server.asked == asked
    assert not of._breaker._failure_count


async def test_a_check_at_the_start_is_cancelled_on_close_and_says_nothing(server: Server) -> None:
    of, server.gate, found = introspector(server), anyio.Event(), list[object]()
    of.prefetch(lambda *said: found.append(said))
    await anyio.wait_all_tasks_blocked()
    await of.close()
    assert (found, len(of._checks)) == ([], 0)
