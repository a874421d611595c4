"""A body that the guard reads reaches the app complete, in any number of parts, and takes little more memory."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from authguard.asgi.body import MAX_PARTS, BodyLimits, BodyReader
from authguard.evaluation.request import Body

LIMITS = BodyLimits(max_bytes=1_048_576, idle_timeout=600, min_rate=1, timeout=600)


def reader(parts: list[bytes]) -> BodyReader:
    """Build a reader of a body in these parts, after which the client disconnects."""
    coming = iter(parts)
    left = len(parts)

    async def receive() -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": next(coming), "more_body": left > 0}

    scope: dict[str, Any] = {"type": "http", "path": "/pay", "raw_path": b"/pay", "query_string": b"", "headers": []}
    return BodyReader(scope, receive, LIMITS)


@pytest.mark.parametrize("count", [1, 2, MAX_PARTS - 1, MAX_PARTS, MAX_PARTS + 1, 3 * MAX_PARTS + 7])
async def test_the_app_hears_every_byte_once_and_the_end_once(count: int) -> None:
    parts = [b"%d," % number for number in range(count)]
    whole = reader(parts)
    read = await whole.read()
    assert isinstance(read, Body)
    assert read.content == b"".join(parts)
    receive = whole.replay()
    heard = [await receive()]
    while heard[-1]["type"] == "http.request":
        heard.append(await receive())
    assert b"".join(message["body"] for message in heard[:-1]) == read.content
    assert [message["more_body"] for message in heard[:-1]] == [True] * (len(heard) - 2) + [False]


async def test_single_bytes_do_not_cost_hundreds_each() -> None:
    whole = reader([b"x"] * 100_000)
    tracemalloc.start()
    try:
        await whole.read()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 2_000_000, f"100,000 bytes are kept in {kept:,}"
