"""Group commit: one fsync for all who wait, none of whom can hurt another, on both event loops."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint

from authguard.audit.write import flusher
from authguard.audit.write.flusher import Flusher
from authguard.errors import AuditError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

#: seconds after which a test that hangs fails; none waits for it
PATIENCE = 300


class Disk:
    """A file whose syncs the test holds back, counts and fails."""

    def __init__(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fd = os.open(file, os.O_WRONLY | os.O_CREAT)
        self.written = 1
        self.syncs = 0
        self.started = threading.Semaphore(0)
        self.gate = threading.Semaphore(0)
        self.fails = False
        self.flusher = Flusher(lambda: (self.fd, self.written))
        self._fsync = os.fsync
        monkeypatch.setattr(flusher.os, "fsync", self.sync)

    def sync(self, fd: int) -> None:
        if threading.current_thread().name == "authguard-checkpoints":
            # a log of an earlier test may still be signed in this process, and is none of ours
            self._fsync(fd)
            return
        self.syncs += 1
        self.started.release()
        assert self.gate.acquire(timeout=PATIENCE)
        if self.fails:
            raise OSError(5, "Input/output error")
        self._fsync(fd)

    async def until_begun(self) -> None:
        """Wait, without blocking the loop, until a sync is in its thread."""
        while not self.started.acquire(blocking=False):
            await checkpoint()


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    made = Disk(tmp_path / "file", monkeypatch)
    yield made
    os.close(made.fd)


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[], Awaitable[None]]], None]:
    """Run a test's coroutine on one of the two loops, bounded."""

    async def bounded(test: Callable[[], Awaitable[None]]) -> None:
        with anyio.fail_after(PATIENCE):
            await test()

    return lambda test: anyio.run(bounded, test, backend=request.param)


Run = "Callable[[Callable[[], Awaitable[None]]], None]"


def test_one_sync_serves_all_who_wait_and_one_more_those_who_came_during_it(run: Run, disk: Disk) -> None:
    done: list[int] = []

    async def wait(position: int) -> None:
        await disk.flusher.wait(position)
        done.append(position)

    async def test() -> None:
        disk.written = 10
        async with anyio.create_task_group() as group:
            for position in range(1, 11):
                group.start_soon(wait, position)
            await disk.until_begun()
            disk.written = 15
            for position in range(11, 16):
                group.start_soon(wait, position)
            await checkpoint()
            assert done == []
            disk.gate.release()
            await disk.until_begun()
            disk.gate.release()
        assert sorted(done) == list(range(1, 16))
        assert disk.syncs == 2

    run(test)


def test_what_is_durable_already_waits_for_nothing(run: Run, disk: Disk) -> None:
    async def test() -> None:
        disk.gate.release()
        await disk.flusher.wait(1)
        await disk.flusher.wait(1)
        assert disk.syncs == 1

    run(test)


def test_a_failed_sync_fails_all_whom_it_covered_for_ever_and_nobody_later(run: Run, disk: Disk) -> None:
    async def refused(position: int) -> None:
        with pytest.raises(AuditError, match="durable"):
            await disk.flusher.wait(position)

    async def test() -> None:
        disk.written, disk.fails = 3, True
        async with anyio.create_task_group() as group:
            for position in (1, 2, 3):
                group.start_soon(refused, position)
            await disk.until_begun()
            disk.gate.release()
        disk.fails = False
        await refused(2)
        assert disk.syncs == 1
        disk.written = 4
        disk.gate.release()
        await disk.flusher.wait(4)
        await refused(3)
        disk.flusher.mark_lost(4)
        await disk.flusher.wait(4)
        disk.flusher.mark_lost(5)
        await refused(3)

    run(test)


def test_who_leaves_hurts_nobody_and_only_one_thread_syncs(
    run: Run, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []

    async def look(seconds: float) -> None:
        looks.append(seconds)
        await checkpoint()

    monkeypatch.setattr(flusher.anyio, "sleep", look)

    async def test() -> None:
        async with anyio.create_task_group() as others:
            async with anyio.create_task_group() as leader:
                leader.start_soon(disk.flusher.wait, 1)
                await disk.until_begun()
                others.start_soon(disk.flusher.wait, 1)
                await checkpoint()
                leader.cancel_scope.cancel()
            # the disk hangs: whoever waits can leave, and none begins another sync
            for _ in range(50):
                with anyio.move_on_after(0) as scope:
                    await disk.flusher.wait(1)
                assert scope.cancelled_caught
            assert disk.syncs == 1
            assert set(looks) == {flusher.POLL_INTERVAL_S}
            disk.gate.release()
        assert disk.syncs == 1
        await disk.flusher.wait(1)

    run(test)


def test_who_leaves_before_the_thread_began_leaves_nothing_behind(run: Run, disk: Disk) -> None:
    async def test() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await disk.flusher.wait(1)
        assert disk.syncs == 0
        disk.gate.release()
        await disk.flusher.wait(1)
        assert disk.syncs == 1

    run(test)


def test_what_was_given_up_is_never_called_durable_by_a_sync_that_was_under_way(run: Run, disk: Disk) -> None:
    async def refused() -> None:
        with pytest.raises(AuditError):
            await disk.flusher.wait(1)

    async def test() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(refused)
            await disk.until_begun()
            disk.flusher.mark_lost(1)
            disk.gate.release()
        await refused()

    run(test)


def test_a_new_files_folder_is_synced_once(run: Run, disk: Disk, tmp_path: Path) -> None:
    async def test() -> None:
        disk.flusher.add_folder(tmp_path)
        disk.gate.release(3)
        await disk.flusher.wait(1)
        assert disk.syncs == 2
        disk.written = 2
        await disk.flusher.wait(2)
        assert disk.syncs == 3

    run(test)


def test_a_descriptor_that_is_closed_is_an_audit_error(run: Run, disk: Disk) -> None:
    async def test() -> None:
        good, disk.fd = disk.fd, -1
        with pytest.raises(AuditError, match="Bad file descriptor"):
            await disk.flusher.wait(1)
        disk.fd = good

    run(test)


def test_a_position_that_was_never_given_out_is_refused(run: Run, disk: Disk) -> None:
    async def test() -> None:
        with pytest.raises(AuditError, match="no position 2"):
            await disk.flusher.wait(2)
        assert disk.syncs == 0

    run(test)


def test_a_thread_that_comes_after_its_waiter_left_touches_nothing(run: Run, disk: Disk) -> None:
    async def test() -> None:
        late = flusher._SyncRound()
        late.prepare(disk.fd, 1, None, ())
        late.started.acquire()
        os.close(late.fd)
        late.run()
        assert (disk.syncs, late.done) == (0, False)

    run(test)


def test_closing_the_log_does_not_turn_a_sync_to_another_file(run: Run, disk: Disk, tmp_path: Path) -> None:
    async def test() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(disk.flusher.wait, 1)
            await disk.until_begun()
            os.close(disk.fd)
            disk.fd = os.open(tmp_path / "another", os.O_WRONLY | os.O_CREAT)
            disk.gate.release()

    run(test)
