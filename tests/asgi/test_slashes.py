"""A trailing slash: one operation if the framework redirects, two if the app has a route for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, Router

from tests.attacks.harness import Site, ask
from tests.attacks.names import HEAD

if TYPE_CHECKING:
    from pathlib import Path

POLICY: Final = HEAD + "operations:\n  - {name: open, match: {path: /open, method: GET}, risk: public, effect: read}\n"


def up() -> str:
    """Return public data."""
    return "up"


def secrets() -> str:
    """Return secret data."""
    return "everything"


async def everything(_request: Any) -> PlainTextResponse:
    """Return secret data."""
    return PlainTextResponse("everything")


async def plain(_request: Any) -> PlainTextResponse:
    """Return public data."""
    return PlainTextResponse("up")


def of_fastapi() -> Any:
    """Build one app with both routes."""
    api = FastAPI()
    api.get("/open")(up)
    api.get("/open/")(secrets)
    return api


def of_routers() -> Any:
    """Build an app with the second route in an included router."""
    api, router = FastAPI(), APIRouter(prefix="/open")
    router.get("/")(secrets)
    api.get("/open")(up)
    api.include_router(router)
    return api


def of_mounts() -> Any:
    """Build an app with the second route in a mounted app."""
    return Starlette(routes=[Route("/open", plain), Mount("/open", Router([Route("/", everything)]))])


@pytest.mark.parametrize("make", [of_fastapi, of_routers, of_mounts])
async def test_a_route_of_its_own_is_not_judged_as_the_other(make: Any, tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.policy(POLICY)
    guard = site.guard(make())
    assert b"up" in (await ask(guard, "GET", "/open")).body
    refused = await ask(guard, "GET", "/open/")
    assert (refused.status, b"everything" in refused.body) == (404, False)


async def test_what_the_framework_redirects_is_the_same_operation(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.policy(POLICY)
    api = FastAPI()
    api.get("/open")(up)
    assert (await ask(site.guard(api), "GET", "/open/")).status == 307
    mounted = Starlette(routes=[Mount("/open", Router([Route("/", plain)]))])
    guard = site.guard(mounted)
    assert (await ask(guard, "GET", "/open")).status == 307
    assert (await ask(guard, "GET", "/open/")).body == b"up"
