"""Size of a session: records as the guard creates them, a million times, in memory and on disk.

``python -m benchmarks.footprint memory|sqlite NUMBER`` prints bytes per session, for the session's record and with the
account's record, in a separate process so that nothing else is counted.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.core import record_codec
from authguard.core.record_keys import account_key, session_key
from authguard.core.snapshot import Keys
from authguard.stores.memory import MemoryStore
from authguard.stores.sqlite import SqliteStore
from benchmarks.warm import show
from benchmarks.world import ISSUER, StillClock, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.snapshot import Snapshot

#: seconds in which the sign-ins of the million are spread
SPREAD: Final = 3600.0
SECONDS: Final = 300


def resident() -> int:
    """Return the bytes of memory of this process."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


async def example(folder: Path) -> tuple[Snapshot, Snapshot]:
    """Let the guard create a session and its account.

    Returns:
        The initial states and records, and those of a customer who signed in.
    """
    world = World.create(folder)
    async with world.guarded("footprint", StillClock(world.began + 1)) as guarded:
        await show(guarded, world.tokens(1), times=1)
        keys = Keys(account_key(ISSUER, "customer-0"), session_key(ISSUER, "customer-0", "app-1", "session-0"))
        repository = guarded.enforcer.repository
        return repository.blank, await repository.store.load(keys, repository.blank)


def signed_in(like: Snapshot, number: int, *, accounts: bool) -> Iterator[tuple[Keys, Snapshot]]:
    """Yield a number of similar customers, each with different times."""
    for index in range(number):
        later = SPREAD * index / number
        session = like.session
        moved = replace(
            session,
            entered=session.entered + later,
            signed_in=session.signed_in + int(later),  # a claim of the token: whole seconds, as issuers send them
            last_seen=session.last_seen + later,
            verification_entered=session.verification_entered + later,
            version=0,
        )
        account = replace(like.account, entered=like.account.entered + later, version=0)
        subject = f"customer-{index}"
        keys = Keys(
            account_key(ISSUER, subject) if accounts else b"",
            session_key(ISSUER, subject, "app-1", f"session-{index}"),
        )
        yield keys, replace(like, session=moved, account=account)


async def in_memory(number: int, *, accounts: bool) -> float:
    """Measure bytes per session in the memory store."""
    with tempfile.TemporaryDirectory() as folder:
        nothing, like = await example(Path(folder))
    store = MemoryStore(capacity=2 * number + 1)
    gc.collect()
    before = resident()
    for keys, snapshot in signed_in(replace(like, service=nothing.service), number, accounts=accounts):
        await store.commit(keys, nothing, snapshot)
    gc.collect()
    return (resident() - before) / number


async def on_disk(number: int, *, accounts: bool) -> float:
    """Measure bytes per session in SQLite: the store's own file and rows, in one transaction, in the order of keys."""
    with tempfile.TemporaryDirectory() as folder:
        nothing, like = await example(Path(folder))
        path = Path(folder) / "store.db"
        store = SqliteStore(path)
        await store.open()
        await store.close()
        fill(path, nothing, replace(like, service=nothing.service), number, accounts=accounts)
        return path.stat().st_size / number


def fill(path: Path, nothing: Snapshot, like: Snapshot, number: int, *, accounts: bool) -> None:
    """Write a number of customers to the file of a store."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO records (version, value, name) VALUES (?, ?, ?)",
        (
            (change.version + 1, change.value, change.name)
            for keys, snapshot in signed_in(like, number, accounts=accounts)
            for change in record_codec.list_changes(keys, nothing, snapshot)
        ),
    )
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def measured(where: str, number: int, what: str) -> float:
    """Measure in a separate process; return bytes per session.

    Args:
        where: ``memory`` or ``sqlite``.
        number: number of sessions.
        what: ``session``, or ``both`` for the session and its account.
    """
    command = [sys.executable, "-m", "benchmarks.footprint", where, str(number), what]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=SECONDS)
    return float(done.stdout)


def main(where: str, number: str, what: str) -> None:
    """Measure and print."""
    measure = in_memory if where == "memory" else on_disk
    print(asyncio.run(measure(int(number), accounts=what == "both")))


if __name__ == "__main__":
    main(*sys.argv[1:])
