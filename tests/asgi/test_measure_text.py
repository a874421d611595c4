"""A caller learns what to send instead, and nothing of the request or of the limits' amounts."""

from __future__ import annotations

import pytest

from authguard.asgi.measure_text import MEASURE_REASONS, measure_text
from authguard.core.outcomes import Reason
from authguard.core.request import Limit, Operation

LIMITS = (
    Limit(name="", amount="500", currency="EUR", per=86_400.0),
    Limit(name="", amount="700", currency="USD", per=86_400.0),
)
JSON = Operation(name="pay", amount_at="/sum", currency_at="/currency", payee_at="/to", limits=LIMITS)
FORM = Operation(name="pay", amount_form="sum", currency_form="cur", payee_form="to", limits=LIMITS)
MINOR = Operation(name="pay", amount_at="/cents", currency="EUR", scale=2)


@pytest.mark.parametrize("operation", [JSON, FORM], ids=["json", "form"])
@pytest.mark.parametrize("reason", sorted(MEASURE_REASONS, key=lambda one: one.code))
def test_every_reason_has_a_sentence_without_the_amounts_of_limits(reason: Reason, operation: Operation) -> None:
    text = measure_text(reason, operation)

    assert text.endswith(".")
    assert "500" not in text
    assert "700" not in text


@pytest.mark.parametrize(
    ("reason", "operation", "words"),
    [
        (Reason.AMOUNT_MISSING, JSON, ("amount at `/sum`", "19.99")),
        (Reason.AMOUNT_MALFORMED, MINOR, ("amount at `/cents`", "minor units", "1999")),
        (Reason.AMOUNT_MISSING, FORM, ("in the form field `sum`", "once")),
        (Reason.CURRENCY_MALFORMED, JSON, ("currency at `/currency`", "EUR")),
        (Reason.PAYEE_MISSING, FORM, ("in the form field `to`",)),
        (Reason.BODY_UNREADABLE, JSON, ("application/json",)),
        (Reason.BODY_UNREADABLE, FORM, ("application/x-www-form-urlencoded",)),
        (Reason.CURRENCY_REFUSED, JSON, ("send EUR or USD",)),
        (Reason.COUNTER_UNKNOWN, JSON, ("client",)),
    ],
)
def test_the_text_names_the_place_and_an_example(reason: Reason, operation: Operation, words: tuple[str, ...]) -> None:
    text = measure_text(reason, operation)

    assert all(word in text for word in words), text
