"""Reports of the app: only those that tighten, and only about a proven customer."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authguard.asgi.control import Control
from authguard.core.events import TIGHTENING, VOCABULARY
from authguard.errors import ReportRefusedError, SettingsError
from authguard.evaluation.preview import preview_outcome
from authguard.evaluation.reports import ACCESS_LEVELS
from authguard.records.entries import TransitionEntry
from tests.support.harness import POLICY, EnforcerHarness, outcome, states
from tests.support.hypothesis_profile import examples

LOOSENING = [
    *(f"account.{trigger}" for trigger in ("normal", "reinstated", "aged", "unreachable", "no_such_state")),
    *(f"session.{trigger}" for trigger in ("accepted", "renewed", "idled", "aged")),
    *(f"verification.{trigger}" for trigger in ("started", "passed", "cooled", "reset", "aged")),
    *(f"transaction.{trigger}" for trigger in VOCABULARY["transaction"]),
    *(f"service.{trigger}" for trigger in ("engaged", "tripped", "released", "recovered", "repaired", "faulted")),
    "nonsense",
    "",
    "session",
    "account.",
]


@pytest.mark.parametrize("event", LOOSENING)
async def test_a_report_that_would_loosen_is_refused_and_moves_nothing(event: str) -> None:
    desk = EnforcerHarness()
    verdict = await desk.ask("chat", desk.login())
    before = (await desk.enforcer.repository.load(verdict.keys)).snapshot
    with pytest.raises(ReportRefusedError):
        await desk.enforcer.reports.report(verdict, event)
    assert (await desk.enforcer.repository.load(verdict.keys)).snapshot == before


async def test_a_report_needs_somebody_whom_it_is_about() -> None:
    desk = EnforcerHarness()
    verdict = await desk.ask("health", method="GET")
    with pytest.raises(ReportRefusedError):
        await desk.enforcer.reports.report(verdict, "verification.failed")


async def test_what_only_a_person_lifts_is_reported_where_the_policy_lists_it() -> None:
    listed = POLICY[: POLICY.index("reports:")] + POLICY[POLICY.index("assurance: {order") :]
    desk = EnforcerHarness(listed + "reports: {app: [account.restricted]}\n")
    verdict = await desk.ask("chat", desk.login())
    for state in ("locked", "closed", "minor"):
        with pytest.raises(ReportRefusedError, match=f"list it if the app may report it.*account.{state}"):
            await desk.enforcer.reports.report(verdict, f"account.{state}")
    after = await desk.enforcer.reports.report(verdict, "account.restricted")
    assert after.account.state == "restricted"


async def test_what_concerns_everybody_is_reported_by_a_control_alone() -> None:
    desk = EnforcerHarness()
    verdict = await desk.ask("chat", desk.login())
    with pytest.raises(ReportRefusedError, match=r"Control\.report"):
        await desk.enforcer.reports.report(verdict, "service.impaired")
    control = Control()
    control.bind(desk.enforcer)
    with pytest.raises(ReportRefusedError, match=r"use service\.impaired"):
        await control.report("account.closed")
    await control.report("service.impaired", "the bank does not answer")
    assert states(await desk.ask("chat", desk.login()))["service"] == "degraded"
    with pytest.raises(SettingsError, match="one for each"):
        control.bind(EnforcerHarness().enforcer)


async def test_a_laxer_report_of_the_app_lifts_none_of_its_own() -> None:
    desk = EnforcerHarness()
    verdict = await desk.ask("chat", desk.login())
    await desk.enforcer.reports.report(verdict, "account.suspended")
    desk.clock.advance(1)
    await desk.enforcer.reports.report(verdict, "account.dormant")
    assert states(await desk.ask("chat", desk.login()))["account"] == "suspended"


async def test_a_note_is_bounded_and_cannot_forge_a_line() -> None:
    desk = EnforcerHarness()
    verdict = await desk.ask("chat", desk.login())
    note = 'x\n{"kind":"decision"}\u202e' + "y" * 2_000
    await desk.enforcer.reports.report(verdict, "verification.doubted", note)
    moved = desk.sink.of(TransitionEntry)[-1]
    assert isinstance(moved, TransitionEntry)
    assert "\n" not in moved.note
    assert "\u202e" not in moved.note
    assert len(moved.note) == 500
    assert moved.decision == verdict.record


async def test_a_report_after_the_clock_stepped_back_counts_all_the_same() -> None:
    desk = EnforcerHarness()
    verdict = await desk.ask("chat", desk.login())
    await desk.enforcer.reports.report(verdict, "account.minor")
    desk.clock.set(desk.clock.now() - 3_600)
    await desk.enforcer.reports.report(verdict, "account.compromised")
    assert states(await desk.ask("chat", desk.login()))["account"] == "compromised"


@pytest.mark.parametrize("event", ["session.ended", "session.revoked"])
async def test_a_session_that_is_ended_once_more_takes_no_sign_in_from_between(event: str) -> None:
    desk = EnforcerHarness()
    verdict = await desk.ask("chat", desk.login())
    await desk.enforcer.reports.report(verdict, event)
    desk.clock.advance(10)
    between = desk.login()
    desk.clock.advance(10)
    await desk.enforcer.reports.report(verdict, event)
    assert states(await desk.ask("chat", between))["session"] == "revoked"
    desk.clock.advance(10)
    assert states(await desk.ask("chat", desk.login()))["session"] == "active"


ALL = sorted(
    {f"{machine}.{trigger}" for machine, triggers in VOCABULARY.items() for trigger in triggers}
    | {"account.no_such_state", "nonsense.at_all"}
)
#: what may be reported most of the time, anything at all now and then
EVENTS = st.sampled_from(
    sorted(TIGHTENING) + [f"account.{state}" for state in VOCABULARY["account"]]
) | st.sampled_from(ALL)
STATUSES = st.none() | st.sampled_from(["ok", "frozen", "locked", "estate", "kid", "a word that nobody knows"])


@settings(max_examples=examples(60))
@given(status=STATUSES, acr=st.sampled_from(["aal1", "aal2"]), events=st.lists(EVENTS, max_size=10))
def test_whatever_is_reported_in_whatever_order_opens_nothing(status: str | None, acr: str, events: list[str]) -> None:
    asyncio.run(_tightens(status, acr, events))


async def _tightens(status: str | None, acr: str, events: list[str]) -> None:
    desk = EnforcerHarness()
    claims = {"account_status": status} if status else {}
    verdict = await desk.ask("chat", desk.login(acr=acr, claims=claims))
    order = list(desk.policy.strictness)
    for event in events:
        before = (await desk.enforcer.repository.load(verdict.keys)).snapshot
        try:
            await desk.enforcer.reports.report(verdict, event)
        except ReportRefusedError:
            assert (await desk.enforcer.repository.load(verdict.keys)).snapshot == before
            continue
        after = (await desk.enforcer.repository.load(verdict.keys)).snapshot
        assert order.index(after.account.state) >= order.index(before.account.state), event
        for operation in (*desk.policy.operations, desk.policy.otherwise):
            then, now = (
                preview_outcome(desk.policy, verdict.with_snapshot(snapshot), operation).kind
                for snapshot in (before, after)
            )
            assert ACCESS_LEVELS.get(now, 0) <= ACCESS_LEVELS.get(then, 0), f"{event} opened `{operation.name}`"
        desk.clock.advance(1)


async def test_what_the_app_knows_of_an_account_that_nobody_else_knows_opens_nothing_and_counts_later() -> None:
    desk = EnforcerHarness()
    verdict = await desk.ask("chat", desk.login(claims={}))
    assert outcome(verdict) == ("restrict", "read_only")
    await desk.enforcer.reports.report(verdict, "account.minor")
    desk.clock.advance(1)
    assert outcome(await desk.ask("chat", desk.login(claims={}))) == ("restrict", "read_only")
    desk.clock.advance(1)
    known = await desk.ask("chat", desk.login(claims={"account_status": "ok"}))
    assert states(known)["account"] == "minor"
