"""A change of records by this store or by any other process changes their number; no change, no other number."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import asynccontextmanager, closing
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from authguard.core.snapshot import Keys, Snapshot, blank
from authguard.runtime.rollback import Rollback
from authguard.stores import sqlite_change
from authguard.stores.memory import MemoryStore
from authguard.stores.sqlite import SqliteStore
from tests.support.harness import EnforcerHarness, outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

#: a change that another program makes; SQLite writes nothing for an update to the same value
UPDATE = "INSERT INTO documents VALUES ('n', hex(randomblob(8)), x'00')"
MACHINES = ("service", "account", "session", "verification", "transaction")
BLANK = blank(dict.fromkeys(MACHINES, "x"))
ALICE, BOB = Keys(b"a" * 32, b"s" * 32), Keys(b"b" * 32, b"t" * 32)

#: another process, which locks a session's account or engages the rollback
ELSEWHERE = """
import asyncio, sys
from pathlib import Path
from authguard.runtime.rollback import Rollback
from authguard.stores.sqlite import SqliteStore
from tests.support.harness import EnforcerHarness

async def main():
    desk = EnforcerHarness(store=SqliteStore(Path(sys.argv[1])))
    await desk.enforcer.open()
    await Rollback(desk.enforcer.repository).engage("operator", "drill")
    await desk.enforcer.close()

asyncio.run(main())
"""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with _opened(tmp_path / "s.db") as made:
        yield made


@asynccontextmanager
async def _opened(path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(path)
    await made.open()
    yield made
    await made.close()


def _seen(snapshot: Snapshot, at: float) -> Snapshot:
    return replace(snapshot, session=replace(snapshot.session, last_seen=at))


async def _save(store: SqliteStore | MemoryStore, keys: Keys, at: float) -> None:
    before = await store.load(keys, BLANK)
    assert await store.commit(keys, before, _seen(before, at))


async def test_an_own_change_concerns_its_records_and_no_others(store: SqliteStore) -> None:
    alice, bob = store.record_keys(ALICE), store.record_keys(BOB)
    first = store.last_change(alice), store.last_change(bob)
    assert first == (store.last_change(alice), store.last_change(bob))
    await _save(store, ALICE, 1.0)
    assert store.last_change(alice) > first[0]
    assert store.last_change(bob) == first[1]
    assert store.last_change(alice) == store.last_change(alice)


async def test_documents_and_claims_concern_no_record(store: SqliteStore) -> None:
    alice = store.record_keys(ALICE)
    before = store.last_change(alice)
    await store.put("tickets", "t", b"x")
    await store.claim(b"c" * 32, 2.0, 1.0)
    assert store.last_change(alice) == before


async def test_a_change_by_another_connection_concerns_every_record(store: SqliteStore, tmp_path: Path) -> None:
    alice = store.record_keys(ALICE)
    await _save(store, ALICE, 1.0)
    before = store.last_change(alice)
    with closing(sqlite3.connect(tmp_path / "s.db")) as other:
        other.execute(UPDATE)
        assert store.last_change(alice) == before, "it is not committed"
        other.commit()
        assert store.last_change(alice) > before
    before = store.last_change(alice)
    second = SqliteStore(tmp_path / "s.db")  # a store of this process is another connection, too
    await second.open()
    await _save(second, BOB, 2.0)
    await second.close()
    assert store.last_change(alice) > before


async def test_own_changes_hide_no_change_of_another(store: SqliteStore, tmp_path: Path) -> None:
    alice = store.record_keys(ALICE)
    await _save(store, ALICE, 1.0)
    before = store.last_change(alice)
    for own_is_first in (True, False):
        for is_own in (own_is_first, not own_is_first):
            if is_own:
                await _save(store, BOB, 2.0 + own_is_first)
            else:
                with closing(sqlite3.connect(tmp_path / "s.db")) as other, other:
                    other.execute(UPDATE)
        assert store.last_change(alice) > before
        before = store.last_change(alice)


async def test_during_a_write_nothing_is_known_and_nobody_waits(store: SqliteStore) -> None:
    held, over = Event(), Event()

    def hold() -> None:
        with store._jobs.lock:
            held.set()
            over.wait(60)

    thread = Thread(target=hold)
    thread.start()
    assert held.wait(60)
    assert store.last_change(store.record_keys(ALICE)) < 0
    over.set()
    thread.join(60)
    assert store.last_change(store.record_keys(ALICE)) >= 0


async def test_the_loop_never_waits_for_a_lock_of_the_file(store: SqliteStore) -> None:
    await _save(store, ALICE, 1.0)
    assert store._writer is not None
    assert store._writer.execute("PRAGMA busy_timeout").fetchone() == (0,)


async def test_with_too_many_names_every_record_counts_as_changed(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_change, "MAX_NAMES", 1)
    bob = store.record_keys(BOB)
    before = store.last_change(bob)
    await _save(store, ALICE, 1.0)
    await _save(store, replace(ALICE, session=b"u" * 32), 1.0)
    assert store.last_change(bob) > before


async def test_the_memory_store_counts_its_commits() -> None:
    store = MemoryStore()
    names = store.record_keys(ALICE)
    before = store.last_change(names)
    await _save(store, ALICE, 1.0)
    assert store.last_change(names) > before
    assert store.last_change(names) == store.last_change(names)


async def test_a_commit_in_a_second_process_counts_at_the_next_request(tmp_path: Path) -> None:
    desk = EnforcerHarness(store=SqliteStore(tmp_path / "s.db"))
    token, other = desk.login(), desk.login("bob")
    for _ in range(3):
        assert (await desk.ask("chat", token)).admits
        assert (await desk.ask("chat", other)).admits
    subprocess.run(  # noqa: ASYNC221, S603 - the loop has nothing else to do; the program is this file's own
        [sys.executable, "-c", ELSEWHERE, str(tmp_path / "s.db")], check=True, timeout=120
    )
    assert outcome(await desk.ask("chat", token)) == ("handoff", "to_a_person")
    assert outcome(await desk.ask("chat", other)) == ("handoff", "to_a_person")
    await Rollback(desk.enforcer.repository).release("operator", "over")
    assert (await desk.ask("chat", token)).admits
    await desk.enforcer.close()


async def test_a_commit_while_the_store_was_closed_counts_after_it_is_opened_again(
    store: SqliteStore, tmp_path: Path
) -> None:
    alice = store.record_keys(ALICE)
    await _save(store, ALICE, 1.0)
    before = store.last_change(alice)
    for at in (2.0, 3.0):
        await store.close()
        async with _opened(tmp_path / "s.db") as other:
            await _save(other, ALICE, at)
        await store.open()
        assert store.last_change(alice) > before
        before = store.last_change(alice)


async def test_a_rollback_while_the_guard_was_closed_counts_at_the_next_request(tmp_path: Path) -> None:
    desk = EnforcerHarness(store=SqliteStore(tmp_path / "s.db"))
    token = desk.login()
    for _ in range(3):
        assert (await desk.ask("chat", token)).admits
    await desk.enforcer.close()
    operator = EnforcerHarness(store=SqliteStore(tmp_path / "s.db"))
    await operator.enforcer.open()
    await Rollback(operator.enforcer.repository).engage("operator", "drill")
    await operator.enforcer.close()
    await desk.enforcer.open()
    assert outcome(await desk.ask("chat", token)) == ("handoff", "to_a_person")
    await desk.enforcer.close()
