"""Repository of the machines' states, with optimistic concurrency, and with the audit log kept consistent.

Changes outside a request (the app's reports and responses, operators, faults) use the same order as a request: load,
step, record, save if unchanged. On a conflict, the records are withdrawn and the change is attempted again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar
from weakref import WeakValueDictionary

import anyio
import msgspec
from msgspec.structs import replace

from authguard.core.snapshot import EMPTY_LEDGER, Snapshot, blank
from authguard.errors import BusyError, StoreError
from authguard.evaluation import booking
from authguard.evaluation.driver import Evaluation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from authguard.core.policy import Policy
    from authguard.core.snapshot import Keys
    from authguard.ports import Clock, Store
    from authguard.runtime.journal import Journal

#: maximum number of attempts after a conflict with another change
MAX_ATTEMPTS: Final = 16

#: names of a snapshot's records
RECORDS: Final = ("service", "account", "session", "transaction")

T = TypeVar("T")


class LoadedState(msgspec.Struct, frozen=True, gc=False):
    """A loaded snapshot, with the versions by which a change of it can be detected.

    Attributes:
        snapshot: of all records.
        record_keys: keys of the records in a store with nonblocking reads; empty for other stores.
        versions: of these records.
    """

    snapshot: Snapshot
    record_keys: tuple[bytes, ...] = ()
    versions: tuple[object, ...] = ()


def with_bumped_versions(before: Snapshot, after: Snapshot) -> Snapshot:
    """Return the stored snapshot after `after` was saved over `before`: each changed record has the next version."""
    fields: dict[str, object] = {}
    for name in RECORDS:
        old, new = getattr(before, name), getattr(after, name)
        if new is not old and new != old:
            fields[name] = replace(new, version=old.version + 1)
    if after.ledgers is not before.ledgers:
        fields["ledgers"] = {
            key: record if record == old else replace(record, version=old.version + 1)
            for key, record in after.ledgers.items()
            for old in (before.ledgers.get(key, EMPTY_LEDGER),)
        }
    return replace(after, **fields)


class StateRepository:
    """Loads and saves the machines' states, and withdraws the records of changes that were not saved."""

    __slots__ = ("_completed", "_locks", "blank", "clock", "journal", "policy", "store")

    def __init__(self, *, policy: Policy, store: Store, journal: Journal, clock: Clock) -> None:
        """Store the parts."""
        self.policy = policy
        self.store = store
        self.journal = journal
        self.clock = clock
        self.blank: Snapshot = blank(policy.initial)
        #: account, or the widest ledger -> lock for the retries after a conflict
        self._locks: WeakValueDictionary[bytes, anyio.Lock] = WeakValueDictionary()
        #: number of completed reads and writes of the store
        self._completed = 0

    async def with_deadline(self, awaitable: Awaitable[T]) -> T:
        """Await with the policy's deadline.

        Raises:
            TimeoutError: the deadline passed.
        """
        with anyio.fail_after(self.policy.budget.request):
            return await awaitable

    async def _call_store(self, awaitable: Awaitable[T]) -> T:
        """Await the store with the policy's deadline."""
        # a deadline that passed while other calls completed means a full queue (`BusyError`), and not a dead store
        completed = self._completed
        try:
            with anyio.fail_after(self.policy.budget.request):
                answer = await awaitable
        except TimeoutError:
            if self._completed == completed:
                raise
            raise BusyError("the store's queue is full; try again") from None
        self._completed += 1
        return answer

    async def load(self, keys: Keys) -> LoadedState:
        """Load a snapshot in one call; a store with nonblocking reads never suspends, so it needs no deadline."""
        store = self.store
        if not store.nonblocking_reads:
            return LoadedState(await self._call_store(store.load(keys, self.blank)))
        record_keys = store.record_keys(keys)
        versions = store.peek_versions(record_keys)
        return LoadedState(store.decode(record_keys, versions, self.blank), record_keys, versions)

    def decode(self, record_keys: tuple[bytes, ...], versions: tuple[object, ...]) -> Snapshot:
        """Return the snapshot of records that a store with nonblocking reads returned before.

        Args:
            record_keys: keys of the records.
            versions: of these records.

        Raises:
            StoreError: a record is damaged.
        """
        return self.store.decode(record_keys, versions, self.blank)

    def reload_after_save(self, before: LoadedState, after: Snapshot) -> LoadedState | None:
        """Read a store with nonblocking reads again after a save; return ``None`` if another change followed the save.

        Args:
            before: as loaded.
            after: as saved, with the versions that it was loaded with; only its session record was changed.
        """
        versions = self.store.peek_versions(before.record_keys)
        found = self.decode(before.record_keys, versions)
        stands = replace(after, session=replace(after.session, version=after.session.version + 1))
        return LoadedState(found, before.record_keys, versions) if found == stands else None

    def save(self, keys: Keys, before: Snapshot, after: Snapshot) -> Awaitable[bool]:
        """Return an awaitable that saves the changed records, and returns whether no other change came first."""
        committing = self.store.commit(keys, before, after)
        return committing if self.store.nonblocking_writes else self._call_store(committing)

    def was_not_committed(self, keys: Keys, before: Snapshot, after: Snapshot) -> bool:
        """Return whether an abandoned save certainly changed nothing; False if it is not known.

        Only a store with nonblocking reads is read, because a cancelled caller must not wait.
        """
        if after is before:
            return True
        if not self.store.nonblocking_reads:
            return False
        try:
            record_keys = self.store.record_keys(keys)
            found = self.store.decode(record_keys, self.store.peek_versions(record_keys), self.blank)
        except StoreError:
            return False
        # a commit is atomic, so the version of any changed record shows whether it was saved
        return any(
            getattr(found, record).version == getattr(before, record).version
            for record in RECORDS
            if getattr(after, record) != getattr(before, record)
        ) or any(
            found.ledgers.get(key, EMPTY_LEDGER).version == before.ledgers.get(key, EMPTY_LEDGER).version
            for _, key in keys.ledgers
            if after.ledgers.get(key, EMPTY_LEDGER) != before.ledgers.get(key, EMPTY_LEDGER)
        )

    async def change(
        self,
        keys: Keys,
        apply: Callable[[Evaluation], None],
        *,
        subject: str = "",
        decision: str = "",
        note: str = "",
        act: str = "",
        last_saved: Snapshot | None = None,
        takes_lock: bool = True,
    ) -> Snapshot:
        """Change records outside a request.

        If the caller is cancelled, records of changes that were not saved are withdrawn, if the store can show that.

        Args:
            keys: of the records.
            apply: sends the events to an evaluation whose timers have run; called again after a conflict.
            subject: pseudonym, for the log.
            decision: id of the record of the request that it belongs to.
            note: a person's text, bounded.
            act: id of the record of a person's act; withdrawn if nothing was saved.
            last_saved: the snapshot as last saved, so that the first attempt need not load; a change since then is
                detected on saving. ``None`` to load it first.
            takes_lock: whether retrying waits for the account's lock; not for a change within a request's attempt,
                which may hold it.

        Returns:
            The snapshot after the change.

        Raises:
            AuditError: it cannot be recorded; nothing was changed.
            BusyError: other changes of the same records came first too often, or the store's queue is full.
            StoreError: it cannot be saved.
            TimeoutError: the store did not respond in time.
        """
        unsaved = True
        latest = [last_saved] if last_saved is not None else []

        async def attempt() -> Snapshot | None:
            nonlocal unsaved
            before = latest.pop() if latest else (await self.load(keys)).snapshot
            evaluation = Evaluation(self.policy, before, self.clock.now(), keys)
            evaluation.catch_up()
            due, reports = len(evaluation.events), evaluation.snapshot.account.reports
            apply(evaluation)
            booking.follow_transaction(evaluation, keys.transaction)
            written = self.journal.record_transitions(
                evaluation.transitions, keys, subject=subject, decision=decision, note=note
            )
            moved = {f"{one.machine}.{one.event}" for one in evaluation.transitions}
            unmoved = [event for event in evaluation.events[due:] if event not in moved]
            if not evaluation.events[due:] and evaluation.snapshot.account.reports != reports:
                unmoved = ["account.reported"]
            if unmoved:  # under another policy they might move a machine
                written += self.journal.record_unmoved(
                    unmoved, evaluation.now, keys, subject=subject, decision=decision, note=note
                )
            try:
                unchanged = evaluation.snapshot is before
                saved = unchanged or await self.save(keys, before, evaluation.snapshot)
            except BaseException as error:
                unsaved = isinstance(error, StoreError) or self.was_not_committed(keys, before, evaluation.snapshot)
                if unsaved:
                    self._withdraw(written, evaluation.now)
                raise
            if saved:
                return evaluation.snapshot
            self._withdraw(written, evaluation.now)
            return None

        try:
            changed = await attempt()
            if changed is not None:
                return changed
            return await (self.retry_after_conflict(keys, attempt) if takes_lock else _attempt_often(attempt))
        except BaseException:
            if unsaved:
                self._withdraw((act,) if act else (), self.clock.now())
            raise

    async def retry_on_conflict(self, keys: Keys, attempt: Callable[[], Awaitable[T | None]]) -> T:
        """Attempt a change until it succeeds: first immediately, then one retrying caller of the account at a time.

        Without the lock, all callers that lost would conflict again: of 64 concurrent ones, one would lose 63 times.

        Args:
            keys: of the records.
            attempt: returns the result, or ``None`` after a conflict; called again in that case.

        Raises:
            BusyError: there were too many conflicts, or the lock was not free in time.
        """
        result = await attempt()
        return result if result is not None else await self.retry_after_conflict(keys, attempt)

    async def retry_after_conflict(self, keys: Keys, attempt: Callable[[], Awaitable[T | None]]) -> T:
        """Attempt a change again after a first conflict; arguments and exceptions as for `retry_on_conflict`."""
        contended = keys.ledgers[0][1] if keys.ledgers else keys.account
        lock = self._locks.get(contended)
        if lock is None:
            lock = self._locks[contended] = anyio.Lock()
        try:
            await self.with_deadline(lock.acquire())
        except TimeoutError:
            raise BusyError("too many requests change the same records; try again") from None
        try:
            return await _attempt_often(attempt)
        finally:
            lock.release()

    def _withdraw(self, written: Sequence[str], now: float) -> None:
        if written:
            self.journal.record_withdrawal(written, now)


async def _attempt_often(attempt: Callable[[], Awaitable[T | None]]) -> T:
    """Attempt a change until it succeeds, a bounded number of times."""
    for _ in range(MAX_ATTEMPTS):
        result = await attempt()
        if result is not None:
            return result
    raise BusyError("the records changed too often to be saved; try again")
