"""The index, whatever was asked and however it came about, answers what a scan of the log answers."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authguard.audit.query.index import open_index
from authguard.audit.query.index_place import find_index
from authguard.audit.query.index_schema import SCHEMA_VERSION
from authguard.audit.query.search import Query, count_by_template, find, find_by_id
from authguard.audit.verify.log_reader import decode_line
from tests.audit.logs import AT, acted, append, decided, faulted, moved, refused, withdrawn, write
from tests.support.hypothesis_profile import examples
from tests.support.record_check import skip_validation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authguard.records.entries import Entry

PEOPLE = ("anna", "bob", "")
SESSIONS = ("5e55", "5e66", "")
TRANSACTIONS = ("t1", "t2", "")
STATES = ("active", "idle", "expired")
OUTCOMES = ("allow", "deny", "hold")
OPERATIONS = ("pay", "chat")


@st.composite
def entries(draw: st.DrawFn, name: str) -> Entry:
    """Make any record."""
    at = draw(st.integers(0, 20))
    who = {"subject": draw(st.sampled_from(PEOPLE)), "session": draw(st.sampled_from(SESSIONS))}
    about = {"transaction": draw(st.sampled_from(TRANSACTIONS))}
    match draw(st.sampled_from(("decision", "decision", "transition", "refusal", "fault", "withdrawn", "act"))):
        case "decision":
            outcome = draw(st.sampled_from(OUTCOMES))
            more: dict[str, Any] = {"operation": draw(st.sampled_from(OPERATIONS)), **who, **about}
            events = draw(st.sampled_from(((), ("session.accepted",), ("session.idled", "account.normal"))))
            return decided(name, at, outcome, rule=draw(st.sampled_from(("3:a", "4:b"))), events=events, **more)
        case "transition":
            source, dest = draw(st.sampled_from(STATES)), draw(st.sampled_from(STATES))
            return moved(name, at, f"session.idled: {source} -> {dest}", **who, **about)
        case "refusal":
            return refused(name, at)
        case "fault":
            return faulted(name, at)
        case "withdrawn":
            return withdrawn(name, at, *draw(st.lists(st.sampled_from(NAMES), max_size=3)))
        case _:
            return acted(name, at, draw(st.sampled_from(("started", "rollback.engaged"))), by="Anna", **about)


NAMES = [f"r{number}" for number in range(16)]
logs = st.lists(st.sampled_from(NAMES), max_size=16).flatmap(lambda names: st.tuples(*map(entries, names)))
few = st.lists(st.sampled_from(("active", "session=idle", "idle", "none")), max_size=2).map(tuple)
questions = (
    st.builds(
        Query,
        since=st.just(float("-inf")) | st.integers(0, 20).map(lambda at: AT + at),
        until=st.just(float("inf")) | st.integers(0, 20).map(lambda at: AT + at),
        kinds=st.lists(st.sampled_from(("decision", "act", "transition", "refusal")), max_size=2).map(tuple),
        states=few,
        events=st.lists(st.sampled_from(("session.idled", "idled", "account.normal")), max_size=1).map(tuple),
        outcomes=st.lists(st.sampled_from(OUTCOMES), max_size=2).map(tuple),
        rules=st.lists(st.sampled_from(("3:a", "4", "b")), max_size=1).map(tuple),
        operations=st.lists(st.sampled_from(OPERATIONS), max_size=1).map(tuple),
        text=st.sampled_from(("", "", "ANNA", "r1")),
        subjects=st.sampled_from(((), (), ("anna",), ("anna", "bob"))),
    )
    | st.builds(Query, session=st.sampled_from(SESSIONS[:2]))
    | st.builds(Query, transaction=st.sampled_from(TRANSACTIONS[:2]))
)


@dataclass
class Scan:
    """The log's own lines, gone through one by one, by the words of the guide."""

    log: Path

    def lines(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for file in (self.log, self.log.with_name("audit.1.jsonl")):
            if file.exists():
                yield from ((file.name, decode_line(line)) for line in file.read_bytes().splitlines())

    def voids(self) -> set[tuple[str, str]]:
        return {(file, one) for file, said in self.lines() for one in said.get("records", ())}

    def answer(self, asked: Query) -> list[tuple[float, str, bool]]:
        voids = self.voids()
        found = [
            (said["at"], said["id"], (file, said["id"]) in voids) for file, said in self.lines() if wanted(said, asked)
        ]
        return sorted(found)


def wanted(said: dict[str, Any], asked: Query) -> bool:
    """Whether a record answers a question."""
    cell = dict(
        zip(("service", "account", "session", "verification", "transaction"), said.get("cell", ()), strict=False)
    )
    states = {said["machine"]: said["dest"]} if "machine" in said else cell
    events = {f"{said['machine']}.{said['event']}"} if "machine" in said else set(said.get("events", ()))
    rule = said.get("rule", "")
    has: tuple[tuple[tuple[str, ...], set[str]], ...] = (
        (asked.kinds, {said["kind"]}),
        (asked.states, {*states.values(), *(f"{name}={state}" for name, state in states.items())}),
        (asked.events, events | {one.partition(".")[2] for one in events}),
        (asked.outcomes, {said.get("outcome", "")}),
        (asked.rules, {rule, *rule.split(":")}),
        (asked.operations, {said.get("operation", "")}),
        (asked.subjects, {said.get("subject", ""), said.get("actor", "")} - {""}),
        ((asked.session,) if asked.session else (), {said.get("session", "")}),
        ((asked.transaction,) if asked.transaction else (), {said.get("transaction", "")}),
    )
    text = " ".join(map(str, said.values())).casefold()
    return (
        asked.since <= said["at"] <= asked.until
        and all(not some or bool(set(some) & known) for some, known in has)
        and asked.text.casefold() in text
    )


def answered(log: Path, asked: Query) -> list[tuple[float, str, bool]]:
    with open_index(log) as index:
        try:
            newest = [(one.at, str(one.record["id"]), one.void) for one in find(index, asked)]
        except LookupError:
            return []
        oldest = [(one.at, str(one.record["id"]), one.void) for one in find(index, asked, newest=False)]
    assert [one[0] for one in newest] == sorted((one[0] for one in newest), reverse=True)
    assert sorted(newest) == sorted(oldest)
    return sorted(newest)


def contents(log: Path) -> dict[str, list[Any]]:
    """Say all that an index holds, whatever its numbers are."""
    with open_index(log) as index:
        record = "SELECT content, at, id, void, name, record.place, size, subject, actor, session, transact, decision"
        joined = (
            "FROM record JOIN template ON template.no = record.template JOIN file ON file.no = record.file"
            " ORDER BY name, 6"
        )
        return {
            "records": index.db.execute(f"{record} {joined}").fetchall(),
            "files": index.db.execute(
                "SELECT name, indexed_bytes, lines, unparsed_lines, first, last, place FROM file"
            ).fetchall(),
            "void": index.db.execute("SELECT name, id FROM void JOIN file ON no = file ORDER BY 1, 2").fetchall(),
        }


@settings(max_examples=examples(60), deadline=None)
@given(logs, logs, logs, st.lists(questions, min_size=1, max_size=6))
def test_the_index_answers_what_a_scan_of_the_log_answers_and_is_the_same_made_anew(
    first: tuple[Entry, ...], second: tuple[Entry, ...], other: tuple[Entry, ...], asked: list[Query]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "audit.jsonl"
        skip_validation(log.parent)
        write(log, decided("r0"), *first)
        contents(log)
        if other:
            write(log.with_name("audit.1.jsonl"), *other)
        append(log, *second)
        for one in asked:
            assert answered(log, one) == Scan(log).answer(one)
        with open_index(log) as index:
            by_template = sum(count_by_template(index, float("-inf"), float("inf")).values())
            named = sum(len(find_by_id(index, name)) for name in NAMES)
        everything = Scan(log).answer(Query())
        assert by_template == sum(not void for _, _, void in everything)
        assert named == len(everything)
        followed = contents(log)
        find_index(log).unlink()
        assert contents(log) == followed


def _scribbled(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[4_096:8_192] = b"\xa5" * 4_096
    path.write_bytes(whole)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5_000])


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _older(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION - 1}")
    db.execute("DELETE FROM record")
    db.commit()
    db.close()


def _without_a_table(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("DROP TABLE record")
    db.commit()
    db.close()


def _of_another_log(path: Path) -> None:
    other = path.parent / "other" / "audit.jsonl"
    other.parent.mkdir()
    skip_validation(other.parent)
    write(other, decided("x"), decided("y", 5), decided("z", 9))
    contents(other)
    shutil.copy(find_index(other), path)


@pytest.mark.parametrize("spoil", [_scribbled, _cut, _emptied, _older, _without_a_table, _of_another_log])
def test_an_index_that_is_no_use_any_more_is_made_anew_by_itself(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    log = tmp_path / "audit.jsonl"
    skip_validation(tmp_path)
    write(log, *(decided(f"r{number}", number) for number in range(60)))
    before = contents(log)
    spoil(find_index(log))
    assert answered(log, Query()) == Scan(log).answer(Query())
    assert contents(log) == before
