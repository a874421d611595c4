"""Limits: decimal amounts with a currency and call counts in sliding windows, reserved first and released later.

Money is never a float. An amount that cannot be read exactly is ``unmeasured``, which a policy never treats as small.
"""

from __future__ import annotations

from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from authguard.core.amount import EXACT, ONE, UnreadableValueError, read_amount, read_payee
from authguard.core.flags import ENTRY_PREFIX
from authguard.core.outcomes import Reason
from authguard.core.snapshot import Cost, LedgerEntry
from authguard.core.tiers import EXCEEDED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.request import Limit, Operation

#: entries per ledger; a fuller one counts as exceeded
MAX_LEDGER_ENTRIES: Final = 512
#: entries up to which each keeps its time; beyond it, old entries close to each other are merged
MAX_EXACT_ENTRIES: Final = 256
#: youngest entries of which the transactions may still run, so that they must stay releasable
MAX_RELEASABLE: Final = 128
NOTHING: Final[Mapping[str, tuple[LedgerEntry, ...]]] = MappingProxyType({})


class Measure(Struct, frozen=True):
    """The cost of a request, compared with its limits.

    Attributes:
        condition: ``within``, ``unmeasured``, or what the first exceeded limit makes of it: ``exceeded``, or its tier.
        spends: ledger dimension -> entries to reserve in that ledger if the request is admitted.
        shown: the amount with its currency, for the approver; empty for none.
        costs: cost against each limit, including limits of a single call.
        tripped: names of the exceeded limits.
        exceeded: of each exceeded limit ``name``, ``most``, ``spent`` and ``left``: decimal digits, with the currency.
        fault: why the cost is ``unmeasured``; else `DECIDED`.
    """

    condition: str
    spends: Mapping[str, tuple[LedgerEntry, ...]] = field(default_factory=dict)
    shown: str = ""
    costs: tuple[Cost, ...] = ()
    tripped: tuple[str, ...] = ()
    fault: Reason = Reason.DECIDED
    exceeded: tuple[Mapping[str, str], ...] = ()


class Usage(Struct, frozen=True):
    """The current use of one limit.

    Attributes:
        spent: decimal digits of completed, or possibly running, calls.
        booked: decimal digits of approved calls that have not run yet.
        exceeded: whether one more cost would exceed the limit.
    """

    spent: str
    booked: str
    exceeded: bool


WITHIN: Final = Measure("within")


def measure(
    operation: Operation,
    document: object,
    *,
    ledgers: Mapping[str, tuple[LedgerEntry, ...]],
    now: float,
    transaction: str = "",
) -> Measure:
    """Measure one request against the limits of its operation.

    Args:
        operation: with its limits and the place of its amount.
        document: of the body, as for `authguard.core.amount.read_amount`.
        ledgers: ledger dimension -> entries; a missing dimension cannot be determined.
        now: epoch seconds UTC.
        transaction: the request's own transaction; its earlier reservation does not count.
    """
    if not operation.limits and not operation.has_amount:
        return WITHIN
    try:
        amount, currency = read_amount(operation, document) if operation.has_amount else (ONE, "")
    except UnreadableValueError as error:
        return _unmeasured(error.reason)
    tripped, condition = dict[str, None](), "within"
    exceeded: list[Mapping[str, str]] = []
    costs: dict[str, Cost] = {}
    spends: dict[str, tuple[LedgerEntry, ...]] = {}
    for limit in operation.limits:
        cost = ONE if limit.calls else amount
        if not limit.calls and limit.currency != currency:
            return _unmeasured(Reason.CURRENCY_REFUSED)
        ledger: tuple[LedgerEntry, ...] = ()
        if limit.per:
            if limit.by not in ledgers:
                return _unmeasured(_counter_fault(operation, limit, document))
            ledger = ledgers[limit.by]
            reserved = spends.get(limit.by, ())
            if limit.name not in [entry.limit for entry in reserved]:  # two limits may share one counter
                spends[limit.by] = (*reserved, LedgerEntry(limit.name, now, f"{cost:f}", transaction))
        costs[limit.name] = Cost(limit.name, f"{cost:f}")
        used = usage(limit, cost, ledger, now, transaction)
        if used.exceeded:
            tripped[limit.name] = None
            exceeded.append(_describe(limit, used))
            condition = condition if condition != "within" else limit.tier or EXCEEDED
    shown = f"{amount:f} {currency}" if operation.has_amount else ""
    return Measure(condition, spends, shown, tuple(costs.values()), tuple(tripped), exceeded=tuple(exceeded))


def _describe(limit: Limit, used: Usage) -> dict[str, str]:
    """Return an exceeded limit as a record states it."""
    most, spent = Decimal(limit.amount or limit.calls), EXACT.add(Decimal(used.spent), Decimal(used.booked))
    unit = f" {limit.currency}" if limit.amount else ""
    figures = {"most": most, "spent": spent, "left": EXACT.subtract(most, spent)}
    return {"name": limit.name} | {name: f"{value:f}{unit}" for name, value in figures.items()}


def _unmeasured(fault: Reason) -> Measure:
    return Measure("unmeasured", fault=fault)


def _counter_fault(operation: Operation, limit: Limit, document: object) -> Reason:
    """Return why the owner of a limit's counter cannot be determined."""
    if limit.by == "payee":
        try:
            read_payee(operation, document)
        except UnreadableValueError as error:
            return error.reason
    return Reason.COUNTER_UNKNOWN


def usage(limit: Limit, cost: Decimal, ledger: tuple[LedgerEntry, ...], now: float, transaction: str = "") -> Usage:
    """Compute the use of a limit, and whether one more cost fits.

    Args:
        limit: of an operation.
        cost: to add.
        ledger: of the limit; empty for a limit of a single call.
        now: epoch seconds UTC.
        transaction: entries of this transaction are skipped; empty for none.
    """
    most = Decimal(limit.calls) if limit.calls else Decimal(limit.amount)
    spent = booked = Decimal(0)
    for entry in ledger:
        if entry.limit != limit.name or (transaction and entry.transaction == transaction):
            continue
        if not _counts(entry, limit.per, now):
            continue
        if entry.expires:
            booked = EXACT.add(booked, Decimal(entry.amount))
        else:
            spent = EXACT.add(spent, Decimal(entry.amount))
    over = EXACT.add(EXACT.add(spent, booked), cost) > most or len(ledger) >= MAX_LEDGER_ENTRIES
    return Usage(f"{spent:f}", f"{booked:f}", over)


def has_booking(ledger: tuple[LedgerEntry, ...], limit: str, transaction: str, now: float) -> bool:
    """Return whether a transaction has an unexpired booking against a limit."""
    return any(entry.transaction == transaction and entry.limit == limit and now < entry.expires for entry in ledger)


def _counts(entry: LedgerEntry, per: float, now: float) -> bool:
    """Return whether an entry counts: a booking until it expires, other entries until they leave the window."""
    return now < entry.expires if entry.expires else now - entry.at < per


def reserve(
    ledger: tuple[LedgerEntry, ...], spends: tuple[LedgerEntry, ...], windows: Mapping[str, float], now: float
) -> tuple[LedgerEntry, ...]:
    """Add reservations; drop entries outside their window and earlier reservations of the same transaction.

    Args:
        ledger: as loaded.
        spends: from `measure`.
        windows: limit -> its window in seconds, for all limits of the policy.
        now: epoch seconds UTC.
    """
    if not spends:
        return ledger
    again = {(spend.limit, spend.transaction) for spend in spends if spend.transaction}
    kept = tuple(
        [
            entry
            for entry in ledger
            if _counts(entry, windows.get(entry.limit, float("inf")), now)
            and (entry.limit, entry.transaction) not in again
        ]
    )
    return _compact(kept + spends, windows) if len(kept) >= MAX_EXACT_ENTRIES else kept + spends


def _compact(ledger: tuple[LedgerEntry, ...], windows: Mapping[str, float]) -> tuple[LedgerEntry, ...]:
    """Merge old neighbouring entries; a merged entry has the youngest time, so it counts longer, never shorter."""
    # the window is cut into as few pieces as needed: plain calls are merged first, then reservations of transactions,
    # but never the youngest, which the app may still be about to release; a merged entry cannot be released
    open_from = len(ledger) - MAX_RELEASABLE
    for pieces, named in ((64, False), (64, True), (16, True), (4, True)):
        merged: dict[tuple[str, float, str], LedgerEntry] = {}
        for place, entry in enumerate(ledger):
            width = windows.get(entry.limit, 0.0) / pieces
            alone = not width or entry.expires or (entry.transaction and (not named or place >= open_from))
            alone = alone or entry.limit.startswith(ENTRY_PREFIX)
            key = (entry.limit, float(place), "alone") if alone else (entry.limit, entry.at // width, "")
            found = merged.get(key)
            if found is not None:
                total = EXACT.add(Decimal(found.amount), Decimal(entry.amount))
                entry = LedgerEntry(entry.limit, max(found.at, entry.at), f"{total:f}")  # noqa: PLW2901 - replaced by the sum
            merged[key] = entry
        if len(merged) < MAX_EXACT_ENTRIES:
            break
    return tuple(merged.values())


def release(ledger: tuple[LedgerEntry, ...], transaction: str) -> tuple[LedgerEntry, ...]:
    """Remove a transaction's reservations, because it had no effect."""
    return tuple(entry for entry in ledger if entry.transaction != transaction)
