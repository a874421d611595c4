"""The system clock tells the time in epoch seconds."""

from __future__ import annotations

from authguard.clock import SystemClock


def test_the_clock_gives_seconds() -> None:
    assert SystemClock.now() > 1_700_000_000
