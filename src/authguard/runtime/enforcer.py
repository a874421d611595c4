"""The policy enforcement point: every request is decided here, and none is admitted without a record.

Rules of this file:
- Order: verify the credential, load, evaluate, record (as durably as the risk requires), save if unchanged, admit.
- Every await has the policy's deadline; a store with nonblocking reads never suspends and needs none.
- Every exception becomes the policy's `on_fault`. Only cancellation propagates, and then nothing was admitted.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Final

import anyio
from msgspec.structs import replace

from authguard.core.outcomes import Outcome, Reason
from authguard.core.request import NotProven, Proven, Unseen
from authguard.core.snapshot import Keys
from authguard.errors import AuditError, BusyError, MachineFaultError, StoreError
from authguard.records.chain import make_template
from authguard.runtime import transactions
from authguard.runtime.account_lookup import AccountLookup, record_unmapped
from authguard.runtime.approvals import Approvals
from authguard.runtime.bulkhead import AccountBulkhead
from authguard.runtime.cached_decision import CachedDecider
from authguard.runtime.channel import ChannelFinder
from authguard.runtime.decision import NEEDS_BODY, NeedsBody, Refusal, Verdict
from authguard.runtime.decision_cache import cache_key, is_repeatable
from authguard.runtime.decision_point import evaluate
from authguard.runtime.evaluation import is_signed_out
from authguard.runtime.fair_worker import FairWorker
from authguard.runtime.faults import Faults
from authguard.runtime.handoff_ticket import TicketOpener
from authguard.runtime.hold_queue import MAX_SWEPT_ON_PLACE, HoldQueue
from authguard.runtime.pseudonymizer import NullPseudonymizer, store_pseudonym_check
from authguard.runtime.refusal_window import RefusalWindows
from authguard.runtime.reports import Reports
from authguard.runtime.request import NO_CREDENTIAL, UNMATCHED, BodyFailure, RequestFacts, add_ledgers, needs_body
from authguard.runtime.request_binder import RequestBinder
from authguard.runtime.staff_actions import StaffActions
from authguard.runtime.state_repository import StateRepository, with_bumped_versions
from authguard.runtime.verification import Verifications

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authguard.core.request import Credential
    from authguard.policy.compiled_policy import Policy
    from authguard.ports import (
        AccountDirectory,
        Cipher,
        Clock,
        CredentialValidator,
        HandoffDesk,
        Ids,
        IssuerStatus,
        Store,
        Verifier,
    )
    from authguard.runtime.decision import Decision
    from authguard.runtime.journal import Journal
    from authguard.runtime.pseudonymizer import Pseudonymizer
    from authguard.runtime.request import AccessRequest
    from authguard.runtime.state_repository import LoadedState


def _do_nothing() -> None:
    """Stand for files that a guard does not have."""


async def _run_in_thread(function: Callable[[], object]) -> None:
    """Call a function that may block; a guard without files needs no thread."""
    if function is not _do_nothing:
        await anyio.to_thread.run_sync(function, abandon_on_cancel=True)


class Enforcer:
    """Decides requests, with all dependencies passed in."""

    def __init__(
        self,
        *,
        policy: Policy,
        store: Store,
        journal: Journal,
        checker: CredentialValidator,
        desk: HandoffDesk,
        clock: Clock,
        ids: Ids,
        directories: Mapping[str, AccountDirectory],
        verifiers: Mapping[str, Verifier],
        cipher: Cipher,
        naming: Pseudonymizer | None = None,
        load_keys: Callable[[], object] = _do_nothing,
        require_files: Callable[[], object] = _do_nothing,
        report_closed: Callable[[Exception], object] = bool,
        peer_name: Callable[[str], str] = str,
        channel_secrets: tuple[bytes, ...] = (),
    ) -> None:
        """Store the parts; nothing is opened yet.

        Args:
            policy: checked and compiled.
            naming: pseudonyms for the subjects of staff actions; without it, the log does not name them.
            load_keys: creates and loads the keys before anything is opened; may block.
            require_files: checks every file of the deployment before the start; may block.
            report_closed: reports why a request could not open the guard.
            peer_name: address of a client -> its name in the log, if the policy records it.
            store: of the records.
            journal: the audit log.
            checker: of credentials.
            desk: receives hand-off tickets.
            clock: the only source of time.
            ids: the only source of randomness.
            directories: name of an account source -> its directory.
            verifiers: name in the policy -> verifier; one for each that a method combines.
            cipher: encrypts stored requests and responses.
            channel_secrets: the gateway that names the channel proves itself by any of these.
        """
        self.policy: Final = policy
        self.clock: Final = clock
        self.journal: Final = journal
        self.repository: Final = StateRepository(policy=policy, store=store, journal=journal, clock=clock)
        self.faults: Final = Faults(self.repository)
        self.reports: Final = Reports(self.repository, self.faults, cipher)
        self.verifications: Final = Verifications(self.repository, verifiers, ids)
        self.approvals: Final = Approvals(self.repository, cipher)
        self.staff_actions: Final = StaffActions(self.repository, naming or NullPseudonymizer())
        self.peer_name: Final = peer_name
        self._load_keys: Final = load_keys
        self._require_files: Final = require_files
        self._report_closed: Final = report_closed
        self._cipher = cipher
        self._store = store
        self._services: tuple[Verifier | AccountDirectory, ...] = (*verifiers.values(), *directories.values())
        self._checker = checker
        self._ticket_opener = TicketOpener(desk, journal, ids)
        self._ids = ids
        self._account_lookup = AccountLookup(self.repository, directories)
        self._channels = ChannelFinder(policy, channel_secrets)
        self.in_flight: Final = AccountBulkhead(policy.in_flight_budget)
        self._windows = RefusalWindows(journal, covers_public=policy.public_windows)
        self.hold_queue: Final = HoldQueue(self.repository)
        self._binder = RequestBinder(policy, ids, cipher)
        self.fair_worker: Final = FairWorker()
        self._opening = anyio.Lock()
        self._opened = False
        self._may_be_open = False  # set before the first part is opened
        self.cached_decider: Final = CachedDecider(
            store=store,
            checker=checker,
            channels=self._channels,
            windows=self._windows,
            journal=journal,
            clock=clock,
        )

    async def open(self) -> None:
        """Open the keys, the log and the store, once, and record the start.

        Raises:
            SettingsError: a key cannot be loaded.
            AuditError: the log cannot be written.
            StoreError: the store cannot be opened.
        """
        async with self._opening:
            if self._opened:
                return
            await _run_in_thread(self._load_keys)
            self._may_be_open = True
            self.journal.open()
            await self._store.open()
            await store_pseudonym_check(self._store, self.staff_actions.naming.check)
            await self._checker.open()
            for service in self._services:
                await service.open()
            self.journal.record_act("started", self.clock.now(), by=self.policy.name)
            self._opened, self.cached_decider.is_open = True, self._store.nonblocking_reads

    async def start(self) -> None:
        """Open the guard, and start to fetch the keys of all issuers, so that a misconfiguration is told at the start.

        Call it where `close` follows on the same event loop, as in a lifespan; otherwise the first token starts one.

        Raises:
            SettingsError: a file of the deployment cannot be used; the message names every one.
            AuditError, StoreError: as for `open`.
        """
        await _run_in_thread(self._require_files)
        await self.open()
        self._checker.prefetch(self.clock.now())

    async def _open_for_request(self) -> None:
        """Open the guard of an app without a lifespan; report a failure, which the log may be unable to record."""
        try:
            await self.repository.with_deadline(self.open())
        except Exception as error:
            self._report_closed(error)
            raise

    def issuer_statuses(self) -> tuple[IssuerStatus, ...]:
        """Return whether the keys of each issuer are available."""
        return self._checker.issuer_statuses()

    async def close(self) -> None:
        """Record the stop and close all parts, even if only some could be opened or closed."""
        async with self._opening, AsyncExitStack() as parts:
            if not self._may_be_open:
                return
            opened, self._opened, self._may_be_open = self._opened, False, False
            self.cached_decider.is_open = False
            parts.callback(self.journal.close)
            for part in (self._store, self._checker, *self._services):
                parts.push_async_callback(part.close)
            for thread in (self._binder, self.fair_worker):
                parts.callback(thread.close)
            if opened:
                self._windows.close(self.clock.now(), everything=True)
                self.journal.record_act("stopped", self.clock.now(), by=self.policy.name)

    async def decide(self, request: AccessRequest) -> Verdict | Refusal:
        """Decide one request; raise nothing except cancellation.

        Args:
            request: as the shell parsed it.

        Returns:
            The verdict, recorded and saved; the shell only carries it out.
        """
        credential: Credential = NO_CREDENTIAL
        try:
            self.cached_decider.raise_pending_error()
            if not self._opened:
                await self._open_for_request()
            now = self.clock.now()
            credential = await self._verify_credential(request, now)
            with self.in_flight.slot(credential) as is_reserved:
                if not is_reserved:
                    return self.refuse(request, Reason.ACCOUNT_BUSY, credential)
                return await self._decide(request, credential, now)
        except BusyError:
            return self.refuse(request, Reason.BUSY, credential)
        except Exception as error:  # noqa: BLE001 - whatever fails in the guard must refuse, never pass
            return await self.faults.verdict(request, error, credential)

    def refuse(self, request: AccessRequest, reason: Reason, credential: Credential = NO_CREDENTIAL) -> Refusal:
        """Refuse a request that has no cell, and record it; it is refused even if the log cannot be written.

        Args:
            request: the request.
            reason: closed code.
            credential: the closed result of its check, if there was one.
        """
        now = self.clock.now()
        try:
            record = "" if isinstance(credential, Proven) else self._windows.cover(reason, now)
            record = record or self.journal.record_refusal(request, reason, credential, now)
        except AuditError:
            record, reason = "", Reason.GUARD_FAULT
        operation = None if request.operation is UNMATCHED else request.operation
        return Refusal(record=record, reason=reason, operation=operation)

    async def refuse_unmatched(self, request: AccessRequest, reason: Reason) -> Refusal:
        """Refuse a request that matches no operation; check no credential and load no record."""
        if not self._opened:  # without a lifespan, the first request opens the log
            with suppress(Exception):  # writing the record fails too, and the request is refused
                await self._open_for_request()
        return self.refuse(request, reason)

    async def _decide(self, request: AccessRequest, credential: Credential, now: float) -> Verdict | Refusal:
        facts = await self._collect_facts(request, credential, now)
        decided: Verdict | Refusal | NeedsBody = NEEDS_BODY
        if not needs_body(request, credential):
            decided = await self._evaluate_and_commit(request, facts)
        if not isinstance(decided, NeedsBody):
            return decided
        body = await request.read_body()
        if isinstance(body, BodyFailure):
            return self.refuse(request, body.reason, credential)
        arrived = self.clock.now()
        if arrived - now > self.policy.request_budget:
            # the body was slow: meanwhile the credential may have expired, and the account may have been locked
            known = replace(request, evidence=replace(request.evidence, shown=True))
            credential = await self._verify_credential(known, arrived)
            facts = await self._collect_facts(request, credential, arrived)
        if isinstance(credential, Proven):
            binding = await self._binder.bind(request, credential.principal, body)
            if isinstance(binding, Reason):
                return self.refuse(request, binding, credential)
            keys = replace(facts.keys, transaction=binding.transaction)
            facts = replace(facts, has_body=True, binding=binding, keys=keys)
        decided = await self._evaluate_and_commit(request, facts)
        if isinstance(decided, NeedsBody):
            raise MachineFaultError("the evaluation requests a body that was already read")
        return decided

    async def _collect_facts(self, request: AccessRequest, credential: Credential, now: float) -> RequestFacts:
        """Return the facts without the body."""
        channel = self._channels.find(request, credential) if self._channels.declared else ""
        if not isinstance(credential, Proven):
            return RequestFacts(now=now, credential=credential, channel=channel)
        principal = credential.principal
        keys = Keys(principal.account_key, principal.session_key)
        facts = RequestFacts(now=now, credential=credential, channel=channel, keys=keys)
        return await self._account_lookup.collect(facts, principal)

    async def _evaluate_and_commit(self, request: AccessRequest, facts: RequestFacts) -> Verdict | Refusal | NeedsBody:
        """Evaluate and commit until there is no conflict; a bounded number of times."""
        facts = add_ledgers(self.policy, request, facts)

        async def attempt() -> Verdict | Refusal | NeedsBody | None:
            before = await self.repository.load(facts.keys)
            held = before.snapshot.transaction
            lacks_quorum = bool(held.approvals) and await self.approvals.lacks_quorum(held)
            current = replace(facts, lacks_quorum=True) if lacks_quorum else facts
            if is_signed_out(self.policy, current.credential, before.snapshot):
                current = replace(current, credential=NotProven("rejected", Reason.SIGNED_OUT))
            decision = evaluate(self.policy, request, current, before.snapshot, self._cipher)
            if isinstance(decision, NeedsBody):
                return decision
            if isinstance(decision, Reason):
                return self.refuse(request, decision, current.credential)
            if decision.fallback.kind is Outcome.HOLD and not before.snapshot.transaction.version:
                return await self._queue_and_commit(request, current, before, decision)
            return await self._commit(request, current, before, decision)

        decided: Verdict | Refusal | NeedsBody = await self.repository.retry_on_conflict(facts.keys, attempt)
        if isinstance(decided, Verdict) and decided.running and await self.approvals.recheck_before_run(decided):
            decided = await self.repository.retry_on_conflict(facts.keys, attempt)
        return decided

    async def _queue_and_commit(
        self, request: AccessRequest, facts: RequestFacts, before: LoadedState, decision: Decision
    ) -> Verdict | Refusal | None:
        """Commit a decision that holds a new transaction, if its account may hold one more."""
        if not isinstance(facts.credential, Proven):
            return await self._commit(request, facts, before, decision)
        state = decision.snapshot.transaction.state
        async with self.hold_queue.place(facts.credential.principal, state, facts.now) as place:
            if place < 0:
                return self.refuse(request, Reason.TOO_MANY_HELD, facts.credential)
            held = decision.snapshot
            queued = replace(held, transaction=replace(held.transaction, queued=place))
            decided = await self._commit(request, facts, before, replace(decision, snapshot=queued))
        # this request is decided; a later one can sweep
        with suppress(AuditError, BusyError, StoreError, TimeoutError):
            await self.hold_queue.sweep(state, MAX_SWEPT_ON_PLACE)
        return decided

    async def _verify_credential(self, request: AccessRequest, now: float) -> Credential:
        """Check the credential; for a public operation it is ignored, so that no external service can delay it."""
        if request.operation.risk == "public":
            return NO_CREDENTIAL
        credential = self._checker.get_cached(request.evidence, now)
        if isinstance(credential, Unseen):
            credential = self._checker.validate_offline(request.evidence, now)
        if not isinstance(credential, Unseen):
            return credential
        try:
            return await self.repository.with_deadline(self._checker.check(request.evidence, now))
        except TimeoutError:
            return NotProven("unproven", Reason.KEYS_UNREACHABLE)

    async def _commit(
        self, request: AccessRequest, facts: RequestFacts, before: LoadedState, decision: Decision
    ) -> Verdict | None:
        """Record, save, then return the verdict; ``None`` after a conflict."""
        now, keys, after = facts.now, facts.keys, decision.snapshot
        if after is before.snapshot:
            covered = self._windows.cover_decision(
                facts.credential, request.operation.name, decision.fallback.kind, now
            )
            if covered:
                return Verdict(decision=decision, record=covered, credential=facts.credential, keys=keys, at=now)
        record = self._ids.record(now)
        ticket = ""
        if decision.fallback.kind is Outcome.HANDOFF and isinstance(facts.credential, Proven):
            opening = self._ticket_opener.open_ticket(request, facts.credential.principal, decision, record, now)
            ticket = await self.repository.with_deadline(opening)
        subject = facts.credential.principal.pseudonym if isinstance(facts.credential, Proven) else ""
        written = self.journal.record_transitions(decision.transitions, keys, subject=subject, decision=record)
        written += record_unmapped(self.journal, facts, before.snapshot, after, decision=record)
        entry, position = self.journal.record_decision(record, request, facts, decision, ticket)
        try:
            if self.policy.durability.get(request.operation.risk, "async") != "async":
                await self.repository.with_deadline(self.journal.flush(position))
            saved = await self.repository.save(keys, before.snapshot, after)
        except BaseException as error:
            # the decision is void; its transitions may be saved nevertheless, after a deadline or a cancellation
            failed = isinstance(error, AuditError | StoreError)
            unsaved = failed or self.repository.was_not_committed(keys, before.snapshot, after)
            self.journal.record_withdrawal((*written, record) if unsaved else (record,), now)
            raise
        if not saved:
            self.journal.record_withdrawal((*written, record), now)
            return None
        saved_now = with_bumped_versions(before.snapshot, after) if decision.running else None
        headers: transactions.Headers = ()
        if decision.fallback.kind is Outcome.REPEAT:
            repeated, headers = transactions.decrypt_response(after.transaction, keys.transaction, self._cipher)
            decision = replace(decision, snapshot=replace(after, transaction=repeated))
        verdict = Verdict(
            decision=decision,
            record=record,
            credential=facts.credential,
            keys=keys,
            at=now,
            ticket=ticket,
            saved=saved_now,
            headers=headers,
        )
        if not verdict.admits:
            outcome = decision.fallback.kind.value
            self._ticket_opener.add_decision(keys.session, now, request.operation.name, outcome, record)
        if before.record_keys and is_repeatable(self.policy, request, facts, decision, before.snapshot):
            key = cache_key(request.operation, facts.channel)
            self.cached_decider.cache.store_saved(self.repository, verdict, key, before, make_template(entry))
        return verdict
