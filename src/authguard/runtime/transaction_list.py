"""Lists of transactions by their effective states: timers that are due are applied, and nothing is saved.

A transaction whose process died is stored as running until a request reads it. Here it is in doubt as soon as its lease
has ended, so that an operator finds it even if no request asks for it again.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.core.snapshot import Keys, blank
from authguard.ports import FIRST

if TYPE_CHECKING:
    from authguard.core.policy import Policy
    from authguard.core.snapshot import AccountRecord, SessionRecord, Snapshot, TransactionRecord
    from authguard.runtime.state_repository import StateRepository

    Listed = tuple[str, TransactionRecord]

#: minimum page size after the first page
PAGE_SIZE: Final = 500


def effective_snapshot(repository: StateRepository, snapshot: Snapshot) -> Snapshot:
    """Return a snapshot with all due timers applied; record and save nothing."""
    timers, machines = repository.policy.timers, repository.policy.machines
    return timers.fire_due(machines, snapshot, repository.clock.now(), Keys(), drops=True)[0]


def effective_record(repository: StateRepository, record: TransactionRecord) -> TransactionRecord:
    """Return a transaction record with all due timers applied; record and save nothing."""
    if not record.version:
        return record
    return effective_snapshot(repository, replace(repository.blank, transaction=record)).transaction


def effective_session(repository: StateRepository, record: SessionRecord) -> SessionRecord:
    """Return a session record with all due timers applied; record and save nothing."""
    return effective_snapshot(repository, replace(repository.blank, session=record)).session


def effective_account(repository: StateRepository, record: AccountRecord) -> AccountRecord:
    """Return an account record with all due timers applied; record and save nothing."""
    return effective_snapshot(repository, replace(repository.blank, account=record)).account


async def list_transactions(
    repository: StateRepository,
    *,
    state: str,
    role: str = "",
    operation: str = "",
    subject: str = "",
    after: tuple[float, str] = FIRST,
    limit: int,
) -> tuple[Listed, ...]:
    """Return transactions by their effective state, in the order of their places.

    Args:
        repository: with the store.
        state: of the machine; empty for any.
        role: of the approvers; empty for any.
        operation: name; empty for any.
        subject: pseudonym of the transaction's subject; empty for any.
        after: place and id of the last transaction of the previous page.
        limit: maximum number.

    Raises:
        StoreError: they cannot be read.
    """
    found: list[Listed] = []
    for stored in _stored_states(repository.policy, state):
        taken: list[Listed] = []
        place, size = after, limit
        while len(taken) < limit:
            page = await repository.store.transactions(
                state=stored, role=role, operation=operation, subject=subject, after=place, limit=size
            )
            seen = ((name, effective_record(repository, record)) for name, record in page)
            taken += [one for one in seen if state in {"", one[1].state}]
            if len(page) < size:
                break
            place, size = (page[-1][1].place, page[-1][0]), max(size, PAGE_SIZE)
        found += taken
    return tuple(sorted(found, key=lambda one: (one[1].place, one[0]))[:limit])


def approvable_states(policy: Policy) -> tuple[str, ...]:
    """Return the states in which a transaction waits for an approval."""
    table = policy.machines["transaction"].table
    return tuple(
        state
        for state in policy.machines["transaction"].spec.states
        if state != policy.initial["transaction"] and table[state, "approved"].moves
    )


def doubtful_states(policy: Policy) -> tuple[str, ...]:
    """Return the states in which a transaction waits for a person to settle it."""
    table = policy.machines["transaction"].table
    return tuple(
        state
        for state in policy.machines["transaction"].spec.states
        if table[state, "committed"].moves and not table[state, "lost"].moves
    )


def lapse_time(policy: Policy, record: TransactionRecord) -> float:
    """Return the time at which a transaction lapses, epoch seconds UTC; infinity if it does not."""
    due, event = policy.timers.next_due(replace(blank(policy.initial), transaction=record))
    return due if event == "transaction.lapsed" else inf


def _stored_states(policy: Policy, state: str) -> tuple[str, ...]:
    """Return the stored states from which timers lead to an effective state, with the state itself."""
    if not state:
        return ("",)
    table = policy.machines["transaction"].table
    leads = {
        stored: {table[stored, timer.event.partition(".")[2]].dest for timer in timers}
        for (machine, stored), timers in policy.timers.armed.items()
        if machine == "transaction"
    }
    found = [state]
    for reached in found:
        found += [stored for stored, dests in leads.items() if reached in dests and stored not in found]
    return tuple(found)
