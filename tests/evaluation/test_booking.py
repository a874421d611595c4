"""Approvals book amounts in each ledger that a limit counts in, until the transaction runs, is void or lapses."""

from __future__ import annotations

from typing import Any

from authguard.core.outcomes import Reason
from authguard.core.snapshot import Keys, TransactionRecord
from authguard.evaluation.decision import AppResponse, Verdict
from tests.support.harness import ISSUER, POLICY, EnforcerHarness

#: one limit for each ledger, and a hold of whatever an agent asks
LIMITS = """\
      - {amount: 1000 EUR, per: 1m, by: service}
      - {amount: 1000 EUR, per: 1m, by: payee}
      - {amount: 1000 EUR, per: 1m, by: subject}
      - {calls: 2, per: 1m, by: session}
"""
BEFORE = POLICY.partition("    limits:\n")
TEXT = BEFORE[0] + "    payee: {at: /to}\n    limits:\n" + LIMITS + "    idempotency: required\n"
TEXT += BEFORE[2].partition("    idempotency: required\n")[2]
BODY = {"amount": 400, "currency": "EUR", "to": "bob"}
AGENT = {"actor": "concierge", "chain": ((ISSUER, "concierge"),)}


class Teller:
    """A desk with an agent that makes requests and an operator that approves."""

    def __init__(self, text: str = TEXT) -> None:
        self.desk = EnforcerHarness(text)
        self.agent = self.desk.login(**AGENT)

    async def hold(self, key: str, amount: int = 400) -> Verdict:
        verdict = await self.ask(key, amount)
        assert verdict.fallback.kind.value == "hold"
        return verdict

    async def ask(self, key: str, amount: int = 400) -> Verdict:
        return await self.desk.ask("refund", self.agent, body={**BODY, "amount": amount}, idempotency=key)

    async def say(self, held: Verdict, event: str = "transaction.approved", over: tuple[str, ...] = ()) -> Any:
        return await self.desk.enforcer.approvals.decide_as_operator(held.transaction, event, ("ines",), "why", over)

    async def booked(self, held: Verdict) -> list[tuple[str, float, float]]:
        """Return the entries in all ledgers of a transaction: limit, time, and expiry."""
        repository = self.desk.enforcer.repository
        record = (await repository.load(Keys(transaction=held.transaction))).snapshot.transaction
        found = (await repository.load(record.keys(held.transaction))).snapshot
        ledgers = (found.account.ledger, found.session.ledger, *(one.ledger for one in found.ledgers.values()))
        return sorted((one.limit, one.at, one.expires) for ledger in ledgers for one in ledger)


async def test_each_ledger_has_the_booking_until_it_runs_and_the_spending_from_then_on() -> None:
    teller = Teller()
    held = await teller.hold("k")
    assert await teller.booked(held) == [], "what only waits holds nothing"
    now = teller.desk.clock.now()
    record = await teller.say(held)
    assert isinstance(record, TransactionRecord)
    names = sorted(cost.limit for cost in record.costs)
    assert len(names) == 4
    assert await teller.booked(held) == [(name, now, now + 300) for name in names]
    teller.desk.clock.advance(61)
    assert [until for _, _, until in await teller.booked(held)] == [now + 300] * 4, "a minute frees no booking"
    ran = await teller.ask("k")
    assert ran.running
    assert await teller.booked(held) == [(name, now + 61, 0.0) for name in names]
    await teller.desk.enforcer.reports.settle(ran, AppResponse(422))
    assert await teller.booked(held) == []


async def test_denial_frees_every_ledger() -> None:
    teller = Teller()
    held = await teller.hold("k")
    await teller.say(held)
    await teller.say(held, "transaction.denied")
    assert await teller.booked(held) == []


async def test_a_lapse_frees_it_though_nobody_looks() -> None:
    teller = Teller()
    first, second = await teller.hold("first", 900), await teller.hold("second", 900)
    await teller.say(first)
    assert await teller.say(second) is Reason.LIMIT_EXCEEDED
    teller.desk.clock.advance(300)
    assert isinstance(await teller.say(second), TransactionRecord)
    assert (await teller.ask("first", 900)).fallback.kind.value == "deny"


async def test_what_lost_its_booking_does_not_run() -> None:
    teller = Teller()
    first = await teller.hold("first", 900)
    await teller.say(first)
    teller.desk.clock.advance(300)
    second = await teller.hold("second", 900)
    await teller.say(second)
    teller.desk.clock.set(teller.desk.clock.now() - 200)
    late = await teller.ask("first", 900)
    assert (late.admits, late.snapshot.transaction.state) == (False, "lapsed")
    assert (await teller.ask("second", 900)).running


async def test_what_was_booked_within_stays_within_whatever_is_booked_since() -> None:
    refuse = "decisions:\n  - {when: {limit: exceeded, transaction: approved}, do: refuse}\n"
    teller = Teller(TEXT + refuse)
    within, over = await teller.hold("within", 900), await teller.hold("over", 900)
    await teller.say(within)
    figures = await teller.desk.enforcer.approvals.limit_usages(over.transaction)
    names = tuple(figure.limit for figure in figures if figure.exceeded)
    assert len(names) == 3
    approved = await teller.say(over, over=names)
    assert (approved.state, approved.over) == ("approved", tuple(sorted(names)))
    assert (await teller.ask("within", 900)).running
    refused = await teller.ask("over", 900)
    assert refused.rule.startswith("22:"), "a policy may refuse what people let go over a limit"


async def test_a_name_that_is_no_limit_of_the_operation_is_not_kept() -> None:
    teller = Teller()
    record = await teller.say(await teller.hold("k"), over=("refund/9", "x" * 10_000))
    assert [one.over for one in record.approvals] == [()]
