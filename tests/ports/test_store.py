"""Tests of the port of the store: every adapter has the methods."""

from __future__ import annotations

import pytest

from authguard.ports.store import FIRST, Store
from authguard.stores.memory import MemoryStore
from authguard.stores.sqlite import SqliteStore
from tests.ports.conformance import list_differences


@pytest.mark.parametrize("adapter", [MemoryStore, SqliteStore])
def test_a_store_has_the_methods_of_the_port(adapter: type) -> None:
    assert list_differences(adapter, Store) == []


def test_the_first_place_of_a_list_is_before_every_transaction() -> None:
    assert FIRST < (0.0, "")
