"""Above a rate, window records cover unproven refusals; each is chained before the requests that it covers."""

from __future__ import annotations

import pytest

from authguard.core.outcomes import Reason
from authguard.errors import AuditError
from authguard.evaluation.request import UNMATCHED, AccessRequest
from authguard.records.entries import DecisionEntry, RefusalEntry
from authguard.runtime.refusal_window import MAX_COVERED, MAX_RECORDED_PER_S, WINDOW_S
from tests.support.harness import POLICY, EnforcerHarness, outcome


def refusals(desk: EnforcerHarness) -> list[RefusalEntry]:
    """Return the recorded refusals."""
    return [entry for entry in desk.sink.of(RefusalEntry) if isinstance(entry, RefusalEntry)]


async def flood(desk: EnforcerHarness, count: int) -> list[str]:
    """Send requests without a credential; return the ids of their records."""
    return [(await desk.ask("chat")).record for _ in range(count)]


async def test_up_to_the_rate_each_refusal_has_a_record_of_its_own() -> None:
    desk = EnforcerHarness()
    assert len(set(await flood(desk, MAX_RECORDED_PER_S))) == MAX_RECORDED_PER_S
    assert len(desk.sink.of(DecisionEntry)) == MAX_RECORDED_PER_S
    assert not refusals(desk)


async def test_above_the_rate_one_record_covers_them_and_a_second_one_counts_them() -> None:
    desk = EnforcerHarness()
    covered = (await flood(desk, MAX_RECORDED_PER_S + 300))[MAX_RECORDED_PER_S:]
    (opened,) = refusals(desk)
    assert set(covered) == {opened.id}
    assert (opened.reason, opened.most) == ("credential-missing", MAX_COVERED)
    desk.clock.advance(WINDOW_S)
    await flood(desk, 1)
    _, closed = refusals(desk)
    assert (closed.window, closed.count) == (opened.id, 300)


async def test_a_window_that_is_full_is_counted_and_followed_by_another() -> None:
    desk = EnforcerHarness()
    await flood(desk, MAX_RECORDED_PER_S + MAX_COVERED + 1)
    first, closed, second = refusals(desk)
    assert (closed.window, closed.count) == (first.id, MAX_COVERED)
    assert second.most
    assert second.id != first.id


async def test_the_record_is_in_the_log_before_the_first_request_that_it_covers() -> None:
    desk = EnforcerHarness()
    await flood(desk, MAX_RECORDED_PER_S)
    desk.sink.broken = AuditError("disk full")
    verdict = await desk.ask("chat")
    assert verdict.record == ""
    assert outcome(verdict) == ("retry", "try_later")
    desk.sink.broken = None
    assert (await desk.ask("chat")).record == refusals(desk)[-1].id


async def test_each_reason_has_a_window_of_its_own() -> None:
    desk = EnforcerHarness()
    await flood(desk, MAX_RECORDED_PER_S + 1)
    refused = [
        desk.enforcer.refuse(AccessRequest(operation=UNMATCHED), Reason.REQUEST_MALFORMED).record for _ in range(5)
    ]
    assert len(set(refused)) == 1
    assert [entry.reason for entry in refusals(desk)] == ["credential-missing", "request-malformed"]


async def test_requests_of_the_proven_are_never_covered() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    await flood(desk, MAX_RECORDED_PER_S + 1)
    records = [(await desk.ask("chat", token)).record for _ in range(MAX_RECORDED_PER_S + 5)]
    assert len(set(records)) == MAX_RECORDED_PER_S + 5


@pytest.mark.parametrize(
    ("policy", "records"), [("", 2 * MAX_RECORDED_PER_S), ("audit: {public: windows}\n", MAX_RECORDED_PER_S)]
)
async def test_public_admissions_are_covered_only_where_the_policy_says_so(policy: str, records: int) -> None:
    desk = EnforcerHarness(text=POLICY + policy)
    for _ in range(2 * MAX_RECORDED_PER_S):
        assert outcome(await desk.ask("health", method="GET")) == ("allow", "allow")
    assert len(desk.sink.of(DecisionEntry)) == records


async def test_a_guard_that_closes_counts_what_is_open() -> None:
    desk = EnforcerHarness()
    await flood(desk, MAX_RECORDED_PER_S + 7)
    await desk.enforcer.close()
    assert refusals(desk)[-1].count == 7
