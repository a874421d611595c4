"""An operation limits amounts in one currency, and one that exists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from authguard.core.request import Limit, Match, Operation
from authguard.policy.checks.currencies import check_currencies

if TYPE_CHECKING:
    from authguard.policy.draft import Draft

PAY = Operation(name="pay", match=Match(path="/pay", method="POST"), amount_at="/a", currency_at="/c")


def found(draft: Draft, *currencies: str, currency: str = "") -> list[str]:
    limits = tuple(Limit(name=f"pay/{at}", amount="5", currency=one) for at, one in enumerate(currencies))
    operation = replace(PAY, limits=limits, currency=currency)
    return [str(one) for one in check_currencies(replace(draft, operations=(operation,)))]


def test_two_currencies_of_one_operation_are_refused_since_no_request_meets_both(standard_draft: Draft) -> None:
    (problem,) = found(standard_draft, "EUR", "USD", "EUR")
    assert "error[limit-currencies]: operation `pay` limits amounts in `EUR` and `USD`" in problem


def test_an_unknown_currency_is_noted_once_with_the_nearest_ones(standard_draft: Draft) -> None:
    (problem,) = found(standard_draft, "EUT", "EUT", currency="EUT")
    assert "note[currency-unknown]: `EUT` is no currency of ISO 4217" in problem
    assert "write `EUR` or `ETB`, or keep it" in problem
    assert "; keep it if requests name it so" in found(standard_draft, "QQQ")[0]


def test_one_known_currency_is_no_problem(standard_draft: Draft) -> None:
    assert found(standard_draft, "EUR", "EUR", currency="EUR") == []
    assert found(standard_draft) == []
