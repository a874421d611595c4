"""Documents are kept by namespace and name, replaced as a whole, and deleted by empty bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.stores.sqlite_connection import open_connections
from authguard.stores.sqlite_document import list_documents, read_document, write_document

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    writer, reader = open_connections(tmp_path / "store.db", 1.0)
    yield writer
    reader.close()
    writer.close()


def test_a_document_is_read_back_and_replaced_as_a_whole(file: sqlite3.Connection) -> None:
    write_document(file, "keys", "one", b"first and longer")

    assert write_document(file, "keys", "one", b"second") == b"second"
    assert read_document(file, "keys", "one") == b"second"


def test_a_document_that_does_not_exist_is_empty(file: sqlite3.Connection) -> None:
    assert read_document(file, "keys", "one") == b""


def test_the_same_name_in_another_namespace_is_another_document(file: sqlite3.Connection) -> None:
    write_document(file, "keys", "one", b"a")
    write_document(file, "tickets", "one", b"b")

    write_document(file, "tickets", "one", b"")

    assert read_document(file, "keys", "one") == b"a"
    assert read_document(file, "tickets", "one") == b""
    assert list_documents(file, "tickets", 9) == ()


def test_empty_bytes_delete_a_document_and_may_do_so_twice(file: sqlite3.Connection) -> None:
    write_document(file, "keys", "one", b"a")

    assert write_document(file, "keys", "one", b"") == b""
    assert write_document(file, "keys", "one", b"") == b""
    assert list_documents(file, "keys", 9) == ()


def test_names_are_listed_in_order_up_to_a_limit(file: sqlite3.Connection) -> None:
    for name in ("b", "a", "d", "c"):
        write_document(file, "keys", name, b"x")

    assert list_documents(file, "keys", 3) == ("a", "b", "c")


def test_a_name_is_a_value_and_no_part_of_a_statement(file: sqlite3.Connection) -> None:
    name = "one' OR 1=1 --"
    write_document(file, "keys", "one", b"a")

    assert read_document(file, "keys", name) == b""
    write_document(file, "keys", name, b"")
    assert read_document(file, "keys", "one") == b"a"
