"""Flags in requests: what sets one, what its transaction's end leaves of it, and what the log says of each change."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from authguard.core.outcomes import Outcome
from authguard.core.snapshot import Keys
from authguard.errors import ReportRefusedError
from authguard.evaluation.decision import AppResponse, Verdict
from authguard.records.entries import DecisionEntry, TransitionEntry
from tests.support.harness import POLICY, EnforcerHarness, outcome

#: a cool-off after a refund, a fraud hold by the app, and a payee that staff watch
FLAGS = """
decisions:
  - {when: {risk: high, effect: write, credential: good, session: active, watched: set}, do: watched}
  - {when: {risk: [sensitive, high], credential: good, session: active, fraud: set}, do: to_fraud}
  - {when: {risk: sensitive, effect: read, credential: good, session: active, refunded: set}, do: cooling_off}
  - {when: {risk: high, effect: write, credential: good, session: active, chatted: clear}, do: chat_first}
fallbacks:
  cooling_off: {kind: deny}
  to_fraud: {kind: handoff, queue: fraud}
  chat_first: {kind: deny}
  watched: {kind: deny}
flags:
  refunded: {by: subject, expires: 24h, set_by: [{operation: refund, event: started}], cleared_by: [{role: controller}]}
  chatted: {by: session, expires: 1h, set_by: [{operation: chat, event: committed}]}
  fraud:
    by: subject
    expires: never
    set_by: [{app: report}, {operation: refund, event: denied}]
    cleared_by: [{role: fraud}]
  watched: {by: payee, expires: 90d, set_by: [{role: fraud}], cleared_by: [{role: fraud}]}
"""
TEXT = POLICY.replace("    idempotency: required\n", "    payee: {at: /to}\n    idempotency: required\n") + FLAGS
BODY = {"amount": 20, "currency": "EUR", "to": "DE89"}
DAY = 86_400.0


class Desk:
    """An enforcer with these flags, and a customer who is signed in."""

    def __init__(self, text: str = TEXT) -> None:
        self.house = EnforcerHarness(text)
        self.token = self.house.login()

    async def chat(self) -> Verdict:
        verdict = await self.house.ask("chat", self.token)
        assert verdict.fallback.kind is Outcome.ALLOW
        await self.house.enforcer.reports.commit_flags(verdict)
        return verdict

    async def refund(self, key: str = "k", **body: object) -> Verdict:
        return await self.house.ask("refund", self.token, body={**BODY, **body}, idempotency=key)

    async def settle(self, verdict: Verdict, status: int) -> None:
        assert verdict.running
        await self.house.enforcer.reports.settle(verdict, AppResponse(status))

    async def balance(self) -> str:
        return outcome(await self.house.ask("balance", self.token, method="GET"))[1]

    async def ledger(self) -> list[tuple[str, str]]:
        record = (await self.house.enforcer.repository.load(Keys(account=self.account))).snapshot.account
        return [(one.limit, one.transaction) for one in record.ledger if one.limit.startswith("flag:")]

    @property
    def account(self) -> bytes:
        credential: Any = self.house.check.known[self.token]
        return bytes(credential.principal.account_key)

    def later(self, seconds: float) -> None:
        """Let time pass, and sign the customer in again."""
        self.house.clock.advance(seconds)
        self.token = self.house.login()

    def changes(self) -> list[tuple[str, str, str, str]]:
        found: Any = self.house.sink.of(TransitionEntry)
        names = {flag.name for flag in self.house.policy.flags}
        return [(one.machine, one.event, one.dest, one.cause) for one in found if one.machine in names]


async def test_what_an_app_answered_opens_what_waits_for_it_and_time_closes_it() -> None:
    desk = Desk()
    assert outcome(await desk.refund())[1] == "chat_first"
    await desk.chat()
    assert outcome(await desk.refund())[0] == "allow"
    assert ("chatted", "set", "set", "app") in desk.changes()
    desk.later(3_600)
    assert outcome(await desk.refund("k2"))[1] == "chat_first"
    assert ("chatted", "expired", "clear", "timer") in desk.changes()


async def test_a_permitting_flag_costs_one_write_in_a_tenth_of_its_time() -> None:
    desk = Desk()
    for _ in range(5):
        await desk.chat()
    assert len(desk.changes()) == 1
    desk.house.clock.advance(360)
    desk.token = desk.house.refreshed(desk.token)
    await desk.chat()
    assert len(desk.changes()) == 2


async def test_a_cool_off_begins_with_the_admission_and_ends_to_the_second() -> None:
    desk = Desk()
    await desk.chat()
    assert await desk.balance() == "allow"
    begun = desk.house.clock.now()
    verdict = await desk.refund()
    assert await desk.balance() == "cooling_off", "also while the app still runs"
    await desk.settle(verdict, 200)
    desk.later(DAY - 1)
    assert await desk.balance() == "cooling_off"
    desk.later(1)
    assert desk.house.clock.now() == begun + DAY
    assert await desk.balance() == "allow"


@pytest.mark.parametrize(
    ("status", "after"), [(422, "allow"), (500, "cooling_off"), (0, "cooling_off"), (201, "cooling_off")]
)
async def test_only_a_failure_takes_it_back(status: int, after: str) -> None:
    desk = Desk()
    await desk.chat()
    await desk.settle(await desk.refund(), status)
    assert await desk.balance() == after
    assert (("refunded", "cleared", "clear", "transaction.failed") in desk.changes()) == (after == "allow")
    if after == "allow":
        assert await desk.ledger() == []


async def test_a_failure_leaves_what_an_earlier_transaction_set() -> None:
    desk = Desk()
    await desk.chat()
    await desk.settle(await desk.refund("one"), 200)
    desk.house.clock.advance(60)
    await desk.settle(await desk.refund("two"), 422)
    assert await desk.balance() == "cooling_off"
    assert await desk.ledger() == [("flag:refunded", "")]


async def test_a_result_in_doubt_keeps_it_until_a_person_says_that_nothing_was_done() -> None:
    desk = Desk()
    await desk.chat()
    verdict = await desk.refund()
    await desk.settle(verdict, 500)
    assert await desk.balance() == "cooling_off"
    approvals = desk.house.enforcer.approvals
    await approvals.decide_as_operator(verdict.transaction, "transaction.failed", ("ines",), "nothing was booked")
    assert await desk.balance() == "allow"


async def test_a_repeat_sets_nothing() -> None:
    desk = Desk()
    await desk.chat()
    await desk.settle(await desk.refund(), 200)
    before = desk.changes()
    desk.house.clock.advance(60)
    assert outcome(await desk.refund())[0] == "repeat"
    assert desk.changes() == before


async def test_the_app_sets_what_restricts_and_nothing_else() -> None:
    desk = Desk()
    verdict = await desk.chat()
    await desk.house.enforcer.reports.set_flag(verdict, "fraud", "asked for another person's refund")
    assert await desk.balance() == "to_fraud"
    desk.later(400 * DAY)
    await desk.chat()
    assert await desk.balance() == "to_fraud", "it never expires"
    for name in ("chatted", "refunded", "nothing"):
        with pytest.raises(ReportRefusedError):
            await desk.house.enforcer.reports.set_flag(verdict, name, "")


async def test_a_payee_that_cannot_be_read_has_the_stricter_value() -> None:
    desk = Desk()
    await desk.chat()
    assert outcome(await desk.refund("a"))[0] == "allow"
    assert outcome(await desk.refund("b", to=""))[1] == "watched"
    assert outcome(await desk.refund("c", to=["DE89"]))[1] == "watched"


async def test_an_unproven_caller_meets_flags_that_are_clear() -> None:
    desk = Desk()
    verdict = await desk.house.ask("refund", body=BODY)
    assert verdict.fallback.kind is Outcome.CHALLENGE
    assert verdict.decision.context == {"watched": "clear", "fraud": "clear", "refunded": "clear", "chatted": "clear"}


async def test_a_record_states_the_values_that_the_rules_read() -> None:
    desk = Desk()
    await desk.chat()
    await desk.refund()
    last: Any = desk.house.sink.of(DecisionEntry)[-1]
    assert last.context["chatted"] == "set"
    assert last.context["watched"] == "clear"
    assert len(last.cell) == 13


async def test_a_cached_decision_does_not_outlive_a_flag() -> None:
    desk = Desk()
    verdict = await desk.chat()
    assert [await desk.balance() for _ in range(3)] == ["allow"] * 3
    await desk.house.enforcer.reports.set_flag(verdict, "fraud", "")
    assert await desk.balance() == "to_fraud"


async def test_a_cached_refusal_ends_with_the_flag() -> None:
    desk = Desk()
    await desk.chat()
    await desk.settle(await desk.refund(), 200)
    desk.later(DAY - 10)
    assert [await desk.balance() for _ in range(3)] == ["cooling_off"] * 3
    desk.house.clock.advance(10)
    assert await desk.balance() == "allow"


async def test_of_parallel_requests_each_leaves_its_flag() -> None:
    """Every admission writes the flag in its own commit, so no interleaving admits one without the other."""
    desk = Desk()
    await desk.chat()
    verdicts = await asyncio.gather(*(desk.refund(f"k{number}") for number in range(4)))
    running = [one for one in verdicts if one.running]
    assert running
    assert await desk.balance() == "cooling_off"
    for one in running:
        await desk.settle(one, 422)
    assert await desk.ledger() == []
    assert await desk.balance() == "allow"


async def test_a_flag_that_cannot_be_recorded_is_not_set() -> None:
    desk = Desk()
    verdict = await desk.chat()
    desk.house.sink.broken = OSError("disk full")
    with pytest.raises(OSError, match="disk full"):
        await desk.house.enforcer.reports.set_flag(verdict, "fraud", "")
    desk.house.sink.broken = None
    assert await desk.balance() == "allow"
