"""A store that is opened for reading shows what a running, killed or stopped app wrote; no file changes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from authguard.errors import StoreError
from authguard.stores.sqlite import SqliteStore
from tests.support.file_tree import snapshot

if TYPE_CHECKING:
    from pathlib import Path

KILLED = """
import asyncio, os, sys
from pathlib import Path
from authguard.stores.sqlite import SqliteStore
async def main():
    store = SqliteStore(Path(sys.argv[1]))
    await store.open()
    await store.put("names", "one", b"1")
    os._exit(9)
asyncio.run(main())
"""


READER = """
import asyncio, sys
from pathlib import Path
from authguard.stores.sqlite import SqliteStore
async def main():
    store = SqliteStore(Path(sys.argv[1]), read_only=True)
    await store.open()
    print((await store.get("names", "one")).decode(), end="")
    await store.close()
asyncio.run(main())
"""


async def read(path: Path) -> bytes:
    store = SqliteStore(path, read_only=True)
    await store.open()
    try:
        with pytest.raises(StoreError, match="cannot be written"):
            await store.put("names", "one", b"2")
        assert await store.list_keys("names", 5) == ("one",)
        assert await store.transactions(limit=5) == ()
        return await store.get("names", "one")
    finally:
        await store.close()


async def written(path: Path, value: bytes = b"1") -> SqliteStore:
    store = SqliteStore(path)
    await store.open()
    await store.put("names", "one", value)
    return store


async def test_the_store_of_a_stopped_app(tmp_path: Path) -> None:
    await (await written(tmp_path / "a b%.db")).close()
    before = snapshot(tmp_path)
    assert await read(tmp_path / "a b%.db") == b"1"
    assert snapshot(tmp_path) == before


async def test_the_store_of_an_app_that_runs(tmp_path: Path) -> None:
    app = await written(tmp_path / "s.db")
    before = snapshot(tmp_path)
    command = [sys.executable, "-c", READER, str(tmp_path / "s.db")]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"1"  # noqa: S603, ASYNC221 - this interpreter
    assert snapshot(tmp_path) == before
    reader = SqliteStore(tmp_path / "s.db", read_only=True)
    await reader.open()
    for value in (b"2", b"3"):
        await app.put("names", "one", value)
        assert await reader.get("names", "one") == value
    await reader.close()
    await app.close()


async def test_the_store_of_an_app_that_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "s.db")]
    assert subprocess.run(command, check=False).returncode == 9  # noqa: S603, ASYNC221 - this interpreter
    assert (tmp_path / "s.db-wal").stat().st_size
    before = snapshot(tmp_path)
    assert await read(tmp_path / "s.db") == b"1"
    assert snapshot(tmp_path) == before


async def test_a_copy_that_lacks_a_part_is_refused(tmp_path: Path) -> None:
    app = await written(tmp_path / "s.db")
    (tmp_path / "copy").mkdir()
    for name in ("s.db", "s.db-wal"):
        shutil.copy(tmp_path / name, tmp_path / "copy")
    await app.close()
    with pytest.raises(StoreError, match="copy without its `-shm`"):
        await read(tmp_path / "copy/s.db")


async def test_a_change_while_a_stopped_store_was_read_is_reported(tmp_path: Path) -> None:
    await (await written(tmp_path / "s.db")).close()
    reader = SqliteStore(tmp_path / "s.db", read_only=True)
    await reader.open()
    assert await reader.get("names", "one") == b"1"
    await (await written(tmp_path / "s.db", b"another")).close()
    with pytest.raises(StoreError, match="run the command again"):
        await reader.close()


async def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    (tmp_path / "text.db").write_text("text " * 1000)
    for name, words in (("empty.db", "is empty"), ("text.db", "NOTADB"), ("none.db", "there is no file")):
        with pytest.raises(StoreError, match=words):
            await SqliteStore(tmp_path / name, read_only=True).open()
    assert set(snapshot(tmp_path)) == {".", "empty.db", "text.db"}


async def test_the_store_behind_a_symbolic_link_is_read_with_its_write_ahead_log(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "s.db").symlink_to(tmp_path / "disk" / "s.db")
    await (await written(tmp_path / "s.db", b"1")).close()
    app = await written(tmp_path / "s.db", b"2")
    before = snapshot(tmp_path)
    command = [sys.executable, "-c", READER, str(tmp_path / "s.db")]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"2"  # noqa: S603, ASYNC221 - this interpreter
    assert snapshot(tmp_path) == before
    await app.close()
