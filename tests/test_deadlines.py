"""Deadlines of the guard are long in tests, whichever module sets them and however it imports them."""

from __future__ import annotations

import re
from pathlib import Path

import anyio

import authguard
from authguard.outbound import retry
from tests.support.deadlines import LONG

SOURCE = Path(authguard.__file__).parent
#: a name that `tests.support.deadlines` cannot replace, or a deadline that is not anyio's
BY_NAME = re.compile(
    r"from anyio import .*\b(?:fail_after|fail_at|move_on_after|move_on_at)\b|asyncio\.(?:wait_for|timeout)\("
)


def test_every_deadline_is_set_by_a_name_that_the_tests_replace() -> None:
    found = [
        f"{path.relative_to(SOURCE)}: {line}"
        for path in sorted(SOURCE.rglob("*.py"))
        for line in path.read_text("utf-8").splitlines()
        if BY_NAME.search(line)
    ]
    assert found == []


async def test_the_default_deadline_of_a_call_is_long() -> None:
    async def remaining() -> float:
        return anyio.current_effective_deadline() - anyio.current_time()

    assert await retry.call_with_retries(remaining, timeout=1.5) > LONG / 2
