"""A reply has the status, headers, body and close code of its outcome, and nothing that the caller may not learn."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from authguard.asgi.reply import DEFAULT_RETRY_AFTER_S, ReplyBuilder, common_prefix, json_reply, with_prefix
from authguard.core.outcomes import Fallback, Outcome, Reason
from authguard.core.request import Evidence
from authguard.evaluation.decision import Refusal, Verdict
from authguard.evaluation.request import AccessRequest
from tests.support.harness import POLICY, EnforcerHarness

OVER = {"amount": 900, "currency": "EUR"}
METADATA = "https://shop.test/.well-known/oauth-protected-resource"
BUILDER = ReplyBuilder("desk", "https://shop.test", "/.authguard")


class Answered:
    """A reply, read as a client reads it."""

    def __init__(
        self, verdict: Verdict, builder: ReplyBuilder = BUILDER, *, languages: str = "", root: str = ""
    ) -> None:
        evidence = Evidence(languages=languages)
        request = AccessRequest(operation=verdict.operation, evidence=evidence, method="POST")
        self.reply = builder.build_for_verdict(verdict, request, root)

    @property
    def body(self) -> Any:
        return json.loads(self.reply.body)

    def header(self, name: bytes) -> list[str]:
        return [value.decode() for header, value in self.reply.headers if header == name]


async def challenged() -> Verdict:
    return await EnforcerHarness().ask("chat")


async def stepped_up() -> Verdict:
    desk = EnforcerHarness()
    token = desk.login(auth_time=desk.clock.now() - 600)
    return await desk.ask("refund", token, body=OVER, idempotency="k")


async def held(desk: EnforcerHarness | None = None) -> Verdict:
    desk = desk or EnforcerHarness()
    return await desk.ask("refund", desk.login(), body=OVER, idempotency="k")


async def handed_off(**claims: object) -> Verdict:
    desk = EnforcerHarness()
    return await desk.ask("balance", desk.login(claims=claims or {"account_status": "locked"}))


async def test_a_challenge_without_a_credential_names_no_error() -> None:
    answered = Answered(await challenged())

    assert (answered.reply.status, answered.reply.close, answered.reply.label) == (401, 3000, "challenge")
    assert answered.header(b"www-authenticate") == ['Bearer realm="desk", scope="chat"']
    assert answered.header(b"cache-control") == ["no-store"]
    assert answered.body["next"] == {"action": "authenticate"}
    assert answered.body["operation"] == "chat"


async def test_a_challenge_names_the_error_of_a_rejected_credential_and_nothing_more() -> None:
    desk = EnforcerHarness()
    answered = Answered(await desk.ask("chat", b"Bearer forged"))

    (challenge,) = answered.header(b"www-authenticate")
    assert 'error="invalid_token"' in challenge
    assert "signature" not in answered.reply.body.decode() + challenge, "the caller learns no reason"


async def test_a_challenge_names_the_metadata_and_one_scheme_after_the_other() -> None:
    builder = ReplyBuilder(
        "desk", "", "/.authguard", schemes=("DPoP", "Bearer"), find_metadata=lambda path: f"{METADATA}{path}"
    )
    first, second = Answered(await challenged(), builder).header(b"www-authenticate")

    assert first.startswith("DPoP ")
    assert "algs=" in first
    assert second.startswith("Bearer ")
    assert "algs=" not in second
    for challenge in (first, second):
        assert f'resource_metadata="{METADATA}/chat"' in challenge


async def test_a_realm_cannot_break_out_of_its_quotes() -> None:
    (challenge,) = Answered(await challenged(), ReplyBuilder('a"b\\c\r\nd', "", "/")).header(b"www-authenticate")

    assert challenge.startswith('Bearer realm="abcd", ')


async def test_scopes_have_the_prefix_that_all_issuers_share_but_not_those_of_openid() -> None:
    builder = ReplyBuilder("desk", "", "/", scope_prefixes={"https://a": "api://x/", "https://b": "api://x/"})
    (challenge,) = Answered(await challenged(), builder).header(b"www-authenticate")

    assert 'scope="api://x/chat"' in challenge
    assert with_prefix("openid", "api://x/") == "openid"
    assert with_prefix("api://x/chat", "api://x/") == "api://x/chat"
    assert common_prefix({"a": "x", "b": "y"}) == common_prefix({}) == ""


async def test_a_step_up_names_the_level_and_the_age_in_challenge_and_body() -> None:
    answered = Answered(await stepped_up())

    (challenge,) = answered.header(b"www-authenticate")
    assert (answered.reply.status, answered.reply.close) == (401, 3000)
    assert 'error="insufficient_user_authentication"' in challenge
    assert 'acr_values="aal2' in challenge
    assert 'max_age="300"' in challenge
    assert answered.body["next"]["max_age"] == 300
    assert answered.body["next"]["acr_values"].split()[0] == "aal2"


async def test_a_hold_names_where_to_look_and_when() -> None:
    verdict = await held()
    answered = Answered(verdict)

    place = f"https://shop.test/.authguard/transactions/{verdict.transaction}"
    assert (answered.reply.status, answered.header(b"location")) == (202, [place])
    assert answered.header(b"retry-after") == [str(DEFAULT_RETRY_AFTER_S)]
    assert answered.body["next"] == {"action": "wait", "transaction": verdict.transaction}
    assert "900" not in answered.reply.body.decode(), "the request is not repeated"


async def test_without_an_origin_a_hold_names_a_path_below_the_root() -> None:
    verdict = await held()
    answered = Answered(verdict, ReplyBuilder("desk", "", "/.authguard"), root="/mounted")

    assert answered.header(b"location") == [f"/mounted/.authguard/transactions/{verdict.transaction}"]


async def test_a_hand_off_names_its_queue_and_never_the_state_of_the_account() -> None:
    locked, dead = Answered(await handed_off()), Answered(await handed_off(account_status="estate"))

    assert (locked.reply.status, locked.body["next"]["queue"]) == (403, "identity")
    masked = {"instance": "", "next": ""}
    assert locked.body | masked == dead.body | masked
    assert locked.body["next"].keys() == dead.body["next"].keys()
    assert "www-authenticate" not in dict(locked.reply.headers)


async def test_a_fallback_may_disclose_the_states_that_the_policy_lists() -> None:
    verdict = await handed_off()
    fallback = msgspec.structs.replace(verdict.fallback, discloses=frozenset({"session", "account"}))
    decision = msgspec.structs.replace(verdict.decision, fallback=fallback)

    answered = Answered(msgspec.structs.replace(verdict, decision=decision))

    assert answered.body["states"] == {"account": "locked", "session": "active"}


async def test_nothing_is_disclosed_to_somebody_who_proved_nothing() -> None:
    verdict = await challenged()
    fallback = msgspec.structs.replace(verdict.fallback, discloses=frozenset({"service", "account"}))
    decision = msgspec.structs.replace(verdict.decision, fallback=fallback)

    assert "states" not in Answered(msgspec.structs.replace(verdict, decision=decision)).body


async def test_a_missing_scope_is_a_challenge_of_its_own_with_status_403() -> None:
    desk = EnforcerHarness()
    answered = Answered(await desk.ask("balance", desk.login(token_scopes=frozenset({"chat"}))))

    (challenge,) = answered.header(b"www-authenticate")
    assert answered.reply.status == 403
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="accounts"' in challenge


async def test_two_replies_of_one_refusal_differ_only_in_the_record() -> None:
    desk = EnforcerHarness()
    first, second = Answered(await desk.ask("chat")), Answered(await desk.ask("chat"))

    assert first.body["instance"] != second.body["instance"]
    assert first.body | {"instance": ""} == second.body | {"instance": ""}
    assert first.reply.headers == second.reply.headers


async def test_a_record_of_another_length_is_not_put_into_an_old_reply() -> None:
    verdict = await challenged()
    longer = msgspec.structs.replace(verdict, record="r" * 40)
    builder = ReplyBuilder("desk", "", "/")

    for one in (verdict, longer, verdict):
        answered = Answered(one, builder)
        assert answered.body["instance"] == f"urn:authguard:record:{one.record}"
        assert answered.header(b"content-length") == [str(len(answered.reply.body))]


async def test_a_text_of_the_policy_is_used_in_the_callers_language() -> None:
    say = "fallbacks:\n  sign_in: {kind: challenge, message: {default: Hello, de: {default: Hallo}}}\n"
    desk = EnforcerHarness(POLICY + say)
    verdict = await desk.ask("chat")
    builder = ReplyBuilder("desk", "", "/")

    texts = [Answered(verdict, builder, languages=asked).body["detail"] for asked in ("de-AT,en;q=0.5", "en", "de")]
    assert texts == ["Hallo", "Hello", "Hallo"], "a cached reply of another language is not sent"


async def test_a_repeat_is_the_first_response_and_says_so() -> None:
    verdict = await held()
    record = msgspec.structs.replace(
        verdict.snapshot.transaction, state="done", status=201, content_type="text/plain", answer=b"done", kept=True
    )
    snapshot = msgspec.structs.replace(verdict.snapshot, transaction=record)
    repeat = Fallback(name="say_again", kind=Outcome.REPEAT)
    decision = msgspec.structs.replace(verdict.decision, fallback=repeat, snapshot=snapshot)
    again = msgspec.structs.replace(verdict, decision=decision, headers=((b"location", b"/orders/7"), (b"etag", b"1")))

    reply = Answered(again)
    assert (reply.reply.status, reply.reply.body) == (201, b"done")
    assert reply.header(b"idempotency-replayed") == ["true"]
    assert reply.header(b"etag") == ["1"]
    assert reply.header(b"content-length") == ["4"]


@pytest.mark.parametrize(
    ("reason", "status", "close", "after", "action"),
    [
        (Reason.BODY_TOO_LARGE, 413, 1009, [], "stop"),
        (Reason.ACCOUNT_BUSY, 429, 1013, ["1"], "retry"),
        (Reason.BODY_TIMEOUT, 408, 1013, [str(DEFAULT_RETRY_AFTER_S)], "retry"),
        (Reason.CREDENTIAL_AMBIGUOUS, 400, 1007, [], "stop"),
    ],
)
def test_a_refusal_says_whether_a_retry_may_succeed(
    reason: Reason, status: int, close: int, after: list[str], action: str
) -> None:
    reply = BUILDER.build_for_refusal(Refusal(record="r1", reason=reason))
    body = json.loads(reply.body)

    assert (reply.status, reply.close, reply.label) == (status, close, reason.code)
    assert [value.decode() for name, value in reply.headers if name == b"retry-after"] == after
    assert body["next"] == {"action": action}
    assert body["instance"] == "urn:authguard:record:r1"


def test_a_refusal_that_could_not_be_recorded_names_no_record() -> None:
    assert "instance" not in json.loads(BUILDER.build_for_refusal(Refusal(record="", reason=Reason.BUSY)).body)


def test_the_reply_of_an_endpoint_is_never_cached() -> None:
    reply = json_reply(200, {"a": 1}, [(b"x-more", b"1")])

    assert reply.body == b'{"a":1}'
    assert (b"cache-control", b"no-store") in reply.headers
    assert (b"x-more", b"1") in reply.headers
