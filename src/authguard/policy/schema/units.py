"""Parsers for durations, sizes and money in a policy.

Each parser raises `ValueError` with advice and examples. A number without a unit is refused.
"""

from __future__ import annotations

import re
from math import inf
from typing import Final

from authguard.core.currency import MINOR_DIGITS

_SECONDS_PER_UNIT: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_BYTES_PER_UNIT: Final = {"B": 1, "KiB": 1_024, "MiB": 1_048_576}
DURATION_PATTERN: Final = re.compile(r"(0|[1-9][0-9]{0,8})(ms|s|m|h|d)")
SIZE_PATTERN: Final = re.compile(r"([1-9][0-9]{0,8})(B|KiB|MiB)")
MONEY_PATTERN: Final = re.compile(r"((?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,6})?) ([A-Z]{3})")
#: most decimals of an amount whose currency ISO 4217 does not list, such as points
MAX_DECIMALS: Final = 6
_GROUP_DIGITS: Final = 3
#: what people write for an amount: a sign or the letters on either side, with separators of thousands
_MONEY_LIKE: Final = re.compile(
    r"(?P<before>[A-Za-z]{3}|[€£])? ?(?P<number>[0-9]{1,15}(?:[.,' _][0-9]{1,6}){0,5}) ?(?P<after>[A-Za-z]{3}|[€£])?"
)
_SIGNS: Final = {"€": "EUR", "£": "GBP"}

#: ten years in seconds
MAX_DURATION_S: Final = 3_653 * 86_400.0
#: 64 MiB; larger bodies could exhaust the guard's memory
MAX_SIZE_BYTES: Final = 64 * 1_048_576


def parse_duration(typed: object) -> float:
    """Parse ``500ms``, ``30s``, ``15m``, ``12h`` or ``90d``.

    Returns:
        Seconds.

    Raises:
        ValueError: the value is not a duration, or is longer than ten years.
    """
    found = DURATION_PATTERN.fullmatch(typed) if isinstance(typed, str) else None
    seconds = int(found[1]) * _SECONDS_PER_UNIT[found[2]] if found else -1.0
    if not 0.0 <= seconds <= MAX_DURATION_S:
        raise ValueError("write a duration such as `500ms`, `30s`, `15m`, `12h` or `90d`, at most ten years")
    return seconds


def parse_size(typed: object) -> int:
    """Parse ``512B``, ``64KiB`` or ``1MiB``.

    Returns:
        Bytes.

    Raises:
        ValueError: the value is not a size, or is larger than 64 MiB.
    """
    found = SIZE_PATTERN.fullmatch(typed) if isinstance(typed, str) else None
    amount = int(found[1]) * _BYTES_PER_UNIT[found[2]] if found else 0
    if not 0 < amount <= MAX_SIZE_BYTES:
        raise ValueError("write a size such as `64KiB` or `1MiB`, at most 64MiB")
    return amount


def parse_money(typed: object) -> tuple[str, str]:
    """Parse ``500 EUR`` or ``0.50 EUR``; the digits stay text to avoid binary rounding.

    Returns:
        Decimal digits and the currency's three letters (ISO 4217).

    Raises:
        ValueError: the value is not an amount of money, or has more decimals than its currency.
    """
    found = MONEY_PATTERN.fullmatch(typed) if isinstance(typed, str) else None
    if found is None:
        raise ValueError(_correct_money(typed))
    number, currency = found[1], found[2]
    decimals = number.partition(".")[2]
    most = MINOR_DIGITS.get(currency, MAX_DECIMALS)
    if len(decimals) > most:
        rule = f"a point begins decimals, of which `{currency}` has {most or 'none'}"
        if len(decimals) == _GROUP_DIGITS:
            thousands = number.replace(".", "")
            raise ValueError(f"is it {_write_money(thousands, currency)} or {_write_money(number, currency)}? {rule}")
        raise ValueError(f"write {_write_money(number, currency)}: {rule}")
    return number, currency


def _write_money(number: str, currency: str) -> str:
    """Return an amount with the decimals that its currency has, quoted."""
    whole, _, decimals = number.partition(".")
    kept = decimals[: MINOR_DIGITS.get(currency, MAX_DECIMALS)]
    return f"`{whole.lstrip('0') or '0'}{'.' if kept.strip('0') else ''}{kept if kept.strip('0') else ''} {currency}`"


def _correct_money(typed: object) -> str:
    """Return the advice for a text that is no amount, with the amounts that may be meant."""
    found = _MONEY_LIKE.fullmatch(typed) if isinstance(typed, str) else None
    if found is None:
        return "write an amount and a currency, such as `500 EUR` or `0.50 EUR`"
    word = found["before"] or found["after"] or ""
    currency = _SIGNS.get(word, word.upper() or "EUR")
    groups = re.split(r"[^0-9]", found["number"])
    separators = re.sub(r"[0-9]", "", found["number"])
    meant = ["".join(groups)] if all(len(group) == _GROUP_DIGITS for group in groups[1:]) else []
    if separators and separators[-1] in ".," and separators.count(separators[-1]) == 1:
        meant.append("".join(groups[:-1]) + "." + groups[-1])
    shown = " or ".join(dict.fromkeys(_write_money(number, currency) for number in meant))
    return f"write {shown}: digits, a point before decimals, a blank and three letters"


def format_size(size: int) -> str:
    """Format bytes in the largest unit without a fraction: ``64KiB``, ``1MiB``, ``512B``."""
    for unit in ("MiB", "KiB"):
        if size and size % _BYTES_PER_UNIT[unit] == 0:
            return f"{size // _BYTES_PER_UNIT[unit]}{unit}"
    return f"{size}B"


def format_duration(seconds: float) -> str:
    """Format seconds in the largest unit without a fraction: ``15m``, ``12h``, ``500ms``."""
    for unit in ("d", "h", "m", "s"):
        if seconds and seconds % _SECONDS_PER_UNIT[unit] == 0:
            return f"{seconds / _SECONDS_PER_UNIT[unit]:g}{unit}"
    return f"{seconds * 1_000:g}ms"


_WORDS: Final = (("d", "day", "days"), ("h", "h", "h"), ("m", "min", "min"), ("s", "s", "s"))


def describe_duration(seconds: float) -> str:
    """Return seconds in words for a reader: ``5 min``, ``1 day``, ``500 ms``; ``no time`` and ``without end``."""
    if seconds == inf:
        return "without end"
    for unit, one, several in _WORDS:
        number = seconds / _SECONDS_PER_UNIT[unit]
        if number and number.is_integer():
            return f"{number:,.0f} {one if number == 1 else several}"
    return f"{seconds * 1_000:,.0f} ms" if seconds else "no time"
