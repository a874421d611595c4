"""Questions: each filter by itself and together, held against the plain definition over the whole log."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authguard.audit.query import search
from authguard.audit.query.index import open_index
from authguard.audit.query.search import Query, find, find_by_decision, last, resolve_session
from authguard.records.chain import HASH_SUFFIX_BYTES, has_stated_hash
from tests.audit.logs import AT, CELL, acted, decided, moved, write
from tests.support.hypothesis_profile import examples

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.records.entries import Entry

OTHER = ("live", "locked", *CELL[2:])
ENTRIES = (
    acted("a", 0, "started", note="Hello World"),
    decided("b", 1, channel="web", peer="203.0.113.7", method="GET", path="/pay/{item}"),
    decided(
        "c",
        2,
        "deny",
        peer="5f" * 16,
        method="POST",
        path="/pay/{item}",
        cell=OTHER,
        operation="chat",
        reason="attempts-spent",
    ),
    decided("d", 3, "deny", subject="bert", session="5e56", rule="7:no", events=("session.renewed",)),
    moved("e", 4, "session.idled: active -> idle", decision="d"),
    decided("f", 4, subject="bert", actor="anna", session="77", transaction="t1"),
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    write(path, *ENTRIES)
    return path


def asked(log: Path, **members: Any) -> str:
    with open_index(log) as index:
        return "".join(one.record["id"] for one in find(index, Query(**members), newest=False))


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({}, "abcdef"),
        ({"since": AT + 2, "until": AT + 3}, "cd"),
        ({"kinds": ("act", "transition")}, "ae"),
        ({"outcomes": ("deny",)}, "cd"),
        ({"states": ("account=locked",)}, "c"),
        ({"states": ("locked", "idle")}, "ce"),
        ({"states": ("session=active",)}, "bcdf"),
        ({"states": ("pay",)}, ""),
        ({"states": ("good",)}, ""),
        ({"events": ("session.renewed",)}, "d"),
        ({"events": ("idled", "renewed")}, "de"),
        ({"rules": ("7",)}, "d"),
        ({"rules": ("7:no", "3:allow")}, "bdf"),
        ({"rules": ("no",)}, "cd"),
        ({"operations": ("chat",)}, "c"),
        ({"channels": ("web",)}, "b"),
        ({"reasons": ("attempts-spent",)}, "c"),
        ({"peers": ("203.0.113.7",)}, "b"),
        ({"peers": ("203.0.113",)}, ""),
        ({"peers": ("203.0.113.7", "5f" * 16)}, "bc"),
        ({"methods": ("GET",)}, "b"),
        ({"paths": ("/pay/{item}",), "methods": ("POST", "PUT")}, "c"),
        ({"paths": ("/pay/{item}",), "outcomes": ("allow",)}, "b"),
        ({"text": "hello wORLD"}, "a"),
        ({"subjects": ("anna",)}, "bcef"),
        ({"subjects": ("bert", "anna")}, "bcdef"),
        ({"session": "5e56"}, "d"),
        ({"transaction": "t1"}, "f"),
        ({"outcomes": ("deny",), "subjects": ("bert",), "until": AT + 3}, "d"),
    ],
)
@pytest.mark.parametrize("apart", [0, 256])
def test_a_question_finds_what_it_asks_for(
    log: Path, members: dict[str, Any], found: str, apart: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MAX_SEPARATE_TEMPLATES", apart)
    assert asked(log, **members) == found


def test_the_last_are_given_oldest_first(log: Path) -> None:
    with open_index(log) as index:
        assert [one.record["id"] for one in last(index, Query(), 2)] == ["e", "f"]
        assert [one.record["id"] for one in last(index, Query(outcomes=("deny",)), 1)] == ["d"]


def test_what_a_decision_moved_is_found(log: Path) -> None:
    with open_index(log) as index:
        assert [one.record["id"] for one in find_by_decision(index, "d")] == ["e"]


def test_a_session_is_found_by_as_many_digits_as_tell_it(log: Path) -> None:
    with open_index(log) as index:
        assert resolve_session(index, "7") == "77"
        assert resolve_session(index, "5e55") == "5e55"
        assert resolve_session(index, "urn:authguard:session:5e55") == "5e55"
        with pytest.raises(LookupError, match="several sessions begin with `5e`: 5e55, 5e"):
            resolve_session(index, "5e")
        with pytest.raises(LookupError, match="no session"):
            resolve_session(index, "x")


def test_a_line_edited_in_the_middle_is_shown_as_such(log: Path) -> None:
    asked(log)
    log.write_bytes(log.read_bytes().replace(b'"outcome":"deny"', b'"outcome":"dent"', 1))
    with open_index(log) as index:
        assert [one.intact for one in find(index, Query(), newest=False)] == [True, True, False, True, True, True]


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(st.integers(0, 5), min_size=1, max_size=12),
    wanted=st.sets(st.sampled_from(["allow", "deny"])),
    since=st.integers(0, 5),
    newest=st.booleans(),
)
def test_any_log_answers_as_the_definition_says(
    tmp_path: Path, *, times: list[int], wanted: set[str], since: int, newest: bool
) -> None:
    entries: list[Entry] = [
        decided(f"{place:02}", at, ("allow", "deny")[place % 2], subject=f"s{place % 3}")
        for place, at in enumerate(times)
    ]
    path = tmp_path / "audit.jsonl"
    write(path, *entries)
    with open_index(path, fresh=True) as index:
        asked = Query(outcomes=tuple(wanted), since=AT + since)
        found = [one.record["id"] for one in find(index, asked, newest=newest)]
    skip_validation = sorted(
        (entry.at, entry.id)
        for place, entry in enumerate(entries)
        if (not wanted or ("allow", "deny")[place % 2] in wanted) and entry.at >= AT + since
    )
    assert found == [record for _, record in sorted(skip_validation, reverse=newest)]


def test_a_line_that_was_edited_in_place_since_it_was_indexed_is_not_intact(log: Path) -> None:
    assert asked(log, outcomes=("deny",)) == "cd"
    lines = log.read_bytes().splitlines(keepends=True)
    place = next(number for number, line in enumerate(lines) if b'"id":"d"' in line)
    edited = lines[place].replace(b'"deny"', b'"hold"')
    body = edited[:-HASH_SUFFIX_BYTES]
    lines[place] = body + edited[-HASH_SUFFIX_BYTES:].replace(edited[-67:-3], sha256(body).hexdigest().encode())
    assert has_stated_hash(lines[place])
    log.write_bytes(b"".join(lines))
    with open_index(log) as index:
        found = {one.record["id"]: one.intact for one in find(index, Query(outcomes=("deny",)))}
    assert found == {"c": True, "d": False}
