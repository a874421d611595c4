"""Times as people type them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from authguard.audit.query.timeparse import parse_time

#: a Sunday
NOW = datetime(2026, 11, 22, 20, 30, 15, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("now", "2026-11-22T20:30:15"),
        ("2h", "2026-11-22T18:30:15"),
        ("90m", "2026-11-22T19:00:15"),
        ("1h30m", "2026-11-22T19:00:15"),
        ("2 hours ago", "2026-11-22T18:30:15"),
        ("3 days", "2026-11-19T20:30:15"),
        ("1w", "2026-11-15T20:30:15"),
        ("15s", "2026-11-22T20:30:00"),
        ("today", "2026-11-22T00:00:00"),
        ("Yesterday", "2026-11-21T00:00:00"),
        ("sunday", "2026-11-22T00:00:00"),
        ("monday", "2026-11-16T00:00:00"),
        ("2026-11-01", "2026-11-01T00:00:00"),
        ("2026-11-01 09:30", "2026-11-01T09:30:00"),
        ("2026-11-01T09:30:00Z", "2026-11-01T09:30:00"),
        ("2026-11-01T09:30:00+01:00", "2026-11-01T08:30:00"),
        ("1793525400", "2026-11-01T09:30:00"),
    ],
)
def test_what_people_type_is_read_as_they_mean_it(typed: str, meant: str) -> None:
    assert parse_time(typed, NOW, UTC) == datetime.fromisoformat(meant).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize("typed", ["today", "yesterday", "2026-11-01", "monday"])
def test_a_day_that_ends_a_period_counts_whole(typed: str) -> None:
    assert parse_time(typed, NOW, UTC, end=True) - parse_time(typed, NOW, UTC) == pytest.approx(86_400, abs=1e-3)


@pytest.mark.parametrize(
    "typed", ["", "soon", "2x", "-2h", "2026-13-01", "99999999999999", "2h yesterday", "h" * 5_000]
)
def test_anything_else_is_refused_with_what_to_type(typed: str) -> None:
    with pytest.raises(ValueError, match="type `2h`"):
        parse_time(typed, NOW, UTC)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2.5h", "2026-11-22T18:00:15"),
        ("1 day and 2 hours ago", "2026-11-21T18:30:15"),
        ("an hour ago", "2026-11-22T19:30:15"),
        ("09:30", "2026-11-22T09:30:00"),
        ("noon", "2026-11-22T12:00:00"),
        ("yesterday 14:00", "2026-11-21T14:00:00"),
        ("yesterday at 14:00:30", "2026-11-21T14:00:30"),
        ("Mon 09:30", "2026-11-16T09:30:00"),
        ("last sunday", "2026-11-15T00:00:00"),
        ("22 Nov 2026", "2026-11-22T00:00:00"),
        ("nov 22, 2025", "2025-11-22T00:00:00"),
        ("24 December", "2025-12-24T00:00:00"),
        ("1 Nov 08:15", "2026-11-01T08:15:00"),
        ("2026-W47-7", "2026-11-22T00:00:00"),
        ("20261122T093000Z", "2026-11-22T09:30:00"),
        ("1793525400000", "2026-11-01T09:30:00"),
        ("2026-11-22 09:30 Europe/Berlin", "2026-11-22T08:30:00"),
        ("2026-07-22 09:30 Europe/Berlin", "2026-07-22T07:30:00"),
        ("today Asia/Tokyo", "2026-11-22T15:00:00"),
        ("2026-11-22T09:30 UTC", "2026-11-22T09:30:00"),
        ("yesterday 14:00Z", "2026-11-21T14:00:00"),
        ("yesterday 14:00 +01:00", "2026-11-21T13:00:00"),
        ("2026-11-22 14:03:11 -05:30", "2026-11-22T19:33:11"),
    ],
)
def test_twenty_more_forms_with_times_of_day_names_of_months_and_time_zones(typed: str, meant: str) -> None:
    assert parse_time(typed, NOW, UTC) == datetime.fromisoformat(meant).replace(tzinfo=UTC).timestamp()


def test_an_hour_that_the_clock_told_twice_is_the_first_for_a_beginning_and_the_second_for_an_end() -> None:
    typed = "2026-10-25 02:30 Europe/Berlin"
    assert parse_time(typed, NOW, UTC, end=True) - parse_time(typed, NOW, UTC) == 3_600


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_a_day_is_as_long_as_it_was_where_the_clocks_changed(day: str, hours: int) -> None:
    typed = f"{day} Europe/Berlin"
    assert parse_time(typed, NOW, UTC, end=True) - parse_time(typed, NOW, UTC) == pytest.approx(hours * 3_600, abs=1e-3)


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("2026-03-29 02:30 Europe/Berlin", "an hour that the clock skipped"),
        ("2026-11-22 09:30 Nowhere/Land", "does not know"),
        ("2026-11-22 ../etc/passwd", "does not know|is no time"),
        ("11/12/2026", "may be two days"),
        ("11.12.2026", "may be two days"),
    ],
)
def test_what_may_mean_two_things_or_none_is_refused_with_the_reason(typed: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_time(typed, NOW, UTC)


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("09:30", "2026-11-22T08:30:00"),
        ("today", "2026-11-21T23:00:00"),
        ("22 Nov 14:03", "2026-11-22T13:03:00"),
        ("2026-07-01", "2026-06-30T22:00:00"),
        ("2026-07-01T12:00", "2026-07-01T10:00:00"),
        ("09:30Z", "2026-11-22T09:30:00"),
        ("2026-07-01T12:00Z", "2026-07-01T12:00:00"),
        ("2026-07-01 12:00 UTC", "2026-07-01T12:00:00"),
        ("2026-07-01 12:00 +03:00", "2026-07-01T09:00:00"),
        ("today Asia/Tokyo", "2026-11-22T15:00:00"),
        ("2h", "2026-11-22T18:30:15"),
    ],
)
def test_a_time_without_a_zone_is_in_the_zone_of_the_person(typed: str, meant: str) -> None:
    assert parse_time(typed, NOW, BERLIN) == datetime.fromisoformat(meant).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("shown", "meant"),
    [
        ("2026-11-22 14:03:11 +01:00 (13:03:11Z)", "2026-11-22T13:03:11"),
        ("2026-11-22 00:03:11 +01:00 (2026-11-21 23:03:11Z)", "2026-11-21T23:03:11"),
        ("2026-11-22 13:03:11Z", "2026-11-22T13:03:11"),
    ],
)
def test_a_time_is_read_as_the_commands_show_it(shown: str, meant: str) -> None:
    assert parse_time(shown, NOW, BERLIN) == datetime.fromisoformat(meant).replace(tzinfo=UTC).timestamp()


def test_in_the_zone_of_the_person_too_a_repeated_hour_is_two_and_a_skipped_hour_is_none() -> None:
    typed = "2026-10-25 02:30"
    assert parse_time(typed, NOW, BERLIN, end=True) - parse_time(typed, NOW, BERLIN) == 3_600
    with pytest.raises(ValueError, match="an hour that the clock skipped in Europe/Berlin"):
        parse_time("2026-03-29 02:30", NOW, BERLIN)


@pytest.mark.parametrize("typed", ["soon", "11/12/2026"])
def test_a_refused_time_states_the_zone_that_is_assumed(typed: str) -> None:
    with pytest.raises(ValueError, match="a time without a zone is read in Europe/Berlin"):
        parse_time(typed, NOW, BERLIN)


@pytest.mark.parametrize("typed", ["14:00 +25:00", "14:00 +99:99"])
def test_an_offset_of_a_day_or_more_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        parse_time(typed, NOW, UTC)
