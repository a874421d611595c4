"""An account directory over HTTP, with a real server on loopback: only a response that the policy describes counts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from authguard.core.deployment import AccountSource
from authguard.core.record_keys import account_key
from authguard.core.snapshot import Delegation
from authguard.directories.http import HttpLookup
from authguard.directories.resilience import ResilientDirectory
from authguard.errors import SettingsError
from authguard.ports import AccountStatus, Unreachable
from tests.support.harness import ISSUER, signed_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

JSON = "application/json"
NOW = 1_000_000.0


class Remote:
    """The directory server: records requests, and returns the test's responses."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[dict[str, str], Any]] = []
        self.answer: Response = Response(b'{"status": "frozen"}', media_type=JSON)
        self.answers: Iterator[Response] = iter(())

    async def serve(self, request: Request) -> Response:
        """Return the response."""
        self.asked.append((dict(request.headers), json.loads(await request.body())))
        return next(self.answers, self.answer)

    async def ask(self, environ: dict[str, str] | None = None, **declared: Any) -> object:
        """Call it once through the adapter."""
        source = AccountSource(name="http:crm", url=self.url, timeout=5.0, **declared)
        directory = ResilientDirectory(source, HttpLookup(source, environ=environ or {}))
        await directory.open()
        try:
            return await directory.ask(signed_in(at=NOW).principal, NOW)
        finally:
            await directory.close()


@pytest.fixture
async def remote() -> AsyncIterator[Remote]:
    made = Remote()
    app = Starlette(routes=[Route("/status", made.serve, methods=["POST"])])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.url = f"http://127.0.0.1:{listener.getsockname()[1]}/status"
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="critical", access_log=False))
        served = asyncio.create_task(server.serve(sockets=[listener]))
        yield made
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await served


async def test_a_status_is_asked_for_by_issuer_and_subject_and_nothing_else(remote: Remote) -> None:
    assert await remote.ask() == AccountStatus("frozen", NOW)
    headers, body = remote.asked[0]
    assert body == {"issuer": ISSUER, "subject": "alice"}
    assert "authorization" not in headers


async def test_the_answer_is_read_where_the_policy_says_and_as_of_when_it_was_true(remote: Remote) -> None:
    remote.answer = Response(b'{"account": {"state": "ok", "since": 999000}}', media_type=JSON)
    said = await remote.ask({"CRM": "word"}, status_at="/account/state", true_at="/account/since", bearer_env="CRM")
    assert said == AccountStatus("ok", 999_000.0)
    assert remote.asked[0][0]["authorization"] == "Bearer word"


async def test_what_is_true_from_tomorrow_on_is_true_from_now_on(remote: Remote) -> None:
    remote.answer = Response(b'{"status": "ok", "at": 2000000}', media_type=JSON)
    assert await remote.ask(true_at="/at") == AccountStatus("ok", NOW)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (Response(b'{"status": null}', media_type=JSON), "nonsense"),
        (Response(b'{"status": "' + b"x" * 300 + b'"}', media_type=JSON), "nonsense"),
        (Response(b'{"status": "ok", "status": "frozen"}', media_type=JSON), "nonsense"),
        (Response(b'{"status": "ok"', media_type=JSON), "nonsense"),
        (Response(b'{"stat": "ok"}', media_type=JSON), "nonsense"),
        (Response(b'{"status": "ok"}', media_type="text/html"), "nonsense"),
        (Response(b'{"status": "ok", "x": "' + b"x" * 70_000 + b'"}', media_type=JSON), "too-large"),
        (Response(b'{"status": "ok"}', 404, media_type=JSON), "refused"),
        (RedirectResponse("https://elsewhere.example/"), "refused"),
    ],
)
async def test_what_is_no_answer_is_unreachable_and_no_status(remote: Remote, answer: Response, cause: str) -> None:
    remote.answer = answer
    assert await remote.ask() == Unreachable(cause)
    assert len(remote.asked) == 1


@pytest.mark.parametrize(("headers", "requests"), [({}, 2), ({"Retry-After": "0"}, 2), ({"Retry-After": "86400"}, 1)])
async def test_an_outage_is_asked_about_once_more_unless_the_directory_wants_a_longer_pause(
    remote: Remote, headers: dict[str, str], requests: int
) -> None:
    remote.answer = Response(b'{"status": "ok"}', 503, headers, JSON)
    assert await remote.ask() == Unreachable("refused")
    assert len(remote.asked) == requests


async def test_an_outage_that_passes_is_none(remote: Remote) -> None:
    answers = [Response(b"", 503), Response(b'{"status": "ok"}', media_type=JSON)]
    remote.answers = iter(answers)
    assert await remote.ask() == AccountStatus("ok", NOW)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"true", "true"),
        (b"false", "false"),
        (b"1", "1"),
        (b"1.0", "1"),
        (b"-2", "-2"),
        (b"0.5", "0.5"),
        (b'"true"', "true"),
        (b'""', ""),
        (b'["ok"]', ""),
        (b"[]", ""),
        (b'{"code": "ok"}', ""),
    ],
)
async def test_a_boolean_or_a_number_is_a_status_and_a_list_or_an_object_is_an_empty_one(
    remote: Remote, raw: bytes, status: str
) -> None:
    remote.answer = Response(b'{"status": ' + raw + b"}", media_type=JSON)
    assert await remote.ask() == AccountStatus(status, NOW)


@pytest.mark.parametrize("when", [b"true", b'"999000"', b"null", b"-1", b"1e400", b"0"])
async def test_a_moment_that_is_none_makes_the_answer_nonsense(remote: Remote, when: bytes) -> None:
    remote.answer = Response(b'{"status": "ok", "at": ' + when + b"}", media_type=JSON)
    assert await remote.ask(true_at="/at") == Unreachable("nonsense")


async def test_a_directory_that_is_not_there_is_unreachable(remote: Remote) -> None:
    remote.url = "http://127.0.0.1:9/"
    assert await remote.ask() == Unreachable("error")


@pytest.mark.parametrize("url", ["http://crm.example/", "http://10.0.0.1/", "http://localhost.example/"])
def test_customers_are_not_told_of_without_tls(url: str) -> None:
    with pytest.raises(SettingsError, match="TLS"):
        HttpLookup(AccountSource(name="http:crm", url=url), environ={})


async def test_who_may_act_is_read_where_the_policy_says(remote: Remote) -> None:
    remote.answer = Response(
        b'{"status": "kid", "family": {"may_act": {"sub": "gus", "for": ["chat"]}}}', media_type=JSON
    )
    answer = await remote.ask(delegations_at="/family/may_act")
    assert answer == AccountStatus("kid", NOW, (Delegation(account_key(ISSUER, "gus"), ("chat",)),))
    assert await remote.ask() == AccountStatus("kid", NOW)
    assert await remote.ask(delegations_at="/nowhere") == AccountStatus("kid", NOW)


async def test_an_answer_whose_mandates_cannot_be_read_is_none(remote: Remote) -> None:
    remote.answer = Response(b'{"status": "kid", "may_act": {"sub": "gus"}}', media_type=JSON)
    assert await remote.ask(delegations_at="/may_act") == Unreachable("nonsense")
