"""An app's own lines in a chain: kept whole and bounded, passed on unchanged, and never a danger to the app."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import NonRecordingSpan, SpanContext, use_span

import authguard
from authguard.app_log import LoggingSink
from authguard.audit.verify.log_verifier import verify
from authguard.audit.write.jsonl import JsonlSink
from authguard.audit.write.memory import MemorySink
from authguard.audit.write.processor import GUARD_EVENTS, RESERVED, ChainProcessor, make_entry
from authguard.records.chain import GENESIS, IntactChain, format_line, verify_chain
from authguard.records.entries import ActEntry, WithdrawalEntry
from authguard.records.record_types import FIELDS, MAX_TEXT_CHARS
from authguard.testing import FakeClock
from tests.audit.conftest import CountingIds
from tests.support.hostile_text import TEXTS, is_harmless
from tests.support.record_check import RecordValidator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECORDS = RecordValidator()


@pytest.fixture
def inner() -> MemorySink:
    return MemorySink()


@pytest.fixture
def chained(inner: MemorySink) -> ChainProcessor:
    return ChainProcessor(inner, clock=FakeClock(), ids=CountingIds())


@pytest.fixture
def log(chained: ChainProcessor) -> Iterator[Any]:
    structlog.configure(processors=[structlog.processors.add_log_level, chained, structlog.processors.JSONRenderer()])
    with structlog.testing.capture_logs(processors=[structlog.processors.add_log_level, chained]) as seen:
        yield structlog.get_logger(), seen
    structlog.reset_defaults()


def test_a_line_is_kept_in_the_chain_and_goes_on_unchanged(inner: MemorySink, log: Any) -> None:
    logger, seen = log
    logger.warning("slow answer", ms=12.5, late=True, who="desk")
    assert seen == [
        {"event": "slow answer", "ms": 12.5, "late": True, "who": "desk", "level": "warning", "log_level": "warning"}
    ]
    (kept,) = inner.entries()
    assert (kept["kind"], kept["level"], kept["message"]) == ("log", "warning", "slow answer")
    assert kept["fields"] == {"ms": 12.5, "late": True, "who": "desk"}
    assert isinstance(verify_chain(inner.lines), IntactChain)


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_name_of_the_chains_own_is_refused(name: str) -> None:
    entry = make_entry("info", {"event": "x", name: "y", "fine": 1}, "r", 1.0)
    assert entry.fields == {"fine": 1}
    assert entry.refused == (name,)


@pytest.mark.parametrize(
    "name",
    ["password", "Authorization", "access_token", "set-cookie", "apiKey", "client_secret", "a b", "", "1st", "x" * 65],
)
def test_a_secret_or_malformed_name_is_refused(name: str) -> None:
    entry = make_entry("info", {"event": "x", name: "s3cret"}, "r", 1.0)
    assert not entry.fields
    assert entry.refused == ((name or "-"),)
    assert b"s3cret" not in format_line(entry, 0, GENESIS)[0]


@pytest.mark.parametrize(
    "text",
    ["Bearer abcdefgh12345678", "got eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl", "BASIC dXNlcjpwYXNz=", "dpop aaaaaaaaaa"],
)
def test_a_credential_inside_a_text_is_taken_out(text: str) -> None:
    entry = make_entry("info", {"event": text, "note": text}, "r", 1.0)
    assert "[credential]" in entry.message
    assert entry.fields["note"] == entry.message
    assert text.rpartition(" ")[2] not in entry.message


def test_what_is_no_text_number_or_truth_is_refused_and_what_was_raised_is_its_class() -> None:
    try:
        int("a secret")
    except ValueError as error:
        for info in (True, error, sys.exc_info()):
            entry = make_entry("error", {"event": "x", "thing": object(), "blob": b"x", "exc_info": info}, "r", 1.0)
            assert entry.fields == {"exception": "ValueError"}
            assert entry.refused == ("thing", "blob")


def test_there_are_so_many_fields_and_no_more() -> None:
    entry = make_entry("info", {"event": "x", **{f"f{number}": number for number in range(100)}}, "r", 1.0)
    assert len(entry.fields) == FIELDS
    assert len(entry.refused) <= FIELDS


def test_a_trace_id_has_its_place_where_it_is_one() -> None:
    assert make_entry("info", {"event": "x", "trace_id": "4b" * 16}, "r", 1.0).trace_id == "4b" * 16
    for bad in ("0" * 32, "4B" * 16, "x", 7, None):
        assert not make_entry("info", {"event": "x", "trace_id": bad}, "r", 1.0).trace_id


VALUES = st.one_of(TEXTS, st.integers(), st.floats(), st.booleans(), st.none(), st.binary(max_size=4), st.lists(TEXTS))


@given(event=VALUES, level=TEXTS, said=st.dictionaries(TEXTS, VALUES, max_size=40))
def test_whatever_the_app_says_is_one_bounded_record_that_forges_nothing(
    event: Any, level: str, said: dict[str, Any]
) -> None:
    line, _ = format_line(make_entry(level, {**said, "event": event}, "r", 1.0), 0, GENESIS)
    RECORDS.line(line)
    assert line.count(b"\n") == 1
    assert len(line) < 65_535
    assert is_harmless(line.decode().rstrip("\n"))


def test_the_longest_record_is_within_the_bound_of_a_line() -> None:
    widest = "\U0001f600" * 4 * MAX_TEXT_CHARS
    said = {f"f{number}".ljust(64, "x"): widest for number in range(FIELDS)} | {"x" * 64: widest, "y" * 500: 1}
    line, _ = format_line(make_entry("info", {"event": widest, **said}, "r" * 64, 1.0), 10**18 - 1, GENESIS)
    assert len(line) < 65_535


@pytest.mark.parametrize("name", sorted(GUARD_EVENTS))
def test_what_the_guard_announces_is_not_written_twice(name: str, inner: MemorySink, log: Any) -> None:
    log[0].info(name, act="started")
    assert not inner.lines
    assert len(log[1]) == 1


def test_the_guards_own_announcements_have_these_names(chained: ChainProcessor, inner: MemorySink) -> None:
    structlog.configure(processors=[chained, structlog.processors.JSONRenderer()])
    try:
        outer = LoggingSink(MemorySink())
        outer.append(ActEntry(id="a", at=1.0, policy="ab", act="started"))
        outer.append(WithdrawalEntry(id="b", at=1.0, policy="ab", records=("a",)))
    finally:
        structlog.reset_defaults()
    assert not inner.lines
    assert not outer.failed_events


def test_a_full_disk_costs_the_app_nothing_and_is_told_when_it_is_over(inner: MemorySink, log: Any) -> None:
    inner.full = True
    for _ in range(3):
        log[0].info("unkept")
    assert len(log[1]) == 3
    inner.full = False
    log[0].info("kept")
    lost, kept = inner.entries()
    assert (lost["act"], lost["by"], lost["note"]) == ("records_dropped", "audit", "3 lines")
    assert kept["message"] == "kept"


def test_threads_share_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "app.jsonl"
    chained = ChainProcessor(
        JsonlSink(path, clock=FakeClock(), ids=CountingIds()), clock=FakeClock(), ids=CountingIds()
    )

    def say() -> None:
        for number in range(200):
            chained(None, "info", {"event": "said", "number": number})

    threads = [threading.Thread(target=say) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    chained.close()
    found = verify(path)
    assert found.ok
    assert dict(found.kinds) == {"log": 800}


def test_the_lines_stand_in_the_guards_log_or_in_one_of_their_own(tmp_path: Path) -> None:
    environ = {"AUTHGUARD_STORE": str(tmp_path / "store.db"), "AUTHGUARD_AUDIT_LOG": str(tmp_path / "audit.jsonl")}
    guards = JsonlSink(tmp_path / "audit.jsonl", clock=FakeClock(), ids=CountingIds(), policy="ab")
    guards.open()
    guards.append(ActEntry(id="a", at=1.0, policy="ab", act="started"))
    beside = authguard.audit_processor(environ=environ)
    beside(None, "info", {"event": "said"})
    beside.close()
    beside(None, "info", {"event": "and again"})
    beside.close()
    guards.close()
    assert dict(verify(tmp_path / "audit.jsonl").kinds)["log"] == 2
    apart = authguard.audit_processor(tmp_path / "app.jsonl", environ=environ)
    apart(None, "info", {"event": "said"})
    apart.close()
    assert verify(tmp_path / "app.jsonl").ok
    assert (tmp_path / "app.jsonl.signing").exists()


def test_without_a_trace_id_of_the_app_the_active_span_gives_one() -> None:
    active = SpanContext(int("4b" * 16, 16), 1, is_remote=False)
    with use_span(NonRecordingSpan(active)):
        assert make_entry("info", {"event": "x"}, "r", 1.0).trace_id == "4b" * 16
        assert make_entry("info", {"event": "x", "trace_id": "5c" * 16}, "r", 1.0).trace_id == "5c" * 16
    assert not make_entry("info", {"event": "x"}, "r", 1.0).trace_id
