"""An error of a service has a closed cause, and no repeat helps unless it says so."""

from __future__ import annotations

from authguard.outbound.error import ServiceError


def test_an_error_is_permanent_and_shows_its_cause_unless_it_says_more() -> None:
    error = ServiceError("refused")
    assert (str(error), error.retryable, error.retry_after) == ("refused", False, -1.0)
    error = ServiceError("refused", detail="responds with status 503", retryable=True, retry_after=3.0)
    assert (str(error), error.cause, error.retryable, error.retry_after) == (
        "responds with status 503",
        "refused",
        True,
        3.0,
    )
