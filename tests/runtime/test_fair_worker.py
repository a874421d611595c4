"""Jobs run off the event loop, one at a time for each account, and an account has one place in the queue."""

from __future__ import annotations

import asyncio
import threading

import pytest

from authguard.runtime.fair_worker import FairWorker


@pytest.fixture
def worker() -> FairWorker:
    return FairWorker()


async def test_a_job_runs_in_a_thread_and_its_result_comes_back(worker: FairWorker) -> None:
    thread = await worker.run(b"anna", threading.get_ident)

    assert thread != threading.get_ident()
    worker.close()


async def test_an_exception_comes_back_and_the_next_job_runs(worker: FairWorker) -> None:
    def fail() -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        await worker.run(b"anna", fail)
    assert await worker.run(b"anna", lambda: 2) == 2
    worker.close()


async def test_another_account_waits_for_one_job_of_a_busy_one_and_not_for_all(worker: FairWorker) -> None:
    order: list[str] = []
    gate = threading.Event()

    def first() -> None:
        gate.wait(60)
        order.append("anna")

    busy = [asyncio.create_task(worker.run(b"anna", first))]
    busy += [asyncio.create_task(worker.run(b"anna", lambda: order.append("anna"))) for _ in range(5)]
    await asyncio.sleep(0)
    other = asyncio.create_task(worker.run(b"bob", lambda: order.append("bob")))
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(other, *busy)

    assert order.index("bob") == 1
    assert len(order) == 7
    worker.close()


async def test_no_lock_is_kept_for_an_account_without_a_job(worker: FairWorker) -> None:
    for number in range(20):
        await worker.run(b"%d" % number, lambda: None)

    assert not worker._locks
    worker.close()


async def test_a_cancelled_caller_does_not_block_the_accounts_next_job(worker: FairWorker) -> None:
    gate = threading.Event()
    hanging = asyncio.create_task(worker.run(b"anna", lambda: gate.wait(60)))
    await asyncio.sleep(0)
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging

    assert await worker.run(b"anna", lambda: "done") == "done"
    gate.set()
    worker.close()
