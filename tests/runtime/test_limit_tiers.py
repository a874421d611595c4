"""Limits with answers of their own, in the real guard: the first exceeded one decides, and who approves follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.testing.parser import parse_scenarios
from authguard.policy.testing.scenario import run_scenarios
from authguard.records.entries import DecisionEntry
from authguard.stores.memory import MemoryStore
from authguard.stores.sqlite import SqliteStore
from tests.runtime.test_approvals import Desk
from tests.support.harness import POLICY, policy_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

WRITTEN = """\
      - {amount: 500 EUR, per: call}
      - {amount: 1000 EUR, per: 1d, by: subject}
      - {calls: 5, per: 10m, by: session}
"""
LIMITS = """\
      - {name: often, calls: 6, per: 10m, by: session, then: to_a_person}
      - {name: over_5000, amount: 5000 EUR, per: call, then: two_roles}
      - {name: day, amount: 10000 EUR, per: 1d, by: subject, then: two_roles}
      - {name: over_500, amount: 500 EUR, per: call, then: one_officer}
      - {amount: 400 EUR, per: call}
"""
TIERS = POLICY.replace(WRITTEN, LIMITS) + (
    "fallbacks:\n"
    "  await_approval: {kind: hold, approvers: {role: officer}}\n"
    "  one_officer: {kind: hold, approvers: {role: officer, acr: aal2}}\n"
    "  two_roles: {kind: hold, approvers: [{role: officer, acr: aal2}, {role: controller, acr: aal2}]}\n"
    "decisions:\n"
    "  - {when: {limit: day, account: minor}, do: refuse}\n"
    "invariants:\n"
    "  - name: nothing over a limit by itself\n"
    "    never: {operation: refund, limit: exceeded, transaction: none, outcome: [allow, restrict]}\n"
)


@pytest.fixture(params=["memory", "sqlite"])
async def desk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Desk]:
    store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "store.db")
    await store.open()
    yield Desk(TIERS, store=store)
    await store.close()


async def ask(desk: Desk, amount: int, key: str) -> tuple[str, str]:
    """Request a refund; return the fallback and the value of `limit`."""
    verdict = await desk.ask(
        "refund", desk.login(), body={"amount": amount, "currency": "EUR"}, idempotency=f"{key}-{amount}"
    )
    return verdict.fallback.name, dict(zip(desk.policy.table.values, verdict.cell, strict=False))["limit"]


async def test_the_first_exceeded_limit_decides_who_approves(desk: Desk) -> None:
    assert await ask(desk, 400, "a") == ("allow", "within")
    assert await ask(desk, 401, "a") == ("await_approval", "exceeded")
    assert await ask(desk, 501, "a") == ("one_officer", "over_500")
    assert await ask(desk, 5001, "a") == ("two_roles", "over_5000")
    record = await desk.record(
        (await desk.ask("refund", desk.login(), body={"amount": 5001, "currency": "EUR"}, idempotency="b")).transaction
    )
    assert (record.hold, record.roles) == ("two_roles", {"officer", "controller"})
    assert record.tripped == ("over_5000", "over_500", "refund/4")


async def test_a_window_that_filled_decides_before_a_smaller_limit(desk: Desk) -> None:
    for number in range(5):
        assert await ask(desk, 400, f"a{number}") == ("allow", "within")
    # 2000 EUR are spent: 8001 more exceed the day
    assert await ask(desk, 501, "a") == ("one_officer", "over_500")
    assert await ask(desk, 5001, "b") == ("two_roles", "over_5000")
    assert await ask(desk, 400, "c") == ("allow", "within")
    assert await ask(desk, 10, "d") == ("to_a_person", "often")


async def test_the_record_states_the_exceeded_limits_with_their_figures(desk: Desk) -> None:
    await ask(desk, 400, "a")
    await ask(desk, 9_700, "b")
    within, exceeded = desk.sink.of(DecisionEntry)[-2:]
    assert isinstance(within, DecisionEntry)
    assert isinstance(exceeded, DecisionEntry)
    assert within.limits == ()
    assert exceeded.limits == (
        {"name": "over_5000", "most": "5000 EUR", "spent": "0 EUR", "left": "5000 EUR"},
        {"name": "day", "most": "10000 EUR", "spent": "400 EUR", "left": "9600 EUR"},
        {"name": "over_500", "most": "500 EUR", "spent": "0 EUR", "left": "500 EUR"},
        {"name": "refund/4", "most": "400 EUR", "spent": "0 EUR", "left": "400 EUR"},
    )


async def test_an_approver_reads_for_which_limits_it_was_held(desk: Desk) -> None:
    await ask(desk, 400, "a")
    held = await desk.ask("refund", desk.login(), body={"amount": 9_700, "currency": "EUR"}, idempotency="b")
    record = await desk.record(held.transaction)
    assert desk.enforcer.approvals.describe_tripped(record) == (
        "over_5000: 9700 EUR, at most 5000 EUR per call",
        "day: 9700 EUR, at most 10000 EUR in 1d by subject",
        "over_500: 9700 EUR, at most 500 EUR per call",
        "refund/4: 9700 EUR, at most 400 EUR per call",
    )


def test_scenarios_name_a_limit_and_bring_it_about(tmp_path: Path) -> None:
    policy = policy_of(TIERS)
    text = """\
- name: each limit has its answer
  given: {account: normal, verification: verified}
  steps:
    - ask: {operation: refund, limit: over_500, idempotency_key: a}
      then: {fallback: one_officer, approvers: {role: officer}}
    - ask: {operation: refund, limit: exceeded, idempotency_key: b}
      then: {fallback: await_approval}
    - ask: {operation: refund, limit: day, idempotency_key: c}
      then: {fallback: two_roles, approvers: [{role: officer}, {role: controller}]}
    - {ask: {operation: refund, limit: over_5000, idempotency_key: d}, then: {fallback: two_roles}}
- name: and often to a person
  given: {account: normal, verification: verified}
  ask: {operation: refund, limit: often}
  then: {fallback: to_a_person}
- name: a minor is refused over the day
  given: {account: minor, verification: verified}
  ask: {operation: refund, limit: day}
  then: {fallback: refuse}
"""
    file = tmp_path / "tiers.yaml"
    file.write_text(text, "utf-8")
    scenarios, problems = parse_scenarios([file], policy)
    assert problems == ()
    run = run_scenarios(policy, scenarios)
    assert [one.differences for one in run.failed] == []
