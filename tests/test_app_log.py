"""The app's pipeline hears what the audit log was told, after it was told, and can undo nothing."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from msgspec.structs import replace
from structlog.testing import capture_logs

from authguard.app_log import LoggingSink, log_introspection_problem
from authguard.audit.write.memory import MemorySink
from authguard.core.decision_table import DIMENSIONS
from authguard.errors import AuditError
from authguard.ports import IntrospectionProblem
from authguard.records.entries import (
    ActEntry,
    DecisionEntry,
    FaultEntry,
    RefusalEntry,
    TransitionEntry,
    WithdrawalEntry,
)
from tests.audit.logs import CELL

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMON: dict[str, Any] = {"id": "1", "at": 5.0, "policy": "ab"}
MOVED = TransitionEntry(
    machine="session", event="session.accepted", source="absent", dest="active", cause="request", **COMMON
)
ACTED = ActEntry(act="rollback.engaged", by="mara", note="name and msg and level", **COMMON)
FAULTED = FaultEntry(reason="guard-fault", where="load", error="StoreError", **COMMON)
WITHDRAWN = WithdrawalEntry(records=("2", "3"), **COMMON)
DECIDED = DecisionEntry(operation="pay", cell=CELL, rule="1:x", outcome="deny", fallback="x", **COMMON)
REFUSED = RefusalEntry(reason="body-too-large", status=413, **COMMON)
MOVED_TEXT = "id=1 machine=session source=absent dest=active cause=request trigger=session.accepted"
ANNOUNCED = (MOVED, ACTED, FAULTED, WITHDRAWN)


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    """Leave structlog as it was found: not configured."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.fixture
def inner() -> MemorySink:
    return MemorySink()


@pytest.fixture
def sink(inner: MemorySink) -> LoggingSink:
    return LoggingSink(inner)


def configure(*processors: Any) -> None:
    structlog.configure(processors=[*processors, structlog.processors.JSONRenderer()])


def test_what_moves_is_announced_and_what_is_decided_per_request_is_not(sink: LoggingSink, inner: MemorySink) -> None:
    configure()
    with capture_logs() as heard:
        for entry in (*ANNOUNCED, DECIDED, REFUSED):
            sink.append(entry)
    assert [(line["event"], line["log_level"]) for line in heard] == [
        ("authguard.transitioned", "info"),
        ("authguard.acted", "info"),
        ("authguard.faulted", "error"),
        ("authguard.withdrawn", "info"),
    ]
    assert [entry["kind"] for entry in inner.entries()] == [
        *("transition", "act", "fault", "withdrawn", "decision", "refusal")
    ]


def test_data_goes_in_keys_and_empty_ones_are_left_out(sink: LoggingSink) -> None:
    configure()
    with capture_logs() as heard:
        sink.append(MOVED)
        sink.append(WITHDRAWN)
    assert heard[0] == {
        **COMMON,
        "event": "authguard.transitioned",
        "log_level": "info",
        "machine": "session",
        "trigger": "session.accepted",
        "source": "absent",
        "dest": "active",
        "cause": "request",
    }
    assert heard[1]["records"] == ("2", "3")


def test_the_record_is_written_before_it_is_announced(sink: LoggingSink, inner: MemorySink) -> None:
    seen: list[int] = []

    def look(_logger: object, _name: str, _event: dict[str, Any]) -> dict[str, Any]:
        seen.append(len(inner.lines))
        raise structlog.DropEvent

    configure(look)
    sink.append(MOVED)
    assert seen == [1]


def test_what_was_not_written_is_not_announced(sink: LoggingSink, inner: MemorySink) -> None:
    configure()
    inner.full = True
    with capture_logs() as heard, pytest.raises(AuditError):
        sink.append(MOVED)
    assert heard == []


def test_a_processor_that_raises_loses_nothing_and_is_counted(sink: LoggingSink, inner: MemorySink) -> None:
    def explode(_logger: object, _name: str, _event: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("the app's pipeline")

    configure(explode)
    assert [sink.append(entry) for entry in (*ANNOUNCED, DECIDED)] == [1, 2, 3, 4, 5]
    assert len(inner.lines) == 5
    assert sink.failed_events == 4


@pytest.mark.parametrize("credential", ["expired", "rejected", "unproven", "missing", "good"])
def test_a_refused_credential_is_shown_at_debug_level(sink: LoggingSink, credential: str) -> None:
    cell = tuple(credential if name == "credential" else value for name, value in zip(DIMENSIONS, CELL, strict=True))
    refused = replace(DECIDED, cell=cell, reason="claim-missing", claim="aud")
    with capture_logs() as lines:
        structlog.configure()
        sink.append(refused)
    expected = {
        "event": "authguard.credential_refused",
        "log_level": "debug",
        "reason": "claim-missing",
        "claim": "aud",
        "operation": "pay",
        "id": "1",
    }
    assert lines == ([] if credential in {"missing", "good"} else [expected])


def test_an_app_without_structlog_hears_it_through_the_standard_logger(
    sink: LoggingSink, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO, "authguard"):
        for entry in ANNOUNCED:
            sink.append(entry)
    assert [(line.name, line.levelname, line.getMessage()) for line in caplog.records] == [
        (
            "authguard",
            "INFO",
            "authguard.transitioned: " + MOVED_TEXT,
        ),
        ("authguard", "INFO", "authguard.acted: id=1 act=rollback.engaged"),
        (
            "authguard",
            "ERROR",
            "authguard.faulted: id=1 reason=guard-fault where=load error=StoreError; see `authguard audit explain 1`",
        ),
        ("authguard", "INFO", "authguard.withdrawn: id=1 records=2,3"),
    ]
    assert vars(caplog.records[0])["trigger"] == "session.accepted"
    assert vars(caplog.records[1])["by"] == "mara"
    assert sink.failed_events == 0
    assert capsys.readouterr().out == ""


def test_an_app_without_any_logging_set_up_is_not_spammed(
    sink: LoggingSink, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.WARNING, "authguard"):
        sink.append(MOVED)
    assert caplog.records == []
    assert capsys.readouterr() == ("", "")
    assert sink.failed_events == 0


async def test_the_rest_is_the_inner_sinks(sink: LoggingSink) -> None:
    sink.open()
    await sink.flush(sink.append(DECIDED))
    with pytest.raises(AuditError):
        await sink.flush(2)
    sink.close()


@pytest.mark.parametrize("mode", ["uvicorn", "basic", "structlog", "nothing"])
def test_the_fields_are_printed_however_logging_is_set_up(mode: str, tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-m", "tests.support.log_program", mode, str(tmp_path)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if "authguard." in line]
    unnamed = next(line for line in lines if "authguard.unnamed" in line)
    assert "GET /unnamed/{name}" in unnamed
    assert "add" in unnamed, "what to do"
    faulted = next(line for line in lines if "authguard.faulted" in line)
    if mode == "structlog":
        assert json.loads(faulted).items() >= {"reason": "guard-fault", "where": "audit", "level": "error"}.items()
    else:
        assert "reason=guard-fault where=audit error=AuditError" in faulted
        assert "authguard audit explain" in faulted
    assert ("authguard.transitioned" in done.stderr) == (mode in {"basic", "structlog"}), "a lesser level"
    assert "alice" not in "".join(lines)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("found", [None, object()], ids=["not imported", "half imported"])
def test_an_app_that_did_not_import_structlog_hears_the_standard_logger(
    found: object, sink: LoggingSink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    configure()
    monkeypatch.setitem(sys.modules, "structlog", found)
    with caplog.at_level(logging.INFO, "authguard"):
        sink.append(MOVED)
    assert caplog.messages == [f"authguard.transitioned: {MOVED_TEXT}"]
    assert sink.failed_events == 0


@pytest.mark.parametrize(("is_outage", "level"), [(False, "error"), (True, "warning")])
def test_a_misconfigured_introspection_is_an_error_and_an_outage_a_warning(*, is_outage: bool, level: str) -> None:
    structlog.configure()
    try:
        with capture_logs() as logged:
            log_introspection_problem(IntrospectionProblem("https://i.test", "check `url`", is_outage))
    finally:
        structlog.reset_defaults()
    assert logged == [
        {
            "event": "authguard.introspection",
            "log_level": level,
            "issuer": "https://i.test",
            "detail": "check `url`",
        }
    ]
