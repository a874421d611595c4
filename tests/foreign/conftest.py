"""The foreign identity provider, and an app under uvicorn that trusts it: all on loopback, all real."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from authguard import AuthGuard
from tests.foreign.issuer import HERE, NODE, PATIENCE, Browser, Issuer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

POLICY = Path(__file__).with_name("policy.yaml")
WHERE = {"chat": ("POST", "/chat"), "orders": ("GET", "/orders"), "refund": ("POST", "/refund")}


async def who(request: Request) -> JSONResponse:
    """Answer with who asked."""
    return JSONResponse({"user": request.state.authguard.subject})


class Agent:
    """The guarded app's address, its log, and how to ask it."""

    def __init__(self, url: str, folder: Path, web: httpx2.AsyncClient) -> None:
        self.url = url
        self._log = folder / "audit.jsonl"
        self._web = web

    async def ask(self, operation: str, token: str, *, scheme: str = "Bearer", proof: str = "") -> httpx2.Response:
        """Ask for one operation over HTTP."""
        method, path = WHERE[operation]
        headers = {"Authorization": f"{scheme} {token}"} | ({"DPoP": proof} if proof else {})
        return await self._web.request(method, f"{self.url}{path}", headers=headers)

    def address(self, operation: str) -> tuple[str, str]:
        """Give the method and the whole address of an operation."""
        method, path = WHERE[operation]
        return method, f"{self.url}{path}"

    def log(self) -> list[dict[str, Any]]:
        """Read the audit log."""
        return [json.loads(line) for line in self._log.read_text("utf-8").splitlines()]


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    """Fail, and say what to do, where the packages are not there."""
    assert NODE.is_file(), "`make test-foreign` installs what these tests need"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as started:
        yield started


@pytest.fixture
async def agent(issuer: Issuer, tmp_path: Path) -> AsyncIterator[Agent]:
    async with serve(tmp_path, issuer.url, POLICY.read_text("utf-8")) as started:
        yield started


@contextlib.asynccontextmanager
async def serve(folder: Path, issuer: str, policy: str, app: Any = None) -> AsyncIterator[Agent]:
    """Serve an app, guarded by this policy, until the block ends; then its log is whole."""
    app = app or Starlette(routes=[Route(path, who, methods=[method]) for method, path in WHERE.values()])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        (folder / "policy.yaml").write_text(policy.replace("{issuer}", issuer).replace("{url}", url), "utf-8")
        guard = AuthGuard(
            app,
            folder / "policy.yaml",
            store=folder / "store.db",
            audit_log=folder / "audit.jsonl",
            environ={"AUTHGUARD_PUBLIC_URL": url, "INTROSPECTION_SECRET": "the resource server: loopback only"},
        )
        server = uvicorn.Server(uvicorn.Config(guard, lifespan="on", log_level="critical", access_log=False))
        served = asyncio.create_task(server.serve(sockets=[listener]))
        limits = httpx2.Limits(max_connections=50)
        async with httpx2.AsyncClient(timeout=PATIENCE, trust_env=False, limits=limits) as web:
            yield Agent(url, folder, web)
        server.should_exit = True
        await served
        shutil.copy(folder / "audit.jsonl", folder / "whole.jsonl")


@pytest.fixture
async def browser(issuer: Issuer) -> AsyncIterator[Browser]:
    opened = Browser(issuer, "customer-1")
    yield opened
    await opened.close()


async def node(*arguments: str) -> dict[str, Any]:
    """Run a script of this folder, and return its line."""
    process = await asyncio.create_subprocess_exec(
        NODE, *arguments, cwd=HERE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, problem = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0, problem.decode()
    told: dict[str, Any] = json.loads(out)
    return told
