"""Jobs of the SQLite store in its worker thread: callers that leave, before, during and after a commit."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import trio

from authguard.errors import StoreError
from authguard.stores.sqlite import SqliteStore
from tests.stores.samples import BLANK, increment, keys
from tests.stores.test_sqlite import connections, locked

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Coroutine
    from pathlib import Path

ANNA = keys("anna")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


async def test_a_caller_that_leaves_at_its_deadline_leaves_the_store_usable(path: Path) -> None:
    store = SqliteStore(path, lock_timeout_s=30.0)
    await store.open()
    with locked(path):
        leaving = asyncio.create_task(increment(store, ANNA))
        while not store._jobs.lock.locked():  # noqa: ASYNC110 - a thread's lock has no event to wait for
            await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        following = asyncio.create_task(store.put("namespace", "name", b"-"))
        await asyncio.sleep(0)
    await following
    assert (await store.load(ANNA, BLANK)).session.version == 0, "what was given up never happens"
    assert await increment(store, ANNA)
    await store.close()


async def test_a_write_that_never_comes_back_is_an_error_for_the_next(sqlite: SqliteStore) -> None:
    with sqlite._jobs.lock, pytest.raises(StoreError, match="still waits for an earlier write"):
        await sqlite.put("namespace", "name", b"-")
    await sqlite.put("namespace", "name", b"-")


def test_it_works_under_trio_and_its_deadlines(path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(path, lock_timeout_s=30.0)
        await store.open()
        assert await increment(store, ANNA)
        with locked(path), trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:

                async def cancel_once_it_waits() -> None:
                    while not store._jobs.lock.locked():
                        await trio.lowlevel.checkpoint()
                    scope.cancel()

                nursery.start_soon(cancel_once_it_waits)
                await increment(store, ANNA)
        assert scope.cancelled_caught
        assert await increment(store, ANNA)
        assert (await store.load(ANNA, BLANK)).session.version == 2, "what was given up never happens"
        await store.close()

    trio.run(main)


class Stopping:
    """A connection that blocks at its commit until it is released, as with a slow disk."""

    def __init__(self, writer: sqlite3.Connection) -> None:
        self._writer = writer
        self.reached = threading.Event()
        self.go = threading.Event()

    def __getattr__(self, name: str) -> object:
        return getattr(self._writer, name)

    def execute(self, statement: str, *values: object) -> object:
        if statement == "COMMIT":
            self.reached.set()
            assert self.go.wait(60)
        return self._writer.execute(statement, *values)  # type: ignore[arg-type]  # handed through


async def until_durable(store: SqliteStore, doing: Callable[[], Coroutine[None, None, object]]) -> Any:
    """Start a commit; return once it is being made durable."""
    _, writer = connections(store)
    stopping = Stopping(writer)
    store._writer = stopping  # type: ignore[assignment]  # it hands everything through
    task = asyncio.create_task(doing())
    while not stopping.reached.is_set():  # noqa: ASYNC110 - a thread's event is waited for
        await asyncio.sleep(0)
    return stopping, task


async def test_who_leaves_while_it_is_made_durable_is_told_and_cancelled_at_the_next_wait(sqlite: SqliteStore) -> None:
    told: list[bool] = []

    async def caller() -> None:
        told.append(await increment(sqlite, ANNA))
        await asyncio.sleep(0)
        told.append(False)

    stopping, leaving = await until_durable(sqlite, caller)
    leaving.cancel("why")
    await asyncio.sleep(0)
    stopping.go.set()
    with pytest.raises(asyncio.CancelledError, match="why"):
        await leaving
    assert told == [True], "told that it was saved, and gone at the next wait"
    assert leaving.cancelling() == 1, "one cancellation counts once"
    assert (await sqlite.load(ANNA, BLANK)).session.version == 1


async def test_who_leaves_by_a_scope_while_it_is_made_durable_is_told_and_gone_at_the_next_wait(
    sqlite: SqliteStore,
) -> None:
    told: list[bool] = []
    scope = anyio.CancelScope()

    async def caller() -> None:
        with scope:
            told.append(await increment(sqlite, ANNA))
            await asyncio.sleep(0)
            told.append(False)

    stopping, leaving = await until_durable(sqlite, caller)
    scope.cancel()
    stopping.go.set()
    await leaving
    assert told == [True]
    assert leaving.cancelling() == 0


async def test_who_leaves_a_disk_that_hangs_is_let_go_after_the_patience(path: Path) -> None:
    store = SqliteStore(path, lock_timeout_s=0.01)
    await store.open()
    stopping, leaving = await until_durable(store, lambda: increment(store, ANNA))
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    stopping.go.set()
    while store._jobs.lock.locked():  # noqa: ASYNC110 - a thread's lock has no event to wait for
        await asyncio.sleep(0)
    await store.close()
