"""`AuthGuard` is built from a policy and settings without writing anything, and guards any ASGI app."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from authguard import AuthGuard
from authguard.asgi.control import Control
from authguard.errors import PolicyError, SettingsError
from authguard.testing import FakeClock, Mint
from tests.support.file_tree import snapshot
from tests.support.harness import POLICY

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request


async def chat(_: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


def routes() -> list[Route]:
    return [Route("/chat", chat, methods=["POST"])]


@pytest.fixture
def mint() -> Mint:
    return Mint.create(FakeClock())


@pytest.fixture
def settings(tmp_path: Path, mint: Mint) -> dict[str, Any]:
    """Return the arguments of a guard whose files are in a folder of the test."""
    (tmp_path / "policy.yaml").write_text(POLICY, "utf-8")
    (tmp_path / "keys.json").write_text(json.dumps(mint.jwks("ES256")), "utf-8")
    return {
        "policy": tmp_path / "policy.yaml",
        "store": tmp_path / "data" / "store.db",
        "audit_log": tmp_path / "data" / "audit.jsonl",
        "clock": mint.clock,
        "environ": {},
    }


async def ask(app: Any, token: str = "") -> httpx2.Response:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://a.test") as client:
        return await client.post("/chat", headers=headers)


def test_building_a_guard_writes_nothing(settings: dict[str, Any], tmp_path: Path) -> None:
    before = snapshot(tmp_path)

    AuthGuard(Starlette(routes=routes()), **settings)

    assert snapshot(tmp_path) == before


async def test_one_line_guards_an_app_and_the_files_come_with_the_first_request(
    settings: dict[str, Any], mint: Mint
) -> None:
    guard = AuthGuard(Starlette(routes=routes()), **settings)
    token = mint.mint(scope="chat", acr="aal2", account_status="ok", auth_time=int(mint.clock.now()))

    refused, admitted = await ask(guard), await ask(guard, token)
    await guard.enforcer.close()

    assert (refused.status_code, admitted.status_code, admitted.text) == (401, 200, "hello")
    assert settings["store"].is_file()
    assert settings["audit_log"].is_file()


async def test_it_is_starlette_middleware_too(settings: dict[str, Any]) -> None:
    app = Starlette(routes=routes())
    app.add_middleware(AuthGuard, **settings | {"store": "memory"})

    assert (await ask(app)).status_code == 401


def test_servers_recognise_it_as_asgi_3(settings: dict[str, Any]) -> None:
    guard = AuthGuard(Starlette(routes=routes()), **settings)

    assert inspect.iscoroutinefunction(guard.__call__)


def test_a_control_of_the_app_is_bound_and_one_is_made_otherwise(settings: dict[str, Any]) -> None:
    own = Control()

    assert AuthGuard(Starlette(), **settings, control=own).control is own
    assert isinstance(AuthGuard(Starlette(), **settings).control, Control)


def test_a_policy_with_problems_is_refused_with_all_of_them(settings: dict[str, Any]) -> None:
    settings["policy"].write_text(POLICY.replace("risk: public", "risk: none").replace("agents:", "agnets:"), "utf-8")

    with pytest.raises(PolicyError) as caught:
        AuthGuard(Starlette(), **settings)

    assert "agnets" in str(caught.value)
    assert "risk" in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [{"pseudonym_key": b"short"}, {"prefix": "no slash"}, {"token_cache_size": -1}, {"public_url": "not a url"}],
    ids=lambda one: next(iter(one)),
)
def test_an_argument_that_cannot_be_used_is_named_before_anything_runs(
    settings: dict[str, Any], wrong: dict[str, Any], tmp_path: Path
) -> None:
    before = snapshot(tmp_path)

    with pytest.raises((SettingsError, PolicyError)):
        AuthGuard(Starlette(), **settings | wrong)

    assert snapshot(tmp_path) == before


def test_an_argument_counts_more_than_a_variable(settings: dict[str, Any], tmp_path: Path) -> None:
    del settings["store"]
    environ = {"AUTHGUARD_STORE": "memory", "AUTHGUARD_POLICY": str(tmp_path / "none.yaml")}

    AuthGuard(Starlette(), **settings | {"environ": environ})

    with pytest.raises((SettingsError, PolicyError)):
        AuthGuard(Starlette(), **settings | {"policy": None, "environ": environ})
