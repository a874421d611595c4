"""The cache of calls: bounded, and an error is never an answer."""

from __future__ import annotations

from authguard.directories.cached_call import MAX_CACHED_ACCOUNTS, CachedCall, CallBounds, wait
from authguard.outbound.error import ServiceError
from authguard.ports import Unreachable

BOUNDS = CallBounds(max_age=60.0, failures=0, open_for=0.0, max_concurrency=1)
NOW = 1_000_000.0


async def test_the_longest_unused_answer_is_dropped_first() -> None:
    calls: CachedCall[int] = CachedCall(BOUNDS)

    async def count() -> int:
        return len(calls._cached)

    accounts = [number.to_bytes(4, "big") for number in range(MAX_CACHED_ACCOUNTS + 2)]
    for account in accounts:
        await wait(calls.start(account, count, NOW))
    assert len(calls._cached) == MAX_CACHED_ACCOUNTS
    assert accounts[1] not in calls._cached
    assert accounts[2] in calls._cached


async def test_an_error_has_its_cause_and_is_not_stored() -> None:
    calls: CachedCall[int] = CachedCall(BOUNDS)
    errors: list[Exception] = [ServiceError("nonsense"), ValueError("secret")]

    async def fail() -> int:
        raise errors.pop(0)

    assert await wait(calls.start(b"a", fail, NOW)) == Unreachable("nonsense")
    assert await wait(calls.start(b"a", fail, NOW)) == Unreachable("error")
    assert not errors
