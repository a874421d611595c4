"""Random sequences of calls leave a store in the same state as a plain dictionary."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule

from authguard.core.snapshot import Keys, Snapshot
from authguard.stores.memory import MemoryStore
from authguard.stores.sqlite import SqliteStore
from tests.stores.samples import BLANK
from tests.support.hypothesis_profile import examples

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from authguard.core.snapshot import Record

RECORDS = ("service", "account", "session", "transaction")
some_keys = st.builds(
    Keys, st.sampled_from([b"", b"k", b"l"]), st.sampled_from([b"", b"k", b"l"]), st.sampled_from(["", "k", "l"])
)
some_changes = st.dictionaries(st.sampled_from(RECORDS), st.sampled_from(["one", "two"]))
some_names = st.sampled_from(["a", "b"])
some_values = st.sampled_from([b"", b"1", b"2"])


class _AgainstADictionary(RuleBasedStateMachine):
    """Keeps snapshots for a while, so that many of its commits are stale."""

    seen = Bundle("seen")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = TemporaryDirectory()
        self.records: dict[tuple[str, bytes | str], Record] = {}
        self.documents: dict[tuple[str, str], bytes] = {}

    def make(self) -> MemoryStore | SqliteStore:
        raise NotImplementedError

    def run(self, call: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(call)

    @initialize()
    def open(self) -> None:
        self.store = self.make()
        self.run(self.store.open())

    @rule(target=seen, keys=some_keys)
    def load(self, keys: Keys) -> tuple[Keys, Snapshot]:
        loaded = self.run(self.store.load(keys, BLANK))
        for record, key in self.record_keys(keys):
            assert getattr(loaded, record) == self.records.get((record, key), getattr(BLANK, record))
        return keys, loaded

    @rule(held=seen, changes=some_changes)
    def commit(self, held: tuple[Keys, Snapshot], changes: dict[str, str]) -> None:
        keys, before = held
        changed = {name: msgspec.structs.replace(getattr(before, name), state=new) for name, new in changes.items()}
        after = msgspec.structs.replace(before, **changed)
        due = [
            (place, getattr(before, place[0]), getattr(after, place[0]))
            for place in self.record_keys(keys)
            if place[1] and getattr(before, place[0]) != getattr(after, place[0])
        ]
        current = [self.records[place].version if place in self.records else 0 for place, _, _ in due]
        expected = current == [old.version for _, old, _ in due]
        assert self.run(self.store.commit(keys, before, after)) == expected
        if expected:
            for place, old, new in due:
                self.records[place] = msgspec.structs.replace(new, version=old.version + 1)

    @rule(name=some_names, value=some_values)
    def put(self, name: str, value: bytes) -> None:
        self.run(self.store.put("namespace", name, value))
        self.documents["namespace", name] = value

    @rule(name=some_names, value=some_values)
    def add(self, name: str, value: bytes) -> None:
        kept = self.documents.get(("namespace", name)) or value
        assert self.run(self.store.add("namespace", name, value)) == kept
        self.documents["namespace", name] = kept

    @rule(name=some_names, old=some_values, new=some_values)
    def replace(self, name: str, old: bytes, new: bytes) -> None:
        expected = self.documents.get(("namespace", name), b"") == old
        assert self.run(self.store.replace("namespace", name, old, new)) == expected
        if expected:
            self.documents["namespace", name] = new

    @rule()
    def list_documents(self) -> None:
        names = self.run(self.store.list_keys("namespace", 10))
        assert names == tuple(sorted(name for (_, name), value in self.documents.items() if value))
        for name in names:
            assert self.run(self.store.get("namespace", name)) == self.documents["namespace", name]

    @rule()
    def reopen(self) -> None:
        self.run(self.store.close())
        self.run(self.store.open())

    def teardown(self) -> None:
        self.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()

    @staticmethod
    def record_keys(keys: Keys) -> list[tuple[str, bytes | str]]:
        return [
            ("service", "the one"),
            ("account", keys.account),
            ("session", keys.session),
            ("transaction", keys.transaction),
        ]


class _Memory(_AgainstADictionary):
    def make(self) -> MemoryStore:
        return MemoryStore()


class _Sqlite(_AgainstADictionary):
    def make(self) -> SqliteStore:
        return SqliteStore(Path(self.folder.name) / "records.db")


TestMemory = _Memory.TestCase
TestMemory.settings = settings(max_examples=examples(50), stateful_step_count=40, deadline=None)
TestSqlite = _Sqlite.TestCase
TestSqlite.settings = settings(max_examples=15, stateful_step_count=40, deadline=None)
