"""Group commit: writes that wait share a transaction, and each succeeds or fails as it would alone."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.errors import StoreError
from authguard.stores.cancellation import Write
from authguard.stores.sqlite_write_queue import MAX_GROUP, WriteQueue
from tests.stores.samples import BLANK, amended, keys, signed_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from pathlib import Path

    from authguard.stores.sqlite import SqliteStore

    Change = Callable[[sqlite3.Connection], object]

#: seconds until a thread is given up
PATIENCE_S = 60


def database() -> sqlite3.Connection:
    """Create a table whose names are unique, and in which a bad name ends the transaction."""
    made = sqlite3.connect(":memory:", isolation_level=None)
    made.execute("CREATE TABLE rows (name PRIMARY KEY)")
    made.execute(
        "CREATE TRIGGER bad BEFORE INSERT ON rows WHEN new.name = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'bad'); END"
    )
    return made


@pytest.fixture
def writer() -> Iterator[sqlite3.Connection]:
    with closing(database()) as made:
        yield made


def rows(writer: sqlite3.Connection) -> list[str]:
    return [name for (name,) in writer.execute("SELECT name FROM rows ORDER BY name")]


def begun(writer: sqlite3.Connection) -> Callable[[], sqlite3.Connection]:
    """Begin a transaction when it is called."""

    def begin() -> sqlite3.Connection:
        writer.execute("BEGIN IMMEDIATE")
        return writer

    return begin


def insert(name: str, *, answer: object = True) -> Change:
    """Insert a row; return the answer, or raise it."""

    def change(writer: sqlite3.Connection) -> object:
        writer.execute("INSERT INTO rows VALUES (?)", (name,))
        if isinstance(answer, Exception):
            raise answer
        return answer

    return change


def added(queue: WriteQueue, change: Change) -> Write[object]:
    write = Write(change)
    queue.add(write)
    return write


def outcomes(writer: sqlite3.Connection, queue: WriteQueue, writes: Sequence[Write[object]]) -> list[object]:
    """Run every write in its turn; return the answers and the types of the errors."""
    found: list[object] = []
    for write in writes:
        try:
            found.append(queue.run(write, begun(writer)))
        except (ArithmeticError, sqlite3.Error) as error:
            found.append(type(error))
        assert not writer.in_transaction
    return found


def test_writes_that_wait_share_one_transaction_of_a_bounded_size(writer: sqlite3.Connection) -> None:
    seen: list[str] = []
    writer.set_trace_callback(seen.append)
    queue = WriteQueue()
    writes = [added(queue, insert(str(number), answer=number + 1)) for number in range(MAX_GROUP + 1)]
    assert outcomes(writer, queue, writes) == [number + 1 for number in range(MAX_GROUP + 1)]
    assert seen.count("COMMIT") == 2
    assert len(rows(writer)) == MAX_GROUP + 1
    assert [write.result for write in writes] == [[number + 1] for number in range(MAX_GROUP + 1)]


@pytest.mark.parametrize(
    ("spoilt", "outcome"),
    [
        (insert("conflict", answer=False), False),
        (insert("raising", answer=ZeroDivisionError()), ZeroDivisionError),
        (insert("first"), sqlite3.IntegrityError),
        (insert("bad"), sqlite3.IntegrityError),
    ],
)
def test_one_that_fails_is_undone_alone(writer: sqlite3.Connection, spoilt: Change, outcome: object) -> None:
    queue = WriteQueue()
    writes = [added(queue, change) for change in (insert("first"), spoilt, insert("last"))]
    assert outcomes(writer, queue, writes) == [True, outcome, True]
    assert rows(writer) == ["first", "last"]
    assert [write.result for write in writes] == [[True], [], [True]]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c", "bad"]),
            st.sampled_from([True, False, ZeroDivisionError()]),
            st.booleans(),
        ),
        max_size=8,
    )
)
def test_together_they_do_what_they_do_one_by_one(plan: list[tuple[str, object, bool]]) -> None:
    def carry_out(*, together: bool) -> tuple[list[object], list[str]]:
        with closing(database()) as writer:
            queue = WriteQueue()
            found: list[object] = []
            waiting = []
            for name, answer, left in plan:
                write = added(queue, insert(name, answer=answer))
                if left:
                    write.decide()
                waiting.append(write)
                if not together:
                    found += outcomes(writer, queue, [write])
            return found or outcomes(writer, queue, waiting), rows(writer)

    assert carry_out(together=True) == carry_out(together=False)


def test_who_left_before_its_turn_changes_nothing(writer: sqlite3.Connection) -> None:
    queue = WriteQueue()
    left, stays = added(queue, insert("left")), added(queue, insert("stays"))
    assert left.decide()
    assert queue.run(stays, begun(writer)) is True
    assert rows(writer) == ["stays"]
    assert (left.finished, left.result) == (True, [])


def test_who_leaves_after_its_turn_has_come_learns_the_result(writer: sqlite3.Connection) -> None:
    queue = WriteQueue()
    could_leave: list[bool] = []

    def leave(_: sqlite3.Connection) -> bool:
        could_leave.append(first.decide())
        return True

    first = added(queue, insert("first", answer="answer"))
    added(queue, leave)
    queue.run(first, begun(writer))
    assert could_leave == [False]
    assert first.result == ["answer"]


@pytest.mark.parametrize("error", [StoreError("moved"), sqlite3.OperationalError("locked")])
def test_where_no_transaction_begins_all_of_them_fail_and_none_is_done_later(
    writer: sqlite3.Connection, error: Exception
) -> None:
    def fail() -> sqlite3.Connection:
        raise error

    queue = WriteQueue()
    writes = [added(queue, insert(name)) for name in "abc"]
    for write in writes:
        with pytest.raises(type(error), match=str(error)):
            queue.run(write, fail)
    assert queue.run(added(queue, insert("later")), begun(writer)) is True
    assert rows(writer) == ["later"]


@asynccontextmanager
async def occupied(store: SqliteStore) -> AsyncIterator[None]:
    """Keep the store's thread from any other job."""
    begun, leave = threading.Event(), threading.Event()

    def wait() -> bool:
        begun.set()
        return leave.wait(PATIENCE_S)

    task = asyncio.ensure_future(store._jobs.thread.run(wait))
    while not begun.is_set():  # noqa: ASYNC110 - a thread's event is waited for
        await asyncio.sleep(0)
    try:
        yield
    finally:
        leave.set()
        assert await task


async def test_commits_that_wait_are_one_commit_of_the_file_and_each_is_compared(sqlite: SqliteStore) -> None:
    assert sqlite._writer is not None
    seen: list[str] = []
    sqlite._writer.set_trace_callback(seen.append)
    async with occupied(sqlite):
        commits = [
            asyncio.create_task(sqlite.commit(keys(str(number % 20)), BLANK, signed_in(BLANK))) for number in range(40)
        ]
        await asyncio.sleep(0)
    assert [await task for task in commits] == [True] * 20 + [False] * 20
    assert seen.count("COMMIT") == 1
    for number in range(20):
        assert (await sqlite.load(keys(str(number)), BLANK)).session.version == 1


async def test_who_leaves_while_it_waits_is_not_committed_with_the_others(sqlite: SqliteStore) -> None:
    async with occupied(sqlite):
        leaves, stays = (
            asyncio.create_task(sqlite.commit(keys(subject), BLANK, signed_in(BLANK))) for subject in ("anna", "ben")
        )
        await asyncio.sleep(0)
        leaves.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaves
    assert await stays
    assert await sqlite.load(keys("anna"), BLANK) == BLANK
    assert (await sqlite.load(keys("ben"), BLANK)).session.version == 1


async def test_who_was_told_that_the_store_still_waits_is_not_committed_later(sqlite: SqliteStore) -> None:
    sqlite._lock_timeout_s = 0.0
    with sqlite._jobs.lock, pytest.raises(StoreError, match="still waits"):
        await sqlite.commit(keys("anna"), BLANK, signed_in(BLANK))
    sqlite._lock_timeout_s = 60.0
    assert await sqlite.commit(keys("ben"), BLANK, amended(BLANK, "session", state="active"))
    assert await sqlite.load(keys("anna"), BLANK) == BLANK


async def test_who_leaves_while_a_disk_hangs_leaves_nothing_behind(sqlite: SqliteStore) -> None:
    sqlite._lock_timeout_s = 0.0
    with sqlite._jobs.lock:
        for number in range(8):
            with pytest.raises(StoreError, match="still waits"):
                await sqlite.commit(keys(str(number)), BLANK, signed_in(BLANK))
        assert not sqlite._jobs.writes._waiting
    sqlite._lock_timeout_s = 60.0
    async with occupied(sqlite):
        writes = [asyncio.create_task(sqlite.commit(keys(str(number)), BLANK, signed_in(BLANK))) for number in range(8)]
        await asyncio.sleep(0)
        for write in writes:
            write.cancel()
        results = await asyncio.gather(*writes, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        assert not sqlite._jobs.writes._waiting
    assert await sqlite.commit(keys("ben"), BLANK, signed_in(BLANK))
    assert await sqlite.load(keys("3"), BLANK) == BLANK


def test_a_write_that_was_taken_out_is_run_by_nobody(writer: sqlite3.Connection) -> None:
    queue = WriteQueue()
    left = added(queue, lambda _: pytest.fail("it runs"))
    stays = added(queue, lambda _: True)
    queue.leave(left)
    queue.leave(left)
    assert queue.run(stays, begun(writer))
    queue.leave(stays)
    assert stays.answer == [True]
    with pytest.raises(StoreError, match="the caller has left"):
        queue.run(left, begun(writer))


async def test_who_waits_behind_a_write_that_hangs_is_told_so_and_not_committed_later(sqlite: SqliteStore) -> None:
    begun, leave = threading.Event(), threading.Event()

    def hang(_: sqlite3.Connection) -> bool:
        begun.set()
        return leave.wait(PATIENCE_S)

    async with occupied(sqlite):
        hangs = asyncio.create_task(sqlite._jobs.write(hang))
        waits = asyncio.create_task(sqlite.commit(keys("anna"), BLANK, signed_in(BLANK)))
        await asyncio.sleep(0)
    while not begun.is_set():  # noqa: ASYNC110 - a thread's event is waited for
        await asyncio.sleep(0)
    hangs.cancel()
    with pytest.raises(StoreError, match="still waits"):
        await waits
    with pytest.raises(asyncio.CancelledError):
        await hangs
    leave.set()
    sqlite._lock_timeout_s = 60.0
    assert await sqlite.commit(keys("ben"), BLANK, signed_in(BLANK))
    assert await sqlite.load(keys("anna"), BLANK) == BLANK


async def test_a_file_that_was_taken_away_fails_all_that_wait_and_none_is_done_once_it_is_back(
    sqlite: SqliteStore, tmp_path: Path
) -> None:
    path = tmp_path / "records.db"
    async with occupied(sqlite):
        commits = [
            asyncio.create_task(sqlite.commit(keys(str(number)), BLANK, signed_in(BLANK))) for number in range(3)
        ]
        await asyncio.sleep(0)
        path.rename(path.with_suffix(".away"))
    for task in commits:
        with pytest.raises(StoreError, match="moved, deleted or replaced"):
            await task
    path.with_suffix(".away").rename(path)
    assert await sqlite.commit(keys("ben"), BLANK, signed_in(BLANK))
    assert await sqlite.load(keys("0"), BLANK) == BLANK
