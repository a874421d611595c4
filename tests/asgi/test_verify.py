"""Identity verification over HTTP and within a conversation: the reply is the next step, never a score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authguard.core.verification import Doubted, Unavailable
from tests.asgi.shop import Shop
from tests.support.harness import ScriptedVerifier

if TYPE_CHECKING:
    import httpx2


def shop(**verifier: Any) -> tuple[Shop, dict[str, str]]:
    """Build a shop with one verifier, and sign a customer in with low assurance."""
    made = Shop(verifiers={"otp": ScriptedVerifier(**verifier)})
    return made, {"Authorization": made.desk.login(acr="aal1").decode()}


async def prove(client: httpx2.AsyncClient, headers: dict[str, str], answer: str = "123456") -> httpx2.Response:
    """Answer the default method."""
    body = {"method": "default", "answers": {"otp": answer}}
    return await client.post("/.authguard/verify", headers=headers, json=body)


async def test_the_reply_names_the_method_and_the_right_answer_opens_the_way() -> None:
    made, headers = shop()
    async with made.client() as client:
        refused = await client.get("/balance", headers=headers)
        assert (refused.status_code, refused.json()["next"]) == (403, {"action": "verify", "methods": ["default"]})
        proved = await prove(client, headers)
        assert (proved.status_code, proved.json()) == (200, {"operation": "balance", "next": {"action": "continue"}})
        assert proved.headers["cache-control"] == "no-store"
        after = await client.get("/balance", headers=headers)
        assert after.headers["content-type"] != "application/problem+json", "the app itself answers"


@pytest.mark.parametrize(
    ("script", "status", "outcome", "action"),
    [
        ([], 403, "verify", "verify"),
        ([Unavailable("timeout")], 503, "retry", "retry"),
        ([Doubted(0.6)], 403, "verify", "verify"),
    ],
)
async def test_what_is_no_pass_gets_the_reply_of_the_table(
    script: list[Any], status: int, outcome: str, action: str
) -> None:
    made, headers = shop(script=script)
    async with made.client() as client:
        answer = await prove(client, headers, "000000")
    body = answer.json()
    assert (answer.status_code, body["outcome"], body["next"]["action"]) == (status, outcome, action)
    assert "0.6" not in answer.text
    if script == [Doubted(0.6)]:
        assert body["next"]["methods"] == ["alternate"]


async def test_a_code_is_sent_first_and_the_answer_names_what_is_wanted() -> None:
    made, headers = shop(sends=True)
    async with made.client() as client:
        begun = await client.post("/.authguard/verify", headers=headers, json={"method": "default"})
        assert begun.status_code == 202
        assert begun.json()["next"] == {"action": "answer", "method": "default", "wanted": ["otp"]}
        assert (await prove(client, headers)).status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "body-malformed"),
        (b"[]", "body-malformed"),
        (b'{"answers": {}}', "body-malformed"),
        (b'{"method": "default", "more": 1}', "body-malformed"),
        (b'{"method": "default", "answers": {"otp": 1}}', "body-malformed"),
        (b'{"method": "\xff"}', "body-malformed"),
        (b"[" * 5_000, "body-malformed"),
        (b'{"method": "unheard-of"}', "proof-malformed"),
        (b'{"method": "default", "answers": {"otp": "' + b"x" * 600 + b'"}}', "proof-malformed"),
    ],
)
async def test_what_is_no_answer_is_told_what_to_send_and_is_no_attempt(body: bytes, code: str) -> None:
    made, headers = shop()
    async with made.client() as client:
        answer = await client.post("/.authguard/verify", headers=headers, content=body)
        assert (answer.status_code, answer.json()["type"]) == (400, f"urn:authguard:refusal:{code}")
        assert (await prove(client, headers)).status_code == 200


async def test_nobody_proves_anything_without_a_credential_or_for_another() -> None:
    made, _ = shop()
    agent = made.desk.login(acr="aal1", actor="concierge")
    async with made.client() as client:
        assert (await prove(client, {})).status_code == 401
        assert (await prove(client, {"Authorization": agent.decode()})).status_code == 403
    assert not made.desk.enforcer.verifications._verifiers["otp"].asked  # type: ignore[attr-defined]


async def test_answers_arrive_in_the_talk() -> None:
    made, headers = shop(script=[])
    async with made.client() as client:
        wrong = (await client.post("/chat", headers=headers, content="verify 000000")).json()
        assert (wrong["action"], wrong["states"]["verification"]) == ("verify", "failed")
        right = (await client.post("/chat", headers=headers, content="verify 123456")).json()
        assert (right["action"], right["states"]["verification"]) == ("continue", "verified")
