"""Checks of the currencies of amounts and limits: known ones, and one for all limits of an operation."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from authguard.core.currency import MINOR_DIGITS
from authguard.policy.problem import Problem, list_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.request import Operation
    from authguard.policy.draft import Draft

#: most currencies in an advice
_MAX_NEAR: Final = 2


def check_currencies(draft: Draft) -> Iterator[Problem]:
    """Check that every currency is known (ISO 4217), and that the limits of an operation have one currency."""
    for index, operation in enumerate(draft.operations):
        path, amounts = f"operations[{index}]", [limit for limit in operation.limits if limit.amount]
        currencies = tuple(dict.fromkeys(limit.currency for limit in amounts))
        for currency in dict.fromkeys([operation.currency, *currencies]):
            if currency and currency not in MINOR_DIGITS:
                yield _unknown(draft, path, operation, currency)
        if len(currencies) > 1:
            message = (
                f"operation `{operation.name}` limits amounts in {list_names(currencies)}:"
                " each request must meet every limit, and no amount has two currencies"
            )
            advice = "keep one currency, or write another operation with another path for the other"
            place = draft.place(f"{path}.limits", path, "operations")
            yield Problem(code="limit-currencies", place=place, message=message, advice=advice)


def _unknown(draft: Draft, path: str, operation: Operation, currency: str) -> Problem:
    """Build the note about a currency that ISO 4217 does not list."""
    found = _find_near(currency)
    near = f"write {list_names(found, last='or')}, or " if found else ""
    paths = [f"{path}.amount"] if currency == operation.currency else []
    paths += [f"{path}.limits[{place}]" for place, limit in enumerate(operation.limits) if limit.currency == currency]
    return Problem(
        code="currency-unknown",
        place=draft.place(*paths, path, "operations"),
        message=f"`{currency}` is no currency of ISO 4217, and an amount in any other currency is refused",
        advice=f"{near}keep it if requests name it so",
        severity="note",
    )


@lru_cache(maxsize=64)
def _find_near(currency: str) -> tuple[str, ...]:
    from difflib import get_close_matches  # noqa: PLC0415 - only a problem needs it

    return tuple(get_close_matches(currency, MINOR_DIGITS, n=_MAX_NEAR, cutoff=0.6))
