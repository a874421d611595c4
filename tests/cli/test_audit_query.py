"""Tests of `authguard audit show`, `query` and `export`."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from authguard.audit.query.export import COLUMNS
from authguard.pseudonym import KeyedPseudonyms
from tests.audit.logs import acted, decided, moved, withdrawn, write
from tests.cli.deployment import group
from tests.support.record_check import skip_validation

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

app = group("audit")
KEY = bytes(range(32))
ISSUER = "https://idp.example"
BOB = KeyedPseudonyms(KEY).subject(ISSUER, "bob")


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("AUTHGUARD_POLICY", "AUTHGUARD_STORE", "AUTHGUARD_PSEUDONYM_KEY"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "audit.jsonl"
    skip_validation(tmp_path)
    monkeypatch.setenv("AUTHGUARD_AUDIT_LOG", str(path))
    write(
        path,
        acted("a", 0, "rollback.engaged", by="=HYPERLINK(1)", note="@SUM\n\u202e"),
        decided("b", 1, "deny", subject=BOB),
        moved("c", 1, "session.idled: active -> idle", decision="b", subject=BOB),
        decided("d", 2, session="5e56"),
        withdrawn("e", 3, "d"),
    )
    return path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.mark.usefixtures("log")
def test_show_tells_a_record_in_full_and_what_it_moved() -> None:
    done = run("show", "b")
    assert done.exit_code == 0
    for told in ("outcome      deny", "account normal", "transitions:", "event=idled", "hash of the line: correct"):
        assert told in done.output


@pytest.mark.usefixtures("log")
def test_show_takes_the_instance_of_a_reply() -> None:
    assert "outcome      deny" in run("show", "urn:authguard:record:b").output


@pytest.mark.usefixtures("log")
def test_show_of_no_record_is_exit_1() -> None:
    done = run("show", "zz\x1b[2J")
    assert done.exit_code == 1
    assert "there is no record `zz\\u001b[2J`" in done.stderr


def test_show_tells_a_line_whose_bytes_were_changed_and_an_id_that_stands_twice(log: Path) -> None:
    content = log.read_bytes().replace(b'"outcome":"deny"', b'"outcome":"none"')
    log.write_bytes(content + content.splitlines(keepends=True)[1])
    done = run("show", "b")
    assert "hash of the line: WRONG" in done.output
    assert "2 records have this id" in done.stderr


@pytest.mark.usefixtures("log")
def test_a_record_that_was_withdrawn_says_so_in_every_form() -> None:
    assert "VOID: withdrawn" in run("query", "--operation", "pay").output
    assert [one["void"] for one in json.loads(run("query", "--json", "--kind", "decision").stdout)] == [
        False,
        True,
    ]
    assert [row["void"] for row in table(run("query", "--format", "csv", "--kind", "decision").stdout)] == ["", "void"]


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.usefixtures("log")
def test_a_subject_is_found_by_the_name_that_its_issuer_has_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHGUARD_PSEUDONYM_KEY", KEY.hex())
    done = run("query", "--subject", "bob", "--issuer", ISSUER, "--json")
    assert [one["id"] for one in json.loads(done.stdout)] == ["b", "c"]
    assert "no record matches" in run("query", "--subject", "bob", "--issuer", "https://other.example").stderr
    assert [one["id"] for one in json.loads(run("query", "--subject", BOB, "--json").stdout)] == ["b", "c"]


def test_the_key_is_found_beside_the_store_and_never_made(log: Path) -> None:
    store = log.with_name("authguard.db")
    done = run("query", "--subject", "bob", "--issuer", ISSUER, "--store", str(store))
    assert "there is no pseudonym key" in str(done.exception)
    key = store.with_name("authguard.db.key")
    assert not key.exists()
    key.write_text(KEY.hex(), "ascii")
    assert "outcome=deny" in run("query", "--subject", "bob", "--issuer", ISSUER, "--store", str(store)).output
    key.write_text("ab", "ascii")
    assert "too short" in str(run("query", "--subject", "bob", "--issuer", ISSUER, "--store", str(store)).exception)


@pytest.mark.usefixtures("log")
def test_the_issuers_of_the_policy_are_tried_where_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHGUARD_PSEUDONYM_KEY", KEY.hex())
    assert "--issuer" in str(run("query", "--subject", "bob").exception)
    assert run("query", "--subject", "bob", "--policy", "standard").exit_code == 0  # which has no issuer
    assert "no record matches" in run("query", "--subject", "bob", "--policy", "standard").stderr


@pytest.mark.usefixtures("log")
def test_a_session_is_found_by_its_first_digits() -> None:
    assert [one["id"] for one in json.loads(run("query", "--session", "5e55", "--json").stdout)] == ["b", "c"]
    assert run("query", "--session", "5e").exit_code == 1
    assert run("query", "--session", "77").exit_code == 1


@pytest.mark.usefixtures("log")
def test_a_query_takes_times_as_people_type_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("authguard.clock.SystemClock.now", lambda _: 1_861_920_000.0)  # 2029
    assert "id=b" in run("query", "--since", "2027-01-15T08:00:01", "--until", "2027-01-15").output
    assert run("query", "--since", "2028-01-01").stderr == "no record matches\n"
    assert "is in the future" in " ".join(run("query", "--since", "2029-12-31").stderr.split())
    assert run("query", "--since", "whenever").exit_code == 2
    assert run("query", "--since", "2027-01-02", "--until", "2027-01-01").exit_code == 2


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize(
    ("option", "typed", "nearest"),
    [
        ("--operation", "pya", "pay"),
        ("--state", "idel", "idle"),
        ("--state", "session=idel", "session=idle"),
        ("--event", "session.idlde", "session.idled"),
        ("--outcome", "dney", "deny"),
        ("--reason", "token-expird", "token-expired"),
        ("--rule", "3:on", "3:no"),
    ],
)
def test_what_nothing_knows_is_an_error_with_the_nearest_known_value(option: str, typed: str, nearest: str) -> None:
    done = run("query", option, typed)
    assert done.exit_code == 2
    assert f"did you mean `{nearest}`" in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.usefixtures("log")
def test_what_is_known_and_matches_nothing_is_said() -> None:
    for words in (
        ("--reason", "token-expired"),
        ("--operation", "refund", "--policy", "support-desk"),
        ("--state", "account=locked", "--policy", "support-desk"),
        ("--event", "account.locked", "--policy", "support-desk"),
        ("--method", "GET"),
    ):
        done = run("query", *words)
        assert done.exception is None, words
        assert (done.exit_code, done.stdout, done.stderr) == (0, "", "no record matches\n")
    assert run("query", "--operation", "refund").exit_code == 2
    wrong = run("query", "--method", "get")
    assert wrong.exit_code == 2
    assert "known: `GET`" in wrong.stderr


@pytest.mark.usefixtures("log")
def test_more_than_the_limit_is_said() -> None:
    done = run("query", "-n", "1")
    assert "the newest 1" in done.stderr
    assert "kind" not in done.output
    assert "records=d" in done.stdout


@pytest.mark.usefixtures("log")
def test_no_cell_of_an_export_can_be_a_formula_or_break_its_line() -> None:
    rows = table(run("export").stdout)
    assert [row["id"] for row in rows] == ["a", "b", "c", "d", "e"]
    assert list(rows[0]) == list(COLUMNS)
    assert (rows[0]["by"], rows[0]["note"]) == ("'=HYPERLINK(1)", "'@SUM  ")


@pytest.mark.usefixtures("log")
def test_an_export_goes_to_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    assert run("export", "--format", "jsonl", "-o", str(output)).exit_code == 0
    assert [json.loads(line)["id"] for line in output.read_text("utf-8").splitlines()] == ["a", "b", "c", "d", "e"]
    assert output.stat().st_mode & 0o777 == 0o600
    done = run("export", "-o", str(tmp_path / "no" / "out.csv"))
    assert done.exit_code == 1
    assert "cannot be written" in done.stderr


def test_an_export_states_how_many_records_it_wrote_and_where(log: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    assert run("export", "-o", str(output)).stderr == f"wrote 5 records to {output}\n"
    assert run("export", "-o", str(output), "-n", "2").stderr == f"wrote 2 records to {output}\n"
    assert run("export").stderr == ""
    log.write_bytes(log.read_bytes().replace(b'"outcome":"deny"', b'"outcome":"none"'))
    done = run("export")
    assert "note: 1 of them do not have the hash that their line states" in done.stderr
    assert [row["intact"] for row in table(done.stdout)] == ["yes", "no", "yes", "yes", "yes"]
    assert [json.loads(line)["intact"] for line in run("export", "--json").stdout.splitlines()] == [
        *(True, False, True, True, True),
    ]


def test_a_log_that_was_cut_is_noted(log: Path) -> None:
    run("query")
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:3]))
    done = run("query")
    assert "`audit.jsonl` was cut since it was indexed" in done.stderr
    assert done.exit_code == 0


def test_a_client_is_found_by_its_address_or_by_its_hash(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = KeyedPseudonyms(KEY).peer("203.0.113.7")
    write(
        log,
        decided("f", 4, peer=named, method="POST", path="/pay/{item}"),
        decided("g", 5, peer="203.0.113.7", method="GET", path="/pay/{item}"),
        decided("h", 6, peer="2001:db8::7", method="GET", path="/pay/{item}"),
    )
    done = run("query", "--peer", "::ffff:203.0.113.7", "--format", "json")
    assert [one["id"] for one in json.loads(done.stdout)] == ["g"]
    assert "note: only plain addresses are found: there is no pseudonym key" in " ".join(done.stderr.split())
    monkeypatch.setenv("AUTHGUARD_PSEUDONYM_KEY", KEY.hex())
    found = {
        ("--peer", "203.0.113.7"): ["f", "g"],
        ("--peer", named): ["f"],
        ("--peer", "203.0.113.7", "--peer", "2001:DB8::0:7"): ["f", "g", "h"],
        ("--method", "GET", "--path", "/pay/{item}"): ["g", "h"],
        ("--method", "PATCH"): [],
    }
    for words, ids in found.items():
        done = run("query", *words, "--format", "json")
        assert [one["id"] for one in json.loads(done.stdout)] == ids, words
    assert "peer=203.0.113.7 method=GET path=/pay/{item}" in run("show", "g").output
    exported = list(csv.DictReader(io.StringIO(run("export").stdout)))
    assert [(row["peer"], row["method"], row["path"]) for row in exported if row["id"] == "h"] == [
        ("2001:db8::7", "GET", "/pay/{item}")
    ]
