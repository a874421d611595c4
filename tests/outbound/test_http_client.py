"""What goes out over HTTP: one place makes the clients, and every request is bounded, whatever a real server does."""

from __future__ import annotations

import gzip
import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import anyio
import httpx2
import pytest

import authguard
from authguard.outbound import http_client
from authguard.outbound.error import ServiceError
from authguard.outbound.http_client import (
    HttpClient,
    HttpResponse,
    create_blocking_client,
    shown,
)
from tests.outbound.raw_server import RawServer, cut, hang, reply, trickle

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

SOURCE = Path(authguard.__file__).parent
#: what makes a client, or sends without one
MAKES = re.compile(
    r"\b(?:httpx2?\.(?:Client|AsyncClient|get|post|put|request|stream|create_ssl_context)\(|urllib\.request|"
    r"http\.client|urlopen|\bimport requests\b|smtplib|aiohttp)"
)


def test_one_module_makes_the_clients() -> None:
    found = [str(path) for path in SOURCE.rglob("*.py") if MAKES.search(path.read_text("utf-8"))]
    assert found == [str(SOURCE / "outbound/http_client.py")]


@pytest.fixture(autouse=True)
def proxied(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", "AUTHGUARD_PROXIES"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.delenv(name.lower(), raising=False)


def _proxied(client: object, url: str) -> bool:
    """Whether a client would send this through a proxy."""
    assert isinstance(client, httpx2.Client | httpx2.AsyncClient)
    transport: Any = client._transport_for_url(httpx2.URL(url))
    return "Proxy" in type(transport._pool).__name__


@pytest.mark.parametrize(
    "make", [lambda: create_blocking_client(verify=False), lambda: HttpClient(verify=False)._create()]
)
def test_no_proxy_of_the_environment_is_taken(make: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    client = make()
    assert not _proxied(client, "https://idp.example/keys")
    assert not _proxied(client, "http://127.0.0.1:1/keys")
    monkeypatch.setenv("AUTHGUARD_PROXIES", "environment")
    told = make()
    assert _proxied(told, "https://idp.example/keys")
    assert not _proxied(told, "http://127.0.0.1:1/keys")


def _send(run: Callable[..., Any], url: str, seconds: float = 60.0, **arguments: Any) -> Any:
    """Send one request with the own client; return the response, or the error."""
    given: dict[str, Any] = {"headers": {"X-Test": "1"}, "max_bytes": 1_000} | arguments

    async def scene() -> object:
        async with HttpClient(verify=False) as client:
            with anyio.move_on_after(seconds):
                try:
                    return await client.send("POST", url, content=b"body", **given)
                except ServiceError as error:
                    return error
        return "still waiting"

    return run(scene)


def test_a_response_has_its_status_its_headers_and_its_body(run: Callable[..., Any]) -> None:
    with RawServer(reply(b'{"a": 1}', "200 OK", "X-A: b")) as server:
        response = _send(run, server.url)
        assert (response.status, response.headers["x-a"], response.body) == (200, "b", b'{"a": 1}')
        assert (response.media_type, response.is_success) == ("application/json", True)
        request = server.requests[0].lower()
    assert request.endswith(b"\r\n\r\nbody")
    for line in (b"x-test: 1", b"accept-encoding: identity", b"connection: close"):
        assert line in request.split(b"\r\n")


@pytest.mark.parametrize(
    ("said", "arguments"),
    [
        (reply(b"x", "404 Not Found"), {}),
        (reply(b"x", "302 Found", "Location: http://127.0.0.1:9/"), {}),
        (reply(b"x"), {"max_bytes": 0}),
        (reply(b"x", "200 OK", "content-type: text/html"), {"media_type": "application/json"}),
        (reply(b"x", "404 Not Found", "content-encoding: gzip"), {}),
    ],
    ids=["status", "redirect", "none", "media type", "compressed error"],
)
def test_a_body_that_cannot_be_used_is_not_read_and_a_redirect_not_followed(
    run: Callable[..., Any], said: bytes, arguments: dict[str, Any]
) -> None:
    with RawServer(said) as server:
        assert _send(run, server.url, **arguments).body == b""
        assert len(server.requests) == 1


#: httpx2 leaves its generators open under trio if a body is not read to its end
OPEN_GENERATORS = "ignore::pytest.PytestUnraisableExceptionWarning"


@pytest.mark.filterwarnings(OPEN_GENERATORS)
@pytest.mark.parametrize(
    ("said", "cause", "retryable", "detail"),
    [
        (cut, "error", True, "RemoteProtocolError"),
        (b"", "error", True, "RemoteProtocolError"),
        (b"SSH-2.0\r\n\r\n", "error", True, "RemoteProtocolError"),
        (reply(b"x" * 1_001), "too-large", False, "longer than 1000 bytes"),
        (reply(gzip.compress(b"{}"), "200 OK", "content-encoding: gzip"), "nonsense", False, "compressed"),
    ],
    ids=["cut", "closed", "no HTTP", "too large", "compressed"],
)
def test_each_failure_of_a_server_is_one_error_that_says_whether_a_repeat_may_help(
    run: Callable[..., Any], said: bytes | Callable[[socket.socket], None], cause: str, *, retryable: bool, detail: str
) -> None:
    with RawServer(said) as server:
        error = _send(run, server.url)
    assert isinstance(error, ServiceError)
    assert (error.cause, error.retryable) == (cause, retryable)
    assert error.detail.startswith(detail)


@pytest.mark.filterwarnings(OPEN_GENERATORS)
def test_an_endless_body_is_read_up_to_the_limit_only(run: Callable[..., Any]) -> None:
    sent = 0

    def pour(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        while sent < 2**30:
            sent += connection.send(bytes(65_536))

    with RawServer(pour) as server:
        assert _send(run, server.url).cause == "too-large"
    assert sent < 2**28


@pytest.mark.parametrize("said", [hang, trickle])
def test_the_deadline_is_of_the_whole_and_holds_without_one_of_the_caller(
    run: Callable[..., Any], said: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer(said) as server:
        assert _send(run, server.url, 0.05) == "still waiting"
        monkeypatch.setattr(http_client, "MAX_DURATION_S", 0.05)
        error = _send(run, server.url)
        assert (error.cause, error.retryable) == ("timeout", False)


def test_nobody_listens(run: Callable[..., Any]) -> None:
    error = _send(run, "http://127.0.0.1:9/")
    assert (error.cause, error.retryable) == ("error", True)
    assert error.detail.startswith("ConnectError")
    assert "127.0.0.1" not in error.detail


@pytest.mark.parametrize("url", ["http://[::1", "ftp://127.0.0.1/"])
def test_what_is_no_url_is_no_outage(run: Callable[..., Any], url: str) -> None:
    error = _send(run, url)
    assert (error.cause, error.retryable) == ("error", False)


def test_a_certificate_that_is_not_trusted_does_not_pass_by_itself() -> None:
    def fail(_: httpx2.Request) -> NoReturn:
        cause = ssl.SSLCertVerificationError("by the test")
        cause.verify_message = "self-signed certificate"  # type: ignore[misc]  # as OpenSSL sets it
        raise httpx2.ConnectError("") from cause

    async def scene() -> None:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(fail)) as client:
            await HttpClient(client).send("GET", "https://i.test/", headers={})

    with pytest.raises(ServiceError, match=r"ConnectError \(self-signed certificate\)") as caught:
        anyio.run(scene)
    assert not caught.value.retryable


def test_a_cookie_of_one_response_is_not_sent_with_the_next_request(run: Callable[..., Any]) -> None:
    async def scene(url: str) -> None:
        async with HttpClient(verify=False) as client:
            for _ in range(2):
                await client.send("GET", url, headers={})

    with RawServer(reply(b"{}", "200 OK", "Set-Cookie: person=alice; Path=/")) as server:
        run(lambda: scene(server.url))
        assert len(server.requests) == 2
        assert b"cookie" not in server.requests[1].lower()


def test_a_client_works_on_one_event_loop_after_the_other_and_after_it_was_closed(run: Callable[..., Any]) -> None:
    with RawServer(reply(b"{}")) as server:
        client = HttpClient(verify=False)

        async def scene() -> None:
            await client.send("GET", server.url, headers={})
            await client.close()
            assert (await client.send("GET", server.url, headers={}, max_bytes=9)).body == b"{}"

        for _ in range(2):
            run(scene)


def test_a_client_that_was_passed_in_is_not_closed(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(204))) as given:
            async with HttpClient(given) as client:
                assert (await client.send("GET", "https://i.test/", headers={})).status == 204
            assert not given.is_closed

    run(scene)


def test_trusted_certificates_are_loaded_once_and_those_that_cannot_be_read_are_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded: list[object] = []

    def load() -> ssl.SSLContext:
        loaded.append(None)
        if len(loaded) == 1:
            raise FileNotFoundError("/nowhere/secret.pem")
        return ssl.create_default_context()

    async def scene() -> None:
        client = HttpClient()
        with pytest.raises(ServiceError, match=r"^the trusted certificates cannot be read: FileNotFoundError$"):
            await client.prepare()
        await client.prepare()
        await client.prepare()

    monkeypatch.setattr(http_client, "load_trusted_certificates", load)
    anyio.run(scene)
    assert len(loaded) == 2


def test_many_first_requests_load_the_certificates_once(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[object] = []

    def load() -> ssl.SSLContext:
        loaded.append(None)
        return ssl.create_default_context()

    async def scene() -> None:
        client = HttpClient()
        async with anyio.create_task_group() as group:
            for _ in range(32):
                group.start_soon(client.prepare)
        assert len(loaded) == 1

    monkeypatch.setattr(http_client, "load_trusted_certificates", load)
    run(scene)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("Tue, 30 Nov 2027 10:01:00 GMT", 60.0),
        ("Tue, 30 Nov 2027 09:00:00 GMT", 0.0),
        ("-1", -1.0),
        ("1e3", -1.0),
        ("1.5", -1.0),
        ("soon", -1.0),
        ("9" * 400, -1.0),
        ("", -1.0),
        (f"Tue, 30 Nov {'9' * 20} 10:01:00 GMT", -1.0),
        (f"Tue, 30 Nov 2027 10:01:00 +{'9' * 20}", -1.0),
    ],
)
def test_when_to_repeat_is_read_from_the_response(value: str, seconds: float) -> None:
    headers = httpx2.Headers({"Retry-After": value, "Date": "Tue, 30 Nov 2027 10:00:00 GMT"})
    assert HttpResponse(503, headers).retry_after == seconds
    assert HttpResponse(503, httpx2.Headers()).retry_after == -1.0


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(200, False), (400, False), (401, False), (404, False), (429, True), (501, False), (503, True)],
)
def test_which_statuses_may_pass(status: int, *, retryable: bool) -> None:
    assert HttpResponse(status, {}).is_retryable == retryable


def test_foreign_text_is_shown_bounded_and_on_one_line() -> None:
    assert shown("a\n`b`\x1b" + "x" * 300) == "a??b??" + "x" * 194
