"""The fake clock stands still, and moves only as it is told."""

from __future__ import annotations

import pytest

from authguard.testing import FakeClock


def test_it_stands_still_until_it_is_moved() -> None:
    clock = FakeClock()
    assert [clock.now(), clock.now()] == [1_800_000_000.0, 1_800_000_000.0]


def test_it_advances_by_fractions_of_a_second() -> None:
    clock = FakeClock(10)
    clock.advance(0.25)
    clock.advance(0)
    assert clock.now() == 10.25


def test_it_can_be_set_back_as_a_corrected_machine_clock_is() -> None:
    clock = FakeClock(start=100)
    clock.set(40)
    assert clock.now() == 40.0
    assert repr(clock) == "FakeClock(40.0)"


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_it_does_not_advance_backwards_or_to_nowhere(seconds: float) -> None:
    clock = FakeClock(5)
    with pytest.raises(ValueError, match="seconds"):
        clock.advance(seconds)
    assert clock.now() == 5.0


@pytest.mark.parametrize("time", [float("nan"), float("inf"), float("-inf")])
def test_a_time_is_finite(time: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        FakeClock(time)
    with pytest.raises(ValueError, match="finite"):
        FakeClock().set(time)
