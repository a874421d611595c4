"""An amount is read exactly or not at all; no spelling of it means two numbers, and no payee has two spellings."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.core.amount import MAX_DIGITS, MAX_PAYEE_CHARS, UnreadableValueError, read_amount, read_payee
from authguard.core.outcomes import Reason
from authguard.core.request import Operation
from authguard.formats.strict_json import NO_DOCUMENT, parse_json

PLAIN = Operation(name="pay", amount_at="/amount", currency="EUR", payee_at="/to")
NAMED = Operation(name="pay", amount_at="/amount", currency_at="/currency")
MINOR = Operation(name="pay", amount_at="/amount", currency="EUR", scale=2)


def amount(value: str, operation: Operation = PLAIN) -> Decimal:
    """Read an amount, given as JSON."""
    return read_amount(operation, parse_json(f'{{"amount": {value}}}'.encode()))[0]


def payee(value: object) -> str:
    return read_payee(PLAIN, parse_json(json.dumps({"to": value}).encode()))


def reason_of(operation: Operation, document: object) -> Reason:
    with pytest.raises(UnreadableValueError) as caught:
        read_amount(operation, document)
    return caught.value.reason


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("0", "0"),
        ("12.50", "12.5"),
        ('"12.50"', "12.5"),
        ("0.1", "0.1"),
        ("1e2", "100"),
        ("9" * MAX_DIGITS, "9" * MAX_DIGITS),
        (f'"{"9" * MAX_DIGITS}.{"9" * MAX_DIGITS}"', f"{'9' * MAX_DIGITS}.{'9' * MAX_DIGITS}"),
    ],
)
def test_a_number_and_a_text_of_its_digits_are_the_same_exact_amount(sent: str, read: str) -> None:
    assert amount(sent) == Decimal(read)


def test_tenths_add_up_exactly() -> None:
    assert amount("0.1") + amount("0.2") == amount("0.3")


@pytest.mark.parametrize(
    "sent",
    [
        *('"1e3"', '"+5"', '"-5"', '"1,000"', '".5"', '"5."', '"05"', '" 5"', '"5 "', '""', '"0x10"', '"1_000"'),
        *('"\u0665"', '"\uff15"', '"Infinity"', '"NaN"'),
        *("-5", "-0.0", "true", "[5]", '{"a": 5}', "1e18", "1e-19", "1" + "0" * MAX_DIGITS),
    ],
)
def test_a_value_that_parsers_read_differently_is_refused(sent: str) -> None:
    with pytest.raises(UnreadableValueError) as caught:
        amount(sent)
    assert caught.value.reason is Reason.AMOUNT_MALFORMED
    assert sent.strip('"') not in str(caught.value) or len(sent) < 4, "the message holds no part of the request"


def test_a_missing_amount_and_a_body_that_is_none_have_reasons_of_their_own() -> None:
    assert reason_of(PLAIN, {}) is Reason.AMOUNT_MISSING
    assert reason_of(PLAIN, {"amount": None}) is Reason.AMOUNT_MISSING
    assert reason_of(PLAIN, NO_DOCUMENT) is Reason.BODY_UNREADABLE
    form = Operation(name="pay", amount_form="amount", currency="EUR")
    assert reason_of(form, {"amount": 5}) is Reason.BODY_UNREADABLE, "JSON where a form is expected"


def test_minor_units_are_converted_and_a_fraction_of_one_is_refused() -> None:
    assert amount("1999", MINOR) == Decimal("19.99")
    assert amount("1999.0", MINOR) == Decimal("19.99")
    assert reason_of(MINOR, parse_json(b'{"amount": 1999.5}')) is Reason.AMOUNT_MALFORMED


@pytest.mark.parametrize(("sent", "currency"), [("EUR", "EUR"), ("eur", "EUR")])
def test_a_currency_is_read_in_upper_case(sent: str, currency: str) -> None:
    assert read_amount(NAMED, {"amount": 5, "currency": sent}) == (Decimal(5), currency)


@pytest.mark.parametrize(
    ("currency", "reason"),
    [
        (None, Reason.CURRENCY_MISSING),
        ("EURO", Reason.CURRENCY_MALFORMED),
        ("\uff25UR", Reason.CURRENCY_MALFORMED),
        ("EUR\n", Reason.CURRENCY_MALFORMED),
        (["EUR"], Reason.CURRENCY_MALFORMED),
    ],
)
def test_another_currency_is_refused(currency: object, reason: Reason) -> None:
    assert reason_of(NAMED, {"amount": 5, "currency": currency}) is reason


@pytest.mark.parametrize(
    "spelling",
    ["DE89 3704 0044", "de89-3704-0044", "DE89.3704.0044", "\uff24\uff25893704 0044", "de89\u200b3704\u00a00044"],
)
def test_every_spelling_of_a_payee_is_one_payee(spelling: str) -> None:
    assert payee(spelling) == "de8937040044"


def test_a_number_is_a_payee_if_every_parser_reads_the_same_number() -> None:
    assert payee(7) == payee("7")
    for value in (2**53, -1, True, 1.5):
        with pytest.raises(UnreadableValueError):
            payee(value)


@pytest.mark.parametrize("value", ["", " - ", "x" * (MAX_PAYEE_CHARS + 1), ["a"], {"a": 1}])
def test_a_payee_without_a_letter_or_too_long_is_refused(value: object) -> None:
    with pytest.raises(UnreadableValueError) as caught:
        payee(value)
    assert caught.value.reason is Reason.PAYEE_MALFORMED


@given(st.text(max_size=40))
def test_a_payee_that_is_read_is_its_own_spelling(text: str) -> None:
    try:
        read = payee(text)
    except (UnreadableValueError, ValueError):
        return
    assert payee(read) == read


@given(st.decimals(min_value=0, max_value=10**17, places=4, allow_nan=False, allow_infinity=False))
def test_every_amount_in_range_is_read_as_it_is_written(value: Decimal) -> None:
    assert amount(f'"{value:f}"') == value
