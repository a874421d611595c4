"""Parsers for durations, sizes and money in a policy.

Each parser raises `ValueError` with advice and examples. A number without a unit is refused.
"""

from __future__ import annotations

import re
from typing import Final

_SECONDS_PER_UNIT: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_BYTES_PER_UNIT: Final = {"B": 1, "KiB": 1_024, "MiB": 1_048_576}
DURATION_PATTERN: Final = re.compile(r"(0|[1-9][0-9]{0,8})(ms|s|m|h|d)")
SIZE_PATTERN: Final = re.compile(r"([1-9][0-9]{0,8})(B|KiB|MiB)")
MONEY_PATTERN: Final = re.compile(r"((?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,6})?) ([A-Z]{3})")

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
        ValueError: the value is not an amount of money.
    """
    found = MONEY_PATTERN.fullmatch(typed) if isinstance(typed, str) else None
    if found is None:
        raise ValueError("write an amount and a currency, such as `500 EUR` or `0.50 EUR`")
    return found[1], found[2]


def format_duration(seconds: float) -> str:
    """Format seconds in the largest unit without a fraction: ``15m``, ``12h``, ``500ms``."""
    for unit in ("d", "h", "m", "s"):
        if seconds and seconds % _SECONDS_PER_UNIT[unit] == 0:
            return f"{seconds / _SECONDS_PER_UNIT[unit]:g}{unit}"
    return f"{seconds * 1_000:g}ms"
