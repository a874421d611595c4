"""A breaker opens after failures in a row, lets one probe through, and depends on no clock that goes forwards."""

from __future__ import annotations

from authguard.outbound.circuit_breaker import CLOCK_TOLERANCE_S, CircuitBreaker


def opened(at: float = 100.0) -> CircuitBreaker:
    breaker = CircuitBreaker(failures=2, open_for=30.0)
    for _ in range(2):
        assert breaker.allow(at)
        breaker.record(at, succeeded=False)
    return breaker


def test_it_opens_after_failures_in_a_row_only() -> None:
    breaker = CircuitBreaker(failures=2, open_for=30.0)
    for succeeded in (False, True, False):
        assert breaker.allow(100.0)
        breaker.record(100.0, succeeded=succeeded)
    assert breaker.allow(100.0)
    breaker.record(100.0, succeeded=False)
    assert not breaker.allow(100.0)
    assert not breaker.allow(129.9)


def test_without_a_number_of_failures_it_never_opens() -> None:
    breaker = CircuitBreaker(failures=0, open_for=30.0)
    for _ in range(100):
        breaker.record(1.0, succeeded=False)
        assert breaker.allow(1.0)


def test_one_probe_is_let_through_and_decides() -> None:
    breaker = opened()
    assert breaker.allow(130.0)
    assert not breaker.allow(131.0), "the probe is under way"
    breaker.record(131.0, succeeded=False)
    assert not breaker.allow(160.9)
    assert breaker.allow(161.0)
    breaker.record(161.0, succeeded=True)
    assert breaker.allow(161.0)
    assert breaker.allow(161.0)


def test_a_probe_that_was_cancelled_is_followed_by_the_next_and_one_that_never_reports_after_a_while() -> None:
    breaker = opened()
    assert breaker.allow(130.0)
    breaker.abandon()
    assert breaker.allow(130.0)
    assert not breaker.allow(159.9)  # lost with its event loop
    assert breaker.allow(160.0)


def test_an_abandoned_call_does_not_close_it() -> None:
    breaker = opened()
    breaker.abandon()
    assert not breaker.allow(110.0)


def test_a_clock_that_steps_back_keeps_none_out_for_longer_and_requests_out_of_order_are_none() -> None:
    assert opened().allow(50.0)
    assert not opened().allow(100.0 - CLOCK_TOLERANCE_S)
