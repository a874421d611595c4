"""Functions that a condition asks: whatever they do, the guard gets a listed value or `unavailable`, in time."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from authguard.core.own_conditions import UNAVAILABLE, OwnCondition
from authguard.directories.condition import ConditionFunction
from tests.support.harness import signed_in

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_000_000.0
SANCTIONS = OwnCondition(
    name="sanctions",
    kind="call",
    call="desk.sanctions:screen",
    values=("clear", "match", UNAVAILABLE),
    labels={"clear": "clear", "match": "match", "true": "match"},
    timeout=0.05,
    max_age=60.0,
)


def source_of(function: Callable[..., Any], **declared: Any) -> ConditionFunction:
    """Return a source with one function."""
    return ConditionFunction(replace(SANCTIONS, **declared), function)


async def ask(source: ConditionFunction, at: float = NOW, subject: str = "alice") -> str:
    """Ask about one account."""
    return await source.start(signed_in(subject, at=NOW).principal, at).wait()


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("clear", "clear"),
        (True, "match"),
        ("CLEAR", UNAVAILABLE),
        (UNAVAILABLE, UNAVAILABLE),
        ("", UNAVAILABLE),
        (None, UNAVAILABLE),
        (["clear"], UNAVAILABLE),
        ({"clear": 1}, UNAVAILABLE),
        ("clear" * 1_000, UNAVAILABLE),
        pytest.param(2**40_000, UNAVAILABLE, id="huge"),
        (object(), UNAVAILABLE),
    ],
)
async def test_only_a_listed_answer_is_a_value(answer: object, value: str) -> None:
    assert await ask(source_of(lambda *_: answer)) == value


async def test_an_answer_is_used_again_for_its_maximum_age_and_no_longer() -> None:
    asked: list[tuple[str, str]] = []

    async def screen(issuer: str, subject: str) -> str:
        asked.append((issuer, subject))
        return "clear"

    source = source_of(screen)
    for at in (NOW, NOW + 59.9, NOW + 60):
        assert await ask(source, at) == "clear"
    assert await ask(source, NOW, "bob") == "clear"
    assert [subject for _, subject in asked] == ["alice", "alice", "bob"]
    fresh = source_of(screen, max_age=0.0)
    for _ in range(2):
        await ask(fresh)
    assert len(asked) == 5


async def test_a_call_that_raises_is_unavailable_and_is_asked_again() -> None:
    asked: list[int] = []

    def screen(*_: str) -> str:
        asked.append(1)
        raise LookupError("alice is unknown")

    source = source_of(screen)
    assert [await ask(source), await ask(source)] == [UNAVAILABLE] * 2
    assert len(asked) == 2


async def test_a_call_that_hangs_is_unavailable_after_its_timeout() -> None:
    async def screen(*_: str) -> str:
        await asyncio.Event().wait()
        return "clear"

    assert await ask(source_of(screen)) == UNAVAILABLE


async def test_a_call_that_blocks_its_thread_does_not_block_the_loop_and_counts_against_the_maximum() -> None:
    gate = threading.Event()
    threads: list[int] = []

    def screen(*_: str) -> str:
        threads.append(threading.get_ident())
        gate.wait(60)
        return "clear"

    source = source_of(screen, max_concurrency=1)
    try:
        assert await ask(source) == UNAVAILABLE
        assert await ask(source, subject="bob") == UNAVAILABLE  # its one thread still hangs
        assert threads
        assert threading.get_ident() not in threads
        assert len(threads) == 1
    finally:
        gate.set()


async def test_a_flood_asks_once_for_an_account_and_a_bounded_number_of_accounts() -> None:
    gate = asyncio.Event()
    asked: list[str] = []

    async def screen(_: str, subject: str) -> str:
        asked.append(subject)
        await gate.wait()
        return "clear"

    source = source_of(screen, max_concurrency=2, timeout=60.0)
    people = ["alice", "bob", "carol", "dave"] * 25
    pending = [source.start(signed_in(one, at=NOW).principal, NOW) for one in people]
    gate.set()
    values = dict(zip(people, [await one.wait() for one in pending], strict=True))
    assert values == {"alice": "clear", "bob": "clear", "carol": UNAVAILABLE, "dave": UNAVAILABLE}
    assert sorted(asked) == ["alice", "bob"]


async def test_an_open_breaker_is_unavailable_without_a_call() -> None:
    answers = [RuntimeError("down"), RuntimeError("down"), "clear"]
    asked: list[int] = []

    def screen(*_: str) -> object:
        asked.append(1)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    source = source_of(screen, failures=2, open_for=30.0)
    assert [await ask(source, NOW + second) for second in (0, 1, 2)] == [UNAVAILABLE] * 3
    assert len(asked) == 2
    assert await ask(source, NOW + 32) == "clear"


async def test_closing_ends_the_calls_in_progress() -> None:
    async def screen(*_: str) -> str:
        await asyncio.Event().wait()
        return "clear"

    source = source_of(screen, timeout=60.0)
    await source.open()
    pending = source.start(signed_in(at=NOW).principal, NOW)
    await source.close()
    assert await pending.wait() == UNAVAILABLE
