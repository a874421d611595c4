"""The queue of held transactions: bounded for each account and fair between subjects.

Rules of this file:
- An account has at most the policy's `transactions.max_held` waiting. The count is exact within a process; each further
  process may admit one more.
- Each transaction that a subject already has waiting moves the next `FAIR_DELAY_S` later in the approvers' order, as in
  weighted fair queueing. So no subject fills the first page, and none waits indefinitely.
- Lapsed transactions are stored as lapsed when another is queued or the queue is listed, so that a listing reads only
  what it returns.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

import anyio

from authguard.errors import BusyError
from authguard.runtime.transaction_list import effective_record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from authguard.core.request import Principal
    from authguard.core.snapshot import TransactionRecord
    from authguard.evaluation.driver import Evaluation
    from authguard.runtime.state_repository import StateRepository

FAIR_DELAY_S: Final = 60.0
#: maximum number of lapsed transactions that are saved when one is queued, and when the queue is listed
MAX_SWEPT_ON_PLACE: Final = 4
MAX_SWEPT_ON_LIST: Final = 256


class HoldQueue:
    """Assigns held transactions their places in the queue."""

    __slots__ = ("_locks", "_repository")

    def __init__(self, repository: StateRepository) -> None:
        """Store the repository."""
        self._repository = repository
        #: account -> lock, so that two concurrent requests do not use the same count
        self._locks: WeakValueDictionary[bytes, anyio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def place(self, principal: Principal, state: str, now: float) -> AsyncIterator[float]:
        """Return the place for one more held transaction, reserved for the duration of an `async with` block.

        Args:
            principal: the transaction's account.
            state: in which it will wait.
            now: epoch seconds UTC.

        Yields:
            Its place in the order; below 0 if the account already has the maximum number.

        Raises:
            BusyError: the account's lock was not free in time.
            StoreError: the queue cannot be read.
        """
        lock = self._locks.get(principal.account_key)
        if lock is None:
            lock = self._locks[principal.account_key] = anyio.Lock()
        try:
            await self._repository.with_deadline(lock.acquire())
        except TimeoutError:
            raise BusyError("too many requests of this account wait for the queue; try again") from None
        try:
            waiting = await self._count(principal, state)
            yield now + waiting * FAIR_DELAY_S if waiting < self._repository.policy.transactions.max_held else -1.0
        finally:
            lock.release()

    async def _count(self, principal: Principal, state: str) -> int:
        """Return how many of an account's transactions are waiting, and save those that have lapsed."""
        most = self._repository.policy.transactions.max_held
        found = await self._page(state, principal.pseudonym, most)
        lapsed = [one for one in found if self._has_lapsed(one[1])]
        if len(found) == most and lapsed:
            await self._file(lapsed)
            found = await self._page(state, principal.pseudonym, most)
        return sum(not self._has_lapsed(record) for _, record in found)

    async def sweep(self, state: str, most: int) -> None:
        """Save lapsed transactions as lapsed, from the front of the queue.

        Args:
            state: in which they wait.
            most: maximum number of transactions to read.

        Raises:
            StoreError: the queue cannot be read or written.
        """
        found = await self._page(state, "", most)
        await self._file([one for one in found if self._has_lapsed(one[1])])

    async def expire(self, name: str, record: TransactionRecord) -> bool:
        """Run the due timers of a transaction on the records of its requester; return whether it was changed.

        Args:
            name: its id.
            record: as stored.

        Raises:
            AuditError, BusyError, StoreError, TimeoutError: it cannot be recorded or saved.
        """
        if not self._has_lapsed(record):
            return False
        # a request that retries holds its account's lock, and this is part of its attempt
        await self._repository.change(record.keys(name), _apply_timers_only, subject=record.subject, takes_lock=False)
        return True

    async def _page(self, state: str, subject: str, limit: int) -> tuple[tuple[str, TransactionRecord], ...]:
        listing = self._repository.store.transactions(state=state, subject=subject, limit=limit)
        return await self._repository.with_deadline(listing)

    def _has_lapsed(self, record: TransactionRecord) -> bool:
        return effective_record(self._repository, record).state != record.state

    async def _file(self, lapsed: list[tuple[str, TransactionRecord]]) -> None:
        for name, record in lapsed:
            with suppress(BusyError):  # another request saves it or decides on it
                await self.expire(name, record)


def _apply_timers_only(evaluation: Evaluation) -> None:
    """Send no event: `StateRepository.change` has already run the timers."""
    del evaluation
