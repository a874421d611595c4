"""Times as people type them: `2h`, `yesterday`, `2026-11-22`, ISO 8601; all of them UTC, as the log shows them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_SPAN: Final = re.compile(r"(?:(\d{1,6})\s*(s|m|h|d|w)(?:ec|ecs|in|ins|our|ours|ay|ays|eek|eeks|econds?|inutes?)?\s*)")
_WHOLE: Final = re.compile(rf"(?:{_SPAN.pattern})+(?:ago)?")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_EPOCH: Final = re.compile(r"\d{9,11}(?:\.\d{1,6})?")
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY: Final = timedelta(days=1)
#: what may be typed, for messages
FORMS: Final = (
    "`2h`, `90m`, `3d`, `yesterday`, `monday`, `2026-11-22`, `2026-11-22T09:30` or `2026-11-22T09:30:00+01:00`"
)


def moment(typed: str, now: float, *, end: bool = False) -> float:  # noqa: PLR0911 - one for each form
    """Read a time that somebody typed.

    Args:
        typed: how long ago, a day by its name or date, or a time; without an offset it is UTC.
        now: epoch seconds UTC.
        end: whether a whole day stands for its end instead of its beginning.

    Returns:
        Epoch seconds UTC.

    Raises:
        ValueError: it is none of these; the message says what to type.
    """
    text = " ".join(typed.lower().split())
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        if text == "now":
            return now
        if text in {"today", "yesterday"}:
            return _day(today if text == "today" else today - _DAY, end=end)
        if text in _DAYS:
            return _day(today - timedelta(days=(today.weekday() - _DAYS.index(text)) % 7), end=end)
        if _WHOLE.fullmatch(text):
            return now - sum(int(count) * _UNITS[unit] for count, unit in _SPAN.findall(text))
        if _EPOCH.fullmatch(text):
            return float(text)
        read = datetime.fromisoformat(typed.strip())
        if _DATE.fullmatch(text):
            return _day(read.replace(tzinfo=UTC), end=end)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"`{typed[:60]}` is no time; type {FORMS}") from None


def _day(begin: datetime, *, end: bool) -> float:
    return (begin + _DAY).timestamp() - 1e-6 if end else begin.timestamp()
