"""The report: what it tells is what the log says; nothing in a log is markup to it; it asks nothing of a network."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from authguard.audit.query.index import open_index
from authguard.audit.query.stats import collect_stats
from authguard.audit.report.collect import collect_report
from authguard.audit.report.data import MAX_ROWS, ReportContext
from authguard.audit.report.page import render_page
from authguard.audit.verify.log_verifier import verify
from authguard.policy.compiler import load
from tests.audit.logs import AT, acted, decided, faulted, moved, refused, withdrawn, write
from tests.support.record_check import skip_validation

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.audit.report.data import ReportData
    from authguard.records.entries import Entry

HOSTILE = "</title><script>x()</script><img src=x onerror='x()'>\"'>\u202e\x00&amp;"
#: elements of HTML that have no end
VOID = {"meta", "rect", "line", "circle", "polyline", "path"}


class Reading(HTMLParser):
    """Reads a page: what elements it has, with which attributes, and its text; demands that all are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


def told(log: Path, since: float = float("-inf"), until: float = float("inf"), **more: Any) -> tuple[str, ReportData]:
    skip_validation(log)
    with open_index(log) as index:
        data = collect_report(index, since, until)
    said: dict[str, Any] = {"log": log.name, "since": since, "until": until, "made": AT, "by": "authguard 1"}
    context = ReportContext(**(said | {"verification": verify(log), "signed": False} | more))
    return render_page(context, data), data


def transaction(name: str, at: float, *steps: str) -> list[Entry]:
    """Move one transaction along states, a minute each."""
    ways = zip(("none", *steps), steps, strict=False)
    return [
        moved(f"{name}-{place}", at + 60 * place, f"transaction.{dest}: {source} -> {dest}", transaction=name)
        for place, (source, dest) in enumerate(ways)
    ]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    write(
        path,
        acted("a", 0, "started", by="audit"),
        *(decided(f"b{number}", 100 * number) for number in range(7)),
        decided("c", 40, "deny", rule="3:ask_scope", operation="pay", policy="cd"),
        decided("d", 50, "terminate", rule="4:end", operation="chat"),
        decided("e", 60, "deny", rule="3:ask_scope", operation="chat", policy="cd"),
        decided("f", 61, "deny", rule="9:void", operation="chat"),
        withdrawn("g", 62, "f"),
        moved("h", 70, "verification.passed: pending -> verified"),
        moved("i", 71, "verification.failed: pending -> failed"),
        moved("j", 72, "verification.doubted: pending -> ambiguous"),
        moved("k", 73, "verification.passed: pending -> verified", session="6"),
        *transaction("t1", 80, "held", "approved", "running", "done"),
        *transaction("t2", 90, "held", "denied"),
        *transaction("t3", 95, "held"),
        acted("l", 141, "transaction.approved", by="dana", note="looks right", transaction="t1"),
        refused("m", 200),
        faulted("n", 201),
    )
    return path


def test_it_counts_what_the_log_says_and_nothing_that_was_withdrawn(log: Path) -> None:
    _, data = told(log)
    assert [(one.rule, one.policy, one.outcome, dict(one.operations)) for one in data.denials] == [
        ("3:ask_scope", "cd", "deny", {"pay": 1, "chat": 1}),
        ("4:end", "ab", "terminate", {"chat": 1}),
    ]
    assert {state: (one.count, one.mean) for state, one in data.ends.items()} == {
        "done": (1, 60.0),
        "denied": (1, 60.0),
        "held": (1, 0.0),
    }
    assert [one.id for one in data.waiting] == ["t3"]
    assert [(one.id, one.people) for one in data.held] == [("t2", ()), ("t1", ("transaction.approved by dana",))]
    assert [(one.act, one.by, one.note) for one in data.by_people] == [("transaction.approved", "dana", "looks right")]
    assert [one.act for one in data.by_system] == ["started"]
    assert [(one.digest, one.count) for one in data.in_force] == [("ab", 24), ("cd", 2)]
    assert sum(one.decided.total() for one in data.columns) == data.stats.decisions == 10
    assert sum(one.verdicts.total() for one in data.columns) == 4
    assert (data.stats.failure_rate, data.stats.ambiguity_rate) == (0.25, 0.25)


def test_people_are_people_and_methods_sources_and_the_guard_are_none(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    write(
        path,
        *(decided(f"a{number}", number, subject="anna") for number in range(3)),
        decided("b", 4, subject="bob", actor="concierge"),
        decided("c", 5, subject="staff", operation="authguard.transaction.approve"),
        acted("d", 6, "transaction.approved", by="staff", transaction="t1"),
        acted("e", 7, "account.reinstated", by="Dana"),
        acted("f", 8, "rollback.released", by="dana, Ines"),
        acted("g", 9, "handoff.opened", by="guard"),
        acted("h", 10, "verification.passed", by="otp"),
        acted("i", 11, "started", by="support-desk"),
    )
    _, data = told(path)
    assert (data.participants.customers, data.participants.agents, data.participants.staff) == (2, 1, 3)
    assert {one.act for one in data.by_system} == {"handoff.opened", "verification.passed", "started"}


def test_what_lapsed_though_nobody_looked_does_not_wait(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    write(path, *transaction("t1", 80, "held"))
    policy = load("support-desk")
    (after,) = {one.after for one in policy.timers.armed["transaction", "held"] if one.moment == "entered"}
    with open_index(path) as index:
        early = collect_report(index, 0.0, float("inf"), policy, AT + 80 + after - 1)
        late = collect_report(index, 0.0, float("inf"), policy, AT + 80 + after + 1)
        past = collect_report(index, 0.0, AT + 100, policy, AT + 80 + after + 1)
    assert [(set(one.ends), len(one.waiting)) for one in (early, late, past)] == [
        ({"held"}, 1),
        ({"lapsed"}, 0),
        ({"held"}, 1),
    ]
    assert late.held[0].decided == AT + 80 + after


def test_what_it_counts_stands_in_the_page(log: Path) -> None:
    text, _ = told(log)
    words = " ".join(Reading(text).text.split())
    for said in (
        "Decisions 10",
        "Admitted 70.0%",
        "Proofs that failed 25.0%",
        "Held transactions 3 1 still held",
        "approved, and done 1",
        "still held 1",
        "transaction.approved by dana",
        "looks right",
        "3 denials by 2 rules",
        "body-too-large refused without a decision 1",
        "guard-fault failed in the guard 1",
        "Withdrawn and not counted: 1",
        "pending → verified passed 2",
        "Not verified. 10 decisions, 4 refused, 3 held, 1 failed.",
        "1 request failed in the guard: guard-fault 1.",
    ):
        assert said in words, said


def test_a_period_has_what_falls_into_it_and_transactions_as_they_stood_at_its_end(log: Path) -> None:
    _, data = told(log, AT + 75, AT + 130)
    assert data.stats.decisions == 1
    assert {state: one.count for state, one in data.ends.items()} == {"held": 3}
    assert data.stats == told_stats(log, AT + 75, AT + 130)


def told_stats(log: Path, since: float, until: float) -> object:
    with open_index(log) as index:
        return collect_stats(index, since, until)


def test_an_empty_period_is_a_page_too(log: Path) -> None:
    text, data = told(log, AT + 5_000_000, AT + 6_000_000)
    assert data.columns == ()
    words = " ".join(Reading(text).text.split())
    assert "No record falls into this period." in words
    assert "The records of the log run from 2027-01-15T08:00:00.000Z to 2027-01-15T08:10:00.000Z." in words
    assert "There was no decision in this period." in words
    assert "svg" not in Reading(text).tags


@pytest.mark.parametrize("days", [0.0, 0.01, 1.0, 30.0, 400.0, 30_000.0])
def test_a_plot_has_few_columns_however_long_the_period_is(tmp_path: Path, days: float) -> None:
    log = tmp_path / "audit.jsonl"
    write(log, decided("a"), decided("b", days * 43_200.0), decided("c", days * 86_400.0))
    _, data = told(log)
    assert 1 <= len(data.columns) <= 61
    assert sum(one.decided.total() for one in data.columns) == 3
    assert data.columns[0].at <= AT


def test_nothing_in_a_log_is_markup_or_code(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    said = {"policy": HOSTILE, "operation": HOSTILE, "rule": HOSTILE, "fallback": HOSTILE, "subject": HOSTILE}
    write(
        log,
        decided("a", 0, HOSTILE, **said),
        decided("b", 1, "deny", **said),
        acted("c", 2, HOSTILE, by=HOSTILE, note=HOSTILE),
        refused("d", 3, HOSTILE),
        moved("e", 4, "transaction.held: none -> held", transaction=HOSTILE),
        acted("f", 5, HOSTILE, by=HOSTILE, transaction=HOSTILE),
        *(
            moved(f"g{number}", 5 + number, f"{machine}.{HOSTILE}: {HOSTILE} -> {HOSTILE}!")
            for number, machine in enumerate((HOSTILE.replace(".", ""), "session"))
        ),
    )
    text, _ = told(log)
    read = Reading(text)
    assert not {"script", "img", "iframe", "link", "a href"} & set(read.tags)
    assert not [name for name, _ in read.attributes if name.startswith("on") or name in {"style", "src"}]
    assert {value for name, value in read.attributes if name == "href" and value and not value.startswith("#")} == set()
    assert "\u202e" not in text
    assert "\x00" not in text
    assert "<script>x()</script>" in read.text


def test_it_asks_nothing_of_a_network_and_runs_nothing(log: Path) -> None:
    text, _ = told(log)
    assert re.search(r"default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'", text)
    assert not re.search(r"https?:|@import|url\((?!#tip)", text)
    assert not re.search(r"<script| style=", text)


def test_a_broken_log_is_said_to_be_broken_before_anything_else(log: Path) -> None:
    skip_validation(log.parent)
    log.write_bytes(log.read_bytes().replace(b"looks right", b"looks wrong"))
    text, _ = told(log)
    words = " ".join(Reading(text).text.split())
    head = words[: words.index("Summary")]
    assert "Not verified: the log is broken." in head
    assert "The log was changed after it was written" in head
    assert "the line was edited" in head
    assert "authguard audit verify" in head


def test_the_policy_at_hand_names_the_lines_of_rules_where_it_is_the_one_that_decided(log: Path) -> None:
    policy = load("support-desk")
    write(log, decided("a", 0, "deny", rule="12:x", policy=policy.digest), decided("b", 1, "deny", rule="12:x"))
    text, _ = told(log, policy=policy)
    assert text.count(policy.table.rules[12].origin) == 1
    assert policy.name in Reading(text).text


def test_lists_are_bounded_and_say_what_they_leave_out(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    many = 11 * MAX_ROWS
    write(
        log,
        *(decided(f"d{number}", number, "deny", rule=f"{number}:x") for number in range(MAX_ROWS + 5)),
        *(step for number in range(many) for step in transaction(f"t{number:04}", number, "held")),
        *(acted(f"a{number}", number, "rollback.engaged", by="dana") for number in range(MAX_ROWS + 5)),
        *(moved(f"s{number}", number, f"session.x: s{number} -> s{number + 1}") for number in range(40)),
    )
    text, data = told(log)
    assert len(data.waiting) == len(data.by_people) == MAX_ROWS
    assert [one.id for one in data.waiting][:2] == ["t0000", "t0001"]
    assert data.ends["held"].count == many
    words = Reading(text).text
    assert f"of which the {MAX_ROWS} with the most are shown" in words
    assert "The 24 busiest of 40 transitions are drawn." in words


def test_the_period_is_in_utc_and_in_the_zone_of_the_person_if_it_is_another(log: Path) -> None:
    text, _ = told(log, AT, AT + 3_600, zone=ZoneInfo("Asia/Kolkata"))
    words = " ".join(Reading(text).text.split())
    assert "Period: 2027-01-15 08:00:00 to 2027-01-15 09:00:00 , UTC." in words
    assert "Asia/Kolkata: 2027-01-15 13:30:00+05:30 to 2027-01-15 14:30:00+05:30." in words
    assert "In the time zone of" not in Reading(told(log, AT, AT + 3_600)[0]).text


def test_a_period_that_no_calendar_has_is_still_a_page(log: Path) -> None:
    text, _ = told(log, -62_135_596_800.0, 253_402_300_799.0, zone=ZoneInfo("America/New_York"))
    assert "10 decisions" in Reading(text).text


def test_failures_come_first_and_each_reason_says_what_it_means_and_what_to_do(log: Path) -> None:
    text, data = told(log, describe_reason=lambda code: f"about {code}", describe_cure=lambda code: f"do `{code}`")
    assert [(one.reason, one.result, one.count) for one in data.reasons] == [
        ("guard-fault", "failed", 1),
        ("decided", "deny", 2),
        ("body-too-large", "refused", 1),
        ("decided", "terminate", 1),
    ]
    words = " ".join(Reading(text).text.split())
    assert "about body-too-large do body-too-large" in words
    order = [words.index(f"{name} ") for name in ("still held 1", "denied by an approver 1", "approved, and done 1")]
    assert order == sorted(order)


def test_ids_are_short_where_no_other_id_begins_so_and_complete_in_an_attribute(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    names = ("0123456789abcdef0123", "0123456789abffff0123", "fedcba98765432100123")
    write(path, *(step for place, name in enumerate(names) for step in transaction(name, place, "held")))
    text, data = told(path)
    assert [data.short_ids[name] for name in names] == ["0123456789abc", "0123456789abf", "fedcba98"]
    assert f'title="{names[2]}" data-id="{names[2]}"' in text
    assert ">fedcba98<" in text


def test_every_section_and_table_has_an_id_that_is_there_once(log: Path) -> None:
    read = Reading(told(log)[0])
    marks = [value for name, value in read.attributes if name == "id"]
    assert len(marks) == len(set(marks))
    assert {"summary", "reasons", "denials", "held", "integrity", "acts", "policies", "verdict"} <= set(marks)
    assert {"refusals-by-reason", "denials-by-rule", "held-waiting", "acts-by-people"} <= set(marks)
    linked = {value[1:] for name, value in read.attributes if name == "href" and value}
    assert linked <= set(marks)
