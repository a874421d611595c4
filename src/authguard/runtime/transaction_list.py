"""Lists of transactions by their effective states: timers that are due are applied, and nothing is saved.

A transaction whose process died is stored as running until a request reads it. Here it is in doubt as soon as its lease
has ended, so that an operator finds it even if no request asks for it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.ports import FIRST

if TYPE_CHECKING:
    from authguard.core.snapshot import Snapshot, TransactionRecord
    from authguard.policy.compiled_policy import Policy
    from authguard.runtime.state_repository import StateRepository

    Listed = tuple[str, TransactionRecord]

#: minimum page size after the first page
PAGE_SIZE: Final = 500


def effective_snapshot(repository: StateRepository, snapshot: Snapshot) -> Snapshot:
    """Return a snapshot with all due timers applied; record and save nothing."""
    return repository.policy.timers.fire_due(repository.policy.machines, snapshot, repository.clock.now())[0]


def effective_record(repository: StateRepository, record: TransactionRecord) -> TransactionRecord:
    """Return a transaction record with all due timers applied; record and save nothing."""
    if not record.version:
        return record
    return effective_snapshot(repository, replace(repository.blank, transaction=record)).transaction


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
