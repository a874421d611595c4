"""Tests of opening hours: spans, clock changes, exceptions, and the next change at any moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authguard.core.opening_hours import (
    HORIZON_S,
    OpeningHours,
    Span,
    find_overlap,
    format_spans,
    load_zone,
    next_change,
    parse_date,
    parse_spans,
    read_hours,
    value_at,
    value_of_day,
    value_on,
)

BERLIN = "Europe/Berlin"
DESK = "Mo-Fr 08:00-18:00; Sa 09:00-13:00"
#: zone, and a day with a clock change in it, by the hour of UTC from which the test looks around
CHANGES = [
    (BERLIN, "2026-03-28T12:00"),  # 02:00 to 03:00
    (BERLIN, "2026-10-24T12:00"),  # 03:00 to 02:00
    ("America/New_York", "2026-03-08T00:00"),
    ("America/New_York", "2026-11-01T00:00"),
    ("Australia/Lord_Howe", "2026-04-04T06:00"),  # by half an hour
    ("Australia/Lord_Howe", "2026-10-03T06:00"),
    ("America/Santiago", "2026-09-05T18:00"),  # at midnight
    ("Asia/Kathmandu", "2026-10-24T12:00"),  # none, and an offset of 5:45
]


def hours(text: str, zone: str = BERLIN, *closed: str, **others: str) -> OpeningHours:
    """Return hours with the value `open`, and others."""
    periods = tuple((name, parse_spans(spans)) for name, spans in {"open": text, **others}.items())
    return OpeningHours(zone=zone, periods=periods, closed=frozenset(map(parse_date, closed)), default="closed")


def at(text: str, zone: str = "UTC") -> float:
    """Return an instant."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("moment", "value"),
    [
        ("2026-11-30T07:59:59", "closed"),
        ("2026-11-30T08:00", "open"),
        ("2026-11-30T17:59:59", "open"),
        ("2026-11-30T18:00", "closed"),
        ("2026-12-05T09:00", "open"),
        ("2026-12-05T13:00", "closed"),
        ("2026-12-06T10:00", "closed"),
    ],
)
def test_a_span_holds_from_its_start_until_before_its_end(moment: str, value: str) -> None:
    assert value_at(hours(DESK), at(moment, BERLIN)) == value


def test_a_span_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    night = hours("Fr 22:00-02:30", BERLIN, "2026-12-25")
    assert value_at(night, at("2026-12-05T02:29", BERLIN)) == "open"
    assert value_at(night, at("2026-12-05T02:30", BERLIN)) == "closed"
    assert value_at(night, at("2026-12-04T01:00", BERLIN)) == "closed"  # Thursday's night
    assert value_at(night, at("2026-12-26T01:00", BERLIN)) == "closed"  # the exception's own night
    assert value_at(hours("Th 22:00-02:30", BERLIN, "2026-12-25"), at("2026-12-25T01:00", BERLIN)) == "open"


def test_sunday_night_reaches_monday() -> None:
    assert value_at(hours("Su 22:00-02:30"), at("2026-11-30T01:00", BERLIN)) == "open"


def test_no_span_begins_on_an_exception() -> None:
    desk = hours(DESK, BERLIN, "2026-12-25")
    assert value_at(desk, at("2026-12-25T10:00", BERLIN)) == "closed"
    assert value_at(desk, at("2026-12-24T10:00", BERLIN)) == "open"
    assert next_change(desk, at("2026-12-24T18:00", BERLIN)) == at("2026-12-26T09:00", BERLIN)


def test_a_time_that_occurs_twice_is_open_twice_and_one_left_out_never() -> None:
    early = hours("Su 02:00-03:00")
    twice = at("2026-10-25T00:00")
    assert [value_at(early, twice + minutes * 60) for minutes in (-1, 0, 59, 60, 119, 120)] == [
        *("closed", "open", "open", "open", "open", "closed"),
    ]
    never = at("2026-03-28T23:00")
    assert {value_at(early, never + minutes * 60) for minutes in range(240)} == {"closed"}


@pytest.mark.parametrize(("zone", "day"), CHANGES)
@pytest.mark.parametrize("text", ["Mo-Su 02:15-02:45", "Mo-Su 23:30-00:30", "Sa 22:00-02:30", "Mo-Su 01:00-03:00"])
def test_the_next_change_is_the_first_minute_with_another_value(zone: str, day: str, text: str) -> None:
    spans, start = hours(text, zone), at(day)
    values = [value_at(spans, start + minute * 60) for minute in range(3 * 1_440)]
    for minute in range(0, 1_440, 7):
        moment = start + minute * 60 + 0.5
        later = [place for place in range(minute, len(values)) if values[place] != values[minute]]
        if later:
            assert next_change(spans, moment) == start + later[0] * 60


@given(
    zone=st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]),
    spans=st.lists(
        st.builds(lambda day, start, length: Span(day, start, start + length), st.integers(0, 6), st.integers(0, 1_439),
                  st.integers(1, 1_439)),
        min_size=1,
        max_size=4,
    ),
    moment=st.integers(1_700_000_000, 1_900_000_000),
)  # fmt: skip
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_value_holds_until_its_next_change(zone: str, spans: list[Span], moment: int) -> None:
    open_hours = OpeningHours(zone=zone, periods=(("open", tuple(spans)),), default="closed")
    value, until = read_hours(open_hours, moment)
    assert value == value_at(open_hours, moment)
    assert moment < until == next_change(open_hours, moment)
    for place in range(40):
        assert value_at(open_hours, moment + (until - moment) * place / 40) == value
    assert value_at(open_hours, until - 1) == value
    if until < moment - 60 + HORIZON_S:
        assert value_at(open_hours, until) != value


def test_hours_that_never_change_are_asked_for_again() -> None:
    start = at("2026-11-30T08:00")
    assert next_change(hours("Mo-Su 00:00-24:00"), start) == start + HORIZON_S


def test_a_reading_after_its_cached_minute_is_made_anew() -> None:
    desk = hours(DESK)
    end = at("2026-11-30T18:00", BERLIN)
    assert read_hours(desk, end - 0.001) == ("open", end)
    assert read_hours(desk, end) == ("closed", at("2026-12-01T08:00", BERLIN))
    # Monrovia's offset had seconds before 1972, so that its minutes begin within those of UTC
    old = hours("Mo-Su 08:00-09:00", "Africa/Monrovia")
    first = datetime(1970, 6, 1, 8, 44, 30, tzinfo=UTC).timestamp()
    assert [read_hours(old, first + second)[0] for second in (-1, 0)] == ["closed", "open"]


@pytest.mark.parametrize(
    "text",
    [
        *("", "Mo", "08:00-18:00", "Mo 8:00-18:00", "Mo 08:00-24:30", "Mo 24:00-08:00", "Mo 08:60-09:00"),
        *("Xx 08:00-09:00", "Mo-Fr 08:00-18:00;", "Mo 08:00-08:00", "mo 08:00-09:00", "Mo 08:00-18:00\n", "Mo-Fr"),
    ],
)  # fmt: skip
def test_malformed_spans_are_refused_with_advice(text: str) -> None:
    with pytest.raises(ValueError, match="write "):
        parse_spans(text)


def test_too_many_spans_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 64"):
        parse_spans("Mo-Su " + ",".join(f"{hour:02}:00-{hour:02}:30" for hour in range(10)))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (DESK, DESK),
        ("Fr-Mo 22:00-02:30", "Mo,Fr-Su 22:00-02:30"),
        ("Mo,We 08:00-12:00,13:00-18:00", "Mo,We 08:00-12:00,13:00-18:00"),
        ("Mo-Su 00:00-24:00", "Mo-Su 00:00-24:00"),
        ("Su 09:00-10:00;Sa 09:00-10:00", "Sa-Su 09:00-10:00"),
    ],
)
def test_spans_have_one_written_form(text: str, written: str) -> None:
    assert format_spans(parse_spans(text)) == written
    assert parse_spans(written) == parse_spans(text)


def test_an_overlap_of_two_values_is_found_with_its_moment() -> None:
    assert find_overlap(parse_spans("Mo-Fr 08:00-18:00"), parse_spans("Fr 17:00-20:00")) == "Fr 17:00"
    assert find_overlap(parse_spans("Su 22:00-02:30"), parse_spans("Mo 01:00-02:00")) == "Mo 01:00"
    assert find_overlap(parse_spans("Mo 01:00-02:00"), parse_spans("Su 22:00-02:30")) == "Mo 01:00"
    assert not find_overlap(parse_spans("Mo 08:00-12:00"), parse_spans("Mo 12:00-18:00"))


def test_a_minute_of_a_weekday_has_the_value_of_an_ordinary_week() -> None:
    desk = hours(DESK, BERLIN, "2026-12-25")
    assert value_of_day(desk, 4, 600) == "open"
    assert value_of_day(desk, 6, 600) == "closed"


def test_a_minute_of_a_date_has_its_exceptions() -> None:
    desk, christmas = hours(DESK, BERLIN, "2026-12-25"), parse_date("2026-12-25")
    values = [value_on(desk, christmas + day, 600) for day in (-1, 0, 1, 2, 3)]
    assert values == ["open", "closed", "open", "closed", "open"]


@pytest.mark.parametrize("name", ["Europe/Berlim", "Europe", "localtime", "right/Europe/Berlin", "../etc/passwd", ""])
def test_unknown_zones_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        load_zone(name)


@pytest.mark.parametrize("name", ["UTC", BERLIN, "America/Argentina/Buenos_Aires"])
def test_known_zones_load(name: str) -> None:
    assert load_zone(name).utcoffset(datetime(2026, 1, 1, tzinfo=UTC)) is not timedelta.max


@pytest.mark.parametrize("text", ["2026-13-01", "20261225", "2026-02-30", "25.12.2026"])
def test_malformed_dates_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write a date"):
        parse_date(text)
