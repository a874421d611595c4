"""High-risk transactions: a write within its limits, compared with its two SQLite transactions, and long queues.

Every purchase is a high-risk write with a different ``Idempotency-Key``, within its limits: the decision is recorded
and on disk, the transaction and its amount are saved as running, the app responds, the response is saved. Two records,
two commits. The bare side is those two commits alone: rows of the same size, with the same durability, on the same
disk; no thread, app, log, digest or limit.
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import asynccontextmanager, contextmanager
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from authguard.core.limits import measure
from authguard.core.record_codec import transaction_key
from authguard.core.request import Limit, Operation
from authguard.core.snapshot import LedgerEntry, TransactionRecord
from authguard.evaluation.canonical import canonicalize, render_request
from authguard.ports import FIRST
from authguard.stores.sqlite import SqliteStore
from authguard.stores.sqlite_transaction_index import add_to_index
from benchmarks.rounds import MICROSECONDS, Case, Spread, play
from benchmarks.table import Row
from benchmarks.warm import UnfairError, show
from benchmarks.world import PATH, POLICY, StillClock, World, answer, request, send

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

    from starlette.requests import Request

    from benchmarks.world import Message, Scope

#: a folder that no disk is behind, on systems that have it
NO_DISK: Final = Path("/dev/shm")  # noqa: S108 - a folder of the run's own is made in it
BUYING: Final = POLICY.replace(
    "    assurance: {acr: aal2, max_age: 5m}\n",
    "    amount: {at: /amount, currency: {at: /currency}}\n"
    "    limits:\n"
    "      - {amount: 500 EUR, per: call}\n"
    "      - {amount: 5000 EUR, per: 1d, by: subject}\n"
    "    idempotency: required\n",
)
BODY: Final = b'{"amount": 12.5, "currency": "EUR", "item": "tea", "to": "the corner shop", "note": "as agreed"}'
#: a moment, and a day, in seconds
NOW: Final = 1_800_000_000.0
DAY: Final = 86_400.0
#: repetitions of a small operation per measurement, and transactions per page
TIMES: Final = 100
PAGE: Final = 500
#: purchases of each customer
EACH: Final = 4
#: bytes that the guard keeps: of a name, of an account with its ledger, of a transaction that runs and that is done
NAME: Final = 33
ACCOUNT: Final = 300
RUNNING: Final = 420
DONE: Final = 520
INSERT: Final = "INSERT INTO records VALUES (?, 1, ?)"
UPDATE: Final = "UPDATE records SET version = ?, value = ? WHERE name = ? AND version = ?"


async def _buy(request: Request) -> Response:
    await request.body()
    return JSONResponse({"bought": True})


def _purchase(token: bytes, number: int) -> Scope:
    """Build a new purchase."""
    scope = request(token, path="/orders/7/refund")
    scope["method"] = "POST"
    scope["headers"] += [(b"content-type", b"application/json"), (b"idempotency-key", b"key-%d" % number)]
    return scope


def _sent() -> Callable[[], Awaitable[Message]]:
    left = [{"type": "http.request", "body": BODY, "more_body": False}]

    async def receive() -> Message:
        return left.pop() if left else {"type": "http.disconnect"}

    return receive


@asynccontextmanager
async def purchases(folder: Path, number: int) -> AsyncIterator[tuple[Case, World]]:
    """Build the case of the guarded app.

    Args:
        folder: for the store and the log.
        number: number of purchases, by a quarter as many customers.
    """
    world = World.create(folder, BUYING)
    app = Starlette(
        routes=[Route("/orders/{order_id}/refund", _buy, methods=["POST"]), Route(PATH, answer)],
    )
    clock = StillClock(world.began + 1)
    async with world.guarded("purchases", clock, app=app, store=folder / "store.db") as guarded:
        tokens = world.tokens(-(-number // EACH))
        await show(guarded, tokens, times=1)
        whose = (token.encode() for _ in range(EACH) for token in tokens)
        left = (_purchase(token, place) for place, token in enumerate(whose))

        async def run(batch: Sequence[Scope]) -> None:
            for scope in batch:
                await guarded(scope, _sent(), send)

        yield Case("purchase", lambda size: list(islice(left, size)), run), world


def bought(folder: Path) -> int:
    """Count the purchases that are done, by the store: a time is worth nothing if they are not."""
    reading = sqlite3.connect(folder / "store.db")
    try:
        found: tuple[int] = reading.execute("SELECT count(*) FROM transaction_index WHERE state = 'done'").fetchone()
        return found[0]
    finally:
        reading.close()


@contextmanager
def two_transactions(path: Path, number: int) -> Iterator[Case]:
    """Build the case of two bare SQLite transactions: one takes the money and saves that it runs, the other the result.

    Args:
        path: the database file.
        number: number of purchases.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE records (name BLOB PRIMARY KEY, version INTEGER NOT NULL, value BLOB NOT NULL) WITHOUT ROWID"
    )
    chance = Random(7)  # noqa: S311 - names that are spread like the guard's
    accounts = [chance.randbytes(NAME) for _ in range(-(-number // EACH))]
    connection.execute("BEGIN")
    connection.executemany(INSERT, [(name, bytes(ACCOUNT)) for name in accounts])
    connection.execute("COMMIT")
    left = ((name, chance.randbytes(NAME), version) for version in range(1, EACH + 1) for name in accounts)

    async def run(batch: Sequence[tuple[bytes, bytes, int]]) -> None:
        for account, transaction, version in batch:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(UPDATE, (version + 1, bytes(ACCOUNT), account, version))
            connection.execute(INSERT, (transaction, bytes(RUNNING)))
            connection.execute("COMMIT")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(UPDATE, (2, bytes(DONE), transaction, 1))
            connection.execute("COMMIT")

    try:
        yield Case("bare", lambda size: list(islice(left, size)), run)
    finally:
        connection.close()


async def _beside(rounds: int, size: int, base: Path | None) -> Spread:
    number = rounds * size
    with tempfile.TemporaryDirectory(dir=base) as name:
        folder = Path(name)
        with two_transactions(folder / "bare.db", number) as statements:
            async with purchases(folder, number) as (case, _):
                times = await play([case, statements], rounds=rounds, size=size)
        if bought(folder) != number:
            raise UnfairError("not every purchase was done")
    return times.ratio("purchase", "bare")


async def high_writes(rounds: int, size: int) -> list[Row]:
    """Measure high-risk writes within their limits next to the two bare SQLite transactions; on disk, and in memory."""
    rows = [Row.of("an in-limit high write / its two SQLite transactions", await _beside(rounds, size, None), 2.5, 2.0)]
    if NO_DISK.is_dir():
        rows.append(Row.of("the same where no disk is waited for", await _beside(rounds, size, NO_DISK)))
    return rows


def parts(rounds: int) -> list[Row]:
    """Time the digest and the limits of a purchase separately."""
    limits = Operation(
        name="refund",
        amount_at="/amount",
        currency_at="/currency",
        limits=(Limit(name="", amount="5000", currency="EUR", per=DAY),),
    )
    before = {"subject": tuple(LedgerEntry("", NOW - index, "12.5", f"t{index}") for index in range(20))}
    headers = (b"application/json", b"")
    made = canonicalize(BODY, "application/json", headers[0])
    return [
        _timed("the canonical form of a purchase", rounds, lambda: canonicalize(BODY, "application/json", headers[0])),
        _timed(
            "its lines for an approver", rounds, lambda: render_request("POST", b"/orders/7/refund", headers[0], made)
        ),
        _timed("its limits, 20 purchases before it", rounds, lambda: measure(limits, BODY, ledgers=before, now=NOW)),
    ]


def _timed(what: str, rounds: int, do: Callable[[], object]) -> Row:
    times = []
    for _ in range(rounds):
        start = perf_counter()
        for _ in range(TIMES):
            do()
        times.append((perf_counter() - start) / TIMES * MICROSECONDS)
    return Row.of(what, Spread.of(times), unit="us")


async def queues(rounds: int, number: int) -> list[Row]:
    """Time a first page of held transactions, found in each way that they can be, and the whole list page by page."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        store = SqliteStore(path)
        await store.open()
        try:
            _fill(path, number)
            filters: dict[str, dict[str, str]] = {
                "a page of them": {"state": "held"},
                "by operation": {"state": "held", "operation": "op-3"},
                "by subject": {"state": "held", "subject": f"{number // 2:032x}"},
                "by role": {"state": "held", "role": "nobody"},
                "in whichever state": {},
            }
            rows = [
                await _read(f"{number:,} held transactions: {what}", rounds, store, wanted)
                for what, wanted in filters.items()
            ]
            start = perf_counter()
            seen = 0
            async for page in _pages(store):
                seen += page
            whole = (perf_counter() - start) * 1000
            if seen != number:
                raise UnfairError(f"{seen} transactions were listed, and there are {number}")
            return [*rows, Row(what=f"{number:,} held transactions: all, {PAGE} at a time", value=whole, unit="ms")]
        finally:
            await store.close()


async def _pages(store: SqliteStore) -> AsyncIterator[int]:
    after = FIRST
    while found := await store.transactions(state="held", after=after, limit=PAGE):
        after = (found[-1][1].created, found[-1][0])
        yield len(found)


async def _read(what: str, rounds: int, store: SqliteStore, wanted: dict[str, str]) -> Row:
    times = []
    for _ in range(rounds):
        start = perf_counter()
        await store.transactions(**wanted, after=FIRST, limit=50)
        times.append((perf_counter() - start) * 1000)
    return Row.of(what, Spread.of(times), 100.0, 20.0, unit="ms")


def _fill(path: Path, number: int) -> None:
    """Write held transactions of as many customers as the store itself would, in one go."""
    held = TransactionRecord(
        state="held",
        entered=NOW,
        digest="d" * 64,
        account=b"a" * 16,
        session=b"s" * 16,
        version=1,
        role="supervisor",
        count=1,
        request=bytes(200),
        asked="d" * 64,
    )
    encode = msgspec.msgpack.encode
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN")
    for index in range(number):
        name = transaction_key(blake2b(b"%d" % index, digest_size=16).hexdigest())
        record = replace(held, created=NOW + index, operation=f"op-{index % 10}", subject=f"{index:032x}")
        connection.execute("INSERT INTO records VALUES (?, 1, ?)", (name, encode(record)))
        add_to_index(connection, name, record)
    connection.execute("COMMIT")
    connection.close()
