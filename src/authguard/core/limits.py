"""Limits: amounts as decimals with currency, counts in sliding windows, reserved before and released after.

Money is never a float. What cannot be read exactly is ``unmeasured``, which a policy never treats as small.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from authguard.core.json_pointer import PointerError, resolve_pointer
from authguard.core.snapshot import Cost, LedgerEntry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.request import Limit, Operation

#: entries kept per ledger; a fuller one counts as exceeded
MAX_LEDGER_ENTRIES: Final = 512
#: entries up to which each keeps its own moment; of more, old ones that lie close together are merged
EXACT_ENTRIES: Final = 256
#: youngest entries whose transactions may still be running, so that they can be released
MAX_RELEASABLE: Final = 128
#: digits before and after the decimal point of an amount that is believed
MAX_DIGITS: Final = 18
#: sums of amounts are exact or an error, never rounded
EXACT: Final = Context(prec=200, traps=[Inexact])
ONE: Final = Decimal(1)
NOTHING: Final[Mapping[str, tuple[LedgerEntry, ...]]] = MappingProxyType({})


#: half of a surrogate pair, escaped
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


class NoDocument(Enum):
    """Stands for the document of a body that is not plainly JSON, or that was not read."""

    NO_DOCUMENT = 0


NO_DOCUMENT: Final = NoDocument.NO_DOCUMENT
#: a text of JSON, up to its end or to the end of a body that does not end it
_TEXT: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)


def exceeds_node_limit(body: bytes, most: int) -> bool:
    """Return whether a JSON body may hold more values than `most`, without parsing it.

    A value follows a comma or an opening bracket, so those outside of texts bound their number.
    """

    def bound(content: bytes) -> int:
        return 1 + content.count(b",") + content.count(b"[") + content.count(b"{")

    return bound(body) > most and bound(_TEXT.sub(b"", body)) > most


class AmountError(ValueError):
    """The body is not JSON that every parser reads alike, or holds no amount where the policy says."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What a request would spend, and whether it fits.

    Attributes:
        condition: ``within``, ``exceeded`` or ``unmeasured``.
        spends: what it counts by -> entries to reserve in that ledger if it is admitted.
        shown: the amount with its currency, for the approver; empty where there is none.
        costs: what it counts against each limit, also against those of a single call.
        tripped: names of the limits that it is over.
    """

    condition: str
    spends: Mapping[str, tuple[LedgerEntry, ...]] = field(default_factory=dict)
    shown: str = ""
    costs: tuple[Cost, ...] = ()
    tripped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Where one limit stands.

    Attributes:
        spent: decimal digits of what ran, or may still be running.
        booked: decimal digits of what was approved and has not run yet.
        exceeded: whether one more cost would go over it.
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
        operation: with its limits and where its amount stands.
        document: of the body, from `parse_json`; `NO_DOCUMENT` where there is none that every reader reads alike.
        ledgers: what limits count by -> what was spent there; whose is missing cannot be told.
        now: epoch seconds UTC.
        transaction: its own earlier reservation does not count against it.
    """
    if not operation.limits and not operation.amount_at:
        return WITHIN
    try:
        amount, currency = _amount(operation, document) if operation.amount_at else (ONE, "")
    except AmountError:
        return Measure("unmeasured")
    tripped: dict[str, None] = {}
    costs: dict[str, Cost] = {}
    spends: dict[str, tuple[LedgerEntry, ...]] = {}
    for limit in operation.limits:
        cost = ONE if limit.calls else amount
        if not limit.calls and limit.currency != currency:
            return Measure("unmeasured")
        ledger: tuple[LedgerEntry, ...] = ()
        if limit.per:
            if limit.by not in ledgers:
                return Measure("unmeasured")
            ledger = ledgers[limit.by]
            reserved = spends.get(limit.by, ())
            if all(entry.limit != limit.name for entry in reserved):  # two limits may share one count
                spends[limit.by] = (*reserved, LedgerEntry(limit.name, now, f"{cost:f}", transaction))
        costs[limit.name] = Cost(limit.name, f"{cost:f}")
        if usage(limit, cost, ledger, now, transaction).exceeded:
            tripped[limit.name] = None
    shown = f"{amount:f} {currency}" if operation.amount_at else ""
    return Measure("exceeded" if tripped else "within", spends, shown, tuple(costs.values()), tuple(tripped))


def usage(limit: Limit, cost: Decimal, ledger: tuple[LedgerEntry, ...], now: float, transaction: str = "") -> Usage:
    """Tell where a limit stands, and whether one more cost fits.

    Args:
        limit: of an operation.
        cost: that would be added.
        ledger: in which the limit counts; empty for a limit of a single call.
        now: epoch seconds UTC.
        transaction: whose own entries are left out; empty for none.
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
    """Whether a transaction has a booking in force against a limit."""
    return any(entry.transaction == transaction and entry.limit == limit and now < entry.expires for entry in ledger)


def _counts(entry: LedgerEntry, per: float, now: float) -> bool:
    """Whether an entry counts: a booking until it expires, what was spent until it has left the window."""
    return now < entry.expires if entry.expires else now - entry.at < per


def reserve(
    ledger: tuple[LedgerEntry, ...], spends: tuple[LedgerEntry, ...], windows: Mapping[str, float], now: float
) -> tuple[LedgerEntry, ...]:
    """Add reservations, dropping what has left the window of its limit and the transaction's earlier ones.

    Args:
        ledger: as loaded.
        spends: from `measure`.
        windows: limit -> its window in seconds, of all limits that the policy has.
        now: epoch seconds UTC.
    """
    if not spends:
        return ledger
    again = {(spend.limit, spend.transaction) for spend in spends if spend.transaction}
    kept = tuple(
        entry
        for entry in ledger
        if _counts(entry, windows.get(entry.limit, float("inf")), now) and (entry.limit, entry.transaction) not in again
    )
    return _compact(kept + spends, windows) if len(kept) >= EXACT_ENTRIES else kept + spends


def _compact(ledger: tuple[LedgerEntry, ...], windows: Mapping[str, float]) -> tuple[LedgerEntry, ...]:
    """Merge old entries that lie close together into one as young as its youngest: counted longer, never shorter.

    Each window is cut into pieces, as few as are needed; plain calls are merged first, then what transactions reserved,
    but for the youngest, which the app may still be about to release. What was merged cannot be released any more.
    """
    open_from = len(ledger) - MAX_RELEASABLE
    for pieces, named in ((64, False), (64, True), (16, True), (4, True)):
        merged: dict[tuple[str, float, str], LedgerEntry] = {}
        for place, entry in enumerate(ledger):
            width = windows.get(entry.limit, 0.0) / pieces
            alone = not width or entry.expires or (entry.transaction and (not named or place >= open_from))
            key = (entry.limit, float(place), "alone") if alone else (entry.limit, entry.at // width, "")
            found = merged.get(key)
            if found is not None:
                total = EXACT.add(Decimal(found.amount), Decimal(entry.amount))
                entry = LedgerEntry(entry.limit, max(found.at, entry.at), f"{total:f}")  # noqa: PLW2901 - the sum of both
            merged[key] = entry
        if len(merged) < EXACT_ENTRIES:
            break
    return tuple(merged.values())


def release(ledger: tuple[LedgerEntry, ...], transaction: str) -> tuple[LedgerEntry, ...]:
    """Give back what a transaction reserved, because nothing happened."""
    return tuple(entry for entry in ledger if entry.transaction != transaction)


def _amount(operation: Operation, document: object) -> tuple[Decimal, str]:
    if document is NO_DOCUMENT:
        raise AmountError
    amount = _number(_at(document, operation.amount_at))
    currency = _at(document, operation.currency_at) if operation.currency_at else operation.currency
    if not isinstance(currency, str):
        raise AmountError
    return amount, currency


def parse_json(body: bytes) -> object:
    """Read JSON so strictly that no other parser can read it differently.

    UTF-8 only, no byte order mark, no duplicate names, no ``NaN`` or ``Infinity``, no half of a surrogate pair.
    Decimals are kept exactly.

    Raises:
        UnreadableError: it is not such JSON.
    """
    try:
        document = _strictly(body.decode("utf-8"))
        if _SURROGATE.search(body):
            _refuse_halves(document)
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise AmountError from error
    return document


def _refuse_halves(document: object) -> None:
    """Refuse text that UTF-8 cannot write: parsers disagree on what half of a surrogate pair is (RFC 8259 8.2)."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            value.encode()
        elif isinstance(value, dict):
            waiting += (*value, *value.values())
        elif isinstance(value, list):
            waiting += value


def _refuse_constant(_: str) -> object:
    raise AmountError


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise AmountError
    return names


_strictly: Final = json.JSONDecoder(
    parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_unique
).decode


def _at(document: object, pointer: str) -> object:
    try:
        return resolve_pointer(document, pointer)
    except PointerError as error:
        raise AmountError from error


def _number(value: object) -> Decimal:
    """Take whole and decimal numbers only: strings, booleans, negatives and monsters are not amounts."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise AmountError
    if isinstance(value, int) and not 0 <= value < 10**MAX_DIGITS:
        raise AmountError
    amount = Decimal(value)
    if not amount.is_finite() or amount.is_signed():
        raise AmountError
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -MAX_DIGITS or amount.adjusted() >= MAX_DIGITS:
        raise AmountError
    return amount
