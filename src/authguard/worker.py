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
from weakref import finalize, ref

from anyio import CapacityLimiter, to_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    #: ``None`` ends the thread
    Jobs = SimpleQueue["_Job | None"]

Result = TypeVar("Result")

#: name of the thread, for process monitors
THREAD_NAME: Final = "authguard-worker"


class _Job(asyncio.Future[Any]):
    """The result of a job, as its caller awaits it.

    Attributes:
        is_started: whether the thread has begun the job.
    """

    def __init__(self, do: Callable[[], object], worker: Worker, jobs: Jobs, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.do = do
        self.is_started = False
        self._worker = ref(worker)  # a result must not keep the thread alive
        self._jobs = jobs

    def cancel(self, msg: Any = None) -> bool:  # noqa: ANN401 - as asyncio declares it
        """Abandon the job: skip it, or if it has begun, leave the thread to it."""
        cancelled = super().cancel(msg)
        worker = self._worker()
        if cancelled and self.is_started and worker is not None:
            # not at once: callers behind it may be cancelled in the same turn of the loop
            self.get_loop().call_soon(worker.replace_thread, self._jobs)
        return cancelled


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

    def run(self, job: Callable[[], Result]) -> Awaitable[Result]:
        """Run a job; the awaitable returns its result or raises its exception."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # another event loop than asyncio's
            self._limiter = self._limiter or CapacityLimiter(1)
            return to_thread.run_sync(job, abandon_on_cancel=True, limiter=self._limiter)
        jobs = self._jobs or self._start_thread(SimpleQueue())
        submitted = _Job(job, self, jobs, loop)
        jobs.put(submitted)
        return submitted

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

    def replace_thread(self, old: Jobs) -> None:
        """Leave a thread to its abandoned job, and move its other jobs to a new thread, unless that was done."""
        if self._jobs is not old:
            return
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
        if job.cancelled():
            continue
        job.is_started = True
        result, error = None, None
        try:
            result = job.do()
        except BaseException as raised:  # noqa: BLE001 - every exception belongs to the caller
            error = raised
        with suppress(RuntimeError):  # the loop is closed: no caller waits
            job.get_loop().call_soon_threadsafe(_set_result, job, result, error)
        del job, result, error  # do not keep the last job alive until the next one


def _set_result(future: asyncio.Future[object], result: object, error: BaseException | None) -> None:
    """Pass a result to its caller on the loop, unless the caller was cancelled."""
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
