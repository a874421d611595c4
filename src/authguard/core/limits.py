"""Limits: amounts as decimals with currency, counts in sliding windows, reserved before and released after.

Money is never a float. What cannot be read exactly is ``unmeasured``, which a policy never treats as small.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from authguard.core.pointers import Nothing, find
from authguard.core.snapshot import Spent

if TYPE_CHECKING:
    from authguard.core.facts import Limit, Operation

#: entries kept per ledger; a fuller one counts as exceeded
LEDGER_BOUND: Final = 512
#: digits before and after the decimal point of an amount that is believed
DIGITS: Final = 18


class UnreadableError(ValueError):
    """The body is not JSON that every parser reads alike, or holds no amount where the policy says."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What a request would spend, and whether it fits.

    Attributes:
        condition: ``within``, ``exceeded`` or ``unmeasured``.
        subject: entries to reserve in the account's ledger if it is admitted.
        session: entries to reserve in the session's ledger.
        shown: the amount with its currency, for the approver; empty where there is none.
    """

    condition: str
    subject: tuple[Spent, ...] = ()
    session: tuple[Spent, ...] = ()
    shown: str = ""


WITHIN: Final = Measure("within")


def measure(
    operation: Operation,
    body: bytes,
    *,
    by_subject: tuple[Spent, ...],
    by_session: tuple[Spent, ...],
    now: float,
    transaction: str = "",
) -> Measure:
    """Measure one request against the limits of its operation.

    Args:
        operation: with its limits and where its amount stands.
        body: as sent; only read where the operation has an amount.
        by_subject: the account's ledger.
        by_session: the session's ledger.
        now: epoch seconds UTC.
        transaction: its own earlier reservation does not count against it.
    """
    if not operation.limits and not operation.amount_at:
        return WITHIN
    try:
        amount, currency = _amount(operation, body) if operation.amount_at else (Decimal(1), "")
    except UnreadableError:
        return Measure("unmeasured")
    exceeded = False
    spends: dict[str, list[Spent]] = {"subject": [], "session": []}
    ledgers = {"subject": by_subject, "session": by_session}
    for limit in operation.limits:
        cost, most = (Decimal(1), Decimal(limit.calls)) if limit.calls else (amount, Decimal(limit.amount))
        if not limit.calls and limit.currency != currency:
            return Measure("unmeasured")
        ledger = ledgers[limit.by]
        if limit.per:
            cost += _spent(limit, ledger, now, transaction)
            spends[limit.by].append(Spent(limit.name, now, "1" if limit.calls else str(amount), transaction))
        exceeded = exceeded or cost > most or len(ledger) >= LEDGER_BOUND
    return Measure(
        "exceeded" if exceeded else "within",
        tuple(spends["subject"]),
        tuple(spends["session"]),
        f"{amount} {currency}" if operation.amount_at else "",
    )


def reserve(
    ledger: tuple[Spent, ...], spends: tuple[Spent, ...], limits: tuple[Limit, ...], now: float
) -> tuple[Spent, ...]:
    """Add reservations, dropping what has left the window of its limit and the transaction's earlier ones.

    Args:
        ledger: as loaded.
        spends: from `measure`.
        limits: of the operation, for their windows.
        now: epoch seconds UTC.
    """
    if not spends:
        return ledger
    windows = {limit.name: limit.per for limit in limits}
    again = {(spend.limit, spend.transaction) for spend in spends if spend.transaction}
    kept = tuple(
        entry
        for entry in ledger
        if now - entry.at < windows.get(entry.limit, float("inf")) and (entry.limit, entry.transaction) not in again
    )
    return kept + spends


def release(ledger: tuple[Spent, ...], transaction: str) -> tuple[Spent, ...]:
    """Give back what a transaction reserved, because nothing happened."""
    return tuple(entry for entry in ledger if entry.transaction != transaction)


def _spent(limit: Limit, ledger: tuple[Spent, ...], now: float, transaction: str) -> Decimal:
    """Sum what counts against a limit now."""
    return sum(
        (
            Decimal(entry.amount)
            for entry in ledger
            if entry.limit == limit.name
            and now - entry.at < limit.per
            and not (transaction and entry.transaction == transaction)
        ),
        Decimal(0),
    )


def _amount(operation: Operation, body: bytes) -> tuple[Decimal, str]:
    document = parse_json(body)
    amount = _number(_at(document, operation.amount_at))
    currency = _at(document, operation.currency_at) if operation.currency_at else operation.currency
    if not isinstance(currency, str):
        raise UnreadableError
    return amount, currency


def parse_json(body: bytes) -> object:
    """Read JSON so strictly that no other parser can read it differently.

    UTF-8 only, no duplicate names, no ``NaN`` or ``Infinity``, decimals kept exactly.

    Raises:
        UnreadableError: it is not such JSON.
    """
    try:
        return json.loads(
            body.decode("utf-8"), parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_unique
        )
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise UnreadableError from error


def _refuse_constant(_: str) -> object:
    raise UnreadableError


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise UnreadableError
    return names


def _at(document: object, pointer: str) -> object:
    try:
        return find(document, pointer)
    except Nothing as error:
        raise UnreadableError from error


def _number(value: object) -> Decimal:
    """Take whole and decimal numbers only: strings, booleans, negatives and monsters are not amounts."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise UnreadableError
    if isinstance(value, int) and not 0 <= value < 10**DIGITS:
        raise UnreadableError
    amount = Decimal(value)
    if not amount.is_finite() or amount.is_signed():
        raise UnreadableError
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -DIGITS or amount.adjusted() >= DIGITS:
        raise UnreadableError
    return amount
