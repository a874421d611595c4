"""Held transactions over HTTP are inspected, approved, denied and withdrawn; other callers learn nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec.structs import replace
from starlette.responses import JSONResponse

from authguard.asgi.control import Control
from authguard.core.outcomes import Reason
from authguard.core.request import Proven
from authguard.core.snapshot import Keys
from authguard.encryption import PayloadCipher
from authguard.errors import ReportRefusedError
from authguard.records.entries import ActEntry, TransitionEntry
from tests.asgi.shop import Shop
from tests.support.harness import ISSUER, POLICY

if TYPE_CHECKING:
    import httpx2

OVER = {"amount": 900, "currency": "EUR"}
JOINT = (
    POLICY + "fallbacks:\n  await_approval: {kind: hold, approvers: [{role: officer}, {role: controller, acr: aal3}]}\n"
)
TWO = POLICY + "fallbacks:\n  await_approval: {kind: hold, approvers: {role: supervisor, count: 2, acr: aal3}}\n"
HELD = "/.authguard/transactions"


class Counter:
    """A customer, their supervisors, and their requests."""

    def __init__(self, text: str = POLICY) -> None:
        self.shop = Shop(text)
        self.http = self.shop.client()
        self.alice = self.shop.desk.login("alice")
        self.boss = self.staff("boss")

    def staff(self, name: str, *roles: str, **facts: Any) -> bytes:
        """Sign a member of staff in, by default with the role of an approver."""
        claims = {"account_status": "ok", "roles": list(roles or ["supervisor"])}
        return self.shop.desk.login(name, sid=f"s-{name}", claims=claims, **facts)

    def again(self, header: bytes, **claims: Any) -> bytes:
        """Mint a later credential of the same person, with other claims."""
        self.shop.desk.clock.advance(1)
        new = self.shop.desk.refreshed(header)
        known = self.shop.desk.check.known
        proven = known[new]
        assert isinstance(proven, Proven)
        known[new] = Proven(
            replace(proven.principal, content=msgspec.json.encode({**proven.principal.claims, **claims}))
        )
        return new

    async def buy(self, body: Any = None, *, token: bytes = b"", **headers: str) -> httpx2.Response:
        """Request a refund over the limit."""
        return await self.http.post(
            "/orders/7/refund",
            json=body or OVER,
            headers={"authorization": (token or self.alice).decode(), "idempotency-key": "k", **headers},
        )

    async def held(self) -> str:
        """Create a held transaction, and return its id."""
        reply = await self.buy()
        assert reply.status_code == 202, reply.text
        return str(reply.json()["next"]["transaction"])

    async def say(self, name: str, act: str, token: bytes, **word: str) -> httpx2.Response:
        """Decide on a transaction."""
        return await self.http.post(
            f"{HELD}/{name}/{act}", json={"reason": "called back"} | word, headers={"authorization": token.decode()}
        )

    async def fetch(self, path: str, token: bytes) -> httpx2.Response:
        """List the held transactions."""
        return await self.http.get(f"{HELD}{path}", headers={"authorization": token.decode()})


async def test_what_a_supervisor_approved_runs_once_and_is_answered_again_from_the_first() -> None:
    desk = Counter()
    name = await desk.held()
    seen = (await desk.fetch(f"/{name}", desk.boss)).json()
    assert (seen["operation"], seen["state"], seen["approvers"]) == (
        "refund",
        "held",
        [{"role": "supervisor", "count": 1, "acr": "", "open": 1}],
    )
    assert seen["shown"][0] == 'POST "/orders/7/refund?"'
    assert '"/amount": 900' in seen["shown"]
    assert "alice" not in str(seen)
    said = await desk.say(name, "approve", desk.boss, reason="the customer called")
    assert said.json() == {"transaction": name, "state": "approved", "approvals": 1}
    assert (await desk.buy()).json() == {"refunded": True}
    again = await desk.buy()
    assert again.json() == {"refunded": True}
    assert again.headers["idempotency-replayed"] == "true"
    assert desk.shop.runs == ["refund"]
    (act,) = [line for line in desk.shop.desk.sink.of(ActEntry) if isinstance(line, ActEntry) and line.transaction]
    assert (act.act, act.transaction, act.note) == ("transaction.approved", name, "the customer called")


async def test_the_first_answer_lies_sealed_in_the_store() -> None:
    desk = Counter()
    name = await desk.held()
    await desk.say(name, "approve", desk.boss)
    await desk.buy()
    store: Any = desk.shop.desk.store
    ((_, record),) = await store.transactions(state="done", limit=9)
    assert record.kept
    assert b"refunded" not in record.answer


async def test_two_supervisors_must_say_yes_each_for_themselves_and_strongly_enough() -> None:
    desk = Counter(TWO.replace("order: [aal1, aal2, aal3]", "order: [aal1, aal2, aal3]"))
    name = await desk.held()
    assert (await desk.say(name, "approve", desk.boss)).json()["type"].endswith("approver-weak")
    one, two = desk.staff("one", acr="aal3"), desk.staff("two", acr="aal3")
    for _ in range(2):
        assert (await desk.say(name, "approve", one)).json() == {"transaction": name, "state": "held", "approvals": 1}
    assert (await desk.buy()).status_code == 202
    assert (await desk.say(name, "approve", two)).json()["state"] == "approved"
    assert (await desk.buy()).json() == {"refunded": True}


async def test_who_is_not_asked_sees_of_a_transaction_what_is_seen_of_none() -> None:
    desk = Counter()
    name = await desk.held()
    for token in (desk.staff("clerk", "clerk"), desk.staff("nobody", "x"), desk.shop.desk.login("eve")):
        for act in ("approve", "deny", "withdraw"):
            known, unknown = await desk.say(name, act, token), await desk.say("0" * 32, act, token)
            assert (known.status_code, known.json()["type"]) == (unknown.status_code, unknown.json()["type"])
            assert known.status_code == 404
        known, unknown = await desk.fetch(f"/{name}", token), await desk.fetch("/" + "0" * 32, token)
        assert (known.status_code, unknown.status_code) == (404, 404)
        assert name not in (await desk.fetch("", token)).text
    assert (await desk.fetch(f"/{name}", desk.alice)).json()["state"] == "held"


async def test_nobody_approves_what_is_for_them_or_what_they_do_for_another() -> None:
    desk = Counter()
    desk.alice = desk.staff("alice")
    name = await desk.held()
    assert (await desk.say(name, "approve", desk.alice)).json()["type"].endswith("approver-involved")
    agent = desk.staff("bob", actor="concierge", chain=((ISSUER, "concierge"),))
    reply = await desk.http.post(
        "/orders/8/refund", json=OVER, headers={"authorization": agent.decode(), "idempotency-key": "a"}
    )
    assert reply.status_code == 202, reply.text
    name = reply.json()["next"]["transaction"]
    assert (await desk.say(name, "approve", desk.staff("concierge"))).json()["type"].endswith("approver-involved")
    assert not (await desk.say(name, "approve", desk.staff("amy", actor="concierge"))).is_success
    assert (await desk.fetch(f"/{name}", desk.boss)).json()["approvals"] == []


@pytest.mark.parametrize("lost", ["role", "account", "signed out"])
async def test_an_approver_who_may_approve_no_more_counts_no_more_when_it_is_to_run(lost: str) -> None:
    desk = Counter()
    name = await desk.held()
    assert (await desk.say(name, "approve", desk.boss)).is_success
    later: dict[str, Any] = {"role": {"roles": ["clerk"]}, "account": {"account_status": "locked"}}.get(lost, {})
    token = desk.again(desk.boss, **later)
    if lost == "signed out":
        await desk.http.post("/.authguard/sessions/end", headers={"authorization": token.decode()})
    else:
        await desk.fetch("/" + "0" * 32, token)
    assert (await desk.buy()).json()["outcome"] == "deny"
    assert desk.shop.runs == []
    assert any(isinstance(line, TransitionEntry) and line.cause == "approvers" for line in desk.shop.desk.sink.entries)


async def test_an_older_credential_does_not_bring_a_lost_role_back() -> None:
    desk = Counter()
    name = await desk.held()
    await desk.fetch("", desk.again(desk.boss, roles=["clerk"]))
    assert (await desk.say(name, "approve", desk.boss)).status_code == 404


async def test_the_newest_credential_counts_though_it_says_what_the_one_before_it_did() -> None:
    desk = Counter()
    name = await desk.held()
    demoted = desk.again(desk.boss, roles=["clerk"])
    promoted = desk.again(desk.boss, roles=["supervisor"])
    newest = desk.again(desk.boss, roles=["clerk"])
    for token in (demoted, newest):
        await desk.fetch("", token)
    assert (await desk.say(name, "approve", promoted)).status_code == 404


async def test_what_was_denied_is_denied_and_says_why_to_the_staff_alone() -> None:
    desk = Counter()
    name = await desk.held()
    assert (await desk.say(name, "deny", desk.boss, reason="it looks odd")).json()["state"] == "denied"
    assert (await desk.buy()).json()["outcome"] == "deny"
    assert (await desk.fetch(f"/{name}", desk.boss)).json()["note"] == "it looks odd"
    assert "odd" not in (await desk.fetch(f"/{name}", desk.alice)).text
    assert (await desk.say(name, "approve", desk.boss)).json()["type"].endswith("transaction-over")


async def test_whoever_asked_takes_it_back_and_nobody_approves_it_then() -> None:
    desk = Counter()
    name = await desk.held()
    assert (await desk.say(name, "withdraw", desk.alice)).json()["state"] == "denied"
    assert (await desk.say(name, "approve", desk.boss)).status_code == 409
    assert (await desk.say(name, "withdraw", desk.alice)).status_code == 409


async def test_a_request_that_was_changed_after_the_approval_is_refused_for_ever() -> None:
    desk = Counter()
    name = await desk.held()
    await desk.say(name, "approve", desk.boss)
    assert (await desk.buy({"amount": 9_000, "currency": "EUR"})).json()["outcome"] == "deny"
    assert (await desk.buy()).json()["outcome"] == "deny"
    assert desk.shop.runs == []


async def test_a_done_transaction_with_another_body_is_refused_and_stays_done() -> None:
    desk = Counter()
    small = {"amount": 5, "currency": "EUR"}
    assert (await desk.buy(small)).json() == {"refunded": True}
    assert (await desk.buy({"amount": 6, "currency": "EUR"})).status_code == 422
    assert (await desk.buy(small)).headers["idempotency-replayed"] == "true"
    assert desk.shop.runs == ["refund"]


async def test_approvers_list_what_waits_for_them_the_oldest_first() -> None:
    desk = Counter()
    names = []
    for key in "abc":
        names.append((await desk.buy(**{"idempotency-key": key})).json()["next"]["transaction"])
        desk.shop.desk.clock.advance(1)
    listed = (await desk.fetch("", desk.boss)).json()["transactions"]
    assert [one["transaction"] for one in listed] == names
    assert [one["transaction"] for one in (await desk.fetch("?limit=1", desk.boss)).json()["transactions"]] == names[:1]
    first = (await desk.fetch("?limit=2", desk.boss)).json()
    second = (await desk.fetch(f"?limit=2&after={first['next']}", desk.boss)).json()
    assert [one["transaction"] for one in (*first["transactions"], *second["transactions"])] == names
    assert "next" not in second
    subject = listed[0]["subject"]
    assert len((await desk.fetch(f"?subject={subject}", desk.boss)).json()["transactions"]) == 3
    assert (await desk.fetch("?subject=other", desk.boss)).json() == {"transactions": []}
    assert (await desk.fetch("?state=approved", desk.boss)).json() == {"transactions": []}
    assert (await desk.fetch("?operation=other", desk.boss)).json() == {"transactions": []}
    for query in ("?limit=x", "?after=x", "?after=nan_t", "?after=1", "?who=me", "?state=" + "x" * 2_000):
        assert (await desk.fetch(query, desk.boss)).status_code == 400


async def test_a_malformed_decision_decides_nothing() -> None:
    desk = Counter()
    name = await desk.held()
    silent = (b"{}", b'{"reason": ""}', b'{"reason": " \\u200b\\u3164"}', b'{"reason": "..."}')
    for body in (b"{", b"[]", b'{"reason": 7}', b'{"yes": true}', *silent):
        reply = await desk.http.post(
            f"{HELD}/{name}/approve", content=body, headers={"authorization": desk.boss.decode()}
        )
        assert reply.status_code == 400
    assert (await desk.fetch(f"/{name}", desk.boss)).json()["state"] == "held"


SMALL = {"amount": 5, "currency": "EUR"}
BUSY_FAILS = POLICY.replace("    idempotency: required\n", "    idempotency: required\n    failed_on: [409, 503]\n")


@pytest.mark.parametrize(
    ("text", "status", "state"),
    [
        (POLICY, 404, "failed"),
        (POLICY, 503, "in_doubt"),
        (POLICY, 303, "in_doubt"),
        (BUSY_FAILS, 503, "failed"),
        (BUSY_FAILS, 409, "failed"),
        (BUSY_FAILS, 404, "in_doubt"),
    ],
)
async def test_only_what_the_policy_says_means_that_nothing_happened(text: str, status: int, state: str) -> None:
    desk = Counter(text)
    desk.shop.answer = JSONResponse({}, status)
    assert (await desk.buy(SMALL)).status_code == status
    store: Any = desk.shop.desk.store
    ((_, record),) = await store.transactions(limit=9)
    assert record.state == state
    account = (await desk.shop.desk.enforcer.repository.load(Keys(account=record.account))).snapshot.account
    assert bool(account.ledger) == (state == "in_doubt")


async def test_an_answer_whose_key_is_gone_is_told_by_its_status_alone() -> None:
    desk = Counter()
    desk.shop.answer = JSONResponse({"refunded": True}, 201)
    await desk.buy(SMALL)
    desk.shop.desk.enforcer._committer._cipher = PayloadCipher((b"another key of thirty-two bytes.",))
    again = await desk.buy(SMALL)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    assert again.json().keys() == {"outcome", "transaction", "status"}


async def test_a_first_answer_is_told_as_long_as_the_policy_says_and_it_never_runs_again() -> None:
    desk = Counter(POLICY + "transactions: {response_retention: 2m}\n")
    desk.shop.answer = JSONResponse({"refunded": True}, 201)
    store: Any = desk.shop.desk.store
    await desk.buy(SMALL)
    desk.shop.desk.clock.advance(119)
    assert (await desk.buy(SMALL)).json() == {"refunded": True}
    desk.shop.desk.clock.advance(1)
    for _ in range(2):
        again = await desk.buy(SMALL)
        assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
        assert again.json().keys() == {"outcome", "transaction", "status"}
    ((_, record),) = await store.transactions(limit=9)
    assert (record.state, record.answer, record.kept) == ("done", b"", False)
    assert (await desk.buy({**SMALL, "amount": 6})).status_code == 422
    assert desk.shop.runs == ["refund"]


@pytest.mark.parametrize("happened", [True, False])
async def test_a_job_of_the_app_settles_what_it_finds_out(*, happened: bool) -> None:
    desk = Counter()
    control = Control()
    with pytest.raises(ReportRefusedError, match="no guard has this Control"):
        await control.settle("t", happened=happened, by="reconciliation")
    control.bind(desk.shop.desk.enforcer)
    desk.shop.answer = JSONResponse({}, 500)
    await desk.buy(SMALL)
    store: Any = desk.shop.desk.store
    ((name, _),) = await store.transactions(state="in_doubt", limit=9)
    with pytest.raises(ReportRefusedError, match="there is no such transaction"):
        await control.settle("0" * 32, happened=happened, by="reconciliation")
    with pytest.raises(ReportRefusedError, match="`by` is empty"):
        await control.settle(name, happened=happened, by=" ")
    await control.settle(name, happened=happened, by="reconciliation", note="the bank says so")
    with pytest.raises(ReportRefusedError, match="does not wait for such a decision"):
        await control.settle(name, happened=not happened, by="reconciliation")
    again = await desk.buy(SMALL)
    assert again.json()["outcome"] == ("repeat" if happened else "handoff")
    assert desk.shop.runs == ["refund"]
    acts = [one for one in desk.shop.desk.sink.of(ActEntry) if isinstance(one, ActEntry) and one.by == "reconciliation"]
    assert [(one.act, one.note) for one in acts][1] == (
        f"transaction.settled_{'done' if happened else 'failed'}",
        "the bank says so",
    )


async def test_approvers_of_two_roles_see_what_is_missing_and_approve_in_any_order() -> None:
    desk = Counter(JOINT)
    name = await desk.held()
    officer, controller = desk.staff("olaf", "officer"), desk.staff("cara", "controller", acr="aal3")
    seen = (await desk.fetch(f"/{name}", controller)).json()
    assert seen["held_by"] == "await_approval"
    assert seen["approvers"] == [
        {"role": "officer", "count": 1, "acr": "", "open": 1},
        {"role": "controller", "count": 1, "acr": "aal3", "open": 1},
    ]
    listed = [(await desk.fetch("?state=held", token)).json()["transactions"] for token in (officer, controller)]
    assert [[one["transaction"] for one in each] for each in listed] == [[name], [name]]

    assert (await desk.say(name, "approve", officer)).json()["state"] == "held"
    assert [one["open"] for one in (await desk.fetch(f"/{name}", officer)).json()["approvers"]] == [0, 1]
    refused = await desk.say(name, "approve", desk.staff("otto", "officer"))
    assert refused.status_code == 409
    assert refused.json()["detail"] == Reason.TRANSACTION_OVER.public
    assert (await desk.buy()).status_code == 202
    assert (await desk.say(name, "approve", controller)).json()["state"] == "approved"
    assert (await desk.buy()).status_code == 200
