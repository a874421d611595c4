"""A transaction is bound to the exact request, its sender and the policy; any other request is altered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as change

from authguard.core.outcomes import Reason
from authguard.core.request import Evidence, Operation, Proven
from authguard.encryption import PayloadCipher
from authguard.evaluation.canonical import MAX_TEXT_CHARS
from authguard.evaluation.decision import AppResponse, Refusal
from authguard.evaluation.request import AccessRequest, Body
from authguard.evaluation.transactions import bind_request
from tests.support.harness import POLICY, EnforcerHarness, signed_in

BODY = Body(b'{"amount": 100, "to": "bob"}', b"/orders/7/refund?fast=1", "application/json", b"application/json")
ASK = AccessRequest(operation=Operation(name="refund", risk="high"), method="POST")
ALICE = signed_in(at=1_000.0)
SEAL = PayloadCipher((bytes(32),))


class OneId:
    def record(self, now: float) -> str:
        return f"record-{now}"

    def secret(self) -> str:
        return "secret"


def digest(ask: AccessRequest = ASK, body: Body = BODY, who: Proven = ALICE, policy: str = "digest-1") -> str:
    return bind_request(ask, who.principal, body, OneId(), policy, SEAL).digest


@pytest.mark.parametrize(
    "other",
    [
        digest(ask=change(ASK, method="PUT")),
        digest(ask=change(ASK, operation=Operation(name="pay", risk="high"))),
        digest(body=replace(BODY, content=b'{"amount": 100, "to": "bop"}')),
        digest(body=replace(BODY, content=b'{"amount": 101, "to": "bob"}')),
        digest(body=replace(BODY, content=b'{"amount": "100", "to": "bob"}')),
        digest(body=replace(BODY, target=b"/orders/8/refund?fast=1")),
        digest(body=replace(BODY, target=b"/orders/7/refund?fast=0")),
        digest(body=replace(BODY, target=b"/orders/%37/refund?fast=1")),
        digest(body=replace(BODY, content_type="text/plain", form=b"text/plain")),
        digest(body=replace(BODY, form=b"application/json; charset=utf-16")),
        digest(body=replace(BODY, form=b"application/json\ngzip")),
        digest(who=signed_in("bob", at=1_000.0)),
        digest(who=signed_in(at=1_000.0, sid="s2")),
        digest(who=signed_in(at=1_000.0, actor="concierge")),
        digest(policy="digest-2"),
    ],
)
def test_whatever_changes_the_meaning_changes_the_digest(other: str) -> None:
    assert other != digest()


@pytest.mark.parametrize(
    "content",
    [b'{"to":"bob","amount":100}', b' {"amount" : 100.0, "to": "\\u0062ob"}\n', b'{"amount": 1e2, "to": "bob"}'],
)
def test_what_changes_no_meaning_does_not(content: bytes) -> None:
    assert digest(body=replace(BODY, content=content)) == digest()


def test_a_name_that_the_caller_gives_is_its_own_for_each_account_and_operation() -> None:
    ask = change(ASK, evidence=Evidence(idempotency="k1"))
    ids = {
        bind_request(one, who.principal, BODY, OneId(), "p", SEAL).transaction
        for one in (ask, change(ask, operation=Operation(name="pay")))
        for who in (ALICE, signed_in("bob", at=1_000.0))
    }
    assert len(ids) == 4
    assert bind_request(ASK, ALICE.principal, BODY, OneId(), "p", SEAL).transaction == "secret"


async def test_what_is_held_is_kept_as_an_approver_reads_it() -> None:
    desk = EnforcerHarness()
    large = {"amount": 501, "currency": "EUR", "to": "p\u0430ypal"}
    verdict = await desk.ask("refund", desk.login(), body=large, idempotency="k1")
    record = verdict.snapshot.transaction
    assert b"ypal" not in record.request
    assert desk.enforcer.approvals.render_request(verdict.transaction, record) == (
        'POST "/refund"',
        '"/amount": 501',
        '"/currency": "EUR"',
        '"/to": "p\\u0430ypal"  [not ASCII: U+0430 CYRILLIC SMALL LETTER A]',
    )


@pytest.mark.parametrize("change_it", [{"digest": "another"}, {"request": b"12345678" + bytes(40)}])
async def test_what_is_shown_is_what_is_bound_or_nothing(change_it: dict[str, Any]) -> None:
    desk = EnforcerHarness()
    verdict = await desk.ask("refund", desk.login(), body={"amount": 501, "currency": "EUR"}, idempotency="k1")
    record = verdict.snapshot.transaction
    assert desk.enforcer.approvals.render_request(verdict.transaction, record)
    assert desk.enforcer.approvals.render_request(verdict.transaction, change(record, **change_it)) == ()
    assert desk.enforcer.approvals.render_request("another", record) == ()


async def test_more_than_an_approver_can_read_is_refused_and_not_cut() -> None:
    desk = EnforcerHarness()
    large = {"amount": 501, "currency": "EUR", "a" * MAX_TEXT_CHARS: ""}
    refusal = await desk.ask_any("refund", desk.login(), body=large, idempotency="k1")
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.TRANSACTION_TOO_LONG


async def test_another_session_of_the_same_person_cannot_use_the_approval() -> None:
    desk = EnforcerHarness()
    large = {"amount": 501, "currency": "EUR"}
    held = await desk.ask("refund", desk.login(), body=large, idempotency="k1")
    for body, reason in ((large, Reason.SESSION_CHANGED), ({**large, "amount": 502}, Reason.TRANSACTION_ALTERED)):
        elsewhere = await desk.ask_any("refund", desk.login(sid="s2"), body=body, transaction=held.transaction)
        assert isinstance(elsewhere, Refusal)
        assert elsewhere.reason is reason
    stands = (await desk.enforcer.repository.load(held.keys)).snapshot.transaction
    assert stands.state == "held", "another session voided what waits"


async def test_after_a_new_policy_what_is_done_is_answered_again_and_what_waits_is_asked_anew() -> None:
    small, large = {"amount": 5, "currency": "EUR"}, {"amount": 501, "currency": "EUR"}
    old = EnforcerHarness()
    new = EnforcerHarness(POLICY.replace("name: ", "name: new-", 1), store=old.store)
    new.check.known, new.ids = old.check.known, old.ids
    token = old.login()
    done = await old.ask("refund", token, body=small, idempotency="done")
    await old.enforcer.reports.settle(done, AppResponse(201, "text/plain", b"first"))
    running = await old.ask("refund", token, body=small, idempotency="running")
    held = await old.ask("refund", token, body=large, idempotency="held")
    approved = await old.ask("refund", token, body=large, idempotency="approved")
    by = ("Ines",)
    assert not isinstance(
        await old.enforcer.approvals.decide_as_operator(approved.transaction, "transaction.approved", by, ""), Reason
    )
    assert running.running

    again = await new.ask("refund", token, body=small, idempotency="done")
    assert (again.fallback.kind.value, again.snapshot.transaction.answer) == ("repeat", b"first")
    other = await new.ask_any("refund", token, body={**small, "amount": 6}, idempotency="done")
    assert isinstance(other, Refusal)
    assert other.reason is Reason.TRANSACTION_ALTERED
    assert (await new.ask("refund", token, body=small, idempotency="running")).fallback.name == "busy"
    for name in ("held", "approved"):
        verdict = await new.ask("refund", token, body=large, idempotency=name)
        assert (verdict.fallback.kind.value, verdict.snapshot.transaction.state) == ("deny", "denied")
    assert (await new.ask("refund", token, body=large, idempotency="anew")).transaction != held.transaction


async def test_what_the_app_says_did_not_happen_is_given_back_to_everybody() -> None:
    limits = "      - {amount: 1000 EUR, per: 1d, by: service}\n      - {calls: 5, per: 10m, by: payee}\n"
    text = POLICY.replace("    limits:\n", f"    payee: {{at: /to}}\n    limits:\n{limits}")
    desk = EnforcerHarness(text)
    token = desk.login()
    verdict = await desk.ask("refund", token, body={"amount": 400, "currency": "EUR", "to": "bob"}, idempotency="k1")
    assert verdict.running
    loaded = await desk.enforcer.repository.load(verdict.keys)
    assert [len(record.ledger) for record in loaded.snapshot.ledgers.values()] == [1, 1]
    assert loaded.snapshot.transaction.keys(verdict.transaction) == verdict.keys
    await desk.enforcer.reports.settle(verdict, AppResponse(422))
    loaded = await desk.enforcer.repository.load(verdict.keys)
    assert [len(record.ledger) for record in loaded.snapshot.ledgers.values()] == [0, 0]
    nobody = await desk.ask("refund", token, body={"amount": 1, "currency": "EUR"}, idempotency="k2")
    assert nobody.cell[10] == "unmeasured", "whose limit it is cannot be told"
