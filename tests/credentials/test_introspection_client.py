"""One introspection request, and the result of each kind of response."""

from __future__ import annotations

import asyncio
import contextlib
import json
from base64 import b64decode
from typing import Any
from urllib.parse import parse_qs

import httpx2
import pytest

from authguard.core.deployment import Introspection, Issuer
from authguard.credentials.introspection_client import (
    UNCLEAR,
    IntrospectionEndpoint,
    TokenStatus,
    find_misconfiguration,
    introspect,
)
from authguard.errors import SettingsError
from authguard.outbound.http_client import HttpClient

ISSUER = Issuer(issuer="https://idp.test", audience=("us",), algorithms=("ES256",))


def endpoint(
    url: str = "https://idp.test/introspect", client_id: str = "guard", secret: str = "secret"
) -> IntrospectionEndpoint:
    return IntrospectionEndpoint.of(ISSUER, Introspection(url=url, client_id=client_id, secret_env="S"), {"S": secret})


async def asked(
    answer: httpx2.Response, at: IntrospectionEndpoint, token: bytes = b"tok~en+/="
) -> tuple[Any, list[httpx2.Request]]:
    seen: list[httpx2.Request] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return answer

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(respond)) as client:
        return await introspect(HttpClient(client), at, token), seen


async def test_the_question_is_a_form_with_our_credentials() -> None:
    said, (request,) = await asked(httpx2.Response(200, json={"active": True, "sub": "a"}), endpoint())
    assert said == {"sub": "a"}
    assert (request.method, str(request.url)) == ("POST", "https://idp.test/introspect")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert (request.headers["accept"], request.headers["accept-encoding"]) == ("application/json", "identity")
    assert request.headers["authorization"] == "Basic Z3VhcmQ6c2VjcmV0"
    assert parse_qs(request.content.decode()) == {"token": ["tok~en+/="], "token_type_hint": ["access_token"]}


@pytest.mark.parametrize(
    ("name", "secret", "pair"),
    [
        ("a:b", "c:d", "a%3Ab:c%3Ad"),
        ("a b", "1+1=2%", "a+b:1%2B1%3D2%25"),
        ("é", "ü", "%C3%A9:%C3%BC"),
        ("plain-1_2.3", "~", "plain-1_2.3:~"),
    ],
)
async def test_our_credentials_are_encoded_as_in_a_form(name: str, secret: str, pair: str) -> None:
    _, (request,) = await asked(httpx2.Response(200, json={"active": False}), endpoint(client_id=name, secret=secret))
    assert b64decode(request.headers["authorization"].removeprefix("Basic ")).decode() == pair


async def test_inactive_is_inactive_whatever_else_is_said() -> None:
    assert (await asked(httpx2.Response(200, json={"active": False, "sub": "a"}), endpoint()))[
        0
    ] is TokenStatus.INACTIVE
    answer = httpx2.Response(
        200, content=b'{"active": false}', headers={"content-type": "Application/JSON; charset=utf-8"}
    )
    assert (await asked(answer, endpoint()))[0] is TokenStatus.INACTIVE


async def test_nobody_is_asked_without_tls() -> None:
    assert await asked(httpx2.Response(200, json={"active": True}), endpoint("http://idp.test/introspect")) == (
        UNCLEAR,
        [],
    )


async def test_a_secret_that_is_not_set_is_told_by_its_variables_name_alone() -> None:
    with pytest.raises(SettingsError, match="set S to the introspection secret"):
        endpoint(secret="")


def test_a_desk_shows_no_secret() -> None:
    assert "Z3V" not in repr(endpoint())
    assert "secret" not in repr(endpoint())


async def test_a_second_answer_about_one_token_is_never_the_answer_about_the_next() -> None:
    def said(answer: object) -> bytes:
        body = json.dumps(answer)
        return (
            f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
        )

    gone: list[asyncio.Event] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone.append(left := asyncio.Event())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                good = b"token=good" in await reader.readexactly(length)
                writer.write(2 * said({"active": True, "sub": "alice"}) if good else said({"active": False}))
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        left.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    at = endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/introspect")
    async with HttpClient(verify=False) as client:
        for _ in range(2):
            assert await introspect(client, at, b"good") == {"sub": "alice"}
            assert await introspect(client, at, b"revoked") is TokenStatus.INACTIVE
    server.close()
    for left in gone:
        await left.wait()


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (httpx2.Response(200, json={"active": False}), ""),
        (httpx2.Response(401), "responds with status 401: check `client_id` and the secret"),
        (httpx2.Response(403), "responds with status 403: check `client_id` and the secret"),
        (httpx2.Response(404), "responds with status 404: check `url`"),
        (httpx2.Response(405), "responds with status 405: check `url`"),
        (httpx2.Response(302, headers={"location": "https://idp.test/login"}), "status 302: check `url`"),
        (httpx2.Response(200, html="<form>"), "does not respond with JSON: check `url`"),
        (httpx2.Response(200, json={"active": True}), "calls a made-up token active"),
        (httpx2.Response(400), ""),
        (httpx2.Response(500), ""),
        (httpx2.Response(200, json={"error": "no such token"}), ""),
    ],
)
async def test_a_misconfiguration_is_found_with_a_made_up_token(response: httpx2.Response, words: str) -> None:
    seen: list[bytes] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.content)
        return response

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(respond)) as client:
        found = await find_misconfiguration(HttpClient(client), endpoint())
        await find_misconfiguration(HttpClient(client), endpoint())
    assert words in found
    assert bool(found) == bool(words)
    assert len(set(seen)) == 2, "no two made-up tokens are the same"
