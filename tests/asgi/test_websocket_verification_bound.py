"""In-band messages of a WebSocket that was opened with a proof of possession need no further proof; all others do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import anyio
import pytest

from authguard.testing import DpopClient
from tests.attacks.harness import Site
from tests.attacks.names import HEAD

if TYPE_CHECKING:
    from pathlib import Path

URL: Final = "https://agent.test"
POLICY: Final = (
    HEAD.replace("keys: {file: keys.json}", "keys: {file: keys.json}\n    sender_constraint: dpop")
    + f"""\
settings: {{public_url: '{URL}'}}
operations:
  - {{name: live, match: {{websocket: /live}}, risk: routine, effect: read}}
  - {{name: open, match: {{websocket: /open}}, risk: public, effect: read}}
"""
)
ASKED: Final = '{"authguard": {"verify": {"method": "default", "answers": {"otp": "1"}}}}'


async def talk(site: Site, path: str, headers: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """Open a WebSocket, send two verification requests, and return the handshake result and the last reply."""
    sent: list[dict[str, Any]] = []
    answered = anyio.Event()
    left = 2

    async def receive() -> Any:
        nonlocal left
        if not sent:
            return {"type": "websocket.connect"}
        if left:
            left -= 1
            return {"type": "websocket.receive", "text": ASKED}
        await answered.wait()
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(message: Any) -> None:
        sent.append(message)
        if sum(one["type"] == "websocket.send" for one in sent) == 2:
            answered.set()

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "websocket", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": ""}
    guard = site.guard(app)
    await guard(scope | {"headers": raw, "extensions": {"websocket.http.response": {}}}, receive, send)
    await guard.enforcer.close()
    told = [json.loads(one["text"])["authguard"]["verify"] for one in sent if one["type"] == "websocket.send"]
    return sent[0]["type"], told[-1] if told else {}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.policy(POLICY)
    return made


async def test_an_answer_on_a_socket_that_was_opened_with_a_proof_needs_no_other(site: Site) -> None:
    client = DpopClient.create(site.clock)
    token = site.token(acr="aal1", cnf=client.confirmation)
    began, told = await talk(site, "/live", dict(client.headers(token, "GET", f"{URL}/live")))
    assert began == "websocket.accept"
    assert told["next"] != {"action": "authenticate"}, f"the customer is told to sign in again: {told}"


async def test_a_stolen_token_says_nothing_on_a_socket_that_anybody_may_open(site: Site) -> None:
    client = DpopClient.create(site.clock)
    token = site.token(acr="aal1", cnf=client.confirmation)
    for headers in ({"Authorization": f"DPoP {token}"}, dict(client.headers(token, "GET", f"{URL}/elsewhere"))):
        began, told = await talk(site, "/open", headers)
        assert began == "websocket.accept"
        assert told["next"] == {"action": "authenticate"}
