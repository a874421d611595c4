"""Cost of the stores alone: reads and commits by number of sessions, and commits that wait for the disk together.

``python -m benchmarks.stores`` prints microseconds. The files are in memory where the system has such a folder, except
for the commits that wait.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.core.record_keys import account_key, session_key
from authguard.core.snapshot import Keys
from authguard.stores.memory import RETENTION_S, MemoryStore
from authguard.stores.sqlite import SqliteStore
from benchmarks.footprint import example, fill, signed_in
from benchmarks.rounds import MICROSECONDS
from benchmarks.world import ISSUER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from authguard.core.snapshot import Snapshot
    from authguard.ports import Store

    Line = list[tuple[float, float]]

SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
TOGETHER: Final = (1, 8, 64)
NO_DISK: Final = Path("/dev/shm")  # noqa: S108 - a folder of the run's own is made in it
#: customers whose records are read and changed, and new ones
SAMPLE: Final = 300


async def by_sessions(sizes: Sequence[int] = SIZES, sample: int = SAMPLE) -> dict[str, Line]:
    """Return a line per store and operation: number of sessions with accounts, and median microseconds."""
    with tempfile.TemporaryDirectory() as folder:
        nothing, like = await example(Path(folder))
    like = replace(like, service=nothing.service)
    lines: dict[str, Line] = {}
    for size in sizes:
        step = max(1, size // sample)
        some = [keys for index, (keys, _) in enumerate(signed_in(like, size, accounts=True)) if not index % step]
        for name in ("memory", "SQLite"):
            async with _filled(name, nothing, like, size) as store:
                for operation, cost in (await _costs(store, some[:sample], nothing, like)).items():
                    lines.setdefault(f"{name}: {operation}", []).append((size, cost))
    return lines


async def commits_together(numbers: Sequence[int] = TOGETHER, rounds: int = 5) -> Line:
    """Return microseconds per commit of as many sign-ins at the same time, to a SQLite file on the disk."""
    line: Line = []
    with tempfile.TemporaryDirectory() as folder:
        nothing, like = await example(Path(folder))
        like = replace(like, service=nothing.service)
        store = SqliteStore(Path(folder) / "store.db")
        await store.open()
        try:
            for number in numbers:
                times = []
                for turn in range(rounds):
                    keys = [_keys(f"{number}-{turn}-{index}") for index in range(number)]
                    start = perf_counter()
                    await asyncio.gather(*(store.commit(one, nothing, like) for one in keys))
                    times.append((perf_counter() - start) / number * MICROSECONDS)
                line.append((number, median(times)))
        finally:
            await store.close()
    return line


@asynccontextmanager
async def _filled(name: str, nothing: Snapshot, like: Snapshot, size: int) -> AsyncIterator[Store]:
    """Yield a store with a number of sessions and their accounts."""
    if name == "memory":
        memory = MemoryStore(capacity=4 * size + 4 * SAMPLE)
        for keys, snapshot in signed_in(like, size, accounts=True):
            await memory.commit(keys, nothing, snapshot)
        yield memory
        return
    with tempfile.TemporaryDirectory(dir=NO_DISK if NO_DISK.is_dir() else None) as folder:
        path = Path(folder) / "store.db"
        store = SqliteStore(path, retention=RETENTION_S)
        await store.open()
        fill(path, nothing, like, size, accounts=True)
        try:
            yield store
        finally:
            await store.close()


async def _costs(store: Store, some: Sequence[Keys], nothing: Snapshot, like: Snapshot) -> dict[str, float]:
    """Time reads and changes of known customers, and the commits of as many new ones."""
    reads, changes, creations = [], [], []
    for number, keys in enumerate(some):
        start = perf_counter()
        before = await store.load(keys, nothing)
        loaded = perf_counter()
        after = replace(before, session=replace(before.session, last_seen=before.session.last_seen + 1))
        changing = perf_counter()
        await store.commit(keys, before, after)
        changed = perf_counter()
        await store.commit(_keys(f"new-{number}"), nothing, like)
        created = perf_counter()
        reads.append(loaded - start)
        changes.append(changed - changing)
        creations.append(created - changed)
    times = {"read": reads, "change": changes, "new customer": creations}
    return {operation: median(spent) * MICROSECONDS for operation, spent in times.items()}


def _keys(subject: str) -> Keys:
    return Keys(account_key(ISSUER, subject), session_key(ISSUER, subject, "app-1", "session"))


async def main() -> None:
    """Measure and print everything."""
    for name, line in (await by_sessions()).items():
        print(f"{name:24s}", *(f"{number:>9,.0f}: {cost:6.1f} us" for number, cost in line))
    print(
        f"{'commits together':24s}", *(f"{number:>9,.0f}: {cost:6.0f} us" for number, cost in await commits_together())
    )


if __name__ == "__main__":
    asyncio.run(main())
