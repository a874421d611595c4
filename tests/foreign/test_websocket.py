"""The `WebSocket` of browsers, as Node has it, brings a token of somebody else's issuer as a subprotocol."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from tests.foreign.conftest import POLICY, node, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.websockets import WebSocket

    from tests.foreign.conftest import Agent
    from tests.foreign.issuer import Browser, Issuer

LIVE = "  - {name: live, match: {websocket: /live}, risk: routine, effect: read, scopes: [chat]}\n"


async def live(socket: WebSocket) -> None:
    """Tell who speaks, and what the app sees of the handshake."""
    await socket.accept("chat.v2" if "chat.v2" in socket.scope["subprotocols"] else None)
    seen = [socket.scope["subprotocols"], list(socket.headers.items())]
    await socket.send_json({"user": socket.state.authguard.subject, "seen": seen})
    await socket.close()


@pytest.fixture
async def talking(issuer: Issuer, tmp_path: Path) -> AsyncIterator[Agent]:
    policy = POLICY.read_text("utf-8").replace("operations:\n", f"operations:\n{LIVE}")
    policy += "credentials: {from: [{subprotocol: bearer}]}\n"
    app = Starlette(routes=[WebSocketRoute("/live", live)])
    async with serve(tmp_path, issuer.url, policy, app) as started:
        yield started


@pytest.mark.parametrize(("others", "chosen"), [([], "bearer"), (["chat.v1"], "bearer"), (["chat.v2"], "chat.v2")])
async def test_a_token_in_the_subprotocol_opens_the_socket(
    browser: Browser, talking: Agent, others: list[str], chosen: str
) -> None:
    token = (await browser.sign_in()).access
    url = talking.url.replace("http", "ws")
    told = await node("socket_client.mjs", f"{url}/live", "bearer", token, *others)
    assert (told["protocol"], told["message"]["user"]) == (chosen, "customer-1")
    assert token not in json.dumps(told), "neither the app nor the other end gets the token"
    assert token not in json.dumps(talking.log())


async def test_a_socket_without_a_token_or_with_a_forged_one_is_not_opened(browser: Browser, talking: Agent) -> None:
    token = (await browser.sign_in()).access
    url = talking.url.replace("http", "ws")
    for offered in ([], ["bearer"], [token], ["bearer", token[:-8]], ["chat.v1"]):
        assert await node("socket_client.mjs", f"{url}/live", *offered) == {"error": True}
