"""Exactly one side decides about a write, and a cancelled caller waits for a commit that has begun."""

from __future__ import annotations

import asyncio
from threading import Barrier, Thread

import anyio
import anyio.lowlevel
import pytest

from authguard.stores.cancellation import Write, reraise_cancellation


def test_the_first_side_decides_and_the_other_learns_it() -> None:
    guard = Write[int](lambda _: 1)

    assert [guard.decide() for _ in range(3)] == [True, False, False]


def test_of_many_threads_exactly_one_decides() -> None:
    for _ in range(50):
        guard, together, won = Write[int](lambda _: 1), Barrier(4), list[bool]()

        def claim(guard: Write[int] = guard, together: Barrier = together, won: list[bool] = won) -> None:
            together.wait()
            won.append(guard.decide())

        threads = [Thread(target=claim) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(won) == [False, False, False, True]


async def test_a_cancelled_caller_waits_until_the_worker_is_done() -> None:
    guard = Write[int](lambda _: 1)
    seen: list[bool] = []

    async def caller() -> None:
        try:
            await asyncio.sleep(3_600)
        finally:
            await guard.wait_finished(60)
            seen.append(guard.finished)

    task = asyncio.create_task(caller())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not seen, "the commit has not ended"
    guard.finished = True
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == [True]


async def test_a_worker_that_hangs_is_not_waited_for_for_ever() -> None:
    guard = Write[int](lambda _: 1)

    await guard.wait_finished(0.0)

    assert not guard.finished


async def test_a_cancellation_is_raised_again_at_the_next_await() -> None:
    went_on: list[str] = []

    async def caller() -> None:
        try:
            await asyncio.sleep(3_600)
        except asyncio.CancelledError as cancellation:
            reraise_cancellation(cancellation)
        went_on.append("after the commit")
        await asyncio.sleep(0)
        went_on.append("too far")

    task = asyncio.create_task(caller())
    await asyncio.sleep(0)
    task.cancel("stop")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert went_on == ["after the commit"]
    assert task.cancelling() == 1, "one cancellation counts once"


async def test_a_cancelled_scope_cancels_again_without_help() -> None:
    async def caller(scope: anyio.CancelScope) -> None:
        with scope:
            try:
                scope.cancel()
                await anyio.lowlevel.checkpoint()
            except asyncio.CancelledError as cancellation:
                reraise_cancellation(cancellation)
            await anyio.lowlevel.checkpoint()
            raise AssertionError("it went on after its scope was cancelled")

    scope = anyio.CancelScope()
    task = asyncio.create_task(caller(scope))
    await task
    assert scope.cancelled_caught
    assert task.cancelling() == 0, "the task itself was not cancelled"
