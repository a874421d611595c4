"""Separate process that increments one person's records: ``incrementing.py FILE TIMES``.

It prints the version of each commit once that is done, so that whoever kills it knows what must have survived.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from authguard.stores.sqlite import SqliteStore

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.stores.samples import BLANK, increment, keys


async def main(path: Path, times: int) -> None:
    """Increment until that many commits succeeded."""
    store = SqliteStore(path, lock_timeout_s=30.0)
    await store.open()
    anna = keys("anna")
    for _ in range(times):
        while not await increment(store, anna):
            pass
        print((await store.load(anna, BLANK)).session.version, flush=True)  # noqa: T201 - that is the report
    await store.close()


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
