"""The hash table of records, compared with a dictionary."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from authguard.stores.record_table import RecordTable, key_of, keys_of, rows_of, split

#: few names, some of which are the start of others
NAMES = st.sampled_from([b"t" * count for count in range(1, 40)]) | st.binary(max_size=2)


class TableMachine(RuleBasedStateMachine):
    """Any order of insertions, replacements and deletions leaves what a dictionary would hold."""

    def __init__(self) -> None:
        super().__init__()
        self.table = RecordTable()
        self.model: dict[bytes, bytes] = {}

    @rule(name=NAMES, value=st.binary(min_size=1, max_size=4))
    def put(self, name: bytes, value: bytes) -> None:
        self.table.put(name, value)
        self.model[name] = value

    @rule(name=NAMES)
    def delete(self, name: bytes) -> None:
        if self.model.pop(name, b""):
            self.table.delete(name)

    @rule(name=NAMES)
    def get(self, name: bytes) -> None:
        assert self.table.get(name) == self.model.get(name, b"")

    @invariant()
    def same_names(self) -> None:
        assert sorted(self.table) == sorted(self.model)


TestTable = TableMachine.TestCase


def test_thousands_of_records_are_found_after_growth_and_after_the_deletion_of_others() -> None:
    table = RecordTable()
    names = [number.to_bytes(3, "big") for number in range(20_000)]
    for name in names:
        table.put(name, b"first")
    for name in names[::3]:
        table.delete(name)
    for name in names[1::3]:
        table.put(name, b"second")
    expected = dict.fromkeys(names, b"first") | dict.fromkeys(names[1::3], b"second") | dict.fromkeys(names[::3], b"")
    assert {name: table.get(name) for name in names} == expected
    assert len(list(table)) == 20_000 - len(names[::3])


def test_an_entry_is_the_same_object_until_it_is_replaced() -> None:
    table = RecordTable()
    keys = keys_of([b"v", b"none"])
    table.put(b"v", b"one")
    seen = table.find(keys)
    assert seen[0] is table.find(keys)[0]
    assert rows_of(keys, seen) == [(b"v", b"one")], "a missing record has no row"
    table.put(b"v", b"two")
    assert table.find(keys) != seen


@pytest.mark.parametrize("length", [0, 1, 255, 256, 65_535, 65_536])
def test_a_name_of_any_length_has_a_key(length: int) -> None:
    table = RecordTable()
    table.put(b"n" * length, b"value")
    assert table.get(b"n" * length) == b"value"
    assert not table.get(b"n" * length + b"n")


@given(NAMES, NAMES)
def test_no_key_is_the_start_of_another(one: bytes, other: bytes) -> None:
    assert split(key_of(one) + b"value") == (one, b"value")
    assert keys_of([one, other]) == (key_of(one), key_of(other))
    assert (key_of(other) + b"value").startswith(key_of(one)) == (one == other)
