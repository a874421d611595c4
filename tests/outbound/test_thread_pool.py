"""Functions of the app run in bounded threads: results and errors come back, and abandoned calls count."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from authguard.outbound.error import ServiceError
from authguard.outbound.thread_pool import BoundedThreadPool

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_result_and_an_error_come_back_from_another_thread(run: Callable[..., Any]) -> None:
    def add(one: int, other: int) -> tuple[int, int]:
        return one + other, threading.get_ident()

    def fail() -> None:
        raise LookupError("alice")

    async def scene() -> None:
        pool = BoundedThreadPool(2)
        total, thread = await pool.run(add, 1, 2)
        assert (total, thread == threading.get_ident()) == (3, False)
        with pytest.raises(LookupError, match="alice"):
            await pool.run(fail)

    run(scene)


def test_a_call_that_was_abandoned_keeps_its_place_until_it_returns(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        pool, begun, go, ended = BoundedThreadPool(1), threading.Event(), threading.Event(), threading.Event()

        def hang() -> None:
            begun.set()
            go.wait()
            ended.set()

        async with anyio.create_task_group() as group:
            group.start_soon(pool.run, hang)
            while not begun.is_set():
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        with pytest.raises(ServiceError) as caught:
            await pool.run(hang)
        assert (caught.value.cause, caught.value.retryable) == ("busy", False)
        go.set()
        ended.wait()
        while True:  # the place is free when the thread has left the function
            try:
                assert await pool.run(lambda: "fine") == "fine"
            except ServiceError:
                await anyio.lowlevel.checkpoint()
            else:
                break

    run(scene)
