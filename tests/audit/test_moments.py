"""Times as people type them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from authguard.audit.moments import moment

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
    assert moment(typed, NOW) == datetime.fromisoformat(meant).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize("typed", ["today", "yesterday", "2026-11-01", "monday"])
def test_a_day_that_ends_a_period_counts_whole(typed: str) -> None:
    assert moment(typed, NOW, end=True) - moment(typed, NOW) == pytest.approx(86_400, abs=1e-3)


@pytest.mark.parametrize(
    "typed", ["", "soon", "2x", "-2h", "2026-13-01", "99999999999999", "2h yesterday", "h" * 5_000]
)
def test_anything_else_is_refused_with_what_to_type(typed: str) -> None:
    with pytest.raises(ValueError, match="type `2h`"):
        moment(typed, NOW)
