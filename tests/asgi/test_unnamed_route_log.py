"""The developer log contains each route that no operation names, once an hour, by its template."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute

from authguard.asgi.unnamed_route_log import NOTICE_INTERVAL_S, UnnamedRouteLog
from authguard.testing import FakeClock

if TYPE_CHECKING:
    import pytest


async def answer(_: object) -> PlainTextResponse:
    return PlainTextResponse("")


APP = Starlette(
    routes=[
        Route("/orders/{order:int}/note-{kind}", answer, methods=["POST"]),
        Mount("/shop", routes=[Route("/files/{rest:path}", answer)]),
        WebSocketRoute("/talk/{room}", answer),
    ]
)


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return the logged routes with their advice."""
    return [(record.route, record.advice) for record in caplog.records]  # type: ignore[attr-defined]


def test_each_route_is_told_once_an_hour_with_what_to_type(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    notices = UnnamedRouteLog(APP, clock)
    with caplog.at_level(logging.WARNING, "authguard"):
        for number in range(50):
            notices.warn("POST", f"/orders/{number}/note-a")
            notices.warn("GET", f"/shop/files/secret-{number}")
            notices.warn("", f"/talk/{number}")
            notices.warn("GET", f"/nothing/{number}")
            notices.warn("DELETE", f"/orders/{number}/note-a")
        first = told(caplog)
        clock.advance(NOTICE_INTERVAL_S)
        notices.warn("", "/talk/x")
    assert [route for route, _ in first] == [
        "POST /orders/{order:int}/note-{kind}",
        "GET /shop/files/{rest:path}",
        "WebSocket /talk/{room}",
    ]
    line = "- {name: ..., match: {path: '/shop/files/{rest:path}', method: GET}, risk: ..., effect: ...}"
    assert first[1][1] == f"add to `operations`: {line}"
    assert len(told(caplog)) == 4
    assert "secret" not in caplog.text


def test_an_app_that_cannot_be_looked_into_is_told_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    UnnamedRouteLog(object(), FakeClock()).warn("GET", "/")
    assert not caplog.records
