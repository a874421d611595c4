"""A decision is recorded before it is saved, on the disk if its risk demands that, and withdrawn if not saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.errors import StoreError
from authguard.records.entries import DecisionEntry, TransitionEntry, WithdrawalEntry
from authguard.stores.memory import MemoryStore
from tests.support.harness import POLICY, EnforcerHarness, outcome

if TYPE_CHECKING:
    from authguard.core.snapshot import Keys, Snapshot


class Contended(MemoryStore):
    """A store in which another request comes first so many times; or that fails."""

    def __init__(self, conflicts: int = 0, error: Exception | None = None) -> None:
        super().__init__()
        self.conflicts = conflicts
        self.error = error

    async def commit(self, keys: Keys, before: Snapshot, after: Snapshot) -> bool:
        """Fail, or lose, or save."""
        if self.error is not None:
            raise self.error
        if self.conflicts:
            self.conflicts -= 1
            return False
        return await super().commit(keys, before, after)


def withdrawn(desk: EnforcerHarness) -> list[tuple[str, ...]]:
    return [entry.records for entry in desk.sink.entries if isinstance(entry, WithdrawalEntry)]


async def test_the_transitions_are_recorded_before_the_decision_that_they_led_to() -> None:
    desk = EnforcerHarness()
    verdict = await desk.ask("chat", desk.login())
    kinds = [type(entry) for entry in desk.sink.entries if isinstance(entry, TransitionEntry | DecisionEntry)]
    assert kinds[-1] is DecisionEntry
    assert TransitionEntry in kinds
    assert {entry.decision for entry in desk.sink.entries if isinstance(entry, TransitionEntry)} == {verdict.record}


async def test_after_a_conflict_every_record_is_withdrawn_and_the_request_is_decided_again() -> None:
    desk = EnforcerHarness(store=Contended(conflicts=2))
    verdict = await desk.ask("chat", desk.login())
    assert outcome(verdict)[0] == "allow"
    void = {record for records in withdrawn(desk) for record in records}
    kept = [entry.id for entry in desk.sink.entries if isinstance(entry, DecisionEntry) and entry.id not in void]
    assert kept == [verdict.record]
    moved = [entry for entry in desk.sink.entries if isinstance(entry, TransitionEntry) and entry.id not in void]
    assert {entry.decision for entry in moved} == {verdict.record}


async def test_a_decision_that_cannot_be_saved_is_withdrawn_and_admits_nobody() -> None:
    desk = EnforcerHarness(store=Contended(error=StoreError("the disk is full")))
    verdict = await desk.ask("chat", desk.login())
    assert not verdict.admits
    decided = [entry.id for entry in desk.sink.entries if isinstance(entry, DecisionEntry)]
    assert decided
    assert set(decided) <= {record for records in withdrawn(desk) for record in records}


@pytest.mark.parametrize("durability", ["async", "group", "sync"])
async def test_only_the_risks_that_demand_it_wait_for_the_disk(durability: str) -> None:
    desk = EnforcerHarness(f"{POLICY}audit: {{durability: {{routine: {durability}}}}}\n")
    token = desk.login()
    await desk.ask("chat", token)
    desk.sink.secured.clear()
    await desk.ask("chat", desk.refreshed(token))
    assert bool(desk.sink.secured) is (durability != "async")


async def test_requests_of_nobody_are_covered_by_a_window_and_those_of_a_person_never() -> None:
    desk = EnforcerHarness()
    records = [(await desk.ask("chat")).record for _ in range(40)]
    assert len(set(records)) < len(records)
    token = desk.login()
    proven = [(await desk.ask("chat", token)).record for _ in range(40)]
    assert len(set(proven)) == len(proven)
