"""The queue of held transactions: bounded for each account, fair between subjects, and free of lapsed ones.

Rules of this file:
- One account has at most the policy's `transactions.max_held` waiting. The count is exact within a process; several
  processes may each admit one more.
- Each one that a subject already has waiting puts the next `FAIR_DELAY_S` later in the approvers' order, as weighted
  fair queueing does: nobody fills the first page, and nobody waits for ever.
- What lapsed is filed as such when another is placed or the queue is listed, so that a listing costs what it lists.
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
    from authguard.runtime.evaluation import Evaluation
    from authguard.runtime.state_repository import StateRepository

FAIR_DELAY_S: Final = 60.0
#: lapsed transactions that are filed at most when one is placed, and when the queue is listed
MAX_SWEPT_ON_PLACE: Final = 4
MAX_SWEPT_ON_LIST: Final = 256


class HoldQueue:
    """Places held transactions for one guard."""

    __slots__ = ("_locks", "_repository")

    def __init__(self, repository: StateRepository) -> None:
        """Keep the parts."""
        self._repository = repository
        #: account -> its turn to place one, so that two at once do not count the same
        self._locks: WeakValueDictionary[bytes, anyio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def place(self, principal: Principal, state: str, now: float) -> AsyncIterator[float]:
        """Find the place of one more held transaction, and keep it for the time of an `async with` block.

        Args:
            principal: whose it is.
            state: in which it will wait.
            now: epoch seconds UTC.

        Yields:
            Its place in the order; below 0 where the account has as many waiting as it may.

        Raises:
            BusyError: the account's turn did not come in time.
            StoreError: the queue cannot be read now.
        """
        turn = self._locks.get(principal.account_key)
        if turn is None:
            turn = self._locks[principal.account_key] = anyio.Lock()
        try:
            await self._repository.with_deadline(turn.acquire())
        except TimeoutError:
            raise BusyError("too many requests of this account are being placed; try again") from None
        try:
            waiting = await self._count(principal, state)
            yield now + waiting * FAIR_DELAY_S if waiting < self._repository.policy.max_held else -1.0
        finally:
            turn.release()

    async def _count(self, principal: Principal, state: str) -> int:
        """Count what waits for an account now, and file what lapsed."""
        most = self._repository.policy.max_held
        found = await self._page(state, principal.pseudonym, most)
        lapsed = [one for one in found if self._has_lapsed(one[1])]
        if len(found) == most and lapsed:
            await self._file(lapsed)
            found = await self._page(state, principal.pseudonym, most)
        return sum(not self._has_lapsed(record) for _, record in found)

    async def sweep(self, state: str, most: int) -> None:
        """File transactions that lapsed, from the front of the queue; at most so many.

        Raises:
            StoreError: the queue cannot be read or written now.
        """
        found = await self._page(state, "", most)
        await self._file([one for one in found if self._has_lapsed(one[1])])

    async def _page(self, state: str, subject: str, limit: int) -> tuple[tuple[str, TransactionRecord], ...]:
        listing = self._repository.store.transactions(state=state, subject=subject, limit=limit)
        return await self._repository.with_deadline(listing)

    def _has_lapsed(self, record: TransactionRecord) -> bool:
        return effective_record(self._repository, record).state != record.state

    async def _file(self, lapsed: list[tuple[str, TransactionRecord]]) -> None:
        for name, record in lapsed:
            with suppress(BusyError):  # others file it, or decide on it, right now
                await self._repository.change(record.keys(name), _let_timers_run, subject=record.subject)


def _let_timers_run(evaluation: Evaluation) -> None:
    """Do nothing: the timers of a walk run before."""
    del evaluation
