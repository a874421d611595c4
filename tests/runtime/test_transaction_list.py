"""Transactions are listed by their effective states, even if none was read since a timer was due."""

from __future__ import annotations

import pytest

from authguard.runtime.transaction_list import list_transactions
from tests.support.harness import EnforcerHarness

SMALL = {"amount": 5, "currency": "EUR"}
LARGE = {"amount": 501, "currency": "EUR"}


async def listed(desk: EnforcerHarness, state: str, **wanted: object) -> list[tuple[str, str]]:
    found = await list_transactions(desk.enforcer.repository, state=state, limit=9, **wanted)  # type: ignore[arg-type]  # of a test
    return [(name, record.state) for name, record in found]


async def test_what_a_dead_process_ran_is_found_in_doubt_though_nobody_asked_for_it_again() -> None:
    desk = EnforcerHarness()
    died = (await desk.ask("refund", desk.login(), body=SMALL, idempotency="k")).transaction
    desk.clock.advance(119)
    assert await listed(desk, "running") == [(died, "running")]
    assert await listed(desk, "in_doubt") == []
    desk.clock.advance(1)
    assert await listed(desk, "running") == []
    assert await listed(desk, "in_doubt") == await listed(desk, "") == [(died, "in_doubt")]
    assert await listed(desk, "in_doubt", operation="other") == []
    ((_, stored),) = await desk.store.transactions(limit=9)
    assert stored.state == "running", "looking changes nothing"


@pytest.mark.parametrize("page", [1, 500])
async def test_what_lapsed_waits_no_more_and_hides_nothing_that_does(
    page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("authguard.runtime.transaction_list.PAGE_SIZE", page)
    desk = EnforcerHarness()
    old = [(await desk.ask("refund", desk.login(), body=LARGE, idempotency=f"old-{n}")).transaction for n in range(3)]
    desk.clock.advance(899)
    new = [(await desk.ask("refund", desk.login(), body=LARGE, idempotency=f"new-{n}")).transaction for n in range(2)]
    assert len(await listed(desk, "held")) == 5
    desk.clock.advance(1)
    assert sorted(await listed(desk, "held")) == sorted((name, "held") for name in new)
    assert sorted(await listed(desk, "lapsed")) == sorted((name, "lapsed") for name in old)
    one = await list_transactions(desk.enforcer.repository, state="held", limit=1)
    two = await list_transactions(desk.enforcer.repository, state="held", after=(one[0][1].place, one[0][0]), limit=9)
    assert sorted(name for name, _ in (*one, *two)) == sorted(new)
