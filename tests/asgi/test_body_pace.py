"""The pace of a body: a slow client's progress counts, and a client that stalls or trickles comes to an end.

Time is that of trio's `MockClock`, which jumps to the next deadline, so that nothing here waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from authguard.asgi.body import TIMERS_PER_IDLE_TIMEOUT, BodyLimits, BodyReader
from authguard.core.outcomes import Reason
from authguard.core.sections import Budget
from authguard.evaluation.request import Body, BodyFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: the limits of a policy that says nothing
LIMITS = BodyLimits(
    max_bytes=Budget().body,
    idle_timeout=Budget().body_idle_timeout,
    min_rate=Budget().body_min_rate,
    timeout=Budget().body_timeout,
)
SCOPE: dict[str, Any] = {"type": "http", "path": "/pay", "raw_path": b"/pay", "query_string": b"", "headers": []}
FOREVER = 1e9
#: seconds by which a body may end later than its limits say
SLACK = LIMITS.idle_timeout / TIMERS_PER_IDLE_TIMEOUT


def read(parts: Iterable[tuple[float, bytes]], *, ends: bool = True) -> tuple[Body | BodyFailure, float]:
    """Read a body whose parts each arrive after a number of seconds; return the result and the seconds that it took."""
    taken: list[Any] = []

    async def run() -> None:
        coming: Iterator[tuple[float, bytes]] = iter(parts)

        async def receive() -> dict[str, Any]:
            for seconds, part in coming:
                await anyio.sleep(seconds)
                return {"type": "http.request", "body": part, "more_body": True}
            if not ends:
                await anyio.sleep(FOREVER)
            return {"type": "http.request", "body": b"", "more_body": False}

        started = anyio.current_time()
        result = await BodyReader(SCOPE, receive, LIMITS).read()
        taken.extend((result, anyio.current_time() - started))

    trio.run(run, clock=MockClock(autojump_threshold=0))
    return taken[0], taken[1]


def drip(seconds: float, part: bytes = b"x") -> Iterator[tuple[float, bytes]]:
    """Send a part every few seconds, for ever."""
    while True:
        yield seconds, part


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([(0.1, b"x" * 10_000)] * 30, id="300 KB in 3 s"),
        pytest.param([(2.0, b"x" * 10_000)] * 30, id="300 KB in a minute"),
        pytest.param([(9.5, b""), (0.0, b"x" * 60_000), (9.5, b"x" * 10)], id="a tunnel at the beginning and the end"),
        pytest.param([(1.0, b"x" * 1_100)] * 110, id="just above the minimum rate"),
        pytest.param([(0.0, b"x")] * 5_000, id="single bytes without a pause"),
    ],
)
def test_a_slow_client_that_gets_on_is_read(parts: list[tuple[float, bytes]]) -> None:
    result, seconds = read(parts)
    assert isinstance(result, Body)
    assert result.content == b"".join(part for _, part in parts)
    assert seconds == pytest.approx(sum(pause for pause, _ in parts))


@pytest.mark.parametrize(
    ("parts", "within"),
    [
        pytest.param(lambda: iter(()), 11, id="nothing"),
        pytest.param(lambda: iter([(0.0, b"x" * 100_000)]), 11, id="a start, and then nothing"),
        pytest.param(lambda: drip(3), 11.1, id="a byte every three seconds"),
        pytest.param(lambda: drip(0.5), 11.1, id="two bytes a second"),
        pytest.param(lambda: drip(1, b""), 11.1, id="empty parts"),
        pytest.param(lambda: drip(1, b"x" * 900), 101, id="just below the minimum rate"),
        pytest.param(lambda: drip(9.9, b"x" * 50_000), 120, id="as late as it may, within the rate"),
        pytest.param(lambda: drip(1, b"x" * 2_000), 120, id="a body without an end"),
    ],
)
def test_a_client_that_stalls_or_trickles_comes_to_an_end(
    parts: Callable[[], Iterator[tuple[float, bytes]]], within: float
) -> None:
    result, seconds = read(parts(), ends=False)
    assert result == BodyFailure(Reason.BODY_TIMEOUT)
    assert seconds <= within


@given(st.lists(st.tuples(st.floats(0, 15), st.integers(0, 5_000)), max_size=60))
def test_the_three_limits_are_all_that_ends_a_body(sent: list[tuple[float, int]]) -> None:
    result, seconds = read([(pause, b"x" * size) for pause, size in sent])
    now = size = 0.0
    lateness = 0.0
    for pause, more in sent:
        due = min(now + LIMITS.idle_timeout, LIMITS.idle_timeout + size / LIMITS.min_rate, LIMITS.timeout)
        lateness = max(lateness, now + pause - due)
        now, size = now + pause, size + more
    assert seconds <= LIMITS.timeout + 1e-6
    if lateness < -1e-6:
        assert isinstance(result, Body)
    if lateness > SLACK:
        assert result == BodyFailure(Reason.BODY_TIMEOUT)
