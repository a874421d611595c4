"""The channel of the customer: trusted only as the policy allows, and not transferred to other channels by default."""

from __future__ import annotations

import httpx2
import pytest

from authguard.errors import SettingsError
from authguard.factory import load_gateway_secrets
from tests.asgi.shop import Shop
from tests.support.harness import POLICY, EnforcerHarness, outcome, policy_of, states

CARRY = "trusts: {chat: [web], web: [chat], voice: []}"
BY_CLAIM = f"channels: {{from: {{claim: channel}}, {CARRY}}}\n"
SECRET = "s3cret-of-the-gateway-0123456789abcdef"
NEXT = "n3xt-secret-of-the-gateway-0123456789"
BY_HEADER = (
    f"channels: {{from: {{header: X-Channel, secret_header: X-Channel-Secret, secret_env: CHANNEL_SECRET}}, {CARRY}}}\n"
)
BY_PATH = f"""\
channels:
  from: {{paths: [{{path: '/balance', channel: web}}, {{path: '/voice/{{call}}', channel: voice}}]}}
  {CARRY}
"""


def on(channel: str) -> dict[str, object]:
    return {"claims": {"account_status": "ok", "channel": channel}}


async def test_trust_that_was_earned_on_chat_carries_to_the_web_and_not_to_the_phone() -> None:
    desk = EnforcerHarness(POLICY + BY_CLAIM)
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
    desk = EnforcerHarness(POLICY + BY_CLAIM)
    token = desk.login(claims={"account_status": "ok", "channel": named})
    verdict = await desk.ask("balance", token, method="GET")
    assert outcome(verdict) == ("handoff", "to_a_person")
    assert verdict.channel == ""
    assert outcome(await desk.ask("chat", token)) == ("allow", "allow")


BELIEVED = [
    [("X-Channel", "web"), ("X-Channel-Secret", SECRET)],
    [("x-channel", "web"), ("x-channel-secret", NEXT)],
]
NOT_BELIEVED = [
    [("X-Channel", "web")],
    [("X-Channel-Secret", SECRET)],
    [("X-Channel", "web"), ("X-Channel-Secret", "")],
    [("X-Channel", "web"), ("X-Channel-Secret", SECRET[:-1])],
    [("X-Channel", "web"), ("X-Channel-Secret", SECRET + "x")],
    [("X-Channel", "web"), ("X-Channel-Secret", f"{SECRET} {NEXT}")],
    [("X-Channel", "web"), ("X-Channel-Secret", SECRET), ("X-Channel-Secret", SECRET)],
    [("X-Channel", "web"), ("X-Channel", "voice"), ("X-Channel-Secret", SECRET)],
]


@pytest.mark.parametrize("headers", [*BELIEVED, *NOT_BELIEVED])
async def test_a_channel_header_is_believed_beside_the_secret_alone(headers: list[tuple[str, str]]) -> None:
    shop = Shop(POLICY + BY_HEADER, channel_secrets=(SECRET.encode(), NEXT.encode()))
    token = shop.desk.login(token_scopes=frozenset({"accounts"}))
    transport = httpx2.ASGITransport(shop.app, client=("10.1.2.3", 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop.test") as client:
        answer = await client.get("/balance", headers=[("Authorization", token.decode()), *headers])
    assert answer.status_code == 403
    # trusted: the app runs and requires a scope; not trusted: the guard hands over
    assert shop.runs == []
    assert (answer.headers["content-type"] == "application/problem+json") is (headers in NOT_BELIEVED)


async def test_without_a_secret_no_header_is_believed() -> None:
    desk = EnforcerHarness(POLICY + BY_HEADER)
    headers = {"x-channel": "web", "x-channel-secret": ""}
    assert (await desk.ask("balance", desk.login(), method="GET", headers=headers)).channel == ""


@pytest.mark.parametrize("given", ["", "  ", "short", "x" * 257, "é" * 40, " ".join("x" * 32 for _ in range(5))])
def test_a_guard_without_a_sound_secret_does_not_start(given: str) -> None:
    with pytest.raises(SettingsError, match="set CHANNEL_SECRET to the secret"):
        load_gateway_secrets(policy_of(POLICY + BY_HEADER).channels, {"CHANNEL_SECRET": given} if given else {})


def test_while_a_secret_is_changed_two_are_good() -> None:
    found = load_gateway_secrets(policy_of(POLICY + BY_HEADER).channels, {"CHANNEL_SECRET": f"{NEXT} {SECRET}"})
    assert found == (NEXT.encode(), SECRET.encode())
    assert load_gateway_secrets(policy_of().channels, {}) == ()


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
