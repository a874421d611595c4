"""An approved request is asked anew before it runs: an approval never reaches further than what it was given for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.core.approvers import Approvers
from authguard.stores.memory import MemoryStore
from authguard.stores.sqlite import SqliteStore
from tests.runtime.test_approvals import Desk, told
from tests.runtime.test_limit_tiers import TIERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from authguard.evaluation.decision import Verdict


@pytest.fixture(params=["memory", "sqlite"])
async def desk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Desk]:
    store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "store.db")
    await store.open()
    yield Desk(TIERS, store=store)
    await store.close()


async def ask(desk: Desk, amount: int, key: str) -> Verdict:
    return await desk.ask("refund", desk.login(), body={"amount": amount, "currency": "EUR"}, idempotency=key)


async def approve(desk: Desk, name: str, transaction: str, *roles: str) -> str:
    """Approve as a person with these roles, over every limit."""
    verdict = await desk.person(name, *roles)
    over = ("day", "over_500", "over_5000", "often", "refund/4")
    return told(await desk.enforcer.approvals.approve(verdict, transaction, "called back", over))


async def run_approved(desk: Desk, amount: int, key: str) -> None:
    """Hold, approve by one officer and run a refund."""
    held = await ask(desk, amount, key)
    assert held.fallback.name == "one_officer"
    assert await approve(desk, "olaf", held.transaction, "officer") == "approved"
    verdict = await ask(desk, amount, key)
    assert verdict.running


async def test_what_exceeds_a_stricter_limit_meanwhile_is_denied_though_one_officer_approved_it(desk: Desk) -> None:
    held = await ask(desk, 4000, "first")
    assert held.fallback.name == "one_officer"
    for key in ("second", "third"):
        await run_approved(desk, 4000, key)

    # 8000 EUR are spent: 4000 more exceed the day, which takes two roles
    assert await approve(desk, "olaf", held.transaction, "officer") == "approved"
    verdict = await ask(desk, 4000, "first")
    assert (verdict.fallback.name, verdict.snapshot.transaction.state) == ("refuse", "denied")
    assert ("denied", "approvers") in [(one.event, one.cause) for one in verdict.decision.transitions]
    account = verdict.snapshot.account
    assert held.transaction not in {entry.transaction for entry in account.ledger}, "its booking is released"


async def test_a_person_with_both_roles_is_not_two_persons(desk: Desk) -> None:
    held = await ask(desk, 4000, "first")
    for key in ("second", "third"):
        await run_approved(desk, 4000, key)
    assert await approve(desk, "both", held.transaction, "officer", "controller") == "approved"
    assert (await ask(desk, 4000, "first")).fallback.name == "refuse"


async def test_approvals_that_fill_the_hold_of_now_let_it_run(desk: Desk) -> None:
    held = await ask(desk, 5001, "first")
    assert held.fallback.name == "two_roles"
    assert await approve(desk, "cara", held.transaction, "controller") == "held"
    assert await approve(desk, "olaf", held.transaction, "officer") == "approved"
    verdict = await ask(desk, 5001, "first")
    assert verdict.running
    assert verdict.decision.required == desk.policy.fallbacks["two_roles"].approvers


async def test_one_officer_is_enough_for_what_takes_one_officer(desk: Desk) -> None:
    held = await ask(desk, 501, "first")
    assert await approve(desk, "olaf", held.transaction, "officer") == "approved"
    verdict = await ask(desk, 501, "first")
    assert verdict.running
    assert verdict.decision.required == (Approvers("officer", 1, "aal2"),)


async def test_who_must_fill_the_hold_of_now_is_checked_again_before_the_run(desk: Desk) -> None:
    held = await ask(desk, 501, "first")
    await approve(desk, "olaf", held.transaction, "officer")
    record = await desk.record(held.transaction)
    approvals = desk.enforcer.approvals
    assert not await approvals.lacks_quorum(record)
    assert await approvals.lacks_quorum(record, desk.policy.fallbacks["two_roles"].approvers)
