"""Opening hours: weekly spans of wall time in a time zone.

Rules of this file:
- An instant becomes wall time, never the reverse, so clock changes need no rule: a time of day that occurs twice is
  open twice, and one that is left out is never reached.
- A span ``[start, end)`` belongs to the day on which it begins. ``22:00-02:30`` ends on the following day, also if that
  day is an exception.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

DAYS: Final = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
MINUTES_PER_DAY: Final = 1_440
MINUTES_PER_WEEK: Final = 7 * MINUTES_PER_DAY
#: maximum spans of one value, and dates without any
MAX_SPANS: Final = 64
MAX_EXCEPTIONS: Final = 400
#: longest look ahead for the next change; a value that does not change until then is asked for again
HORIZON_S: Final = 32 * 86_400

_DAY: Final = "|".join(DAYS)
_DAYS: Final = rf"(?:{_DAY})(?:-(?:{_DAY}))?"
_TIMES: Final = r"(?:[01]\d|2[0-3]):[0-5]\d-(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)"
_SPANS: Final = rf"{_DAYS}(?:,{_DAYS})* {_TIMES}(?:,{_TIMES})*"
#: the written form of the spans of one value
SPANS_PATTERN: Final = rf"{_SPANS}(?:; ?{_SPANS})*"
#: the written form of a date
DATE_PATTERN: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
#: names of areas and `UTC`; not the copies with leap seconds, nor the zone of the machine
ZONE_PATTERN: Final = r"UTC|(?!posix/|right/)[A-Za-z_]{1,32}(?:/[A-Za-z0-9_+-]{1,32}){1,2}"
_ADVICE: Final = "write days and times such as `Mo-Fr 08:00-18:00; Sa 09:00-13:00`"


class Span(Struct, frozen=True, order=True):
    """A span of wall time in every week.

    Attributes:
        day: on which it begins, 0 for Monday.
        start: minute of the day.
        end: minute of that day after the last one; more than `MINUTES_PER_DAY` on the following day.
    """

    day: int
    start: int
    end: int


class OpeningHours(Struct, frozen=True, kw_only=True):
    """Values of a condition by the time of the week.

    Attributes:
        zone: name of the time zone (IANA).
        periods: each value with its spans; no moment is in the spans of two values.
        closed: ordinals of the dates on which no span begins (`datetime.date.toordinal`).
        default: value outside all spans.
    """

    zone: str
    periods: tuple[tuple[str, tuple[Span, ...]], ...]
    closed: frozenset[int] = frozenset()
    default: str


def load_zone(name: str) -> ZoneInfo:
    """Return a time zone.

    Raises:
        ValueError: there is none of this name.
    """
    try:
        if re.fullmatch(ZONE_PATTERN, name):
            return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # a folder of the database is an `OSError`
        pass
    raise ValueError(f"there is no time zone `{name}`")


def parse_spans(text: str) -> tuple[Span, ...]:
    """Parse spans such as ``Mo-Fr 08:00-12:00,13:00-18:00; Sa 22:00-02:30``.

    Raises:
        ValueError: the text has another form; the message is the advice.
    """
    if not re.fullmatch(SPANS_PATTERN, text):
        raise ValueError(_ADVICE)
    found: set[Span] = set()
    for part in text.split(";"):
        days, _, times = part.strip().partition(" ")
        for start, end in map(_parse_times, times.split(",")):
            found.update(Span(day, start, end) for day in _parse_days(days))
    if len(found) > MAX_SPANS:
        raise ValueError(f"write at most {MAX_SPANS} spans")
    return tuple(sorted(found))


def parse_date(text: str) -> int:
    """Parse ``2026-12-25`` to its ordinal.

    Raises:
        ValueError: there is no such date; the message is the advice.
    """
    try:
        if re.fullmatch(DATE_PATTERN, text):
            return date.fromisoformat(text).toordinal()
    except ValueError:
        pass
    raise ValueError("write a date such as `2026-12-25`")


def format_spans(spans: Iterable[Span]) -> str:
    """Return spans in their written form, days with the same times together."""
    times: dict[int, list[str]] = {}
    for span in sorted(spans):
        times.setdefault(span.day, []).append(f"{_format_minute(span.start)}-{_format_minute(span.end)}")
    days: dict[str, list[int]] = {}
    for day, listed in times.items():
        days.setdefault(",".join(listed), []).append(day)
    return "; ".join(f"{_format_days(listed)} {text}" for text, listed in days.items())


def find_overlap(first: Iterable[Span], second: Iterable[Span]) -> str:
    """Return a moment of the week in spans of both, as ``Mo 08:00``; empty if there is none."""
    for one in first:
        for other in second:
            for shift in (-MINUTES_PER_WEEK, 0, MINUTES_PER_WEEK):
                begin = one.day * MINUTES_PER_DAY
                offset = other.day * MINUTES_PER_DAY + shift - begin
                start = max(one.start, other.start + offset)
                if start < min(one.end, other.end + offset):
                    return _format_moment((begin + start) % MINUTES_PER_WEEK)
    return ""


def value_at(hours: OpeningHours, at: float) -> str:
    """Return the value at an instant.

    Args:
        hours: with a known zone.
        at: epoch seconds UTC.
    """
    wall = datetime.fromtimestamp(at, ZoneInfo(hours.zone))
    return _value_of(hours, wall.toordinal(), wall.weekday(), wall.hour * 60 + wall.minute)


def value_of_day(hours: OpeningHours, day: int, minute: int) -> str:
    """Return the value at a minute of a weekday (0 for Monday) that no exception concerns."""
    return _value_of(hours, -1, day, minute)


def value_on(hours: OpeningHours, ordinal: int, minute: int) -> str:
    """Return the value at a minute of a date, by its ordinal."""
    return _value_of(hours, ordinal, (ordinal - 1) % 7, minute)


def next_change(hours: OpeningHours, at: float) -> float:
    """Return the moment until which the value of an instant holds.

    Args:
        hours: with a known zone.
        at: epoch seconds UTC.

    Returns:
        The next change of the value, epoch seconds UTC, at most `HORIZON_S` later.
    """
    zone, value, moment = ZoneInfo(hours.zone), value_at(hours, at), int(at // 1)
    marks = sorted({0, *find_marks(hours)})
    limit = moment + HORIZON_S
    while moment < limit:
        wall = datetime.fromtimestamp(moment, zone)
        elapsed = wall.hour * 3_600 + wall.minute * 60 + wall.second
        following = next((mark * 60 for mark in marks if mark * 60 > elapsed), 86_400)
        # midnight is a mark, so this is at most a day, in which a zone changes its offset once
        until = moment + following - elapsed
        if datetime.fromtimestamp(until, zone).utcoffset() != wall.utcoffset():
            until = _find_shift(zone, moment, until)
        moment = until
        if value_at(hours, moment) != value:
            return float(moment)
    return float(limit)


def holds_until(hours: OpeningHours, values: Container[str], at: float) -> float:
    """Return the first moment after an instant whose value is none of some values, at most `HORIZON_S` later.

    Args:
        hours: with a known zone.
        values: among them the value at the instant.
        at: epoch seconds UTC.
    """
    moment = at
    while moment < at + HORIZON_S:
        moment = read_hours(hours, moment)[1]
        if value_at(hours, moment) not in values:
            return moment
    return moment


@lru_cache(maxsize=256)  # a value is asked for in each request, and holds for hours
def _holding(hours: OpeningHours, minute: int) -> tuple[str, float]:
    return value_at(hours, minute * 60), next_change(hours, minute * 60)


def read_hours(hours: OpeningHours, at: float) -> tuple[str, float]:
    """Return the value at an instant and the moment until which it holds; cached for each minute.

    Args:
        hours: with a known zone.
        at: epoch seconds UTC.
    """
    value, until = _holding(hours, int(at // 60))
    # an offset of seconds, as before standard time, puts a change within a minute
    return (value, until) if at < until else (value_at(hours, at), next_change(hours, at))


def _value_of(hours: OpeningHours, ordinal: int, day: int, minute: int) -> str:
    before = (day - 1) % 7
    for value, spans in hours.periods:
        for span in spans:
            if span.day == day and span.start <= minute < span.end and ordinal not in hours.closed:
                return value
            if span.day == before and minute + MINUTES_PER_DAY < span.end and ordinal - 1 not in hours.closed:
                return value
    return hours.default


def find_marks(hours: OpeningHours) -> Iterator[int]:
    """Yield every minute of a day at which a span begins or ends."""
    for _, spans in hours.periods:
        for span in spans:
            yield span.start
            yield span.end % MINUTES_PER_DAY


def _find_shift(zone: ZoneInfo, before: int, after: int) -> int:
    """Return the first second of the offset that a zone has at the second of two instants."""
    offset = datetime.fromtimestamp(before, zone).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after


def _parse_days(text: str) -> Iterator[int]:
    for part in text.split(","):
        first, _, last = part.partition("-")
        begin = DAYS.index(first)
        length = (DAYS.index(last or first) - begin) % 7
        yield from ((begin + place) % 7 for place in range(length + 1))


def _parse_times(text: str) -> tuple[int, int]:
    start, end = (int(time[:2]) * 60 + int(time[3:]) for time in text.split("-"))
    if start == end:
        raise ValueError(f"`{text}` has no length; write `00:00-24:00` for a whole day")
    return start, end if end > start else end + MINUTES_PER_DAY


def _format_minute(minute: int) -> str:
    minute = minute if minute <= MINUTES_PER_DAY else minute - MINUTES_PER_DAY
    return f"{minute // 60:02}:{minute % 60:02}"


def _format_moment(minute: int) -> str:
    return f"{DAYS[minute // MINUTES_PER_DAY]} {_format_minute(minute % MINUTES_PER_DAY)}"


def _format_days(days: list[int]) -> str:
    """Return days of the week in order, consecutive ones as a range."""
    runs: list[list[int]] = []
    for day in days:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ",".join(DAYS[run[0]] if len(run) == 1 else f"{DAYS[run[0]]}-{DAYS[run[-1]]}" for run in runs)
