"""Find a stored transaction, ticket or session by its id, or by the unambiguous start of it.

Rule: a start needs at least `MIN_TYPED` characters. A shorter text, such as the number of an order, is far more
probably something else, and the command would act on a transaction that nobody meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.cli.identifier import (
    MAX_CANDIDATES,
    MIN_SHOWN,
    hex_range,
    is_hex,
    refuse_ambiguous,
    refuse_unknown,
    shorten,
    strip_urn,
    text_range,
)
from authguard.cli.span import format_span
from authguard.cli.terminal import escape
from authguard.core.record_keys import KEY_BYTES
from authguard.core.snapshot import Keys, SessionRecord, TransactionRecord
from authguard.runtime.handoff import StoreDesk
from authguard.runtime.transaction_list import effective_record, effective_snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from authguard.core.snapshot import Record
    from authguard.ports import RecordKind, Store
    from authguard.runtime.handoff import FiledTicket
    from authguard.runtime.state_repository import StateRepository

#: fewest characters of the start of an id; lists show at least `MIN_SHOWN`
MIN_TYPED: Final = 6
#: most tickets that are listed or searched
MAX_TICKETS: Final = 100_000
#: records read from the store per page
PAGE_SIZE: Final = 500
#: most ids whose short forms are compared with the store
MAX_SHORTENED: Final = 1_000
_LIST_TRANSACTIONS: Final = "authguard transactions list --state any"


async def each_record(store: Store, kind: RecordKind) -> AsyncIterator[tuple[bytes, Record]]:
    """Yield every record of a kind with its key; read them in pages to bound memory."""
    first = b""
    while True:
        page = await store.records(kind, first=first, limit=PAGE_SIZE)
        for one in page:
            yield one
        if len(page) < PAGE_SIZE:
            break
        first = page[-1][0] + b"\0"


async def find_transaction(repository: StateRepository, typed: str) -> tuple[str, TransactionRecord]:
    """Return a transaction's id and its record, with due timers applied.

    Raises:
        typer.Exit: there is none, or several begin with this text; the message has been printed.
    """
    wanted = strip_urn(typed)
    exact = (await repository.load(Keys(transaction=wanted))).snapshot.transaction
    if exact.version:
        return wanted, effective_record(repository, exact)
    found: Sequence[tuple[bytes, object]] = ()
    if len(wanted) >= MIN_TYPED:
        first, end = text_range(wanted)
        found = await repository.store.records("transaction", first=first, end=end, limit=MAX_CANDIDATES + 1)
    records = [
        (name.decode("utf-8", "surrogatepass"), effective_record(repository, record))
        for name, record in found
        if isinstance(record, TransactionRecord)
    ]
    if len(records) == 1:
        return records[0]
    if not records:
        raise refuse_unknown(
            f"there is no such transaction: `{escape(typed[:80])}`; its id is in the reply and in the list"
            f"{_too_short(wanted)}",
            _LIST_TRANSACTIONS,
        )
    now = repository.clock.now()
    raise refuse_ambiguous(
        typed,
        "transactions",
        ("id", "operation", "state", "asked by", "waits"),
        [
            (name, record.operation, record.state, record.subject[:MIN_SHOWN], format_span(now - record.entered))
            for name, record in records[:MAX_CANDIDATES]
        ],
        is_complete=len(records) <= MAX_CANDIDATES,
    )


async def find_ticket(store: Store, typed: str, now: float) -> FiledTicket:
    """Return a ticket.

    Raises:
        typer.Exit: there is none, or several begin with this text; the message has been printed.
    """
    wanted = strip_urn(typed)
    tickets = await StoreDesk(store).tickets(MAX_TICKETS)
    exact = [one for one in tickets if one.ticket.id == wanted]
    filed = [one for one in tickets if len(wanted) >= MIN_TYPED and one.ticket.id.startswith(wanted)]
    if len(exact or filed) == 1:
        return (exact or filed)[0]
    if not filed:
        raise refuse_unknown(
            f"there is no such ticket: `{escape(typed[:80])}` was closed, or never opened{_too_short(wanted)}",
            "authguard handoff list",
        )
    raise refuse_ambiguous(
        typed,
        "tickets",
        ("id", "queue", "operation", "waits", "taken by"),
        [
            (one.ticket.id, one.ticket.queue, one.ticket.operation, format_span(now - one.ticket.opened), one.by)
            for one in filed[:MAX_CANDIDATES]
        ],
        is_complete=len(filed) <= MAX_CANDIDATES,
    )


async def find_session(repository: StateRepository, typed: str) -> tuple[bytes, SessionRecord]:
    """Return a session's key and its record, with due timers applied.

    Raises:
        typer.Exit: there is none, or several begin with this text; the message has been printed.
    """
    wanted = strip_urn(typed).lower()
    found: Sequence[tuple[bytes, object]] = ()
    if is_hex(wanted) and MIN_TYPED <= len(wanted) <= 2 * KEY_BYTES:
        first, end = hex_range(wanted)
        found = await repository.store.records("session", first=first, end=end, limit=MAX_CANDIDATES + 1)
    records = [(key, record) for key, record in found if isinstance(record, SessionRecord)]
    if len(records) == 1:
        key, _ = records[0]
        return key, effective_snapshot(repository, (await repository.load(Keys(session=key))).snapshot).session
    if not records:
        raise refuse_unknown(
            f"there is no such session: `{escape(typed[:80])}`; its key is in the log and in a ticket"
            f"{_too_short(wanted)}",
            "authguard sessions list",
        )
    now = repository.clock.now()
    raise refuse_ambiguous(
        typed,
        "sessions",
        ("session", "state", "account", "last seen"),
        [
            (key.hex(), record.state, record.account.hex()[:MIN_SHOWN], f"{format_span(now - record.last_seen)} ago")
            for key, record in records[:MAX_CANDIDATES]
        ],
        is_complete=len(records) <= MAX_CANDIDATES,
    )


def _too_short(wanted: str) -> str:
    return f"; the start of an id has at least {MIN_TYPED} characters" if 0 < len(wanted) < MIN_TYPED else ""


async def shorten_transactions(store: Store, ids: Sequence[str]) -> dict[str, str]:
    """Return each transaction's id with a short form that names no other transaction of the store."""
    if len(ids) > MAX_SHORTENED:
        return {one: one for one in ids}
    known: set[str] = set()
    for one in ids:
        first, end = text_range(one[:MIN_SHOWN])
        near = await store.records("transaction", first=first, end=end, limit=MAX_CANDIDATES)
        known.update(name.decode("utf-8", "surrogatepass") for name, _ in near)
    return shorten(ids, known)
