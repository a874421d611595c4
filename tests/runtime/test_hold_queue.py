"""Held transactions are bounded for each account, fair between subjects, and saved as lapsed."""

from __future__ import annotations

import asyncio

import pytest

from authguard.core.outcomes import Reason
from authguard.evaluation.decision import Refusal, Verdict
from authguard.records.entries import TransitionEntry
from authguard.runtime.hold_queue import FAIR_DELAY_S, MAX_SWEPT_ON_LIST
from tests.support.harness import POLICY, EnforcerHarness, outcome

TEXT = POLICY + "transactions: {max_held: 5}\nbudget: {request: 60s}\n"
OVER = {"amount": 501, "currency": "EUR"}


async def hold(desk: EnforcerHarness, subject: str, key: str) -> Verdict | Refusal:
    """Request a refund above its limit, so that it is held."""
    token = desk.login(subject, pseudonym=f"pseudonym of {subject}")
    return await desk.ask_any("refund", token, body=OVER, idempotency=key)


async def test_an_account_has_as_many_waiting_as_the_policy_says_and_others_have_theirs() -> None:
    desk = EnforcerHarness(text=TEXT)
    for number in range(5):
        held = await hold(desk, "mallory", str(number))
        assert isinstance(held, Verdict)
        assert outcome(held) == ("hold", "await_approval")
    refused = await hold(desk, "mallory", "one more")
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.TOO_MANY_HELD
    assert isinstance(await hold(desk, "mallory", "0"), Verdict), "one that waits already may be asked for again"
    assert isinstance(await hold(desk, "alice", "a"), Verdict)


async def test_requests_at_once_do_not_count_the_same() -> None:
    desk = EnforcerHarness(text=TEXT)
    answers = await asyncio.gather(*(hold(desk, "mallory", str(number)) for number in range(20)))
    assert sum(isinstance(one, Verdict) for one in answers) == 5


async def test_what_lapsed_is_filed_and_counts_no_more() -> None:
    desk = EnforcerHarness(text=TEXT)
    for number in range(5):
        await hold(desk, "mallory", str(number))
    desk.clock.advance(30 * 86_400)
    assert isinstance(await hold(desk, "mallory", "later"), Verdict)
    lapsed = [
        entry
        for entry in desk.sink.of(TransitionEntry)
        if isinstance(entry, TransitionEntry) and entry.event == "lapsed"
    ]
    assert len(lapsed) == 5
    assert {entry.subject for entry in lapsed} == {"pseudonym of mallory"}


async def test_approvers_see_each_subjects_first_before_anybodys_second() -> None:
    desk = EnforcerHarness(text=TEXT)
    for number in range(4):
        await hold(desk, "mallory", f"m{number}")
    desk.clock.advance(FAIR_DELAY_S / 2)
    for subject in ("alice", "bob"):
        await hold(desk, subject, subject)
    waiting = await desk.store.transactions(state="held", limit=10)
    assert [record.subject.rpartition(" ")[2] for _, record in waiting] == ["mallory", "alice", "bob", *["mallory"] * 3]


@pytest.mark.parametrize("most", [3, MAX_SWEPT_ON_LIST])
async def test_a_sweep_files_at_most_so_many(most: int) -> None:
    desk = EnforcerHarness(text=TEXT)
    for number in range(10):
        await hold(desk, f"customer {number}", "k")
    desk.clock.advance(30 * 86_400)
    await desk.enforcer.hold_queue.sweep("held", most)
    assert len(await desk.store.transactions(state="held", limit=20)) == max(10 - most, 0)
