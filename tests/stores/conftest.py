"""Fixtures of every store, open; a store listed here must pass the whole contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.stores.memory import MemoryStore
from authguard.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MemoryStore | SqliteStore]:
    """Return one store, empty and open."""
    made = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "records.db")
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """Return a SQLite store with a short lock timeout, empty and open, in the file ``records.db``."""
    made = SqliteStore(tmp_path / "records.db", lock_timeout_s=0.02)
    await made.open()
    yield made
    await made.close()
