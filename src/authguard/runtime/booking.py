"""What a held transaction would spend: shown to whoever decides, booked when approved, freed once it is void.

Rules (ADR 28):
- A booking counts against its limits until its transaction runs, is void, or lapses by itself: time alone frees it.
- What is booked within the limits stays within; what goes over was accepted by everybody who approved it, by name.
- What is not booked any more does not run.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.core.limits import has_booking, release, reserve, usage
from authguard.core.snapshot import EMPTY_LEDGER, LedgerEntry, blank

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from authguard.core.request import Limit
    from authguard.core.snapshot import Snapshot, TransactionRecord
    from authguard.policy.compiled_policy import Policy
    from authguard.runtime.evaluation import Evaluation

#: events of a transaction after which it can never run, and did not
VOIDING_EVENTS: Final = frozenset({"denied", "lapsed", "altered", "failed"})


@dataclass(frozen=True, slots=True)
class LimitUsage:
    """One limit, as an approver sees it.

    Attributes:
        limit: its name.
        most: decimal digits of the most that may be spent, or how many calls.
        currency: empty where calls are counted.
        per: the window in seconds; 0 for a single call.
        by: what it counts by.
        spent: what ran, or may still be running.
        booked: what was approved and has not run yet.
        cost: of this transaction.
        exceeded: whether it would go over the limit now.
        tripped: whether it was over the limit when it was held.
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
    """Give the limits of a transaction as they stand now, its own booking left out.

    Args:
        policy: that holds it.
        snapshot: with the account, session and ledgers of whoever asked.
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
        told = usage(limit, Decimal(costs[limit.name]), ledger, now, transaction)
        found.append(
            LimitUsage(
                limit=limit.name,
                most=limit.amount or str(limit.calls),
                currency=limit.currency if limit.amount else "",
                per=limit.per,
                by=limit.by,
                spent=told.spent,
                booked=told.booked,
                cost=costs[limit.name],
                exceeded=told.exceeded,
                tripped=limit.name in record.tripped,
            )
        )
    return tuple(found)


def exceeded_limits(evaluation: Evaluation, transaction: str) -> frozenset[str]:
    """Name the limits that a transaction would go over if it were approved now."""
    told = limit_usages(evaluation.policy, evaluation.snapshot, evaluation.now, transaction)
    return frozenset(figure.limit for figure in told if figure.exceeded)


def known_limits(policy: Policy, record: TransactionRecord) -> frozenset[str]:
    """Name the limits of a transaction's operation."""
    return frozenset(limit.name for limit in _limits(policy, record))


def book(evaluation: Evaluation, transaction: str, over: AbstractSet[str]) -> None:
    """Book what a transaction would spend, from the approval that decides.

    Args:
        evaluation: on which it was just approved, with the records of whoever asked.
        transaction: its id.
        over: limits that it goes over, as everybody who approved it accepted.
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
    """Whether an approved transaction has no booking left, so that it must not run."""
    record = evaluation.snapshot.transaction
    if not record.costs or not record.approvals or not evaluation.can("transaction.started"):
        return False
    return any(
        not has_booking(_ledger(evaluation.snapshot, limit.by), limit.name, transaction, evaluation.now)
        for limit in _limits(evaluation.policy, record)
        if limit.per
    )


def release_if_void(evaluation: Evaluation, transaction: str) -> None:
    """Give back what a transaction holds, if it became void on this walk."""
    if any(moved.machine == "transaction" and moved.event in VOIDING_EVENTS for moved in evaluation.transitions):
        release_bookings(evaluation, transaction)


def release_bookings(evaluation: Evaluation, transaction: str) -> None:
    """Give back what a transaction holds in the ledgers that the walk has loaded."""
    for name in ("account", "session"):
        ledger = getattr(evaluation.snapshot, name).ledger
        if any(entry.transaction == transaction for entry in ledger):
            evaluation.update_record(name, ledger=release(ledger, transaction))
    for key, record in evaluation.snapshot.ledgers.items():
        if any(entry.transaction == transaction for entry in record.ledger):
            evaluation.update_ledger(key, release(record.ledger, transaction))


def _limits(policy: Policy, record: TransactionRecord) -> tuple[Limit, ...]:
    named = (one.limits for one in (*policy.operations, policy.otherwise) if one.name == record.operation)
    return next(named, ())


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
