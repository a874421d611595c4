"""What the app may report: only what tightens, only of somebody who is proven."""

from __future__ import annotations

import pytest

from authguard.core.entries import Moved
from authguard.core.events import VOCABULARY
from authguard.errors import ReportRefused
from tests.kit import Desk, states

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
    desk = Desk()
    verdict = await desk.ask("chat", desk.login())
    before = (await desk.enforcer.standing.load(verdict.keys)).snapshot
    with pytest.raises(ReportRefused):
        await desk.enforcer.reports.report(verdict, event)
    assert (await desk.enforcer.standing.load(verdict.keys)).snapshot == before


async def test_a_report_needs_somebody_whom_it_is_about() -> None:
    desk = Desk()
    verdict = await desk.ask("health", method="GET")
    with pytest.raises(ReportRefused):
        await desk.enforcer.reports.report(verdict, "verification.failed")


async def test_a_laxer_report_of_the_app_lifts_none_of_its_own() -> None:
    desk = Desk()
    verdict = await desk.ask("chat", desk.login())
    await desk.enforcer.reports.report(verdict, "account.suspended")
    desk.clock.advance(1)
    await desk.enforcer.reports.report(verdict, "account.dormant")
    assert states(await desk.ask("chat", desk.login()))["account"] == "suspended"


async def test_a_note_is_bounded_and_cannot_forge_a_line() -> None:
    desk = Desk()
    verdict = await desk.ask("chat", desk.login())
    note = 'x\n{"kind":"decision"}\u202e' + "y" * 2_000
    await desk.enforcer.reports.report(verdict, "verification.doubted", note)
    moved = desk.sink.of(Moved)[-1]
    assert isinstance(moved, Moved)
    assert "\n" not in moved.note
    assert "\u202e" not in moved.note
    assert len(moved.note) == 500
    assert moved.decision == verdict.record


async def test_a_report_after_the_clock_stepped_back_counts_all_the_same() -> None:
    desk = Desk()
    verdict = await desk.ask("chat", desk.login())
    await desk.enforcer.reports.report(verdict, "account.minor")
    desk.clock.set(desk.clock.now() - 3_600)
    await desk.enforcer.reports.report(verdict, "account.compromised")
    assert states(await desk.ask("chat", desk.login()))["account"] == "compromised"


@pytest.mark.parametrize("event", ["session.ended", "session.revoked"])
async def test_a_session_that_is_ended_once_more_takes_no_sign_in_from_between(event: str) -> None:
    desk = Desk()
    verdict = await desk.ask("chat", desk.login())
    await desk.enforcer.reports.report(verdict, event)
    desk.clock.advance(10)
    between = desk.login()
    desk.clock.advance(10)
    await desk.enforcer.reports.report(verdict, event)
    assert states(await desk.ask("chat", between))["session"] == "revoked"
    desk.clock.advance(10)
    assert states(await desk.ask("chat", desk.login()))["session"] == "active"
