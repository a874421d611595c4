"""One JSON request and one JSON response of a real server: whatever else it says is an error with a closed cause."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from authguard.errors import SettingsError
from authguard.outbound import http_client
from authguard.outbound.error import ServiceError
from authguard.outbound.json_service import MAX_RESPONSE_BYTES, MAX_RESPONSE_DEPTH, JsonService, ServiceAuth
from tests.outbound.raw_server import RawServer, cut, hang, reply

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path


def service(url: str, environ: dict[str, str] | None = None, **auth: str) -> JsonService:
    return JsonService(url, who="the service `crm`", max_concurrency=4, auth=ServiceAuth(**auth), environ=environ or {})


def _ask(url: str, seconds: float = 60.0, environ: dict[str, str] | None = None, **auth: str) -> Any:
    async def scene() -> object:
        asked = service(url, environ, **auth)
        await asked.open()
        try:
            with anyio.fail_after(seconds):
                return await asked.ask({"subject": "ä", "n": 1})
        except (ServiceError, TimeoutError) as error:
            return error
        finally:
            await asked.close()

    return anyio.run(scene)


def test_a_document_is_posted_and_the_response_parsed() -> None:
    with RawServer(reply(b'{"a": [1, 2.5, "x"]}')) as server:
        assert _ask(server.url, environ={"CRM": "secret"}, bearer_env="CRM") == {"a": [1, 2.5, "x"]}
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert json.loads(body) == {"subject": "ä", "n": 1}
    for line in (b"authorization: bearer secret", b"content-type: application/json", b"accept: application/json"):
        assert line in head.lower().split(b"\r\n")


@pytest.mark.parametrize("body", [b"1", b'"text"', b"null", b"true", b"[1]"])
def test_any_value_is_a_document(body: bytes) -> None:
    with RawServer(reply(body)) as server:
        assert _ask(server.url) == json.loads(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{} {}",
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1e400}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b"[" * 30_000,
        b"[" * (MAX_RESPONSE_DEPTH + 1) + b"]" * (MAX_RESPONSE_DEPTH + 1),
        b"[" + b"[]," * 5_000 + b"[]]",
    ],
)
def test_what_parsers_may_read_differently_is_nonsense_and_not_asked_again(body: bytes) -> None:
    with RawServer(reply(body)) as server:
        error = _ask(server.url)
    assert isinstance(error, ServiceError)
    assert (error.cause, error.retryable) == ("nonsense", False)


def test_nesting_up_to_the_limit_is_read() -> None:
    with RawServer(reply(b"[" * MAX_RESPONSE_DEPTH + b"]" * MAX_RESPONSE_DEPTH)) as server:
        assert isinstance(_ask(server.url), list)


@pytest.mark.parametrize(
    ("said", "cause", "retryable", "retry_after"),
    [
        (reply(b"{}", "500 Error"), "refused", True, -1.0),
        (reply(b"{}", "503 Down", "Retry-After: 7"), "refused", True, 7.0),
        (reply(b"{}", "429 Slow", "Retry-After: 90"), "refused", True, 90.0),
        (reply(b"{}", "401 No"), "refused", False, -1.0),
        (reply(b"{}", "404 None"), "refused", False, -1.0),
        (reply(b"{}", "501 None"), "refused", False, -1.0),
        (reply(b"{}", "204 None"), "refused", False, -1.0),
        (reply(b"{}", "307 Elsewhere", "Location: http://127.0.0.1:9/"), "refused", False, -1.0),
        (reply(b"{}", "200 OK", "content-type: text/html"), "nonsense", False, -1.0),
        (reply(b"{}", "200 OK", "content-encoding: gzip"), "nonsense", False, -1.0),
        (reply(b" " * MAX_RESPONSE_BYTES + b"1"), "too-large", False, -1.0),
        (cut, "error", True, -1.0),
    ],
)
def test_each_failure_has_one_cause_and_says_whether_a_repeat_may_help(
    said: bytes | Callable[[socket.socket], None], cause: str, *, retryable: bool, retry_after: float
) -> None:
    with RawServer(said) as server:
        error = _ask(server.url)
    assert isinstance(error, ServiceError)
    assert (error.cause, error.retryable, error.retry_after) == (cause, retryable, retry_after)


def test_a_server_that_hangs_is_left_at_the_deadline() -> None:
    with RawServer(hang) as server:
        assert isinstance(_ask(server.url, 0.05), TimeoutError)


@pytest.mark.parametrize("url", ["http://crm.example/", "http://10.0.0.1/", "http://localhost.example/"])
def test_another_machine_without_tls_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(SettingsError, match="the service `crm` is on another machine and its URL does not use TLS"):
        service(url)


def test_a_missing_token_and_a_bad_certificate_are_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="set `CRM`: it holds the token for the service `crm`"):
        service("https://crm.example/", bearer_env="CRM")
    bad = tmp_path / "authority.pem"
    bad.write_text("nothing")
    for authority in (bad, tmp_path / "none.pem"):
        with pytest.raises(SettingsError, match=r"a certificate for the service `crm` cannot be read: \w+$"):
            service("https://crm.example/", authority=str(authority))


def test_trusted_certificates_that_cannot_be_read_are_told_when_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise FileNotFoundError("/nowhere/secret.pem")

    monkeypatch.setattr(http_client, "load_trusted_certificates", fail)
    with pytest.raises(SettingsError, match=r"^the trusted certificates cannot be read: FileNotFoundError$"):
        anyio.run(service("https://crm.example/").open)
