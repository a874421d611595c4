"""Faults of the guard refuse the request, are recorded if possible, and move the service machine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from authguard.core.outcomes import Reason
from authguard.errors import AuditError, MachineFaultError, StoreError
from authguard.evaluation.decision import AppResponse, Refusal
from authguard.evaluation.request import UNMATCHED, AccessRequest
from authguard.records.entries import DecisionEntry, FaultEntry, TransitionEntry, WithdrawalEntry
from authguard.runtime.faults import FAULT_WINDOW_S, MIN_FAULT_ACCOUNTS
from authguard.stores.memory import MemoryStore
from tests.support.harness import POLICY, EnforcerHarness, outcome, states

if TYPE_CHECKING:
    from authguard.core.request import Credential
    from authguard.core.snapshot import Keys, Snapshot
    from authguard.evaluation.request import RequestFacts

REFUND = {"amount": 12.5, "currency": "EUR"}


class BrokenStore(MemoryStore):
    """A store that fails on demand."""

    broken: Exception | None = None
    losing = 0
    hanging = False

    nonblocking_writes = False

    def __init__(self) -> None:
        super().__init__()
        #: released by each write that hangs
        self.hung = asyncio.Semaphore(0)

    def peek_versions(self, places: tuple[bytes, ...]) -> tuple[object, ...]:
        """Return the versions, or fail."""
        if self.broken:
            raise self.broken
        return super().peek_versions(places)

    def last_change(self, places: tuple[bytes, ...]) -> int:
        """Return the number, or fail."""
        if self.broken:
            raise self.broken
        return super().last_change(places)

    async def commit(self, keys: Keys, before: Snapshot, after: Snapshot) -> bool:
        """Commit, fail, conflict, or never return."""
        if self.broken:
            raise self.broken
        if self.hanging:
            self.hung.release()
            await asyncio.Event().wait()
        if self.losing:
            self.losing -= 1
            return False
        return await super().commit(keys, before, after)


@pytest.mark.parametrize("error", [StoreError("x"), MachineFaultError("x"), ZeroDivisionError("x"), TimeoutError("x")])
async def test_whatever_is_raised_becomes_the_policys_on_fault_and_is_recorded(error: Exception) -> None:
    store = BrokenStore()
    desk = EnforcerHarness(store=store)
    token = desk.login()
    await desk.ask("chat", token)
    store.broken = error
    verdict = await desk.ask("chat", token)
    assert outcome(verdict) == ("retry", "try_later")
    assert verdict.reason in {Reason.GUARD_FAULT, Reason.GUARD_TIMEOUT}
    fault = desk.sink.of(FaultEntry)[-1]
    assert isinstance(fault, FaultEntry)
    assert fault.error == type(error).__name__
    store.broken = None
    assert outcome(await desk.ask("chat", token)) == ("allow", "allow")


async def test_a_fault_degrades_the_service_so_that_high_writes_wait_and_it_repairs_itself() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    await desk.ask("chat", token)

    async def failing(*_: object) -> Credential:
        raise StoreError("the proofs that were used cannot be read")

    kept, desk.check.check = desk.check.check, failing  # type: ignore[method-assign]
    await desk.ask("chat", b"Bearer never seen")
    desk.check.check = kept  # type: ignore[method-assign]
    verdict = await desk.ask("refund", token, body=REFUND, idempotency="k")
    assert states(verdict)["service"] == "degraded"
    assert outcome(verdict) == ("hold", "await_approval")
    desk.clock.advance(301)
    verdict = await desk.ask("refund", desk.login(), body=REFUND, idempotency="k2")
    assert outcome(verdict) == ("allow", "allow")


class BrokenSources:
    """Account sources with a bug that a customer's input triggers."""

    async def collect(self, *_: object) -> RequestFacts:
        """Raise an unexpected error."""
        raise ZeroDivisionError


async def test_an_exception_of_the_guards_own_code_counts_only_when_it_met_several_accounts() -> None:
    desk = EnforcerHarness()
    sound = desk.enforcer._account_lookup
    for turn, (subject, expected) in enumerate((("a", "live"), ("a", "live"), ("b", "live"), ("c", "degraded"))):
        token = desk.login(subject)
        desk.enforcer._account_lookup = BrokenSources()  # type: ignore[assignment]
        await desk.ask("chat", token)
        desk.enforcer._account_lookup = sound
        desk.clock.advance(2)
        assert states(await desk.ask("chat", token))["service"] == expected, f"after {turn + 1} exceptions"


async def test_the_accounts_that_met_an_exception_are_forgotten_after_the_window() -> None:
    desk = EnforcerHarness()
    sound = desk.enforcer._account_lookup
    for subject in "abcdef":
        token = desk.login(subject)
        desk.enforcer._account_lookup = BrokenSources()  # type: ignore[assignment]
        await desk.ask("chat", token)
        desk.enforcer._account_lookup = sound
        desk.clock.advance(FAULT_WINDOW_S / (MIN_FAULT_ACCOUNTS - 1))
        assert states(await desk.ask("chat", token))["service"] == "live"


async def test_past_the_bound_requests_of_one_account_are_refused_at_once_and_others_are_not() -> None:
    store = BrokenStore()
    desk = EnforcerHarness(text=POLICY + "budget: {in_flight: 2, request: 60s}\n", store=store)
    mallory = desk.login("mallory")
    await desk.ask("chat", mallory)
    store.hanging = True
    waiting = [asyncio.ensure_future(desk.ask("chat", desk.login("mallory", sid=sid))) for sid in ("1", "2")]
    for _ in waiting:
        await store.hung.acquire()
    refused = await desk.ask_any("chat", desk.login("mallory", sid="3"))
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.ACCOUNT_BUSY
    store.hanging = False
    assert outcome(await desk.ask("chat", desk.login("alice"))) == ("allow", "allow")
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert outcome(await desk.ask("chat", desk.login("mallory", sid="3"))) == ("allow", "allow")


async def test_a_queue_over_its_time_is_busy_while_the_store_answers_others() -> None:
    store = BrokenStore()
    desk = EnforcerHarness(text=_with_budget("50ms"), store=store)
    store.hanging = True
    slow = asyncio.ensure_future(desk.ask_any("chat", desk.login("mallory")))
    await store.hung.acquire()
    store.hanging = False
    assert outcome(await desk.ask("chat", desk.login("alice"))) == ("allow", "allow")
    refused = await slow
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.BUSY
    assert not desk.sink.of(FaultEntry)


async def test_without_a_record_nothing_is_admitted_and_nothing_is_saved() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    desk.sink.broken = AuditError("disk full")
    verdict = await desk.ask("chat", token)
    assert outcome(verdict) == ("retry", "try_later")
    assert verdict.record == ""
    desk.sink.broken = None
    snapshot = (await desk.ask("chat", token)).snapshot
    assert snapshot.session.version == 0, "the session that could not be recorded was not saved"


async def test_a_lost_race_is_withdrawn_and_judged_again() -> None:
    store = BrokenStore()
    desk = EnforcerHarness(store=store)
    store.losing = 2
    verdict = await desk.ask("chat", desk.login())
    assert outcome(verdict) == ("allow", "allow")
    withdrawn = [record for entry in desk.sink.of(WithdrawalEntry) for record in entry.records]
    written = {entry.id for entry in desk.sink.entries if isinstance(entry, DecisionEntry | TransitionEntry)}
    assert set(withdrawn) < written
    assert verdict.record not in withdrawn
    assert len([entry for entry in desk.sink.of(DecisionEntry) if entry.id not in withdrawn]) == 1


async def test_a_decision_whose_saving_failed_is_withdrawn_so_that_the_fault_alone_stands() -> None:
    class Failing(MemoryStore):
        nonblocking_writes = False

        async def commit(self, keys: Keys, before: Snapshot, after: Snapshot) -> bool:
            if keys.session:
                raise StoreError("disk full")
            return await super().commit(keys, before, after)

    desk = EnforcerHarness(store=Failing())
    assert outcome(await desk.ask("chat", desk.login())) == ("retry", "try_later")
    (decided,) = desk.sink.of(DecisionEntry)
    (withdrawn,) = desk.sink.of(WithdrawalEntry)
    moved = {
        entry.id
        for entry in desk.sink.of(TransitionEntry)
        if isinstance(entry, TransitionEntry) and entry.decision == decided.id
    }
    assert isinstance(withdrawn, WithdrawalEntry)
    assert set(withdrawn.records) == {decided.id} | moved
    assert len(desk.sink.of(FaultEntry)) == 1


async def test_a_race_that_is_lost_again_and_again_is_busy_and_no_fault() -> None:
    store = BrokenStore()
    desk = EnforcerHarness(store=store)
    store.losing = 1_000_000
    refused = await desk.ask_any("chat", desk.login())
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.BUSY
    assert not desk.sink.of(FaultEntry)


async def test_a_store_that_never_answers_is_cut_off_by_the_budget() -> None:
    store = BrokenStore()
    desk = EnforcerHarness(text=_with_budget("50ms"), store=store)
    store.hanging = True
    verdict = await desk.ask("chat", desk.login())
    assert outcome(verdict) == ("retry", "try_later")
    assert verdict.reason is Reason.GUARD_TIMEOUT


async def test_a_check_that_never_answers_leaves_the_credential_unproven() -> None:
    desk = EnforcerHarness(text=_with_budget("50ms"))

    async def hanging(*_: object) -> Credential:
        await asyncio.Event().wait()
        raise AssertionError

    desk.check.check = hanging  # type: ignore[method-assign]
    verdict = await desk.ask("chat", b"Bearer x")
    assert verdict.reason is Reason.KEYS_UNREACHABLE
    assert not desk.sink.of(FaultEntry)


async def test_parallel_requests_of_one_session_lose_no_update_and_admit_each_once() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    verdicts = await asyncio.gather(*(desk.ask("chat", token) for _ in range(64)))
    assert {outcome(verdict) for verdict in verdicts} == {("allow", "allow")}
    withdrawn = {record for entry in desk.sink.of(WithdrawalEntry) for record in entry.records}
    standing = [entry for entry in desk.sink.of(DecisionEntry) if entry.id not in withdrawn]
    assert len(standing) == 64


async def test_of_64_changes_of_one_account_at_once_none_is_lost_and_none_is_a_fault() -> None:
    class Far(MemoryStore):
        nonblocking_reads = nonblocking_writes = False

        async def commit(self, keys: Keys, before: Snapshot, after: Snapshot) -> bool:
            await asyncio.sleep(0)  # so that all have loaded before one has saved
            return await super().commit(keys, before, after)

    desk = EnforcerHarness(store=Far())
    verdict = await desk.ask("chat", desk.login())
    await asyncio.gather(*(desk.enforcer.reports.report(verdict, "verification.doubted") for _ in range(64)))
    account = (await desk.enforcer.repository.load(verdict.keys)).snapshot.account
    assert (account.tallies or {})["verification"].count == 64


async def test_of_parallel_runs_of_one_refund_one_reaches_the_app() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    verdicts = await asyncio.gather(
        *(desk.ask("refund", token, body=REFUND, idempotency="k") for _ in range(32)),
    )
    assert sum(verdict.running for verdict in verdicts) == 1
    assert sum(verdict.admits for verdict in verdicts) == 1


async def test_parallel_refunds_never_both_fit_the_last_of_the_budget() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    body = {"amount": 300, "currency": "EUR"}
    verdicts = await asyncio.gather(
        *(desk.ask("refund", token, body=body, idempotency=f"k{number}") for number in range(10)),
    )
    assert sum(verdict.admits for verdict in verdicts) == 3
    assert {outcome(verdict) for verdict in verdicts if not verdict.admits} == {("hold", "await_approval")}


async def test_settling_survives_a_store_that_fails_and_leaves_the_rest_to_the_clock() -> None:
    store = BrokenStore()
    desk = EnforcerHarness(store=store)
    token = desk.login()
    verdict = await desk.ask("refund", token, body=REFUND, idempotency="k")
    store.broken = StoreError("gone")
    await desk.enforcer.reports.settle(verdict, AppResponse(200, "", b""))
    store.broken = None
    desk.clock.advance(121)
    again = await desk.ask("refund", token, body=REFUND, idempotency="k")
    assert states(again)["transaction"] == "in_doubt"


async def test_a_refusal_without_a_cell_is_recorded_and_told_even_where_the_log_fails() -> None:
    desk = EnforcerHarness()
    assert desk.enforcer.refuse(AccessRequest(operation=UNMATCHED), Reason.REQUEST_MALFORMED).record
    desk.sink.broken = AuditError("disk full")
    refusal = desk.enforcer.refuse(AccessRequest(operation=UNMATCHED), Reason.REQUEST_MALFORMED)
    assert refusal == Refusal(record="", reason=Reason.GUARD_FAULT)


def _with_budget(request: str) -> str:
    return POLICY + f"budget: {{request: {request}, body: 1MiB}}\n"
