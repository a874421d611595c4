"""A request that changes state, compared with two bare SQLite statements in one transaction.

In every request a proof of identity has aged: a timer moves the session's verification, the transition and the
decision are recorded, the session's record is saved, and then the app runs. Both sides write through SQLite's
write-ahead log with ``synchronous=FULL``, to files on the same disk.
"""

from __future__ import annotations

import sqlite3
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Final

from benchmarks.rounds import Case
from benchmarks.warm import Unseen, asgi, show
from benchmarks.world import POLICY, StillClock, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

AGING: Final = """\
timers:
  - {event: verification.aged, after: 5m, since: entered, states: [verified]}
  - {event: verification.aged, after: 2m, since: entered, states: [pending]}
  - {event: verification.aged, after: 30s, since: entered, states: [unavailable]}
"""
#: seconds after the sign-ins at which the proofs have aged
AGED: Final = 360.0
#: bytes of a record's name and of its value, as the guard keeps a session
NAME: Final = 17
VALUE: Final = 90
UPDATE: Final = "UPDATE records SET version = ?, value = ? WHERE name = ? AND version = ?"


@asynccontextmanager
async def changing(folder: Path, number: int) -> AsyncIterator[tuple[Case, World]]:
    """Build the case of the guarded app, with sessions that each change once.

    Args:
        folder: for the store and the log.
        number: number of sessions.
    """
    world = World.create(folder, POLICY + AGING)
    clock = StillClock(world.began + 1)
    async with world.guarded("changes", clock, store=folder / "store.db") as guarded:
        tokens = world.tokens(number)
        await show(guarded, tokens, times=1)
        clock.moment = world.began + AGED
        yield asgi("change", guarded, Unseen(tokens).some), world


def changed(world: World) -> int:
    """Count the changed sessions in the log: the time is valid only if all have changed."""
    with (world.folder / "changes.jsonl").open("rb") as lines:
        return sum(b'"event":"aged"' in line for line in lines)


@contextmanager
def two_statements(path: Path, number: int) -> Iterator[Case]:
    """Build the case of two bare statements in one transaction.

    Args:
        path: the database file.
        number: number of rows.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE records (name BLOB PRIMARY KEY, version INTEGER NOT NULL, value BLOB NOT NULL) WITHOUT ROWID"
    )
    names = [index.to_bytes(NAME, "big") for index in range(2 * number)]
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO records VALUES (?, 1, ?)", [(name, bytes(VALUE)) for name in names])
    connection.execute("COMMIT")
    left = iter(range(0, 2 * number, 2))

    def prepare(size: int) -> list[tuple[bytes, bytes]]:
        return [(names[index], names[index + 1]) for index in islice(left, size)]

    async def run(batch: Sequence[tuple[bytes, bytes]]) -> None:
        for first, second in batch:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(UPDATE, (2, bytes(VALUE), first, 1))
            connection.execute(UPDATE, (2, bytes(VALUE), second, 1))
            connection.execute("COMMIT")

    try:
        yield Case("statements", prepare, run)
    finally:
        connection.close()
