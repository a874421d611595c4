"""The commit of a decision: record it, wait for the disk if its risk demands that, save its states, or withdraw it.

Rules of this file:
- Nothing is admitted before its record is written, and no state is saved before its transitions are recorded.
- A record whose states were not saved is withdrawn: after a conflict, a fault, a deadline and a cancellation.
- A deadline is set only where something can suspend: a disk, a desk, a store without nonblocking writes.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import anyio
from msgspec.structs import replace

from authguard.core.outcomes import ADMITTING, Outcome, Reason
from authguard.core.request import Proven
from authguard.errors import AuditError, BusyError, StoreError
from authguard.evaluation import transactions
from authguard.evaluation.decision import Verdict
from authguard.evaluation.recorded_facts import describe_request
from authguard.records.chain import make_template
from authguard.runtime.account_lookup import record_unmapped
from authguard.runtime.decision_cache import cache_key, is_repeatable
from authguard.runtime.hold_queue import MAX_SWEPT_ON_PLACE
from authguard.runtime.state_repository import with_bumped_versions

if TYPE_CHECKING:
    from authguard.core.snapshot import Snapshot
    from authguard.evaluation.decision import Decision
    from authguard.evaluation.request import AccessRequest, RequestFacts
    from authguard.ports import Cipher, Ids
    from authguard.runtime.decision_cache import DecisionCache
    from authguard.runtime.handoff_ticket import TicketOpener
    from authguard.runtime.hold_queue import HoldQueue
    from authguard.runtime.refusal_window import RefusalWindows
    from authguard.runtime.state_repository import LoadedState, StateRepository


class Committer:
    """Commits decisions.

    Args:
        repository: loads and saves the states, with the log.
        ids: source of the records' ids.
        cipher: decrypts stored responses.
        windows: of refusals.
        ticket_opener: opens hand-off tickets.
        hold_queue: gives held transactions their places.
        cache: stores decisions that can be repeated.
    """

    __slots__ = (
        "_cache",
        "_cipher",
        "_has_keys",
        "_hold_queue",
        "_ids",
        "_journal",
        "_repository",
        "_ticket_opener",
        "_waiting_risks",
        "_windows",
    )

    def __init__(
        self,
        repository: StateRepository,
        *,
        ids: Ids,
        cipher: Cipher,
        windows: RefusalWindows,
        ticket_opener: TicketOpener,
        hold_queue: HoldQueue,
        cache: DecisionCache,
    ) -> None:
        self._repository: Final = repository
        self._journal: Final = repository.journal
        self._ids: Final = ids
        self._cipher: Final = cipher
        self._windows: Final = windows
        self._ticket_opener: Final = ticket_opener
        self._hold_queue: Final = hold_queue
        self._cache: Final = cache
        #: whether requests for one operation differ by what their channel or their headers bring
        self._has_keys: Final = repository.policy.channels.declared or bool(repository.policy.own_conditions)
        self._waiting_risks: Final = repository.policy.waiting_risks

    async def commit(
        self, request: AccessRequest, facts: RequestFacts, before: LoadedState, decision: Decision
    ) -> Verdict | None:
        """Record a decision, save its states, then return the verdict.

        Args:
            request: the request.
            facts: about the request.
            before: the states from which it was evaluated.
            decision: its result.

        Returns:
            The verdict; ``None`` after a conflict with another change: the request must be evaluated again.

        Raises:
            AuditError, StoreError, TimeoutError: it was not recorded or not saved, so it is void.
        """
        credential, after = facts.credential, decision.snapshot
        if (
            not isinstance(credential, Proven)
            and after is before.snapshot
            and (covered := self._windows.cover_decision(credential, decision, facts.now))
        ):
            return Verdict(decision=decision, record=covered, credential=credential, keys=facts.keys, at=facts.now)
        record = self._ids.record(facts.now)
        ticket = ""
        if decision.fallback.kind is Outcome.HANDOFF and isinstance(credential, Proven):
            opening = self._ticket_opener.open_ticket(request, credential.principal, decision, record, facts.now)
            ticket = await self._repository.with_deadline(opening)
        causes = self._record_causes(facts, before, decision, record) if decision.transitions or facts.unmapped else ()
        known = facts.principal
        recorded = {} if known is None else describe_request(self._repository.policy, request, facts, decision, known)
        entry, position = self._journal.record_decision(record, request, facts, decision, ticket, recorded)
        waits = decision.operation.risk in self._waiting_risks
        if waits or after is not before.snapshot:
            try:
                if waits:
                    with anyio.fail_after(self._repository.policy.budget.request):
                        await self._journal.flush(position)
                saved = after is before.snapshot or await self._repository.save(facts.keys, before.snapshot, after)
            except BaseException as error:
                self._withdraw_unsaved(error, facts, before.snapshot, after, (*causes, record))
                raise
            if not saved:
                self._journal.record_withdrawal((*causes, record), facts.now)
                return None
        headers: transactions.Headers = ()
        running: Snapshot | None = None
        if decision.running:
            running = with_bumped_versions(before.snapshot, after)
        elif decision.fallback.kind not in ADMITTING:
            decision, headers = self._finish_refused(facts, decision, record)
        verdict = Verdict(
            decision=decision,
            record=record,
            credential=credential,
            keys=facts.keys,
            at=facts.now,
            ticket=ticket,
            saved=running,
            headers=headers,
        )
        if (
            before.record_keys
            and not decision.running
            and is_repeatable(self._repository.policy, request, facts, decision, before.snapshot)
        ):
            key = self._cache_key(facts.channel, decision) if self._has_keys else request.operation.identity
            self._cache.store_saved(self._repository, verdict, key, before, make_template(entry))
        return verdict

    def _cache_key(self, channel: str, decision: Decision) -> bytes:
        """Return the key under which the same request is found, with the values of what headers bring."""
        conditions = self._repository.policy.own_conditions
        headers = [decision.context[one.name] for one in conditions if one.header]
        return cache_key(decision.operation, channel, headers)

    async def commit_held(
        self, request: AccessRequest, facts: RequestFacts, before: LoadedState, decision: Decision
    ) -> Verdict | Reason | None:
        """Commit a decision that holds a new transaction, or return the reason why its account may hold no more."""
        if not isinstance(facts.credential, Proven):
            return await self.commit(request, facts, before, decision)
        held = decision.snapshot
        state = held.transaction.state
        async with self._hold_queue.place(facts.credential.principal, state, facts.now) as place:
            if place < 0:
                return Reason.TOO_MANY_HELD
            queued = replace(held, transaction=replace(held.transaction, queued=place))
            verdict = await self.commit(request, facts, before, replace(decision, snapshot=queued))
        # this request is decided; a later one can sweep
        with suppress(AuditError, BusyError, StoreError, TimeoutError):
            await self._hold_queue.sweep(state, MAX_SWEPT_ON_PLACE)
        return verdict

    def _record_causes(
        self, facts: RequestFacts, before: LoadedState, decision: Decision, record: str
    ) -> tuple[str, ...]:
        """Write what led to a decision: the transitions, and reports that the policy does not map; return the ids."""
        written: tuple[str, ...] = ()
        if decision.transitions:
            subject = facts.credential.principal.pseudonym if isinstance(facts.credential, Proven) else ""
            written = self._journal.record_transitions(
                decision.transitions, facts.keys, subject=subject, decision=record
            )
        if facts.unmapped:
            written += record_unmapped(self._journal, facts, before.snapshot, decision.snapshot, decision=record)
        return written

    def _withdraw_unsaved(
        self, error: BaseException, facts: RequestFacts, before: Snapshot, after: Snapshot, records: tuple[str, ...]
    ) -> None:
        """Withdraw the records of a request, the last of which is the decision, after an error or a cancellation."""
        # the decision is void; its transitions may be saved nevertheless, after a deadline or a cancellation
        failed = isinstance(error, AuditError | StoreError)
        unsaved = failed or self._repository.was_not_committed(facts.keys, before, after)
        self._journal.record_withdrawal(records if unsaved else records[-1:], facts.now)

    def _finish_refused(
        self, facts: RequestFacts, decision: Decision, record: str
    ) -> tuple[Decision, transactions.Headers]:
        """Store a decision that runs no app for a later ticket; of a repeat, return the stored response decrypted."""
        kind, after = decision.fallback.kind, decision.snapshot
        name = decision.operation.name
        self._ticket_opener.add_decision(facts.keys.session, facts.now, name, kind.value, record)
        if kind is not Outcome.REPEAT:
            return decision, ()
        repeated, headers = transactions.decrypt_response(after.transaction, facts.keys.transaction, self._cipher)
        return replace(decision, snapshot=replace(after, transaction=repeated)), headers
