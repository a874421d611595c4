"""A verification service over HTTP, with a real server on loopback: only a response that fits the policy counts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from authguard.core.deployment import Verifier
from authguard.core.verification import Doubted, Failed, Passed, Unavailable
from authguard.errors import SettingsError
from authguard.outbound.error import ServiceError
from authguard.ports import Question
from authguard.verification.http import HttpService

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

DECLARED = Verifier(name="otp", type="http", url="http://127.0.0.1:1/")
QUESTION = Question(
    issuer="https://issuer.test",
    subject="alice",
    session="00",
    attempt="a1",
    answers={"answer": "123456"},
    channel="web",
    at=0.0,
)
JSON = "application/json"


class Remote:
    """The service: it keeps what it was asked, and answers what the test says."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[dict[str, str], Any]] = []
        self.answer: Response = Response(b'{"score": 0.95}', media_type=JSON)

    async def serve(self, request: Request) -> Response:
        """Answer."""
        self.asked.append((dict(request.headers), json.loads(await request.body())))
        return self.answer

    async def ask(self, environ: dict[str, str] | None = None, **declared: Any) -> object:
        """Ask it once through the adapter."""
        service = HttpService(replace(DECLARED, **declared), self.url, environ=environ or {})
        await service.open()
        try:
            return await service.ask(QUESTION)
        finally:
            await service.close()


@pytest.fixture
async def remote() -> AsyncIterator[Remote]:
    made = Remote()
    app = Starlette(routes=[Route("/verify", made.serve, methods=["POST"])])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.url = f"http://127.0.0.1:{listener.getsockname()[1]}/verify"
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
        served = asyncio.create_task(server.serve(sockets=[listener]))
        yield made
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await served


async def test_the_usual_question_and_the_usual_answer(remote: Remote) -> None:
    assert await remote.ask() == 0.95
    headers, body = remote.asked[0]
    assert body == {
        "issuer": "https://issuer.test",
        "subject": "alice",
        "attempt": "a1",
        "channel": "web",
        "answers": {"answer": "123456"},
    }
    assert "authorization" not in headers


async def test_question_and_answer_are_shaped_by_the_policy(remote: Remote) -> None:
    remote.answer = Response(b'{"result": [{"status": "review"}]}', media_type="application/json; charset=utf-8")
    said = await remote.ask(
        {"OTP_TOKEN": "service-token"},
        request={"/user/id": "subject", "/code": "answers.answer", "/none": "answers.other"},
        answer_as="verdict",
        answer_at="/result/0/status",
        map={"ok": "passed", "no": "failed", "review": "doubted"},
        bearer_env="OTP_TOKEN",
    )
    assert said == Doubted(0.5)
    headers, body = remote.asked[0]
    assert body == {"user": {"id": "alice"}, "code": "123456", "none": ""}
    assert headers["authorization"] == "Bearer service-token"


@pytest.mark.parametrize(
    ("body", "how", "said"),
    [
        (b'{"ok": true}', {"answer_as": "passed", "answer_at": "/ok"}, Passed()),
        (b'{"ok": false}', {"answer_as": "passed", "answer_at": "/ok"}, Failed()),
        (
            b'{"s": "down"}',
            {"answer_as": "verdict", "answer_at": "/s", "map": {"down": "unavailable"}},
            Unavailable("refused"),
        ),
        (b"1", {"answer_at": ""}, 1.0),
        (b'{"s": 2}', {"answer_as": "verdict", "answer_at": "/s", "map": {"2": "failed", "0": "passed"}}, Failed()),
        (b'{"s": true}', {"answer_as": "verdict", "answer_at": "/s", "map": {"true": "passed"}}, Passed()),
    ],
)
async def test_other_answers_that_count(remote: Remote, body: bytes, how: dict[str, Any], said: object) -> None:
    remote.answer = Response(body, media_type=JSON)
    assert await remote.ask(**how) == said


@pytest.mark.parametrize(
    ("answer", "how", "cause"),
    [
        (Response(b'{"score": true}', media_type=JSON), {}, "nonsense"),
        (Response(b'{"score": "0.95"}', media_type=JSON), {}, "nonsense"),
        (Response(b'{"score": null}', media_type=JSON), {}, "nonsense"),
        (Response(b'{"score": NaN}', media_type=JSON), {}, "nonsense"),
        (Response(b'{"score": 0.1, "score": 0.95}', media_type=JSON), {}, "nonsense"),
        (Response(b'{"score": 0.95', media_type=JSON), {}, "nonsense"),
        (Response(b"[" * 40 + b"]" * 40, media_type=JSON), {}, "nonsense"),
        (Response(b"[" * 30_000 + b"]" * 30_000, media_type=JSON), {}, "nonsense"),
        (Response(b"\xff\xfe", media_type=JSON), {}, "nonsense"),
        (Response(b"", media_type=JSON), {}, "nonsense"),
        (Response(b'{"other": 0.95}', media_type=JSON), {}, "nonsense"),
        (Response(b'{"score": 0.95}', media_type="text/html"), {}, "nonsense"),
        (Response(b'{"score": 0.95}', media_type=JSON, headers={"content-encoding": "gzip"}), {}, "nonsense"),
        (Response(b'{"ok": 1}', media_type=JSON), {"answer_as": "passed", "answer_at": "/ok"}, "nonsense"),
        (
            Response(b'{"s": "maybe"}', media_type=JSON),
            {"answer_as": "verdict", "answer_at": "/s", "map": {"ok": "passed"}},
            "nonsense",
        ),
        (Response(b'{"score": 0.95, "x": "' + b"x" * 70_000 + b'"}', media_type=JSON), {}, "too-large"),
        (Response(b'{"score": 0.95}', 201, media_type=JSON), {}, "refused"),
        (Response(b'{"score": 0.95}', 401, media_type=JSON), {}, "refused"),
        (Response(b'{"score": 0.95}', 503, media_type=JSON), {}, "refused"),
        (RedirectResponse("https://elsewhere.example/"), {}, "refused"),
    ],
)
async def test_what_is_no_answer_never_passes(
    remote: Remote, answer: Response, how: dict[str, Any], cause: str
) -> None:
    remote.answer = answer
    with pytest.raises(ServiceError) as problem:
        await remote.ask(**how)
    assert problem.value.cause == cause
    assert len(remote.asked) == 1


async def test_a_service_that_is_not_there_is_an_error_that_may_pass(remote: Remote) -> None:
    remote.url = "http://127.0.0.1:9/"
    with pytest.raises(ServiceError) as problem:
        await remote.ask()
    assert (problem.value.cause, problem.value.retryable) == ("error", True)


async def test_a_token_that_is_not_set_is_told_at_the_start() -> None:
    with pytest.raises(SettingsError, match="OTP_TOKEN"):
        HttpService(replace(DECLARED, bearer_env="OTP_TOKEN"), DECLARED.url, environ={})


async def test_a_certificate_that_cannot_be_read_is_told_at_the_start(tmp_path: Any) -> None:
    with pytest.raises(SettingsError, match="certificate"):
        HttpService(
            replace(DECLARED, certificate=str(tmp_path / "a"), key=str(tmp_path / "b")), "https://a", environ={}
        )


async def test_a_second_answer_to_one_question_is_never_the_answer_to_the_next_which_is_about_somebody_else() -> None:
    def said(score: str) -> bytes:
        body = f'{{"score": {score}}}'
        return f"HTTP/1.1 200 OK\r\ncontent-type: {JSON}\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()

    gone: list[asyncio.Event] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone.append(left := asyncio.Event())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                who = json.loads(await reader.readexactly(length))["subject"]
                writer.write(said("0.1") + said("0.99") if who == "alice" else said("0.2"))
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        left.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    service = HttpService(DECLARED, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", environ={})
    await service.open()
    for subject, score in (("alice", 0.1), ("bob", 0.2), ("alice", 0.1), ("bob", 0.2)):
        assert await service.ask(replace(QUESTION, subject=subject)) == score
    await service.close()
    server.close()
    for left in gone:
        await left.wait()
