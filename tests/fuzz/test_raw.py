"""Raw bytes at a guarded app under uvicorn: never a 500, never the app undecided, never a route that was not judged.

`make test` sends a seeded slice; `make soak` sets ``AUTHGUARD_FUZZ_EXAMPLES`` and sends more.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.child import Child, statuses
from tests.fuzz.requests import LAST, STREAMS, handshakes
from tests.support.served_app import SILENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = int(os.environ.get("AUTHGUARD_FUZZ_EXAMPLES", "120"))
MANY = 1_000
#: the two parsers of uvicorn, with and without a root path, and its two ways of speaking WebSocket
SERVERS = {
    "httptools": ("--http", "httptools"),
    "h11": ("--http", "h11", "--ws", "websockets"),
    "httptools under a root path": ("--http", "httptools", "--ws", "websockets", "--root-path", "/api"),
    "h11 under a root path": ("--http", "h11", "--root-path", "/api"),
}
FEW = ("httptools", "h11 under a root path")
#: what the older of those two says, before any app is asked, to a key that is not ASCII
SERVERS_OWN = b"Failed to open a WebSocket connection."
BOUNDED = settings(
    max_examples=EXAMPLES,
    database=None,
    deadline=None,
    phases=(Phase.generate, Phase.shrink)[: 1 if "AUTHGUARD_NO_SHRINKING" in os.environ else 2],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module", params=SERVERS if EXAMPLES >= MANY else FEW)
def child(request: pytest.FixtureRequest) -> Iterator[Child]:
    """Run one server for all examples."""
    with Child(*SERVERS[request.param]) as child:
        yield child


def filled(sent: bytes, child: Child, number: int) -> bytes:
    """Put tokens where they belong: of two customers whom no earlier request signed out, the second of them locked."""
    good = child.token(sub=f"customer-{number}")
    other = child.token(sub=f"other-{number}", account_status="locked")
    return sent.replace(b"{good}", good.encode()).replace(b"{other}", other.encode())


@pytest.mark.parametrize("which", ["streams", "handshakes"])
def test_no_bytes_break_the_guard_or_get_around_it(child: Child, which: str) -> None:
    before, seen, taken, numbers = child.runs, set[int](), set[str](), itertools.count()

    @seed(1)
    @BOUNDED
    @given(STREAMS if which == "streams" else handshakes())
    def send(sent: bytes) -> None:
        received = child.exchange(filled(sent, child, next(numbers)), SILENCE)
        answered = statuses(received)
        seen.update(answered)
        assert not {status for status in answered if status >= 500} - {503} or SERVERS_OWN in received, received[:2_000]
        taken.update(run["route"] for run in child.check())

    send()
    assert statuses(child.exchange(LAST)) == [200], "the server lives"
    child.check()
    assert child.runs > before, "nothing of it ever reached the app: then this shows nothing"
    wanted = {"chat", "order", "files", "item", "hidden", "health"} if which == "streams" else {"live"}
    assert wanted <= taken, "some routes were never reached: then this shows little"
    assert {401, 400} <= seen
