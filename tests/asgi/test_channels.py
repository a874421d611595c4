"""Where the customer speaks from: believed only as the policy says; trust earned elsewhere does not always carry."""

from __future__ import annotations

import httpx2
import pytest

from tests.asgi.shop import Shop
from tests.kit import POLICY, Desk, outcome, states

CARRY = "carry: {chat: [web], web: [chat], voice: []}"
BY_CLAIM = f"channels: {{from: {{claim: channel}}, {CARRY}}}\n"
BY_HEADER = f"channels: {{from: {{header: X-Channel, trusted_peers: [10.0.0.0/8]}}, {CARRY}}}\n"
BY_PATH = f"""\
channels:
  from: {{paths: [{{path: '/balance', channel: web}}, {{path: '/voice/{{call}}', channel: voice}}]}}
  {CARRY}
"""


def on(channel: str) -> dict[str, object]:
    return {"claims": {"account_status": "ok", "channel": channel}}


async def test_trust_that_was_earned_on_chat_carries_to_the_web_and_not_to_the_phone() -> None:
    desk = Desk(POLICY + BY_CLAIM)
    chat = desk.login(**on("chat"))
    assert outcome(await desk.ask("balance", chat, method="GET")) == ("allow", "allow")
    desk.clock.advance(1)
    same = {"auth_time": desk.clock.now() - 1}
    web = await desk.ask("balance", desk.login(**on("web"), **same), method="GET")
    assert (outcome(web), web.channel) == (("allow", "allow"), "web")
    voice = await desk.ask("balance", desk.login(**on("voice"), **same), method="GET")
    assert outcome(voice) == ("verify", "prove_identity")
    assert states(voice)["verification"] == "unverified"
    assert outcome(await desk.ask("balance", chat, method="GET")) == ("verify", "prove_identity")


@pytest.mark.parametrize("named", ["", "carrier pigeon", 7, None])
async def test_a_channel_that_cannot_be_told_is_unknown_and_sends_to_a_person(named: object) -> None:
    desk = Desk(POLICY + BY_CLAIM)
    token = desk.login(claims={"account_status": "ok", "channel": named})
    verdict = await desk.ask("balance", token, method="GET")
    assert outcome(verdict) == ("handoff", "to_a_person")
    assert verdict.channel == ""
    assert outcome(await desk.ask("chat", token)) == ("allow", "allow")


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("10.1.2.3", [("X-Channel", "web")], 403),
        ("203.0.113.9", [("X-Channel", "web")], 403),
        ("10.1.2.3", [], 403),
        ("10.1.2.3", [("X-Channel", "web"), ("X-Channel", "voice")], 403),
        ("not an address", [("X-Channel", "web")], 403),
    ],
)
async def test_a_channel_header_is_believed_from_trusted_peers_alone(
    peer: str, headers: list[tuple[str, str]], status: int
) -> None:
    shop = Shop(POLICY + BY_HEADER)
    token = shop.desk.login(token_scopes=frozenset({"accounts"}))
    transport = httpx2.ASGITransport(shop.app, client=(peer, 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop.test") as client:
        answer = await client.get("/balance", headers=[("Authorization", token.decode()), *headers])
    assert answer.status_code == status
    believed = peer == "10.1.2.3" and len(headers) == 1
    # believed: the app runs and wants a scope of its own; not believed: the guard hands over
    assert shop.runs == []
    assert (answer.headers["content-type"] == "application/problem+json") is not believed


async def test_a_channel_may_be_told_by_the_path() -> None:
    shop = Shop(POLICY + BY_PATH)
    headers = {"Authorization": shop.desk.login(token_scopes=frozenset({"accounts", "admin", "chat"})).decode()}
    async with shop.client() as client:
        assert (await client.get("/balance", headers=headers)).status_code == 200
        moved = await client.get("/voice/7", headers=headers)
        unnamed = await client.get("/stream", headers=headers)
    assert moved.json()["outcome"] == "verify"
    assert unnamed.json()["outcome"] == "verify"
    assert shop.runs == ["balance"]
