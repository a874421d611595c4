"""What moves a machine outside the decision on a request: the app's report, its answer, an operator, a fault.

The same order holds as for a request: load, step, record, save if unchanged; a lost race is withdrawn and done again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar
from weakref import WeakValueDictionary

import anyio
import msgspec
from msgspec.structs import replace

from authguard.core.snapshot import EMPTY_LEDGER, Snapshot, blank
from authguard.errors import BusyError, StoreError
from authguard.runtime import booking
from authguard.runtime.evaluation import Evaluation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from authguard.core.snapshot import Keys
    from authguard.policy.compiled_policy import Policy
    from authguard.ports import Clock, Store
    from authguard.runtime.journal import Journal

#: how often something is done again because another changed the same standing first
MAX_ATTEMPTS: Final = 16

#: the records of a snapshot
RECORDS: Final = ("service", "account", "session", "transaction")

T = TypeVar("T")


class LoadedState(msgspec.Struct, frozen=True, gc=False):
    """Where the machines stood, and by what that can be told again.

    Attributes:
        snapshot: as put together.
        places: of the records in an immediate store; none for another.
        seen: what stood there.
    """

    snapshot: Snapshot
    places: tuple[bytes, ...] = ()
    seen: tuple[object, ...] = ()


def with_bumped_versions(before: Snapshot, after: Snapshot) -> Snapshot:
    """Give what stands in the store once `after` was saved over `before`: what differs has a new version."""
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
    """Where the machines stand, as loaded from and saved to the store, with the log kept in step."""

    __slots__ = ("_answers", "_locks", "blank", "clock", "journal", "policy", "store")

    def __init__(self, *, policy: Policy, store: Store, journal: Journal, clock: Clock) -> None:
        """Keep the parts."""
        self.policy = policy
        self.store = store
        self.journal = journal
        self.clock = clock
        self.blank: Snapshot = blank(policy.initial)
        #: account, or the widest ledger -> whose turn it is among those who lost a race for it
        self._locks: WeakValueDictionary[bytes, anyio.Lock] = WeakValueDictionary()
        #: how many reads and writes the store has answered
        self._answers = 0

    async def with_deadline(self, awaitable: Awaitable[T]) -> T:
        """Await with the policy's deadline.

        Raises:
            TimeoutError: the deadline passed.
        """
        with anyio.fail_after(self.policy.request_budget):
            return await awaitable

    async def _call_store(self, awaitable: Awaitable[T]) -> T:
        """Await the store with the policy's deadline.

        Raises:
            BusyError: the deadline passed while the store answered others: its queue is full.
            TimeoutError: the deadline passed and the store answered nobody.
        """
        answers = self._answers
        try:
            answer = await self.with_deadline(awaitable)
        except TimeoutError:
            if self._answers == answers:
                raise
            raise BusyError("the store's queue is full; try again") from None
        self._answers += 1
        return answer

    async def load(self, keys: Keys) -> LoadedState:
        """Load where the machines stand, in one trip; an immediate store never suspends, so it needs no deadline."""
        store = self.store
        if not store.nonblocking_reads:
            return LoadedState(await self._call_store(store.load(keys, self.blank)))
        places = store.record_keys(keys)
        seen = store.peek_versions(places)
        return LoadedState(store.decode(places, seen, self.blank), places, seen)

    def reload_after_save(self, before: LoadedState, after: Snapshot) -> LoadedState | None:
        """Look again at an immediate store after a save; ``None`` where what stands there is not what was saved.

        Args:
            before: as loaded; given back where nothing was to be saved.
            after: as saved, with the versions that it was loaded with; of its records only the session's changed.
        """
        if after is before.snapshot:
            return before
        seen = self.store.peek_versions(before.places)
        found = self.store.decode(before.places, seen, self.blank)
        stands = replace(after, session=replace(after.session, version=after.session.version + 1))
        return LoadedState(found, before.places, seen) if found == stands else None

    async def save(self, keys: Keys, before: Snapshot, after: Snapshot) -> bool:
        """Save what differs; tell whether nobody was faster."""
        if after is before:
            return True
        committing = self.store.commit(keys, before, after)
        return await (committing if self.store.nonblocking_writes else self._call_store(committing))

    def was_not_committed(self, keys: Keys, before: Snapshot, after: Snapshot) -> bool:
        """Whether a save that was left, or never begun, changed nothing for certain; where that is not known, False.

        Looked up where looking never waits, since whoever leaves may not be kept.
        """
        if after is before:
            return True
        if not self.store.nonblocking_reads:
            return False
        try:
            places = self.store.record_keys(keys)
            found = self.store.decode(places, self.store.peek_versions(places), self.blank)
        except StoreError:
            return False
        # all or none is saved, so any record that was to change tells
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
        make: Callable[[Evaluation], None],
        *,
        subject: str = "",
        decision: str = "",
        note: str = "",
        act: str = "",
        known: Snapshot | None = None,
    ) -> Snapshot:
        """Let something happen outside a request.

        Args:
            keys: the records it meets.
            make: raises the events on a walk whose timers have run; called again after a lost race.
            subject: pseudonym, for the log.
            decision: id of the request's record that it belongs to.
            note: a person's words, bounded.
            act: id of the line that says what a person did; withdrawn where it comes to nothing.
            known: where the machines stood when they were last saved; who changed meanwhile what this would change is
                found out on saving, and then they are looked up. ``None`` where they have to be looked up first.

        Returns:
            Where the machines stand now.

        Raises:
            AuditError: it cannot be recorded, so it did not happen.
            BusyError: others changed the same records first, too often, or the store's queue is full.
            StoreError: it cannot be saved.
            TimeoutError: the store did not answer in time.

        Who is cancelled meanwhile leaves no line that stands and was not saved, as far as the store can tell.
        """
        unsaved = True
        latest = [known] if known is not None else []

        async def attempt() -> Snapshot | None:
            nonlocal unsaved
            before = latest.pop() if latest else (await self.load(keys)).snapshot
            evaluation = Evaluation(self.policy, before, self.clock.now())
            evaluation.run_timers()
            make(evaluation)
            booking.release_if_void(evaluation, keys.transaction)
            written = self.journal.record_transitions(
                evaluation.transitions, keys, subject=subject, decision=decision, note=note
            )
            try:
                saved = await self.save(keys, before, evaluation.snapshot)
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
            return await self.retry_on_conflict(keys, attempt)
        except BaseException:
            if unsaved:
                self._withdraw((act,) if act else (), self.clock.now())
            raise

    async def retry_on_conflict(self, keys: Keys, attempt: Callable[[], Awaitable[T | None]]) -> T:
        """Attempt a change until nobody was faster: at once, then in turn with the others of this account who lost.

        Without turns, all who lost would race again, and of 64 at once one would lose 63 times.

        Args:
            keys: the records that it meets.
            attempt: gives what came of it, or nothing where another was faster; called again then.

        Raises:
            BusyError: others were faster too often, or the turn did not come in time.
        """
        won = await attempt()
        if won is not None:
            return won
        contended = keys.ledgers[0][1] if keys.ledgers else keys.account
        turn = self._locks.get(contended)
        if turn is None:
            turn = self._locks[contended] = anyio.Lock()
        try:
            await self.with_deadline(turn.acquire())
        except TimeoutError:
            raise BusyError("too many requests change the same records; try again") from None
        try:
            for _ in range(MAX_ATTEMPTS):
                won = await attempt()
                if won is not None:
                    return won
        finally:
            turn.release()
        raise BusyError("the records changed too often to be saved; try again")

    def _withdraw(self, written: Sequence[str], now: float) -> None:
        if written:
            self.journal.record_withdrawal(written, now)
