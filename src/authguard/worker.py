"""One thread for all that may wait in a store, or in the log: jobs in their turn, and the event loop stays free.

A hop to a thread that already waits costs half of one through a pool, and a change of state is mostly that hop. Under
another event loop than asyncio's the pool of anyio serves.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import finalize

from anyio import CapacityLimiter, to_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    #: ``None`` ends the thread
    Jobs = SimpleQueue["_Job | None"]

Answer = TypeVar("Answer")

#: how the thread is called, for whoever looks at a process from outside
NAME: Final = "authguard-worker"


class _Job:
    """One job, and whom to tell what came of it."""

    __slots__ = ("begun", "do", "told")

    def __init__(self, do: Callable[[], object], told: asyncio.Future[Any]) -> None:
        self.do = do
        self.told = told
        self.begun = False


class Worker:
    """Does jobs off the event loop, one at a time, in the order in which they came.

    A caller may leave. A job that was not begun is then not done; one that was goes on, and those behind it get another
    thread, so that they are held up by no disk that hangs. Jobs that must not overlap therefore need a lock.
    """

    __slots__ = ("__weakref__", "_ending", "_jobs", "_limiter")

    def __init__(self) -> None:
        """Begin without a thread; the first job starts one."""
        self._jobs: Jobs | None = None
        self._ending: finalize[[None], Worker] | None = None
        self._limiter: CapacityLimiter | None = None

    async def run(self, job: Callable[[], Answer]) -> Answer:
        """Have a job done, and give its answer or raise what it raised."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # not asyncio's loop
            self._limiter = self._limiter or CapacityLimiter(1)
            return await to_thread.run_sync(job, abandon_on_cancel=True, limiter=self._limiter)
        told: asyncio.Future[Answer] = loop.create_future()
        jobs = self._jobs or self._begin(SimpleQueue())
        mine = _Job(job, told)
        jobs.put(mine)
        try:
            return await told
        except asyncio.CancelledError:
            if mine.begun and self._jobs is jobs:
                self._begin_anew(jobs)
            raise

    def end(self) -> None:
        """Let the thread end once it has done what was asked of it."""
        if self._ending is not None:
            self._ending()
        self._jobs = self._ending = self._limiter = None

    def _begin(self, jobs: Jobs) -> Jobs:
        self._jobs = jobs
        self._ending = finalize(self, jobs.put, None)
        Thread(target=_work, args=(jobs,), name=NAME, daemon=True).start()
        return jobs

    def _begin_anew(self, left: Jobs) -> None:
        """Leave a thread to the job that nobody waits for any more, and give the others another one."""
        others: Jobs = SimpleQueue()
        with suppress(Empty):
            while True:
                others.put(left.get_nowait())
        self.end()
        self._begin(others)


def _work(jobs: Jobs) -> None:
    """Do jobs until told to end; in the thread."""
    while True:
        job = jobs.get()
        if job is None:
            return
        if job.told.cancelled():
            continue
        job.begun = True
        answer, raised = None, None
        try:
            answer = job.do()
        except BaseException as error:  # noqa: BLE001 - it is the caller's, whatever it is
            raised = error
        with suppress(RuntimeError):  # the loop was closed meanwhile: nobody is left to be told
            job.told.get_loop().call_soon_threadsafe(_tell, job.told, answer, raised)
        del job, answer, raised  # what was done is not held until the next job comes


def _tell(told: asyncio.Future[object], answer: object, raised: BaseException | None) -> None:
    """Tell what came of a job, unless its caller has left; on the loop."""
    if told.done():
        return
    if raised is None:
        told.set_result(answer)
    else:
        told.set_exception(raised)
