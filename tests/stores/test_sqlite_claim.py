"""A name is claimed once until its claim expires, and expired claims are deleted a few at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.stores.sqlite_claim import insert_claim
from authguard.stores.sqlite_connection import open_connections

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

NOW = 1_800_000_000.0


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    writer, reader = open_connections(tmp_path / "store.db", 1.0)
    yield writer
    reader.close()
    writer.close()


def names(writer: sqlite3.Connection) -> set[bytes]:
    return {name for (name,) in writer.execute("SELECT name FROM claims")}


def test_a_name_is_claimed_once(writer: sqlite3.Connection) -> None:
    assert insert_claim(writer, b"proof", NOW + 60, NOW)
    assert not insert_claim(writer, b"proof", NOW + 60, NOW)
    assert insert_claim(writer, b"other", NOW + 60, NOW)


def test_a_refused_claim_does_not_prolong_the_first_one(writer: sqlite3.Connection) -> None:
    insert_claim(writer, b"proof", NOW + 60, NOW)
    insert_claim(writer, b"proof", NOW + 600, NOW + 30)

    assert insert_claim(writer, b"proof", NOW + 120, NOW + 60)


def test_a_claim_lasts_up_to_its_last_moment(writer: sqlite3.Connection) -> None:
    insert_claim(writer, b"proof", NOW + 60, NOW)

    assert not insert_claim(writer, b"proof", NOW + 120, NOW + 59.999)
    assert insert_claim(writer, b"proof", NOW + 120, NOW + 60)


def test_expired_claims_of_others_are_deleted_a_few_at_a_time(writer: sqlite3.Connection) -> None:
    for number in range(40):
        insert_claim(writer, b"old-%d" % number, NOW + number + 1, NOW)
    insert_claim(writer, b"later", NOW + 600, NOW)

    insert_claim(writer, b"new", NOW + 600, NOW + 100)

    left = names(writer)
    assert {b"later", b"new"} <= left
    assert len(left) == 40 - 16 + 2, "one claim deletes at most sixteen"
    assert b"old-0" not in left, "the oldest first"


def test_an_expired_name_is_free_even_behind_many_older_ones(writer: sqlite3.Connection) -> None:
    for number in range(40):
        insert_claim(writer, b"old-%d" % number, NOW + number + 1, NOW)

    assert insert_claim(writer, b"old-39", NOW + 600, NOW + 100)
