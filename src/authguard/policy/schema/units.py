"""Durations, sizes and money as a policy writes them: text in, numbers out, nothing guessed.

Each parser raises `ValueError` whose message is an example of what to type; a bare number is never a quantity.
"""

from __future__ import annotations

import re
from typing import Final

_SECONDS_PER_UNIT: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_BYTES_PER_UNIT: Final = {"B": 1, "KiB": 1_024, "MiB": 1_048_576}
DURATION_PATTERN: Final = re.compile(r"(0|[1-9][0-9]{0,8})(ms|s|m|h|d)")
SIZE_PATTERN: Final = re.compile(r"([1-9][0-9]{0,8})(B|KiB|MiB)")
MONEY_PATTERN: Final = re.compile(r"((?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,6})?) ([A-Z]{3})")

#: ten years in seconds: longer than anything that a session, a key or a drill lasts
MAX_DURATION_S: Final = 3_653 * 86_400.0
#: a guard that reads more of a body than this is a way to exhaust it
MAX_SIZE_BYTES: Final = 64 * 1_048_576


def parse_duration(typed: object) -> float:
    """Read ``500ms``, ``30s``, ``15m``, ``12h`` or ``90d``.

    Returns:
        Seconds.

    Raises:
        ValueError: it is no duration, or longer than ten years.
    """
    found = DURATION_PATTERN.fullmatch(typed) if isinstance(typed, str) else None
    seconds = int(found[1]) * _SECONDS_PER_UNIT[found[2]] if found else -1.0
    if not 0.0 <= seconds <= MAX_DURATION_S:
        raise ValueError("write a duration such as `500ms`, `30s`, `15m`, `12h` or `90d`, at most ten years")
    return seconds


def parse_size(typed: object) -> int:
    """Read ``512B``, ``64KiB`` or ``1MiB``.

    Returns:
        Bytes.

    Raises:
        ValueError: it is no size, or more than 64 MiB.
    """
    found = SIZE_PATTERN.fullmatch(typed) if isinstance(typed, str) else None
    amount = int(found[1]) * _BYTES_PER_UNIT[found[2]] if found else 0
    if not 0 < amount <= MAX_SIZE_BYTES:
        raise ValueError("write a size such as `64KiB` or `1MiB`, at most 64MiB")
    return amount


def parse_money(typed: object) -> tuple[str, str]:
    """Read ``500 EUR`` or ``0.50 EUR``; the digits stay text, so that no binary fraction ever rounds them.

    Returns:
        Decimal digits and the currency's three letters (ISO 4217).

    Raises:
        ValueError: it is no amount of money.
    """
    found = MONEY_PATTERN.fullmatch(typed) if isinstance(typed, str) else None
    if found is None:
        raise ValueError("write an amount and a currency, such as `500 EUR` or `0.50 EUR`")
    return found[1], found[2]


def format_duration(seconds: float) -> str:
    """Write seconds as a policy does, in the largest unit that leaves no fraction: ``15m``, ``12h``, ``500ms``."""
    for unit in ("d", "h", "m", "s"):
        if seconds and seconds % _SECONDS_PER_UNIT[unit] == 0:
            return f"{seconds / _SECONDS_PER_UNIT[unit]:g}{unit}"
    return f"{seconds * 1_000:g}ms"
