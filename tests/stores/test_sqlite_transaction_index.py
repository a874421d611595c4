"""The index of transactions lists each once, in order, by state, role, operation and subject."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from authguard.core.record_codec import transaction_key
from authguard.core.snapshot import TransactionRecord
from authguard.ports import FIRST
from authguard.stores.sqlite_connection import open_connections
from authguard.stores.sqlite_transaction_index import (
    add_to_index,
    find_transactions,
    remove_from_index,
    update_index,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

ANY = ("", "", "")
NOW = 1_800_000_000.0
HELD = TransactionRecord("held", NOW, created=NOW, role="supervisor", operation="refund", subject="anna", version=1)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    writer, reader = open_connections(tmp_path / "store.db", 1.0)
    yield writer
    reader.close()
    writer.close()


def add(file: sqlite3.Connection, name: str, record: TransactionRecord = HELD) -> None:
    """Store a transaction and add it to the index."""
    file.execute("INSERT INTO records VALUES (?, 1, ?)", (transaction_key(name), msgspec.msgpack.encode(record)))
    add_to_index(file, transaction_key(name), record)


def ids(
    file: sqlite3.Connection,
    state: str = "held",
    wanted: tuple[str, str, str] = ANY,
    after: tuple[float, str] = FIRST,
    limit: int = 9,
) -> list[str]:
    return [name[1:].decode() for name, _ in find_transactions(file, state, wanted, after, limit)]


def changed(**fields: object) -> TransactionRecord:
    return msgspec.structs.replace(HELD, **fields)


def test_transactions_are_listed_in_the_order_of_their_places_then_of_their_ids(file: sqlite3.Connection) -> None:
    add(file, "c", changed(created=NOW + 1))
    add(file, "b")
    add(file, "a", changed(created=NOW, queued=NOW + 2))
    add(file, "d")

    assert ids(file) == ["b", "d", "c", "a"]


def test_a_page_begins_after_the_last_one(file: sqlite3.Connection) -> None:
    for name in "abcde":
        add(file, name)

    assert ids(file, limit=2) == ["a", "b"]
    assert ids(file, after=(NOW, "b"), limit=2) == ["c", "d"]
    assert ids(file, after=(NOW, "e")) == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (("supervisor", "", ""), ["a", "b"]),
        (("clerk", "", ""), ["c"]),
        (("", "refund", ""), ["a", "c"]),
        (("", "", "anna"), ["a", "b"]),
        (("supervisor", "refund", "anna"), ["a"]),
        (("supervisor", "refund", "bob"), []),
        (("' OR ''='", "", ""), []),
    ],
)
def test_each_filter_narrows_the_list(file: sqlite3.Connection, wanted: tuple[str, str, str], found: list[str]) -> None:
    add(file, "a")
    add(file, "b", changed(operation="transfer"))
    add(file, "c", changed(role="clerk", subject="bob"))

    assert ids(file, wanted=wanted) == found


def test_a_transaction_leaves_its_old_state_and_place(file: sqlite3.Connection) -> None:
    add(file, "a")
    after = changed(state="approved", queued=NOW + 5, version=2)

    update_index(file, transaction_key("a"), HELD, after)

    assert ids(file) == []
    assert ids(file, "approved") == ["a"]
    assert ids(file, "") == ["a"], "it is listed once"


def test_a_new_transaction_is_added_without_an_old_place(file: sqlite3.Connection) -> None:
    file.execute("INSERT INTO records VALUES (?, 1, ?)", (transaction_key("a"), msgspec.msgpack.encode(HELD)))

    update_index(file, transaction_key("a"), TransactionRecord("none"), HELD)

    assert ids(file) == ["a"]


def test_a_removed_transaction_is_not_listed_and_another_at_its_place_is(file: sqlite3.Connection) -> None:
    add(file, "a")
    add(file, "b")

    remove_from_index(file, transaction_key("a"), HELD)

    assert ids(file) == ["b"]


def test_a_row_without_a_record_is_not_listed(file: sqlite3.Connection) -> None:
    add_to_index(file, transaction_key("a"), HELD)

    assert ids(file) == []
