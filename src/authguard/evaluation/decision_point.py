"""The policy decision point: evaluates one request to a decision.

Pure: a decision describes what to record, save and reply; the enforcer does it. After a conflict, the request is
evaluated again from the start.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from msgspec.structs import replace

from authguard.core import conditions
from authguard.core.limits import NOTHING, WITHIN, Measure, measure, reserve
from authguard.core.outcomes import ADMITTING, NEEDS, Fallback, Need, Outcome, Reason
from authguard.core.request import NO_LEDGERS, NotProven, Proven
from authguard.core.snapshot import EMPTY_LEDGER
from authguard.core.staff import effective_roles, has_excess_roles
from authguard.core.tiers import classify_exceeded
from authguard.errors import MachineFaultError
from authguard.evaluation import booking, flags, transactions
from authguard.evaluation.adequacy import deny_inadequate
from authguard.evaluation.attempts import is_in_doubt, spend_attempts
from authguard.evaluation.decision import NEEDS_BODY, NO_CONTEXT, Decision, NeedsBody
from authguard.evaluation.driver import (
    Evaluation,
    apply_channel,
    apply_credential,
    apply_identity,
    apply_reports,
    apply_roles,
    unproven_cell,
)
from authguard.evaluation.expiry import find_expiry
from authguard.evaluation.extra_values import Given, describe_context, read_extra

if TYPE_CHECKING:
    from authguard.core.approvers import Required
    from authguard.core.decision_table import Rule
    from authguard.core.policy import Policy
    from authguard.core.request import Operation, Principal
    from authguard.core.snapshot import LedgerEntry, Snapshot
    from authguard.evaluation.request import AccessRequest, RequestFacts
    from authguard.ports import Cipher


def evaluate(
    policy: Policy, request: AccessRequest, facts: RequestFacts, before: Snapshot, cipher: Cipher
) -> Decision | Reason | NeedsBody:
    """Evaluate a request.

    Args:
        policy: checked.
        request: the request.
        facts: about the request.
        before: the loaded snapshot.
        cipher: encrypts the stored request.

    Returns:
        A decision; the reason why the request has no cell; or that its body must be read.
    """
    if facts.binding.named and _is_foreign(facts, before):
        return Reason.TRANSACTION_UNKNOWN
    evaluation = Evaluation(policy, before, facts.now, facts.keys)
    if policy.timers.next_due(before)[0] <= facts.now or before.account.voided > before.session.voided:
        evaluation.catch_up()
    if isinstance(facts.credential, NotProven):
        states = evaluation.snapshot.states()
        cell = unproven_cell(policy, request.operation, facts.credential.condition, states)
        return _decide(evaluation, request, facts, cell=cell, principal=None, measured=WITHIN, cipher=cipher)
    principal, operation = facts.credential.principal, request.operation
    acting = conditions.classify_actor(principal, policy.agents)
    proof = principal.auth_time or conditions.find_authentication_time(principal, policy.agents)
    is_new = apply_credential(evaluation, principal, proof, acts=acting == "subject")
    apply_roles(evaluation, principal)
    apply_reports(evaluation, facts.reports, unreachable=facts.unreachable)
    if acting == "stranger":
        acting = conditions.represent(
            operation, principal, acting, evaluation.snapshot.account, sources=policy.accounts
        )
    if is_new and policy.identity and principal.person and not is_in_doubt(evaluation):
        apply_identity(evaluation, principal, proof, facts.channel)
    channel = apply_channel(evaluation, facts.channel) if policy.channels.declared else "same"
    if evaluation.snapshot is not before:
        evaluation.catch_up()
    # a transaction that was never stored cannot be stale
    refused = _void_stale_transaction(evaluation, facts, principal) if before.transaction.version else None
    if refused is not None:
        return refused
    measured = _measure(evaluation, operation, facts) if operation.limits or operation.has_amount else WITHIN
    held, role_reason = NO_LEDGERS, Reason.DECIDED
    if operation.roles or operation.risk == "staff":
        held = effective_roles(operation, principal, acting, policy.role_sources)
        role_reason = _role_reason(policy, operation, principal, held)
    snapshot = evaluation.snapshot
    assurance = "met"
    if operation.acr or operation.max_age:
        proven_at = conditions.find_proof_time(principal, snapshot)
        assurance = conditions.check_assurance(operation, principal, proven_at, policy.assurance.rank, facts.now)
    session = snapshot.session
    cell = (
        snapshot.service.state,
        snapshot.account.state,
        session.state,
        session.verification,
        snapshot.transaction.state,
        conditions.classify_credential(
            principal,
            session,
            assurance,
            authenticated_at=proof,
            is_live=session.state in policy.live_session_states,
        ),
        operation.risk,
        operation.effect,
        conditions.check_scope(operation, principal.token_scopes, held),
        assurance,
        measured.condition,
        channel,
        # an operation for any actor restricts none
        acting if operation.actor == "any" else conditions.restrict_actor(operation, acting),
    )
    return _decide(
        evaluation,
        request,
        facts,
        cell=cell,
        principal=principal,
        measured=measured,
        cipher=cipher,
        role_reason=role_reason,
    )


def _is_foreign(facts: RequestFacts, before: Snapshot) -> bool:
    """Return whether the named transaction is missing or another account's."""
    return isinstance(facts.credential, Proven) and transactions.is_foreign(
        before.transaction, facts.credential.principal
    )


def _role_reason(policy: Policy, operation: Operation, principal: Principal, held: frozenset[str]) -> Reason:
    """Return why the roles of a person do not suffice for an operation; `DECIDED` if they do, or are not the reason."""
    lacks_role = not conditions.has_role(operation, held) and operation.scopes <= principal.token_scopes
    if (lacks_role or operation.risk == "staff") and has_excess_roles(principal, policy.role_sources):
        return Reason.ROLES_EXCEEDED
    return Reason.ROLE_MISSING if lacks_role else Reason.DECIDED


def _void_stale_transaction(evaluation: Evaluation, facts: RequestFacts, principal: Principal) -> Reason | None:
    """Void a transaction that may no longer run; return a reason if the request itself is refused."""
    record = evaluation.snapshot.transaction
    if record.session != principal.session_key:
        # a session cannot void a transaction of another session, and may only read the response of one that has run
        if transactions.is_altered(evaluation, facts.binding):
            return transactions.refusal_reason(record, facts.binding)
        transactions.expire_response(evaluation)
        return None
    if transactions.is_altered(evaluation, facts.binding) and not evaluation.send("transaction.altered", "caller"):
        return Reason.TRANSACTION_ALTERED
    transactions.expire_response(evaluation)
    revoked = transactions.is_revoked(record, evaluation.snapshot.session, evaluation.snapshot.account)
    if revoked and evaluation.can("transaction.denied"):
        evaluation.send("transaction.denied", "session")
    if facts.lacks_quorum:
        evaluation.send("transaction.denied", "approvers")
    if booking.is_unbooked(evaluation, facts.binding.transaction):
        evaluation.send("transaction.lapsed", "guard")
    booking.follow_transaction(evaluation, facts.binding.transaction)
    return None


def _measure(evaluation: Evaluation, operation: Operation, facts: RequestFacts) -> Measure:
    # without a transaction, each request costs: its key must not make its costs those of an earlier request
    runs_once = operation.transactional or operation.idempotency or evaluation.snapshot.transaction.version
    found = measure(
        operation,
        facts.binding.body.document,
        ledgers=_ledgers(evaluation, facts) if operation.limits else NOTHING,
        now=evaluation.now,
        transaction=facts.binding.transaction if runs_once else "",
    )
    record = evaluation.snapshot.transaction
    if found.condition == "unmeasured" or not record.approvals or not evaluation.can("transaction.started"):
        return found
    # an amount booked within its limits stays within them, even if others booked since (ADR 28)
    condition = classify_exceeded(operation, record.over)
    return replace(found, condition=condition, exceeded=found.exceeded if record.over else ())


def _decide(  # noqa: C901, PLR0912 - hot path: a call for each part would cost each request
    evaluation: Evaluation,
    request: AccessRequest,
    facts: RequestFacts,
    *,
    cell: tuple[str, ...],
    principal: Principal | None,
    measured: Measure,
    cipher: Cipher,
    role_reason: Reason = Reason.DECIDED,
) -> Decision | Reason | NeedsBody:
    policy, context = evaluation.policy, NO_CONTEXT
    extra: tuple[str, ...] = ()
    required: Required = ()
    if policy.table.extra:
        channel = facts.channel if principal is not None else ""
        values = flags.read_values(evaluation, request.operation) if principal is not None else flags.NO_VALUES
        given = Given(principal=principal, channel=channel, conditions=facts.brought, flags=values, now=facts.now)
        extra = read_extra(policy, request.operation, given)
        context = describe_context(policy, request.operation, extra)
    if evaluation.snapshot.transaction.approvals and principal is not None:
        cell, required = deny_inadequate(evaluation, facts, cell, extra)
    if extra:
        rule = policy.table.decide(cell + extra)
    else:
        rule, cell = policy.table.find(cell)
    fallback = policy.fallbacks[rule.do]
    reason = Reason.DECIDED
    if measured.condition == "unmeasured" and "limit" in rule.when:
        reason = measured.fault
    elif "scope" in rule.when or request.operation.risk == "staff":
        reason = role_reason
    running = False
    if principal is not None:
        if fallback.attempts:
            fallback, spent = spend_attempts(evaluation, request.operation, principal, fallback)
            reason = reason if spent is Reason.DECIDED else spent
        admits, operation = fallback.kind in ADMITTING, request.operation
        runs_once = operation.transactional or operation.idempotency or evaluation.snapshot.transaction.version
        if fallback.kind is Outcome.HOLD or (admits and runs_once):
            opened = _open(evaluation, request, facts, principal, fallback=fallback, cipher=cipher, measured=measured)
            if not isinstance(opened, bool):
                return opened
            running = opened
        elif fallback.kind is Outcome.DENY and not fallback.error and reason is Reason.DECIDED:
            reason = transactions.void_reason(evaluation, facts.binding)
        elif fallback.kind is Outcome.TERMINATE:
            evaluation.send("session.ended", "guard")
        if admits and (measured.spends or policy.flag_setters):
            _reserve(evaluation, facts, measured)
            if policy.flag_setters:
                flags.set_started(evaluation, operation, transaction=facts.binding.transaction if running else "")
    amount = measured.fault.code if measured.condition == "unmeasured" else measured.shown
    decision = _build(
        evaluation, request, facts, cell=cell, rule=rule, fallback=fallback, reason=reason, running=running
    )
    if amount or extra or measured.exceeded:
        decision = replace(
            decision, amount=amount, context=context, extra=extra, limits=measured.exceeded, required=required
        )
    elif required:
        decision = replace(decision, required=required)
    return decision


def _build(
    evaluation: Evaluation,
    request: AccessRequest,
    facts: RequestFacts,
    *,
    cell: tuple[str, ...],
    rule: Rule,
    fallback: Fallback,
    reason: Reason,
    running: bool,
) -> Decision:
    policy, credential = evaluation.policy, facts.credential
    principal = None if isinstance(credential, NotProven) else credential.principal
    if principal is None and Need.CREDENTIAL in NEEDS.get(fallback.kind, ()):
        raise MachineFaultError(f"a rule leads to `{fallback.kind.value}` without a proven credential")
    scopes = NO_LEDGERS if principal is None else principal.token_scopes
    if fallback.kind is Outcome.RESTRICT:
        scopes = _restrict(policy, scopes, fallback)
    elif fallback.kind is Outcome.HANDOFF and policy.rollback.message.texts and cell[0] == policy.rollback_state:
        fallback = replace(fallback, message=policy.rollback.message)
    elif fallback.until_expiry:
        until = find_expiry(evaluation, rule)
        fallback = replace(fallback, after=until - facts.now if until < inf else 0.0)
    elif fallback.kind is Outcome.HOLD and not fallback.approvers:
        held = policy.fallbacks.get(evaluation.snapshot.transaction.hold, fallback)  # it waits in the words of its hold
        fallback = replace(fallback, message=held.message)
    steps_up = fallback.kind is Outcome.STEP_UP
    return Decision(
        operation=request.operation,
        fallback=fallback,
        reason=credential.reason if isinstance(credential, NotProven) else reason,
        snapshot=evaluation.snapshot,
        cell=cell,
        rule=rule.name,
        events=tuple(evaluation.events),
        transitions=tuple(evaluation.transitions),
        token_scopes=scopes,
        scopes=tuple(sorted(scopes)),
        channel=facts.channel,
        acr_values=_acr_values(policy, request.operation, principal, fallback) if steps_up else (),
        max_age=_max_age(evaluation, request.operation, fallback) if steps_up else -1,
        running=running,
        opened=bool(evaluation.snapshot.transaction.digest),
    )


def _open(
    evaluation: Evaluation,
    request: AccessRequest,
    facts: RequestFacts,
    principal: Principal,
    *,
    fallback: Fallback,
    cipher: Cipher,
    measured: Measure,
) -> bool | Reason | NeedsBody:
    """Open the transaction of an admitted or held request; return whether the app's response settles it."""
    holds, operation = fallback.kind is Outcome.HOLD, request.operation
    # a high-risk write, a write with a key, or a request that was held
    binds = holds or operation.transactional or evaluation.snapshot.transaction.version > 0
    if binds and not facts.has_body:
        return NEEDS_BODY
    if operation.idempotency and not (request.evidence.idempotency or request.evidence.transaction):
        return Reason.IDEMPOTENCY_MISSING
    if not binds:
        return False
    event = "transaction.held" if holds else "transaction.started"
    record = evaluation.snapshot.transaction
    if record.version and transactions.is_of_other_session(record, facts.keys) and evaluation.can(event):
        return Reason.SESSION_CHANGED
    tripped = (transactions.UNMEASURED,) if measured.condition == "unmeasured" else measured.tripped
    held = transactions.HeldCosts(measured.costs, tripped, facts.keys.ledgers)
    transactions.open_transaction(
        evaluation, facts.binding, request, principal, fallback=fallback, cipher=cipher, held=held
    )
    if holds and not facts.binding.is_readable():
        return Reason.TRANSACTION_TOO_LONG
    moved = evaluation.send(event, "guard")
    if not holds and not moved and operation.transactional:
        raise MachineFaultError("a rule admits a transaction that can no longer run")
    return moved and not holds


def _ledgers(evaluation: Evaluation, facts: RequestFacts) -> dict[str, tuple[LedgerEntry, ...]]:
    """Return the spent amounts by the dimension of the limit."""
    snapshot = evaluation.snapshot
    found = {by: snapshot.ledgers.get(key, EMPTY_LEDGER).ledger for by, key in facts.keys.ledgers}
    return {"subject": snapshot.account.ledger, "session": snapshot.session.ledger, **found}


def _reserve(evaluation: Evaluation, facts: RequestFacts, measured: Measure) -> None:
    """Reserve the costs before the app runs."""
    keys = dict(facts.keys.ledgers)
    for by, spends in measured.spends.items():
        if by in keys:
            ledger = evaluation.snapshot.ledgers.get(keys[by], EMPTY_LEDGER).ledger
            evaluation.update_ledger(keys[by], reserve(ledger, spends, evaluation.policy.limit_windows, evaluation.now))
            if evaluation.snapshot.transaction.digest:
                evaluation.update_record("transaction", ledgers=facts.keys.ledgers)
        else:
            record = "account" if by == "subject" else "session"
            ledger = getattr(evaluation.snapshot, record).ledger
            evaluation.update_record(
                record, ledger=reserve(ledger, spends, evaluation.policy.limit_windows, evaluation.now)
            )


def _restrict(policy: Policy, scopes: frozenset[str], fallback: Fallback) -> frozenset[str]:
    """Return the token's scopes that the fallback's effects permit: an intersection, never an addition."""
    allowed = frozenset[str]().union(*(policy.effect_scopes[effect] for effect in fallback.effects))
    return scopes & allowed & fallback.scopes if fallback.scopes else scopes & allowed


def _acr_values(
    policy: Policy, operation: Operation, principal: Principal | None, fallback: Fallback
) -> tuple[str, ...]:
    """Return the values that satisfy the level, as the caller's issuer knows them (RFC 9470 3: any one suffices)."""
    level = fallback.acr or operation.acr
    if not level:
        return ()
    issuer = policy.issuers[principal.issuer] if principal is not None else None
    if issuer is not None and issuer.levels is not None:
        claim, values = issuer.levels.claim, issuer.levels.map.items()
        own = tuple(value for value, mapped in values if mapped == level)
        # only a value of the issuer's ``acr``, whatever its claim is called, is one that the issuer can be asked for
        return (own or (level,)) if not claim or claim in {("acr",), issuer.claims.acr} else (level,)
    return (level, *(value for value, mapped in policy.assurance.map.items() if mapped == level and value != level))


def _max_age(evaluation: Evaluation, operation: Operation, fallback: Fallback) -> int:
    if fallback.since_entered:
        return max(0, int(evaluation.now - evaluation.snapshot.session.entered))
    seconds = fallback.max_age or operation.max_age
    return int(seconds) if seconds else -1
