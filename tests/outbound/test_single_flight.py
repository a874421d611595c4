"""Callers share one call and its end, whatever happens to one of them, on both event loops and after a lost one."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from authguard.outbound.single_flight import Call, CallCancelledError, SingleFlight

if TYPE_CHECKING:
    from collections.abc import Callable


class Work:
    """A call that waits for `gate`, counts itself, and returns or raises `result`."""

    def __init__(self, result: object = "fine") -> None:
        self.result = result
        self.calls = 0
        self.gate = anyio.Event()

    async def __call__(self) -> object:
        self.calls += 1
        await self.gate.wait()
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


async def _ask(
    flight: SingleFlight[str, object], work: Work, key: str = "a", found: list[object] | None = None
) -> None:
    try:
        said: object = await flight.start(key, work).wait()
    except Exception as error:  # noqa: BLE001 - is the result
        said = error
    if found is not None:
        found.append(said)


@pytest.mark.parametrize("result", ["fine", None, LookupError("not found")])
def test_many_callers_share_one_call_and_its_result_or_exception(run: Callable[..., Any], result: object) -> None:
    async def scene() -> None:
        flight, work, found = SingleFlight[str, object](9), Work(result), []
        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(_ask, flight, work, "a", found)
            await anyio.wait_all_tasks_blocked()
            assert (len(flight), work.calls) == (1, 1)
            work.gate.set()
        assert found == [result] * 100
        assert work.calls == 1
        assert len(flight) == 0
        if isinstance(result, Exception):
            frames, trace = 0, result.__traceback__
            while trace is not None:
                frames, trace = frames + 1, trace.tb_next
            assert frames < 10, "a hundred callers do not add their frames to one traceback"

    run(scene)


def test_the_next_call_starts_after_the_end_of_one_and_other_keys_do_not_wait(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        flight, work = SingleFlight[str, object](9), Work()
        work.gate.set()
        for _ in range(2):
            assert await flight.start("a", work).wait() == "fine"
        assert await flight.start("b", work).wait() == "fine"
        assert work.calls == 3
        assert flight.find("a") is None

    run(scene)


@pytest.mark.parametrize("others", [0, 3])
def test_a_caller_that_is_cancelled_cancels_neither_the_call_nor_the_others(
    run: Callable[..., Any], others: int
) -> None:
    async def scene() -> None:
        flight, work, found = SingleFlight[str, object](9), Work(), []
        async with anyio.create_task_group() as group:
            with anyio.CancelScope() as first:
                group.start_soon(_ask, flight, work)
                for _ in range(others):
                    group.start_soon(_ask, flight, work, "a", found)
                await anyio.wait_all_tasks_blocked()
                first.cancel()
                await _ask(flight, work)
            call = flight.find("a")
            assert first.cancelled_caught
            assert call is not None
            work.gate.set()
            assert await call.wait() == "fine"
        assert (found, work.calls) == (["fine"] * others, 1)

    run(scene)


def test_the_number_of_keys_is_bounded(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        flight, work = SingleFlight[str, object](2), Work()
        for key in "ab":
            assert not flight.is_full
            flight.start(key, work)
        assert flight.is_full
        assert flight.find("a") is not None
        work.gate.set()
        call = flight.find("b")
        assert call is not None
        await call.wait()
        assert not flight.is_full

    run(scene)


def test_closing_cancels_the_calls_and_tells_every_caller(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        flight, work, found = SingleFlight[str, object](9), Work(), []
        async with anyio.create_task_group() as group:
            for key in "aab":
                group.start_soon(_ask, flight, work, key, found)
            await anyio.wait_all_tasks_blocked()
            await flight.close(60.0)
            await anyio.wait_all_tasks_blocked()
        assert [type(one) for one in found] == [CallCancelledError] * 3
        work.gate.set()
        assert await flight.start("a", work).wait() == "fine"

    run(scene)


def test_closing_waits_a_bounded_time_for_a_call_that_does_not_end(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        flight, go = SingleFlight[str, object](9), anyio.Event()

        async def stubborn() -> None:
            with anyio.CancelScope(shield=True):
                await go.wait()

        call = flight.start("a", stubborn)
        await anyio.wait_all_tasks_blocked()
        await flight.close(0.01)
        assert not call.done.is_set()
        go.set()
        await call.done.wait()

    run(scene)


def test_context_variables_of_the_first_caller_reach_the_call(run: Callable[..., Any]) -> None:
    person: ContextVar[str] = ContextVar("person", default="")

    async def scene() -> None:
        person.set("alice")

        async def work() -> object:
            return person.get()

        assert await SingleFlight[str, object](9).start("a", work).wait() == "alice"

    run(scene)


def test_a_call_whose_event_loop_ended_blocks_nobody_and_does_not_count() -> None:
    flight = SingleFlight[str, object](1)

    async def begin() -> Call[object]:
        return flight.start("a", Work())

    async def scene() -> object:
        assert flight.find("a") is None
        assert not flight.is_full
        work = Work("new")
        work.gate.set()
        return await flight.start("a", work).wait()

    async def end(call: Call[object]) -> None:
        call.cancel()
        await call.done.wait()

    left = asyncio.new_event_loop()
    try:
        call = left.run_until_complete(begin())  # stops while the call is in progress
        assert anyio.run(scene) == "new"
        assert not call.done.is_set()
        left.run_until_complete(end(call))
    finally:
        left.close()
    assert len(flight) == 0
