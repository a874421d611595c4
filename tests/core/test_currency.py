"""The currencies are those of ISO 4217 that are in use, with the digits of their minor units."""

from __future__ import annotations

from collections import Counter

from authguard.core.currency import MINOR_DIGITS


def test_each_currency_has_three_capital_letters_and_few_digits() -> None:
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in MINOR_DIGITS)
    assert Counter(MINOR_DIGITS.values()) == {2: 139, 0: 17, 3: 7, 4: 2}


def test_well_known_currencies_have_the_digits_of_the_standard() -> None:
    digits = {"EUR": 2, "USD": 2, "CHF": 2, "JPY": 0, "KRW": 0, "ISK": 0, "KWD": 3, "TND": 3, "CLF": 4}
    assert {code: MINOR_DIGITS[code] for code in digits} == digits


def test_withdrawn_currencies_metals_and_test_codes_are_no_currencies() -> None:
    assert not MINOR_DIGITS.keys() & {"DEM", "HRK", "BGN", "ANG", "ZWL", "XAU", "XTS", "XXX"}
