"""Judging one request: the facts walk the machines, meet a cell of the table, and become a plan.

Pure: a plan says what is to be recorded, saved and answered; the enforcer does it. Judging again after a lost race is
judging from the start.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import msgspec

from authguard.core import conditions, delegations
from authguard.core.limits import NOTHING, WITHIN, Measure, measure, reserve
from authguard.core.outcomes import ADMITTING, Fallback, Outcome, Reason
from authguard.core.request import NO_LEDGERS, NotProven
from authguard.core.snapshot import EMPTY_LEDGER
from authguard.core.staff import effective_roles
from authguard.errors import MachineFaultError
from authguard.runtime import booking, transactions
from authguard.runtime.access import Verdict
from authguard.runtime.attempts import is_in_doubt, spend_attempts
from authguard.runtime.evaluation import (
    Evaluation,
    apply_channel,
    apply_credential,
    apply_identity,
    apply_reports,
    apply_roles,
)
from authguard.runtime.transactions import UNBOUND, RequestBinding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.machine import Transition
    from authguard.core.request import Credential, Operation, Principal
    from authguard.core.snapshot import Keys, LedgerEntry, Report, Snapshot
    from authguard.policy.compiled_policy import Policy
    from authguard.ports import Cipher
    from authguard.runtime.access import AccessRequest


class RequestFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was found out about a request before the machines were loaded.

    Attributes:
        credential: the closed result of its check.
        has_body: whether the body was read, so that `binding` binds it.
        binding: to a transaction, with the parsed body.
        reports: account source -> its report.
        unmapped: account source -> its status, bounded, where the policy does not map it.
        unreachable: whether a directory gave no answer.
        channel: where the caller speaks from, as far as it is believed.
        lacks_quorum: whether too few of those who approved the transaction may still do so.
        ledgers: what limits count by, and the key of that ledger.
    """

    credential: Credential
    has_body: bool = False
    binding: RequestBinding = UNBOUND
    reports: Mapping[str, Report] = {}
    unmapped: Mapping[str, str] = {}
    unreachable: bool = False
    channel: str = ""
    lacks_quorum: bool = False
    ledgers: tuple[tuple[str, bytes], ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is to be recorded, saved and answered.

    Attributes:
        after: where the machines stand if it is saved.
        cell: the cell that was met.
        rule: the rule's name.
        fallback: taken.
        reason: closed code.
        events: raised, in order.
        transitions: machines that moved, in order.
        token_scopes: what is left of the token's scopes.
        acr_values: to ask for.
        max_age: to ask for, seconds; -1 for none.
        running: whether the app's answer settles a transaction.
        opened: whether there is a transaction to speak of.
    """

    after: Snapshot
    cell: tuple[str, ...]
    rule: str
    fallback: Fallback
    reason: Reason
    events: tuple[str, ...]
    transitions: tuple[Transition, ...]
    token_scopes: frozenset[str] = frozenset()
    acr_values: tuple[str, ...] = ()
    max_age: int = -1
    running: bool = False
    opened: bool = False

    def verdict(
        self,
        request: AccessRequest,
        facts: RequestFacts,
        keys: Keys,
        record: str,
        *,
        at: float,
        ticket: str = "",
        saved: Snapshot | None = None,
    ) -> Verdict:
        """Return the verdict on a request whose plan was recorded and saved.

        Args:
            request: the request.
            facts: what was found out about it.
            keys: of the records met.
            record: id of the audit record that stands for it.
            at: when it was decided, epoch seconds UTC.
            ticket: of the hand-off; empty for none.
            saved: where the machines stand in the store now, for a transaction that runs.
        """
        credential = facts.credential
        return Verdict(
            record=record,
            operation=request.operation,
            fallback=self.fallback,
            reason=credential.reason if isinstance(credential, NotProven) else self.reason,
            credential=credential,
            snapshot=self.after,
            keys=keys,
            cell=self.cell,
            rule=self.rule,
            at=at,
            token_scopes=self.token_scopes,
            scopes=tuple(sorted(self.token_scopes)),
            channel=facts.channel,
            transaction=keys.transaction if self.opened else "",
            ticket=ticket,
            acr_values=self.acr_values,
            max_age=self.max_age,
            running=self.running,
            saved=saved,
        )


@dataclass(frozen=True, slots=True)
class NeedsBody:
    """The plan binds the exact request, so its body has to be read first."""


NEEDS_BODY: Final = NeedsBody()


def evaluate(  # noqa: PLR0917 - what a request is judged by
    policy: Policy, request: AccessRequest, facts: RequestFacts, before: Snapshot, now: float, cipher: Cipher
) -> Plan | Reason | NeedsBody:
    """Judge a request.

    Args:
        policy: proved.
        request: the request.
        facts: what was found out about it.
        before: where the machines stand.
        now: epoch seconds UTC.
        cipher: of what is kept of the request.

    Returns:
        A plan; or the reason why this request has no cell; or that its body has to be read.
    """
    evaluation = Evaluation(policy, before, now)
    evaluation.run_timers()
    if isinstance(facts.credential, NotProven):
        cell = _unproven_cell(request.operation, facts.credential, evaluation)
        return _plan(evaluation, request, facts, cell=cell, principal=None, measured=WITHIN, cipher=cipher)
    principal = facts.credential.principal
    record = before.transaction
    if transactions.is_foreign(facts.binding, record, principal):
        return Reason.TRANSACTION_UNKNOWN
    acting = conditions.classify_actor(principal, policy.agents)
    is_new = apply_credential(evaluation, principal, acts=acting == "subject")
    apply_roles(evaluation, principal)
    apply_reports(evaluation, facts.reports, unreachable=facts.unreachable)
    if acting == "stranger" and delegations.covers(evaluation.snapshot.account, principal, request.operation):
        acting = "agent"
    if is_new and principal.person and not is_in_doubt(evaluation):
        apply_identity(evaluation, principal, facts.channel)
    channel = apply_channel(evaluation, facts.channel)
    if evaluation.snapshot is not before:
        evaluation.run_timers()
    refused = _void_stale_transaction(evaluation, facts, principal)
    if refused is not None:
        return refused
    measured = _measure(evaluation, request.operation, facts)
    held = effective_roles(request.operation, principal, acting, policy.staff_claim, policy.staff_issuers)
    cell = (
        *evaluation.snapshot.states(),
        "good",
        request.operation.risk,
        request.operation.effect,
        conditions.check_scope(request.operation, principal.token_scopes, held),
        conditions.check_assurance(request.operation, principal, policy.assurance.rank, now),
        measured.condition,
        channel,
        conditions.restrict_actor(request.operation, acting),
    )
    lacks_role = not conditions.has_role(request.operation, held) and request.operation.scopes <= principal.token_scopes
    return _plan(
        evaluation,
        request,
        facts,
        cell=cell,
        principal=principal,
        measured=measured,
        cipher=cipher,
        lacks_role=lacks_role,
    )


def _void_stale_transaction(evaluation: Evaluation, facts: RequestFacts, principal: Principal) -> Reason | None:
    """Void what must not run as it was approved; tell the reason where the request itself is refused."""
    record = evaluation.snapshot.transaction
    if transactions.is_altered(evaluation, facts.binding):
        if record.session != principal.session_key:
            return transactions.refusal_reason(record, facts.binding)  # one session voids nothing of another's
        if not evaluation.send("transaction.altered", "caller"):
            return Reason.TRANSACTION_ALTERED
    transactions.expire_response(evaluation)
    revoked = transactions.is_revoked(record, evaluation.snapshot.session, evaluation.snapshot.account)
    if revoked and evaluation.can("transaction.denied"):
        evaluation.send("transaction.denied", "session")
    if facts.lacks_quorum:
        evaluation.send("transaction.denied", "approvers")
    if booking.is_unbooked(evaluation, facts.binding.transaction):
        evaluation.send("transaction.lapsed", "guard")
    booking.release_if_void(evaluation, facts.binding.transaction)
    return None


def _unproven_cell(operation: Operation, credential: NotProven, evaluation: Evaluation) -> tuple[str, ...]:
    """Make the cell of a request that proves nobody: nothing that it lacks is taken for granted."""
    return (
        *evaluation.snapshot.states(),
        credential.condition,
        operation.risk,
        operation.effect,
        conditions.check_scope(operation, NO_LEDGERS, NO_LEDGERS),
        "insufficient" if operation.acr or operation.max_age else "met",
        "unmeasured" if operation.limits else "within",
        "unknown" if evaluation.policy.channels.declared else "same",
        "subject",
    )


def _measure(evaluation: Evaluation, operation: Operation, facts: RequestFacts) -> Measure:
    found = measure(
        operation,
        facts.binding.body.document,
        ledgers=_ledgers(evaluation, facts) if operation.limits else NOTHING,
        now=evaluation.now,
        transaction=facts.binding.transaction,
    )
    record = evaluation.snapshot.transaction
    if found.condition == "unmeasured" or not record.approvals or not evaluation.can("transaction.started"):
        return found
    # what was booked within its limits stays within, whatever others booked since (ADR 28)
    return replace(found, condition="exceeded" if record.over else "within")


def _plan(
    evaluation: Evaluation,
    request: AccessRequest,
    facts: RequestFacts,
    *,
    cell: tuple[str, ...],
    principal: Principal | None,
    measured: Measure,
    cipher: Cipher,
    lacks_role: bool = False,
) -> Plan | Reason | NeedsBody:
    policy = evaluation.policy
    rule, cell = policy.table.find(cell)
    fallback = policy.fallbacks[rule.do]
    reason = Reason.ROLE_MISSING if lacks_role and "scope" in rule.when else Reason.DECIDED
    if principal is not None and fallback.attempts:
        fallback, reason = spend_attempts(evaluation, request.operation, principal, fallback)
    if fallback.kind is Outcome.HANDOFF and policy.rollback_message.texts and cell[0] == policy.rollback_state:
        fallback = replace(fallback, say=policy.rollback_message)
    running = False
    if principal is not None:
        if fallback.kind is Outcome.DENY and not fallback.error:
            reason = transactions.void_reason(evaluation, facts.binding)
        opened = _open(evaluation, request, facts, principal, fallback, cipher, measured)
        if not isinstance(opened, bool):
            return opened
        running = opened
        if fallback.kind in ADMITTING:
            _reserve(evaluation, facts, measured)
        if fallback.kind is Outcome.TERMINATE:
            evaluation.send("session.ended", "guard")
    return Plan(
        after=evaluation.snapshot,
        cell=cell,
        rule=rule.name,
        fallback=fallback,
        reason=reason,
        events=tuple(evaluation.events),
        transitions=tuple(evaluation.transitions),
        token_scopes=_scopes(policy, principal, fallback),
        acr_values=_acr_values(policy, request.operation, fallback),
        max_age=_max_age(evaluation, request.operation, fallback),
        running=running,
        opened=bool(evaluation.snapshot.transaction.digest),
    )


def _open(  # noqa: PLR0917 - the parts of one transaction
    evaluation: Evaluation,
    request: AccessRequest,
    facts: RequestFacts,
    principal: Principal,
    fallback: Fallback,
    cipher: Cipher,
    measured: Measure,
) -> bool | Reason | NeedsBody:
    """Open the transaction of a request that is admitted or held; tell whether the app's answer settles it."""
    admits, holds = fallback.kind in ADMITTING, fallback.kind is Outcome.HOLD
    binds = holds or (admits and _is_transactional(evaluation, request))
    if binds and not facts.has_body:
        return NEEDS_BODY
    if request.operation.idempotency and (admits or holds) and not _has_transaction_id(request):
        return Reason.IDEMPOTENCY_MISSING
    if not binds:
        return False
    tripped = (transactions.UNMEASURED,) if measured.condition == "unmeasured" else measured.tripped
    held = transactions.HeldCosts(measured.costs, tripped, facts.ledgers)
    transactions.open_transaction(evaluation, facts.binding, request, principal, fallback, cipher, held)
    if holds and not facts.binding.is_readable():
        return Reason.TRANSACTION_TOO_LONG
    moved = evaluation.send("transaction.held" if holds else "transaction.started", "guard")
    if admits and not moved and request.operation.transactional:
        raise MachineFaultError("a rule admits a transaction that cannot run any more")
    return moved and admits


def _is_transactional(evaluation: Evaluation, request: AccessRequest) -> bool:
    """Every high write and every write that demands a key is a transaction, and so is whatever once was held."""
    return request.operation.transactional or evaluation.snapshot.transaction.version > 0


def _has_transaction_id(request: AccessRequest) -> bool:
    return bool(request.evidence.idempotency or request.evidence.transaction)


def _ledgers(evaluation: Evaluation, facts: RequestFacts) -> dict[str, tuple[LedgerEntry, ...]]:
    """Give what was spent, by what limits count by."""
    snapshot = evaluation.snapshot
    found = {by: snapshot.ledgers.get(key, EMPTY_LEDGER).ledger for by, key in facts.ledgers}
    return {"subject": snapshot.account.ledger, "session": snapshot.session.ledger, **found}


def _reserve(evaluation: Evaluation, facts: RequestFacts, measured: Measure) -> None:
    """Count what is about to be spent before the app runs."""
    keys = dict(facts.ledgers)
    for by, spends in measured.spends.items():
        if by in keys:
            ledger = evaluation.snapshot.ledgers.get(keys[by], EMPTY_LEDGER).ledger
            evaluation.update_ledger(keys[by], reserve(ledger, spends, evaluation.policy.limit_windows, evaluation.now))
            evaluation.update_record("transaction", ledgers=facts.ledgers)
        else:
            record = "account" if by == "subject" else "session"
            ledger = getattr(evaluation.snapshot, record).ledger
            evaluation.update_record(
                record, ledger=reserve(ledger, spends, evaluation.policy.limit_windows, evaluation.now)
            )


def _scopes(policy: Policy, principal: Principal | None, fallback: Fallback) -> frozenset[str]:
    """Cut the token's scopes to those of the named effects: an intersection, never an addition."""
    if principal is None:
        return frozenset()
    scopes = principal.token_scopes
    if fallback.kind is not Outcome.RESTRICT:
        return scopes
    allowed = frozenset[str]().union(*(policy.effect_scopes[effect] for effect in fallback.effects))
    return scopes & allowed & fallback.scopes if fallback.scopes else scopes & allowed


def _acr_values(policy: Policy, operation: Operation, fallback: Fallback) -> tuple[str, ...]:
    """List the values that satisfy the level, the policy's own name first (RFC 9470 3: any one suffices)."""
    if fallback.kind is not Outcome.STEP_UP:
        return ()
    level = fallback.acr or operation.acr
    if not level:
        return ()
    return (level, *(value for value, mapped in policy.assurance.map.items() if mapped == level and value != level))


def _max_age(evaluation: Evaluation, operation: Operation, fallback: Fallback) -> int:
    if fallback.kind is not Outcome.STEP_UP:
        return -1
    if fallback.since_entered:
        return max(0, int(evaluation.now - evaluation.snapshot.session.entered))
    seconds = fallback.max_age or operation.max_age
    return int(seconds) if seconds else -1
