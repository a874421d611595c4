"""Tests of `authguard audit report`: a file with mode 0600, and an exit code for the verification."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from authguard import signing_key
from authguard.cli.output import FAILED, UNVERIFIED
from benchmarks.long_log import write
from tests.cli.deployment import group

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


app = group("audit")


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUTHGUARD_POLICY", raising=False)
    path = tmp_path / "audit.jsonl"
    key = signing_key.generate_key("desk")
    write(path, 300, key)
    path.with_suffix(".pub").write_text(key.key.text(), "ascii")
    monkeypatch.setenv("AUTHGUARD_AUDIT_LOG", str(path))
    return path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["report", *words])


def test_it_writes_a_page_with_the_ranges_that_are_signed(log: Path, tmp_path: Path) -> None:
    done = run("--key", str(log.with_suffix(".pub")), "--since", "14 Nov 2023", "--output", "report.html")
    assert (done.exit_code, done.output) == (0, "")
    written = tmp_path / "report.html"
    assert written.stat().st_mode & 0o777 == 0o600
    text = written.read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert "300 of 300 lines signed" in text
    assert "2023-11-14T00:00:00.000Z" in text


@pytest.mark.usefixtures("log")
def test_without_a_file_it_is_printed_and_without_a_key_nothing_vouches_for_the_log() -> None:
    done = run()
    assert done.exit_code == UNVERIFIED
    assert "no signature was verified" in done.stdout
    assert "Not verified." in done.stdout
    assert "Verified." not in done.stdout
    assert "no public key" in done.stderr


def test_a_mistyped_log_is_a_mistake_and_not_a_finding() -> None:
    done = run("--log", "nowhere.jsonl")
    assert done.exit_code == 1
    assert "there is no log at" in str(done.exception)


def test_a_log_that_does_not_verify_is_reported_and_fails_the_command(log: Path, tmp_path: Path) -> None:
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:100] + lines[101:]))
    done = run("--output", "report.html")
    assert done.exit_code == UNVERIFIED
    assert "does not verify" in done.stderr
    assert "Not verified: the log is broken." in (tmp_path / "report.html").read_text("utf-8")


@pytest.mark.usefixtures("log")
def test_what_cannot_be_written_or_read_is_said(tmp_path: Path) -> None:
    assert run("--output", str(tmp_path / "none" / "report.html")).exit_code == FAILED
    assert run("--since", "soon").exit_code == 2
    future = run("--since", "2999-01-01")
    assert future.exit_code == 2
    assert "is in the future" in " ".join(future.stderr.split())


KEYS = {
    *("verdict", "summary", "why", "next", "log", "since", "until", "first_record_at", "last_record_at"),
    *("log_first_at", "log_last_at", "made_at", "made_by", "counts", "rates", "integrity", "reasons", "denials"),
    *("outcomes", "operations", "records", "identity_verdicts", "credentials", "held", "transitions", "dwell_times"),
    *("acts", "policies", "timeline"),
}
COUNTS = {
    *("decisions", "refused", "failed", "held_transactions", "waiting_transactions", "denied", "deferred"),
    *("challenged", "admitted", "refused_without_decision", "customers", "agents", "staff"),
    *("withdrawn_records", "unparsed_lines"),
}


def test_the_figures_are_one_json_object_with_stable_keys_and_iso_times(log: Path, tmp_path: Path) -> None:
    key = str(log.with_suffix(".pub"))
    done = run("--json", "--key", key, "--since", "2023-11-14", "--policy", "support-desk")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert set(found) == KEYS
    assert set(found["counts"]) == COUNTS
    assert found["verdict"] == "verified"
    assert found["integrity"]["signed_lines"] == found["integrity"]["lines"] == 300
    assert found["since"] == "2023-11-14T00:00:00.000Z"
    assert found["until"] is None
    times = re.findall(r'"(?:\w+_)?at": ("[^"]*"|[^,}\s]+)', done.stdout)
    assert len(times) >= 10
    assert all(re.fullmatch(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"|null', one) for one in times)
    assert sum(one["count"] for one in found["outcomes"]) == found["counts"]["decisions"]
    assert sum(one["count"] for one in found["denials"]) == found["counts"]["denied"]

    assert run("--json", "--key", key, "-o", "report.json").output == ""
    written = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert written["counts"] == found["counts"]


def test_an_empty_period_has_the_same_keys_and_says_that_it_is_empty(log: Path) -> None:
    key = str(log.with_suffix(".pub"))
    full, empty = (json.loads(run("--json", "--key", key, *more).stdout) for more in ((), ("--since", "2024-01-01")))
    assert set(full) == set(empty)
    for name in ("counts", "rates", "integrity", "held", "acts", "timeline"):
        assert set(full[name]) == set(empty[name])
    assert empty["summary"] == "Verified. No record falls into this period."
    assert empty["first_record_at"] is None
    assert empty["counts"]["decisions"] == 0
    assert empty["outcomes"] == empty["reasons"] == []


@pytest.mark.parametrize("more", [(), ("--since", "14 Nov 2023", "--until", "15 Nov 2023"), ("--since", "2024-01-01")])
def test_what_it_says_to_type_can_be_typed(log: Path, more: tuple[str, ...]) -> None:
    found = json.loads(run("--json", "--key", str(log.with_suffix(".pub")), *more).stdout)
    assert found["next"]
    for command in found["next"]:
        program, name, *words = shlex.split(command)
        assert program == "authguard"
        if name == "audit":
            done = CliRunner().invoke(app, words)
            assert done.exit_code in {0, UNVERIFIED}, (command, done.output)
        else:
            assert CliRunner().invoke(group(name), [words[0], "--help"]).exit_code == 0


def test_what_to_type_about_a_log_that_is_not_verified_can_be_typed(log: Path) -> None:
    unsigned = json.loads(run("--json").stdout)
    assert (unsigned["verdict"], unsigned["next"][0]) == ("not_verified", "authguard audit keys show")
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:100] + lines[101:]))
    broken = json.loads(run("--json").stdout)
    assert broken["verdict"] == "broken"
    assert broken["integrity"]["findings"][0]["file"].endswith("audit.jsonl")
    _, _, *words = shlex.split(broken["next"][0])
    assert words[0] == "verify"
    assert CliRunner().invoke(app, words).exit_code == UNVERIFIED
