"""Cookies and subprotocols as servers deliver them: uvicorn's WebSocket parsers, hypercorn, HTTP/1.1 and HTTP/2."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx2
import pytest
import uvicorn
from hypercorn.asyncio import serve
from hypercorn.config import Config as HypercornConfig
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.asgi.test_credential_place import COOKIE, IAP, SHOP, SOCKET, House

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SERVERS = ["websockets-sansio", "wsproto", "hypercorn"]


@asynccontextmanager
async def served(house: House, server: str) -> AsyncIterator[int]:
    """Serve the guarded app; give the port."""
    if server == "hypercorn":
        listening, ending = socket.create_server(("127.0.0.1", 0)), asyncio.Event()
        port, config = listening.getsockname()[1], HypercornConfig()
        config.bind, config.errorlog = [f"fd://{listening.detach()}"], None
        task = asyncio.create_task(serve(house.guard, config, shutdown_trigger=ending.wait))
        yield port
        ending.set()
        await task
        return
    with socket.create_server(("127.0.0.1", 0)) as listener:
        parsed = uvicorn.Config(
            house.guard,
            ws="wsproto" if server == "wsproto" else "websockets-sansio",
            lifespan="on",
            log_level="critical",
        )
        started = uvicorn.Server(parsed)
        serving = asyncio.create_task(started.serve(sockets=[listener]))
        yield listener.getsockname()[1]
        started.should_exit = True
        await serving


async def post(web: httpx2.AsyncClient, url: str, headers: list[tuple[str, str]]) -> httpx2.Response:
    """Post nothing; in HTTP/2 the header section ends the stream, since hypercorn fails if a reply is sent before."""
    request = web.build_request("POST", url, headers=headers)
    del request.headers["content-length"]
    return await web.send(request)


@pytest.mark.parametrize("server", SERVERS)
async def test_every_server_takes_the_token_as_a_subprotocol(tmp_path: Path, server: str) -> None:
    house = House(tmp_path, SOCKET)
    token = house.token()
    async with served(house, server) as port:
        url = f"ws://127.0.0.1:{port}/live"
        for others in ([], ["chat.v1", "chat.v2"]):
            offered = [Subprotocol(one) for one in ("bearer", token, *others)]
            async with connect(url, subprotocols=offered) as opened:
                told = json.loads(await opened.recv())
            assert (opened.subprotocol, told["user"], told["offered"]) == ("bearer", "customer-1", others)
            assert token not in json.dumps(told)
        for refused in (["bearer"], ["bearer", token, "bearer", token]):
            with pytest.raises(InvalidStatus):
                async with connect(url, subprotocols=[Subprotocol(one) for one in refused]):
                    pass
    assert token not in house.log()


@pytest.mark.parametrize("version", [1, 2])
async def test_cookies_are_one_list_whether_the_protocol_splits_them_or_not(tmp_path: Path, version: int) -> None:
    house = House(tmp_path, COOKIE)
    token, other = house.token(), house.token(sub="mallory")
    cases: list[tuple[list[tuple[str, str]], int]] = [
        ([("cookie", "a=1"), ("cookie", f"CF_Authorization={token}"), ("cookie", "b=2")], 200),
        ([("cookie", f"a=1; CF_Authorization={token}")], 200),
        ([("cookie", f"CF_Authorization={token}"), ("cookie", f"CF_Authorization={other}")], 400),
        ([("cookie", f"CF_Authorization={token}; CF_Authorization={other}")], 400),
        ([("cookie", f"CF_Authorization={token}"), ("authorization", f"Bearer {token}")], 400),
        ([("cookie", f"cf_authorization={token}")], 401),
    ]
    client = httpx2.AsyncClient(http1=version == 1, http2=version == 2, trust_env=False)
    async with served(house, "hypercorn") as port, client as web:
        for headers, status in cases:
            for origin, expected in ((SHOP, status), ("https://evil.test", 403 if status == 200 else status)):
                url = f"http://127.0.0.1:{port}/chat"
                answer = await post(web, url, [*headers, ("origin", origin)])
                assert answer.http_version == f"HTTP/{version}{'.1' if version == 1 else ''}"
                assert answer.status_code == expected, (headers[0][1][:20], origin)


@pytest.mark.parametrize("version", [1, 2])
async def test_a_header_is_read_once_in_any_protocol(tmp_path: Path, version: int) -> None:
    house = House(tmp_path, f"credentials: {{from: [{{header: {IAP}}}]}}\n")
    token = house.token()
    client = httpx2.AsyncClient(http1=version == 1, http2=version == 2, trust_env=False)
    async with served(house, "hypercorn") as port, client as web:
        url = f"http://127.0.0.1:{port}/chat"
        assert (await post(web, url, [(IAP, token)])).status_code == 200
        assert (await post(web, url, [(IAP, token), (IAP, token)])).status_code == 400
        underscored = await post(web, url, [(IAP, token), (IAP.replace("-", "_"), "x")])
        assert underscored.status_code == 200
        assert "x_goog" not in underscored.text.lower()
