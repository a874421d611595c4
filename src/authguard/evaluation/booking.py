"""Bookings of held transactions against limits: shown to approvers, stored on approval, released when void.

Rules (ADR 28):
- A booking counts against its limits until its transaction runs, is void, or lapses by its timer.
- An amount that was booked within its limits stays within them. Each approver accepts by name every limit that is
  exceeded.
- A transaction without its booking does not run.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.core.limits import has_booking, release, reserve, usage
from authguard.core.snapshot import EMPTY_LEDGER, LedgerEntry, blank
from authguard.evaluation import flags

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from authguard.core.policy import Policy
    from authguard.core.request import Limit
    from authguard.core.snapshot import Snapshot, TransactionRecord
    from authguard.evaluation.driver import Evaluation

#: units of a period -> seconds
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("m", 60))
#: transaction events after which it can never run, and did not run
VOIDING_EVENTS: Final = frozenset({"denied", "lapsed", "altered", "failed"})


@dataclass(frozen=True, slots=True)
class LimitUsage:
    """One limit and its usage, as an approver sees it.

    Attributes:
        limit: its name.
        most: the maximum: decimal digits of an amount, or a number of calls.
        currency: empty if calls are counted.
        per: the window in seconds; 0 for a single call.
        by: the dimension of its ledger.
        spent: total that ran, or may still be running.
        booked: total that was approved and has not run yet.
        cost: of this transaction.
        exceeded: whether the transaction would exceed the limit now.
        tripped: whether it exceeded the limit when it was held.
    """

    limit: str
    most: str
    currency: str
    per: float
    by: str
    spent: str
    booked: str
    cost: str
    exceeded: bool
    tripped: bool


def limit_usages(policy: Policy, snapshot: Snapshot, now: float, transaction: str) -> tuple[LimitUsage, ...]:
    """Return the current usage of a transaction's limits, without its own booking.

    Args:
        policy: that holds it.
        snapshot: with the account, session and ledgers of the transaction.
        now: epoch seconds UTC.
        transaction: its id.
    """
    record = snapshot.transaction
    costs = {cost.limit: cost.amount for cost in record.costs}
    found: list[LimitUsage] = []
    for limit in _limits(policy, record):
        if limit.name not in costs:
            continue
        ledger = _ledger(snapshot, limit.by) if limit.per else ()
        used = usage(limit, Decimal(costs[limit.name]), ledger, now, transaction)
        found.append(
            LimitUsage(
                limit=limit.name,
                most=limit.amount or str(limit.calls),
                currency=limit.currency if limit.amount else "",
                per=limit.per,
                by=limit.by,
                spent=used.spent,
                booked=used.booked,
                cost=costs[limit.name],
                exceeded=used.exceeded,
                tripped=limit.name in record.tripped,
            )
        )
    return tuple(found)


def describe_tripped(policy: Policy, record: TransactionRecord) -> tuple[str, ...]:
    """Return the limits that a transaction was held for in words: `over_500: 501 EUR, at most 500 EUR per call`."""
    costs = {cost.limit: cost.amount for cost in record.costs}
    return tuple(
        f"{limit.name}: {_format(limit, costs[limit.name])}, at most {_format(limit, limit.amount or str(limit.calls))}"
        f" {f'in {_period(limit.per)} by {limit.by}' if limit.per else 'per call'}"
        for limit in _limits(policy, record)
        if limit.name in record.tripped and limit.name in costs
    )


def _format(limit: Limit, value: str) -> str:
    """Return an amount with its currency, or a number of calls."""
    return f"{value} {limit.currency}" if limit.amount else f"{value} call{'s' * (value != '1')}"


def _period(seconds: float) -> str:
    """Return a period in the largest unit of which it is a multiple, as a policy writes it."""
    unit, length = next((one for one in _UNITS if not seconds % one[1]), ("s", 1))
    return f"{seconds / length:g}{unit}"


def exceeded_limits(evaluation: Evaluation, transaction: str) -> frozenset[str]:
    """Return the names of the limits that a transaction would exceed if it were approved now."""
    usages = limit_usages(evaluation.policy, evaluation.snapshot, evaluation.now, transaction)
    return frozenset([figure.limit for figure in usages if figure.exceeded])


def known_limits(policy: Policy, record: TransactionRecord) -> frozenset[str]:
    """Return the names of the limits of a transaction's operation."""
    return frozenset([limit.name for limit in _limits(policy, record)])


def book(evaluation: Evaluation, transaction: str, over: AbstractSet[str]) -> None:
    """Reserve a transaction's costs, from its final approval on.

    Args:
        evaluation: in which it was just approved, with the records of its requester.
        transaction: its id.
        over: limits that it exceeds, as all of its approvers accepted.
    """
    record = evaluation.snapshot.transaction
    until, _ = evaluation.policy.timers.next_due(replace(blank(evaluation.policy.initial), transaction=record))
    windows = {limit.name: limit for limit in _limits(evaluation.policy, record) if limit.per}
    for cost in record.costs:
        if cost.limit in windows:
            entry = LedgerEntry(cost.limit, evaluation.now, cost.amount, transaction, until)
            by = windows[cost.limit].by
            _store_ledger(
                evaluation,
                by,
                reserve(_ledger(evaluation.snapshot, by), (entry,), evaluation.policy.limit_windows, evaluation.now),
            )
    evaluation.update_record("transaction", over=tuple(sorted(over)))


def is_unbooked(evaluation: Evaluation, transaction: str) -> bool:
    """Return whether an approved transaction has no booking left, so that it must not run."""
    record = evaluation.snapshot.transaction
    if not record.costs or not record.approvals or not evaluation.can("transaction.started"):
        return False
    return any(
        not has_booking(_ledger(evaluation.snapshot, limit.by), limit.name, transaction, evaluation.now)
        for limit in _limits(evaluation.policy, record)
        if limit.per
    )


def follow_transaction(evaluation: Evaluation, transaction: str) -> None:
    """Apply to the ledgers what a transaction did in this evaluation: its flags change, and void bookings go."""
    if evaluation.policy.flags:
        flags.catch_up(evaluation)
    for moved in evaluation.transitions:
        if moved.machine == "transaction" and moved.event in VOIDING_EVENTS:
            release_bookings(evaluation, transaction)
            return


def release_bookings(evaluation: Evaluation, transaction: str) -> None:
    """Release a transaction's bookings in all loaded ledgers."""
    for name in ("account", "session"):
        ledger = getattr(evaluation.snapshot, name).ledger
        if any(entry.transaction == transaction for entry in ledger):
            evaluation.update_record(name, ledger=release(ledger, transaction))
    for key, record in evaluation.snapshot.ledgers.items():
        if any(entry.transaction == transaction for entry in record.ledger):
            evaluation.update_ledger(key, release(record.ledger, transaction))


def _limits(policy: Policy, record: TransactionRecord) -> tuple[Limit, ...]:
    return policy.operation_limits.get(record.operation, ())


def _ledger(snapshot: Snapshot, by: str) -> tuple[LedgerEntry, ...]:
    if by in {"subject", "session"}:
        return (snapshot.account if by == "subject" else snapshot.session).ledger
    key = dict(snapshot.transaction.ledgers).get(by, b"")
    return snapshot.ledgers.get(key, EMPTY_LEDGER).ledger


def _store_ledger(evaluation: Evaluation, by: str, ledger: tuple[LedgerEntry, ...]) -> None:
    if by in {"subject", "session"}:
        evaluation.update_record("account" if by == "subject" else "session", ledger=ledger)
    else:
        evaluation.update_ledger(dict(evaluation.snapshot.transaction.ledgers)[by], ledger)
