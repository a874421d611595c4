"""The store's thread does jobs in their turn, outlives those who leave, and ends with its store."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from authguard.worker import THREAD_NAME, Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60


def threads() -> list[threading.Thread]:
    """List the threads of workers that live."""
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


@pytest.fixture
def worker() -> Iterator[Worker]:
    """Make a worker, and end it."""
    before = set(threads())
    made = Worker()
    yield made
    made.end()
    for thread in set(threads()) - before:
        thread.join(PATIENCE)
        assert not thread.is_alive()


class Slow:
    """A job that does not come back until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.done = threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.go.wait(PATIENCE)
        self.done.set()
        return "slow"


async def until(event: threading.Event) -> None:
    """Wait for a thread's event without keeping the loop from anything."""
    while not event.is_set():  # noqa: ASYNC110 - a thread's event is waited for
        await asyncio.sleep(0)


async def test_jobs_are_done_off_the_loop_in_their_order_by_one_thread(worker: Worker) -> None:
    done: list[tuple[int, int]] = []

    def job(number: int) -> int:
        done.append((number, threading.get_ident()))
        return number

    answers = await asyncio.gather(*(worker.run(lambda number=number: job(number)) for number in range(50)))  # type: ignore[misc]
    assert answers == [number for number, _ in done] == list(range(50))
    assert len({thread for _, thread in done}) == 1
    assert done[0][1] != threading.get_ident()


async def test_what_a_job_raises_is_raised_by_who_asked_and_the_thread_goes_on(worker: Worker) -> None:
    def broken() -> None:
        raise ZeroDivisionError("no")

    with pytest.raises(ZeroDivisionError, match="no"):
        await worker.run(broken)
    assert await worker.run(lambda: 7) == 7


async def test_who_leaves_holds_up_nobody_and_the_job_is_done_all_the_same(worker: Worker) -> None:
    slow = Slow()
    leaving = asyncio.ensure_future(worker.run(slow))
    await until(slow.begun)
    waiting = [asyncio.ensure_future(worker.run(lambda number=number: number)) for number in range(3)]  # type: ignore[misc]
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert await asyncio.gather(*waiting) == [0, 1, 2], "those who waited behind it are served by another thread"
    assert await worker.run(lambda: "after") == "after"
    assert not slow.done.is_set()
    slow.go.set()
    await until(slow.done)


async def test_what_was_not_begun_when_its_caller_left_is_never_done(worker: Worker) -> None:
    before = len(threads())
    slow = Slow()
    done: list[int] = []
    leaving = [asyncio.ensure_future(worker.run(job)) for job in (slow, lambda: done.append(1), lambda: done.append(2))]
    await until(slow.begun)
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    assert await worker.run(lambda: 7) == 7
    assert done == []
    assert len(threads()) == before + 2, "the one that hangs, and the one that serves"
    slow.go.set()


async def test_who_leaves_before_its_turn_changes_nothing_for_the_others(worker: Worker) -> None:
    before = len(threads())
    slow = Slow()
    first = asyncio.ensure_future(worker.run(slow))
    await until(slow.begun)
    leaving, last = (asyncio.ensure_future(worker.run(lambda: "last")) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    slow.go.set()
    assert await first == "slow"
    assert await last == "last"
    assert leaving.cancelled()
    assert len(threads()) == before + 1


async def test_a_worker_that_ended_begins_again_when_it_is_asked(worker: Worker) -> None:
    assert await worker.run(lambda: 1) == 1
    worker.end()
    assert await worker.run(lambda: 2) == 2


async def test_a_worker_that_is_forgotten_ends_its_thread() -> None:
    before = set(threads())
    forgotten = Worker()
    await forgotten.run(lambda: None)
    (thread,) = set(threads()) - before
    del forgotten
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_loop_that_closed_meanwhile_is_no_trouble_to_the_thread(worker: Worker) -> None:
    slow = Slow()

    async def leave() -> None:
        task = asyncio.ensure_future(worker.run(slow))
        await until(slow.begun)
        task.cancel()

    asyncio.run(leave())
    slow.go.set()

    async def again() -> str:
        return await worker.run(lambda: "again")

    assert asyncio.run(again()) == "again"
    assert slow.done.wait(PATIENCE)
