"""Tests of durations in words."""

from __future__ import annotations

from math import inf

import pytest

from authguard.policy.schema.units import describe_duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "no time"),
        (0.5, "500 ms"),
        (1.0, "1 s"),
        (90.0, "90 s"),
        (300.0, "5 min"),
        (3_600.0, "1 h"),
        (86_400.0, "1 day"),
        (2_592_000.0, "30 days"),
        (inf, "without end"),
    ],
)
def test_a_duration_is_told_with_its_unit(seconds: float, words: str) -> None:
    assert describe_duration(seconds) == words
