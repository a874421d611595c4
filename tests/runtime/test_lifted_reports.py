"""Reports that a timer lifts: they no longer count at run time, as in scenarios, on both stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.core.snapshot import AccountRecord, Report
from authguard.policy.testing.parser import parse_scenarios
from authguard.policy.testing.scenario import run_scenarios
from authguard.stores.memory import MemoryStore
from authguard.stores.sqlite import SqliteStore
from tests.support.harness import POLICY, EnforcerHarness

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TEXT = POLICY.replace("map: {ok: normal,", "map: {ok: normal, arrears: in_arrears,").replace(
    "app: [account.dormant,", "app: [account.in_arrears, account.dormant,"
) + (
    "machines: {account: {states: [{name: in_arrears, like: normal}]}}\n"
    "timers:\n"
    "  - {event: account.aged, after: 14d, since: reported, states: [in_arrears]}\n"
    "  - {event: account.aged, after: 1h, since: reported,"
    " states: [normal, dormant, minor, delegated, restricted, unrecognised]}\n"
)
DAY = 86_400.0
SCENARIO = """\
- name: what the app reported and time should lift is lifted
  given: {verification: verified}
  steps:
    - {when: [account.normal], ask: {operation: chat}, then: {states: {account: normal}}}
    - {when: [account.in_arrears], ask: {operation: chat}, then: {states: {account: in_arrears}}}
    - {when: [account.aged], then: {states: {account: unknown}}}
    - {when: [session.renewed, account.normal], ask: {operation: chat}, then: {states: {account: normal}}}
"""


@pytest.fixture(params=["memory", "sqlite"])
async def desk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EnforcerHarness]:
    store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "store.db")
    await store.open()
    yield EnforcerHarness(TEXT, store=store)
    await store.close()


async def look(desk: EnforcerHarness, status: str, *, issued: float | None = None) -> str:
    """Ask with a new sign-in that states a status; return the state of the account."""
    desk.clock.advance(1)
    facts = {} if issued is None else {"issued_at": issued}
    token = desk.login("kim", claims={"account_status": status}, **facts)
    return (await desk.ask("chat", token)).snapshot.account.state


async def report(desk: EnforcerHarness) -> None:
    desk.clock.advance(1)
    verdict = await desk.ask("chat", desk.login("kim", claims={"account_status": "ok"}))
    assert (await desk.enforcer.reports.report(verdict, "account.in_arrears")).account.state == "in_arrears"


async def test_a_report_of_the_app_is_lifted_by_time(desk: EnforcerHarness) -> None:
    assert await look(desk, "ok") == "normal"
    await report(desk)
    assert await look(desk, "ok") == "in_arrears", "the app's report counts"
    desk.clock.advance(14 * DAY)
    assert await look(desk, "ok") == "normal"
    assert await look(desk, "ok") == "normal"
    await report(desk)
    assert await look(desk, "ok") == "in_arrears", "a later report counts again"


async def test_an_old_report_of_what_time_lifted_no_longer_counts(desk: EnforcerHarness) -> None:
    await report(desk)
    before = desk.clock.now()
    desk.clock.advance(14 * DAY)
    assert await look(desk, "arrears", issued=before) == "unknown"
    assert await look(desk, "ok") == "normal"
    assert await look(desk, "arrears", issued=before) == "normal"
    assert await look(desk, "arrears") == "in_arrears"


async def test_only_reports_of_the_lifted_state_are_dropped(desk: EnforcerHarness) -> None:
    assert await look(desk, "ok") == "normal"
    await report(desk)
    desk.clock.advance(14 * DAY)
    token = desk.login("kim", claims={})
    account = (await desk.ask("chat", token)).snapshot.account
    assert account.state == "unknown"
    assert {name: one.state for name, one in (account.reports or {}).items()} == {"claim:account_status": "normal"}
    assert set(account.lifted or {}) == {"in_arrears"}


def test_the_scenario_says_the_same(tmp_path: Path) -> None:
    file = tmp_path / "s" / "a.yaml"
    file.parent.mkdir()
    file.write_text(SCENARIO)
    policy = EnforcerHarness(TEXT).policy
    scenarios, problems = parse_scenarios([file], policy)
    assert problems == ()
    assert run_scenarios(policy, scenarios).failed == ()


@pytest.mark.parametrize(
    ("at", "state", "counts"),
    [(5.0, "normal", False), (6.0, "normal", True), (9.0, "late", False), (9.5, "late", True), (7.0, "locked", True)],
)
def test_a_report_counts_if_it_is_later_than_what_voids_it(at: float, state: str, *, counts: bool) -> None:
    account = AccountRecord("unknown", decided=5.0, lifted={"late": 9.0})
    assert account.counts(Report(state, at)) is counts
