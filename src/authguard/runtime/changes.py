"""What moves a machine outside the decision on a request: the app's report, its answer, an operator, a fault.

The same order holds as for a request: load, step, record, save if unchanged; a lost race is withdrawn and done again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import anyio

from authguard.core.snapshot import Snapshot, blank
from authguard.errors import StoreError
from authguard.runtime.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from authguard.core.snapshot import Keys
    from authguard.policy.compiled import Policy
    from authguard.ports import Clock, Store
    from authguard.runtime.journal import Journal

#: how often something is done again because another changed the same standing first
TRIES: Final = 16

T = TypeVar("T")


class Standing:
    """Where the machines stand, as loaded from and saved to the store, with the log kept in step."""

    __slots__ = ("blank", "clock", "journal", "policy", "store")

    def __init__(self, *, policy: Policy, store: Store, journal: Journal, clock: Clock) -> None:
        """Keep the parts."""
        self.policy = policy
        self.store = store
        self.journal = journal
        self.clock = clock
        self.blank: Snapshot = blank(policy.initial)

    async def within(self, awaitable: Awaitable[T]) -> T:
        """Await with the policy's deadline.

        Raises:
            TimeoutError: the deadline passed.
        """
        with anyio.fail_after(self.policy.request_budget):
            return await awaitable

    async def load(self, keys: Keys) -> Snapshot:
        """Load where the machines stand, in one trip; an immediate store never suspends, so it needs no deadline."""
        if self.store.immediate:
            return await self.store.load(keys, self.blank)
        return await self.within(self.store.load(keys, self.blank))

    async def save(self, keys: Keys, before: Snapshot, after: Snapshot) -> bool:
        """Save what differs; tell whether nobody was faster."""
        return after is before or await self.within(self.store.commit(keys, before, after))

    async def change(
        self, keys: Keys, make: Callable[[Walk], None], *, subject: str = "", decision: str = "", note: str = ""
    ) -> Snapshot:
        """Let something happen outside a request.

        Args:
            keys: the records it meets.
            make: raises the events on a walk whose timers have run; called again after a lost race.
            subject: pseudonym, for the log.
            decision: id of the request's record that it belongs to.
            note: a person's words, bounded.

        Returns:
            Where the machines stand now.

        Raises:
            AuditError: it cannot be recorded, so it did not happen.
            StoreError: it cannot be saved.
            TimeoutError: the store did not answer in time.
        """
        for _ in range(TRIES):
            before = await self.load(keys)
            walk = Walk(self.policy, before, self.clock.now())
            walk.timers()
            make(walk)
            written = self.journal.moved(walk.transitions, keys, subject=subject, decision=decision, note=note)
            if await self.save(keys, before, walk.snapshot):
                return walk.snapshot
            if written:
                self.journal.withdrawn(written, walk.now)
        raise StoreError("the standing changed too often to be saved; try again")
