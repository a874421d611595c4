"""Tests of `authguard audit report`: a file with mode 0600, and an exit code for the verification."""

from __future__ import annotations

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
    assert "NOT VERIFIED" in done.stdout
    assert "sound" not in done.stdout
    assert "no public key" in done.stderr


def test_a_mistyped_log_is_a_mistake_and_not_a_finding() -> None:
    done = run("--log", "nowhere.jsonl")
    assert done.exit_code == 2
    assert "there is no log at" in " ".join(done.stderr.split())


def test_a_log_that_does_not_verify_is_reported_and_fails_the_command(log: Path, tmp_path: Path) -> None:
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:100] + lines[101:]))
    done = run("--output", "report.html")
    assert done.exit_code == UNVERIFIED
    assert "does not verify" in done.stderr
    assert "BROKEN" in (tmp_path / "report.html").read_text("utf-8")


@pytest.mark.usefixtures("log")
def test_what_cannot_be_written_or_read_is_said(tmp_path: Path) -> None:
    assert run("--output", str(tmp_path / "none" / "report.html")).exit_code == FAILED
    assert run("--since", "soon").exit_code == 2
    future = run("--since", "2999-01-01")
    assert future.exit_code == 2
    assert "is in the future" in " ".join(future.stderr.split())
