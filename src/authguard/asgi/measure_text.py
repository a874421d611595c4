"""Texts for callers whose request could not be measured against its limits: what is missing, and what to send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.outcomes import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.request import Operation

#: reason -> the value that cannot be read
_VALUES: Final[Mapping[Reason, str]] = {
    Reason.AMOUNT_MISSING: "amount",
    Reason.AMOUNT_MALFORMED: "amount",
    Reason.CURRENCY_MISSING: "currency",
    Reason.CURRENCY_MALFORMED: "currency",
    Reason.PAYEE_MISSING: "payee",
    Reason.PAYEE_MALFORMED: "payee",
}
#: reasons with a text, which a reply names in `next.because`
MEASURE_REASONS: Final = frozenset({*_VALUES, Reason.BODY_UNREADABLE, Reason.CURRENCY_REFUSED, Reason.COUNTER_UNKNOWN})


def measure_text(reason: Reason, operation: Operation) -> str:
    """Return what the caller has to send; nothing in it comes from the request.

    Args:
        reason: one of `MEASURE_REASONS`.
        operation: the requested operation.
    """
    if reason is Reason.COUNTER_UNKNOWN:
        return "The access token names no client, which this request is counted by."
    if reason is Reason.CURRENCY_REFUSED:
        currencies = sorted({limit.currency for limit in operation.limits if limit.currency})
        return f"The request is in a currency that is not accepted here; send {' or '.join(currencies)}."
    if reason is Reason.BODY_UNREADABLE:
        if operation.reads_form:
            return (
                "The body is not a form that can be read; send it as `application/x-www-form-urlencoded` or "
                "`multipart/form-data` in UTF-8."
            )
        return "The body is not JSON that can be read; send it as `application/json` in UTF-8, with each name once."
    value = _VALUES[reason]
    return f"The request has no readable {value} {_place(value, operation)}; send {_example(value, operation)}."


def _place(value: str, operation: Operation) -> str:
    pointer = str(getattr(operation, f"{value}_at"))
    return f"at `{pointer}`" if pointer else f"in the form field `{getattr(operation, f'{value}_form')}`"


def _example(value: str, operation: Operation) -> str:
    once = "" if not operation.reads_form else ", once"
    if value == "amount" and operation.scale:
        return f"a whole number of minor units such as 1999{once}"
    examples = {
        "amount": "a decimal number such as 19.99",
        "currency": "three letters such as EUR",
        "payee": "a text with a letter or a digit",
    }
    return examples[value] + once
