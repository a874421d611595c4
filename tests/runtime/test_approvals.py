"""Who may decide on a transaction, how often each person counts, and what is recorded of it."""

from __future__ import annotations

from typing import Any

import pytest

from authguard.asgi.transaction_endpoints import own_operations
from authguard.core.outcomes import Reason
from authguard.core.request import Evidence, Proven
from authguard.core.snapshot import Keys, TransactionRecord
from authguard.evaluation.decision import Verdict
from authguard.evaluation.request import AccessRequest
from authguard.records.entries import ActEntry
from tests.support.harness import POLICY, EnforcerHarness

BODY = {"amount": 900, "currency": "EUR"}
APPROVE = next(operation for operation in own_operations("") if operation.name.endswith("approve"))
TWO = POLICY + "fallbacks:\n  await_approval: {kind: hold, approvers: {role: supervisor, count: 2}}\n"
STRONG = POLICY + "fallbacks:\n  await_approval: {kind: hold, approvers: {role: supervisor, count: 1, acr: aal3}}\n"


class Desk(EnforcerHarness):
    """An enforcer with a held refund, and people who decide on it."""

    async def held(self, **facts: Any) -> str:
        """Let a customer request a refund over the limit; return the transaction's id."""
        return (await self.ask("refund", self.login(**facts), body=BODY, idempotency="k")).transaction

    async def person(self, name: str, *roles: str, status: str = "ok", **facts: Any) -> Verdict:
        """Return the verdict on the request of a person to decide."""
        self.clock.advance(1)
        claims = {"roles": list(roles), "account_status": status}
        header = self.login(name, sid=f"{name}-{self.clock.now()}", claims=claims, **facts)
        request = AccessRequest(operation=APPROVE, evidence=Evidence(authorization=header), method="POST")
        verdict = await self.enforcer.decide(request)
        assert isinstance(verdict, Verdict)
        return verdict

    async def approve(self, name: str, transaction: str, *roles: str, **facts: Any) -> str:
        """Approve as a person, by default with the role; return the state afterwards, or the reason."""
        verdict = await self.person(name, *(roles or ("supervisor",)), **facts)
        return told(await self.enforcer.approvals.approve(verdict, transaction, "called back"))

    async def record(self, transaction: str) -> TransactionRecord:
        return (await self.enforcer.repository.load(Keys(transaction=transaction))).snapshot.transaction

    def acts(self, act: str) -> list[ActEntry]:
        return [entry for entry in self.sink.of(ActEntry) if isinstance(entry, ActEntry) and entry.act == act]


def told(found: TransactionRecord | Reason) -> str:
    return found.code if isinstance(found, Reason) else found.state


async def test_an_approver_with_the_role_lets_it_run_and_is_recorded_with_the_reason() -> None:
    desk = Desk()
    transaction = await desk.held()

    assert await desk.approve("boss", transaction) == "approved"
    record = await desk.record(transaction)
    (given,) = record.approvals
    (act,) = desk.acts("transaction.approved")
    assert (given.note, act.note, act.transaction) == ("called back", "called back", transaction)
    assert act.by == given.by
    assert "boss" not in f"{record} {act}", "a pseudonym only"


@pytest.mark.parametrize(
    ("name", "roles", "facts"),
    [
        ("clerk", ("clerk",), {}),
        ("nobody", (" ",), {}),
        ("boss", ("supervisor",), {"client": "concierge"}),
        ("boss", ("supervisor",), {"actor": "concierge"}),
    ],
    ids=["another role", "no role", "an agent's token", "an agent for them"],
)
async def test_whoever_may_not_decide_learns_of_no_transaction(
    name: str, roles: tuple[str, ...], facts: dict[str, Any]
) -> None:
    desk = Desk()
    transaction = await desk.held()

    assert await desk.approve(name, transaction, *roles, **facts) == Reason.TRANSACTION_UNKNOWN.code
    assert (await desk.record(transaction)).approvals == ()


async def test_an_unknown_transaction_and_one_that_may_not_be_seen_look_alike() -> None:
    desk = Desk()
    held = await desk.held()
    clerk = await desk.person("clerk", "clerk")

    for transaction in (held, "0" * 32):
        assert await desk.enforcer.approvals.get(clerk.principal, transaction) is Reason.TRANSACTION_UNKNOWN
        for decide in (desk.enforcer.approvals.deny, desk.enforcer.approvals.withdraw):
            assert await decide(clerk, transaction, "no") is Reason.TRANSACTION_UNKNOWN


async def test_nobody_approves_their_own_request_even_with_the_role() -> None:
    desk = Desk()
    transaction = await desk.held()

    assert await desk.approve("alice", transaction) == Reason.APPROVER_INVOLVED.code
    assert await desk.approve("boss", transaction) == "approved"


async def test_a_sign_in_that_is_too_weak_is_said_so_and_a_stronger_one_counts() -> None:
    desk = Desk(STRONG)
    transaction = await desk.held()

    assert await desk.approve("boss", transaction) == Reason.APPROVER_WEAK.code
    assert await desk.approve("boss", transaction, acr="aal3") == "approved"


async def test_two_people_are_needed_and_one_person_counts_once() -> None:
    desk = Desk(TWO)
    transaction = await desk.held()

    assert await desk.approve("one", transaction) == "held"
    assert await desk.approve("one", transaction) == "held"
    assert len((await desk.record(transaction)).approvals) == 1
    assert await desk.approve("two", transaction) == "approved"


@pytest.mark.parametrize(("role", "status"), [("clerk", "ok"), ("supervisor", "locked")])
async def test_an_earlier_approver_who_may_no_longer_approve_does_not_count(role: str, status: str) -> None:
    desk = Desk(TWO)
    transaction = await desk.held()
    await desk.approve("one", transaction)
    await desk.person("one", role, status=status)

    assert await desk.approve("two", transaction) == "held"
    assert await desk.approve("three", transaction) == "approved"


async def test_approvers_are_lost_after_the_last_approval_too() -> None:
    desk = Desk(TWO)
    transaction = await desk.held()
    await desk.approve("one", transaction)
    await desk.approve("two", transaction)
    approvals = desk.enforcer.approvals
    assert not await approvals.lacks_quorum(await desk.record(transaction))

    await desk.person("two", "clerk")

    assert await approvals.lacks_quorum(await desk.record(transaction))


async def test_what_is_over_cannot_be_decided_again() -> None:
    desk = Desk()
    transaction = await desk.held()
    boss = await desk.person("boss", "supervisor")

    assert told(await desk.enforcer.approvals.deny(boss, transaction, "too much")) == "denied"
    assert await desk.approve("other", transaction) == Reason.TRANSACTION_OVER.code
    assert told(await desk.enforcer.approvals.deny(boss, transaction, "again")) == Reason.TRANSACTION_OVER.code
    record = await desk.record(transaction)
    assert (record.state, record.note) == ("denied", "too much")


async def test_only_the_requester_withdraws_and_only_before_it_runs() -> None:
    desk = Desk()
    transaction = await desk.held()
    withdraw = desk.enforcer.approvals.withdraw

    assert told(await withdraw(await desk.person("boss", "supervisor"), transaction, "")) == "transaction-unknown"
    assert told(await withdraw(await desk.person("alice"), transaction, "changed my mind")) == "denied"
    assert told(await withdraw(await desk.person("alice"), transaction, "")) == Reason.TRANSACTION_OVER.code


async def test_an_approval_lapses_with_its_transaction() -> None:
    desk = Desk()
    transaction = await desk.held()
    desk.clock.advance(15 * 60 + 1)

    assert await desk.approve("boss", transaction) == Reason.TRANSACTION_OVER.code


async def test_a_requester_who_signed_out_is_not_approved_for() -> None:
    desk = Desk()
    alice = desk.login()
    transaction = (await desk.ask("refund", alice, body=BODY, idempotency="k")).transaction
    await desk.enforcer.reports.end_session(await desk.ask("chat", alice))

    assert await desk.approve("boss", transaction) == Reason.SESSION_CHANGED.code


async def test_the_act_stands_in_the_log_before_the_change_and_is_withdrawn_if_nothing_was_saved() -> None:
    desk = Desk()
    transaction = await desk.held()
    await desk.approve("alice", transaction)

    (act,) = desk.acts("transaction.approved")
    withdrawn = {name for entry in desk.sink.entries for name in getattr(entry, "records", ())}
    assert act.id in withdrawn


async def test_a_note_is_bounded_and_holds_no_control_character() -> None:
    desk = Desk()
    transaction = await desk.held()
    boss = await desk.person("boss", "supervisor")

    await desk.enforcer.approvals.approve(boss, transaction, "line\none\x1b[31m " + "x" * 100_000)

    (given,) = (await desk.record(transaction)).approvals
    assert "\n" not in given.note
    assert "\x1b" not in given.note
    assert len(given.note) < 10_000


async def test_operators_approve_by_name_each_person_once() -> None:
    desk = Desk(TWO)
    transaction = await desk.held()
    decide = desk.enforcer.approvals.decide_as_operator

    assert told(await decide(transaction, "transaction.approved", ("Anna", "ANNA"), "known")) == "held"
    assert told(await decide(transaction, "transaction.approved", ("anna.",), "known")) == "held"
    assert told(await decide(transaction, "transaction.approved", ("Bob",), "known")) == "approved"


async def test_operators_settle_only_what_is_in_doubt() -> None:
    desk = Desk()
    transaction = await desk.held()
    decide = desk.enforcer.approvals.decide_as_operator

    assert await decide("0" * 32, "transaction.committed", ("anna",), "seen") is Reason.TRANSACTION_UNKNOWN
    assert told(await decide(transaction, "transaction.committed", ("anna",), "seen")) == Reason.TRANSACTION_OVER.code
    await desk.approve("boss", transaction)
    running = await desk.ask("refund", desk.login(), body=BODY, idempotency="k")
    assert running.running
    settled = await decide(transaction, "transaction.committed", ("anna",), "seen")
    assert told(settled) == Reason.TRANSACTION_OVER.code, "the app settles what runs"
    desk.clock.advance(121)
    assert told(await decide(transaction, "transaction.committed", ("anna",), "seen")) == "done"


async def test_a_list_has_only_what_the_person_may_decide_on_oldest_first() -> None:
    desk = Desk()
    held = []
    for name in ("alice", "bob", "carol"):
        held.append(await desk.held(subject=name))
        desk.clock.advance(1)
    boss, clerk = await desk.person("boss", "supervisor"), await desk.person("clerk", "clerk")
    assert isinstance(boss.credential, Proven)
    assert isinstance(clerk.credential, Proven)
    find = desk.enforcer.approvals.list_decidable

    assert [name for name, _ in await find(boss.credential.principal, state="held", limit=9)] == held
    assert [name for name, _ in await find(boss.credential.principal, state="held", limit=2)] == held[:2]
    assert await find(boss.credential.principal, state="approved", limit=9) == ()
    assert await find(clerk.credential.principal, state="held", limit=9) == ()
