"""A token of Keycloak's size with 256 roles, in small packets through uvicorn: the sizes in `docs/operations.md`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any, Final

import pytest
import uvicorn

from authguard.core.staff import MAX_ROLES
from authguard.credentials.bearer import MAX_TOKEN_BYTES
from tests.attacks.harness import Site
from tests.attacks.names import HEAD, ok

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

POLICY: Final = (
    HEAD
    + """\
operations:
  - {name: desk, match: {path: /desk, method: GET}, risk: sensitive, effect: read, roles: [Shop Supervisor]}
staff: {claim: /realm_access/roles}
"""
)
ROLES: Final = [f"manage-{{{number:03}}}-[realm]-accounts-view" for number in range(MAX_ROLES - 1)]
PACKET_BYTES: Final = 1_000


@contextlib.asynccontextmanager
async def serving(app: Any, **settings: Any) -> AsyncIterator[int]:
    """Serve an app with uvicorn; yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = uvicorn.Config(app, lifespan="off", log_level="critical", access_log=False, **settings)
        server = uvicorn.Server(config)
        served = asyncio.create_task(server.serve(sockets=[listener]))
        yield listener.getsockname()[1]
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await served


async def status_of(port: int, token: str, cookie_bytes: int) -> int:
    """Send a request in small packets; return its status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"GET /desk HTTP/1.1\r\nHost: shop.test\r\nAuthorization: Bearer {token}\r\nCookie: a={'b' * cookie_bytes}\r\n"
    )
    whole = f"{head}Connection: close\r\n\r\n".encode()
    for start in range(0, len(whole), PACKET_BYTES):
        writer.write(whole[start : start + PACKET_BYTES])
        await writer.drain()
        await asyncio.sleep(0)
    line = await reader.readline()
    writer.close()
    return int(line.split(b" ")[1])


@pytest.mark.parametrize(
    ("settings", "cookie_bytes"),
    [
        ({"http": "h11"}, 100),  # the default has room for this token, and for little beside it
        ({"http": "h11", "h11_max_incomplete_event_size": 65_536}, 40_000),
        ({"http": "httptools"}, 40_000),
    ],
    ids=["h11", "h11 with 64 KiB", "httptools"],
)
async def test_a_token_with_256_roles_passes_as_documented(
    tmp_path: Path, settings: dict[str, Any], cookie_bytes: int
) -> None:
    site = Site(tmp_path)
    site.policy(POLICY)
    token = site.token(realm_access={"roles": [*ROLES, "Shop Supervisor"]})
    assert 12_000 < len(token) < MAX_TOKEN_BYTES
    async with serving(site.guard(ok), **settings) as port:
        assert await status_of(port, token, cookie_bytes) == 200
