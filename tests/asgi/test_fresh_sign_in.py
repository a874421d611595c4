"""Stories of tokens that state no sign-in time: what ends a session, and what alone begins it again."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from authguard.core.record_keys import account_key, session_key
from tests.support.fresh_house import NO_VERIFIERS, POLICY, SHAPES, SUBJECT, VERIFIERS, WITH_SID, FreshHouse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., FreshHouse]

IDLE_S = 16 * 60
EVERY_SHAPE = pytest.mark.parametrize("shape", SHAPES)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Build a house in the test's folder."""
    return lambda **parts: FreshHouse(tmp_path, **parts)


@EVERY_SHAPE
async def test_an_idle_customer_gets_a_new_token_answers_the_verifier_and_chats(make: Make, shape: str) -> None:
    house = make(shape=shape)
    old = house.token()
    assert await house.chat(old) == "ok"
    house.clock.advance(IDLE_S)
    assert await house.chat(old) == "401 step_up", "the client has to refresh the token first"
    assert await house.verify(old) == "401 step_up", "an old access token cannot even answer"
    new = house.token()
    assert await house.chat(new) == "403 verify"
    assert await house.verify(new, "0000") == "403 verify"
    assert await house.verify(new) == "ok"
    assert await house.chat(new) == "ok"
    house.clock.advance(60)
    assert await house.chat(house.token()) == "ok"
    assert len(house.judge.asked) == 2


@EVERY_SHAPE
@pytest.mark.parametrize("everywhere", [False, True])
async def test_after_a_sign_out_a_refreshed_token_gets_the_question_and_nothing_else(
    make: Make,
    shape: str,
    everywhere: bool,  # noqa: FBT001 - a case
) -> None:
    house = make(shape=shape)
    old = house.token()
    assert await house.chat(old) == "ok"
    await house.sign_out(old, everywhere=everywhere)
    assert await house.chat(old) == "401 terminate"
    assert await house.verify(old) == "401 terminate", "an old access token cannot even answer"
    stolen = house.token()
    assert [await house.chat(stolen) for _ in range(5)] == ["403 verify"] * 5
    assert await house.verify(stolen, "0000") == "403 verify"
    assert await house.chat(stolen) == "403 verify"
    house.clock.advance(5)
    again = house.token()
    assert await house.verify(again) == "ok"
    assert await house.chat(again) == "ok"
    assert await house.chat(old) == "401 challenge", "the replayed token of before the sign-out stays out"
    assert await house.chat(again) == "ok", "and ends nothing"


@EVERY_SHAPE
async def test_wrong_answers_of_a_thief_count_against_the_subject_until_a_person_takes_over(
    make: Make, shape: str
) -> None:
    house = make(shape=shape)
    await house.chat(house.token())
    await house.sign_out(house.token())
    stolen = house.token()
    answers = [await house.verify(stolen, "0000") for _ in range(4)]
    assert answers == ["403 verify", "403 verify", "403 handoff", "403 handoff"]
    assert await house.chat(house.token()) == "403 handoff"
    assert len(house.judge.asked) == 3
    house.clock.advance(IDLE_S)
    fresh = house.token()
    assert await house.chat(fresh) == "403 verify", "the count ends with its window"
    assert await house.verify(fresh) == "ok"


@EVERY_SHAPE
async def test_twelve_hours_end_a_busy_session_and_a_verifier_begins_it_again(make: Make, shape: str) -> None:
    house = make(shape=shape)
    for _ in range(52):
        assert await house.chat(house.token()) == "ok"
        house.clock.advance(14 * 60)
    assert await house.chat(house.token()) == "403 verify"
    assert await house.verify(house.token()) == "ok"
    assert await house.chat(house.token()) == "ok"


@EVERY_SHAPE
async def test_without_a_verifier_a_person_takes_over(make: Make, shape: str) -> None:
    house = make(policy=POLICY + NO_VERIFIERS, shape=shape)
    await house.chat(house.token())
    house.clock.advance(IDLE_S)
    assert await house.chat(house.token()) == "403 handoff"
    await house.chat(house.token())
    answer = await house.ask("POST", "/.authguard/verify", house.token(), json={"method": "default"})
    assert answer.status_code == 403


@pytest.mark.parametrize("shape", WITH_SID)
async def test_a_session_id_never_seen_is_a_new_sign_in_and_a_known_one_is_not(make: Make, shape: str) -> None:
    house = make(shape=shape)
    await house.chat(house.token())
    await house.sign_out(house.token())
    assert await house.chat(house.token(session="the-next")) == "ok"
    assert await house.chat(house.token()) == "403 verify"
    early = house.token(session="issued-before")
    await house.sign_out(house.token(session="the-next"), everywhere=True)
    assert await house.chat(early) == "401 terminate"
    assert await house.verify(early) == "401 terminate"
    assert await house.chat(house.token(session="the-next")) == "403 verify"
    assert await house.chat(house.token(session="issued-before")) == "403 verify"
    assert await house.chat(house.token(session="after-it")) == "ok"


@pytest.mark.parametrize("shape", WITH_SID)
async def test_a_policy_may_ask_for_the_sign_in_that_has_a_new_session_id(make: Make, shape: str) -> None:
    rule = (
        "decisions:\n  - {phase: caller, when: {credential: undated, session: [idle, expired, revoked], actor: subject,"
        " assurance: [met, insufficient]}, do: sign_in_fresh}\n"
    )
    house = make(shape=shape, policy=POLICY + NO_VERIFIERS + rule)
    assert await house.chat(house.token()) == "ok"
    house.clock.advance(IDLE_S)
    assert await house.chat(house.token()) == "401 step_up"
    assert await house.chat(house.token(session="the-next")) == "ok"
    assert await house.chat(house.token()) == "401 step_up"


@pytest.mark.parametrize("shape", ["auth0", "entra"])  # a Google token names one client, its audience
async def test_after_a_sign_out_everywhere_another_client_is_asked_too(make: Make, shape: str) -> None:
    house = make(shape=shape)
    await house.chat(house.token())
    await house.chat(house.token(client="tablet"))
    await house.sign_out(house.token(), everywhere=True)
    known, unseen = house.token(client="tablet"), house.token(client="phone")
    assert [await house.chat(one) for one in (known, unseen)] == ["403 verify"] * 2
    assert await house.verify(unseen) == "ok"
    assert [await house.chat(one) for one in (known, unseen)] == ["403 verify", "ok"]
    house.clock.advance(60)
    assert await house.chat(house.token(client="phone")) == "ok"


@pytest.mark.parametrize(("shape", "kind"), [("auth0", "access-action"), ("supabase", "access"), ("cognito", "access")])
async def test_a_sign_in_time_in_the_token_proves_the_sign_in_without_a_question(
    make: Make, shape: str, kind: str
) -> None:
    house = make(shape=shape)
    await house.chat(house.token(kind, signed_in=0))
    house.clock.advance(IDLE_S)
    assert await house.chat(house.token(kind, signed_in=IDLE_S)) == "401 step_up", "a refresh is no sign-in"
    assert await house.chat(house.token(kind, signed_in=0)) == "ok"
    await house.sign_out(house.token(kind, signed_in=0))
    assert await house.chat(house.token(kind, signed_in=10)) == "401 terminate"
    assert await house.chat(house.token(kind, signed_in=0)) == "ok"
    assert house.judge.asked == []


@EVERY_SHAPE
async def test_max_age_is_met_by_a_verifier_where_the_token_states_no_time(make: Make, shape: str) -> None:
    house = make(shape=shape)
    assert await house.chat(house.token()) == "ok"

    async def pay(key: str) -> str:
        answer = await house.ask("POST", "/pay", house.token(), json={}, headers={"Idempotency-Key": key})
        return "ok" if answer.status_code == 200 else f"{answer.status_code} {answer.json()['outcome']}"

    assert await pay("one") == "403 verify"
    assert await house.verify(house.token()) == "ok"
    assert [await pay("two"), await pay("three")] == ["ok", "ok"]
    house.clock.advance(301)
    assert await house.chat(house.token()) == "ok"
    assert await pay("four") == "403 verify"
    assert await house.verify(house.token()) == "ok"
    assert await pay("four") == "ok"


async def test_a_cached_admission_ends_with_the_age_of_the_verification(make: Make) -> None:
    aged = POLICY.replace("risk: sensitive, effect: read}", "risk: sensitive, effect: read, assurance: {max_age: 5m}}")
    house = make(policy=aged + VERIFIERS)
    token = house.token()
    assert await house.chat(token) == "ok"
    assert await house.verify(token) == "ok"
    assert [(await house.ask("GET", "/orders", token)).status_code for _ in range(3)] == [200] * 3
    house.clock.advance(301)
    assert (await house.ask("GET", "/orders", token)).status_code == 403


@pytest.mark.parametrize(("shape", "kind"), [("entra", "access-v1"), ("cognito", "access")])
async def test_a_level_proves_identity_on_first_sight_and_not_again_after_it_aged(
    make: Make, shape: str, kind: str
) -> None:
    house = make(shape=shape)
    assert (await house.ask("GET", "/orders", house.token(kind, strong=True))).status_code == 200
    for _ in range(3):
        house.clock.advance(11 * 60)
        assert await house.chat(house.token(kind, strong=True)) == "ok"
    assert (await house.ask("GET", "/orders", house.token(kind, strong=True))).status_code == 403
    assert await house.verify(house.token(kind, strong=True)) == "ok"
    assert (await house.ask("GET", "/orders", house.token(kind, strong=True))).status_code == 200


async def test_an_agent_of_an_idle_customer_gets_a_person_and_a_machine_signs_in_by_its_next_token(make: Make) -> None:
    house = make()
    await house.chat(house.token())
    house.clock.advance(IDLE_S)
    assert await house.chat(house.token(act={"sub": "concierge"})) == "403 handoff"
    first = house.token("machine", client="robot")
    assert await house.chat(first) == "ok"
    house.clock.advance(IDLE_S)
    assert await house.chat(first) == "401 step_up"
    assert await house.chat(house.token("machine", client="robot")) == "ok"


async def test_a_sign_out_while_the_verifier_thinks_is_not_undone_by_its_pass(make: Make) -> None:
    house = make()
    await house.chat(house.token())
    house.clock.advance(IDLE_S)
    token = house.token()

    account = account_key(house.issuer, SUBJECT)
    session = session_key(house.issuer, SUBJECT, "app-1", "")

    async def end() -> None:
        await house.guard.enforcer.staff_actions.end_session(session, account, "operator", "stolen")

    house.judge.before = end
    house.clock.advance(5)
    assert await house.verify(token) == "401 terminate"
    house.judge.before = lambda: None
    assert await house.chat(token) == "401 terminate"


async def test_a_sign_out_everywhere_while_the_verifier_thinks_is_not_undone_by_its_pass(make: Make) -> None:
    house = make()
    await house.chat(house.token())
    house.clock.advance(IDLE_S)
    token = house.token()
    house.clock.advance(5)

    async def sign_out() -> None:
        account = account_key(house.issuer, SUBJECT)
        await house.guard.enforcer.staff_actions.sign_out(account, "pseudonym", "operator", "stolen")

    house.judge.before = sign_out
    assert await house.verify(token) == "403 verify"
    house.judge.before = lambda: None
    house.clock.advance(5)
    assert await house.chat(token) == "401 terminate"
    assert await house.chat(house.token()) == "403 verify"


async def test_two_guards_on_one_store_agree_and_one_verification_renews_one_session(make: Make) -> None:
    house = make()
    second = house.build("two")
    await house.chat(house.token())
    await house.chat(house.token(client="tablet"), guard=second)
    await house.sign_out(house.token(), guard=second)
    assert await house.chat(house.token()) == "403 verify"
    house.clock.advance(IDLE_S)
    assert await house.verify(house.token(), guard=second) == "ok"
    assert await house.chat(house.token()) == "ok"
    assert await house.chat(house.token(client="tablet")) == "403 verify", "the other session is idle still"


async def test_parallel_right_and_wrong_answers_end_in_one_session_that_the_right_one_renewed(make: Make) -> None:
    house = make()
    await house.chat(house.token())
    await house.sign_out(house.token())
    token = house.token()
    answers = await asyncio.gather(*(house.verify(token, answer) for answer in ("0000", "1234", "0000", "1234")))
    assert set(answers) <= {"ok", "403 verify", "409 retry"}
    if "ok" not in answers:
        assert await house.chat(token) == "403 verify"
        assert await house.verify(token) == "ok"
    assert await house.chat(token) == "ok"


async def test_an_issuer_that_promises_the_time_gets_no_session_for_a_token_without_it(make: Make) -> None:
    house = make(policy=POLICY.replace("evidence: any", "evidence: auth_time") + VERIFIERS)
    token = house.token()
    assert await house.chat(token) == "403 verify"
    assert await house.verify(token, "0000") == "403 verify"
    assert await house.chat(token) == "403 verify", "a stored attempt is no sign-in"
    assert await house.verify(token) == "ok"
    assert await house.chat(token) == "ok"
    assert await house.chat(house.token("access-action", signed_in=0, subject="bob")) == "ok"


def test_an_open_websocket_takes_the_answer_of_an_idle_customer(make: Make) -> None:
    house = make()
    with TestClient(house.guard) as client:
        headers = {"Authorization": f"Bearer {house.token()}"}
        assert client.post("/chat", headers=headers).status_code == 200
        house.clock.advance(IDLE_S)
        headers = {"Authorization": f"Bearer {house.token()}"}
        assert client.post("/chat", headers=headers).status_code == 403
        with client.websocket_connect("/live", headers=headers) as socket:
            socket.send_text(json.dumps({"authguard": {"verify": {"method": "default", "answers": {"pin": "1234"}}}}))
            reply: dict[str, Any] = socket.receive_json()
            assert reply["authguard"]["verify"]["next"] == {"action": "continue"}
        assert client.post("/chat", headers=headers).status_code == 200


async def test_the_log_names_the_cause_of_the_renewal(make: Make) -> None:
    house = make()
    await house.chat(house.token())
    house.clock.advance(IDLE_S)
    await house.verify(house.token())
    await house.guard.enforcer.close()
    lines = [json.loads(line) for line in (house.folder / "one.jsonl").read_text("utf-8").splitlines()]
    moved = [(line["event"], line["cause"]) for line in lines if line.get("machine") == "session"]
    assert moved == [("accepted", "credential"), ("idled", "timer"), ("renewed", "verification")]


async def test_a_session_token_of_clerk_is_known_by_its_session_id(make: Make) -> None:
    house = make(shape="clerk", policy=POLICY.replace(", evidence: any", "") + VERIFIERS)
    assert await house.chat(house.token(lifetime=60)) == "ok"
    house.clock.advance(IDLE_S)
    assert await house.chat(house.token(lifetime=60)) == "403 verify"
    assert await house.verify(house.token(lifetime=60)) == "ok"
    assert await house.chat(house.token(lifetime=60)) == "ok"
    await house.sign_out(house.token(lifetime=60))
    assert await house.chat(house.token(lifetime=60)) == "403 verify"
    assert await house.chat(house.token(lifetime=60, session="signed-in-again")) == "ok"


async def test_a_person_who_poses_as_a_machine_does_not_date_the_session_by_the_issue_of_a_token(make: Make) -> None:
    house = make()
    await house.chat(house.token())
    await house.sign_out(house.token())
    assert await house.chat(house.token(gty="client-credentials")) == "403 deny", "its client may not act alone"
    assert await house.chat(house.token()) == "403 verify"
