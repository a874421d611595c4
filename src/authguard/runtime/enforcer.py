"""The policy enforcement point: every request is decided here, and none is admitted without a record.

Rules of this file:
- Order: verify the credential, load, evaluate, record (as durably as the risk requires), save if unchanged, admit.
- Every await has the policy's deadline; a store with nonblocking reads never suspends and needs none.
- Every exception becomes the policy's `on_fault`. Only cancellation propagates, and then nothing was admitted.
"""

from __future__ import annotations

from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.core.outcomes import Outcome, Reason
from authguard.core.request import UNSEEN, NotProven, Proven, Unseen
from authguard.errors import AuditError, BusyError, MachineFaultError
from authguard.evaluation.decision import NeedsBody, Refusal, Verdict
from authguard.evaluation.decision_point import evaluate
from authguard.evaluation.driver import withdraw_if_signed_out
from authguard.evaluation.request import NO_CREDENTIAL, UNMATCHED, BodyFailure, RequestFacts, add_ledgers
from authguard.evaluation.transactions import is_of_other_session
from authguard.runtime.account_lookup import AccountLookup
from authguard.runtime.approvals import Approvals
from authguard.runtime.bulkhead import AccountBulkhead
from authguard.runtime.cached_decision import MISSED, CachedDecider
from authguard.runtime.channel import ChannelFinder
from authguard.runtime.commit import Committer
from authguard.runtime.condition_reader import ConditionReader
from authguard.runtime.fair_worker import FairWorker
from authguard.runtime.faults import Faults
from authguard.runtime.flag_actions import FlagActions
from authguard.runtime.handoff_ticket import TicketOpener
from authguard.runtime.hold_queue import HoldQueue
from authguard.runtime.lifecycle import Lifecycle, do_nothing
from authguard.runtime.pseudonymizer import NullPseudonymizer
from authguard.runtime.refusal_window import RefusalWindows
from authguard.runtime.reports import Reports
from authguard.runtime.request_binder import RequestBinder
from authguard.runtime.staff_actions import StaffActions
from authguard.runtime.state_repository import StateRepository
from authguard.runtime.verification import Verifications

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from authguard.core.policy import Policy
    from authguard.core.request import Credential
    from authguard.evaluation.request import AccessRequest
    from authguard.ports import (
        AccountDirectory,
        Cipher,
        Clock,
        ConditionSource,
        CredentialValidator,
        HandoffDesk,
        Ids,
        Store,
        Verifier,
    )
    from authguard.runtime.cached_decision import Missed
    from authguard.runtime.journal import Journal
    from authguard.runtime.pseudonymizer import Pseudonymizer


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
        load_keys: Callable[[], object] = do_nothing,
        require_files: Callable[[], object] = do_nothing,
        report_closed: Callable[[Exception], object] = bool,
        peer_name: Callable[[str], str] = str,
        channel_secrets: tuple[bytes, ...] = (),
        condition_sources: Mapping[str, ConditionSource] = MappingProxyType({}),
        condition_secrets: Mapping[str, tuple[bytes, ...]] = MappingProxyType({}),
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
            condition_sources: condition -> what it asks, of those with a ``call``.
            condition_secrets: condition -> secrets of the gateway that sets its header.
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
        self.flag_actions: Final = FlagActions(self.repository, self.staff_actions.naming)
        self.peer_name: Final = peer_name
        self._cipher = cipher
        self._checker = checker
        self._account_lookup = AccountLookup(self.repository, directories)
        self._channels = ChannelFinder(policy, channel_secrets)
        self._conditions = ConditionReader(policy, condition_sources, condition_secrets)
        self.in_flight: Final = AccountBulkhead(policy.budget.in_flight)
        self._windows = RefusalWindows(journal, covers_public=policy.audit.public == "windows")
        self.hold_queue: Final = HoldQueue(self.repository)
        self._binder = RequestBinder(policy, ids, cipher)
        self.fair_worker: Final = FairWorker()
        self._lifecycle = Lifecycle(
            self.repository,
            checker=checker,
            services=(*verifiers.values(), *directories.values(), *condition_sources.values()),
            threads=(self._binder, self.fair_worker),
            windows=self._windows,
            pseudonym_check=lambda: self.staff_actions.naming.check,
            load_keys=load_keys,
            require_files=require_files,
            report_closed=report_closed,
        )
        self.cached_decider: Final = CachedDecider(
            store=store,
            checker=checker,
            channels=self._channels,
            conditions=self._conditions,
            windows=self._windows,
            journal=journal,
            clock=clock,
            lifecycle=self._lifecycle,
        )
        self._committer = Committer(
            self.repository,
            ids=ids,
            cipher=cipher,
            windows=self._windows,
            ticket_opener=TicketOpener(desk, journal, ids),
            hold_queue=self.hold_queue,
            cache=self.cached_decider.cache,
        )
        #: the life of the guard, and the state of its issuers' keys
        self.open: Final = self._lifecycle.open
        self.start: Final = self._lifecycle.start
        self.close: Final = self._lifecycle.close
        self.issuer_statuses: Final = checker.issuer_statuses

    async def decide(self, request: AccessRequest, missed: Missed = MISSED) -> Verdict | Refusal:
        """Decide one request; raise nothing except cancellation.

        Args:
            request: as the shell parsed it.
            missed: what was learned when no cached decision was found for it.

        Returns:
            The verdict, recorded and saved; the shell only carries it out.
        """
        credential: Credential = NO_CREDENTIAL
        is_reserved = False
        try:
            if missed.error is not None:
                raise missed.error  # noqa: TRY301 - handled with all other faults
            if not self._lifecycle.is_open:
                await self._lifecycle.open_for_request()
            now = self.clock.now()
            if not isinstance(missed.credential, Unseen):
                credential = missed.credential
            elif request.operation.risk != "public":
                credential = await self._verify_credential(request, now, is_unseen=missed.is_checked)
            is_reserved = self.in_flight.reserve(credential)
            if not is_reserved:
                return self.refuse(request, Reason.ACCOUNT_BUSY, credential)
            return await self._decide(request, credential, now)
        except BusyError:
            return self.refuse(request, Reason.BUSY, credential)
        except Exception as error:  # noqa: BLE001 - whatever fails in the guard must refuse, never pass
            return await self.faults.verdict(request, error, credential)
        finally:
            if is_reserved:
                self.in_flight.release(credential)

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
        if not self._lifecycle.is_open:  # without a lifespan, the first request opens the log
            with suppress(Exception):  # writing the record fails too, and the request is refused
                await self._lifecycle.open_for_request()
        return self.refuse(request, reason)

    async def _decide(self, request: AccessRequest, credential: Credential, now: float) -> Verdict | Refusal:
        channel = self._channels.find(request, credential) if self._channels.declared else ""
        if self._conditions.is_idle:
            facts = await self._account_lookup.collect(credential, channel, now)
        else:
            facts = await self._collect(request, credential, channel, now)
        # only proven callers' bodies are read
        needs_body = isinstance(credential, Proven) and (request.operation.reads_body or request.evidence.transaction)
        was_read = False
        while True:
            if not needs_body:
                if request.operation.ledger_dimensions:
                    facts = add_ledgers(self.policy, request, facts)
                decided = await self._attempt(request, facts)
                if decided is None or (isinstance(decided, Verdict) and decided.decision.running):
                    decided = await self._repeat_attempt(request, facts, decided)
                if not isinstance(decided, NeedsBody):
                    return decided
            if was_read:
                raise MachineFaultError("the evaluation requests a body that was already read")
            read = await self._read_body(request, facts)
            if isinstance(read, Refusal):
                return read
            facts, needs_body, was_read = read, False, True

    async def _collect(self, request: AccessRequest, credential: Credential, channel: str, now: float) -> RequestFacts:
        """Return the facts of a request without its body: the account's reports, and what conditions ask for."""
        pending = self._conditions.start(request.operation, credential, now)
        facts = await self._account_lookup.collect(credential, channel, now)
        return await self._conditions.complete(request, facts, pending)

    async def _read_body(self, request: AccessRequest, facts: RequestFacts) -> RequestFacts | Refusal:
        """Read the body of a request; return the facts with its binding, or refuse a body that cannot be read."""
        body = await request.read_body()
        if isinstance(body, BodyFailure):
            return self.refuse(request, body.reason, facts.credential)
        arrived = self.clock.now()
        if arrived - facts.now > self.policy.budget.request:
            # the body was slow: meanwhile the credential may have expired, and the account may have been locked
            credential = facts.credential
            known = replace(request, evidence=replace(request.evidence, shown=True))
            if request.operation.risk != "public":
                credential = await self._verify_credential(known, arrived)
            channel = self._channels.find(request, credential)
            facts = await self._collect(request, credential, channel, arrived)
        if not isinstance(facts.credential, Proven):
            return facts
        binding = await self._binder.bind(request, facts.credential.principal, body)
        if isinstance(binding, Reason):
            return self.refuse(request, binding, facts.credential)
        keys = replace(facts.keys, transaction=binding.transaction)
        return replace(facts, has_body=True, binding=binding, keys=keys)

    async def _repeat_attempt(
        self, request: AccessRequest, facts: RequestFacts, first: Verdict | Refusal | NeedsBody | None
    ) -> Verdict | Refusal | NeedsBody:
        """Evaluate and commit again after a conflict, or if an approver lost their role; a bounded number of times."""

        def attempt() -> Awaitable[Verdict | Refusal | NeedsBody | None]:
            return self._attempt(request, facts)

        decided: Verdict | Refusal | NeedsBody
        decided = first if first is not None else await self.repository.retry_after_conflict(facts.keys, attempt)
        if (
            isinstance(decided, Verdict)
            and decided.decision.running
            and await self.approvals.recheck_before_run(decided)
        ):
            decided = await self.repository.retry_on_conflict(facts.keys, attempt)
        return decided

    async def _attempt(self, request: AccessRequest, facts: RequestFacts) -> Verdict | Refusal | NeedsBody | None:
        """Evaluate and commit once; return ``None`` after a conflict with another change."""
        before = await self.repository.load(facts.keys)
        record = before.snapshot.transaction
        if (
            record.version
            and is_of_other_session(record, facts.keys)
            and await self.hold_queue.expire(facts.keys.transaction, record)
        ):
            before = await self.repository.load(facts.keys)
        stored = before.snapshot
        if stored.transaction.approvals:
            counting = await self.approvals.renew(stored.transaction)
            lacks = self.approvals.is_short(stored.transaction, counting)
            facts = replace(facts, approvals=counting, lacks_quorum=lacks)
        if stored.session.ended or stored.account.not_before:
            facts = replace(facts, credential=withdraw_if_signed_out(self.policy, facts.credential, stored))
        decision = evaluate(self.policy, request, facts, stored, self._cipher)
        if isinstance(decision, NeedsBody):
            return decision
        verdict: Verdict | Reason | None
        if isinstance(decision, Reason):
            verdict = decision
        elif decision.fallback.kind is Outcome.HOLD and not stored.transaction.version:
            verdict = await self._committer.commit_held(request, facts, before, decision)
        else:
            verdict = await self._committer.commit(request, facts, before, decision)
        return self.refuse(request, verdict, facts.credential) if isinstance(verdict, Reason) else verdict

    async def _verify_credential(self, request: AccessRequest, now: float, *, is_unseen: bool = False) -> Credential:
        """Check the credential; that of a public operation is ignored, so that no external service can delay it."""
        credential: Credential | Unseen = UNSEEN
        if not is_unseen:
            credential = self._checker.get_cached(request.evidence, now)
        if isinstance(credential, Unseen):
            credential = self._checker.validate_offline(request.evidence, now)
        if not isinstance(credential, Unseen):
            return credential
        try:
            return await self.repository.with_deadline(self._checker.check(request.evidence, now))
        except TimeoutError:
            return NotProven("unproven", Reason.KEYS_UNREACHABLE)
