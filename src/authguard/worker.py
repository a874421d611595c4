"""A worker thread for blocking jobs of a store or of the log: one at a time, in order, off the event loop.

Handing a job to a waiting thread costs half as much as a thread pool, and this cost dominates a change of state. Event
loops other than asyncio's use the thread pool of anyio.
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

Result = TypeVar("Result")

#: name of the thread, for process monitors
THREAD_NAME: Final = "authguard-worker"


class _Job:
    """A job and the future that receives its result."""

    __slots__ = ("do", "future", "is_started")

    def __init__(self, do: Callable[[], object], future: asyncio.Future[Any]) -> None:
        self.do = do
        self.future = future
        self.is_started = False


class Worker:
    """Runs jobs off the event loop, one at a time, in the order in which they were submitted.

    A caller may be cancelled. Its job is then skipped if it has not started; if it has, it continues, and the jobs
    behind it move to a new thread, so that a hung disk does not block them. Jobs that must not overlap therefore need a
    lock.
    """

    __slots__ = ("__weakref__", "_finalizer", "_jobs", "_limiter")

    def __init__(self) -> None:
        """Create the worker without a thread; the first job starts one."""
        self._jobs: Jobs | None = None
        self._finalizer: finalize[[None], Worker] | None = None
        self._limiter: CapacityLimiter | None = None

    async def run(self, job: Callable[[], Result]) -> Result:
        """Run a job; return its result or raise its exception."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # another event loop than asyncio's
            self._limiter = self._limiter or CapacityLimiter(1)
            return await to_thread.run_sync(job, abandon_on_cancel=True, limiter=self._limiter)
        future: asyncio.Future[Result] = loop.create_future()
        jobs = self._jobs or self._start_thread(SimpleQueue())
        submitted = _Job(job, future)
        jobs.put(submitted)
        try:
            return await future
        except asyncio.CancelledError:
            if submitted.is_started and self._jobs is jobs:
                self._replace_thread(jobs)
            raise

    def end(self) -> None:
        """Stop the thread after the submitted jobs."""
        if self._finalizer is not None:
            self._finalizer()
        self._jobs = self._finalizer = self._limiter = None

    def _start_thread(self, jobs: Jobs) -> Jobs:
        self._jobs = jobs
        self._finalizer = finalize(self, jobs.put, None)
        Thread(target=_work, args=(jobs,), name=THREAD_NAME, daemon=True).start()
        return jobs

    def _replace_thread(self, old: Jobs) -> None:
        """Leave the old thread to its abandoned job, and move the other jobs to a new thread."""
        others: Jobs = SimpleQueue()
        with suppress(Empty):
            while True:
                others.put(old.get_nowait())
        self.end()
        self._start_thread(others)


def _work(jobs: Jobs) -> None:
    """Run jobs in the thread until the stop signal."""
    while True:
        job = jobs.get()
        if job is None:
            return
        if job.future.cancelled():
            continue
        job.is_started = True
        result, error = None, None
        try:
            result = job.do()
        except BaseException as raised:  # noqa: BLE001 - every exception belongs to the caller
            error = raised
        with suppress(RuntimeError):  # the loop is closed: no caller waits
            job.future.get_loop().call_soon_threadsafe(_set_result, job.future, result, error)
        del job, result, error  # do not keep the last job alive until the next one


def _set_result(future: asyncio.Future[object], result: object, error: BaseException | None) -> None:
    """Pass a result to its caller on the loop, unless the caller was cancelled."""
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
