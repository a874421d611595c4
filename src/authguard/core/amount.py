"""Reader for the amount, the currency and the payee of a request: exact, or a closed reason why they cannot be read.

Money is never a float. A text of decimal digits means the same as the number; ``1e3``, ``+5``, ``1,000``, ``.5``, a
leading zero, a blank, a sign or a digit of another script is refused in a text, since parsers read them differently.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Context, Decimal, Inexact
from typing import TYPE_CHECKING, Final

from authguard.core.outcomes import Reason
from authguard.formats.form import FieldError, FormDocument, find_field
from authguard.formats.json_pointer import PointerError, resolve_pointer
from authguard.formats.strict_json import NO_DOCUMENT

if TYPE_CHECKING:
    from authguard.core.request import Operation
    from authguard.formats.form import FormField

#: accepted digits before and after the decimal point of an amount
MAX_DIGITS: Final = 18
#: longest accepted payee in characters
MAX_PAYEE_CHARS: Final = 256
#: context of amounts and their sums: exact or an error, never rounded
EXACT: Final = Context(prec=200, traps=[Inexact])
ONE: Final = Decimal(1)
#: smallest integer that a double cannot hold exactly
_MAX_SAFE_INTEGER: Final = 2**53

_DECIMAL: Final = re.compile(rf"(?:0|[1-9][0-9]{{0,{MAX_DIGITS - 1}}})(?:\.[0-9]{{1,{MAX_DIGITS}}})?")
_CURRENCY: Final = re.compile(r"[A-Za-z]{3}")


class UnreadableValueError(ValueError):
    """The amount, the currency or the payee cannot be read.

    Attributes:
        reason: closed code.
    """

    def __init__(self, reason: Reason) -> None:
        """Store the reason; the message contains no part of the request."""
        super().__init__(reason.code)
        self.reason = reason


def read_amount(operation: Operation, document: object) -> tuple[Decimal, str]:
    """Return the amount in major units, and its currency in upper case.

    Args:
        operation: with the places of both.
        document: JSON from `authguard.formats.strict_json.parse_json`, a form from
            `authguard.formats.form.parse_form`, or `NO_DOCUMENT`.

    Raises:
        UnreadableValueError: one of them cannot be read.
    """
    found = _find(document, operation.amount_at, operation.amount_form, Reason.AMOUNT_MISSING, Reason.AMOUNT_MALFORMED)
    amount = _scaled(_number(found), operation.scale)
    if not operation.currency_at and not operation.currency_form:
        return amount, operation.currency
    currency = _find(
        document, operation.currency_at, operation.currency_form, Reason.CURRENCY_MISSING, Reason.CURRENCY_MALFORMED
    )
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        raise UnreadableValueError(Reason.CURRENCY_MALFORMED)
    return amount, currency.upper()


def read_payee(operation: Operation, document: object) -> str:
    """Return the payee with letters and digits only, NFKC and case-folded, so that every spelling is one payee.

    Args:
        operation: with the place of the payee.
        document: as for `read_amount`.

    Raises:
        UnreadableValueError: it cannot be read.
    """
    places = (operation.payee_at, operation.payee_form)
    value = _find(document, *places, Reason.PAYEE_MISSING, Reason.PAYEE_MALFORMED, decoded=True)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_SAFE_INTEGER:
        return str(value)
    if not isinstance(value, str):
        raise UnreadableValueError(Reason.PAYEE_MALFORMED)
    return normalize_payee(value)


def normalize_payee(text: str) -> str:
    """Return a payee as it is compared: letters and digits only, NFKC and case-folded.

    Raises:
        UnreadableValueError: it is too long, or has no letter or digit.
    """
    if len(text) > MAX_PAYEE_CHARS:
        raise UnreadableValueError(Reason.PAYEE_MALFORMED)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    payee = "".join(character for character in folded if character.isalnum())
    if not payee:
        raise UnreadableValueError(Reason.PAYEE_MALFORMED)
    return payee


def _find(
    document: object, pointer: str, name: str, missing: Reason, malformed: Reason, *, decoded: bool = False
) -> object:
    """Return the value at a JSON Pointer, or of a form's field: as sent, or decoded."""
    if document is NO_DOCUMENT or isinstance(document, FormDocument) != bool(name):
        raise UnreadableValueError(Reason.BODY_UNREADABLE)
    if isinstance(document, FormDocument):
        field = _field(document, name, missing, malformed)
        return field.value if decoded else field.sent
    try:
        found = resolve_pointer(document, pointer)
    except PointerError:
        raise UnreadableValueError(missing) from None
    if found is None:
        raise UnreadableValueError(missing)
    return found


def _field(document: FormDocument, name: str, missing: Reason, malformed: Reason) -> FormField:
    try:
        return find_field(document, name)
    except FieldError as error:
        raise UnreadableValueError(missing if error.is_missing else malformed) from None


def _number(value: object) -> Decimal:
    """Return a number; refuse booleans, negative numbers, too many digits, and texts that are no plain decimal."""
    if isinstance(value, str):
        if not _DECIMAL.fullmatch(value):
            raise UnreadableValueError(Reason.AMOUNT_MALFORMED)
        return Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise UnreadableValueError(Reason.AMOUNT_MALFORMED)
    if isinstance(value, int) and not 0 <= value < 10**MAX_DIGITS:
        raise UnreadableValueError(Reason.AMOUNT_MALFORMED)
    amount = Decimal(value)
    if not amount.is_finite() or amount.is_signed():
        raise UnreadableValueError(Reason.AMOUNT_MALFORMED)
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -MAX_DIGITS or amount.adjusted() >= MAX_DIGITS:
        raise UnreadableValueError(Reason.AMOUNT_MALFORMED)
    return amount


def _scaled(amount: Decimal, scale: int) -> Decimal:
    """Convert minor units to major ones; a fraction of a minor unit is refused, since apps round it differently."""
    if not scale:
        return amount
    if EXACT.remainder(amount, ONE):
        raise UnreadableValueError(Reason.AMOUNT_MALFORMED)
    return EXACT.scaleb(amount, -scale)
