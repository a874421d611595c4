"""Reservations of a transaction are charged or released in each ledger, whoever settles it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from authguard.asgi.control import Control
from authguard.core.outcomes import Reason
from authguard.evaluation.decision import AppResponse
from tests.support.harness import POLICY, EnforcerHarness

if TYPE_CHECKING:
    from authguard.evaluation.decision import Verdict

#: all that a limit counts by
EVERY: Final = ("subject", "session", "actor", "client", "payee", "operation", "issuer", "service")
LIMITS: Final = "".join(f"      - {{amount: 1000 EUR, per: 1d, by: {by}}}\n" for by in EVERY)
TEXT: Final = POLICY.replace("    limits:\n", f"    payee: {{at: /to}}\n    limits:\n{LIMITS}")
BODY: Final = {"amount": 400, "currency": "EUR", "to": "bob"}


async def charged(desk: EnforcerHarness, verdict: Verdict) -> dict[str, int]:
    """Return the amounts that a transaction holds, by the limit's dimension."""
    snapshot = (await desk.enforcer.repository.load(verdict.keys)).snapshot
    held = {by: snapshot.ledgers[key].ledger for by, key in verdict.keys.ledgers if key in snapshot.ledgers}
    held |= {"subject": snapshot.account.ledger, "session": snapshot.session.ledger}
    return {
        by: len({entry.transaction for entry in held[by]} & {verdict.transaction}) if by in held else 0 for by in EVERY
    }


async def by_its_answer(desk: EnforcerHarness, verdict: Verdict, *, happened: bool) -> None:
    await desk.enforcer.reports.settle(verdict, AppResponse(201 if happened else 422))


async def late_by_the_app(desk: EnforcerHarness, verdict: Verdict, *, happened: bool) -> None:
    await desk.enforcer.reports.settle(verdict, AppResponse(500))
    assert set((await charged(desk, verdict)).values()) == {1}, "nobody knows yet, so it counts"
    control = Control()
    control.bind(desk.enforcer)
    await control.settle(verdict.transaction, happened=happened, by="reconciliation", note="the bank says so")


async def by_an_operator(desk: EnforcerHarness, verdict: Verdict, *, happened: bool) -> None:
    desk.clock.advance(121)  # nothing was heard of it: its process died
    event = "transaction.committed" if happened else "transaction.failed"
    done = await desk.enforcer.approvals.decide_as_operator(verdict.transaction, event, ("Omar",), "asked the bank")
    assert not isinstance(done, Reason), done


@pytest.mark.parametrize("settle", [by_its_answer, late_by_the_app, by_an_operator])
@pytest.mark.parametrize("happened", [True, False])
async def test_what_came_of_it_is_the_same_in_every_ledger_whoever_says_so(settle: object, *, happened: bool) -> None:
    desk = EnforcerHarness(TEXT)
    verdict = await desk.ask("refund", desk.login(), body=BODY, idempotency="k1")
    assert verdict.running
    assert await charged(desk, verdict) == dict.fromkeys(EVERY, 1)
    assert callable(settle)
    await settle(desk, verdict, happened=happened)
    assert await charged(desk, verdict) == dict.fromkeys(EVERY, int(happened))
    record = (await desk.enforcer.repository.load(verdict.keys)).snapshot.transaction
    assert record.state == ("done" if happened else "failed")


async def test_what_others_spent_stays_when_one_gives_back() -> None:
    desk = EnforcerHarness(TEXT)
    token = desk.login()
    kept = await desk.ask("refund", token, body=BODY, idempotency="k1")
    lost = await desk.ask("refund", token, body={**BODY, "amount": 100}, idempotency="k2")
    await by_an_operator(desk, lost, happened=False)
    assert await charged(desk, kept) == dict.fromkeys(EVERY, 1)
    assert await charged(desk, lost) == dict.fromkeys(EVERY, 0)
    over = await desk.ask("refund", token, body={**BODY, "amount": 499}, idempotency="k3")
    assert over.running, "899 of 1000 EUR"
    assert (await desk.ask("refund", token, body={**BODY, "amount": 102}, idempotency="k4")).cell[10] == "exceeded"
