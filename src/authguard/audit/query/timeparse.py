"""Parser of times as people type them: `2h`, `yesterday 14:00`, `22 Nov`, ISO 8601.

Rules:
- A time without a zone is a time of the caller's zone. `Z`, `UTC`, an offset and a zone's name hold as typed.
- A time is accepted as the commands show it: `2026-11-30 14:03:11 +01:00 (13:03:11Z)`.
- An ambiguous time is rejected with advice on what to type: `11/12/2026`, or an hour that the clock skipped.
- An hour that the clock repeated means its first occurrence for the start of a period, and its second for the end.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from datetime import tzinfo

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_UNIT: Final = r"(?:s(?:ecs?|econds?)?|m(?:ins?|inutes?)?|h(?:rs?|ours?)?|d(?:ays?)?|w(?:eeks?)?)"
_COUNT: Final = r"\d{1,6}(?:\.\d{1,3})?|an?(?= )"
_SPAN: Final = re.compile(rf"({_COUNT}) ?({_UNIT})(?![a-z])")
_SPANS: Final = re.compile(rf"(?:(?:{_COUNT}) ?{_UNIT}(?![a-z]) ?(?:and )?)+(?:ago)?")
_EPOCH: Final = re.compile(r"(\d{9,10})(\d{3})?(\.\d{1,6})?")
_CLOCK: Final = re.compile(r"(?:(.*?) ?(?:at )?)?(?:(\d{1,2}):(\d{2})(?::(\d{2}))?|noon|midnight)")
_ZONE: Final = re.compile(
    r"(.+?) ?((?:[A-Za-z_]+/[A-Za-z_/+-]+)|[Uu][Tt][Cc]|[Gg][Mm][Tt]|(?<=[\d ])[Zz]|(?<=[\d ])[+-]\d{2}:\d{2})"
)
#: the time in UTC that the commands show after a local one
_SHOWN_UTC: Final = re.compile(r" \((?:\d{4}-\d{2}-\d{2} )?\d{2}:\d{2}:\d{2}(?:\.\d{3})?Z\)$")
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMED: Final = re.compile(r"(?:(\d{1,2}) ([a-z]{3,9})|([a-z]{3,9}) (\d{1,2}))(?:,? (\d{4}))?")
_DAY: Final = timedelta(days=1)
_MAX_LENGTH: Final = 80
#: examples for error messages
FORMS: Final = (
    "`2h`, `90m`, `3d`, `yesterday`, `monday 14:00`, `22 Nov`, `2026-11-22`, `2026-11-22T09:30`,"
    " `2026-11-22T09:30Z`, `2026-11-22T09:30:00+01:00` or `2026-11-22 09:30 Europe/Berlin`"
)


def parse_time(typed: str, now: float, zone: tzinfo, *, end: bool = False) -> float:
    """Parse a time that a person typed.

    Args:
        typed: duration before now, day by name or date, or time.
        now: epoch seconds UTC.
        zone: zone of a day or a time that names none.
        end: whether a whole day means its end instead of its start.

    Returns:
        Epoch seconds UTC.

    Raises:
        ValueError: the text is none of these; the message lists valid forms and names the zone.
    """
    text = _SHOWN_UTC.sub("", " ".join(typed.split()))
    forms = f"type {FORMS}; a time without a zone is read in {zone}"
    try:
        # no valid time is longer
        return _read(text if len(text) <= _MAX_LENGTH else "", now, zone, end=end)
    except _InvalidTimeError as error:
        raise ValueError(f"`{text[:60]}` {error}; {forms}") from None
    except (ValueError, OverflowError):
        raise ValueError(f"`{typed[:60]}` is not a time; {forms}") from None


class _InvalidTimeError(Exception):
    """A time is invalid for the stated reason."""


def _read(text: str, now: float, zone: tzinfo, *, end: bool) -> float:
    if text.lower() == "now":
        return now
    if _SPANS.fullmatch(text.lower()):
        spans = _SPAN.findall(text.lower())
        return now - sum(float("1" if count in {"a", "an"} else count) * _UNITS[unit[0]] for count, unit in spans)
    if epoch := _EPOCH.fullmatch(text):
        return float(epoch[1] + (f".{epoch[2]}" if epoch[2] else epoch[3] or ""))
    if found := _ZONE.fullmatch(text):
        text, zone = found[1], _zone(found[2])
    today = datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    if (day := _day(text.lower(), today)) is not None:
        return _at(day + _DAY, zone, last=False) - 1e-6 if end else _at(day, zone, last=False)
    clock = _CLOCK.fullmatch(text.lower())
    if clock and (day := _day((clock[1] or "today").rstrip(","), today)) is not None:
        hour = 12 if text.lower().endswith("noon") else int(clock[2] or 0)
        return _at(day.replace(hour=hour, minute=int(clock[3] or 0), second=int(clock[4] or 0)), zone, last=end)
    read = datetime.fromisoformat(text)
    return read.timestamp() if read.tzinfo else _at(read, zone, last=end)


def _zone(name: str) -> tzinfo:
    if name.lower() in {"utc", "gmt", "z"}:
        return UTC
    if name[0] in "+-":
        hours, minutes = int(name[1:3]), int(name[4:])
        return timezone((-1 if name[0] == "-" else 1) * timedelta(hours=hours, minutes=minutes))
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise _InvalidTimeError(f"names the time zone `{name[:40]}`, which this machine does not know") from None


def _day(text: str, today: datetime) -> datetime | None:
    """Parse a day; return None if the text is none."""
    word = text.removeprefix("last ") if text.startswith("last ") else text
    if text in {"today", "yesterday"}:
        return today if text == "today" else today - _DAY
    if len(word) >= 3 and (days := [day for day in _DAYS if day.startswith(word)]):  # noqa: PLR2004 - `mon`
        days_ago = (today.weekday() - _DAYS.index(days[0])) % 7
        return today - timedelta(days=days_ago or (7 if text != word else 0))
    if named := _NAMED.fullmatch(text):
        return _named(int(named[1] or named[4]), named[2] or named[3], named[5], today)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}|\d{8}|\d{4}-?W\d{2}-?\d", text, re.IGNORECASE):
        return datetime.fromisoformat(text.upper())
    if re.fullmatch(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}", text):
        raise _InvalidTimeError("may be two days: write the year first")
    return None


def _named(day: int, month: str, year: str | None, today: datetime) -> datetime | None:
    months = [one for one in _MONTHS if month.startswith(one)]
    if not months:
        return None
    found = today.replace(year=int(year or today.year), month=_MONTHS.index(months[0]) + 1, day=day)
    # a day later than today is last year's
    return found.replace(year=found.year - 1) if not year and found > today else found


def _at(local: datetime, zone: tzinfo, *, last: bool) -> float:
    """Return a local time as a timestamp; of a repeated hour, the first or the last occurrence."""
    found = local.replace(tzinfo=zone, fold=int(last))
    if datetime.fromtimestamp(found.timestamp(), zone).replace(tzinfo=None) != local:
        raise _InvalidTimeError(f"is an hour that the clock skipped in {zone}")
    return found.timestamp()
