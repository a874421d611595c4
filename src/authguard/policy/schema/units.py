"""Durations, sizes and money as a policy writes them: text in, numbers out, nothing guessed.

Each parser raises `ValueError` whose message is an example of what to type; a bare number is never a quantity.
"""

from __future__ import annotations

import re
from typing import Final

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_BYTES: Final = {"B": 1, "KiB": 1_024, "MiB": 1_048_576}
DURATION: Final = re.compile(r"(0|[1-9][0-9]{0,8})(ms|s|m|h|d)")
SIZE: Final = re.compile(r"([1-9][0-9]{0,8})(B|KiB|MiB)")
MONEY: Final = re.compile(r"((?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,6})?) ([A-Z]{3})")

#: ten years in seconds: longer than anything that a session, a key or a drill lasts
DURATION_BOUND: Final = 3_653 * 86_400.0
#: a guard that reads more of a body than this is a way to exhaust it
SIZE_BOUND: Final = 64 * 1_048_576


def duration(typed: object) -> float:
    """Read ``500ms``, ``30s``, ``15m``, ``12h`` or ``90d``.

    Returns:
        Seconds.

    Raises:
        ValueError: it is no duration, or longer than ten years.
    """
    found = DURATION.fullmatch(typed) if isinstance(typed, str) else None
    seconds = int(found[1]) * _SECONDS[found[2]] if found else -1.0
    if not 0.0 <= seconds <= DURATION_BOUND:
        raise ValueError("write a duration such as `500ms`, `30s`, `15m`, `12h` or `90d`, at most ten years")
    return seconds


def size(typed: object) -> int:
    """Read ``512B``, ``64KiB`` or ``1MiB``.

    Returns:
        Bytes.

    Raises:
        ValueError: it is no size, or more than 64 MiB.
    """
    found = SIZE.fullmatch(typed) if isinstance(typed, str) else None
    amount = int(found[1]) * _BYTES[found[2]] if found else 0
    if not 0 < amount <= SIZE_BOUND:
        raise ValueError("write a size such as `64KiB` or `1MiB`, at most 64MiB")
    return amount


def money(typed: object) -> tuple[str, str]:
    """Read ``500 EUR`` or ``0.50 EUR``; the digits stay text, so that no binary fraction ever rounds them.

    Returns:
        Decimal digits and the currency's three letters (ISO 4217).

    Raises:
        ValueError: it is no amount of money.
    """
    found = MONEY.fullmatch(typed) if isinstance(typed, str) else None
    if found is None:
        raise ValueError("write an amount and a currency, such as `500 EUR` or `0.50 EUR`")
    return found[1], found[2]


def written(seconds: float) -> str:
    """Write seconds as a policy does, in the largest unit that leaves no fraction: ``15m``, ``12h``, ``500ms``."""
    for unit in ("d", "h", "m", "s"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:g}{unit}"
    return f"{seconds * 1_000:g}ms"
