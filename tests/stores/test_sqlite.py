"""SQLite store beyond the contract: waits off the event loop, survives kill -9, shares its file."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
import trio

from authguard.errors import StoreError
from authguard.stores import sqlite as module
from authguard.stores.sqlite import SqliteStore
from tests.stores.samples import BLANK, NOW, amended, increment, keys, signed_in

ANNA = keys("anna")
INCREMENTING = (sys.executable, str(Path(__file__).with_name("incrementing.py")))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


def locked(path: Path) -> closing[sqlite3.Connection]:
    """Hold the write lock as another process would, until the connection is closed."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return closing(other)


def wipe_all_but_the_first_page(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4096] + bytes(len(content) - 4096))


def connections(store: SqliteStore) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    assert store._reader is not None
    assert store._writer is not None
    return store._reader, store._writer


async def test_a_commit_is_on_the_disk_when_it_returns(sqlite: SqliteStore) -> None:
    _, writer = connections(sqlite)
    assert writer.execute("PRAGMA synchronous").fetchone() == (2,)
    assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_a_load_is_one_statement_on_the_loop_and_a_commit_is_none(sqlite: SqliteStore) -> None:
    reader, writer = connections(sqlite)
    read: list[int] = []
    written: list[int] = []
    reader.set_trace_callback(lambda _: read.append(threading.get_ident()))
    writer.set_trace_callback(lambda _: written.append(threading.get_ident()))
    here = threading.get_ident()
    loaded = await sqlite.load(keys("anna", "t1"), BLANK)
    assert (read, written) == ([here], [])
    assert await sqlite.commit(ANNA, loaded, signed_in(loaded))
    await sqlite.put("namespace", "name", b"-")
    await sqlite.list_keys("namespace", 10)
    assert read == [here]
    assert written
    assert here not in written


async def test_reads_pass_a_writer_that_holds_the_lock(sqlite: SqliteStore, path: Path) -> None:
    await increment(sqlite, ANNA)
    with locked(path) as other:
        other.execute("DELETE FROM records")
        assert (await sqlite.load(ANNA, BLANK)).session.version == 1
        assert await sqlite.get("namespace", "name") == b""


async def test_a_lock_that_is_not_let_go_is_an_error_and_soon_over(sqlite: SqliteStore, path: Path) -> None:
    with locked(path), pytest.raises(StoreError, match=r"SQLITE_BUSY.*another process holds its lock"):
        await increment(sqlite, ANNA)
    assert await increment(sqlite, ANNA)


async def test_a_full_disk_is_an_error_and_changes_nothing(sqlite: SqliteStore) -> None:
    await increment(sqlite, ANNA)
    _, writer = connections(sqlite)
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count={pages}")
    before = await sqlite.load(keys("anna", "t1"), BLANK)
    after = amended(amended(before, "session", state="active"), "transaction", state="done", answer=bytes(50_000))
    with pytest.raises(StoreError, match=r"SQLITE_FULL.*make room"):
        await sqlite.commit(keys("anna", "t1"), before, after)
    assert await sqlite.load(keys("anna", "t1"), BLANK) == before
    writer.execute(f"PRAGMA max_page_count={pages + 100}")
    assert await sqlite.commit(keys("anna", "t1"), before, after)


async def test_a_file_that_cannot_be_written_is_an_error_and_can_still_be_read(sqlite: SqliteStore) -> None:
    await increment(sqlite, ANNA)
    connections(sqlite)[1].execute("PRAGMA query_only=1")
    with pytest.raises(StoreError, match=r"SQLITE_READONLY.*writable"):
        await increment(sqlite, ANNA)
    assert (await sqlite.load(ANNA, BLANK)).session.version == 1


async def test_a_damaged_record_is_an_error_and_never_a_blank(sqlite: SqliteStore, path: Path) -> None:
    await increment(sqlite, ANNA)
    for damaged in (b"", b"\x00", b"\xc1", b"\x91\xa1\xff"):
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("UPDATE records SET value = ? WHERE name >= x'73'", (damaged,))
        with pytest.raises(StoreError, match="cannot be decoded"):
            await sqlite.load(ANNA, BLANK)


async def test_a_damaged_file_is_an_error_and_never_a_blank(sqlite: SqliteStore, path: Path) -> None:
    for number in range(50):
        await increment(sqlite, keys(str(number)))
    await sqlite.close()
    wipe_all_but_the_first_page(path)
    with pytest.raises(StoreError, match="restore the file"):
        await sqlite.open()


async def test_no_message_holds_a_key_or_a_value(sqlite: SqliteStore, path: Path) -> None:
    with locked(path), pytest.raises(StoreError) as raised:
        await sqlite.put("namespace", "a-name", b"a-value")
    cause = raised.value.__cause__
    assert cause is not None
    assert "a-name" not in f"{raised.value} {cause}"
    assert "a-value" not in f"{raised.value} {cause}"


async def test_before_it_is_opened_and_after_it_is_closed_everything_is_an_error(path: Path) -> None:
    store = SqliteStore(path)
    await store.close()
    for _ in range(2):
        with pytest.raises(StoreError, match="is not open"):
            await store.load(ANNA, BLANK)
        with pytest.raises(StoreError, match="is not open"):
            await store.get("namespace", "name")
        with pytest.raises(StoreError, match="is not open"):
            await store.commit(ANNA, BLANK, signed_in(BLANK))
        with pytest.raises(StoreError, match="is not open"):
            await store.list_keys("namespace", 1)
        await store.open()
        await store.close()


def test_one_store_can_be_opened_on_one_loop_after_another(path: Path) -> None:
    store = SqliteStore(path)

    async def main() -> None:
        await store.open()
        await asyncio.gather(*(increment(store, keys(str(number))) for number in range(4)))
        await store.close()

    asyncio.run(main())
    asyncio.run(main())
    trio.run(store.open)
    trio.run(store.close)


def test_two_processes_on_one_file_lose_no_update(path: Path) -> None:
    both = [
        subprocess.Popen([*INCREMENTING, path, "200"], stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
        for _ in range(2)
    ]
    printed = [process.communicate(timeout=120)[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert [len(lines) for lines in printed] == [200, 200]

    async def main() -> None:
        store = SqliteStore(path)
        await store.open()
        kept = await store.load(ANNA, BLANK)
        assert (kept.session.version, kept.session.last_seen, kept.account.reported) == (400, 400.0, 400.0)
        await store.close()

    asyncio.run(main())


def test_what_was_committed_survives_kill_9_and_every_record_is_whole(path: Path) -> None:
    survived = 0
    for lines in (1, 7, 20, 41, 60):
        process = subprocess.Popen([*INCREMENTING, path, "100000"], stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
        with process:
            assert process.stdout is not None
            promised = 0
            for _ in range(lines):
                promised = int(process.stdout.readline())
            process.kill()
        assert process.returncode == -signal.SIGKILL

        async def main(promised: int) -> int:
            store = SqliteStore(path)
            await store.open()
            kept = await store.load(ANNA, BLANK)
            assert connections(store)[1].execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert kept.session.version >= promised
            assert kept.session.version == kept.account.version == kept.session.last_seen == kept.account.reported
            assert await increment(store, ANNA)
            await store.close()
            return kept.session.version + 1

        before, survived = survived, asyncio.run(main(promised))
        assert survived >= before + lines


def count(store: SqliteStore) -> int:
    """Count the records."""
    found: tuple[int] = connections(store)[0].execute("SELECT count(*) FROM records").fetchone()
    return found[0]


async def test_what_is_over_is_forgotten_a_little_with_each_new_record_and_nothing_else(path: Path) -> None:
    store = SqliteStore(path, retention=100.0)
    await store.open()
    for number in range(20):
        await store.commit(keys(f"old {number}"), BLANK, signed_in(BLANK, NOW))
    await store.commit(keys("bad"), BLANK, amended(signed_in(BLANK, NOW), "account", state="locked"))
    before = count(store)
    for number in range(20):
        was = count(store)
        await store.commit(keys(f"new {number}"), BLANK, signed_in(BLANK, NOW + 150))
        assert was - count(store) <= 2 * (module.SWEEP_COUNT - 1), "no request pays for all of them"
    assert before == 42
    assert count(store) == 41, "20 sessions and 20 accounts went, 40 came, and one account is not as a sign-in makes it"
    for number in range(20):
        assert await store.load(keys(f"old {number}"), BLANK) == BLANK
        assert (await store.load(keys(f"new {number}"), BLANK)).states()[1:3] == ("normal", "active")
    assert (await store.load(keys("bad"), BLANK)).account.state == "locked"
    await store.close()


async def test_what_changes_but_is_not_new_looks_at_nothing(path: Path) -> None:
    store = SqliteStore(path, retention=1.0)
    await store.open()
    await store.commit(ANNA, BLANK, signed_in(BLANK, NOW))
    await store.commit(keys("ben"), BLANK, signed_in(BLANK, NOW))
    ben = await store.load(keys("ben"), BLANK)
    assert await store.commit(keys("ben"), ben, amended(ben, "session", entered=NOW + 100))
    assert (await store.load(ANNA, BLANK)).session.version == 1
    await store.close()


async def test_a_commit_after_its_record_was_forgotten_is_a_conflict(path: Path) -> None:
    store = SqliteStore(path, retention=1.0)
    await store.open()
    await store.commit(ANNA, BLANK, signed_in(BLANK, NOW))
    before = await store.load(ANNA, BLANK)
    await store.commit(keys("ben"), BLANK, signed_in(BLANK, NOW + 3))
    await store.commit(keys("carl"), BLANK, signed_in(BLANK, NOW + 3))
    assert not await store.commit(ANNA, before, amended(before, "session", last_seen=NOW + 4))
    await store.close()


async def test_a_damaged_record_is_in_nobodys_way(path: Path) -> None:
    store = SqliteStore(path, retention=1.0)
    await store.open()
    connections(store)[1].execute("INSERT INTO records VALUES (x'7a', 1, x'c1')")
    for number in range(5):
        assert await store.commit(keys(str(number)), BLANK, signed_in(BLANK, NOW + number * 100))
    assert connections(store)[0].execute("SELECT value FROM records WHERE name = x'7a'").fetchall() == [(b"\xc1",)]
    await store.close()


def take_away(path: Path, how: str) -> Path:
    """Move a file away, and perhaps put another in its place; return its new path."""
    kept = path.rename(path.with_name("kept"))
    if how == "replaced":
        path.touch()
    return kept


def bring_back(path: Path, kept: Path) -> None:
    """Restore the file."""
    kept.replace(path)


@pytest.mark.parametrize("how", ["moved", "replaced"])
async def test_a_file_that_is_taken_away_is_an_error_until_it_is_back_and_never_a_blank(
    path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IDENTITY_CHECK_INTERVAL_S", 0.0)
    store = SqliteStore(path)
    await store.open()
    assert await increment(store, ANNA)
    kept = take_away(path, how)
    for doing in (store.load(ANNA, BLANK), store.get("namespace", "name"), store.put("namespace", "name", b"-")):
        with pytest.raises(StoreError, match="was moved, deleted or replaced"):
            await doing
    bring_back(path, kept)
    assert (await store.load(ANNA, BLANK)).session.version == 1
    assert await increment(store, ANNA)
    await store.close()


async def test_a_read_looks_for_its_file_once_a_second_and_a_write_always(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steady = [100.0]
    monkeypatch.setattr(module, "monotonic", lambda: steady[0])
    store = SqliteStore(path)
    await store.open()
    assert await increment(store, ANNA)
    take_away(path, "moved")
    steady[0] += 0.99
    assert (await store.load(ANNA, BLANK)).session.version == 1
    with pytest.raises(StoreError, match="was moved"):
        await store.put("namespace", "name", b"-")
    steady[0] += 0.02
    for _ in range(2):
        with pytest.raises(StoreError, match="was moved"):
            await store.load(ANNA, BLANK)
    await store.close()


async def test_a_file_whose_tables_are_gone_is_an_error_and_never_a_blank(sqlite: SqliteStore, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("DROP TABLE records")
        other.execute("DROP TABLE documents")
    with pytest.raises(StoreError, match="cannot be read"):
        await sqlite.load(ANNA, BLANK)
    with pytest.raises(StoreError, match="cannot be read"):
        await sqlite.get("namespace", "name")


async def test_what_fails_in_the_middle_is_undone_and_leaves_no_lock_behind(sqlite: SqliteStore, path: Path) -> None:
    await sqlite.commit(ANNA, BLANK, signed_in(BLANK, NOW))
    kept = await sqlite.load(ANNA, BLANK)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(
            "CREATE TRIGGER no BEFORE UPDATE ON records WHEN new.name >= x'73' BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        with pytest.raises(StoreError, match="cannot be written"):
            await increment(sqlite, ANNA)
        other.execute("DROP TRIGGER no")
    assert await sqlite.load(ANNA, BLANK) == kept
    assert await increment(sqlite, ANNA)


async def test_two_stores_on_one_file_share_the_names_that_were_used(sqlite: SqliteStore, tmp_path: Path) -> None:
    other = SqliteStore(tmp_path / "records.db")
    await other.open()
    assert await sqlite.claim(b"n" * 32, 100.0, 10.0)
    assert not await other.claim(b"n" * 32, 100.0, 10.0)
    await other.close()


async def test_names_whose_time_is_over_are_removed_from_the_file(sqlite: SqliteStore, tmp_path: Path) -> None:
    for name in range(8):
        assert await sqlite.claim(bytes([name]) * 32, 100.0, 10.0)
    assert await sqlite.claim(b"x" * 32, 300.0, 200.0)
    with closing(sqlite3.connect(tmp_path / "records.db")) as file:
        assert file.execute("SELECT name FROM claims").fetchall() == [(b"x" * 32,)]
